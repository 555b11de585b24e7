"""LossClassifier and LossRegressor against the engines' own estimators: weights, probabilities, labels."""

import numpy as np
import pytest
from problems import (
    CLASSIFIERS,
    LABELS,
    REGRESSORS,
    binary_problem,
    lgbm_classifier,
    lgbm_regressor,
    multiclass_problem,
    regression_problem,
    xgb_classifier,
    xgb_regressor,
)
from scipy.special import expit
from sklearn.base import clone
from sklearn.metrics import log_loss

import boostloss as bl

# With features of few values: no cut point and no leaf depends on the number of rows, which LightGBM only estimates
EXACT = {
    xgb_classifier: {"tree_method": "exact"},
    xgb_regressor: {"tree_method": "exact"},
    lgbm_classifier: {"min_child_samples": 1, "min_data_in_bin": 1, "min_child_weight": 5},
    lgbm_regressor: {"min_child_samples": 1, "min_data_in_bin": 1, "min_child_weight": 5},
}


# ------------------------------------------------------------------------------------------------ against the built-ins


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_cross_entropy_is_the_built_in_binary_objective(make):
    """The default loss trains the engine's own logistic model: start, gradients, weights, link."""
    X, y, weight = binary_problem()
    own = make().fit(X, y, sample_weight=weight).predict_proba(X)
    ours = bl.LossClassifier(make()).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(ours.predict_proba(X), own, atol=1e-5)


@pytest.mark.parametrize("make", REGRESSORS)
def test_huber_with_a_large_delta_is_the_squared_error(make):
    """Residual losses are scaled so that they reach the built-in squared error in their limit, weights included."""
    X, y, weight = regression_problem()
    own = make().fit(X, y, sample_weight=weight).predict(X)
    ours = bl.LossRegressor(make(), bl.Huber(delta=1e9, curvature="exact")).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(ours.predict(X), own, atol=1e-4 * np.std(y))


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_multiclass_is_about_as_good_as_the_built_in_softmax(make):
    """K classes train and give probabilities, in the order of classes_."""
    X, y, weight = multiclass_problem()
    X_test, y_test, _ = multiclass_problem(seed=5)
    own = log_loss(y_test, make().fit(X, y, sample_weight=weight).predict_proba(X_test))
    ours = bl.LossClassifier(make()).fit(X, y, sample_weight=weight)
    assert ours.predict_proba(X_test).shape == ours.decision_function(X_test).shape == (len(y_test), 3)
    assert log_loss(y_test, ours.predict_proba(X_test)) < 1.1 * own


# -------------------------------------------------------------------------------------------------------------- weights


@pytest.mark.parametrize("make", CLASSIFIERS + REGRESSORS)
@pytest.mark.parametrize("robust", [False, True])
def test_weights_are_copies_of_rows(make, robust):
    """A row of weight k counts as k rows, for start, gradients and the scale of residual losses."""
    if make in CLASSIFIERS:
        (X, y, weight), kind, loss = binary_problem(200), bl.LossClassifier, bl.Focal() if robust else bl.CrossEntropy()
    else:
        (X, y, weight), kind, loss = regression_problem(200), bl.LossRegressor, bl.Quantile() if robust else bl.Huber()
    X, copies = X.round(1), weight.astype(int)
    few = {"n_estimators": 3}  # rounding decides between equal splits at last
    weighted = kind(make(**few, **EXACT[make]), loss).fit(X, y, sample_weight=weight)
    copied = kind(make(**few, **EXACT[make]), loss).fit(X.repeat(copies, axis=0), y.repeat(copies))
    a, b = weighted._raw_predictions(X), copied._raw_predictions(X)
    np.testing.assert_allclose(a, b, atol=1e-4 * np.std(b))


def test_weight_zero_removes_a_row():
    """Rows of weight zero change nothing, where cut points do not depend on them."""
    X, y, weight = binary_problem(200)
    weight[::3] = 0
    classifier = bl.LossClassifier(xgb_classifier(tree_method="exact", max_depth=2))
    weighted = clone(classifier).fit(X, y, sample_weight=weight)
    removed = clone(classifier).fit(X[weight > 0], y[weight > 0], sample_weight=weight[weight > 0])
    kept = X[weight > 0]
    np.testing.assert_allclose(weighted.decision_function(kept), removed.decision_function(kept), atol=1e-4)


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_a_class_without_weight_stays_a_class(make):
    """One of three classes with weights of zero keeps its column and is hardly ever predicted."""
    X, y, weight = multiclass_problem()
    classifier = bl.LossClassifier(make()).fit(X, y, sample_weight=np.where(y == 2, 0, weight))
    assert classifier.predict_proba(X).shape == (len(y), 3)
    assert (classifier.predict(X) == 2).mean() < 0.01


# -------------------------------------------------------------------------------------------------------- probabilities


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_focal_probabilities_are_calibrated(make):
    """Focal loss is not proper, its probabilities are: mean at the base rate, log-loss within 10 % of the logistic."""
    X, y, _ = binary_problem(2000)
    X_test, y_test, _ = binary_problem(2000, seed=7)
    logistic = bl.LossClassifier(make()).fit(X, y).predict_proba(X_test)
    focal = bl.LossClassifier(make(), bl.Focal(gamma=2.0)).fit(X, y)
    proba = focal.predict_proba(X_test)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    assert abs(proba[:, 1].mean() - y_test.mean()) < 0.02
    assert log_loss(y_test, proba) < 1.1 * log_loss(y_test, logistic)
    assert log_loss(y_test, proba) < log_loss(y_test, expit(focal.decision_function(X_test)))


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_balanced_class_weight_moves_decisions_not_probabilities(make):
    """With costs as class weights predict finds more positives while predict_proba stays at the base rate."""
    X, y, _ = binary_problem(2000)
    plain = bl.LossClassifier(make()).fit(X, y)
    balanced = bl.LossClassifier(make(), bl.CrossEntropy(class_weight="balanced")).fit(X, y)
    assert balanced.predict(X).mean() > plain.predict(X).mean() + 0.02
    assert abs(balanced.predict_proba(X)[:, 1].mean() - y.mean()) < 0.02


# --------------------------------------------------------------------------------------------------------------- labels


@pytest.mark.parametrize("make", CLASSIFIERS)
@pytest.mark.parametrize("labels", [LABELS, LABELS.astype(object), np.array([-1, 1]), np.array([False, True])])
def test_labels_of_any_type(make, labels):
    """Training sees class indices only; predictions are in the user's labels and dtype."""
    X, y, _ = binary_problem()
    plain = bl.LossClassifier(make()).fit(X, y)
    classifier = bl.LossClassifier(make()).fit(X, labels[y])
    np.testing.assert_array_equal(classifier.classes_, labels)
    np.testing.assert_array_equal(classifier.predict(X), labels[plain.predict(X)])
    assert classifier.predict(X).dtype == labels.dtype
    np.testing.assert_array_equal(classifier.predict_proba(X), plain.predict_proba(X))
    assert classifier.score(X, labels[y]) == plain.score(X, y) > 0.7


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_class_weight_keys_are_the_users_labels(make):
    """A dict by label is the sequence in the order of classes_; the user's loss keeps its dict."""
    X, y, _ = binary_problem()
    loss = bl.CrossEntropy(class_weight={"yes": 3.0})
    by_label = bl.LossClassifier(make(), loss).fit(X, LABELS[y])
    in_order = bl.LossClassifier(make(), bl.CrossEntropy(class_weight=[1.0, 3.0])).fit(X, LABELS[y])
    np.testing.assert_array_equal(by_label.decision_function(X), in_order.decision_function(X))
    assert loss.class_weight == {"yes": 3.0}
    assert by_label.loss_.class_weight == {1: 3.0}


def test_refit_forgets_the_labels_of_the_first_fit():
    """Two classes after three: classes_, loss_ and the shape of the margins follow."""
    X, y, _ = multiclass_problem()
    classifier = bl.LossClassifier(xgb_classifier()).fit(X, y)
    classifier.fit(X, np.minimum(y, 1))
    assert classifier.classes_.tolist() == [0, 1]
    assert classifier.loss_.n_classes_ == 2
    assert classifier.decision_function(X).shape == (len(y),)
