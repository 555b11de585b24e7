"""Raw predictions of several columns, each the business of a loss of one."""

from collections.abc import Callable

import numpy as np

from boostloss._types import Array


def derivatives_by_column(function: Callable[..., None], raw: Array, gradient: Array, hessian: Array) -> None:
    """Have `function(k, column, its gradient, its curvature)` fill every column; what it gets is contiguous."""
    for k in range(raw.shape[1]):
        if not isinstance(raw, np.ndarray) or raw.flags.f_contiguous:  # kernels of a device take strides
            function(k, raw[:, k], gradient[:, k], hessian[:, k])
        else:
            out = np.empty((2, len(raw)), gradient.dtype)
            function(k, np.ascontiguousarray(raw[:, k]), *out)
            gradient[:, k], hessian[:, k] = out


def summed_values(function: Callable[..., None], raw: Array, value: Array) -> None:
    """Add up into `value` what `function(k, column, values)` gives for every column."""
    value[:], part = 0, np.empty_like(value)
    for k in range(raw.shape[1]):
        function(k, np.ascontiguousarray(raw[:, k]), part)
        value += part
