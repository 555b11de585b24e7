"""What is minimised: formulas, and what follows from them."""

from boostloss.losses.base import Loss
from boostloss.losses.classification import CrossEntropy, Focal
from boostloss.losses.classification_base import ClassificationLoss
from boostloss.losses.poly import Poly1, Poly1Focal
from boostloss.losses.quantile import Quantile
from boostloss.losses.regression import Huber, LogCosh
from boostloss.losses.regression_base import RegressionLoss

__all__ = [
    "ClassificationLoss",
    "CrossEntropy",
    "Focal",
    "Huber",
    "LogCosh",
    "Loss",
    "Poly1",
    "Poly1Focal",
    "Quantile",
    "RegressionLoss",
]
