"""Softmax losses against 50-digit arithmetic: the truth is written here from the formulas, class by class."""

import numpy as np
import pytest

import boostloss as bl
from boostloss.kernels import softmax
from boostloss.kernels.cpu import rebind
from boostloss.kernels.scalar import mpmath_words

mpmath = pytest.importorskip("mpmath", reason="50-digit arithmetic needs mpmath")
CTX = mpmath.mp.clone() if hasattr(mpmath.mp, "clone") else mpmath.mp
CTX.dps = 60


def truth(y, z, gamma):
    """Value, gradient, exact diagonal Hessian of one row, and what is largest in every entry of the latter."""
    z = [CTX.mpf(float(v)) for v in z]
    top = max(z)
    e = [CTX.exp(v - top) for v in z]
    rest = sum(e[k] for k in range(len(z)) if k != y)
    p, q = e[y] / (e[y] + rest), rest / (e[y] + rest)
    log_p, power = CTX.log1p(-q) if q < 0.5 else CTX.log(p), q**gamma
    first = power * (gamma * p * log_p - q)
    summands = [gamma * p * power * term for term in (2 * q, q * log_p, -(gamma - 1) * p * log_p)]
    second = sum(summands)
    return -power * log_p, *by_class(y, e, first, second, summands), p


def by_class(y, e, first, second, summands=()):
    """Gradient, exact diagonal Hessian and what is largest in every entry of it; `summands` are those of `second`."""
    rest = sum(e[k] for k in range(len(e)) if k != y)
    p, q = e[y] / (e[y] + rest), rest / (e[y] + rest)
    gradient, hessian, terms = [], [], []
    for k in range(len(e)):
        r, others = e[k] / rest, sum(e[j] for j in range(len(e)) if j not in (k, y)) / rest
        parts = (second, -p * first) if k == y else (second * r * r, -first * r * (p + q * others))
        gradient.append(first if k == y else -first * r)
        hessian.append(sum(parts))
        weight = 1 if k == y else r * r
        terms.append(max(map(abs, (sum(parts), *parts, *(weight * term for term in summands)))))
    return gradient, hessian, terms


def spacing(number, dtype):
    """That of the dtype at a number of any precision."""
    info = np.finfo(dtype)
    normal = CTX.mpf(2) ** (CTX.floor(CTX.log(number, 2)) - info.nmant) if number else 0
    return max(normal, float(info.smallest_subnormal))


def ulps(got, true, scale, dtype, p=1):
    """Error in units in the last place of `scale`; where p is subnormal and its multiple a result, of p times that."""
    unit = spacing(scale, dtype)
    if 0 < p < float(np.finfo(dtype).tiny):
        unit = max(unit, spacing(p, dtype) * scale / p)
    return float(abs(CTX.mpf(float(got)) - true) / unit)


def rows(n_classes, n_rows, spread, seed):
    """Raw predictions: random, one class far ahead, the right or a wrong one, ties."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(-spread, spread, (n_rows, n_classes))
    z[::4, 0] = spread
    z[1::4] = rng.normal(size=z[1::4].shape)
    z[2::8] = 0.0
    return rng.integers(0, n_classes, n_rows), z


def worst(loss, dtype, y, z, truth):
    """The largest error of value, gradient and Hessian over the rows, each divided by what abs(z) > 20 allows."""
    z = z.astype(dtype)
    value, (gradient, hessian) = loss.loss(y, z), loss.gradient_hessian(y, z, curvature="exact")
    found = np.zeros(3)
    for i in range(len(y)):
        allowance = max(1.0, float(abs(z[i]).max()) / 20)
        true_value, true_gradient, true_hessian, terms, p = truth(int(y[i]), z[i])
        errors = [ulps(value[i], true_value, true_value, dtype)]
        errors.append(max(ulps(g, t, abs(t), dtype) for g, t in zip(gradient[i], true_gradient, strict=True)))
        errors.append(max(ulps(h, t, s, dtype, p) for h, t, s in zip(hessian[i], true_hessian, terms, strict=True)))
        found = np.maximum(found, np.array(errors) / allowance)
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("gamma", [0.0, 2.0, 5.0])
@pytest.mark.parametrize("n_classes", [2, 3, 5, 50])
def test_softmax_is_right_to_the_last_bits(n_classes, gamma, dtype):
    """Within 8 ulp for abs(z) <= 20, in proportion up to 1e4; a class far ahead too. Gamma 5 in float64: 12."""
    loss = bl.Focal(gamma=gamma) if gamma else bl.CrossEntropy()
    bound = 12 if gamma == 5 and dtype == np.float64 else 8
    for spread in (3.0, 20.0, 60.0, 1e4):
        y, z = rows(n_classes, 400 // n_classes + 8, spread, seed=int(spread))
        found = worst(loss, dtype, y, z, lambda label, row: truth(label, row, CTX.mpf(gamma)))
        assert (found <= bound).all(), spread


# Internal cancellation, at these parameters, costs the second derivative of the soft truncation in p some more
OTHERS = [
    (bl.Poly1(), 8),
    (bl.Poly1Focal(), 8),
    (bl.SoftTruncated(), 13),
    (bl.MarginTruncated(), 10),
    (bl.LDAM(margins=[0.1, 0.3, 0.2]), 8),
    (bl.LDAM(margins=[0.1, 0.3, 0.2], scale=4.0), 10),
    (bl.SelfAdjusting(), 10),
]


# Each takes ten seconds to compile
PARAMS_OF_OTHERS = [
    pytest.param(loss, bound, id=f"{loss!r}-{bound}", marks=() if isinstance(loss, bl.LDAM) else pytest.mark.slow)
    for loss, bound in OTHERS
]


def truth_of_formula(loss, y, z):
    """The same from the loss's own formula in 60 digits; that it is right for two classes is for test_verify."""
    z = [CTX.mpf(float(v)) for v in z]
    top = max(z[k] for k in range(len(z)) if k != y)
    e = [CTX.exp(v - top) for v in z]
    rest = sum(e[k] for k in range(len(z)) if k != y)
    m = z[y] - top - CTX.log(rest)
    p, q = 1 / (1 + CTX.exp(-m)), 1 / (1 + CTX.exp(m))
    formula = rebind(loss.point, mpmath_words(CTX))
    params = [CTX.mpf(value) for value in loss._class_parameters(len(z))[y]]
    value, first, second = formula(-CTX.log1p(CTX.exp(-m)), -CTX.log1p(CTX.exp(m)), p, q, *params)
    return value, *by_class(y, e, first, second), p


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("loss", "bound"), PARAMS_OF_OTHERS)
def test_other_losses_of_three_classes(loss, bound, dtype):
    """As above; the largest errors are in the second derivative."""
    for spread in (3.0, 20.0, 1e4):
        y, z = rows(3, 80, spread, seed=int(spread))
        found = worst(loss, dtype, y, z, lambda label, row: truth_of_formula(loss, label, row))
        assert (found <= bound).all(), spread


@pytest.mark.slow  # a kernel for every layout
@pytest.mark.parametrize("n_classes", [*softmax.BY_ROW, softmax.BY_ROW.stop])
def test_number_of_classes_known_to_the_compiler(n_classes):
    """Rows of as many classes, of which kernels know the number, give what classes in the other order give."""
    rng = np.random.default_rng(n_classes)
    raw = rng.normal(scale=3, size=(1000, n_classes)).astype(np.float32)
    labels, weight = rng.integers(0, n_classes, 1000), rng.uniform(0.5, 2, 1000)
    loss = bl.Focal(class_weight=np.arange(1.0, n_classes + 1))
    in_rows, in_classes = (loss.gradient_hessian(labels, a, weight) for a in (raw, np.asfortranarray(raw)))
    assert softmax.layout_of(raw) == (n_classes if n_classes in softmax.BY_ROW else 0, True)
    for ours, other in zip(in_rows, in_classes, strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-6)
    np.testing.assert_allclose(loss.loss(labels, raw), loss.loss(labels, np.asfortranarray(raw)), rtol=1e-6)
