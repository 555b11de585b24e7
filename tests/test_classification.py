"""Symmetries and limits of losses of classes."""

import copy

import mpmath
import numpy as np
import pytest
from conftest import CLASSIFICATION, SIGMOID, SOFTMAX, Case, over
from loss_properties import all_of
from numpy.testing import assert_allclose, assert_array_equal
from reference import class_weights
from scipy.special import expit

from boostloss import Asymmetric, CrossEntropy, Focal, KLDivergence, LogitAdjusted


def relabelled(case, order):
    """The loss with its parameters per class in another order of the classes."""
    loss = copy.deepcopy(case.loss)
    weights = class_weights(loss, case.n_classes)[order].tolist()
    loss.set_params(alpha=None, pos_weight=None, class_weight=weights)
    for name in ("gamma", "margins", "class_prior"):
        if np.ndim(getattr(loss, name, 0)):
            loss.set_params(**{name: [getattr(loss, name)[k] for k in order]})
    if isinstance(loss, Asymmetric):
        loss.set_params(gamma_pos=loss.gamma_neg, gamma_neg=loss.gamma_pos)
    return loss


@over([case for case in SIGMOID if not getattr(case.loss, "clip", 0)])
def test_the_two_classes_are_alike(case):
    """y -> 1 - y with z -> -z, and the parameters of the classes exchanged, changes the sign of the gradient only."""
    y, raw, weight = case.sample()
    value, gradient, hessian = all_of(case.loss, y, raw, weight)
    v, g, h = all_of(relabelled(case, [1, 0]), 1 - y, -raw, weight)
    assert_allclose(v, value, rtol=1e-13, atol=1e-14)
    assert_allclose(g, -gradient, rtol=1e-12, atol=1e-14)
    assert_allclose(h, hessian, rtol=1e-12)


@over([case for case in SOFTMAX if case.n_outputs == 2])
def test_softmax_of_two_classes_is_the_sigmoid(case):
    """K = 2 equals one raw prediction, z = z_1 - z_0; its gradient comes with both signs."""
    y, raw, weight = case.sample()
    margin = raw[:, 1] - raw[:, 0]
    gradient, hessian = case.loss.gradient_hessian(y, raw, weight, curvature="exact")
    g, h = case.loss.gradient_hessian(y, margin, weight, curvature="exact")
    assert_allclose(case.loss.loss(y, raw, weight), case.loss.loss(y, margin, weight), rtol=1e-13)
    assert_allclose(gradient, np.stack([-g, g], 1), rtol=1e-10, atol=1e-13)
    assert_allclose(hessian, np.stack([h, h], 1), rtol=1e-9, atol=1e-13)
    if case.has_posterior:
        assert_allclose(case.loss.predict_proba(raw), case.loss.predict_proba(margin), rtol=1e-11)
    assert_array_equal(case.loss.predict(raw), case.loss.predict(margin))


@over(SOFTMAX)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_gradients_sum_to_zero(case, dtype):
    """In every row, for the loss does not change when all raw predictions move together."""
    y, raw, weight = case.sample(200, dtype=dtype)
    gradient = case.loss.gradient_hessian(y, raw, weight)[0]
    assert_allclose(gradient.sum(axis=1), 0, atol=8 * np.finfo(dtype).eps * np.abs(gradient).max())


@over(SOFTMAX)
def test_softmax_is_invariant_to_a_shift(case):
    """A number added to all raw predictions of a row changes nothing."""
    y, raw, weight = case.sample()
    raw = np.round(raw * 1024) / 1024  # the shift is exact
    for shift in (-4096.0, 1.0, 1e6):
        for a, b in zip(all_of(case.loss, y, raw + shift, weight), all_of(case.loss, y, raw, weight), strict=True):
            assert_allclose(a, b, rtol=1e-12 if not isinstance(case.loss, LogitAdjusted) else 1e-7, atol=1e-14)
        if case.has_posterior:
            assert_allclose(case.loss.predict_proba(raw + shift), case.loss.predict_proba(raw), rtol=1e-9, atol=1e-10)


@over(SOFTMAX)
def test_softmax_treats_classes_alike(case):
    """A permutation of the classes permutes gradient, curvature, posterior and start."""
    y, raw, weight = case.sample(61)
    order = np.random.default_rng(1).permutation(case.n_outputs)
    new = np.argsort(order)[y.astype(int)].astype(float)
    loss = relabelled(case, order)
    value, gradient, hessian = all_of(case.loss, y, raw, weight)
    v, g, h = all_of(loss, new, raw[:, order], weight)
    assert_allclose(v, value, rtol=1e-13)
    assert_allclose(g, gradient[:, order], rtol=1e-12, atol=1e-14)
    assert_allclose(h, hessian[:, order], rtol=1e-12)
    if case.has_posterior:
        assert_allclose(loss.predict_proba(raw[:, order]), case.loss.predict_proba(raw)[:, order], rtol=1e-11)
    if case.n_outputs > 2:
        start = case.loss.fit_intercept_only(y, weight)
        assert_allclose(loss.fit_intercept_only(new, weight), start[order], atol=1e-9)


def test_cross_entropy_in_labels_of_plus_and_minus_one():
    """log(1 + exp(-s z)) with s = 2 y - 1 is the same loss."""
    y, raw, _ = SIGMOID[0].sample()
    s = 2 * y - 1
    value, gradient, hessian = all_of(CrossEntropy(), y, raw)
    assert_allclose(value, np.logaddexp(0, -s * raw), rtol=1e-13)
    assert_allclose(gradient, -s * expit(-s * raw), rtol=1e-13)
    assert_allclose(hessian, expit(raw) * expit(-raw), rtol=1e-13)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 3e-7), (np.float64, 1e-15)])
def test_cross_entropy_to_fifty_digits(dtype, tolerance):
    """log(1 + exp(z)) on [-40, 40], relative to 50 digits."""
    raw = np.linspace(-40, 40, 321).astype(dtype)
    with mpmath.workdps(50):
        exact = np.array([float(mpmath.log1p(mpmath.exp(float(z)))) for z in raw])
    assert_allclose(CrossEntropy().loss(np.zeros_like(raw), raw), exact, rtol=tolerance)


@pytest.mark.parametrize("n_outputs", [1, 2, 3, 5])
def test_focal_without_focusing_is_cross_entropy(n_outputs):
    """gamma = 0, in everything."""
    case = Case(CrossEntropy(), n_outputs)
    y, raw, weight = case.sample()
    for a, b in zip(all_of(Focal(gamma=0.0), y, raw, weight), all_of(CrossEntropy(), y, raw, weight), strict=True):
        assert_allclose(a, b, rtol=1e-15)
    assert_allclose(Focal(gamma=0.0).predict_proba(raw), CrossEntropy().predict_proba(raw), rtol=1e-15)
    start = CrossEntropy().fit_intercept_only(y)
    assert_allclose(Focal(gamma=0.0).fit_intercept_only(y), start, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_focal_is_below_cross_entropy(n_outputs):
    """More focusing means a smaller loss in every row, and most where the row is easy."""
    y, raw, _ = Case(Focal(), n_outputs).sample()
    values = np.array([Focal(gamma=gamma).loss(y, raw) for gamma in (0.0, 0.5, 1.0, 2.0, 5.0)])
    assert (np.diff(values, axis=0) < 0).all()


@over([case for case in CLASSIFICATION if type(case.loss) in (CrossEntropy, KLDivergence)])
def test_a_perfect_prediction_costs_nothing(case):
    """The loss of a certain and true prediction is 0, of a certain and wrong one the margin; never below 0."""
    loss = copy.deepcopy(case.loss).set_params(label_smoothing=0.0, class_weight=None, alpha=None, pos_weight=None)
    for k in range(case.n_classes):
        raw = np.full((1, case.n_classes), -1e4)
        raw[0, k] = 1e4
        raw = raw if case.n_outputs > 1 else raw[:, 1] / 2
        size = 2e4 if case.n_outputs > 1 else 5e3
        for label in range(case.n_classes):
            assert_allclose(loss.loss([label], raw), 0 if label == k else size, rtol=1e-13)
