"""Value and derivatives of every loss: the textbook formula, differences, row by row, any number of threads."""

import numpy as np
from conftest import LOSSES, REGRESSION, SIGMOID, SOFTMAX, over
from loss_properties import DTYPES, WEIGHTED, rowwise
from numpy.testing import assert_allclose, assert_array_equal
from reference import reference
from scipy.optimize import check_grad

from boostloss import KLDivergence

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
