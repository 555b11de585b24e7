"""Labels, weights and output buffers of a DMatrix or Dataset: read once in a training, found again by identity.

XGBoost copies labels and weights at every question (1.6 ms per million rows with the comparison, 2 % of a round), so it
is asked once in every training that its own ``train`` or ``cv`` runs; LightGBM hands out the same array every time.
"""

import sys
import threading
import weakref
from types import FrameType
from typing import Any

import numpy as np

from boostloss._device_arrays import in_memory
from boostloss._types import Array, Memory
from boostloss.kernels.threads import empty_like
from boostloss.losses.base import Loss, Targets

OWN_LOOPS = "xgboost.training", "boostloss._resident_training"  # that set no other labels between two rounds
_local = threading.local()  # buffers are never shared by two threads


def is_data_set(data: Any) -> bool:
    """Whether `data` is a DMatrix or a Dataset, without importing an engine."""
    return hasattr(data, "get_label") and hasattr(data, "get_weight") and not isinstance(data, np.ndarray)


def is_of_xgboost(data: Any) -> bool:
    """Whether a data set is XGBoost's, or of a class derived from it."""
    return any(kind.__module__.partition(".")[0] == "xgboost" for kind in type(data).__mro__)


class DataSet:
    """Checked labels, weights and output buffers of one DMatrix or Dataset, for one thread."""

    def __init__(self, label: Any, weight: Any) -> None:
        self.label, self.weight = label, weight
        self.targets: dict[Any, Targets] = {}
        self.buffers: dict[Any, tuple[Array, Array]] = {}
        self.values: dict[np.dtype[Any], Array] = {}
        self.memories: weakref.WeakKeyDictionary[Any, Memory] = weakref.WeakKeyDictionary()

    def targets_of(self, loss: "Loss", n_outputs: int) -> "Targets":
        """The labels in the terms of `loss`, checked once."""
        key = loss._targets_key(), n_outputs
        if key not in self.targets:
            self.targets[key] = loss._targets(self.label, self.weight, n_outputs, np.float32)
        return self.targets[key]

    def outputs_like(self, raw: Array) -> tuple[Array, Array]:
        """Two float32 arrays in the shape and memory order of `raw`, the same at every call."""
        key = raw.shape, raw.flags.c_contiguous
        if key not in self.buffers:
            self.buffers[key] = empty_like(raw, np.float32), empty_like(raw, np.float32)
        return self.buffers[key]

    def values_of(self, n_rows: int, dtype: np.dtype[Any]) -> Array:
        """An array for the values of the loss, the same at every call."""
        if dtype not in self.values:
            self.values[dtype] = np.empty(n_rows, dtype)
        return self.values[dtype]

    def memory_of(self, objective: Any) -> Memory:
        """What an objective remembers of its training on this data set."""
        return self.memories.setdefault(objective, {})

    def same(self, label: Any, weight: Any) -> bool:
        """Whether these are still the labels and weights of the data set: a user may have set others."""
        return _same(label, self.label) and _same(weight, self.weight)


def _same(a: Any, b: Any) -> bool:
    return a is b or (a is not None and b is not None and np.array_equal(a, b))


def data_set_of(data: Any) -> DataSet:
    """The `DataSet` of a DMatrix or Dataset; found again by identity, never by length."""
    booster = _booster_in_training(_caller())
    if booster is None:
        return _current_data_set(data)
    known = _weak_dict("trainings").setdefault(booster, weakref.WeakKeyDictionary())
    if data not in known:
        known[data] = _current_data_set(data)
    found: DataSet = known[data]
    return found


def passed_data_set() -> Any:
    """The DMatrix or Dataset whose labels and margins an engine's estimator passes on as arrays.

    None where anybody else calls: then nothing is known of the arrays.
    """
    frame = _caller()
    if _package(frame) not in ("xgboost", "lightgbm"):
        return None
    found = [value for value in frame.f_locals.values() if is_data_set(value)]
    return found[0] if len(found) == 1 else None


def _current_data_set(data: Any) -> DataSet:
    known = _weak_dict("known")
    label, weight = in_memory(data.get_label()), in_memory(data.get_weight())
    if label is None or not len(label):
        raise ValueError("data has no label, must have one per row.")
    weight = None if weight is None or not len(weight) else weight
    found = known.get(data)
    if found is None or not found.same(label, weight):
        found = known[data] = DataSet(label, weight)
    return found


def _weak_dict(name: str) -> weakref.WeakKeyDictionary[Any, Any]:
    """A dictionary of this thread that keeps none of its keys alive."""
    if not hasattr(_local, name):
        setattr(_local, name, weakref.WeakKeyDictionary())
    found: weakref.WeakKeyDictionary[Any, Any] = getattr(_local, name)
    return found


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _caller() -> FrameType:
    """The frame that called boostloss."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _package(frame) == "boostloss":
        frame = frame.f_back
    return frame


def _booster_in_training(frame: FrameType | None) -> Any:
    """The XGBoost Booster at work above `frame` for `train` or `cv`, XGBoost's or ours; None in a user's own loop.

    Such a loop may set other labels between two rounds.
    """
    booster = None
    while frame is not None:
        name = frame.f_globals.get("__name__")
        if booster is None and name == "xgboost.core":
            owner = frame.f_locals.get("self")
            booster = owner if hasattr(owner, "boost") else None
        elif booster is not None and name in OWN_LOOPS:
            return booster
        frame = frame.f_back
    return None
