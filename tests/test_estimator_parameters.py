"""Parameters of the estimators, model selection, copies."""

import copy
import pickle

import joblib
import numpy as np
import pytest
from problems import CLASSIFIERS, LABELS, binary_problem, xgb_classifier
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import boostloss as bl


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_grid_search_over_a_parameter_of_the_loss(make):
    """loss__gamma and estimator__... reach the model, through a clone and a pipeline."""
    X, y, _ = binary_problem()
    pipeline = make_pipeline(StandardScaler(), bl.LossClassifier(make(), bl.Focal()))
    depth = {"lossclassifier__estimator__max_depth": [2]}
    grid = GridSearchCV(pipeline, {"lossclassifier__loss__gamma": [0.0, 4.0], **depth}, cv=2, scoring="neg_log_loss")
    grid.fit(X, LABELS[y])
    assert len(set(grid.cv_results_["mean_test_score"])) == 2
    best = grid.best_estimator_[-1]
    assert best.loss_.gamma == grid.best_params_["lossclassifier__loss__gamma"]
    assert best.estimator_.get_params()["max_depth"] == 2


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_cross_val_predict_gives_probabilities(make):
    """The estimator works where scikit-learn trains clones of it on parts of the data."""
    X, y, _ = binary_problem()
    proba = cross_val_predict(bl.LossClassifier(make(), bl.Focal()), X, LABELS[y], cv=3, method="predict_proba")
    assert log_loss(y, proba) < 0.6


def test_parameters_of_the_loss_stay_out_of_the_engine():
    """Only loss and estimator, and what is nested in them, are parameters; the fitted engine has none of the loss."""
    X, y, _ = binary_problem()
    classifier = bl.LossClassifier(xgb_classifier(), bl.Focal(gamma=1.0))
    assert {"estimator", "loss", "loss__gamma", "estimator__max_depth"} <= set(classifier.get_params())
    assert not [name for name in classifier.fit(X, y).estimator_.get_params() if "__" in name]
    assert classifier.estimator.get_params()["objective"] == "binary:logistic"


@pytest.mark.parametrize("how", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e)), clone])
@pytest.mark.parametrize("make", CLASSIFIERS)
def test_copies_train_the_same_model(make, how):
    """A copy of an unfitted estimator, made in any way, is that estimator."""
    X, y, _ = binary_problem()
    classifier = bl.LossClassifier(make(), bl.Focal(gamma=1.5))
    expected = clone(classifier).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(how(classifier).fit(X, y).predict_proba(X), expected)


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_fitted_estimators_survive_pickle_and_joblib(make, tmp_path):
    """A stored classifier predicts what it predicted."""
    X, y, _ = binary_problem()
    classifier = bl.LossClassifier(make(), bl.Focal()).fit(X, LABELS[y])
    joblib.dump(classifier, tmp_path / "classifier.joblib")
    read = joblib.load(tmp_path / "classifier.joblib")
    for stored in (copy.deepcopy(classifier), pickle.loads(pickle.dumps(classifier)), read):
        np.testing.assert_array_equal(stored.predict(X), classifier.predict(X))
        np.testing.assert_array_equal(stored.predict_proba(X), classifier.predict_proba(X))
