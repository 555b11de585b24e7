"""The curvature that engines get: positive, a bound where it is meant to be one, the exact one floored."""

import copy

import numpy as np
import pytest
from conftest import CLASSIFICATION, LOSSES, REGRESSION, Case, over
from loss_properties import DTYPES, assert_majorised, rowwise
from numpy.testing import assert_allclose, assert_array_equal

from boostloss import AsymmetricHuber, CrossEntropy, Expectile, Focal, Poly1, Poly1Focal, Quantile, SquaredError, Tukey


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
    assert_majorised(loss, y, raw)


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
