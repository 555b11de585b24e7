"""Losses whose minimiser is a quantile or an expectile; r = raw_prediction - y_true."""

import copy
import itertools
from typing import Any, Self, cast

import numpy as np
from numpy.typing import ArrayLike

from boostloss._types import Array, Memory, OfClasses, OfNumber, Parameters
from boostloss._validation import auto_or_number, check_number
from boostloss.losses.base import Targets, Training
from boostloss.losses.columns import derivatives_by_column, summed_values
from boostloss.losses.parameters import hyper_parameters
from boostloss.losses.regression_base import INVERSE_LINKS, RegressionLoss
from boostloss.losses.smooth import smooth_abs


class Quantile(RegressionLoss):
    r"""Smoothed pinball loss: :math:`\sqrt{r^2 + b^2} / 2 + (1/2 - \tau) r`, with the quantile :math:`\tau`.

    Parameters
    ----------
    quantile : float in (0, 1) or ascending sequence of them, default=0.5
        The level; 0.5 is half the absolute error. With K levels the loss is the sum over K raw predictions per row, and
        one model has K outputs.
    bandwidth : "auto" or float > 0, default="auto"
        b, in the unit of y. "auto" is (4 tau (1 - tau))^1.5 S, with S = (mean of sqrt(abs(r)))^2 of the round.
    curvature : {"auto", "exact"}, default="auto"
        "auto" is the majoriser 1 / (2 sqrt(r^2 + b^2)); "exact" is the second derivative, floored.

    Notes
    -----
    Convex. b -> 0 is the pinball loss of Koenker & Bassett 1978, which is also the metric, averaged over the levels;
    its own second derivative is zero and its gradient jumps, so that engines replace the leaves of trees grown with it.
    The smooth one needs no renewal; LightGBM can have it (``renew_leaves`` of `boostloss.lightgbm.train`). Majoriser:
    Hunter & Lange 2000.

    Several quantiles of one row may cross in the raw predictions and in what an engine's own ``predict`` returns.
    `predict` sorts them, which never raises their summed pinball loss: Chernozhukov, Fernandez-Val & Galichon 2010.
    """

    step_without_learning_rate = 0.7

    def __init__(
        self, *, quantile: float | OfClasses = 0.5, bandwidth: float | str = "auto", curvature: str = "auto"
    ) -> None:
        self.quantile = quantile
        self.bandwidth = bandwidth
        self.curvature = curvature
        self._validate()

    @property
    def leaf_quantile(self) -> float | None:
        """The level: that quantile of its residuals is the best value of a leaf, but for smoothing; else None."""
        return self._level if self._is_one() else None

    def _validate(self) -> None:
        super()._validate()
        open_interval: dict[str, Any] = {"low": 0, "high": 1, "low_open": True, "high_open": True}
        if self._is_one():
            check_number("quantile", self.quantile, **open_interval)
        else:
            levels = list(self._levels)
            for k, level in enumerate(levels):
                check_number(f"quantile[{k}]", level, **open_interval)
            if not levels or any(high <= low for low, high in itertools.pairwise(levels)):
                raise ValueError(f"quantile == {self.quantile!r}, must be a number or ascending numbers.")
        auto_or_number("bandwidth", self.bandwidth)

    def _is_one(self) -> bool:
        """Whether `quantile` is a number: a sequence of one gives predictions (n, 1)."""
        return isinstance(self.quantile, str) or np.ndim(self.quantile) == 0

    @property
    def n_outputs(self) -> int:  # type: ignore[override]  # read only, because it follows from the levels
        """Number of raw predictions of a row."""
        return 1 if self._is_one() else len(self._levels)

    @property
    def _level(self) -> float:
        """That of one."""
        return cast(float, self.quantile)

    @property
    def _levels(self) -> OfClasses:
        """Those of a sequence."""
        return cast(OfClasses, self.quantile)

    def _of_levels(self) -> list[Self]:
        """One loss for every level of a sequence."""
        memory = getattr(self, "_memory", None)
        losses = []
        for k, level in enumerate(self._levels):
            loss = self._remembering(None if memory is None else memory.setdefault(k, {}))
            loss.quantile = level
            losses.append(loss)
        return losses

    def prepare(
        self, y_true: Array, raw_prediction: Array, sample_weight: Array | None = None
    ) -> tuple[Parameters, Array | None]:
        """Return tau, 1 - tau and b as numbers, and the weights."""
        tau, b = self._level, self.bandwidth
        if isinstance(b, str):
            scale = self.residual_scale(y_true, raw_prediction, sample_weight)
            b = max((4 * tau * (1 - tau)) ** 1.5 * scale, self.least_scale)
        return (float(tau), float(1 - tau), float(b)), sample_weight

    @staticmethod
    def point(r: float, tau: float, complement: float, b: float) -> OfNumber:
        """The pinball loss plus (sqrt(r^2 + b^2) - abs(r)) / 2, without cancellation."""
        s, excess, second = smooth_abs(r, b)
        half_excess = 0.5 * excess
        pinball = complement * r if r > 0.0 else -tau * r
        pull = half_excess / s  # how far the slope stays from the pinball's
        gradient = complement - pull if r > 0.0 else pull - tau
        return pinball + half_excess, gradient, 0.5 * second, 0.5 / s

    def _derivatives(
        self, targets: Targets, raw: Array, curvature: str | None, gradient: Array, hessian: Array
    ) -> None:
        if self._is_one():
            return super()._derivatives(targets, raw, curvature, gradient, hessian)
        losses = self._of_levels()

        def of_level(k: int, column: Array, *out: Array) -> None:
            losses[k]._derivatives(targets, column, curvature, *out)

        return derivatives_by_column(of_level, *_as_columns(raw, gradient, hessian))

    def _engine_derivatives(
        self, targets: Targets, raw: Array, training: Training, gradient: Array, hessian: Array
    ) -> None:
        if self._is_one():
            return super()._engine_derivatives(targets, raw, training, gradient, hessian)
        losses = self._of_levels()

        def of_level(k: int, column: Array, *out: Array) -> None:
            losses[k]._engine_derivatives(targets, column, training, *out)

        return derivatives_by_column(of_level, *_as_columns(raw, gradient, hessian))

    def _values(self, targets: Targets, raw: Array, value: Array) -> None:
        if self._is_one():
            return super()._values(targets, raw, value)
        losses, (raw,) = self._of_levels(), _as_columns(raw)
        return summed_values(lambda k, column, part: losses[k]._values(targets, column, part), raw, value)

    def _remembering(self, memory: Memory | None) -> Self:
        remembering = copy.copy(self)
        remembering._memory = memory
        return remembering

    def _step(self, training: Training) -> float:
        """The step of residual losses times hypot(1, (1 - 2 tau) t / 5): away from the median it shortens in time.

        t is the learning rate times the rounds before this one. For outer quantiles over-fit: without it the pinball
        loss of 0.1 and 0.9 is 5 % higher after 200 rounds, at 100 as high. Shortening with sqrt(t) from the start was
        as good there, but at 0.05 and 0.95 3 % worse after 100 rounds, where the start is farthest.
        """
        step, memory = super()._step(training), getattr(self, "_memory", None)
        if memory is None or training.learning_rate is None or self.curvature == "exact":
            return step
        n_rounds = memory.get("n_rounds", training.n_rounds_before)
        memory["n_rounds"] = n_rounds + 1
        return step * float(np.hypot(1, (1 - 2 * self._level) * training.learning_rate * n_rounds / 5))

    @property
    def metric_name(self) -> str:
        """The pinball loss, whatever the bandwidth."""
        return "pinball"

    def _metric_values(self, targets: Targets, raw: Array, value: Array) -> None:
        if not self._is_one():
            losses, (raw,) = self._of_levels(), _as_columns(raw)
            summed_values(lambda k, column, part: losses[k]._metric_values(targets, column, part), raw, value)
            value /= len(losses)
            return
        r = raw - targets.y_true
        np.maximum((1 - self._level) * r, -self._level * r, out=value, casting="same_kind")
        if targets.sample_weight.size:
            value *= targets.sample_weight

    def _best_constant(self, y_true: ArrayLike, sample_weight: ArrayLike | None) -> float | Array:
        """Of every level."""
        if self._is_one():
            return super()._best_constant(y_true, sample_weight)
        return np.array([loss.fit_intercept_only(y_true, sample_weight) for loss in self._of_levels()])

    def _on_scale(self, raw: Array) -> Array:
        """Those of several levels in ascending order."""
        if self._is_one():
            return super()._on_scale(raw)
        (raw,) = _as_columns(raw)
        if raw.shape[1] != self.n_outputs:
            raise ValueError(f"raw_prediction has {raw.shape[1]} columns, must have {self.n_outputs} for {self!r}.")
        return np.sort(raw if self.link == "identity" else INVERSE_LINKS[self.link](raw), axis=1)


def _as_columns(*arrays: Array) -> list[Array]:
    """Arrays (n,) as (n, 1)."""
    return [array[:, None] if array.ndim == 1 else array for array in arrays]


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

    def _validate(self) -> None:
        super()._validate()
        check_number("expectile", self.expectile, low=0, high=1, low_open=True, high_open=True)

    def prepare(
        self, y_true: Array, raw_prediction: Array, sample_weight: Array | None = None
    ) -> tuple[Parameters, Array | None]:
        """Return tau and 1 - tau, and the weights."""
        return (float(self.expectile), float(1 - self.expectile)), sample_weight

    @staticmethod
    def point(r: float, tau: float, complement: float) -> OfNumber:
        """The weight of the side times r^2."""
        a = complement if r > 0.0 else tau
        return a * r * r, 2.0 * a * r, 2.0 * a, 2.0 * a
