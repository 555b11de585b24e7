"""What each classification loss reduces to, its closed forms by hand, and majorisers of the losses of the margin."""

import copy

import numpy as np
import pandas as pd
import pytest
from conftest import ANY_K, ONE_COLUMN, Case
from loss_properties import assert_majorised
from numpy.testing import assert_allclose
from scipy.special import expit, xlogy

from boostloss import (
    LDAM,
    Asymmetric,
    CrossEntropy,
    Exponential,
    Focal,
    HardTruncated,
    Hinge,
    KLDivergence,
    LogitAdjusted,
    MarginLoss,
    MarginTruncated,
    ModifiedHuber,
    Perceptron,
    QuadraticHinge,
    SoftTruncated,
    SquaredHinge,
)

ANY_NUMBER = pytest.mark.parametrize("n_outputs", [1, 2, 3])


def agree(loss, limit, case, rtol=1e-12, reach=8.0):
    """Whether two losses are the same in value, derivatives, curvature, posterior and start."""
    y, raw, weight = case.sample(300, spread=reach)
    assert_allclose(loss.loss(y, raw, weight), limit.loss(y, raw, weight), rtol=rtol, atol=1e-300)
    for curvature in (None, "exact"):
        ours, theirs = (x.gradient_hessian(y, raw, weight, curvature=curvature) for x in (loss, limit))
        assert_allclose(ours[0], theirs[0], rtol=rtol, atol=1e-300)
        assert_allclose(ours[1], theirs[1], rtol=100 * rtol, atol=1e-14)
    assert_allclose(loss.resolve(y).predict_proba(raw), limit.predict_proba(raw), rtol=100 * rtol, atol=1e-300)
    starts = [x.fit_intercept_only(y, weight) for x in (loss, limit)]
    assert_allclose(*starts, rtol=1e-10, atol=1e-11)


@ANY_NUMBER
@pytest.mark.parametrize(
    ("loss", "limit"),
    [
        (MarginTruncated(k=1.0, t=0.0), Focal(gamma=1.0)),
        (LDAM(max_margin=0.0), CrossEntropy()),
        (LogitAdjusted(tau=0.0), CrossEntropy()),
        (KLDivergence(), CrossEntropy()),
    ],
    ids=repr,
)
def test_limits_for_any_number_of_classes(loss, limit, n_outputs):
    """Soft truncation of the margin is focal gamma = 1, LDAM without margin the cross-entropy, and so on."""
    agree(loss, limit, Case(loss, n_outputs))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 4.0])
def test_asymmetric_without_asymmetry_is_focal(gamma):
    """Equal exponents, no clip."""
    agree(Asymmetric(gamma_pos=gamma, gamma_neg=gamma, clip=0.0, curvature="exact"),
          Focal(gamma=gamma, curvature="exact"), Case(Asymmetric()))  # fmt: skip


def test_positives_of_the_asymmetric_loss_are_focal():
    """Whatever the negatives have."""
    raw = np.linspace(-30, 30, 241)
    ours, focal = Asymmetric(gamma_pos=1.5, gamma_neg=4.0, clip=0.2), Focal(gamma=1.5)
    assert_allclose(ours.loss(np.ones(241), raw), focal.loss(np.ones(241), raw), rtol=1e-12)
    assert (ours.loss(np.zeros(241), raw)[expit(raw) < 0.2] == 0).all()


def test_asymmetric_near_the_clip():
    """gamma_neg below 1: the second derivative has a pole, the curvature is at most 10 abs(gradient)."""
    loss = Asymmetric(gamma_neg=0.5, clip=0.05)
    raw = np.log(0.05 / 0.95) + np.geomspace(1e-12, 1, 50)
    gradient, hessian = loss.gradient_hessian(np.zeros(50), raw)
    exact = loss.gradient_hessian(np.zeros(50), raw, curvature="exact")[1]
    assert exact.max() > 1e4 * hessian.max()
    assert (hessian <= np.maximum(10 * gradient, 1e-16) * (1 + 1e-12)).all()
    assert np.isfinite(exact).all()


def test_hard_truncation_is_cross_entropy_up_to_theta():
    """The same gradient and second derivative; nothing beyond; the value is lower by -log theta."""
    y, raw = np.ones(400), np.linspace(-20, 20, 400)
    loss, inside = HardTruncated(theta=0.8), expit(raw) <= 0.8
    pair = [x.gradient_hessian(y, raw, curvature="exact") for x in (loss, CrossEntropy())]
    for ours, usual in zip(*pair, strict=True):
        assert_allclose(ours, np.where(inside, usual, 0), rtol=1e-14)
    assert_allclose(loss.loss(y, raw), np.maximum(CrossEntropy().loss(y, raw) + np.log(0.8), 0), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_divergence_is_zero_where_the_prediction_is_right(n_outputs):
    """The cross-entropy minus the entropy of soft labels, weights included."""
    case = Case(KLDivergence(), n_outputs)
    _, raw, weight = case.sample(200)
    p = expit(raw) if n_outputs == 1 else np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    assert_allclose(KLDivergence().loss(p, raw, weight), 0, atol=1e-14)
    t = np.random.default_rng(3).dirichlet([1, 2, 1] if n_outputs == 3 else [1, 2], 200)
    labels = t if n_outputs == 3 else t[:, 1]
    expected = CrossEntropy().loss(labels, raw, weight) + weight * xlogy(t, t).sum(axis=1)
    assert_allclose(KLDivergence().loss(labels, raw, weight), expected, rtol=1e-12, atol=1e-14)
    assert (KLDivergence().loss(labels, raw) >= 0).all()


# ------------------------------------------------------------------------------------------------ class frequencies


def test_logit_adjustment_is_an_offset():
    """Cross-entropy of z + tau log pi, left out in `predict` and put back in `predict_proba`; two classes and three."""
    for n_outputs, prior in ((1, [0.9, 0.1]), (3, [0.6, 0.3, 0.1])):
        case = Case(LogitAdjusted(tau=1.5, class_prior=prior), n_outputs)
        y, raw, weight = case.sample(200)
        offset = 1.5 * np.log(prior)
        shifted = raw + (offset[1] - offset[0] if n_outputs == 1 else offset)
        assert_allclose(case.loss.loss(y, raw, weight), CrossEntropy().loss(y, shifted, weight), rtol=1e-11)
        for a, b in zip(case.loss.gradient_hessian(y, raw), CrossEntropy().gradient_hessian(y, shifted), strict=True):
            assert_allclose(a, b, rtol=1e-10)
        assert_allclose(case.loss.predict_proba(raw), CrossEntropy().predict_proba(shifted), rtol=1e-11)
        assert (case.loss.predict(raw) == CrossEntropy().predict(raw)).all()


def test_prior_is_that_of_the_training_labels():
    """Summed weights; a class without rows counts as half a row."""
    y, weight = np.array([0, 0, 0, 1.0]), np.array([1, 1, 1, 2.0])
    assert LogitAdjusted().resolve(y, weight).class_prior == pytest.approx([0.6, 0.4])
    prior = LogitAdjusted().resolve(np.array([0, 0, 2.0]), n_classes=3).class_prior
    assert prior == pytest.approx([2 / 3.5, 0.5 / 3.5, 1 / 3.5])
    with pytest.raises(ValueError, match="class_prior == None depends on the training labels"):
        LogitAdjusted().predict_proba([0.0])
    with pytest.raises(ValueError, match="class_prior has 2 entries, must have 3"):
        LogitAdjusted(class_prior=[0.5, 0.5]).resolve([0, 1, 2])


def test_margins_are_those_of_the_class_sizes():
    """max_margin (n_min / n_k)^(1/4), from summed weights."""
    y = np.repeat([0.0, 1.0], [1600, 100])
    assert LDAM(max_margin=0.8).resolve(y).margins == pytest.approx([0.4, 0.8])
    assert LDAM().resolve(y, np.where(y == 1, 16.0, 1.0)).margins == pytest.approx([0.5, 0.5])
    with pytest.raises(ValueError, match="margins == None depends on the training labels"):
        LDAM().predict_proba([0.0])
    with pytest.raises(ValueError, match="margins has 3 entries, must have 2"):
        LDAM(margins=[0.1, 0.2, 0.3]).resolve(y)


def test_ldam_by_hand():
    """log(1 + exp(-a (m - Delta_y))) / a, and the log-odds of its posterior."""
    z, a, (d0, d1) = np.linspace(-20, 20, 81), 3.0, (0.2, 0.7)
    loss = LDAM(margins=[d0, d1], scale=a)
    assert_allclose(loss.loss(np.ones(81), z), np.logaddexp(0, -a * (z - d1)) / a, rtol=1e-13)
    assert_allclose(loss.loss(np.zeros(81), z), np.logaddexp(0, -a * (-z - d0)) / a, rtol=1e-13)
    eta = loss.predict_proba(z)
    expected = np.logaddexp(0, a * (z - d1)) - np.logaddexp(0, -a * (z + d0))
    assert_allclose(np.log(eta[:, 1]) - np.log(eta[:, 0]), expected, rtol=1e-10, atol=1e-12)


# ------------------------------------------------------------------------------------------------ soft truncation


def test_posterior_of_soft_truncation_by_hand():
    """The log-odds of the probability form, by the formula of its two labels' slopes."""
    k, theta, z = 4.0, 0.6, np.linspace(-12, 12, 97)
    p, q = expit(z), expit(-z)

    def log_slope(p, log_p):
        return -np.logaddexp(0, k * (p - theta)) + np.log1p(-k * expit(k * (p - theta)) * p * log_p)

    expected = z + log_slope(q, -np.logaddexp(0, z)) - log_slope(p, -np.logaddexp(0, -z))
    eta = SoftTruncated(k=k, theta=theta).predict_proba(z)
    assert_allclose(np.log(eta[:, 1]) - np.log(eta[:, 0]), expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "place", "limit"),
    [(SoftTruncated, {"theta": 0.55}, 17), (SoftTruncated, {"theta": 0.6}, 13), (SoftTruncated, {"theta": 0.9}, 44),
     (MarginTruncated, {"t": 0.405}, 3.4), (MarginTruncated, {"t": 2.197}, 4.7)],
)  # fmt: skip
def test_a_posterior_that_is_not_unique_is_refused(kind, place, limit):
    """Up to the limit the posterior rises; beyond it falls somewhere, which the error says."""
    raw = np.linspace(-40, 40, 8001)
    assert (np.diff(kind(k=0.95 * limit, **place).predict_proba(raw)[:, 1]) >= 0).all()
    name = next(iter(place))
    with pytest.raises(ValueError, match=rf"k == .*, must be <= .* for {name} == .* and two classes"):
        kind(k=1.1 * limit, **place)


def test_any_steepness_at_the_middle():
    """theta = 0.5 and t = 0 have a posterior for every k, with two classes."""
    raw = np.linspace(-40, 40, 4001)
    for loss in (SoftTruncated(k=200.0), MarginTruncated(k=50.0)):
        assert (np.diff(loss.predict_proba(raw)[:, 1]) >= 0).all()
        with pytest.raises(ValueError, match="more than two classes"):
            loss.resolve([0, 1, 2])


# ------------------------------------------------------------------------------------------------ losses of the margin


def test_posteriors_of_the_margin():
    """sigmoid(2 z) of the exponential, (1 + z) / 2 of the quadratic ones, class weights apart."""
    z = np.linspace(-3, 3, 61)
    assert_allclose(Exponential().predict_proba(z)[:, 1], expit(2 * z), rtol=1e-12)
    assert_allclose(Exponential(pos_weight=5.0).predict_proba(z)[:, 1], expit(2 * z - np.log(5)), rtol=1e-12)
    for loss in (SquaredHinge(), ModifiedHuber()):
        assert_allclose(loss.predict_proba(z)[:, 1], np.clip((1 + z) / 2, 0, 1), rtol=1e-12, atol=1e-200)


def test_limits_of_the_hinges():
    """To no smoothing: hinge and perceptron; modified Huber is twice the squared hinge above m = -1."""
    m = np.linspace(-3, 3, 601)
    y = np.ones_like(m)
    assert_allclose(Hinge(bandwidth=1e-9).loss(y, m), np.maximum(1 - m, 0), atol=1e-8)
    assert_allclose(Perceptron(bandwidth=1e-9).loss(y, m), np.maximum(-m, 0), atol=1e-8)
    assert_allclose(QuadraticHinge(width=1e-9).loss(y, m), np.maximum(1 - m, 0), atol=1e-8)
    assert_allclose(QuadraticHinge(width=10.0).loss(y, m), SquaredHinge().loss(y, m) / 10, rtol=1e-12)
    inside = m >= -1
    assert_allclose(ModifiedHuber().loss(y, m)[inside], 2 * SquaredHinge().loss(y, m)[inside], rtol=1e-13)
    assert_allclose(Perceptron().loss(y, m), Hinge().loss(y, m + 1), rtol=1e-9, atol=1e-12)


def test_exponential_goes_on_as_a_line():
    """From m = -30 on, value and slope without a jump."""
    m = np.array([-29.999999, -30.000001, -31.0, -1e4])
    value, (gradient, _) = Exponential().loss(np.ones(4), m), Exponential().gradient_hessian(np.ones(4), m)
    assert value[1] == pytest.approx(value[0], rel=1e-5)
    assert gradient[0] == pytest.approx(gradient[1], rel=1e-5)
    assert_allclose(value[2:], np.exp(30) * (1 - m[2:] - 30), rtol=1e-13)
    assert_allclose(gradient[2:], -np.exp(30), rtol=1e-13)


MAJORISED = [loss for loss in ONE_COLUMN if isinstance(loss, MarginLoss) and not isinstance(loss, Exponential)]


@pytest.mark.parametrize("loss", MAJORISED, ids=repr)
def test_curvature_of_the_margin_majorises(loss):
    """L(z + t) <= L(z) + g t + h t^2 / 2 for every t; not so for the exponential loss, whose curvature grows."""
    loss = copy.deepcopy(loss).set_params(curvature="auto")
    y, raw, _ = Case(loss).sample(400)
    assert_majorised(loss, y, raw)


@pytest.mark.parametrize("loss", [loss for loss in ANY_K if loss.convex and loss.curvature == "auto"], ids=repr)
def test_convex_losses_are_convex(loss):
    """The value between two raw predictions is at most that of the line."""
    y, a, _ = Case(loss).sample(300, seed=1, spread=10.0)
    b = a + np.random.default_rng(2).normal(size=300) * 10
    assert (loss.loss(y, (a + b) / 2) <= (loss.loss(y, a) + loss.loss(y, b)) / 2 + 1e-12).all()


# ------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("given", [{0: 0.1, 1: 0.5}, {0.1, 0.5}, 0.5, "ab", pd.Series([0.1, 0.5])], ids=repr)
def test_numbers_of_classes_are_a_sequence(given):
    """The keys of a dict would be taken for the numbers, and the index of a Series be lost."""
    with pytest.raises(TypeError, match=r"(?s)margins == .*, must be a list or an array"):
        LDAM(margins=given)
    with pytest.raises(TypeError, match=r"(?s)class_prior == .*, must be a list or an array"):
        LogitAdjusted(class_prior=given)


def test_a_series_of_class_weights_is_refused():
    """Its index is not that of the classes; as a dict it is."""
    with pytest.raises(TypeError, match=r"(?s)class_weight == .*Series.to_dict"):
        CrossEntropy(class_weight=pd.Series({"yes": 5.0, "no": 1.0}))


@pytest.mark.parametrize("loss", [Asymmetric(gamma_pos=0.0, gamma_neg=1.0, clip=0.2), LDAM(margins=[0, 0], scale=1e-3)])
def test_a_base_rate_out_of_reach_is_an_error(loss):
    """A posterior that ends at .849, or raw predictions in the thousands."""
    with pytest.raises(ValueError, match="has no best constant within 100"):
        loss.fit_intercept_only(np.repeat([0.0, 1.0], [7, 93]))


@pytest.mark.parametrize("loss", [Asymmetric(), Hinge(), Exponential()], ids=repr)
def test_columns_of_a_loss_of_two_classes(loss):
    """Three columns are no raw predictions of it."""
    for method in (loss.predict, *([loss.predict_proba] if loss.has_posterior else [])):
        with pytest.raises(ValueError, match="raw_prediction has 3 columns, must have one"):
            method(np.zeros((4, 3)))


@pytest.mark.parametrize("params", [{"t": 1e-3, "k": 300}, {"t": 35.0, "k": 50}])
def test_a_narrow_dip_of_the_posterior_is_seen(params):
    """Between the points of a coarse grid, or far out."""
    with pytest.raises(ValueError, match="no posterior that is unique"):
        MarginTruncated(**params)
