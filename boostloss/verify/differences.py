"""Finite differences in float64, and how far they can be trusted."""

from collections.abc import Callable
from typing import Any

import numpy as np

from boostloss.verify.arrays import Array, Floats, largest

DIFFERENCE_TOLERANCE = 1e-7  # of fourth-order central differences of the float64 kernel


def difference(function: Callable[[Any], Array], x: Floats, lengths: list[Floats]) -> tuple[Floats, Floats]:
    """Fourth-order central differences and their uncertainty: the best of four steps per length."""
    derivative, uncertainty = np.full_like(x, np.nan), np.full_like(x, np.inf)
    for length in lengths:
        for power in (-3, -6, -9, -12):
            h = np.ldexp(1.0, np.frexp(length)[1] + power)  # powers of two: adding them to a point rounds nothing
            f = {k: function(k * h) for k in (-4, -2, -1, 0, 1, 2, 4)}
            fine = (8 * (f[1] - f[-1]) - (f[2] - f[-2])) / (12 * h)
            coarse = (8 * (f[2] - f[-2]) - (f[4] - f[-4])) / (24 * h)
            noise = 8 * np.finfo(float).eps * (np.max(np.abs(list(f.values())), axis=0) + abs(x * fine)) / h
            two_sided = (4 * (f[1] + f[-1]) - 6 * f[0] - f[2] - f[-2]) / (2 * h)  # right minus left: not 0 at a kink
            doubt = np.maximum(abs(fine - coarse), abs(two_sided)) + noise
            better = doubt < uncertainty
            derivative, uncertainty = np.where(better, fine, derivative), np.where(better, doubt, uncertainty)
    return derivative, uncertainty


def difference_errors(computed: Array, derivative: Floats, uncertainty: Floats, terms: Floats) -> Floats:
    """Relative errors beyond the uncertainty; NaN where that is too large, or the result beyond the dtype."""
    info = np.finfo(computed.dtype)
    scale = largest(terms, derivative, float(info.tiny))
    errors = np.maximum(abs(computed - derivative) - uncertainty, 0) / scale
    unclear = ~(uncertainty <= DIFFERENCE_TOLERANCE * scale) | ~(abs(derivative) <= float(info.max))
    return np.where(unclear, np.nan, np.where(np.isnan(errors), np.inf, errors))
