"""Arrays of CuPy, torch, cuDF and Numba: where they are, and their numbers in memory."""

from typing import Any

import numpy as np


def without_graph(values: Any) -> Any:
    """A tensor of torch without its graph, for that of one that requires gradients is in the way; else as it is."""
    detach = getattr(values, "detach", None)
    return detach() if callable(detach) else values


def is_of_cudf(values: Any) -> bool:
    """Whether it is a Series, a frame or an index of cuDF."""
    return type(values).__module__.partition(".")[0] == "cudf"


def is_on_device(values: Any) -> bool:
    """Whether its numbers are on a CUDA device."""
    if isinstance(values, np.ndarray):
        return False
    return is_of_cudf(values) or hasattr(without_graph(values), "__cuda_array_interface__")


def in_memory(values: Any) -> Any:
    """A copy of what is on a device as an ndarray; all else as NumPy can read it."""
    values = without_graph(values)
    if not is_on_device(values):
        return values
    for name in ("to_numpy", "copy_to_host", "cpu", "get"):  # cuDF, Numba, torch, CuPy; cuDF's `get` is another
        if callable(copied := getattr(values, name, None)):
            return np.asarray(copied())
    return np.asarray(values)
