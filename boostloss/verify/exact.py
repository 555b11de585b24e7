"""50-digit arithmetic: a formula's derivatives by differences in hundreds of digits, and errors in ulp."""

from typing import Any

import numpy as np

from boostloss.kernels.cpu import bound_template
from boostloss.kernels.scalar import mpmath_words
from boostloss.verify.arrays import Array, Floats


def exact_kernel(ctx: Any, template: Any, point: Any, variable: str) -> Any:
    """A template around a formula in the digits of the context."""
    return bound_template(template, point, variable, mpmath_words(ctx), lambda function: function)


def exact_numbers(ctx: Any, numbers: Any) -> tuple[Any, ...]:
    """Numbers in the digits of the context."""
    return tuple(ctx.mpf(number) for number in numbers)


def exact_derivatives(ctx: Any, kernel: Any, x: float, unit: float, y: float, scalars: Any) -> tuple[Any, ...]:
    """Value, three derivatives, and whether value, first and second derivative jump, at `x`.

    Central differences with steps of 1e-20 units are right to 1e-40. The digits pay for the two divisions by the step
    and for what cancels, which may underflow in float64: exp(-|x|) beside 1 for a margin, any tail for a residual.
    """
    ctx.dps = 120 + int(0.45 * min(abs(x), 760)) if y else 440
    h = ctx.mpf(unit) * ctx.mpf(10) ** -20
    points = np.array([ctx.mpf(x) + k * h for k in range(-2, 3)], dtype=object)
    f = np.empty(5, dtype=object)
    try:
        kernel(np.array([ctx.mpf(y)] * 5, dtype=object), points, np.empty(0), *scalars, f)
        left, right = (3 * f[2] - 4 * f[1] + f[0]) / (2 * h), (4 * f[3] - 3 * f[2] - f[4]) / (2 * h)
        left_2, right_2 = (f[2] - 2 * f[1] + f[0]) / h**2, (f[2] - 2 * f[3] + f[4]) / h**2
        first, second = (f[3] - f[1]) / (2 * h), (f[3] - 2 * f[2] + f[1]) / h**2
        third = (f[4] - 2 * f[3] + 2 * f[1] - f[0]) / (2 * h**3)
        noise = abs(f[2]) * ctx.mpf(10) ** (60 - ctx.dps)
        jump = abs(left - right) > max(abs(left), abs(right)) * 1e-30 + abs(h * second) * 1e-10 + noise / unit
        jump_2 = abs(left_2 - right_2) > max(abs(left_2), abs(right_2)) * 1e-15 + noise / unit**2
        if abs(second) < noise / unit**2:  # below the digits of the value, hence of both dtypes
            second = ctx.zero
        if jump_2 and abs(first) < h * max(abs(left_2), abs(right_2)):  # what the jump does to a difference
            first = ctx.zero
        return f[2], first, second, third, False, bool(jump), bool(jump or jump_2)
    except (ZeroDivisionError, ValueError, TypeError):  # TypeError: comparing complex numbers
        return ctx.nan, ctx.nan, ctx.nan, ctx.nan, True, True, True


def ulp_errors(computed: Array, truth: Array, terms: Floats) -> Floats:
    """Errors in units in the last place of the largest terms, in the dtype of `computed`."""
    info = np.finfo(computed.dtype)
    _, exponent = np.frexp(np.minimum(terms, float(info.max)))
    unit = np.ldexp(1.0, np.maximum(exponent - info.nmant - 1, info.minexp - info.nmant))
    errors = np.array([distance(c, t) for c, t in zip(computed.tolist(), truth, strict=True)], dtype=object)
    errors = (errors / unit).astype(float)
    overflow = np.isinf(computed) & (terms >= float(info.max) * (1 - float(info.eps)))
    return np.where(overflow, 0.0, errors)


def distance(computed: float, truth: Any) -> Any:
    """Of a number from the truth; infinite for NaN and inf."""
    return abs(truth - computed) if np.isfinite(computed) else truth.context.inf
