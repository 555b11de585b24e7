"""Probabilities and starts of losses of classes."""

import mpmath
import numpy as np
import pytest
from conftest import CLASSIFICATION, POSTERIOR, SOFTMAX, over
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from scipy.special import expit, logit

from boostloss import CrossEntropy, Focal

UNSMOOTHED = [case for case in CLASSIFICATION if not case.loss.label_smoothing]


def margins_within(case, n_rows, reach):
    """Raw predictions in [-reach, reach]; where labels are smoothed, those of a posterior that is not 0 or 1."""
    rng = np.random.default_rng(11)
    shape = n_rows if case.n_outputs == 1 else (n_rows, case.n_outputs)
    raw = rng.uniform(-reach, reach, shape)
    if case.loss.label_smoothing:
        eta = case.loss.predict_proba(raw)
        raw = raw[((eta > 1e-9) & (eta < 1 - 1e-9)).all(axis=1)]
        assert len(raw) > 20
    return raw


@over(POSTERIOR)
@pytest.mark.parametrize("reach", [1.0, 6.0, 30.0])
def test_expected_gradient_is_zero_at_the_posterior(case, reach):
    """predict_proba is the label distribution that a raw prediction is optimal for: weights and smoothing taken out."""
    raw = margins_within(case, 400, min(reach, 3.0) if case.loss.label_smoothing else reach)
    if case.is_flat:
        raw = raw[case.loss.predict_proba(raw).min(axis=1) > 1e-290]
    eta = case.loss.predict_proba(raw)
    terms = np.zeros((case.n_classes, *raw.shape))
    for k in range(case.n_classes):
        gradient = case.loss.gradient_hessian(np.full(len(raw), float(k)), raw)[0]
        terms[k] = gradient * (eta[:, k] if raw.ndim == 1 else eta[:, [k]])
    assert (np.abs(terms.sum(axis=0)) <= 1e-9 * np.abs(terms).sum(axis=0) + 1e-300).all()


@over(POSTERIOR)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_posterior_is_a_distribution(case, dtype):
    """Rows sum to one and lie in [0, 1], at any margin; the type is that of the raw predictions."""
    for spread in (1.0, 30.0, 1e3, 1e6):
        raw = case.raw(200, dtype=dtype, spread=spread)
        eta = case.loss.predict_proba(raw)
        assert eta.dtype == dtype
        assert eta.shape == (200, case.n_classes)
        assert ((eta >= 0) & (eta <= 1)).all()
        assert_allclose(eta.sum(axis=1), 1, rtol=4 * np.finfo(dtype).eps)
        assert_allclose(eta, case.loss.predict_proba(raw.astype(np.float64)), rtol=1e-6, atol=1e-37)


@over([case for case in POSTERIOR if case.n_outputs == 1])
def test_posterior_is_monotone(case):
    """It rises with the raw prediction, strictly until it saturates, and ends at 0 and 1."""
    raw = np.concatenate([-np.geomspace(1e4, 1e-4, 2000), np.geomspace(1e-4, 1e4, 2000)])
    eta = case.loss.predict_proba(raw)
    assert (np.diff(eta[:, 1]) >= (-1e-14 if case.is_flat else 0)).all()
    assert (np.diff(eta[:, 0]) <= (1e-14 if case.is_flat else 0)).all()
    if case.is_flat:
        return
    assert_array_equal(eta[[0, -1]], [[1, 0], [0, 1]])
    inside = (eta.min(axis=1) > 1e-300)[1:] & (eta.min(axis=1) > 1e-300)[:-1]
    smaller = np.where(eta[1:, 1] < 0.5, np.diff(eta[:, 1]), -np.diff(eta[:, 0]))
    assert (smaller[inside] > 0).all()


@over([case for case in UNSMOOTHED if case.has_posterior and getattr(case.loss, "gamma_pos", 1)])
def test_extreme_margins_keep_their_order(case):
    """Beyond what a probability can hold, the decision still is that of the largest margin."""
    for k in range(case.n_classes):
        raw = np.zeros((1, case.n_classes))
        raw[0, k] = 1e4
        raw = raw if case.n_outputs > 1 else raw[:, 1] - raw[:, 0]
        assert case.loss.predict(raw) == k
        assert case.loss.predict_proba(raw)[0, k] == 1


@pytest.mark.parametrize(("eta", "sigmoid"), [(0.01, 0.15362), (0.9, 0.694), (0.999, 0.927)])
def test_posterior_of_focal_at_known_points(eta, sigmoid):
    """Focal gamma = 2: sigmoid(z) of the minimiser for a given probability, solved with 50 digits."""
    with mpmath.workdps(50):

        def expected_slope(z):
            def loss(t):
                p = 1 / (1 + mpmath.exp(-t))
                return -eta * (1 - p) ** 2 * mpmath.log(p) - (1 - eta) * p**2 * mpmath.log(1 - p)

            return mpmath.diff(loss, z)

        z = float(mpmath.findroot(expected_slope, float(logit(sigmoid))))
    assert_allclose(expit(z), sigmoid, atol=5e-4)
    assert_allclose(Focal(gamma=2.0).predict_proba(np.array([z]))[0, 1], eta, rtol=1e-10)


@over(POSTERIOR)
def test_posterior_at_the_start_is_the_base_rate(case):
    """The best constant knows the class frequencies: predict_proba of it returns them, class weights or not."""
    y, _, weight = case.sample(151)
    start = case.loss.fit_intercept_only(y, weight)
    frequencies = np.bincount(y.astype(int), weight) / weight.sum()
    raw = np.atleast_1d(start) if np.ndim(start) == 0 else start[None]
    assert_allclose(case.loss.predict_proba(raw)[0], frequencies, rtol=1e-9)


@over([case for case in UNSMOOTHED if case.n_outputs != 2 and case.has_posterior and not case.is_flat])
@pytest.mark.parametrize("rarity", [1e-3, 1e-6, 1e-9])
def test_start_under_extreme_imbalance(case, rarity):
    """A class of one in a billion still gets its frequency, and a gradient of zero."""
    y, weight = np.arange(case.n_classes, dtype=float), np.full(case.n_classes, 1.0)
    weight[1] = rarity
    start = case.loss.fit_intercept_only(y, weight)
    raw = np.tile(start, (len(y), 1)) if case.n_outputs > 1 else np.full(2, start)
    assert_allclose(case.loss.predict_proba(raw)[0], weight / weight.sum(), rtol=1e-9)
    gradient = case.loss.gradient_hessian(y, raw, weight)[0]
    assert (np.abs(gradient.sum(axis=0)) <= 1e-10 * np.abs(gradient).sum(axis=0)).all()


def test_start_of_cross_entropy_in_closed_form():
    """The log-odds of the base rate; log frequencies with mean 0 for K classes; weights and smoothing in them."""
    y, weight = np.array([0, 0, 0, 1.0]), np.array([1, 2, 3, 0.5])
    assert_allclose(CrossEntropy().fit_intercept_only(y), logit(0.25), rtol=1e-12)
    assert_allclose(CrossEntropy().fit_intercept_only(y, weight), logit(0.5 / 6.5), rtol=1e-12)
    assert_allclose(CrossEntropy(pos_weight=3.0).fit_intercept_only(y), 0, atol=1e-12)
    assert_allclose(CrossEntropy(alpha=0.25).fit_intercept_only(y), logit(0.25 * 0.25 / (0.25 * 0.25 + 0.75 * 0.75)))
    assert_allclose(CrossEntropy(label_smoothing=0.2).fit_intercept_only(y), logit(0.8 * 0.25 + 0.1), rtol=1e-12)
    labels = np.repeat(np.arange(3), [5, 3, 2])
    logs = np.log([0.5, 0.3, 0.2])
    assert_allclose(CrossEntropy().fit_intercept_only(labels), logs - logs.mean(), atol=1e-12)
    logs += np.log([1, 4, 2])
    assert_allclose(CrossEntropy(class_weight=[1, 4, 2]).fit_intercept_only(labels), logs - logs.mean(), atol=1e-12)


def test_start_of_focal_at_known_points():
    """gamma = 2 with one positive in a hundred: -1.706, where the log-odds would be -4.595."""
    y = np.repeat([0.0, 1.0], [99, 1])
    assert_allclose(Focal(gamma=2.0).fit_intercept_only(y), -1.70645, atol=1e-5)
    assert_allclose(Focal(gamma=2.0).fit_intercept_only(y[::-1]), -1.70645, atol=1e-5)
    assert_allclose(Focal(gamma=2.0).fit_intercept_only([0, 1]), 0, atol=1e-15)


@over([case for case in SOFTMAX if case.n_outputs == 3])
def test_start_of_softmax_is_the_optimum_of_scipy(case):
    """scipy's BFGS finds the same constants, up to their mean."""
    y, _, weight = case.sample(151)

    def total(z):
        raw = np.tile(z, (len(y), 1))
        return case.loss.loss(y, raw, weight).sum(), case.loss.gradient_hessian(y, raw, weight)[0].sum(axis=0)

    found = minimize(total, np.zeros(3), jac=True, method="BFGS", options={"gtol": 1e-9}).x
    assert_allclose(case.loss.fit_intercept_only(y, weight), found - found.mean(), atol=1e-6)


def test_start_of_one_class_is_refused():
    """The best constant is infinite then."""
    for loss in (CrossEntropy(), Focal()):
        with pytest.raises(ValueError, match=r"^y_true has one class only \(1\), must have at least two\.$"):
            loss.fit_intercept_only([1, 1, 1])
    with pytest.raises(ValueError, match="one class only"):
        CrossEntropy().fit_intercept_only([0, 1], [1, 0])


@pytest.mark.parametrize("loss", [CrossEntropy(), Focal()], ids=repr)
def test_start_with_a_class_missing(loss):
    """With the number of classes given, a class without rows gets a finite, small start."""
    resolved = loss.resolve([0, 1, 1, 3], n_classes=4)
    start = resolved.fit_intercept_only([0, 1, 1, 3])
    eta = loss.predict_proba(start[None])[0]
    assert start.shape == (4,)
    assert np.isfinite(start).all()
    assert eta.argmin() == 2
    assert_allclose(eta[[0, 1, 3]] / eta[1], [0.5, 1, 0.5], rtol=1e-9)
