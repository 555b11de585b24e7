"""The best constant of every loss."""

import numpy as np
import pytest
from conftest import LOSSES, REGRESSION, over
from loss_properties import WEIGHTED
from numpy.testing import assert_allclose

from boostloss import LDAM, SMAPE, Asymmetric, CrossEntropy, Focal, HardTruncated, Hinge, LogitAdjusted, Perceptron


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


RARE = CrossEntropy(), LogitAdjusted(), Focal(), Focal(gamma=5.0), LDAM()


@pytest.mark.parametrize("loss", RARE, ids=repr)
def test_start_of_rare_classes(loss):
    """A class with one row in a million has its share in the posterior of the start, to the last bits."""
    y, weight = np.arange(5), np.array([1e6, 2e5, 5e4, 1.0, 1.0])
    loss = loss.resolve(y, weight)
    start = loss.fit_intercept_only(y, weight)
    assert_allclose(loss.predict_proba(start[None, :])[0], weight / weight.sum(), rtol=1e-13)
