"""Kernels against 50-digit arithmetic, from the textbook formulas: no line of the package takes part in the truth.

Errors are in units in the last place of the result, below the smallest normal number in units of the smallest
subnormal one. Where a second derivative or a gradient passes through zero they count relative to its largest term. A
second derivative is p times a factor: where p itself is subnormal, in units of p's spacing times that factor.
"""

import numpy as np
import pytest

import boostloss as bl

mpmath = pytest.importorskip("mpmath")

CTX = mpmath.MPContext()
CTX.dps = 130  # (bandwidth / residual)^2 takes 76 of them

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)
DENSE = pytest.mark.parametrize("n_random", [150, pytest.param(3000, marks=pytest.mark.slow)])
WEIGHTED = pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])


def margins(n_random, dtype, seed):
    """Zero, tiny, dense up to 20, beyond up to 1e4, and where exp(-|z|) is subnormal in float32 or in float64."""
    rng = np.random.default_rng(seed)
    parts = [
        [0.0, 1e-8, 1e-4, 20.0, 40.0, 100.0, 745.0, 1e4],
        np.linspace(0.1, 20, 100),
        rng.uniform(0, 20, n_random),
        10 ** rng.uniform(-8, 0, n_random // 5),
        10 ** rng.uniform(np.log10(20), 4, n_random // 2),
        rng.uniform(86, 105, n_random // 5),
        rng.uniform(707, 746, n_random // 5),
    ]
    z = np.concatenate(parts) * rng.choice([-1, 1], sum(map(len, parts)))
    return np.unique(z.astype(dtype))


def residuals(n_random, dtype, seed, *scales):
    """From 1e-8 to 1e30, and around the scales of the loss."""
    rng = np.random.default_rng(seed)
    parts = [10.0 ** np.arange(-8, 31), 10 ** rng.uniform(-8, 30, n_random)]
    parts += [scale * 10 ** rng.uniform(-1.5, 1.5, n_random // 2) for scale in scales]
    r = np.concatenate(parts) * rng.choice([-1, 1], sum(map(len, parts)))
    return np.unique(r.astype(dtype))


def unit(size, dtype):
    """One unit in the last place of a number."""
    info = np.finfo(dtype)
    exponent = CTX.mag(size) - info.nmant - 1 if size else -np.inf
    return CTX.ldexp(1, int(max(exponent, info.minexp - info.nmant)))


def error(computed, truth, *terms):
    """Error in ulp of the largest of truth and terms; 0 for inf where the truth exceeds the dtype."""
    info = np.finfo(computed.dtype)
    if np.isinf(computed) and abs(truth) > float(info.max):
        return 0.0
    assert np.isfinite(computed)
    size = max(map(abs, (truth, *terms)))
    return float(abs(CTX.mpf(float(computed)) - truth) / unit(size, computed.dtype))


def weights_of(n_rows, dtype, weighted):
    return np.random.default_rng(9).uniform(0.1, 3, n_rows).astype(dtype) if weighted else None


def evaluate(loss, y_true, raw, weight):
    return loss.loss(y_true, raw, weight), *loss.gradient_hessian(y_true, raw, weight, curvature="exact")


def focal(m, gamma, tiny):
    """Value, gradient, second derivative by the margin of the true class, and the terms of the latter."""
    p, q = 1 / (1 + CTX.exp(-m)), 1 / (1 + CTX.exp(m))
    minus_log_p = CTX.log1p(CTX.exp(-m)) if m > 0 else CTX.log1p(CTX.exp(m)) - m
    power = q**gamma
    first = -power * (gamma * p * minus_log_p + q)
    second = gamma * p * power * (q * (2 - minus_log_p) + (gamma - 1) * p * minus_log_p)
    hessian = p * power * (q * (2 * gamma + 1) + gamma * minus_log_p * (gamma * p - q))
    return power * minus_log_p, first, hessian, (second, p * first, hessian * max(1, tiny / p))


def worst_of_margins(loss, gamma, dtype, n_random, weighted):
    """The largest error of value, gradient and second derivative for abs(z) <= 20, and times 20 / abs(z) beyond."""
    z = margins(n_random, dtype, seed=int(10 * gamma))
    y_true = np.random.default_rng(1).integers(0, 2, len(z)).astype(dtype)
    weight = weights_of(len(z), dtype, weighted)
    computed = np.transpose(evaluate(loss, y_true, z, weight))
    gamma, tiny = CTX.mpf(gamma), float(np.finfo(dtype).tiny)
    worst = np.zeros(3)
    for i, margin in enumerate(z):
        sign, w = (1 if y_true[i] else -1), (CTX.mpf(float(weight[i])) if weighted else 1)
        value, first, hessian, terms = focal(sign * CTX.mpf(float(margin)), gamma, tiny)
        errors = [
            error(computed[i, 0], w * value),
            error(computed[i, 1], sign * w * first),
            error(computed[i, 2], w * hessian, *(w * term for term in terms)),
        ]
        worst = np.maximum(worst, np.array(errors) * min(1, 20 / max(abs(float(margin)), 1e-9)))
    return worst


@DTYPES
@DENSE
@WEIGHTED
def test_cross_entropy(dtype, n_random, weighted):
    """Within 8 ulp for abs(z) <= 20, in proportion to abs(z) up to 1e4."""
    assert worst_of_margins(bl.CrossEntropy(), 0.0, dtype, n_random, weighted).max() <= 8


@DTYPES
@DENSE
@WEIGHTED
@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 1.7, 2.0, 5.0])
def test_focal(gamma, dtype, n_random, weighted):
    """Within 8 ulp for abs(z) <= 20, in proportion to abs(z) up to 1e4."""
    assert worst_of_margins(bl.Focal(gamma=gamma), gamma, dtype, n_random, weighted).max() <= 8


def huber(r, delta):
    if abs(r) <= delta:
        return r * r / 2, r, CTX.one
    return delta * (abs(r) - delta / 2), delta * CTX.sign(r), CTX.zero


def quantile_loss(r, tau, b):
    s = CTX.hypot(r, b)
    return s / 2 + (CTX.mpf("0.5") - tau) * r, CTX.mpf("0.5") + r / (2 * s) - tau, b * b / (2 * s**3)


def worst_of_residuals(loss, truth, terms, r, weighted):
    """The largest error of value, gradient and second derivative."""
    weight = weights_of(len(r), r.dtype, weighted)
    computed = np.transpose(evaluate(loss, np.zeros_like(r), r, weight))
    worst = np.zeros(3)
    for i, residual in enumerate(r):
        w = CTX.mpf(float(weight[i])) if weighted else CTX.one
        value, gradient, hessian = truth(CTX.mpf(float(residual)))
        errors = [
            error(computed[i, 0], w * value),
            error(computed[i, 1], w * gradient, w * terms(residual)),
            error(computed[i, 2], w * hessian),
        ]
        worst = np.maximum(worst, errors)
    return worst


@DTYPES
@DENSE
@WEIGHTED
@pytest.mark.parametrize("delta", [2.0**-10, 1.345, 700.0])
def test_huber(delta, dtype, n_random, weighted):
    """Within 8 ulp from abs(r) = 1e-8 to 1e30; no point lies between delta and its float32 number."""
    r = residuals(n_random, dtype, 3, delta)
    worst = worst_of_residuals(bl.Huber(delta=delta), lambda r: huber(r, CTX.mpf(delta)), lambda r: 0, r, weighted)
    assert worst.max() <= 8


@DTYPES
@DENSE
@WEIGHTED
@pytest.mark.parametrize("quantile", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("bandwidth", [1e-3, 0.2, 300.0])
def test_quantile(quantile, bandwidth, dtype, n_random, weighted):
    """Within 8 ulp from abs(r) = 1e-8 to 1e30; a gradient of the larger of it and tau (above y: 1 - tau)."""
    tau, b = CTX.mpf(quantile), CTX.mpf(bandwidth)
    loss = bl.Quantile(quantile=quantile, bandwidth=bandwidth)
    r = residuals(n_random, dtype, 4, bandwidth)
    slope = {True: 1 - tau, False: tau}
    worst = worst_of_residuals(loss, lambda r: quantile_loss(r, tau, b), lambda r: slope[bool(r > 0)], r, weighted)
    assert worst.max() <= 8


def barron(r, alpha, c):
    """Value, gradient, second derivative, and what rounding r alone does to the last two."""
    x2, b = (r / c) ** 2, 2 - alpha
    if b == 0:
        return r * r / 2, r, CTX.one, r, CTX.zero
    y, rise = x2 / b, 1 + x2 / b
    value = c * c * CTX.log(rise) * b / 2 if alpha == 0 else c * c * b / alpha * (rise ** (alpha / 2) - 1)
    weight = rise ** (alpha / 2 - 1)
    second, bend = weight * (1 + (alpha - 1) * y) / rise, 1 + (alpha - 1) * y
    third = 2 * y * weight / rise * (alpha - 1 + (alpha / 2 - 2) * bend / rise)  # times r
    return value, r * weight, second, r * second, third


BARRON_SHAPES = [2.0, 2 - 2.0**-52, 1.999999, 1.7, 1 + 1e-7, 1.0, 0.1, 1e-3, 1e-7, 1e-16]
BARRON_SHAPES += [0.0, -1e-17, -0.3, -2.0, -20.0, -1e4, -1e19]


@DTYPES
@DENSE
@pytest.mark.parametrize("alpha", BARRON_SHAPES)
@pytest.mark.parametrize("scale", [1e-3, 1.345, 1e4])
def test_barron(alpha, scale, dtype, n_random):
    """Within 8 ulp from abs(r) = 1e-8 to 1e30; in float64 also where 2 - alpha must be rounded."""
    alpha, scale = (float(dtype(number)) for number in (alpha, scale))
    r = residuals(n_random // 5, dtype, 6, scale, scale * (2.001 - alpha) ** 0.5)
    computed = np.transpose(evaluate(bl.Barron(alpha=alpha, scale=scale), np.zeros_like(r), r, None))
    worst = 0.0
    for i, residual in enumerate(r):
        numbers = (CTX.mpf(float(number)) for number in (residual, alpha, scale))
        value, gradient, second, r_second, r_third = barron(*numbers)
        worst = max(worst, error(computed[i, 0], value), error(computed[i, 1], gradient, r_second))
        worst = max(worst, error(computed[i, 2], second, r_third))
    assert worst <= 8


@DTYPES
@pytest.mark.parametrize("loss", [bl.CrossEntropy(), bl.Focal(gamma=0.5), bl.Focal(gamma=5.0)], ids=repr)
def test_underflow_is_gradual(loss, dtype):
    """Where p or q is subnormal the results are, instead of 0, within the bound in units of the smallest subnormal."""
    smallest = float(np.finfo(dtype).smallest_subnormal)
    z = np.array([-np.log(10 * smallest), -np.log(1000 * smallest)], dtype)
    gamma = getattr(loss, "gamma", 0.0)
    y_true = np.zeros(2, dtype)  # wrong side: value and gradient are large, the second derivative is subnormal
    _, hessian = loss.gradient_hessian(y_true, z, curvature="exact")
    truth = [focal(-CTX.mpf(float(margin)), CTX.mpf(gamma), 0)[2] for margin in z]
    assert (hessian != 0).all()
    assert [float(t) for t in truth] == pytest.approx(hessian.astype(float).tolist(), rel=0.2)
    if gamma == 0:
        value = loss.loss(np.ones(2, dtype), z)
        assert 5 * smallest < value[0] < 15 * smallest


@DTYPES
def test_nothing_overflows_early(dtype):
    """For every finite input the results are no NaN, and inf only where the truth exceeds the dtype."""
    largest = float(np.finfo(dtype).max)
    x = np.array([s * m for m in (0.0, np.finfo(dtype).tiny, 1.0, 1e4, largest / 2, largest) for s in (-1, 1)], dtype)
    for loss in (bl.CrossEntropy(), bl.Focal(gamma=0.5), bl.Focal(gamma=2.0)):
        for label in (0, 1):
            y_true = np.full_like(x, label)
            for result in (loss.loss(y_true, x), *loss.gradient_hessian(y_true, x)):
                assert np.isfinite(result).all()
    for loss in (bl.Huber(delta=1.345), bl.Quantile(quantile=0.9, bandwidth=0.2)):
        for result in (loss.loss(np.zeros_like(x), x), *loss.gradient_hessian(np.zeros_like(x), x)):
            assert not np.isnan(result).any()
            assert np.isfinite(result[abs(x) <= largest / 2]).all()
