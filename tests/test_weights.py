"""Sample weights of every loss."""

import numpy as np
from conftest import LOSSES, over
from loss_properties import DTYPES, rowwise
from numpy.testing import assert_allclose, assert_array_equal


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
