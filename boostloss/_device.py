"""Gradients computed on a CUDA device, where XGBoost takes them from: its margins come as a copy in memory, or not.

What a data set has on the device, labels, weights and buffers, is uploaded once and found again by identity; it ends
with the data set.
"""

import ctypes
import functools
import importlib.metadata
import sys
import threading
import weakref
from typing import Any

import numpy as np

from boostloss._device_arrays import is_of_cudf, without_graph
from boostloss._validation import check_choice
from boostloss.kernels.threads import flat, run_slices

ROUTES = "auto", "host", "device", "resident"
INSTALL = "numba-cuda is not installed: pip install 'boostloss[cuda]'"
_local = threading.local()  # buffers are never shared by two threads


class DeviceTargets:
    """Targets of a data set with their arrays on the device; numbers about them come from those in memory."""

    def __init__(self, targets: Any, upload: Any) -> None:
        self._targets, self._upload = targets, upload
        self.n_outputs, self.n_rows, self.n_classes = targets.n_outputs, targets.n_rows, targets.n_classes
        self.soft, self.total_weight = targets.soft, targets.total_weight
        self.y_true, self.sample_weight = self._uploaded(targets.y_true), self._uploaded(targets.sample_weight)

    def _uploaded(self, array: np.ndarray) -> Any:
        return self._upload(np.ascontiguousarray(array)) if array.size else array

    @functools.cached_property
    def by_row(self) -> "DeviceTargets":
        """Of several labels: all labels of the first row, then of the second, ..."""
        return DeviceTargets(self._targets.by_row, self._upload)

    @functools.cached_property
    def columns(self) -> list["DeviceTargets"]:
        """Of several labels: one label each."""
        return [DeviceTargets(column, self._upload) for column in self._targets.columns]


class DeviceData:
    """What one data set has on the device."""

    def __init__(self) -> None:
        self._targets: dict[int, DeviceTargets] = {}
        self._buffers: dict[tuple[str, tuple[int, ...]], Any] = {}

    def targets_of(self, targets: Any) -> DeviceTargets:
        """The targets, which are kept: no other object can have their id."""
        from boostloss.kernels import cuda_launch

        if id(targets) not in self._targets:
            self._targets[id(targets)] = DeviceTargets(targets, cuda_launch.upload)
        return self._targets[id(targets)]

    def uploaded(self, raw: np.ndarray) -> Any:
        """Raw predictions of memory, through page-locked memory into an array that is the same at every call."""
        staged, margins = self._buffers_of("margins", raw.shape)
        run_slices(lambda part: np.copyto(staged[part], raw[part], casting="same_kind"), len(raw))
        margins.copy_to_device(staged)
        return margins

    def outputs_of(self, shape: tuple[int, ...]) -> Any:
        """Arrays for gradient and curvature, the same at every call."""
        return self._buffers_of("outputs", shape)

    def _buffers_of(self, kind: str, shape: tuple[int, ...]) -> Any:
        from boostloss.kernels import cuda_launch

        if (kind, shape) not in self._buffers:
            first = cuda_launch.page_locked if kind == "margins" else cuda_launch.empty
            self._buffers[kind, shape] = first(shape, np.float32), cuda_launch.empty(shape, np.float32)
        return self._buffers[kind, shape]


class Device:
    """A CUDA device; `ordinal` None is the one CUDA chooses."""

    def __init__(self, ordinal: int | None = None) -> None:
        self.ordinal = ordinal

    def derivatives(self, loss: Any, targets: Any, raw: Any, training: Any, data_set: Any = None) -> Any:
        """Gradient and curvature of raw predictions, as arrays of the device that are ready to be read.

        Raw predictions in memory go up; those that are on the device stay where they are. Buffers of a `data_set` are
        reused, XGBoost being done with them before its next round.
        """
        from boostloss.kernels import cuda_launch

        with cuda_launch.selected(self.ordinal):
            data = self._data_of(data_set)
            margins = data.uploaded(raw) if isinstance(raw, np.ndarray) else raw
            gradient, hessian = data.outputs_of(raw.shape)
            loss._engine_derivatives(data.targets_of(targets), margins, training, gradient, hessian)
            cuda_launch.synchronize()  # XGBoost reads on a stream of its own
        return gradient, hessian

    def is_finite(self, raw: Any) -> bool:
        """Whether an array of the device has finite numbers only; one sum of them comes down."""
        from boostloss.kernels import cuda_launch
        from boostloss.losses.regression_base import sum_of

        with cuda_launch.selected(self.ordinal):
            return bool(np.isfinite(sum_of(flat(raw))))

    def knows(self, data_set: Any) -> bool:
        """Whether it has had raw predictions of a data set before."""
        return self.ordinal in _known().get(data_set, {})

    def _data_of(self, data_set: Any) -> DeviceData:
        if data_set is None:
            return DeviceData()
        data: DeviceData = _known().setdefault(data_set, {}).setdefault(self.ordinal, DeviceData())
        return data


def _known() -> Any:
    if not hasattr(_local, "known"):
        _local.known = weakref.WeakKeyDictionary()
    return _local.known


def device_of(device: Any, route: str = "auto") -> Device | None:
    """The device that gradients are computed on for XGBoost's parameter `device`; None where that is the CPU.

    On the route "auto" it is the CPU as well for a training on a GPU without numba-cuda, at the price of a copy of both
    in every round.

    Raises
    ------
    ValueError
        If XGBoost could not use it: without a GPU it would warn, and train on the CPU. Or if it is the CPU on the route
        "device".
    ImportError
        If the route needs numba-cuda.
    """
    check_choice("route", route, ROUTES)
    kind, _, ordinal = str(device).lower().partition(":")
    if kind not in ("cuda", "gpu"):
        if route == "device":
            raise ValueError(f"route == 'device' contradicts device == {device!r}: gradients stay on a CUDA device.")
        return None
    if not has_gpu():
        raise ValueError(f"device == {device!r}, must be a device XGBoost can use: no CUDA GPU found on this machine.")
    if not _xgboost_has_cuda():
        raise ValueError(f"device == {device!r}, must be a device XGBoost can use: it was built without CUDA.")
    if route == "host":
        return None
    if not has_numba_cuda():
        if route == "auto":
            return None
        raise ImportError(f"route == {route!r} with device == {device!r}, but {INSTALL}.")
    return Device(int(ordinal) if ordinal else None)


@functools.cache
def has_numba_cuda() -> bool:
    """Whether it is installed; `numba.cuda` can be imported without it. Asked in every round, and no short question."""
    try:
        return bool(importlib.metadata.version("numba-cuda"))
    except importlib.metadata.PackageNotFoundError:
        return False


def shared_margins(array: Any, device: Device | None = None) -> Any:
    """An array of the device, the present one if None, as Numba's, without a copy.

    An array that does not say which stream its numbers come from, as torch's, must be ready.

    Raises
    ------
    ImportError
        Without numba-cuda.
    TypeError, ValueError
        If it is not float32, or not C-contiguous: a device has no other kernels.
    """
    if not has_numba_cuda():
        raise ImportError(f"raw_prediction is an array of a CUDA device, but {INSTALL}, or hand over a NumPy array.")
    from boostloss.kernels import cuda_launch

    with cuda_launch.selected(None if device is None else device.ordinal):
        margins = cuda_launch.shared(array.values if is_of_cudf(array) else without_graph(array))
    if margins.dtype != np.float32:
        raise TypeError(f"raw_prediction.dtype == {margins.dtype}, must be float32 on a CUDA device.")
    if not margins.flags["C_CONTIGUOUS"]:
        raise ValueError("raw_prediction is not C-contiguous, must be so on a CUDA device.")
    return margins


def has_gpu() -> bool:
    """Whether the CUDA driver knows one."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int()
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def _xgboost_has_cuda() -> bool:
    import xgboost

    return bool(xgboost.build_info().get("USE_CUDA"))
