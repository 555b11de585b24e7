"""Losses with a statistic of the whole batch, and frozen weights, against NumPy; threads, memory, engines."""

import pickle

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.metrics import roc_auc_score

import boostloss as bl
import boostloss.lightgbm
import boostloss.xgboost
from boostloss import CrossEntropy, Dice, Focal, FocalTversky, GradientHarmonized, SelfAdjusting, Tversky
from boostloss.kernels.threads import MIN_ROWS
from boostloss.objective import Objective
from boostloss.verify import check

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
WEIGHTED = pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
OVERLAP = [Dice(), Dice(smooth=20.0), Tversky(alpha=0.2, beta=1.5), FocalTversky(), FocalTversky(gamma=2.0, smooth=0.1)]
HARMONIZED = [GradientHarmonized(), GradientHarmonized(bins=3, pos_weight=4.0), GradientHarmonized(label_smoothing=0.1)]
ALL = [*OVERLAP, *HARMONIZED]
TOLERANCE = {np.float32: 3e-6, np.float64: 1e-11}


def batch(n_rows=3000, dtype=np.float64, weighted=True, seed=0):
    """Labels, raw predictions and weights."""
    rng = np.random.default_rng(seed)
    y = (rng.uniform(size=n_rows) < 0.2).astype(dtype)
    raw = (2 * rng.normal(size=n_rows) - 1 + y).astype(dtype)
    return y, raw, rng.uniform(0.2, 3, n_rows).astype(dtype) if weighted else None


# --------------------------------------------------------------------------------------------------- against NumPy


def overlap(loss, y, raw, weight):
    """The loss of the batch."""
    p = expit(raw)
    weight = np.ones_like(y) if weight is None else weight
    alpha, beta = getattr(loss, "alpha", 0.5), getattr(loss, "beta", 0.5)
    hits = (weight * p * y).sum()
    wrong = alpha * (weight * p * (1 - y)).sum() + beta * (weight * (1 - p) * y).sum()
    return (1 - (hits + loss.smooth) / (hits + wrong + loss.smooth)) ** getattr(loss, "gamma", 1.0)


def harmonized(loss, y, raw, weight):
    """Value, gradient and p q, times the weight of the row's bin."""
    y = (1 - loss.label_smoothing) * y + loss.label_smoothing / 2
    p, weight = expit(raw), np.ones_like(y) if weight is None else weight
    which = np.minimum((loss.bins * np.abs(p - y)).astype(int), loss.bins - 1)
    counts = np.bincount(which, weight, minlength=loss.bins)
    row = weight * weight.sum() / ((counts > 0).sum() * counts[which])
    positive, negative = row * y * (loss.pos_weight or 1.0), row * (1 - y)
    total = positive + negative
    value = positive * np.logaddexp(0, -raw) + negative * np.logaddexp(0, raw)
    return value, negative * p - positive * (1 - p), total * p * (1 - p)


def in_float64(*arrays):
    return [None if a is None else a.astype(np.float64) for a in arrays]


@pytest.mark.parametrize("loss", OVERLAP, ids=repr)
@DTYPES
@WEIGHTED
def test_overlap_is_that_of_numpy(loss, dtype, weighted):
    """Every row has the value of the batch times its weight; the gradient is that of their sum."""
    y, raw, weight = batch(200, dtype, weighted)
    wide = in_float64(y, raw, weight)
    rows = 1.0 if weight is None else wide[2]
    expected = overlap(loss, *wide)
    assert_allclose(loss.loss(y, raw, weight), rows * expected * np.ones(200), rtol=TOLERANCE[dtype])
    assert_allclose(float(loss.metric(y, raw, weight)), expected, rtol=TOLERANCE[dtype])
    total = np.sum(rows * np.ones(200))
    numeric, step = np.empty(200), 1e-4
    for i in range(200):
        ends = []
        for sign in (1, -1):
            moved = wide[1].copy()
            moved[i] += sign * step
            ends.append(total * overlap(loss, wide[0], moved, wide[2]))
        numeric[i] = (ends[0] - ends[1]) / (2 * step)
    gradient, hessian = loss.gradient_hessian(y, raw, weight)
    assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-6 * abs(numeric).max())
    assert (hessian >= abs(gradient) * (1 - 1e-5)).all()  # the larger slope of both labels
    assert hessian.max() <= abs(gradient).max() * 10 * max(loss.alpha, loss.beta, 1)


@pytest.mark.parametrize("loss", HARMONIZED, ids=repr)
@DTYPES
@WEIGHTED
def test_harmonized_is_that_of_numpy(loss, dtype, weighted):
    """Bins, weights, value, gradient and second derivative; of the curvature the half of abs(gradient) at least."""
    y, raw, weight = batch(3000, dtype, weighted)
    value, gradient, hessian = harmonized(loss, *in_float64(y, raw, weight))
    tolerance = {"rtol": 10 * TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    assert_allclose(loss.loss(y, raw, weight), value, **tolerance)
    ours, exact = loss.gradient_hessian(y, raw, weight, curvature="exact")
    assert_allclose(ours, gradient, **tolerance)
    assert_allclose(exact, hessian, **tolerance)
    auto = loss.gradient_hessian(y, raw, weight)[1]
    if not loss.label_smoothing:
        assert_allclose(auto, np.maximum(hessian, abs(gradient) / 2), **tolerance)
    assert (auto > 0).all()


@WEIGHTED
def test_mean_weight_of_a_bin_is_one(weighted):
    """All bins that are not empty weigh the same, and together what the rows weigh."""
    y, raw, weight = batch(5000, weighted=weighted)
    plain, ours = (loss.gradient_hessian(y, raw, weight)[0] for loss in (CrossEntropy(), GradientHarmonized()))
    weights = ours / plain * (1.0 if weight is None else weight)
    assert_allclose(weights.sum(), 5000 if weight is None else weight.sum(), rtol=1e-9)
    which = np.minimum((10 * np.abs(expit(raw) - y)).astype(int), 9)
    assert_allclose(np.bincount(which, weights), weights.sum() / 10, rtol=1e-9)


def test_limits():
    """One bin is the cross-entropy, equal weights are Dice, gamma 1 is Tversky, SelfAdjusting's 0 the cross-entropy."""
    y, raw, weight = batch()
    pairs = [
        (GradientHarmonized(bins=1, curvature="exact"), CrossEntropy(curvature="exact")),
        (Tversky(alpha=0.5, beta=0.5, smooth=3.0), Dice(smooth=3.0)),
        (FocalTversky(alpha=0.3, beta=0.9, gamma=1.0), Tversky(alpha=0.3, beta=0.9)),
        (SelfAdjusting(gamma=0.0), CrossEntropy()),
    ]
    for ours, limit in pairs:
        assert_allclose(ours.loss(y, raw, weight), limit.loss(y, raw, weight), rtol=1e-11)
        for a, b in zip(ours.gradient_hessian(y, raw, weight), limit.gradient_hessian(y, raw, weight), strict=True):
            assert_allclose(a, b, rtol=1e-11)
        assert ours.fit_intercept_only(y, weight) == pytest.approx(limit.fit_intercept_only(y, weight), rel=1e-9)


# ---------------------------------------------------------------------------------------------------- threads, memory


@pytest.mark.parametrize("loss", ALL, ids=repr)
@DTYPES
def test_number_of_threads_changes_no_bit(loss, dtype, monkeypatch):
    """One, two, three and seven threads."""
    y, raw, weight = batch(2 * MIN_ROWS + 4321, dtype)
    results = []
    for number in (1, 2, 3, 7):
        monkeypatch.setenv("BOOSTLOSS_NUM_THREADS", str(number))
        results.append((loss.loss(y, raw, weight), *loss.gradient_hessian(y, raw, weight)))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert_array_equal(a, b)


def momentum_by_hand(loss, y, rounds):
    """Weights of the bins over the rounds of a training."""
    counts = None
    for raw in rounds:
        which = np.minimum((loss.bins * np.abs(expit(raw) - y)).astype(int), loss.bins - 1)
        new = np.bincount(which, minlength=loss.bins).astype(float)
        counts = new if counts is None else loss.momentum * counts + (1 - loss.momentum) * new
        yield counts.sum() / ((counts > 0).sum() * counts[which]) * (expit(raw) - y)


def test_momentum_is_remembered_by_the_objective():
    """Round by round as by hand; another objective begins anew, and the loss itself stays as it was."""
    y, raw, _ = batch(dtype=np.float32)
    loss = GradientHarmonized(momentum=0.8)
    rounds = [raw, raw + 1, raw * 0.3]
    for _ in range(2):
        objective = Objective(loss)
        for z, expected in zip(rounds, momentum_by_hand(loss, y, rounds), strict=True):
            assert_allclose(objective(y, z)[0], expected, rtol=1e-4, atol=1e-6)
    assert vars(loss) == vars(GradientHarmonized(momentum=0.8))
    assert pickle.loads(pickle.dumps(objective)).loss.momentum == 0.8


def test_momentum_is_remembered_per_data_set():
    """Two data sets trained in turn by one objective, as in cross-validation, do not mix."""
    y, raw, _ = batch(dtype=np.float32)
    loss = GradientHarmonized(momentum=0.8)
    data = [xgb.DMatrix(np.zeros((len(y), 1)), y), xgb.DMatrix(np.zeros((len(y), 1)), 1 - y)]
    objective = Objective(loss)
    by_hand = [momentum_by_hand(loss, labels, [raw, raw + 1]) for labels in (y, 1 - y)]
    for z in (raw, raw + 1):
        for one, expected in zip(data, by_hand, strict=True):
            assert_allclose(objective(z, one)[0], next(expected), rtol=1e-4, atol=1e-6)


def test_momentum_without_a_training_is_refused():
    """A bare loss as objective has no memory."""
    y, raw, _ = batch(100)
    with pytest.raises(ValueError, match=r"momentum == 0\.5 needs a training of its own"):
        GradientHarmonized(momentum=0.5)(y, raw)
    with pytest.raises(ValueError, match=r"momentum == 0\.5"):
        xgb.train({}, xgb.DMatrix(raw[:, None], y), 2, obj=GradientHarmonized(momentum=0.5))


# -------------------------------------------------------------------------------------------------- what they cannot do


@pytest.mark.parametrize("loss", ALL, ids=repr)
def test_no_probabilities(loss):
    """The error says what to do; the estimator has no such method, unless it is to return the plain sigmoid."""
    with pytest.raises(AttributeError, match="CalibratedClassifierCV"):
        loss.predict_proba([0.0])
    assert not hasattr(bl.LossClassifier(loss=loss), "predict_proba")
    assert hasattr(bl.LossClassifier(loss=loss, calibrate=False), "predict_proba")
    assert_array_equal(loss.predict([-1.0, 1.0]), [0, 1])


@pytest.mark.parametrize("loss", [*ALL, SelfAdjusting()], ids=repr)
def test_verify_says_that_it_cannot_judge(loss):
    """Gradients that are not those of a row's value."""
    with pytest.raises(ValueError, match="check cannot judge"):
        check(loss)


@pytest.mark.parametrize("loss", ALL, ids=repr)
def test_more_than_two_classes_are_refused(loss):
    """Two outputs or more."""
    with pytest.raises(ValueError, match="it is a loss of two classes"):
        loss.loss([0, 1, 2], np.zeros((3, 3)))


@pytest.mark.parametrize(
    ("kind", "params", "message"),
    [
        (Tversky, {"alpha": -1.0}, "alpha == -1.0, must be >= 0"),
        (Tversky, {"alpha": 0.0, "beta": 0.0}, "alpha == 0 and beta == 0"),
        (Dice, {"smooth": 0.0}, "smooth == 0.0, must be > 0"),
        (FocalTversky, {"gamma": 0.0}, "gamma == 0.0, must be > 0"),
        (GradientHarmonized, {"bins": 0}, "bins == 0, must be >= 1"),
        (GradientHarmonized, {"momentum": 1.0}, "momentum == 1.0, must be in"),
        (SelfAdjusting, {"gamma": -0.1}, "gamma == -0.1, must be >= 0"),
    ],
)
def test_hyper_parameters_are_checked(kind, params, message):
    """Name, value, constraint."""
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        kind(**params)


def test_whole_numbers_are_asked_for():
    """Bins are counted."""
    with pytest.raises(TypeError, match=r"bins == 2\.5, must be an integer"):
        GradientHarmonized(bins=2.5)
    with pytest.raises(ValueError, match="curvature == 'exact'"):
        Dice().gradient_hessian([0, 1], [0.0, 0.0], curvature="exact")


# -------------------------------------------------------------------------------------------------------- SelfAdjusting


@pytest.mark.parametrize("n_outputs", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_self_adjusting_is_a_weighted_cross_entropy(n_outputs):
    """The gradient is (1 - p)^gamma times that of the cross-entropy, the value that of the focal loss."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, max(n_outputs, 2), 300)
    raw = rng.normal(size=300 if n_outputs == 1 else (300, 3)) * 3
    value, plain = CrossEntropy().loss(y, raw), CrossEntropy().gradient_hessian(y, raw)[0]
    weight = (-np.expm1(-value)) ** 1.5
    ours, hessian = SelfAdjusting(gamma=1.5).gradient_hessian(y, raw)
    assert_allclose(ours, weight * plain if raw.ndim == 1 else weight[:, None] * plain, rtol=1e-10, atol=1e-15)
    assert_allclose(SelfAdjusting(gamma=1.5).loss(y, raw), Focal(gamma=1.5).loss(y, raw), rtol=1e-11)
    if n_outputs == 1:
        step = 1e-5
        slopes = [SelfAdjusting(gamma=1.5).gradient_hessian(y, raw + s)[0] for s in (step, -step)]
        assert_allclose(hessian, (slopes[0] - slopes[1]) / (2 * step), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("weights", [None, [0.5, 3.0]])
def test_self_adjusting_has_probabilities(weights):
    """sigmoid((1 + gamma) z) apart from class weights; the metric is their cross-entropy."""
    y, raw, weight = batch(400)
    loss = SelfAdjusting(gamma=0.7, class_weight=weights)
    shift = 0.0 if weights is None else np.log(weights[1] / weights[0])
    eta = loss.predict_proba(raw)[:, 1]
    assert_allclose(eta, expit(1.7 * raw - shift), rtol=1e-11)
    cost = np.ones(400) if weights is None else np.array(weights)[y.astype(int)]
    expected = -(weight * cost * np.log(np.where(y == 1, eta, 1 - eta))).sum() / weight.sum()
    assert float(loss.metric(y, raw, weight)) == pytest.approx(expected, rel=1e-11)


# -------------------------------------------------------------------------------------------------------------- engines


@pytest.mark.parametrize("loss", [*ALL, GradientHarmonized(momentum=0.7), SelfAdjusting()], ids=repr)
@pytest.mark.parametrize("engine", ["xgboost", "lightgbm"])
def test_trains(loss, engine):
    """It learns to rank; the metric is recorded; the model's own file predicts the same."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(3000, 4))
    y = (rng.uniform(size=3000) < expit(2 * X[:, 0] - X[:, 1] - 1)).astype(float)
    weight = rng.uniform(0.5, 2, 3000)
    log = {}
    if engine == "xgboost":
        data = xgb.DMatrix(X, y, weight=weight)
        booster = boostloss.xgboost.train(
            {"max_depth": 3}, data, 30, loss=loss, evals=[(data, "train")], evals_result=log, verbose_eval=False
        )
        raw = booster.predict(data, output_margin=True)
        history = log["train"][loss.metric_name]
    else:
        data = lgb.Dataset(X, y, weight=weight)
        booster = boostloss.lightgbm.train(
            {"num_leaves": 7, "verbosity": -1}, data, 30, loss=loss, valid_sets=[data], valid_names=["train"],
            callbacks=[lgb.record_evaluation(log)],
        )  # fmt: skip
        raw = booster.predict(X, raw_score=True)
        history = log["train"][loss.metric_name]
    assert roc_auc_score(y, raw) > 0.85
    assert history[-1] < history[0]
    assert history[-1] == pytest.approx(float(loss.metric(y, raw.astype(np.float32), weight)), rel=1e-4)
