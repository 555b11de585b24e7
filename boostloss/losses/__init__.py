"""What is minimised: formulas, and what follows from them."""

from boostloss.losses.asymmetric import Asymmetric
from boostloss.losses.barron import Barron
from boostloss.losses.base import Loss
from boostloss.losses.batch import Dice, FocalTversky, GradientHarmonized, Tversky
from boostloss.losses.classification import CrossEntropy, Focal, KLDivergence
from boostloss.losses.classification_base import ClassificationLoss
from boostloss.losses.log_link import Gamma, Poisson, Tweedie
from boostloss.losses.margin import Exponential, Hinge, ModifiedHuber, Perceptron, QuadraticHinge, SquaredHinge
from boostloss.losses.margin_base import MarginLoss
from boostloss.losses.multilabel import MultiLabel
from boostloss.losses.parameters import hyper_parameters
from boostloss.losses.poly import Poly1, Poly1Focal
from boostloss.losses.prior import LDAM, LogitAdjusted
from boostloss.losses.quantile import Expectile, Quantile
from boostloss.losses.regression import AsymmetricHuber, Huber, LogCosh, SquaredError
from boostloss.losses.regression_base import RegressionLoss
from boostloss.losses.relative import MAPE, MSLE, SMAPE
from boostloss.losses.robust import AbsoluteError, Cauchy, Fair, PseudoHuber, Tukey, Welsch
from boostloss.losses.self_adjusting import SelfAdjusting
from boostloss.losses.truncated import HardTruncated, MarginTruncated, SoftTruncated

__all__ = [
    "LDAM",
    "MAPE",
    "MSLE",
    "SMAPE",
    "AbsoluteError",
    "Asymmetric",
    "AsymmetricHuber",
    "Barron",
    "Cauchy",
    "ClassificationLoss",
    "CrossEntropy",
    "Dice",
    "Expectile",
    "Exponential",
    "Fair",
    "Focal",
    "FocalTversky",
    "Gamma",
    "GradientHarmonized",
    "HardTruncated",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "LogitAdjusted",
    "Loss",
    "MarginLoss",
    "MarginTruncated",
    "ModifiedHuber",
    "MultiLabel",
    "Perceptron",
    "Poisson",
    "Poly1",
    "Poly1Focal",
    "PseudoHuber",
    "QuadraticHinge",
    "Quantile",
    "RegressionLoss",
    "SelfAdjusting",
    "SoftTruncated",
    "SquaredError",
    "SquaredHinge",
    "Tukey",
    "Tversky",
    "Tweedie",
    "Welsch",
    "hyper_parameters",
]
