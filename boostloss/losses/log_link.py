"""Losses of counts and positive amounts; the raw prediction z is the logarithm of the mean mu."""

import numpy as np
from numpy.typing import ArrayLike

from boostloss._types import Array, OfNumber
from boostloss._validation import check_number, fail_at
from boostloss.kernels.scalar import exp, exp_product, joined, real
from boostloss.kernels.threads import in_memory
from boostloss.losses.base import Targets, Training
from boostloss.losses.parameters import hyper_parameters
from boostloss.losses.regression_base import RegressionLoss, sum_of


class LogLinkLoss(RegressionLoss):
    """A loss of y and z = log(mu) whose gradient is B - A, B the share of mu in it and A that of y.

    A leaf's best step is log(sum A / sum B). With the curvature (A + B) / 2 it is 2 tanh(half of that): never past the
    best one, at most 2, and right to the third order.
    """

    variable = "prediction"
    link = "log"
    has_newton_step = True
    counts_rows = False

    def _check_domain(self, y_true: Array) -> None:
        fail_at("y_true", y_true, y_true < 0, ">= 0")

    def _derivatives(
        self, targets: Targets, raw: Array, curvature: str | None, gradient: Array, hessian: Array
    ) -> None:
        super()._derivatives(targets, raw, curvature, gradient, hessian)
        if not np.isfinite(sum_of(gradient)):
            raw, gradient = in_memory(raw), in_memory(gradient)
            fail_at("raw_prediction", raw, ~np.isfinite(gradient), f"a logarithm that exp takes to {gradient.dtype}")

    def _engine_derivatives(
        self, targets: Targets, raw: Array, training: Training, gradient: Array, hessian: Array
    ) -> None:
        """As they are: with rare events a mean curvature of 1 would switch `lambda` off."""
        self._derivatives(targets, raw, None, gradient, hessian)

    def _best_constant(self, y_true: ArrayLike, sample_weight: ArrayLike | None) -> float:
        """The logarithm of the weighted mean."""
        targets = self._targets(y_true, sample_weight, 1, np.float64)
        weight = targets.sample_weight if targets.sample_weight.size else None
        mean = np.average(targets.y_true, weights=weight)
        if mean == 0:
            raise ValueError("y_true is zero in every row with a weight, must have a positive sum.")
        return float(np.log(mean))


@hyper_parameters
class Poisson(LogLinkLoss):
    r"""Poisson loss of counts: :math:`\mu - y z` with :math:`\mu = e^z`.

    Parameters
    ----------
    curvature : {"auto", "exact"}, default="auto"
        "auto" is (mu + y) / 2, with which no step passes the best one; "exact" is mu.

    Notes
    -----
    For targets >= 0. Convex; the negative log-likelihood but for a term of y alone, and the gradient of `Tweedie` with
    power -> 1. `predict` returns the mean mu, and so does the engine with a saved model. Give exposures as weights of
    rates. Raw predictions beyond the range of exp, about 88, are an error in training; the exact curvature may run
    there from targets that are far above the start.
    """

    @staticmethod
    def point(y: float, z: float) -> OfNumber:
        """A = y and B = mu."""
        mean = exp(z)
        return mean - y * z, mean - y, mean, 0.5 * (mean + y)


@hyper_parameters
class Gamma(LogLinkLoss):
    r"""Gamma loss of positive amounts: :math:`z + y / \mu` with :math:`\mu = e^z`.

    Parameters
    ----------
    curvature : {"auto", "exact"}, default="auto"
        "auto" is (1 + y / mu) / 2, with which no step passes the best one; "exact" is y / mu.

    Notes
    -----
    For targets > 0. Convex in z; the negative log-likelihood of a gamma distribution of shape 1, but for a term of y
    alone, and the gradient of `Tweedie` with power -> 2. `predict` returns the mean mu, and so does the engine with a
    saved model. Raw predictions beyond the range of exp, about -88, are an error in training.
    """

    def _check_domain(self, y_true: Array) -> None:
        fail_at("y_true", y_true, y_true <= 0, "> 0")

    @staticmethod
    def point(y: float, z: float) -> OfNumber:
        """A = y / mu and B = 1."""
        ratio = y * exp(-z)
        return z + ratio, 1.0 - ratio, ratio, 0.5 * (1.0 + ratio)


@hyper_parameters
class Tweedie(LogLinkLoss):
    r"""Tweedie loss of amounts that are often zero: :math:`\mu^{2 - p} / (2 - p) + y \mu^{1 - p} / (p - 1)`.

    Parameters
    ----------
    power : float in (1, 2), default=1.5
        p: the variance of y is proportional to mu^p. Near 1 like `Poisson`, near 2 like `Gamma`.
    curvature : {"auto", "exact"}, default="auto"
        "auto" is (A + B) / 2 with A = y mu^(1 - p), B = mu^(2 - p), with which no step passes the best one; "exact" is
        (p - 1) A + (2 - p) B.

    Notes
    -----
    For targets >= 0. Convex in z = log(mu); half the deviance but for a term of y alone. `predict` returns the mean mu,
    and so does the engine with a saved model. The unit of the curvature is that of y^(2 - p): unlike learning rate and
    depth, the engine's ``lambda`` and ``min_child_weight`` mean something else in another unit. Raw predictions beyond
    the range of exp are an error in training.
    """

    power: float = 1.5

    def _validate(self) -> None:
        super()._validate()
        check_number("power", self.power, low=1, high=2, low_open=True, high_open=True)

    @staticmethod
    def point(y: float, z: float, power: float) -> OfNumber:
        """A and B by the exponential of a product with more digits than z has."""
        rising, falling = real(2.0 - power), real(power - 1.0)
        log_least = joined(-abs(z), 0.0)
        up, down = exp_product(log_least, 2.0 - power), exp_product(log_least, power - 1.0)
        b = up if z < 0.0 else 1.0 / up
        a = y * (1.0 / down if z < 0.0 else down) if y > 0.0 else 0.0  # also where the power overflows
        return b / rising + a / falling, b - a, falling * a + rising * b, 0.5 * (a + b)
