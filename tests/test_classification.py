"""Properties of losses of p: symmetries, limits, posterior, start, decision, resolve."""

import copy

import mpmath
import numpy as np
import pytest
from conftest import CLASSIFICATION, POSTERIOR, SIGMOID, SOFTMAX, Case, over
from numpy.testing import assert_allclose, assert_array_equal
from reference import class_weights
from scipy.optimize import minimize
from scipy.special import expit, logit, softmax
from sklearn.metrics import log_loss

from boostloss import Asymmetric, CrossEntropy, Focal, Hinge, KLDivergence, LogitAdjusted, Poly1, Poly1Focal

UNSMOOTHED = [case for case in CLASSIFICATION if not case.loss.label_smoothing]
SMOOTHED = [case for case in CLASSIFICATION if case.loss.label_smoothing]


def all_of(loss, y, raw, weight=None):
    return loss.loss(y, raw, weight), *loss.gradient_hessian(y, raw, weight)


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


# ----------------------------------------------------------------------------------------------- symmetries and limits


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


# --------------------------------------------------------------------------------------------------------- soft labels


@over(
    [case for case in SIGMOID if not case.loss.label_smoothing],
    is_quick=lambda case: isinstance(case.loss, CrossEntropy | Focal | Hinge),  # of p with and without a power, of m
)
def test_soft_labels_are_two_weighted_rows(case):
    """y in [0, 1] is y of a positive row and 1 - y of a negative one: value, gradient, curvature and start."""
    _, raw, weight = case.sample()
    y = np.random.default_rng(8).uniform(size=len(raw))
    parts = all_of(case.loss, y, raw, weight)
    positive, negative = (all_of(case.loss, np.full_like(y, label), raw) for label in (1.0, 0.0))
    for part, one, zero in zip(parts, positive, negative, strict=True):
        assert_allclose(part, weight * (y * one + (1 - y) * zero), rtol=1e-11, atol=1e-14)
    rows = np.repeat([1.0, 0.0], len(y))
    start = case.loss.fit_intercept_only(rows, np.concatenate([weight * y, weight * (1 - y)]))
    assert_allclose(case.loss.fit_intercept_only(y, weight), start, rtol=1e-9)


@pytest.mark.parametrize("loss", [CrossEntropy(), CrossEntropy(class_weight=[1.0, 5.0, 0.2])], ids=repr)
def test_distributions_are_weighted_rows(loss):
    """A distribution over K classes is K weighted rows: value and gradient, and the start."""
    _, raw, weight = Case(loss, 3).sample()
    targets = np.random.default_rng(8).dirichlet([0.5, 1, 2], len(raw))
    value, gradient, _ = all_of(loss, targets, raw, weight)
    rows = [all_of(loss, np.full(len(raw), k), raw, weight * targets[:, k]) for k in range(3)]
    assert_allclose(value, sum(row[0] for row in rows), rtol=1e-12)
    assert_allclose(gradient, sum(row[1] for row in rows), rtol=1e-9, atol=1e-13)
    start = loss.fit_intercept_only(np.repeat(np.arange(3), len(raw)), np.concatenate(weight * targets.T))
    assert_allclose(loss.fit_intercept_only(targets, weight), start, atol=1e-10)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_label_smoothing_is_a_soft_label(n_classes):
    """(1 - epsilon) y + epsilon / K."""
    case = Case(CrossEntropy(), 1 if n_classes == 2 else n_classes)
    y, raw, weight = case.sample()
    one_hot = y if n_classes == 2 else np.eye(n_classes)[y.astype(int)]
    soft = 0.8 * one_hot + 0.2 / n_classes
    smoothed = all_of(CrossEntropy(label_smoothing=0.2), y, raw, weight)
    for a, b in zip(smoothed, all_of(CrossEntropy(), soft, raw, weight), strict=True):
        assert_allclose(a, b, rtol=1e-12)


# ------------------------------------------------------------------------------------------------------- the posterior


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


# -------------------------------------------------------------------------------------------------------- the decision


@over([case for case in POSTERIOR if not (isinstance(case.loss, LogitAdjusted) and case.loss.label_smoothing)])
def test_decision_is_the_largest_weighted_posterior(case):
    """predict = argmax_j w_j eta_j: class weights are costs; logit adjustment divides by pi_j^tau, too."""
    raw = case.raw(500)
    weighted = case.loss.predict_proba(raw) * class_weights(case.loss, case.n_classes)
    if isinstance(case.loss, LogitAdjusted):
        weighted /= np.array(case.loss.class_prior) ** case.loss.tau
    decision = case.loss.predict(raw)
    assert decision.shape == (500,)
    assert decision.dtype.kind == "i"
    first, second = np.sort(weighted, axis=1)[:, [-1, -2]].T
    clear = first > second * (1 + 1e-9)
    assert clear.mean() > 0.7
    assert_array_equal(decision[clear], weighted.argmax(axis=1)[clear])


@pytest.mark.parametrize("loss", [CrossEntropy(pos_weight=5.0), CrossEntropy(alpha=0.9)], ids=repr)
def test_decision_of_a_weighted_cross_entropy_is_the_sign(loss):
    """z > 0, as for the engines' scale_pos_weight; where eta is above 1 / (1 + w)."""
    raw = np.array([-3.0, -1e-9, 1e-9, 3.0])
    assert_array_equal(loss.predict(raw), [0, 0, 1, 1])
    weights = class_weights(loss, 2)
    assert_allclose(loss.predict_proba(np.zeros(1))[0, 1], weights[0] / weights.sum())


def test_unweighted_decision_is_half_the_posterior():
    """Without class weights: the more probable class."""
    raw = np.linspace(-5, 5, 401)
    for loss in (CrossEntropy(), Focal(gamma=2.0), Focal(gamma=(0.0, 3.0))):
        assert_array_equal(loss.predict(raw), loss.predict_proba(raw)[:, 1] > 0.5)


# ------------------------------------------------------------------------------------------------------------- resolve


def test_balanced_is_n_over_k_n_k():
    """Class weights of the training labels, sample weights counting."""
    y, weight = [0, 0, 0, 1], [1, 1, 1, 6]
    assert_allclose(CrossEntropy(class_weight="balanced").resolve(y).class_weight, [4 / 6, 4 / 2])
    assert_allclose(Focal(class_weight="balanced").resolve(y, weight).class_weight, [9 / 6, 9 / 12])
    labels = [0, 1, 1, 2, 2, 2]
    assert_allclose(CrossEntropy(class_weight="balanced").resolve(labels).class_weight, [2, 1, 2 / 3])
    smoothed = CrossEntropy(class_weight="balanced", label_smoothing=0.2).resolve(y)
    assert_allclose(smoothed.class_weight, [4 / 6, 4 / 2])


def effective_by_hand(totals, beta):
    """Cui et al. 2019: 1 / effective number, with sum K."""
    inverse = [(1 - beta) / (1 - beta**n) for n in totals]
    return [w * len(totals) / sum(inverse) for w in inverse]


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.999])
def test_effective_weights(beta):
    """From the counts of the classes, from summed sample weights, and without the smoothing of labels."""
    y = [0, 0, 0, 0, 0, 0, 1, 1]
    for kind in (CrossEntropy, Focal, Poly1, Poly1Focal):
        loss = kind(class_weight="effective", beta=beta)
        assert_allclose(loss.resolve(y).class_weight, effective_by_hand([6, 2], beta), rtol=1e-12)
    loss = CrossEntropy(class_weight="effective", beta=beta)
    weight = np.array([1.0, 2, 1, 1, 1, 1, 0.5, 3])
    assert_allclose(loss.resolve(y, weight).class_weight, effective_by_hand([7, 3.5], beta), rtol=1e-12)
    labels = [0, 1, 1, 2, 2, 2]
    assert_allclose(loss.resolve(labels).class_weight, effective_by_hand([1, 2, 3], beta), rtol=1e-12)
    smoothed = CrossEntropy(class_weight="effective", beta=beta, label_smoothing=0.2).resolve(y)
    assert_allclose(smoothed.class_weight, effective_by_hand([6, 2], beta), rtol=1e-12)
    missing = loss.resolve([0, 0, 2, 2, 2, 2], n_classes=4).class_weight
    assert_allclose(missing[::2], effective_by_hand([2, 4], beta), rtol=1e-12)
    assert missing[1::2] == [1, 1]


def test_effective_weights_become_balanced_ones():
    """With beta to 1, apart from a factor; the recovered probabilities do not know of either."""
    y = np.repeat([0, 1, 2], [50, 5, 1])
    effective = CrossEntropy(class_weight="effective", beta=1 - 1e-10).resolve(y).class_weight
    balanced = CrossEntropy(class_weight="balanced").resolve(y).class_weight
    assert_allclose(np.divide(effective, effective[0]), np.divide(balanced, balanced[0]), rtol=1e-7)
    loss = Focal(class_weight="effective").resolve(y)
    start = loss.fit_intercept_only(y)
    assert_allclose(loss.predict_proba(start[None, :])[0], [50 / 56, 5 / 56, 1 / 56], rtol=1e-9)


def test_balanced_start_is_zero():
    """With balanced weights the best constant has no preference."""
    y = np.repeat([0.0, 1.0, 2.0], [50, 5, 1])
    for loss in (CrossEntropy(class_weight="balanced"), Focal(class_weight="balanced")):
        assert_allclose(loss.fit_intercept_only(y), 0, atol=1e-9)
        assert_allclose(loss.fit_intercept_only(y[:55]), 0, atol=1e-9)


def test_resolve_leaves_the_loss_alone():
    """It returns a copy, which says how many classes there are; numbers stay as they are."""
    loss = Focal(gamma=1.0, class_weight="balanced")
    resolved = loss.resolve([0, 1, 1])
    assert loss.get_params()["class_weight"] == "balanced"
    assert not hasattr(loss, "n_classes_")
    assert resolved.n_classes_ == 2
    assert resolved.gamma == 1.0
    assert CrossEntropy(class_weight={0: 2.0}).resolve([0, 1, 2]).class_weight == {0: 2.0}
    assert CrossEntropy().resolve([0, 0, 0]).n_classes_ == 2
    assert CrossEntropy().resolve([0, 1], n_classes=5).n_classes_ == 5
    assert CrossEntropy().resolve(np.eye(4)).n_classes_ == 4


def test_resolve_with_a_class_missing():
    """A class without rows has the weight 1, and is not counted in K."""
    resolved = CrossEntropy(class_weight="balanced").resolve([0, 0, 2, 2, 2, 2], n_classes=4)
    assert_allclose(resolved.class_weight, [6 / 4, 1, 6 / 8, 1])
    assert resolved.n_classes_ == 4


def test_resolve_checks_the_labels():
    """Labels outside the given number of classes are an error."""
    with pytest.raises(ValueError, match=r"^y_true\[2\] == 3.0, must be an integer in \[0, 3\)\.$"):
        CrossEntropy().resolve([0, 1, 3], n_classes=3)
    with pytest.raises(ValueError, match=r"^pos_weight == 2.0 with 3 classes, must be used with two\.$"):
        CrossEntropy(pos_weight=2.0).resolve([0, 1, 2])


def test_what_needs_training_labels_says_so():
    """Probabilities and decisions of an unresolved loss are an error that names resolve."""
    loss = CrossEntropy(class_weight="balanced")
    for call in (loss.predict_proba, loss.predict):
        with pytest.raises(ValueError, match=r"class_weight == 'balanced' depends on the training labels.*resolve"):
            call(np.zeros(3))
    assert_allclose(loss.resolve([0, 0, 1]).predict_proba(np.zeros(1)), [[2 / 3, 1 / 3]], rtol=1e-14)


def test_evaluation_uses_the_training_weights():
    """The metric of a resolved loss keeps its weights on other labels; that of an unresolved one is an error."""
    loss = CrossEntropy(class_weight="balanced")
    resolved = loss.resolve([0, 0, 0, 1])
    y, raw = np.array([1.0, 1.0, 0.0]), np.array([0.3, -1.0, 0.2])
    weights = np.array([2, 2, 2 / 3])
    assert_allclose(resolved.metric(y, raw), (weights * CrossEntropy().loss(y, raw)).sum() / 3)
    with pytest.raises(ValueError, match="depends on the training labels"):
        loss.metric(y, raw)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_metric_of_cross_entropy_is_the_log_loss_of_scikit_learn(n_classes):
    """With sample weights."""
    case = Case(CrossEntropy(), 1 if n_classes == 2 else n_classes)
    y, raw, weight = case.sample()
    proba = softmax(np.stack([0 * raw, raw], 1) if n_classes == 2 else raw, axis=1)
    assert_allclose(CrossEntropy().metric(y, raw, weight), log_loss(y, proba, sample_weight=weight), rtol=1e-11)


@over(SMOOTHED)
def test_smoothing_is_taken_out_of_the_posterior(case):
    """Raw predictions that no unsmoothed label distribution asks for become certain, never more than that."""
    K = case.n_classes
    for k in range(K):
        raw = np.full((1, K), -20.0)
        raw[0, k] = 20.0
        eta = case.loss.predict_proba(raw if case.n_outputs > 1 else raw[:, 1])
        assert_array_equal(eta, np.eye(K)[[k]])
