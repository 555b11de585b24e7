"""Files of trained estimators, read by the engine alone."""

import lightgbm
import numpy as np
import pytest
import xgboost
from problems import CLASSIFIERS, LABELS, REGRESSORS, binary_problem, multiclass_problem, regression_problem
from scipy.special import expit, softmax

import boostloss as bl
import boostloss.lightgbm
import boostloss.xgboost


def load_plain(estimator, path):
    """Save the engine's estimator and load the file with the engine alone; a function of X: what its predict gives."""
    if isinstance(estimator, xgboost.XGBModel):
        estimator.save_model(path)
        booster = xgboost.Booster(model_file=path)
        return lambda X: booster.predict(xgboost.DMatrix(X))
    estimator.booster_.save_model(path)
    return lightgbm.Booster(model_file=path).predict


@pytest.mark.parametrize("make", CLASSIFIERS)
@pytest.mark.parametrize("problem", [binary_problem, multiclass_problem])
def test_saved_models_carry_start_and_link(make, problem, tmp_path):
    """A file read by the plain engine gives the sigmoid or softmax of the margins."""
    X, y, _ = problem()
    classifier = bl.LossClassifier(make(n_estimators=3), bl.Focal(gamma=1.0)).fit(X, y)
    link = expit if problem is binary_problem else lambda margins: softmax(margins, axis=1)
    predicted = load_plain(classifier.estimator_, tmp_path / "model.json")(X)
    np.testing.assert_allclose(predicted, link(classifier.decision_function(X)), atol=1e-6)


@pytest.mark.parametrize("make", REGRESSORS)
def test_saved_regression_models_carry_the_start(make, tmp_path):
    """A file read by the plain engine predicts on the scale of y."""
    X, y, _ = regression_problem()
    regressor = bl.LossRegressor(make(n_estimators=3), bl.Quantile(quantile=0.9)).fit(X, y)
    predicted = load_plain(regressor.estimator_, tmp_path / "model.json")(X)
    np.testing.assert_allclose(predicted, regressor.predict(X), rtol=1e-6)


def test_boosters_know_their_loss():
    """The functions of the native interface read the loss from a booster trained by an estimator."""
    X, y, _ = binary_problem()
    loss = bl.Focal(class_weight={"yes": 3.0})
    a, b = (bl.LossClassifier(make(), loss).fit(X, LABELS[y]) for make in CLASSIFIERS)
    from_xgboost = boostloss.xgboost.predict_proba(a.estimator_.get_booster(), X)
    from_lightgbm = boostloss.lightgbm.predict_proba(b.estimator_.booster_, X)
    np.testing.assert_allclose(from_xgboost, a.predict_proba(X), atol=1e-6)
    np.testing.assert_allclose(from_lightgbm, b.predict_proba(X), atol=1e-12)
