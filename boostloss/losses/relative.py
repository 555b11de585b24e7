"""Losses of relative and of logarithmic errors."""

import numpy as np

from boostloss._types import Array, OfNumber
from boostloss._validation import fail_at
from boostloss.kernels.scalar import exp, expm1
from boostloss.losses.base import Targets
from boostloss.losses.parameters import hyper_parameters
from boostloss.losses.regression import SquaredError
from boostloss.losses.regression_base import RegressionLoss, ScaledLoss
from boostloss.losses.robust import LEAST_WEIGHT, charbonnier

SMALLEST, LARGEST = 1e-12, 1e12  # targets whose curvature is a float32 number
LEAST_ERROR = 1e-6  # relative: what float32 resolves


@hyper_parameters
class MAPE(ScaledLoss):
    r"""Smoothed absolute percentage error: :math:`\sqrt{u^2 + b^2} - b` with :math:`u = r / |y|`.

    Parameters
    ----------
    bandwidth : "auto" or float > 0, default="auto"
        b, a relative error. "auto" is S, with S = (mean of sqrt(abs(u)))^2 of the round.
    curvature : {"auto", "exact"}, default="auto"
        "auto" is the majoriser 1 / (y^2 sqrt(u^2 + b^2)); "exact" is the second derivative, floored.

    Notes
    -----
    Convex. Targets have any sign, with abs(y) from 1e-12 to 1e12: where one is 0 its error has no percentage. b -> 0 is
    the absolute error with weight 1 / abs(y), whose best constant is the median under these weights; it is also the
    metric, as a share (0.1 is ten percent). It favours predictions that are too low. Where targets range over orders of
    magnitude the smallest hold nearly all of the curvature, and the engine's ``lambda`` and ``min_child_weight`` keep
    the others from being fitted: lower both to 1e-3, or take `SMAPE`.
    """

    scale_name, auto_factor = "bandwidth", 1.0
    step_without_learning_rate = 0.7
    variable = "prediction"
    least_scale = LEAST_ERROR

    bandwidth: float | str = "auto"

    def _check_domain(self, y_true: Array) -> None:
        size = np.abs(y_true)
        fail_at("y_true", y_true, (size < SMALLEST) | (size > LARGEST), f"of a size in [{SMALLEST:g}, {LARGEST:g}]")

    @staticmethod
    def _deviation(y: float, z: float) -> float:  # type: ignore[override]  # of two arguments, as its `point`
        """The relative error."""
        return (z - y) / y

    @staticmethod
    def point(y: float, z: float, b: float) -> OfNumber:
        """The smooth absolute value of u."""
        size = abs(y)
        value, slope, second, curvature = charbonnier((z - y) / size, b)
        return value, slope / size, second / size / size, curvature / size / size

    @property
    def metric_name(self) -> str:
        """The limit of the loss, whatever the bandwidth."""
        return "mape"

    def _metric_values(self, targets: Targets, raw: Array, value: Array) -> None:
        np.abs((raw - targets.y_true) / targets.y_true, out=value, casting="same_kind")
        if targets.sample_weight.size:
            value *= targets.sample_weight


@hyper_parameters
class SMAPE(ScaledLoss):
    r"""Smoothed symmetric percentage error: :math:`\sqrt{v^2 + b^2} - b`, :math:`v = 2 (\hat y - y) / (\hat y + y)`.

    Parameters
    ----------
    bandwidth : "auto" or float > 0, default="auto"
        b, a relative error. "auto" is S, with S = (mean of sqrt(abs(r)))^2 of the round.
    curvature : {"auto", "exact"}, default="auto"
        "auto" is the majoriser psi(r) / r, at least 1e-6 of its largest value; "exact" is the second derivative,
        floored.

    Notes
    -----
    For targets > 0. The raw prediction is the logarithm of the prediction, r its distance from log(y): then
    v = 2 tanh(r / 2), predictions are positive by construction, and no row stalls because of its sign. Not convex: the
    largest error is 2. The start is the minimum near the median. The metric is the limit b -> 0, from 0 to 2. In a
    saved model the logarithm is the engine's own link, so that its plain ``predict`` gives predictions as well.
    """

    scale_name, auto_factor = "bandwidth", 1.0
    step_without_learning_rate = 0.7
    link = "log"
    has_far_minima = True
    least_scale = LEAST_ERROR

    bandwidth: float | str = "auto"

    @staticmethod
    def point(r: float, b: float) -> OfNumber:
        """The smooth absolute value of v = 2 tanh(r / 2), by e = exp(-abs(r))."""
        a = abs(r)
        e = exp(-a)
        v = -2.0 * expm1(-a) / (1.0 + e)
        rate = 4.0 * e / ((1.0 + e) * (1.0 + e))  # dv / dr, sech(r / 2)^2
        value, slope, bend, weight = charbonnier(v, b)
        pull = slope * rate
        curvature = weight * rate * (v / a if a > 0.0 else 1.0)
        least = LEAST_WEIGHT / b
        second = (bend * rate - 0.5 * slope * v) * rate
        return value, pull if r > 0.0 else -pull, second, curvature if curvature > least else least

    @property
    def metric_name(self) -> str:
        """The limit of the loss, whatever the bandwidth."""
        return "smape"

    def _metric_values(self, targets: Targets, raw: Array, value: Array) -> None:
        np.abs(2 * np.tanh((raw - targets.y_true) / 2), out=value, casting="same_kind")
        if targets.sample_weight.size:
            value *= targets.sample_weight


@hyper_parameters
class MSLE(RegressionLoss):
    r"""Half the squared logarithmic error: :math:`(\log(1 + \hat y) - \log(1 + y))^2 / 2`.

    Parameters
    ----------
    curvature : {"auto", "exact"}, default="auto"
        Both are 1, as of `SquaredError`.

    Notes
    -----
    For targets > -1. The raw prediction is log(1 + prediction), in which the loss is the squared error: convex, with no
    domain that a step could leave. The engines have no such link: their plain ``predict`` gives the logarithm, which
    `predict` of the loss turns into predictions. The start is the mean of log(1 + y).
    """

    has_newton_step = True
    link = "log1p"
    point = staticmethod(SquaredError.point)

    @property
    def metric_name(self) -> str:
        """The loss, which is half of what goes by the name of MSLE."""
        return "half_msle"
