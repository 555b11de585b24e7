"""Losses for XGBoost, LightGBM and scikit-learn, from one scalar definition each."""

from boostloss.estimators import LossClassifier, LossRegressor
from boostloss.losses import (
    ClassificationLoss,
    CrossEntropy,
    Focal,
    Huber,
    LogCosh,
    Loss,
    Poly1,
    Poly1Focal,
    Quantile,
    RegressionLoss,
)

__version__ = "0.1.0"

__all__ = [
    "ClassificationLoss",
    "CrossEntropy",
    "Focal",
    "Huber",
    "LogCosh",
    "Loss",
    "LossClassifier",
    "LossRegressor",
    "Poly1",
    "Poly1Focal",
    "Quantile",
    "RegressionLoss",
    "__version__",
]
