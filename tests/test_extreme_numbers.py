"""Every loss at the ends of floating-point numbers, and far from zero."""

import copy

import numpy as np
import pytest
from conftest import CLASSIFICATION, REGRESSION, over
from loss_properties import DTYPES
from numpy.testing import assert_array_equal

from boostloss import Expectile, KLDivergence, SquaredError


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
