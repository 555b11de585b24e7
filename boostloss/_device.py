"""Gradients computed on a CUDA device, where XGBoost takes them from: its margins come as a copy in memory.

What a data set has on the device, labels, weights and buffers, is uploaded once and found again by identity; it ends
with the data set.
"""

import ctypes
import importlib.metadata
import sys
import threading
import weakref
from functools import cached_property
from typing import Any

import numpy as np

from boostloss.kernels.threads import run_slices

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

    @cached_property
    def by_row(self) -> "DeviceTargets":
        """Of several labels: all labels of the first row, then of the second, ..."""
        return DeviceTargets(self._targets.by_row, self._upload)

    @cached_property
    def columns(self) -> list["DeviceTargets"]:
        """Of several labels: one label each."""
        return [DeviceTargets(column, self._upload) for column in self._targets.columns]


class DeviceData:
    """What one data set has on the device."""

    def __init__(self) -> None:
        self._targets: dict[int, DeviceTargets] = {}
        self._buffers: dict[tuple[int, ...], Any] = {}

    def targets_of(self, targets: Any) -> DeviceTargets:
        """The targets, which are kept: no other object can have their id."""
        from boostloss.kernels import cuda_launch

        if id(targets) not in self._targets:
            self._targets[id(targets)] = DeviceTargets(targets, cuda_launch.upload)
        return self._targets[id(targets)]

    def buffers_of(self, shape: tuple[int, ...]) -> Any:
        """Page-locked memory, and raw predictions, gradient and curvature on the device; the same at every call."""
        from boostloss.kernels import cuda_launch

        if shape not in self._buffers:
            on_device = (cuda_launch.empty(shape, np.float32) for _ in range(3))
            self._buffers[shape] = cuda_launch.page_locked(shape, np.float32), *on_device
        return self._buffers[shape]


class Device:
    """A CUDA device; `ordinal` None is the one CUDA chooses."""

    def __init__(self, ordinal: int | None = None) -> None:
        self.ordinal = ordinal

    def derivatives(self, loss: Any, targets: Any, raw: np.ndarray, training: Any, data_set: Any = None) -> Any:
        """Gradient and curvature of raw predictions in memory, as arrays of the device that are ready to be read.

        Buffers of a `data_set` are reused, XGBoost being done with them before its next round.
        """
        from boostloss.kernels import cuda_launch

        with cuda_launch.selected(self.ordinal):
            data = self._data_of(data_set)
            staged, margins, gradient, hessian = data.buffers_of(raw.shape)
            run_slices(lambda part: np.copyto(staged[part], raw[part], casting="same_kind"), len(raw))
            margins.copy_to_device(staged)
            loss._engine_derivatives(data.targets_of(targets), margins, training, gradient, hessian)
            cuda_launch.synchronize()  # XGBoost reads on a stream of its own
        return gradient, hessian

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


def device_of(device: Any) -> Device | None:
    """The device that gradients are computed on for XGBoost's parameter `device`; None where that is the CPU.

    Without numba-cuda it is the CPU for a training on a GPU as well, at the price of a copy of both in every round.

    Raises
    ------
    ValueError
        If XGBoost could not use it: without a GPU it would warn, and train on the CPU.
    """
    kind, _, ordinal = str(device).lower().partition(":")
    if kind not in ("cuda", "gpu"):
        return None
    if not has_gpu():
        raise ValueError(f"device == {device!r}, must be a device XGBoost can use: no CUDA GPU found on this machine.")
    if not _xgboost_has_cuda():
        raise ValueError(f"device == {device!r}, must be a device XGBoost can use: it was built without CUDA.")
    try:
        importlib.metadata.version("numba-cuda")  # `numba.cuda` can be imported without it
    except importlib.metadata.PackageNotFoundError:
        return None
    return Device(int(ordinal) if ordinal else None)


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
