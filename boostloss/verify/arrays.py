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
