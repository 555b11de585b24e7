"""Arrays of numbers of any precision."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Array = NDArray[Any]


def largest(*terms: Any) -> Floats:
    """The largest of the terms' sizes; a term that is NaN is none."""
    sizes: Floats = np.fmax.reduce([abs(np.asarray(term, float)) for term in np.broadcast_arrays(*terms)])
    return sizes


def as_columns(rows: list[tuple[Any, ...]]) -> tuple[Array, ...]:
    """Rows of equally many numbers as columns."""
    return tuple(np.array(column, dtype=object) for column in zip(*rows, strict=True))


def float32_values(values: Any) -> Floats:
    """0 and the values with both signs, as float32 numbers in float64: one truth serves both dtypes."""
    values = np.asarray(values, np.float32).astype(np.float64)
    return np.unique(np.concatenate([-values, [0.0], values]))


def rounded(params: Any) -> tuple[float, ...]:
    """Hyper-parameters as float32 numbers, so that both dtypes compute the same loss."""
    return tuple(float(np.float32(p)) for p in params)
