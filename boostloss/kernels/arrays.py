"""Parts of arrays and scratch, in loops: on the CPU `intrinsics` has better ones for two of the three."""

from typing import Any

import numpy as np

from boostloss._types import Array


def part(array: Array, start: Any, size: Any) -> Array:
    """`size` entries of a contiguous array from `start` on, or as many as there are; neither number is negative."""
    return array.reshape(-1)[start : start + size]


def scratch(dtype: Any, n_rows: Any, n_columns: Any) -> Array:
    """An uninitialised array."""
    return np.empty((n_rows, n_columns), dtype)


def scratch_on_stack(dtype: Any, n_rows: Any, n_columns: Any) -> Array:
    """The same of less than 100 kB, once in the function that calls it: LLVM knows that nothing else lies there."""
    return np.empty((n_rows, n_columns), dtype)
