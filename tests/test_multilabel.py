"""Several labels per row: losses of two classes over the columns, one model of XGBoost."""

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from lightgbm import LGBMClassifier
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.base import clone
from sklearn.metrics import average_precision_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

import boostloss as bl
import boostloss.lightgbm
import boostloss.xgboost
from boostloss import LDAM, Asymmetric, CrossEntropy, Dice, Focal, GradientHarmonized, LossClassifier, MultiLabel
from boostloss.objective import Objective
from boostloss.verify import check

LOSSES = [
    MultiLabel(),
    MultiLabel(label_loss=Asymmetric()),
    MultiLabel(label_loss=Focal(class_weight="balanced")),
    MultiLabel(label_loss=[CrossEntropy(), Asymmetric(clip=0.0), LDAM(), Focal(label_smoothing=0.1)]),
    MultiLabel(label_loss=Dice()),
    MultiLabel(label_loss=GradientHarmonized()),
]
WITH_POSTERIOR = LOSSES[:4]


def sample(n_rows=200, seed=0):
    """Labels (n, 4), raw predictions and weights."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(size=(n_rows, 4)) * 2 - [0, 1, 2, 3]
    return (rng.uniform(size=raw.shape) < expit(raw)).astype(float), raw, rng.uniform(0.3, 2, n_rows)


@pytest.fixture(scope="module")
def task():
    """Features, labels, their probabilities and weights."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(3000, 5))
    eta = expit(2 * X[:, :4] - [0, 1, 2, 3])
    return X, (rng.uniform(size=eta.shape) < eta).astype(int), eta, rng.uniform(0.5, 2, 3000)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_label_is_a_loss_of_its_own(loss, order, dtype):
    """Value is the sum over the columns, gradient, curvature, start, posterior and decision those of every column."""
    y, raw, weight = sample()
    y, raw, weight = y.astype(dtype), np.asarray(raw, dtype, order=order), weight.astype(dtype)
    value = loss.loss(y, raw, weight)
    gradient, hessian = loss.gradient_hessian(y, raw, weight)
    assert gradient.dtype == value.dtype == dtype
    resolved = loss.resolve(y, weight)
    parts = resolved._losses(4)
    columns = [(part, np.ascontiguousarray(y[:, k]), np.ascontiguousarray(raw[:, k])) for k, part in enumerate(parts)]
    assert_allclose(value, sum(part.loss(t, z, weight) for part, t, z in columns), rtol=1e-6)
    for k, (part, t, z) in enumerate(columns):
        g, h = part.gradient_hessian(t, z, weight)
        assert_allclose(gradient[:, k], g, rtol=1e-6)
        assert_allclose(hessian[:, k], h, rtol=1e-6)
    starts = [part.fit_intercept_only(t, weight) for part, t, _ in columns]
    assert_allclose(loss.fit_intercept_only(y, weight), starts, rtol=1e-9, atol=1e-12)
    assert_array_equal(resolved.predict(raw), np.column_stack([part.predict(z) for part, _, z in columns]))
    if loss.has_posterior:
        eta = np.column_stack([part.predict_proba(z)[:, 1] for part, _, z in columns])
        assert_array_equal(resolved.predict_proba(raw), eta)
    if loss.label_loss is None or loss.row_by_row:
        assert float(resolved.metric(y, raw, weight)) == pytest.approx(value.sum() / weight.sum(), rel=1e-5)


def test_a_label_without_rows_has_a_start():
    """One that nobody has, or everybody, counts as if half an average row were different."""
    y, _, weight = sample(50)
    y[:, 1], y[:, 2] = 0, 1
    start = MultiLabel().fit_intercept_only(y, weight)
    assert_allclose(start[1:3], [-np.log(100), np.log(100)], rtol=1e-9)


@pytest.mark.parametrize("strategy", ["one_output_per_tree", "multi_output_tree"])
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_one_model_of_xgboost(loss, strategy, task):
    """It ranks every label; probabilities are true where the loss has some."""
    X, Y, eta, weight = task
    classifier = LossClassifier(XGBClassifier(n_estimators=30, max_depth=3, multi_strategy=strategy), loss)
    classifier = clone(classifier).fit(X, Y, sample_weight=weight)
    raw = classifier.decision_function(X)
    assert raw.shape == Y.shape
    assert classifier.estimator_.get_booster().num_boosted_rounds() == 30
    for k in range(4):
        assert average_precision_score(Y[:, k], raw[:, k]) > average_precision_score(Y[:, k], eta[:, k]) - 0.15
    decision = classifier.predict(X)
    assert decision.shape == Y.shape
    assert set(np.unique(decision)) <= {0, 1}
    assert_array_equal(classifier.classes_, np.arange(4))
    if loss.has_posterior:
        probability = classifier.predict_proba(X)
        assert abs(probability.mean(axis=0) - Y.mean(axis=0)).max() < 0.03
        assert abs(probability - eta).mean() < 0.06
    else:
        assert not hasattr(classifier, "predict_proba")


def test_train_save_and_load(task, tmp_path):
    """The file knows the start, the link and the loss of every label."""
    X, Y, _, weight = task
    data = xgb.DMatrix(X, Y, weight=weight)
    loss = MultiLabel(label_loss=[CrossEntropy(), Asymmetric(), LDAM(), Focal(class_weight={1: 3.0})])
    log = {}
    booster = boostloss.xgboost.train(
        {"max_depth": 3}, data, 20, loss=loss, evals=[(data, "train")], evals_result=log, verbose_eval=False
    )
    assert log["train"]["cross_entropy"][-1] < log["train"]["cross_entropy"][0]
    booster.save_model(tmp_path / "model.ubj")
    loaded = xgb.Booster(model_file=tmp_path / "model.ubj")
    probability = boostloss.xgboost.predict_proba(booster, X)
    assert_array_equal(boostloss.xgboost.predict_proba(loaded, X), probability)
    raw = booster.predict(data, output_margin=True)
    assert_allclose(booster.predict(data), expit(raw), rtol=1e-5)
    assert_allclose(loss.resolve(Y, weight).predict_proba(raw), probability, rtol=1e-6)


def test_bare_loss_as_objective(task):
    """XGBoost's own API, with the start of `params`; the metric as well."""
    X, Y, _, weight = task
    data, loss = xgb.DMatrix(X, Y, weight=weight), MultiLabel(label_loss=Focal())
    params = boostloss.xgboost.params(loss, Y, weight)
    assert_allclose(params["base_score"], expit(loss.fit_intercept_only(Y, weight)), rtol=1e-12)
    bare = xgb.train({**params, "max_depth": 3}, data, 5, obj=loss, custom_metric=loss.metric, evals=[(data, "train")],
                     verbose_eval=False)  # fmt: skip
    complete = boostloss.xgboost.train({"max_depth": 3}, data, 5, loss=loss)
    assert_array_equal(bare.predict(data), complete.predict(data))


def test_frames_pipelines_and_evaluation_sets(task):
    """Labels as a frame, early stopping on the loss, a pipeline; the plain sigmoid on request."""
    X, Y, _, _ = task
    frame = pd.DataFrame(Y, columns=list("abcd"))
    estimator = XGBClassifier(n_estimators=200, learning_rate=0.3, early_stopping_rounds=3)
    classifier = LossClassifier(estimator, Focal())
    classifier.fit(X[:2000], frame[:2000], eval_set=[(X[2000:], frame[2000:])], verbose=0)
    assert classifier.estimator_.best_iteration < 199
    piped = make_pipeline(StandardScaler(), LossClassifier(XGBClassifier(n_estimators=5), calibrate=False)).fit(X, Y)
    raw = piped.decision_function(X)
    assert_allclose(piped.predict_proba(X), expit(raw), rtol=1e-6)


def test_what_is_refused(task):
    """LightGBM, labels outside [0, 1], one loss too few, softmax losses inside, rows that do not fit."""
    X, Y, _, _ = task
    with pytest.raises(ValueError, match="LightGBM has no model of several"):
        LossClassifier(LGBMClassifier(), MultiLabel()).fit(X, Y)
    with pytest.raises(ValueError, match="LightGBM has no model of several"):
        LossClassifier(LGBMClassifier()).fit(X, Y)
    with pytest.raises(ValueError, match=r"y_true\[0, 0\] == 2.0, must be in \[0, 1\]"):
        LossClassifier(XGBClassifier()).fit(X, Y + 2)
    with pytest.raises(ValueError, match="label_loss has 3 entries, must have one per label: 4"):
        MultiLabel(label_loss=[Focal()] * 3).resolve(Y)
    with pytest.raises(TypeError, match="must be a ClassificationLoss of two classes"):
        MultiLabel(label_loss=bl.Huber())
    with pytest.raises(ValueError, match="must have 2 as raw_prediction has columns"):
        MultiLabel().loss(Y[:5], np.zeros((5, 2)))
    with pytest.raises(ValueError, match="must be a matrix of zeros and ones"):
        LossClassifier(XGBClassifier(), MultiLabel()).fit(X, Y[:, 0])


def test_verify_asks_for_the_losses_of_the_labels():
    """A sum of right losses is right."""
    with pytest.raises(ValueError, match="check the losses of its labels"):
        check(MultiLabel())


def test_every_label_remembers_its_own_rounds(task):
    """Momentum counts, label by label; a bare loss has no memory and says so."""
    _, Y, _, _ = task
    loss = GradientHarmonized(momentum=0.9)
    raw = np.random.default_rng(0).normal(size=Y.shape).astype(np.float32)
    together = Objective(MultiLabel(label_loss=loss))
    alone = [Objective(loss) for _ in range(4)]
    for z in (raw, raw + 1, raw * 0.2):
        gradient = together(Y, z)[0]
        expected = [objective(Y[:, k], z[:, k])[0] for k, objective in enumerate(alone)]
        assert_allclose(gradient, np.column_stack(expected), rtol=1e-6)
    with pytest.raises(ValueError, match=r"momentum == 0\.9 needs a training of its own"):
        MultiLabel(label_loss=loss)(Y, raw)


def test_errors_name_the_label():
    """A weight that its labels do not give."""
    y, _, _ = sample(30)
    y[:, 2] = 0
    with pytest.raises(ValueError, match="label 2: pos_weight == 'balanced'"):
        MultiLabel(label_loss=Focal(pos_weight="balanced")).resolve(y)
    with pytest.raises(ValueError, match="must have one loss per label"):
        MultiLabel(label_loss=[])


def test_lightgbm_through_scikit_learn(task):
    """One model per label, as the error advises."""
    X, Y, _, _ = task
    inner = LossClassifier(LGBMClassifier(n_estimators=5, n_jobs=1, verbosity=-1), Asymmetric())
    assert MultiOutputClassifier(inner).fit(X, Y).predict(X).shape == Y.shape
