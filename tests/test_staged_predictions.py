"""Predictions of the estimators after every round."""

import numpy as np
import pytest
from problems import CLASSIFIERS, REGRESSORS, binary_problem, multiclass_problem, regression_problem, xgb_classifier
from trainings import LOSSES_OF_REGRESSION, early_stopping, history

import boostloss as bl


@pytest.mark.parametrize("make", CLASSIFIERS)
@pytest.mark.parametrize("problem", [binary_problem, multiclass_problem])
def test_stages_of_classifiers(make, problem):
    """After n rounds what a model of n rounds says; the last is what the others say."""
    X, y, weight = problem(300)
    labels = np.array(["a", "b", "c"])[y]
    whole = bl.LossClassifier(make(n_estimators=6), bl.Focal()).fit(X, labels, sample_weight=weight)
    short = bl.LossClassifier(make(n_estimators=4), bl.Focal()).fit(X, labels, sample_weight=weight)
    for method in ("decision_function", "predict_proba", "predict"):
        stages = list(getattr(whole, f"staged_{method}")(X))
        assert len(stages) == 6
        np.testing.assert_array_equal(stages[-1], getattr(whole, method)(X))
        np.testing.assert_array_equal(stages[3], getattr(short, method)(X))
    for stage in whole.staged_decision_function(X):
        last = stage.copy()
        stage[:] = 0  # whoever gets a stage may do with it what they like
    np.testing.assert_array_equal(last, whole.decision_function(X))


@pytest.mark.parametrize("make", REGRESSORS)
@pytest.mark.parametrize("loss", LOSSES_OF_REGRESSION, ids=repr)
def test_stages_of_regressors(make, loss):
    """On the scale of y, far from zero as well."""
    X, y, _ = regression_problem(300)
    y = np.exp(y / 1e5 - 10) if loss.link != "identity" else y
    whole, short = (bl.LossRegressor(make(n_estimators=n), loss).fit(X, y) for n in (6, 4))
    stages = []
    for stage in whole.staged_predict(X):
        stages.append(stage.copy())
        stage[:] = 0  # whoever gets a stage may do with it what they like
    assert len(stages) == 6
    np.testing.assert_array_equal(stages[-1], whole.predict(X))
    np.testing.assert_array_equal(stages[3], short.predict(X))


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_stages_end_where_predictions_do(make):
    """At the best round of a training that stopped early."""
    X, y, _ = binary_problem()
    estimator, arguments = early_stopping(make)
    classifier = bl.LossClassifier(estimator).fit(X, y, eval_set=binary_problem(300, seed=9)[:2], **arguments)
    stages = list(classifier.staged_decision_function(X))
    assert len(stages) == classifier.best_iteration_ < len(history(classifier.estimator_)["cross_entropy"])
    np.testing.assert_array_equal(stages[-1], classifier.decision_function(X))


def test_losses_without_posterior_have_no_stages_of_it():
    """As with predict_proba and its logarithm."""
    classifier = bl.LossClassifier(xgb_classifier(), bl.Hinge()).fit(*binary_problem(100)[:2])
    for method in ("predict_proba", "predict_log_proba", "staged_predict_proba"):
        assert not hasattr(classifier, method)
    assert len(list(classifier.staged_predict(np.zeros((1, 4))))) == 20


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_log_probabilities(make):
    """Those of predict_proba, and minus infinity of what is impossible, without a warning."""
    X = binary_problem()[0]
    classifier = bl.LossClassifier(make(learning_rate=1.0), bl.SquaredHinge()).fit(X, X[:, 0] > 0)
    proba, log_proba = classifier.predict_proba(X), classifier.predict_log_proba(X)
    assert proba.min() < 1e-7
    np.testing.assert_array_equal(log_proba == -np.inf, proba == 0)
    np.testing.assert_allclose(np.exp(log_proba), proba, rtol=1e-6)
