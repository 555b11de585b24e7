"""The losses from their textbook definitions, in float64 NumPy, shaped (n, K) and differentiated by p, not by log p.

Exact for moderate raw predictions only, and slow; it shares no line and no convention with the package.
"""

import numpy as np
from scipy.special import expit, softmax, xlogy

# Automatic scales in units of S
AUTO = {"Huber": 1.3, "LogCosh": 1.2, "PseudoHuber": 1.3, "Fair": 1.4, "Cauchy": 2.3, "Welsch": 2.9, "Tukey": 4.5}
AUTO |= {"Barron": 1.3}


def residual_scale(r, weight=None):
    """S = (mean of sqrt(abs(r)))^2."""
    return np.average(np.sqrt(np.abs(r)), weights=weight) ** 2


def deviation(loss, y, raw):
    """What S is the scale of: the residual, in terms of the link, or the relative error."""
    if type(loss).__name__ == "MAPE":
        return raw / y - 1
    return raw - (np.log(y) if type(loss).__name__ == "SMAPE" else y)


def class_weights(loss, n_classes):
    """One weight per class."""
    weights = np.ones(n_classes)
    if loss.alpha is not None:
        weights[:] = 1 - loss.alpha, loss.alpha
    if loss.pos_weight is not None:
        weights[1] = loss.pos_weight
    if loss.class_weight is not None:
        given = loss.class_weight if isinstance(loss.class_weight, dict) else dict(enumerate(loss.class_weight))
        for k, value in given.items():
            weights[k] = value
    return weights


def by_margin(value, slope, bend, p, q):
    """Value and derivatives by p from those by the margin log(p / q)."""
    return value, slope / (p * q), (bend - slope * (q - p)) / (p * q) ** 2


def of_probability(gamma, epsilon, p, q):
    """L = -q^gamma log p + epsilon q^(gamma + 1), and its first two derivatives by p."""
    slope = gamma * q ** (gamma - 1) * np.log(p) - q**gamma / p - epsilon * (gamma + 1) * q**gamma
    bend = -gamma * (gamma - 1) * q ** (gamma - 2) * np.log(p) + 2 * gamma * q ** (gamma - 1) / p + q**gamma / p**2
    bend += epsilon * (gamma + 1) * gamma * q ** (gamma - 1)
    return -(q**gamma) * np.log(p) + epsilon * q ** (gamma + 1), slope, bend


def weighted_by(w, dw, d2w, p):
    """L = -w log p and its derivatives by p, from those of w."""
    return -w * np.log(p), -dw * np.log(p) - w / p, -d2w * np.log(p) - 2 * dw / p + w / p**2


def hard_truncated(loss, k, p, q):
    inside = p <= loss.theta
    return np.maximum(0, np.log(loss.theta / p)), np.where(inside, -1 / p, 0), np.where(inside, 1 / p**2, 0)


def soft_truncated(loss, k, p, q):
    w = expit(loss.k * (loss.theta - p))
    dw = -loss.k * w * (1 - w)
    return weighted_by(w, dw, -loss.k * dw * (1 - 2 * w), p)


def margin_truncated(loss, k, p, q):
    w = expit(loss.k * (loss.t - np.log(p / q)))
    dw = -loss.k * w * (1 - w)  # by the margin
    return weighted_by(*by_margin(w, dw, -loss.k * dw * (1 - 2 * w), p, q), p)


def ldam(loss, k, p, q):
    return by_margin(*logistic(np.log(p / q) - loss.margins[k], loss.scale), p, q)


def logistic(m, scale):
    s = expit(-scale * m)
    return np.logaddexp(0, -scale * m) / scale, -s, scale * s * (1 - s)


def asymmetric(loss, k, p, q):
    if k == 1:
        return of_probability(loss.gamma_pos, 0.0, p, q)
    gamma, u = loss.gamma_neg, np.maximum(q - loss.clip, 0)
    with np.errstate(divide="ignore", invalid="ignore"):  # u ** negative
        value, slope, bend = of_probability(gamma, 0.0, 1 - u, u)
    return tuple(np.where(u > 0, part, 0.0) for part in (value, slope, bend))


FORMULAS = {
    "HardTruncated": hard_truncated,
    "SoftTruncated": soft_truncated,
    "MarginTruncated": margin_truncated,
    "LDAM": ldam,
    "Asymmetric": asymmetric,
}


def charbonnier(d, b):
    s = np.sqrt(d**2 + b**2)
    return (d + s) / 2, -(1 + d / s) / 2, b**2 / (2 * s**3), 1 / (2 * s)


def of_margin(loss, m):
    """Value, two derivatives and the recommended curvature of a loss of the margin."""
    d, name = 1 - m, type(loss).__name__
    zero = np.zeros_like(m)
    if name == "Exponential":
        return np.exp(-m), -np.exp(-m), np.exp(-m), np.exp(-m)
    if name == "Hinge":
        return charbonnier(d, loss.bandwidth)
    if name == "Perceptron":
        return charbonnier(-m, loss.bandwidth)
    if name == "QuadraticHinge":
        k = loss.width
        value = np.select([d <= 0, d < k], [zero, d**2 / (2 * k)], d - k / 2)
        return value, -np.clip(d / k, 0, 1), ((d > 0) & (d < k)) / k, zero + 1 / k
    if name == "SquaredHinge":
        return np.maximum(d, 0) ** 2 / 2, -np.maximum(d, 0), (d > 0) * 1.0, zero + 1
    assert name == "ModifiedHuber"
    near = m >= -1
    value, slope = np.where(near, np.maximum(d, 0) ** 2, -4 * m), np.where(near, -2 * np.maximum(d, 0), -4.0)
    return value, slope, 2.0 * (near & (d > 0)), zero + 2


def margin(loss, y, raw):
    """Value, gradient, exact second derivative and recommended curvature of a loss of the margin."""
    weights, t = class_weights(loss, 2), targets(loss, y, 2)
    total = [np.zeros_like(raw) for _ in range(4)]
    for k, sign in ((0, -1), (1, 1)):
        value, slope, second, curvature = of_margin(loss, sign * raw)
        if loss.curvature == "exact":
            curvature = np.maximum(second, 1e-6 * np.abs(slope))
        for sums, part in zip(total, (value, sign * slope, second, curvature), strict=True):
            sums += weights[k] * t[:, k] * part
    return tuple(total)


def targets(loss, y, n_classes):
    """The label as a distribution over the classes."""
    one_hot = np.stack([1 - y, y], 1) if n_classes == 2 else np.eye(n_classes)[y.astype(int)]
    return (1 - loss.label_smoothing) * one_hot + loss.label_smoothing / n_classes


def classification(loss, y, raw):
    """Value (n,), gradient, exact second derivative and recommended curvature, shaped as raw."""
    sigmoid = raw.ndim == 1
    if type(loss).__name__ == "LogitAdjusted":
        offset = loss.tau * np.log(np.asarray(loss.class_prior, float))
        raw = raw + (offset[1] - offset[0] if sigmoid else offset)
    z = np.stack([np.zeros_like(raw), raw], 1) if sigmoid else raw
    n_classes = z.shape[1]
    p = np.stack([expit(-raw), expit(raw)], 1) if sigmoid else softmax(z, axis=1)
    gammas = np.broadcast_to(getattr(loss, "gamma", 0.0), n_classes)
    weights, t = class_weights(loss, n_classes), targets(loss, y, n_classes)
    value, gradient, hessian, curvature = np.zeros(len(z)), np.zeros_like(z), np.zeros_like(z), np.zeros_like(z)
    epsilon = getattr(loss, "epsilon", 0.0)
    name = type(loss).__name__
    soft_targets = name in ("CrossEntropy", "KLDivergence", "LogitAdjusted") and loss.label_smoothing
    if name == "KLDivergence":
        value += xlogy(t, t) @ weights
    for k in range(n_classes):
        own = np.eye(n_classes)[k]
        others = np.delete(p, k, axis=1).sum(axis=1)
        formula = FORMULAS.get(type(loss).__name__)
        pq = p[:, k], others
        f, slope, bend = formula(loss, k, *pq) if formula else of_probability(gammas[k], epsilon, *pq)
        first = p[:, [k]] * (own - p)
        second = p[:, [k]] * ((own - p) ** 2 - p * (1 - p))
        share = weights[k] * t[:, k]
        g = slope[:, None] * first
        h = bend[:, None] * first**2 + slope[:, None] * second
        value += share * f
        gradient += share[:, None] * g
        hessian += share[:, None] * h
        curvature += share[:, None] * np.maximum(h, np.abs(g) / 2)
    if sigmoid and not np.any(gammas) and abs(epsilon) <= 1 and (name == "LDAM" or not formula):
        curvature = hessian
    elif soft_targets:
        curvature = np.maximum(hessian, np.abs(gradient) / 2)
    if loss.curvature == "exact":
        curvature = np.maximum(hessian, 1e-16)
    if sigmoid:
        gradient, hessian, curvature = gradient[:, 1], hessian[:, 1], curvature[:, 1]
    return value, gradient, hessian, curvature


def weight_loss(name, x):
    """Value, derivatives by x and psi(x) / x of the losses of x = r / c that are x^2 / 2 near 0."""
    a = np.abs(x)
    if name == "Huber":
        inside = a <= 1
        return np.where(inside, x**2 / 2, a - 0.5), np.clip(x, -1, 1), inside * 1.0
    if name == "LogCosh":
        return np.logaddexp(x, -x) - np.log(2), np.tanh(x), np.cosh(x) ** -2.0
    if name == "PseudoHuber":
        s = np.sqrt(1 + x**2)
        return s - 1, x / s, s**-3.0
    if name == "Fair":
        return a - np.log1p(a), x / (1 + a), (1 + a) ** -2.0
    if name == "Cauchy":
        return np.log1p(x**2) / 2, x / (1 + x**2), (1 - x**2) / (1 + x**2) ** 2
    if name == "Welsch":
        e = np.exp(-(x**2))
        return (1 - e) / 2, x * e, (1 - 2 * x**2) * e
    assert name == "Tukey"
    u = np.maximum(1 - x**2, 0)
    return (1 - u**3) / 6, x * u**2, u * (1 - 5 * x**2)


def barron(alpha, x):
    """Value and derivatives by x of Barron's loss; alpha = 2 and 0 are limits."""
    if alpha == 2:
        return x**2 / 2, x, 1 + 0 * x
    b, z = 2 - alpha, x**2 / (2 - alpha) + 1
    value = np.log(z) if alpha == 0 else b / alpha * np.expm1(alpha / 2 * np.log1p(x**2 / b))
    return value, x * z ** (alpha / 2 - 1), z ** (alpha / 2 - 2) * (1 + (alpha - 1) * x**2 / b)


def residual(loss, y, raw, weight=None):
    """The same for losses of the residual; their automatic scale comes from this batch."""
    r = raw - y
    name, S = type(loss).__name__, residual_scale(r, weight)
    tilt, side = 0.0, 1.0
    if name in ("Quantile", "AbsoluteError"):
        tau = loss.quantile if name == "Quantile" else 0.5
        b = (4 * tau * (1 - tau)) ** 1.5 * S if loss.bandwidth == "auto" else loss.bandwidth
        s, tilt = np.sqrt(r**2 + b**2), 0.5 - tau
        value, gradient, hessian = s / 2 + tilt * r, r / (2 * s) + tilt, b**2 / (2 * s**3)
        if name == "AbsoluteError":
            value, gradient, hessian = 2 * value - b, 2 * gradient, 2 * hessian
    elif name in ("SquaredError", "Expectile"):
        side = 0.5 if name == "SquaredError" else np.where(r > 0, 1 - loss.expectile, loss.expectile)
        value, gradient, hessian = side * r**2, 2 * side * r, 2 * side + 0 * r
    else:
        if name == "AsymmetricHuber":
            side, name = np.where(r > 0, 1 - loss.asymmetry, loss.asymmetry), "Huber"
        given = next(getattr(loss, n) for n in ("delta", "scale") if hasattr(loss, n))
        c = AUTO[name] * S if given == "auto" else given
        value, gradient, hessian = barron(loss.alpha, r / c) if name == "Barron" else weight_loss(name, r / c)
        value, gradient, hessian = side * c**2 * value, side * c * gradient, side * hessian
    curvature = (gradient - tilt) / r  # psi(r) / r of the part that is odd in r
    if name in ("Cauchy", "Welsch", "Tukey") or getattr(loss, "alpha", 1) < 1:
        curvature = np.maximum(curvature, 1e-6)
    if loss.curvature == "exact":
        curvature = np.maximum(hessian, 1e-6 * curvature)
    return value, gradient, hessian, curvature


def smooth_percentage(loss, y, raw, weight):
    """MAPE by y, SMAPE by mu, both chained by the derivatives of the prediction mu."""
    b = residual_scale(deviation(loss, y, raw), weight) if loss.bandwidth == "auto" else loss.bandwidth
    if type(loss).__name__ == "MAPE":
        u, du, d2u = (raw - y) / np.abs(y), 1 / np.abs(y), 0.0
    else:
        mu = np.exp(raw)
        u = 2 * (mu - y) / (mu + y)
        du, d2u = 4 * y * mu / (mu + y) ** 2, 4 * y * mu * (y - mu) / (mu + y) ** 3
    s = np.sqrt(u**2 + b**2)
    gradient, hessian = u * du / s, b**2 * du**2 / s**3 + u * d2u / s
    curvature = du**2 / s if type(loss).__name__ == "MAPE" else np.maximum(gradient / (raw - np.log(y)), 1e-6 / b)
    return s - b, gradient, hessian, curvature


def log_linked(loss, y, raw):
    """The deviances' derivatives by the mean, chained."""
    mu = np.exp(raw)
    p = {"Poisson": 1.0, "Gamma": 2.0}.get(type(loss).__name__) or loss.power
    value = {1.0: mu - y * raw, 2.0: raw + y / mu}.get(p)
    if value is None:
        value = mu ** (2 - p) / (2 - p) + y * mu ** (1 - p) / (p - 1)
    slope, bend = (mu - y) / mu**p, (y * p - (p - 1) * mu) / mu ** (p + 1)
    return value, slope * mu, bend * mu**2 + slope * mu, (mu + y) / (2 * mu ** (p - 1))


def several_quantiles(loss, y, raw):
    """Of every level on its own: the values summed."""
    levels = [type(loss)(quantile=q, bandwidth=loss.bandwidth, curvature=loss.curvature) for q in loss.quantile]
    parts = [residual(level, y, column) for level, column in zip(levels, raw.T, strict=True)]
    value, *derivatives = zip(*parts, strict=True)
    return sum(value), *[np.stack(columns, 1) for columns in derivatives]


def regression(loss, y, raw, weight):
    """The same for any regression loss."""
    name = type(loss).__name__
    if name in ("MAPE", "SMAPE"):
        known = smooth_percentage(loss, y, raw, weight)
    elif name in ("Poisson", "Gamma", "Tweedie"):
        known = log_linked(loss, y, raw)
    elif name == "MSLE":
        d = raw - np.log1p(y)
        known = d**2 / 2, d, 1 + 0 * d, 1 + 0 * d
    elif raw.ndim == 2:
        return several_quantiles(loss, y, raw)
    else:
        return residual(loss, y, raw, weight)
    value, gradient, hessian, curvature = known
    return value, gradient, hessian, np.maximum(hessian, 1e-6 * curvature) if loss.curvature == "exact" else curvature


def reference(loss, y, raw, weight=None):
    """Value, gradient, exact second derivative and recommended curvature, weights applied."""
    if not hasattr(loss, "label_smoothing"):
        known = regression(loss, y, raw, weight)
    else:
        known = (margin if loss.variable == "margin" else classification)(loss, y, raw)
    if weight is None:
        return known
    return tuple(part * (weight if part.ndim == 1 else weight[:, None]) for part in known)
