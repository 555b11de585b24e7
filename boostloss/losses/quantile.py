"""Losses whose minimiser is a quantile or an expectile; r = raw_prediction - y_true."""

import copy

import numpy as np

from boostloss._validation import check_number
from boostloss.losses.parameters import hyper_parameters
from boostloss.losses.regression_base import LEAST_SCALE, RegressionLoss, auto_or_number
from boostloss.losses.smooth import smooth_abs


class Quantile(RegressionLoss):
    r"""Smoothed pinball loss: :math:`\sqrt{r^2 + b^2} / 2 + (1/2 - \tau) r`, with the quantile :math:`\tau`.

    Parameters
    ----------
    quantile : float in (0, 1), default=0.5
        The level; 0.5 is half the absolute error.
    bandwidth : "auto" or float > 0, default="auto"
        b, in the unit of y. "auto" is (4 tau (1 - tau))^1.5 S, with S = (mean of sqrt(abs(r)))^2 of the round.
    curvature : {"auto", "exact"}, default="auto"
        "auto" is the majoriser 1 / (2 sqrt(r^2 + b^2)); "exact" is the second derivative, floored.

    Notes
    -----
    Convex. b -> 0 is the pinball loss of Koenker & Bassett 1978, which is also the metric; its own second derivative
    is zero and its gradient jumps, so that boosting it needs leaf renewal, which no custom objective has. Majoriser:
    Hunter & Lange 2000.
    """

    step_without_learning_rate = 0.7

    def __init__(self, *, quantile=0.5, bandwidth="auto", curvature="auto"):
        self.quantile = quantile
        self.bandwidth = bandwidth
        self.curvature = curvature
        self._validate()

    def _validate(self):
        super()._validate()
        check_number("quantile", self.quantile, low=0, high=1, low_open=True, high_open=True)
        auto_or_number("bandwidth", self.bandwidth)

    def prepare(self, y_true, raw_prediction, sample_weight=None):
        """Return tau, 1 - tau and b as numbers, and the weights."""
        tau, b = self.quantile, self.bandwidth
        if isinstance(b, str):
            scale = self.residual_scale(y_true, raw_prediction, sample_weight)
            b = max((4 * tau * (1 - tau)) ** 1.5 * scale, LEAST_SCALE)
        return (float(tau), float(1 - tau), float(b)), sample_weight

    @staticmethod
    def point(r, tau, complement, b):
        """The pinball loss plus (sqrt(r^2 + b^2) - abs(r)) / 2, without cancellation."""
        s, excess, second = smooth_abs(r, b)
        half_excess = 0.5 * excess
        pinball = complement * r if r > 0.0 else -tau * r
        pull = half_excess / s  # how far the slope stays from the pinball's
        gradient = complement - pull if r > 0.0 else pull - tau
        return pinball + half_excess, gradient, 0.5 * second, 0.5 / s

    def _remembering(self, memory):
        remembering = copy.copy(self)
        remembering._memory = memory
        return remembering

    def _step(self, learning_rate):
        """The step of residual losses times sqrt(1 + (1 - 2 tau)^2 t / 2.5): away from the median it shortens in time.

        t is the learning rate times the rounds before this one: none in a training that goes on from a model. For outer
        quantiles over-fit: without it the pinball loss of 0.1 and 0.9 is 5 % higher after 200 rounds, at 100 as high.
        """
        step, memory = super()._step(learning_rate), getattr(self, "_memory", None)
        if memory is None or learning_rate is None or self.curvature == "exact":
            return step
        t = memory.get("t", 0.0)
        memory["t"] = t + learning_rate
        return step * np.sqrt(1 + (1 - 2 * self.quantile) ** 2 * t / 2.5)

    @property
    def metric_name(self):
        """The pinball loss, whatever the bandwidth."""
        return "pinball"

    def _metric_values(self, targets, raw, value):
        r = raw - targets.y_true
        np.maximum((1 - self.quantile) * r, -self.quantile * r, out=value, casting="same_kind")
        if targets.sample_weight.size:
            value *= targets.sample_weight


@hyper_parameters
class Expectile(RegressionLoss):
    r"""Asymmetric squared error: :math:`\tau r^2` where the prediction is too low, :math:`(1 - \tau) r^2` above.

    Parameters
    ----------
    expectile : float in (0, 1), default=0.5
        The level tau; 0.5 is half the squared error, whose minimiser is the mean.
    curvature : {"auto", "exact"}, default="auto"
        Both are the second derivative, 2 tau or 2 (1 - tau).

    Notes
    -----
    Convex. An expectile is to the mean what a quantile is to the median: it answers to the size of residuals, not to
    their number. The curvature is that of the side a row is on: no majoriser where a step crosses the target, but a
    step of Newton's. Source: Newey & Powell 1987.
    """

    has_newton_step = True

    expectile: float = 0.5

    def _validate(self):
        super()._validate()
        check_number("expectile", self.expectile, low=0, high=1, low_open=True, high_open=True)

    def prepare(self, y_true, raw_prediction, sample_weight=None):
        """Return tau and 1 - tau, and the weights."""
        return (float(self.expectile), float(1 - self.expectile)), sample_weight

    @staticmethod
    def point(r, tau, complement):
        """The weight of the side times r^2."""
        a = complement if r > 0.0 else tau
        return a * r * r, 2.0 * a * r, 2.0 * a, 2.0 * a
