"""RegressionLoss: what follows from a formula of the residual r = raw_prediction - y_true, or of both of them."""

import math
from collections.abc import Hashable

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from scipy.optimize import brentq

from boostloss._types import Array, Floats, Parameters
from boostloss._validation import (
    as_kernel_array,
    auto_or_number,
    check_raw_prediction,
    check_real_array,
    check_rows,
    check_sample_weight,
    fail_at,
)
from boostloss.kernels import templates
from boostloss.kernels.cpu import compiled, takes_powers
from boostloss.kernels.threads import run_rows, sum_chunks
from boostloss.losses.base import Loss, Targets, Training, formula_parameters, target_of
from boostloss.losses.parameters import hyper_parameters

FLOOR_OF_EXACT = 1e-6  # of the curvature: the exact second derivative of a robust loss is 0 in its tails
UNFLOORED = float("nan")  # every comparison with it is false
LINKS = {"log": np.log, "log1p": np.log1p}
INVERSE_LINKS = {"log": np.exp, "log1p": np.expm1}
DOMAINS = {"log": 0, "log1p": -1}  # targets are greater


@hyper_parameters
class RegressionLoss(Loss):
    """A loss of the residual r = raw_prediction - y_true: derive from it and write `point`.

    ``point(r, *params)`` is a static method of plain scalar Python that returns value, gradient, second derivative
    and a positive curvature (best psi(r) / r, the sharp quadratic majoriser). Its arguments after the first are
    hyper-parameters, attributes of the same names. Start and metric follow from it.

    With ``variable = "prediction"`` in the class it is ``point(y, z, *params)`` of the target and the raw prediction.
    ``link`` says what the raw prediction is of a prediction: itself ("identity"), its "log" or its "log1p"; r is then
    the distance from the same of y_true.

    Parameters
    ----------
    curvature : {"auto", "exact"}, default="auto"
        "auto" is the curvature of `point`; "exact" is its second derivative, at least 1e-6 times that.
    """

    _shared_parameters = ""
    curvature: str = "auto"

    variable = "residual"
    link = "identity"
    n_outputs = 1

    least_scale = 1e-25  # stands for an automatic scale of 0, when every residual is 0
    counts_rows = True  # what an engine gets has a mean curvature of 1
    has_newton_step = False  # its curvature is the second derivative
    has_far_minima = False  # of a constant: those of a loss that levels off

    step_without_learning_rate = 1.0  # see `_step`

    def __post_init__(self) -> None:
        self._validate()

    def _targets(self, y_true: ArrayLike, sample_weight: ArrayLike | None, n_outputs: int, dtype: DTypeLike) -> Targets:
        if n_outputs != self.n_outputs:
            number = self.n_outputs if self.n_outputs > 1 else "one"
            raise ValueError(f"raw_prediction has {n_outputs} columns, must have {number} for {self!r}.")
        y = check_real_array("y_true", y_true)
        if y.size == 0:
            raise ValueError("y_true has 0 rows, must have at least one.")
        y = check_rows("y_true", y, len(y))
        fail_at("y_true", y, ~np.isfinite(y), "finite")
        self._check_domain(y)
        if self.variable == "residual" and self.link != "identity":
            y = LINKS[self.link](y.astype(np.float64))
        return Targets(as_kernel_array(y, dtype), check_sample_weight(sample_weight, len(y), dtype), n_outputs)

    def _check_domain(self, y_true: Array) -> None:
        """Raise where a finite target is none for this loss: here, where the link takes its logarithm."""
        if self.variable == "residual" and self.link != "identity":
            low = DOMAINS[self.link]
            fail_at("y_true", y_true, y_true <= low, f"> {low}")

    def _n_outputs_of(self, y_true: ArrayLike) -> int:
        return self.n_outputs

    def _targets_key(self) -> Hashable:
        return self.link if self.variable == "residual" else type(self), self.n_outputs

    # --------------------------------------------------------------------------------------------- value, derivatives

    def prepare(
        self, y_true: Array, raw_prediction: Array, sample_weight: Array | None = None
    ) -> tuple[Parameters, Array | None]:
        """Return the parameters of `point` and the weights of this round."""
        n_arguments = 1 if self.variable == "residual" else 2
        return tuple(float(getattr(self, name)) for name in formula_parameters(self.point, n_arguments)), sample_weight

    @staticmethod
    def _deviation(r: float) -> float:
        """What S is the scale of."""
        return r

    def residual_scale(self, y_true: Array, raw_prediction: Array, sample_weight: Array | None) -> float:
        """S = (weighted mean of sqrt(abs(r)))^2: robust, one pass; abs(r) where all are equal.

        Parameters
        ----------
        y_true, raw_prediction : ndarrays of shape (n,)
            Float32 or float64; y_true in the link where there is one.
        sample_weight : ndarray of shape (n,), or None
            Empty is none as well.

        Returns
        -------
        float
            In the unit of r, and never 0: at least `least_scale`.
        """
        dtype = np.result_type(y_true, np.float32)
        sample_weight = np.empty(0, dtype) if sample_weight is None else sample_weight
        target = target_of(dtype, raw_prediction.dtype)
        kernel = compiled(templates.root_sums, self._deviation, self.variable, target, "sum")
        total = sum_chunks(kernel, (y_true, raw_prediction, sample_weight))
        return float(max((total / _total(sample_weight, len(y_true))) ** 2, self.least_scale))

    def _derivatives(
        self, targets: Targets, raw: Array, curvature: str | None, gradient: Array, hessian: Array
    ) -> None:
        real = gradient.dtype.type
        params, weight = self._prepared(targets, raw)
        kind = np.float64 if takes_powers(self.point) else real
        exact = (curvature or self.curvature) == "exact"
        floor = UNFLOORED if curvature == "exact" else FLOOR_OF_EXACT
        kernel = compiled(templates.elementwise_derivatives, self.point, self.variable, target_of(real, raw.dtype))
        scalars = (tuple(map(kind, params)), exact, real(floor))
        run_rows(kernel, (targets.y_true, raw, weight), scalars, (gradient, hessian))

    def _values(self, targets: Targets, raw: Array, value: Array) -> None:
        real = value.dtype.type
        params, weight = self._prepared(targets, raw)
        kernel = compiled(templates.elementwise_value, self.point, self.variable, target_of(real, raw.dtype))
        kind = np.float64 if takes_powers(self.point) else real
        run_rows(kernel, (targets.y_true, raw, weight), (tuple(map(kind, params)),), (value,))

    # ------------------------------------------------------------------------------------------------ what engines get

    def _step(self, training: Training) -> float:
        """Factor on the curvature: with the majoriser alone a step is a third to a half of Newton's.

        min(1, 1.6 sqrt(learning rate)) was best on average over nine data sets; it keeps descent (factor > rate / 2).
        """
        if self.curvature == "exact" or self.has_newton_step:
            return 1.0
        if training.learning_rate is None:
            return self.step_without_learning_rate
        return min(1.0, 1.6 * math.sqrt(training.learning_rate))

    def _engine_derivatives(
        self, targets: Targets, raw: Array, training: Training, gradient: Array, hessian: Array
    ) -> None:
        """Divide both by the mean curvature, so that `min_child_weight` and `lambda` count rows whatever the unit of y.

        Where the training counts a row as more than 1, both are that much larger.

        The step factor divides the gradient alone: summed curvature stays a count.
        """
        self._derivatives(targets, raw, None, gradient, hessian)
        real, target = gradient.dtype.type, target_of(gradient.dtype, hessian.dtype)
        factor = training.row_count * targets.total_weight / sum_of(hessian)
        factors = real(factor / self._step(training)), real(factor)
        if factors != (1, 1):  # as those of the squared error are
            run_rows(compiled(templates.rescale, None, None, target), (gradient, hessian), factors, ())

    @property
    def leaf_quantile(self) -> float | None:
        """The level of the quantile of its residuals that is a leaf's best value; None where no quantile is."""
        return None

    # --------------------------------------------------------------------------------------------------------- metric

    @property
    def _metric_is_absolute_error(self) -> bool:
        """Whether the metric is the limit of the loss, for the values of two rounds cannot be compared."""
        return False

    @property
    def metric_name(self) -> str:
        """The loss itself, or the mean absolute error where its scale moves from round to round."""
        return "mean_absolute_error" if self._metric_is_absolute_error else super().metric_name

    def _metric_values(self, targets: Targets, raw: Array, value: Array) -> None:
        if not self._metric_is_absolute_error:
            return super()._metric_values(targets, raw, value)
        np.abs(raw - targets.y_true, out=value, casting="same_kind")
        if targets.sample_weight.size:
            value *= targets.sample_weight

    # ----------------------------------------------------------------------------------------------- start, prediction

    def _best_constant(self, y_true: ArrayLike, sample_weight: ArrayLike | None) -> float | Array:
        """By the gradients; of a loss that levels off the minimum near the median."""
        targets = self._targets(y_true, sample_weight, 1, np.float64)
        y, weight = targets.y_true, targets.sample_weight
        used = y[weight > 0] if weight.size else y
        low, high = float(used.min()), float(used.max())
        if low == high and self.variable == "residual":
            return low
        if self.has_far_minima:
            return self._minimum_near_the_median(targets)
        if self.variable == "prediction":
            centre = self._as_raw_prediction(np.average(y, weights=weight if weight.size else None))
            low, high = centre - 1, centre + 1
        gradient, hessian = np.empty_like(y), np.empty_like(y)

        def slope(z: float) -> float:
            self._derivatives(targets, np.full_like(y, z), None, gradient, hessian)
            return float(gradient.sum())

        reach = high - low
        while slope(low) > 0 and reach < np.inf:  # a smoothed loss may have its minimum outside the data
            low, reach = low - reach, 2 * reach
        while slope(high) < 0 and reach < np.inf:
            high, reach = high + reach, 2 * reach
        if reach == np.inf:
            raise ValueError(f"{self!r} has no best constant: its summed gradient does not rise through zero.")
        return float(brentq(slope, low, high, xtol=1e-14 * max(abs(low), abs(high)), rtol=1e-14))

    def _as_raw_prediction(self, target: float) -> float:
        """The raw prediction whose prediction is a number of the targets given; 0 where there is none."""
        if self.variable == "residual" or self.link == "identity":
            return float(target)
        return float(LINKS[self.link](target)) if target > DOMAINS[self.link] else 0.0

    def _minimum_near_the_median(self, targets: Targets) -> float:
        """Where steps of the majoriser from the median end: iteratively reweighted least squares."""
        y, weight = targets.y_true, targets.sample_weight
        z = self._as_raw_prediction(_weighted_median(y, weight))
        gradient, hessian = np.empty_like(y), np.empty_like(y)
        for _ in range(10_000):
            self._derivatives(targets, np.full_like(y, z), "auto", gradient, hessian)
            step = float(gradient.sum() / hessian.sum())
            z -= step
            if abs(step) <= 1e-15 * (1e-3 * np.ptp(y) + abs(z)):
                break
        return z

    def predict(self, raw_prediction: ArrayLike) -> Array:
        """Predictions on the scale of y: the raw predictions, through the inverse of the link if there is one.

        Parameters
        ----------
        raw_prediction : array-like of shape (n,) or (n, 1), or (n, K) for K quantiles

        Returns
        -------
        ndarray of shape (n,), or (n, K) for K quantiles
            Quantiles are sorted: in no row does the prediction of a level exceed that of a higher one.
        """
        return self._on_scale(check_raw_prediction(raw_prediction))

    def _on_scale(self, raw: Array) -> Array:
        """One prediction per row."""
        raw = check_rows("raw_prediction", raw, len(raw))
        return raw if self.link == "identity" else INVERSE_LINKS[self.link](raw)

    def predict_proba(self, raw_prediction: ArrayLike) -> Array:
        """Refuse: a regression loss has no class probabilities.

        Parameters
        ----------
        raw_prediction : array-like of shape (n,)

        Raises
        ------
        AttributeError
            Always.
        """
        raise AttributeError(f"{type(self).__name__} is a regression loss and has no predict_proba.")


class ScaledLoss(RegressionLoss):
    """A loss with a scale, the hyper-parameter `scale_name`: "auto" is `auto_factor` times S of the round."""

    scale_name: str
    auto_factor: float

    def _validate(self) -> None:
        super()._validate()
        auto_or_number(self.scale_name, getattr(self, self.scale_name))

    def prepare(
        self, y_true: Array, raw_prediction: Array, sample_weight: Array | None = None
    ) -> tuple[Parameters, Array | None]:
        """Return the scale as a number, and the weights."""
        scale = getattr(self, self.scale_name)
        if isinstance(scale, str):
            scale = max(self.auto_factor * self.residual_scale(y_true, raw_prediction, sample_weight), self.least_scale)
        return (float(scale),), sample_weight

    @property
    def _metric_is_absolute_error(self) -> bool:
        return isinstance(getattr(self, self.scale_name), str)


def _weighted_median(y: Floats, weight: Floats) -> float:
    order = np.argsort(y)
    if not weight.size:
        return float(np.median(y))
    total = np.cumsum(weight[order])
    return float(y[order[np.searchsorted(total, total[-1] / 2)]])


def sum_of(array: Array) -> float:
    """In float64, of an array in memory or on the device."""
    kernel = compiled(templates.chunk_sums, None, None, target_of(array.dtype, array.dtype), "sum")
    return sum_chunks(kernel, (array,))


def _total(sample_weight: Array, n_rows: int) -> float:
    return sum_of(sample_weight) if sample_weight.size else float(n_rows)
