"""The losses from their textbook definitions, in float64 NumPy, shaped (n, K) and differentiated by p, not by log p.

Exact for moderate raw predictions only, and slow; it shares no line and no convention with the package.
"""

import numpy as np
from scipy.special import expit, softmax


def residual_scale(r, weight=None):
    """S = (mean of sqrt(abs(r)))^2."""
    return np.average(np.sqrt(np.abs(r)), weights=weight) ** 2


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


def of_probability(gamma, epsilon, p, q):
    """L = -q^gamma log p + epsilon q^(gamma + 1), and its first two derivatives by p."""
    slope = gamma * q ** (gamma - 1) * np.log(p) - q**gamma / p - epsilon * (gamma + 1) * q**gamma
    bend = -gamma * (gamma - 1) * q ** (gamma - 2) * np.log(p) + 2 * gamma * q ** (gamma - 1) / p + q**gamma / p**2
    bend += epsilon * (gamma + 1) * gamma * q ** (gamma - 1)
    return -(q**gamma) * np.log(p) + epsilon * q ** (gamma + 1), slope, bend


def targets(loss, y, n_classes):
    """The label as a distribution over the classes."""
    one_hot = np.stack([1 - y, y], 1) if n_classes == 2 else np.eye(n_classes)[y.astype(int)]
    return (1 - loss.label_smoothing) * one_hot + loss.label_smoothing / n_classes


def classification(loss, y, raw):
    """Value (n,), gradient, exact second derivative and recommended curvature, shaped as raw."""
    sigmoid = raw.ndim == 1
    z = np.stack([np.zeros_like(raw), raw], 1) if sigmoid else raw
    n_classes = z.shape[1]
    p = np.stack([expit(-raw), expit(raw)], 1) if sigmoid else softmax(z, axis=1)
    gammas = np.broadcast_to(getattr(loss, "gamma", 0.0), n_classes)
    weights, t = class_weights(loss, n_classes), targets(loss, y, n_classes)
    value, gradient, hessian, curvature = np.zeros(len(z)), np.zeros_like(z), np.zeros_like(z), np.zeros_like(z)
    epsilon = getattr(loss, "epsilon", 0.0)
    soft_targets = type(loss).__name__ == "CrossEntropy" and loss.label_smoothing
    for k in range(n_classes):
        own = np.eye(n_classes)[k]
        others = np.delete(p, k, axis=1).sum(axis=1)
        f, slope, bend = of_probability(gammas[k], epsilon, p[:, k], others)
        first = p[:, [k]] * (own - p)
        second = p[:, [k]] * ((own - p) ** 2 - p * (1 - p))
        share = weights[k] * t[:, k]
        g = slope[:, None] * first
        h = bend[:, None] * first**2 + slope[:, None] * second
        value += share * f
        gradient += share[:, None] * g
        hessian += share[:, None] * h
        curvature += share[:, None] * np.maximum(h, np.abs(g) / 2)
    if sigmoid and not np.any(gammas) and abs(epsilon) <= 1:
        curvature = hessian
    elif soft_targets:
        curvature = np.maximum(hessian, np.abs(gradient) / 2)
    if loss.curvature == "exact":
        curvature = np.maximum(hessian, 1e-16)
    if sigmoid:
        gradient, hessian, curvature = gradient[:, 1], hessian[:, 1], curvature[:, 1]
    return value, gradient, hessian, curvature


def residual(loss, y, raw, weight=None):
    """The same for losses of the residual; their automatic scale comes from this batch."""
    r = raw - y
    name, scale = type(loss).__name__, residual_scale(r, weight)
    if name == "Huber":
        delta = 1.3 * scale if loss.delta == "auto" else loss.delta
        inside = np.abs(r) <= delta
        value = np.where(inside, r**2 / 2, delta * (np.abs(r) - delta / 2))
        gradient, hessian = np.clip(r, -delta, delta), inside * 1.0
    elif name == "LogCosh":
        c = 1.2 * scale if loss.scale == "auto" else loss.scale
        value = c**2 * (np.logaddexp(r / c, -r / c) - np.log(2))
        gradient, hessian = c * np.tanh(r / c), np.cosh(r / c) ** -2.0
    else:
        tau = loss.quantile
        b = 2 * tau * (1 - tau) * scale if loss.bandwidth == "auto" else loss.bandwidth
        s = np.sqrt(r**2 + b**2)
        value, gradient, hessian = s / 2 + (0.5 - tau) * r, r / (2 * s) + 0.5 - tau, b**2 / (2 * s**3)
    psi = gradient - (0.5 - loss.quantile if name == "Quantile" else 0.0)  # its part that is odd in r
    curvature = psi / r
    if loss.curvature == "exact":
        curvature = np.maximum(hessian, 1e-6 * curvature)
    return value, gradient, hessian, curvature


def reference(loss, y, raw, weight=None):
    """Value, gradient, exact second derivative and recommended curvature, weights applied."""
    known = classification(loss, y, raw) if hasattr(loss, "label_smoothing") else residual(loss, y, raw, weight)
    if weight is None:
        return known
    return tuple(part * (weight if part.ndim == 1 else weight[:, None]) for part in known)
