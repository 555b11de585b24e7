"""Trainings of the estimators that go on from a model."""

import numpy as np
import pytest
import xgboost
from problems import (
    CLASSIFIERS,
    LABELS,
    REGRESSORS,
    binary_problem,
    lgbm_classifier,
    multiclass_problem,
    regression_problem,
    xgb_classifier,
)
from sklearn.base import clone
from trainings import LOSSES_OF_REGRESSION, early_stopping

import boostloss as bl

PROBLEMS = binary_problem, multiclass_problem
CONTINUED = [
    *((make, bl.LossClassifier, bl.Focal(), problem) for make in CLASSIFIERS for problem in PROBLEMS),
    *((make, bl.LossRegressor, loss, regression_problem) for make in REGRESSORS for loss in LOSSES_OF_REGRESSION),
]


def going_on_from(make, model):
    """The argument of fit that says so."""
    return {"xgb_model" if "xgb" in make.__name__ else "init_model": model}


@pytest.mark.parametrize(("make", "kind", "loss", "problem"), CONTINUED)
@pytest.mark.parametrize("as_given", ["ours", "engine's", "booster"])
def test_training_can_be_continued(make, kind, loss, problem, as_given):
    """10 rounds and 10 more of that model, in any shape, are 20 rounds: the start counts once."""
    X, y, _ = problem()
    y = np.exp(y / 1e5 - 10) if getattr(loss, "link", "identity") != "identity" else y
    whole = kind(make(n_estimators=20), loss).fit(X, y)
    half = kind(make(n_estimators=10), loss).fit(X, y)
    model = half if as_given == "ours" else half.estimator_
    if as_given == "booster":
        model = model.booster_ if hasattr(model, "booster_") else model.get_booster()
    before = half.predict(X)
    other_half = clone(half).fit(X, y, **going_on_from(make, model))
    expected = whole._raw_predictions(X)
    np.testing.assert_allclose(other_half._raw_predictions(X), expected, atol=1e-4 * np.std(expected))
    np.testing.assert_array_equal(half.predict(X), before)
    assert len(list(other_half.staged_predict(X))) == 20


@pytest.mark.parametrize("make", CLASSIFIERS)
@pytest.mark.parametrize("stops_again", [False, True])
def test_a_training_that_stopped_early_can_be_continued(make, stops_again):
    """From its best round, and predictions use what was added: XGBoost alone would go on with the old best round."""
    X, y, _ = binary_problem()
    validation = binary_problem(300, seed=9)[:2]
    estimator, arguments = early_stopping(make)
    first = bl.LossClassifier(estimator, bl.Focal()).fit(X, y, eval_set=validation, **arguments)
    estimator, arguments = (estimator, {"eval_set": validation, **arguments}) if stops_again else (make(), {})
    second = bl.LossClassifier(estimator, bl.Focal()).fit(X, y, **going_on_from(make, first), **arguments)
    stages = list(second.staged_decision_function(X))
    np.testing.assert_array_equal(stages[-1], second.decision_function(X))
    np.testing.assert_allclose(stages[first.best_iteration_ - 1], first.decision_function(X), atol=1e-6)
    if stops_again:
        assert len(stages) == second.best_iteration_ > first.best_iteration_
        [values] = next(iter(second.evals_result_.values())).values()
        at_best = second.loss_.metric(validation[1], second.decision_function(validation[0]))
        assert float(at_best) == pytest.approx(min(values), rel=1e-4)
    else:
        assert len(stages) == first.best_iteration_ + 20


def test_what_is_not_continued():
    """A model of other classes, or one that is not fitted."""
    X, y, _ = binary_problem(100)
    other = bl.LossClassifier(xgb_classifier()).fit(X, y)
    with pytest.raises(ValueError, match=r"xgb_model has the classes \[0 1\], must have those of y: \['no' 'yes'\]"):
        bl.LossClassifier(xgb_classifier()).fit(X, LABELS[y], xgb_model=other)
    with pytest.raises(ValueError, match="xgb_model has the classes"):
        other.fit(X, LABELS[y], xgb_model=other)  # itself
    other.fit(X, y)
    with pytest.raises(ValueError, match="not fitted yet"):
        bl.LossClassifier(xgb_classifier()).fit(X, y, xgb_model=bl.LossClassifier())
    with pytest.raises(TypeError, match="init_model has the estimator XGBClassifier, must have one of lightgbm"):
        bl.LossClassifier(lgbm_classifier()).fit(X, y, init_model=other)


def test_a_linear_booster_that_stopped_early_can_be_continued():
    """It has no rounds to drop: what is continued is what it predicts."""
    X, y, _ = binary_problem()
    validation = binary_problem(300, seed=9)[:2]
    linear = xgboost.XGBClassifier(booster="gblinear", n_estimators=50, n_jobs=1, verbosity=0, updater="coord_descent")
    first = bl.LossClassifier(clone(linear).set_params(early_stopping_rounds=2)).fit(
        X, y, eval_set=validation, verbose=False
    )
    second = bl.LossClassifier(clone(linear).set_params(n_estimators=1)).fit(X, y, xgb_model=first)
    assert not hasattr(second, "best_iteration_")
    losses = [float(model.loss_.metric(y, model.decision_function(X))) for model in (first, second)]
    assert losses[1] == pytest.approx(losses[0], rel=0.01)


@pytest.mark.parametrize("eval_set", [lambda X, y: [X, y], lambda X, y: [(X, y, y)], lambda X, y: (X,)])
def test_evaluation_sets_of_another_shape(eval_set):
    """A tuple (X, y), or a list of them."""
    X, y, _ = binary_problem(100)
    with pytest.raises(ValueError, match=r"eval_set\[0\] is no \(X, y\), must be a tuple of features and labels"):
        bl.LossClassifier(xgb_classifier()).fit(X, y, eval_set=eval_set(X, y))
