"""A loss and an estimator of XGBoost or LightGBM as one scikit-learn estimator."""

from boostloss.estimators.classifier import LossClassifier
from boostloss.estimators.regressor import LossRegressor

__all__ = ["LossClassifier", "LossRegressor"]
