"""Evaluation sets and early stopping of the estimators."""

import pickle

import numpy as np
import pytest
from problems import (
    CLASSIFIERS,
    LABELS,
    REGRESSORS,
    binary_problem,
    multiclass_problem,
    regression_problem,
    xgb_classifier,
    xgb_regressor,
)
from sklearn.metrics import roc_auc_score
from trainings import early_stopping, history

import boostloss as bl

CASES_OF_EARLY_STOPPING = [
    *((make, bl.LossClassifier, bl.Focal(class_weight="balanced"), binary_problem) for make in CLASSIFIERS),
    *((make, bl.LossClassifier, bl.CrossEntropy(), multiclass_problem) for make in CLASSIFIERS),
    *((make, bl.LossRegressor, bl.Quantile(quantile=0.8), regression_problem) for make in REGRESSORS),
]


@pytest.mark.parametrize(("make", "kind", "loss", "problem"), CASES_OF_EARLY_STOPPING)
def test_early_stopping_watches_the_loss(make, kind, loss, problem):
    """The loss is the only metric; training stops on it; predictions are those of its best iteration."""
    X, y, _ = problem()
    X_val, y_val, weight_val = problem(300, seed=9)
    labels = np.array(["a", "b", "c"]) if kind is bl.LossClassifier else None
    encode = (lambda y: labels[y]) if kind is bl.LossClassifier else (lambda y: y)
    estimator, arguments = early_stopping(make)
    weight_name = "sample_weight_eval_set" if "xgb" in make.__name__ else "eval_sample_weight"
    arguments[weight_name] = [weight_val]
    model = kind(estimator, loss).fit(X, encode(y), eval_set=[(X_val, encode(y_val))], **arguments)
    [(name, values)] = history(model.estimator_).items()
    assert name == loss.metric_name
    assert len(values) < 300
    assert np.argmin(values) == len(values) - 6
    at_best = model.loss_.metric(y_val, model._raw_predictions(X_val), weight_val)
    assert float(at_best) == pytest.approx(min(values), rel=1e-4)


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_a_metric_of_the_user_takes_the_place_of_the_losss(make):
    """eval_metric, where an engine wants it, is the only metric then."""
    X, y, _ = binary_problem()
    xgb = make is xgb_classifier
    classifier = bl.LossClassifier(make(eval_metric="auc") if xgb else make(), bl.Focal())
    arguments = {"verbose": False} if xgb else {"eval_metric": "auc"}
    classifier.fit(X, y, eval_set=[(X, y)], **arguments)
    assert list(history(classifier.estimator_)) == ["auc"]


@pytest.mark.parametrize("make", REGRESSORS)
def test_the_training_set_as_evaluation_set_keeps_its_weights(make):
    """The very arrays given as X and y are recognised, so that the engine evaluates its own training set."""
    X, y, weight = regression_problem()
    arguments = {"verbose": False, "sample_weight_eval_set": [weight]} if make is xgb_regressor else {}
    model = bl.LossRegressor(make(), bl.Huber(delta=1e4))
    model.fit(X, y, sample_weight=weight, eval_set=[(X, y)], **arguments)
    [values] = history(model.estimator_).values()
    assert values[-1] == pytest.approx(float(model.loss_.metric(y, model.predict(X), weight)), rel=1e-4)


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_evaluation_sets_in_two_parts(make):
    """eval_X and eval_y are encoded like eval_set, one of them or several."""
    X, y, _ = binary_problem()
    arguments = {"verbose": False} if make is xgb_classifier else {}
    others = [(features, LABELS[labels]) for features, labels, _ in (binary_problem(300, seed=9), binary_problem(200))]
    for sets in (others, others[:1]):
        both = bl.LossClassifier(make()).fit(X, LABELS[y], eval_set=sets, **arguments)
        features, labels = zip(*sets, strict=True) if len(sets) > 1 else sets[0]
        classifier = bl.LossClassifier(make()).fit(X, LABELS[y], eval_X=features, eval_y=labels, **arguments)
        assert classifier.evals_result_ == both.evals_result_
        assert len(classifier.evals_result_) == len(sets)
    with pytest.raises(ValueError, match="eval_X and eval_y must be given together"):
        classifier.fit(X, y, eval_X=X)


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_early_stopping_on_a_metric_by_its_name(make):
    """The built-in area under the curve, which has the best value where training ends."""
    X, y, _ = binary_problem()
    X_val, y_val, _ = binary_problem(300, seed=9)
    xgb = make is xgb_classifier
    estimator, arguments = early_stopping(make, **({"eval_metric": "auc"} if xgb else {}))
    arguments |= {} if xgb else {"eval_metric": "auc"}
    classifier = bl.LossClassifier(estimator, bl.Focal()).fit(X, y, eval_set=(X_val, y_val), **arguments)
    [values] = next(iter(classifier.evals_result_.values())).values()
    assert classifier.best_iteration_ == np.argmax(values) + 1 < len(values) < 300
    assert roc_auc_score(y_val, classifier.decision_function(X_val)) == pytest.approx(max(values), abs=1e-6)


@pytest.mark.parametrize("make", REGRESSORS)
def test_what_is_known_of_a_training(make):
    """Values by set and metric, the best round; one evaluation set as it is or in a list."""
    X, y, _ = regression_problem()
    validation = regression_problem(300, seed=9)[:2]
    estimator, arguments = early_stopping(make)
    one, listed = (bl.LossRegressor(estimator).fit(X, y, eval_set=sets, **arguments)
                   for sets in (validation, [validation]))  # fmt: skip
    assert one.evals_result_ == listed.evals_result_
    [values] = next(iter(one.evals_result_.values())).values()
    assert one.best_iteration_ == np.argmin(values) + 1 == len(values) - 5
    stored = pickle.loads(pickle.dumps(one))
    assert (stored.evals_result_, stored.best_iteration_) == (one.evals_result_, one.best_iteration_)


@pytest.mark.parametrize("make", CLASSIFIERS + REGRESSORS)
def test_what_is_not_known_is_not_there(make):
    """Before fit nothing; without an evaluation set no values, without early stopping no best round."""
    kind = bl.LossClassifier if make in CLASSIFIERS else bl.LossRegressor
    X, y, _ = binary_problem() if kind is bl.LossClassifier else regression_problem()
    model = kind(make())
    for name in ("evals_result_", "best_iteration_", "feature_importances_"):
        with pytest.raises(AttributeError, match=f"{kind.__name__} has no {name} before it is fitted"):
            getattr(model, name)
    model.fit(X, y)
    with pytest.raises(AttributeError, match="evals_result_ is there only where fit was given an eval_set"):
        model.evals_result_
    with pytest.raises(AttributeError, match="best_iteration_ is there only where training may stop early"):
        model.best_iteration_
    np.testing.assert_array_equal(model.feature_importances_, model.estimator_.feature_importances_)
    assert model.feature_importances_.shape == (4,)
    assert model.feature_importances_[0] == max(model.feature_importances_)
