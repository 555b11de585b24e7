"""The objective and the metric of a loss, as the four engine APIs call them."""

from collections.abc import Iterator
from typing import Any, Self, overload

import numpy as np
from numpy.typing import ArrayLike

from boostloss._data_sets import DataSet, data_set_of, is_data_set, is_of_xgboost, passed_data_set
from boostloss._device import Device, device_of, shared_margins
from boostloss._device_arrays import in_memory, is_on_device
from boostloss._types import Array, Memory
from boostloss._validation import as_kernel_array, check_real_array
from boostloss.kernels import templates
from boostloss.kernels.cpu import compiled
from boostloss.kernels.threads import after_an_engine, empty_like, sum_chunks
from boostloss.losses.base import Loss, Targets, Training, target_of


def _margins(raw_prediction: ArrayLike, n_rows: int, device: Device | None = None) -> Array:
    """What an engine hands over as an array for the kernels: (n,), or (n, K) in either memory order.

    One of a device stays there.
    """
    on_device = is_on_device(raw_prediction)
    raw = shared_margins(raw_prediction, device) if on_device else check_real_array("raw_prediction", raw_prediction)
    if raw.ndim == 2 and raw.shape[1] == 1:
        raw = raw[:, 0]
    if raw.ndim not in (1, 2) or raw.shape[0] != n_rows:
        raise ValueError(f"raw_prediction.shape == {raw.shape}, must be ({n_rows},) or ({n_rows}, K).")
    return raw if on_device else as_kernel_array(raw)


def _check_finite(raw: Array, device: Device | None) -> None:
    """One pass, no temporary: a sum in float64 is finite where every float32 is."""
    if device is not None and not isinstance(raw, np.ndarray):
        if device.is_finite(raw):
            return
        raw = in_memory(raw)
    if not np.isfinite(raw.sum(dtype=np.float64)) and not np.isfinite(raw).all():
        index = np.unravel_index(int(np.argmax(~np.isfinite(raw))), raw.shape)
        raise ValueError(f"raw_prediction[{', '.join(map(str, index))}] == {raw[index]}, must be finite.")


class Objective:
    """A loss as an engine's objective: gradients and curvature as float32 arrays.

    A loss is an objective itself; this one knows of its training.

    Parameters
    ----------
    loss : Loss
        Resolved, where it depends on training labels.
    learning_rate : float, optional
        That of the training, where it is known: the step of residual losses depends on it.
    n_rounds_before : int, default=0
        In the model that the training continues: the steps of outer quantiles shorten as a training goes on.
    row_count : float > 0, default=1.0
        The mean curvature of a row, for regression losses, whose engine was told so in its parameters.
    has_memory : bool, default=True
        Whether it serves one training only: a loss with momentum remembers its rounds here, for every data set.
    device : str, optional
        That of XGBoost. On "cuda" gradient and curvature are computed there, where numba-cuda is installed, and are
        arrays of the device. Raw predictions that are on a device themselves stay there whatever it says.
    route : {"auto", "host", "device", "resident"}, default="auto"
        Where gradients are computed, as of ``boostloss.xgboost.train``.
    """

    __name__ = "boostloss"

    def __init__(
        self,
        loss: Loss,
        learning_rate: float | None = None,
        n_rounds_before: int = 0,
        row_count: float = 1.0,
        has_memory: bool = True,
        device: str | None = None,
        route: str = "auto",
    ) -> None:
        loss._validate()
        self.loss = loss
        self.training = Training(learning_rate, n_rounds_before, row_count)
        self._memory: dict[str, Any] | None = {} if has_memory else None
        self.device = device_of(device, route)

    def __repr__(self) -> str:
        return f"Objective({self.loss!r})"

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: ArrayLike | None = None) -> tuple[Any, Any]:
        """(y_true, y_pred[, sample_weight]) arrays, or (y_pred, DMatrix or Dataset).

        XGBoost's wrapper looks for the name sample_weight, LightGBM's counts the parameters.
        """
        if is_data_set(y_pred):
            return self._of_data_set(y_true, y_pred)
        if (data := passed_data_set()) is not None:
            gradient, hessian = self._of_data_set(y_pred, data)
            return gradient.reshape(np.shape(y_pred)), hessian.reshape(np.shape(y_pred))
        labels = check_real_array("y_true", y_true)
        if labels.ndim == 0:
            raise TypeError(f"y_true == {y_true!r}, must be an array with one label per row.")
        raw = _margins(y_pred, len(labels), self.device)
        device = self._device_for(raw)
        _check_finite(raw, device)
        targets = self.loss._targets(labels, sample_weight, 1 if raw.ndim == 1 else raw.shape[1], np.float32)
        if device:
            loss = self.loss._with_numbers(targets)._remembering(self._memory)
            gradient, hessian = device.derivatives(loss, targets, raw, self.training)
            return gradient.reshape(np.shape(y_pred)), hessian.reshape(np.shape(y_pred))
        gradient, hessian = empty_like(raw, np.float32), empty_like(raw, np.float32)
        self._evaluate(targets, raw, gradient, hessian, self._memory)
        return gradient.reshape(np.shape(y_pred)), hessian.reshape(np.shape(y_pred))

    def _device_for(self, raw: Any) -> Device | None:
        """The device that computes: where raw predictions are on one, the present one if no other is known."""
        return self.device or (None if isinstance(raw, np.ndarray) else Device())

    def _of_data_set(self, raw_prediction: Any, data: Any) -> tuple[Any, Any]:
        return self._derivatives(raw_prediction, data_set_of(data))

    def _derivatives(self, raw_prediction: Any, data_set: DataSet) -> tuple[Any, Any]:
        """Gradient and curvature for a data set whose labels have been read.

        Parameters
        ----------
        raw_prediction : array of shape (n,) or (n, K)
            In memory or on a CUDA device.
        data_set : DataSet
            Its buffers are reused: an engine is done with them before its next round.

        Returns
        -------
        gradient, hessian : float32 arrays shaped as `raw_prediction`
        """
        raw = _margins(raw_prediction, len(data_set.label), self.device)
        device = self._device_for(raw)
        if not (device.knows(data_set) if device else data_set.buffers):
            _check_finite(raw, device)
        targets = data_set.targets_of(self.loss, 1 if raw.ndim == 1 else raw.shape[1])
        memory = None if self._memory is None else data_set.memory_of(self)
        if device:
            loss = self.loss._with_numbers(targets)._remembering(memory)
            gradient, hessian = device.derivatives(loss, targets, raw, self.training, data_set)
            return gradient, hessian
        gradient, hessian = data_set.outputs_like(raw)
        with after_an_engine():
            self._evaluate(targets, raw, gradient, hessian, memory)
        return gradient, hessian

    def _evaluate(self, targets: Targets, raw: Array, gradient: Array, hessian: Array, memory: Memory | None) -> None:
        loss = self.loss._with_numbers(targets)._remembering(memory)
        loss._engine_derivatives(targets, raw, self.training, gradient, hessian)


class MetricValue(float):
    """A number that also unpacks as (name, value, higher is better), which LightGBM's estimators want.

    Parameters
    ----------
    name : str
        Of the metric.
    value : float
        The number itself.
    """

    name: str

    def __new__(cls, name: str, value: float) -> Self:
        """Make one."""
        self = super().__new__(cls, value)
        self.name = name
        return self

    def __getnewargs__(self) -> tuple[str, float]:  # type: ignore[override]  # `__new__` takes a name as well
        return self.name, float(self)

    def __iter__(self) -> Iterator[Any]:
        return iter((self.name, float(self), False))

    def __getitem__(self, index: int) -> Any:
        return (self.name, float(self), False)[index]


class Metric:
    """The weighted mean of a loss over a data set; lower is better.

    Called as ``metric(y_true, y_pred, sample_weight=None)`` it returns a number, as ``metric(y_pred, DMatrix)``
    XGBoost's tuple and as ``metric(y_pred, Dataset)`` LightGBM's. y_pred are raw predictions.

    Parameters
    ----------
    loss : Loss
        Resolved, where it depends on training labels.
    """

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    @property
    def __name__(self) -> str:
        return self.loss.metric_name

    def __repr__(self) -> str:
        return f"{self.loss!r}.metric"

    @overload
    def __call__(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> MetricValue: ...

    @overload
    def __call__(self, y_true: ArrayLike, y_pred: Any) -> Any: ...

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: ArrayLike | None = None) -> Any:
        """Evaluate."""
        if is_data_set(y_pred):
            value = self._of_data_set(y_true, y_pred)
            return (self.__name__, value) if is_of_xgboost(y_pred) else (self.__name__, value, False)
        if (data := passed_data_set()) is not None:
            return MetricValue(self.__name__, self._of_data_set(y_pred, data))
        self.loss._validate()
        raw = _margins(in_memory(y_pred), len(y_true))
        targets = self.loss._targets(y_true, sample_weight, 1 if raw.ndim == 1 else raw.shape[1], raw.dtype)
        return MetricValue(self.__name__, self._mean(targets, raw, np.empty(len(raw), targets.sample_weight.dtype)))

    def _of_data_set(self, raw_prediction: ArrayLike, data: Any) -> float:
        known = data_set_of(data)
        raw = _margins(in_memory(raw_prediction), len(known.label))
        targets = known.targets_of(self.loss, 1 if raw.ndim == 1 else raw.shape[1])
        with after_an_engine():
            return self._mean(targets, raw, known.values_of(len(raw), targets.sample_weight.dtype))

    def _mean(self, targets: Targets, raw: Array, value: Array) -> float:
        self.loss._metric_values(targets, raw, value)
        target = target_of(value.dtype, value.dtype)
        total = sum_chunks(compiled(templates.chunk_sums, None, None, target, "sum"), (value,))
        return total / targets.total_weight
