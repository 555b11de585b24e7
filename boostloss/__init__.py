"""Losses for XGBoost, LightGBM and scikit-learn, from one scalar definition each."""

from boostloss import losses
from boostloss.estimators import LossClassifier, LossRegressor
from boostloss.losses import *

__version__ = "0.1.0"

__all__ = ["LossClassifier", "LossRegressor", "__version__"]
__all__ += losses.__all__
