"""Properties of every loss: its value, its derivatives, its weights, and what an object of it is."""

import copy
import importlib
import pickle

import numpy as np
import pandas as pd
import pytest
from conftest import CLASSIFICATION, LOSSES, REGRESSION, SIGMOID, SOFTMAX, Case, over
from numpy.testing import assert_allclose, assert_array_equal
from reference import reference
from scipy.optimize import check_grad
from sklearn.base import clone

import boostloss
from boostloss import (
    MAPE,
    SMAPE,
    AbsoluteError,
    Asymmetric,
    AsymmetricHuber,
    CrossEntropy,
    Expectile,
    Focal,
    HardTruncated,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    Perceptron,
    Poly1,
    Poly1Focal,
    Quantile,
    SquaredError,
    Tukey,
)
from boostloss.kernels import softmax, templates
from boostloss.kernels.cpu import compiled

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
WEIGHTED = pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
TOLERANCE = {np.float32: 3e-6, np.float64: 1e-9}


def derivative(f, x, step):
    """df/dx by central differences of fourth order."""
    return (8 * (f(x + step) - f(x - step)) - (f(x + 2 * step) - f(x - 2 * step))) / (12 * step)


def of_column(f, raw, k):
    """f as a function of column k of the raw predictions alone; of all of them where there is one."""
    if raw.ndim == 1:
        return f, raw

    def one(column):
        changed = raw.copy()
        changed[:, k] = column
        return f(changed)

    return one, raw[:, k]


def column(array, k):
    return array if array.ndim == 1 else array[:, k]


def rowwise(weight, array):
    return weight if array.ndim == 1 else weight[:, None]


# ----------------------------------------------------------------------------------------------- value and derivatives


@over(LOSSES)
@DTYPES
@WEIGHTED
def test_equals_the_textbook_formula(case, dtype, weighted):
    """Value, gradient, exact second derivative and recommended curvature are those of the definition."""
    y, raw, weight = case.sample(200, dtype=dtype, weighted=weighted)
    wide = [None if a is None else a.astype(np.float64) for a in (y, raw, weight)]
    value, gradient, hessian, curvature = reference(case.loss, *wide)
    tolerance = TOLERANCE[dtype]
    near_zero = tolerance * np.max(np.abs(gradient))  # a difference of nearly equal terms has no relative digits
    g, auto = case.loss.gradient_hessian(y, raw, weight)
    exact = case.loss.gradient_hessian(y, raw, weight, curvature="exact")[1]
    assert_allclose(case.loss.loss(y, raw, weight), value, rtol=tolerance, atol=tolerance)
    assert_allclose(g, gradient, rtol=tolerance, atol=near_zero)
    assert_allclose(exact, hessian, rtol=tolerance, atol=near_zero)
    assert_allclose(auto, curvature, rtol=tolerance, atol=near_zero)


@over(LOSSES)
@WEIGHTED
def test_derivatives_are_those_of_the_value(case, weighted):
    """Gradient and exact Hessian agree with fourth-order central differences, per class for softmax."""
    y, raw, weight = case.sample(weighted=weighted)
    loss = case.frozen(y, raw, weight)
    gradient, hessian = loss.gradient_hessian(y, raw, weight, curvature="exact")
    for k in range(case.n_outputs):
        value, x = of_column(lambda z: loss.loss(y, z, weight), raw, k)
        slope, _ = of_column(lambda z: loss.gradient_hessian(y, z, weight)[0], raw, k)
        size = rowwise(np.maximum(1, np.abs(loss.loss(y, raw, weight))), x)
        assert_allclose(column(gradient, k) / size, derivative(value, x, 1e-3) / size, rtol=1e-8, atol=1e-9)
        numeric = derivative(lambda z, slope=slope, k=k: column(slope(z), k), x, 1e-3)
        assert_allclose(column(hessian, k), numeric, rtol=1e-7, atol=1e-8)


@over(LOSSES)
def test_check_grad(case):
    """The summed gradient passes scipy's check_grad."""
    y, raw, weight = case.sample(6)
    loss = case.frozen(y, raw, weight)

    def value(flat):
        return loss.loss(y, flat.reshape(raw.shape), weight).sum()

    def gradient(flat):
        return loss.gradient_hessian(y, flat.reshape(raw.shape), weight)[0].ravel()

    assert check_grad(value, gradient, raw.ravel()) < 1e-5


@over([case for case in SIGMOID if not isinstance(case.loss, KLDivergence)])
def test_equals_the_formula_in_plain_python(case):
    """The public methods equal `point` run on Python floats, two classes."""
    y, raw, _ = case.sample(30)
    params = case.loss._class_parameters(2)
    weights = np.ones(2)
    if case.loss.alpha is not None:
        weights = np.array([1 - case.loss.alpha, case.loss.alpha])
    for k, w in {0: 1.0, 1: case.loss.pos_weight or 1.0}.items():
        weights[k] *= w
    given = case.loss.class_weight
    for k, w in given.items() if isinstance(given, dict) else enumerate(given or ()):
        weights[k] = w

    def of_class(k, z):
        m = z if k else -z
        p, q = 1 / (1 + np.exp(-m)), 1 / (1 + np.exp(m))
        if case.loss.variable == "margin":
            f, first, second, _ = case.loss.point(float(m), *params[k])
            return weights[k] * np.array([f, first if k else -first, second])
        f, first, second = case.loss.point(np.log(p), np.log(q), float(p), float(q), *params[k])
        return weights[k] * np.array([f, first if k else -first, second - p * first])

    smoothing = case.loss.label_smoothing
    smooth = (1 - smoothing) * y + smoothing / 2
    expected = np.array([t * of_class(1, z) + (1 - t) * of_class(0, z) for t, z in zip(smooth, raw, strict=True)])
    gradient, hessian = case.loss.gradient_hessian(y, raw, curvature="exact")
    actual = np.stack([case.loss.loss(y, raw), gradient, hessian], 1)
    assert_allclose(actual, expected, rtol=1e-11, atol=1e-13)


@over(REGRESSION)
def test_residual_losses_equal_the_formula_in_plain_python(case):
    """The public methods equal `point` run on Python floats."""
    y, raw, weight = case.sample(30)
    loss = case.frozen(y, raw, weight)
    params, _ = loss.prepare(y, raw, weight)
    points = np.array([loss.point(float(r), *params) for r in raw - y])
    gradient, curvature = loss.set_params(curvature="auto").gradient_hessian(y, raw, weight)
    _, hessian = loss.gradient_hessian(y, raw, weight, curvature="exact")
    actual = np.stack([loss.loss(y, raw, weight), gradient, hessian, curvature], 1)
    assert_allclose(actual, weight[:, None] * points, rtol=1e-13)


@over([case for case in REGRESSION if case.is_automatic])
@WEIGHTED
def test_automatic_scale_is_a_number_within_a_round(case, weighted):
    """ "auto" equals the same loss with the batch's own scale, 1.3 S, 1.2 S or (4 tau (1 - tau))^1.5 S, as a number."""
    y, raw, weight = case.sample(weighted=weighted)
    frozen = case.frozen(y, raw, weight)
    assert_allclose(case.loss.loss(y, raw, weight), frozen.loss(y, raw, weight), rtol=1e-12)
    assert_allclose(case.loss.gradient_hessian(y, raw, weight), frozen.gradient_hessian(y, raw, weight), rtol=1e-12)


@over(LOSSES)
def test_a_row_does_not_depend_on_the_others(case):
    """Row by row equals the call on all rows, the scale of the batch apart."""
    y, raw, weight = case.sample(9)
    loss = case.frozen(y, raw, weight)
    value, (gradient, hessian) = loss.loss(y, raw, weight), loss.gradient_hessian(y, raw, weight)
    for i in range(len(y)):
        row = slice(i, i + 1)
        assert_allclose(loss.loss(y[row], raw[row], weight[row]), value[row], rtol=1e-12)
        g, h = loss.gradient_hessian(y[row], raw[row], weight[row])
        assert_allclose(g, gradient[row], rtol=1e-12)
        assert_allclose(h, hessian[row], rtol=1e-12)


@over([SIGMOID[0], SIGMOID[1], SIGMOID[5], SOFTMAX[0], SOFTMAX[1], SOFTMAX[-1], REGRESSION[0], REGRESSION[-3]])
@DTYPES
def test_threads_do_not_change_a_bit(case, dtype, monkeypatch):
    """One, two and three threads give the same bits, also where slices end in the middle of a block."""
    y, raw, weight = case.sample(140_001, dtype=dtype)
    results = []
    for n_threads in "123":
        monkeypatch.setenv("BOOSTLOSS_NUM_THREADS", n_threads)
        results.append((case.loss.loss(y, raw, weight), *case.loss.gradient_hessian(y, raw, weight)))
    for result in results[1:]:
        for a, b in zip(results[0], result, strict=True):
            assert_array_equal(a, b)


# ------------------------------------------------------------------------------------------------------------- weights


@over(LOSSES)
@DTYPES
def test_weights_multiply(case, dtype):
    """Weights multiply value, gradient and curvature; ones change nothing; a number is one for all rows."""
    y, raw, weight = case.sample(dtype=dtype)
    loss = case.frozen(y, raw, weight)
    value, (gradient, hessian) = loss.loss(y, raw), loss.gradient_hessian(y, raw)
    g, h = loss.gradient_hessian(y, raw, weight)
    tolerance = 1e-6 if dtype == np.float32 else 1e-14
    tolerance = {"rtol": tolerance, "atol": tolerance * np.abs(gradient).max()}
    assert_allclose(loss.loss(y, raw, weight), weight * value, **tolerance)
    assert_allclose(g, rowwise(weight, raw) * gradient, **tolerance)
    assert_allclose(h, rowwise(weight, raw) * hessian, **tolerance)
    ones = np.ones(len(y), dtype)
    assert_array_equal(case.loss.loss(y, raw, ones), case.loss.loss(y, raw))
    assert_array_equal(case.loss.gradient_hessian(y, raw, ones), case.loss.gradient_hessian(y, raw))
    assert_array_equal(loss.loss(y, raw, 2.0), loss.loss(y, raw, 2 * ones))


@over(LOSSES)
def test_integer_weights_are_copies_of_rows(case):
    """Weight k equals k copies of the row: in sums, in the metric, in the start, in the automatic scale."""
    y, raw, _ = case.sample(40)
    weight = np.random.default_rng(3).integers(1, 5, len(y))
    rows = np.repeat(np.arange(len(y)), weight)
    first = np.cumsum(weight) - weight
    gradient, hessian = case.loss.gradient_hessian(y, raw, weight)
    g, h = case.loss.gradient_hessian(y[rows], raw[rows])
    assert_allclose(gradient, np.add.reduceat(g, first), rtol=1e-10, atol=1e-13)
    assert_allclose(hessian, np.add.reduceat(h, first), rtol=1e-10)
    assert_allclose(case.loss.metric(y, raw, weight), case.loss.metric(y[rows], raw[rows]), rtol=1e-12)
    start = case.loss.fit_intercept_only(y, weight)
    assert_allclose(start, case.loss.fit_intercept_only(y[rows]), rtol=1e-7, atol=1e-9)


@over(LOSSES)
def test_weight_zero_removes_a_row(case):
    """A row of weight 0 has no gradient, and nothing else notices that it is there."""
    y, raw, weight = case.sample(60)
    weight[::3] = 0
    kept = weight > 0
    y[0] = y[kept].max()  # a row without weight may not bring a class
    gradient, hessian = case.loss.gradient_hessian(y, raw, weight)
    g, h = case.loss.gradient_hessian(y[kept], raw[kept], weight[kept])
    assert not gradient[~kept].any()
    assert not hessian[~kept].any()
    assert_allclose(gradient[kept], g, rtol=1e-12)
    assert_allclose(hessian[kept], h, rtol=1e-12)
    assert_allclose(case.loss.metric(y, raw, weight), case.loss.metric(y[kept], raw[kept], weight[kept]), rtol=1e-12)
    start = case.loss.fit_intercept_only(y[kept], weight[kept])
    assert_allclose(case.loss.fit_intercept_only(y, weight), start, rtol=1e-7, atol=1e-9)


# ------------------------------------------------------------------------------------------------- numbers at the ends


def extremes(dtype):
    """Finite numbers of a type: zero, the smallest subnormal and normal, ordinary ones, the largest."""
    limits = np.finfo(dtype)
    ordinary = np.array([1e-10, 1e-4, 0.5, 1.0, 17.0, 40.0, 89.0, 104.0, 800.0, 1e4, 1e8, 1e20], dtype)
    positive = np.concatenate([[limits.smallest_subnormal, limits.tiny], ordinary, [limits.max / 2, limits.max]])
    return np.concatenate([-positive, [0.0], positive]).astype(dtype)


@over(CLASSIFICATION)
@DTYPES
@pytest.mark.parametrize("curvature", ["auto", "exact"])
def test_classification_is_finite_for_any_finite_margin(case, dtype, curvature):
    """No NaN at all, and finite gradients with a positive curvature, for every pair of finite raw predictions."""
    ends = extremes(dtype)
    if case.n_outputs == 1:
        raw, labels = np.tile(ends, 2), np.repeat([0.0, 1.0], len(ends))
    else:
        pairs = np.stack(np.meshgrid(ends, ends), -1).reshape(-1, 2)
        fill = np.tile(pairs[:, :1], (1, case.n_outputs - 2))
        raw = np.concatenate([np.hstack([pairs, fill])] * case.n_outputs)
        labels = np.repeat(np.arange(case.n_outputs), len(pairs))
    loss = copy.deepcopy(case.loss).set_params(curvature=curvature)
    value = loss.loss(labels, raw)
    gradient, hessian = loss.gradient_hessian(labels, raw)
    exact = loss.gradient_hessian(labels, raw, curvature="exact")[1]
    spread = np.abs(raw) if raw.ndim == 1 else np.ptp(raw / dtype(8), axis=1)
    assert not np.isnan(value).any()
    assert (value >= 0).all() or isinstance(case.loss, KLDivergence)  # weighted, it may be negative
    within = spread < (1e18 if case.loss.variable == "margin" else np.finfo(dtype).max / 100)
    assert np.isfinite(value[within]).all()
    assert np.isfinite(gradient).all()
    assert np.isfinite(exact).all()
    assert np.isfinite(hessian).all()
    assert (hessian > 0).all()


@over(REGRESSION)
@DTYPES
@pytest.mark.parametrize("curvature", ["auto", "exact"])
def test_residual_losses_have_no_nan_for_any_finite_residual(case, dtype, curvature):
    """No NaN, a finite gradient and a finite, not negative curvature; positive while 1 / abs(r) is a number."""
    raw, labels = np.meshgrid(extremes(dtype), extremes(dtype))
    raw, labels = raw.ravel(), labels.ravel()
    raw, labels = np.append(raw, 1.0).astype(dtype), np.append(labels, 0.0).astype(dtype)
    with np.errstate(over="ignore"):
        ordinary = np.abs(raw - labels) < np.sqrt(np.finfo(dtype).max)
    for scale in (dtype(1e-4), dtype(1.0), dtype(1e4)):
        loss = copy.deepcopy(case.loss).set_params(curvature=curvature)
        loss.set_params(**{name: float(scale) for name in ("delta", "scale", "bandwidth") if hasattr(loss, name)})
        gradient, hessian = loss.gradient_hessian(labels, raw)
        assert not np.isnan(loss.loss(labels, raw)).any()
        assert np.isfinite(gradient[ordinary if isinstance(loss, Expectile | SquaredError) else slice(None)]).all()
        assert np.isfinite(hessian).all()
        assert (hessian >= 0).all()
        assert (hessian[ordinary] > 0).all()
        assert np.isfinite(loss.loss(labels, raw)[ordinary]).all()


@over([case for case in REGRESSION if case.is_automatic])
@DTYPES
@pytest.mark.parametrize("factor", [0.0, 1e-20, 1e20])
def test_automatic_scale_is_finite_at_any_scale(case, dtype, factor):
    """Residuals that are all zero, tiny or huge give finite gradients and a positive curvature."""
    y, raw, _ = case.sample(dtype=dtype)
    y, raw = dtype(factor) * y, dtype(factor) * raw
    gradient, hessian = case.loss.gradient_hessian(y, raw)
    assert np.isfinite(gradient).all()
    assert np.isfinite(hessian).all()
    assert (hessian > 0).all()


@over(REGRESSION)
def test_targets_far_from_zero_keep_their_residuals(case):
    """Residuals are subtracted in the input's own type: float64 targets of 1e9 keep nine digits of them."""
    y, raw, weight = case.sample()
    y, raw = np.round(y * 64) / 64, np.round(raw * 64) / 64  # exact after the shift as well
    near = case.loss.gradient_hessian(y, raw, weight)
    assert_array_equal(case.loss.gradient_hessian(y + 1e9, raw + 1e9, weight), near)


# ----------------------------------------------------------------------------------------------------------- curvature


@over(LOSSES)
@DTYPES
def test_curvature_is_positive(case, dtype):
    """What an engine divides by is positive in every row, at any distance."""
    for spread in (0.1, 3.0, 30.0, 300.0):
        y, raw, weight = case.sample(200, dtype=dtype, spread=spread)
        raw = raw if case.link == "identity" else np.clip(raw, -80, 80)  # logarithms; beyond is an error
        assert (case.loss.gradient_hessian(y, raw, weight)[1] > 0).all()


ONE_SIDED = AsymmetricHuber, Expectile
MAJORISED = [case for case in REGRESSION if case.loss.curvature == "auto" and not isinstance(case.loss, ONE_SIDED)]


@over(MAJORISED)
def test_curvature_of_residual_losses_majorises(case):
    """L(z + t) <= L(z) + g t + h t^2 / 2 for every t: a step never passes the optimum of a bound."""
    y, raw, weight = case.sample(400)
    loss = case.frozen(y, raw, weight)
    value, (gradient, hessian) = loss.loss(y, raw), loss.gradient_hessian(y, raw)
    rng = np.random.default_rng(5)
    for spread in (1e-2, 1.0, 10.0, 1e3):
        t = spread * rng.standard_t(2, len(y))
        bound = value + gradient * t + hessian * t**2 / 2
        assert (loss.loss(y, raw + t) <= bound + 1e-12 * (1 + np.abs(bound))).all()


@over([case for case in MAJORISED if not isinstance(case.loss, Tukey | SquaredError)])
def test_curvature_of_residual_losses_is_sharp(case):
    """The majoriser touches the loss a second time, at the mirrored residual: no smaller curvature would do."""
    y, raw, weight = case.sample()
    loss = case.frozen(y, raw, weight)
    gradient, hessian = loss.gradient_hessian(y, raw)
    tilt = 0.5 - loss.quantile if isinstance(loss, Quantile) else 0.0  # the linear part needs no curvature
    t = -2 * (raw - y)
    there = loss.loss(y, raw + t) - tilt * t
    assert_allclose(there, loss.loss(y, raw) + (gradient - tilt) * t + hessian * t**2 / 2, rtol=1e-11)


@over([case for case in CLASSIFICATION if isinstance(case.loss, Focal) and np.any(case.loss.gamma)])
def test_recommended_curvature_of_focal(case):
    """max(second derivative, abs(gradient) / 2), so that no step is longer than 2; gamma 0 has it for softmax only."""
    loss = copy.deepcopy(case.loss).set_params(curvature="auto", label_smoothing=0.0)
    y, raw, _ = case.sample(300)
    gradient, hessian = loss.gradient_hessian(y, raw)
    exact = loss.gradient_hessian(y, raw, curvature="exact")[1]
    assert (exact < 0).any()
    assert_allclose(hessian, np.maximum(exact, np.abs(gradient) / 2), rtol=1e-14, atol=1e-15)
    assert (np.abs(gradient) <= 2 * hessian).all()


@over([case for case in CLASSIFICATION if isinstance(case.loss, CrossEntropy)])
def test_second_derivative_of_cross_entropy_is_bounded(case):
    """Convex in every raw prediction, and at most a quarter of the row's weight (Bohning and Lindsay 1988)."""
    y, raw, weight = case.sample(300)
    exact = case.loss.gradient_hessian(y, raw, weight, curvature="exact")[1]
    largest = [getattr(case.loss, name) or 1.0 for name in ("alpha", "pos_weight")]
    given = case.loss.class_weight
    largest += list(given.values()) if isinstance(given, dict) else list(given or ())
    assert (exact > 0).all()
    assert (exact <= rowwise(weight, raw) * max(1.0, *largest) / 4 * (1 + 1e-12)).all()


@pytest.mark.parametrize("n_outputs", [1, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("loss", "limit"),
    [
        (Poly1(epsilon=0.0), CrossEntropy()),
        (Poly1Focal(epsilon=0.0), Focal()),
        (Poly1Focal(gamma=0.7, epsilon=0.0, pos_weight=None), Focal(gamma=0.7)),
        (Poly1Focal(gamma=0.0, epsilon=0.5), Poly1(epsilon=0.5)),
        (Poly1Focal(gamma=0.0, epsilon=2.0), Poly1(epsilon=2.0)),
        (Poly1Focal(gamma=0.0, epsilon=-1.0), Poly1(epsilon=-1.0)),
    ],
    ids=repr,
)
def test_limits_of_poly_losses(loss, limit, n_outputs):
    """Without epsilon they are what they come from, and without gamma poly-1 focal is poly-1, in everything."""
    case = Case(loss, n_outputs)
    y, raw, weight = case.sample(300, spread=8.0)
    assert_allclose(loss.loss(y, raw, weight), limit.loss(y, raw, weight), rtol=1e-13)
    for curvature in (None, "exact"):
        ours, theirs = (x.gradient_hessian(y, raw, weight, curvature=curvature) for x in (loss, limit))
        assert_allclose(ours[0], theirs[0], rtol=1e-13)
        assert_allclose(ours[1], theirs[1], rtol=1e-12, atol=1e-14)
    assert_allclose(loss.predict_proba(raw), limit.predict_proba(raw), rtol=1e-12)
    assert_allclose(loss.fit_intercept_only(y, weight), limit.fit_intercept_only(y, weight), rtol=1e-12, atol=1e-13)


def test_posterior_of_poly1_by_hand():
    """logit eta = z + log1p(epsilon q1) - log1p(epsilon p1); for epsilon = -1 it is 2 z, to the ends of the range."""
    z = np.linspace(-30, 30, 121)
    p = 1 / (1 + np.exp(-z))
    for epsilon in (-0.5, 1.0, 4.0):
        eta = Poly1(epsilon=epsilon).predict_proba(z)
        expected = z + np.log1p(epsilon * (1 - p)) - np.log1p(epsilon * p)
        assert_allclose(np.log(eta[:, 1]) - np.log(eta[:, 0]), expected, rtol=1e-11, atol=1e-12)
    z = np.linspace(-350, 350, 141)
    eta = Poly1(epsilon=-1.0).predict_proba(z)
    assert_allclose(np.log(eta[:, 1]) - np.log(eta[:, 0]), 2 * z, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("gamma", [0.1, 0.5, 1.0, 2.0, 5.0, 10.0])
def test_second_derivative_of_focal_is_bounded(gamma):
    """It is at most (1 + gamma) abs(gradient): a step of Newton is never shorter than 1 / (1 + gamma)."""
    raw = np.linspace(-30, 30, 2001)
    gradient, exact = Focal(gamma=gamma).gradient_hessian(np.ones_like(raw), raw, curvature="exact")
    assert (exact <= (1 + gamma) * np.abs(gradient) * (1 + 1e-9)).all()
    assert exact.min() < 0


@over(LOSSES)
def test_exact_curvature_is_floored_for_engines_only(case):
    """ "exact" as an argument is the true second derivative; as a hyper-parameter it is the same, kept positive."""
    y, raw, weight = case.sample(300, spread=8.0)
    exact = case.loss.gradient_hessian(y, raw, weight, curvature="exact")[1]
    loss = copy.deepcopy(case.loss).set_params(curvature="exact")
    floored = loss.gradient_hessian(y, raw, weight)[1]
    assert (floored > 0).all()
    usual = exact > 1e-5
    assert usual.any()
    if not (isinstance(loss, Focal) and loss.label_smoothing):  # soft labels: the part of either class is kept positive
        assert_allclose(floored[usual], exact[usual], rtol=1e-13)
    assert_array_equal(loss.gradient_hessian(y, raw, weight, curvature="exact")[1], exact)
    recommended = loss.gradient_hessian(y, raw, weight, curvature="auto")[1]
    loss.set_params(curvature="auto")
    assert_array_equal(loss.gradient_hessian(y, raw, weight)[1], recommended)


# ----------------------------------------------------------------------------------------------------------- the start


@over(LOSSES)
@WEIGHTED
def test_start_has_no_gradient(case, weighted):
    """At the best constant the weighted gradients sum to zero in every column."""
    y, _, weight = case.sample(151, weighted=weighted)
    start = case.loss.fit_intercept_only(y, weight)
    assert np.shape(start) == (() if case.n_outputs <= 2 else (case.n_outputs,))
    raw = np.tile(start, (len(y), 1)) if np.ndim(start) else np.full(len(y), start)
    gradient = case.loss.gradient_hessian(y, raw, weight)[0]
    assert_allclose(gradient.sum(axis=0), 0, atol=1e-9 * np.abs(gradient).sum())


@over(LOSSES)
@WEIGHTED
def test_start_is_the_minimum(case, weighted):
    """No other constant nearby or far away has a smaller loss, the scale of the start being kept."""
    y, _, weight = case.sample(151, weighted=weighted)
    start = np.asarray(case.loss.fit_intercept_only(y, weight))
    at_start = np.broadcast_to(start, y.shape + start.shape)
    loss = case.frozen(y, at_start, weight) if not case.is_classification else case.loss

    def total(constant):
        return loss.loss(y, np.ascontiguousarray(np.broadcast_to(constant, y.shape + start.shape)), weight).sum()

    least = total(start)
    rng = np.random.default_rng(7)
    for spread in (0.01, 0.3, 3.0, 30.0):
        for _ in range(12):
            assert total(start + spread * rng.normal(size=start.shape)) > least - 1e-9 * abs(least)


# Hard truncation and clipped negatives have their minimum at a jump; a smoothed hinge's lies far out, in a flat tail
# and a residual loss that levels off has minima far from the mean
SLOW = HardTruncated, Hinge, Perceptron, Asymmetric, SMAPE
FAR_MINIMA = [case for case in REGRESSION if case.loss.has_far_minima]


QUICK = [case for case in LOSSES if not isinstance(case.loss, SLOW) and case not in FAR_MINIMA]


@over([case for case in QUICK if case.n_outputs == 1 and case.loss.curvature == "auto"])
def test_newton_steps_of_a_constant_reach_the_start(case):
    """Steps of sum g / sum h converge to the best constant, also with one positive in 20,000 or one far outlier."""
    if case.is_classification:
        y, weight = np.array([0.0, 1.0]), np.array([19_999.0, 1.0])
    else:
        y, weight = np.append(case.labels(99), 1e4), None
    start = case.loss.fit_intercept_only(y, weight)
    z = np.zeros(1) if case.is_classification else np.array([y.mean() if case.link == "identity" else start + 1])
    for _ in range(3000):
        gradient, hessian = case.loss.gradient_hessian(y, np.full_like(y, z[0]), weight)
        step = gradient.sum() / hessian.sum()
        z -= step
        if abs(step) < 1e-12 * max(1, abs(z[0])):
            break
    assert_allclose(z, start, rtol=1e-7, atol=1e-8)


# ---------------------------------------------------------------------------------------------------------- the metric


LIMIT_IS_METRIC = AbsoluteError, MAPE, SMAPE
LOSS_IS_METRIC = [case for case in LOSSES if not case.is_automatic and not isinstance(case.loss, LIMIT_IS_METRIC)]


@over([*LOSS_IS_METRIC, *[case for case in REGRESSION if isinstance(case.loss, Quantile) and case.is_automatic]])
@DTYPES
@WEIGHTED
def test_metric_is_the_weighted_mean(case, dtype, weighted):
    """sum(w L) / sum(w), lower is better; the pinball loss for quantiles."""
    y, raw, weight = case.sample(dtype=dtype, weighted=weighted)
    value = case.loss.metric(y, raw, weight)
    expected = np.average(reference(case.loss, y.astype(float), raw.astype(float))[0], weights=weight)
    if isinstance(case.loss, Quantile):
        r, tau = raw.astype(float).reshape(len(y), -1) - y[:, None], np.array(case.loss.quantile)
        expected = np.average(np.maximum((1 - tau) * r, -tau * r).mean(axis=1), weights=weight)
    assert_allclose(value, expected, rtol=1e-5 if dtype == np.float32 else 1e-11)
    assert isinstance(value, float)
    name, same, higher_is_better = value
    assert (name, same, higher_is_better) == (case.loss.metric.__name__, float(value), False)


@pytest.mark.parametrize("loss", [Huber(), LogCosh()], ids=repr)
@WEIGHTED
def test_metric_under_an_automatic_scale_is_absolute_error(loss, weighted):
    """A loss whose scale moves from round to round has no comparable value: its metric is the mean absolute error."""
    y, raw, weight = REGRESSION[0].sample(weighted=weighted)
    assert loss.metric.__name__ == "mean_absolute_error"
    assert_allclose(loss.metric(y, raw, weight), np.average(np.abs(raw - y), weights=weight), rtol=1e-13)


@pytest.mark.parametrize("bandwidth", ["auto", 0.1, 100.0])
def test_metric_of_quantiles_is_the_pinball_loss(bandwidth):
    """Whatever the bandwidth."""
    y, raw, weight = REGRESSION[0].sample()
    r = raw - y
    loss = Quantile(quantile=0.9, bandwidth=bandwidth)
    assert loss.metric.__name__ == "pinball"
    assert_allclose(loss.metric(y, raw, weight), np.average(np.where(r > 0, 0.1 * r, -0.9 * r), weights=weight))


def test_names_of_metrics():
    """Classes in snake case, without a parameter."""
    losses = CrossEntropy(), Focal(), Huber(delta=1.0), LogCosh(scale=1.0)
    assert [loss.metric.__name__ for loss in losses] == ["cross_entropy", "focal", "huber", "log_cosh"]


# ---------------------------------------------------------------------------------------------------------- the object


@over(LOSSES)
def test_copies_compute_the_same(case):
    """clone, pickle, deepcopy, repr and get_params all give a loss with the same parameters and results."""
    y, raw, weight = case.sample()
    expected = case.loss.gradient_hessian(y, raw, weight)
    copies = {
        "clone": clone(case.loss),
        "pickle": pickle.loads(pickle.dumps(case.loss)),
        "deepcopy": copy.deepcopy(case.loss),
        "repr": eval(repr(case.loss), vars(boostloss)),
        "get_params": type(case.loss)(**case.loss.get_params()),
        "set_params": type(case.loss)().set_params(**case.loss.get_params()),
    }
    for name, other in copies.items():
        assert other is not case.loss, name
        assert other.get_params() == case.loss.get_params(), name
        assert_array_equal(other.gradient_hessian(y, raw, weight), expected, err_msg=name)


@over(LOSSES)
def test_an_object_holds_its_parameters_and_nothing_else(case):
    """No state, no cache, no compiled code is left in a loss by anything it does."""
    loss = copy.deepcopy(case.loss)
    before = copy.deepcopy(vars(loss))
    y, raw, weight = case.sample()
    loss.loss(y, raw, weight)
    loss.gradient_hessian(y, raw, weight, curvature="exact")
    loss.fit_intercept_only(y, weight)
    loss.metric(y, raw, weight)
    loss(y, raw, weight)
    loss.predict(raw)
    loss.resolve(y, weight)
    assert vars(loss) == before == loss.get_params()
    assert len(pickle.dumps(loss)) < 1000


def test_parameters_are_keyword_only():
    """A loss is never made from a bare number."""
    for kind in (CrossEntropy, Focal, Poly1, Poly1Focal, Huber, LogCosh, Quantile):
        with pytest.raises(TypeError, match="positional"):
            kind(0.5)


def test_a_parameter_set_later_counts_and_is_checked():
    """Parameters are read and checked when they are used, as in scikit-learn."""
    y, raw, _ = SIGMOID[0].sample()
    loss = Focal(gamma=2.0).set_params(gamma=0.0)
    assert_array_equal(loss.loss(y, raw), Focal(gamma=0.0).loss(y, raw))
    loss.set_params(gamma=-1.0)
    for call in (loss.loss, loss.gradient_hessian, loss.metric, loss):
        with pytest.raises(ValueError, match=r"^gamma == -1.0, must be >= 0\.$"):
            call(y, raw)
    for call in (loss.resolve, loss.fit_intercept_only):
        with pytest.raises(ValueError, match=r"^gamma == -1.0, must be"):
            call(y)
    with pytest.raises(ValueError, match=r"^gamma == -1.0, must be"):
        loss.predict_proba(raw)
    with pytest.raises(ValueError, match=r"^scale == -1.0, must be > 0\.$"):
        LogCosh().set_params(scale=-1.0).resolve(y)
    with pytest.raises(ValueError, match="Invalid parameter 'gama'"):
        loss.set_params(gama=1.0)


def test_default_parameters():
    """What the documentation promises."""
    assert Focal().gamma == 2.0
    assert (Huber().delta, LogCosh().scale, Quantile().bandwidth, Quantile().quantile) == ("auto", "auto", "auto", 0.5)
    assert {loss.curvature for loss in (CrossEntropy(), Focal(), Huber(), LogCosh(), Quantile())} == {"auto"}


def compiled_signatures():
    """Signatures compiled so far, per kernel these losses use."""
    binary = [templates.binary_derivatives, templates.binary_value]
    several = [softmax.softmax_derivatives, softmax.softmax_value]
    residual = [templates.elementwise_derivatives, templates.elementwise_value]
    what = [(template, kind.point, "probability") for kind in (CrossEntropy, Focal) for template in binary + several]
    what += [(template, kind.point, "residual") for kind in (Huber, LogCosh, Quantile) for template in residual]
    layouts = [softmax.layout_of(np.empty((9, 3), order=order)) for order in "CF"]
    kernels = [
        compiled(*one, target, **layout)
        for one in what
        for target in ("simd", "double")
        for layout in ([{"layout": layout} for layout in layouts] if one[0] in several else [{}])
    ]
    return [len(kernel.signatures) for kernel in kernels]


def test_changing_a_parameter_compiles_nothing():
    """Parameters are arguments of a kernel: no value and no type adds a signature."""

    def use(loss, case):
        for dtype in (np.float32, np.float64):
            y, raw, weight = case.sample(dtype=dtype)
            for order in "CF":
                read_only = np.array(raw, order=order)
                read_only.flags.writeable = False
                loss.loss(y, read_only, weight)
                loss.gradient_hessian(y.astype(int), read_only)

    softmax3 = next(case for case in SOFTMAX if case.n_outputs == 3)
    for loss in (CrossEntropy(), Focal()):
        use(loss, SIGMOID[0])
        use(loss, softmax3)
    for loss in (Huber(), LogCosh(), Quantile()):
        use(loss, REGRESSION[0])
    before = compiled_signatures()
    assert min(before) == 1
    for value in (0, 1, 3, 0.7, np.float32(1.3), np.int64(2), np.float64(4)):
        use(Focal(gamma=value, class_weight=[1, value + 1]), SIGMOID[0])
        use(Focal(gamma=[value, 1, 2.5], class_weight={0: value + 1}), softmax3)
        use(CrossEntropy(pos_weight=value + 1), SIGMOID[0])
        use(Huber(delta=value + 1), REGRESSION[0])
        use(LogCosh(scale=value + 1), REGRESSION[0])
        use(Quantile(quantile=0.3, bandwidth=value + 1, curvature="exact"), REGRESSION[0])
    assert compiled_signatures() == before


# ---------------------------------------------------------------------------------------------------- public interface


def test_public_names_are_where_they_say():
    """Every public class is importable from its own module, from the losses and from the package."""
    assert set(boostloss.losses.__all__) < set(boostloss.__all__)
    for name in boostloss.losses.__all__:
        kind = getattr(boostloss, name)
        assert kind is getattr(importlib.import_module(kind.__module__), name) is getattr(boostloss.losses, name)


def test_pandas_gives_the_result_of_numpy():
    """Series and DataFrames are arrays."""
    for case in (SIGMOID[0], SOFTMAX[-1], REGRESSION[0]):
        y, raw, weight = case.sample()
        frame = pd.Series(raw) if raw.ndim == 1 else pd.DataFrame(raw)
        given = pd.Series(y, index=np.arange(len(y)) + 7), frame, pd.Series(weight)
        assert_array_equal(case.loss.loss(*given), case.loss.loss(y, raw, weight))
        assert_array_equal(case.loss.gradient_hessian(*given), case.loss.gradient_hessian(y, raw, weight))
        assert_array_equal(case.loss.predict(frame), case.loss.predict(raw))
        assert case.loss.metric(*given) == case.loss.metric(y, raw, weight)
