"""The loops for float32 results of float64 raw predictions: a block of them is rounded first, then the loop runs.

LLVM chooses the width of a vector by the widest type in a loop: with the rounding inside, a focal row takes 1.8 times
as long. What a block holds is what the formula is one of, residuals being rounded after the subtraction.
"""

from typing import Any

from boostloss._types import Array, Function, Number, Numbers
from boostloss.kernels import templates
from boostloss.kernels.arrays import part, scratch_on_stack
from boostloss.kernels.scalar import widest_vectors
from boostloss.kernels.templates import formula, real

BLOCK = 2048  # rows: 8 kB of float32, a quarter of the first cache


def loop(*arguments: Any) -> Any:
    """The loop over a block: binding replaces it by the template."""


def rounded(y_true: Any, raw_prediction: Any) -> Any:
    """What a block holds of a row: binding replaces it by one of the following."""


def rounded_prediction(y_true: Number, raw_prediction: Number) -> Number:
    """The raw prediction."""
    return real(raw_prediction)


def rounded_residual(y_true: Number, raw_prediction: Number) -> Number:
    """The residual."""
    return real(raw_prediction - y_true)


def point_of_rounded_residual(y_true: Number, r: Number, *params: Number) -> Any:
    """A formula of the residual."""
    return formula(r, *params)


def rounded_block(y_true: Array, raw_prediction: Array, block: Array) -> Array:
    """Rounded rows."""
    widest_vectors()
    z = part(block, 0, y_true.shape[0])
    for i in range(y_true.shape[0]):
        z[i] = rounded(y_true[i], raw_prediction[i])
    return z


def classes_derivatives(
    y_true: Array, raw_prediction: Array, sample_weight: Array, negative: Numbers, positive: Numbers,
    class_weight: tuple[Number, Number], exact: bool, relative_floor: Number, least: Number, gradient: Array,
    hessian: Array
) -> None:
    """Of two classes."""
    block = scratch_on_stack(real, 1, BLOCK)
    for start in range(0, y_true.shape[0], BLOCK):
        y, weight = part(y_true, start, BLOCK), part(sample_weight, start, BLOCK)
        g, h = part(gradient, start, BLOCK), part(hessian, start, BLOCK)
        z = rounded_block(y, part(raw_prediction, start, BLOCK), block)
        loop(y, z, weight, negative, positive, class_weight, exact, relative_floor, least, g, h)


def classes_value(
    y_true: Array, raw_prediction: Array, sample_weight: Array, negative: Numbers, positive: Numbers,
    class_weight: tuple[Number, Number], value: Array
) -> None:
    """Of two classes."""
    block = scratch_on_stack(real, 1, BLOCK)
    for start in range(0, y_true.shape[0], BLOCK):
        y, weight = part(y_true, start, BLOCK), part(sample_weight, start, BLOCK)
        z = rounded_block(y, part(raw_prediction, start, BLOCK), block)
        loop(y, z, weight, negative, positive, class_weight, part(value, start, BLOCK))


def numbers_derivatives(
    y_true: Array, raw_prediction: Array, sample_weight: Array, params: Numbers, exact: bool, floor: Number,
    gradient: Array, hessian: Array
) -> None:
    """Of a number."""
    block = scratch_on_stack(real, 1, BLOCK)
    for start in range(0, y_true.shape[0], BLOCK):
        y, weight = part(y_true, start, BLOCK), part(sample_weight, start, BLOCK)
        g, h = part(gradient, start, BLOCK), part(hessian, start, BLOCK)
        loop(y, rounded_block(y, part(raw_prediction, start, BLOCK), block), weight, params, exact, floor, g, h)


def numbers_value(y_true: Array, raw_prediction: Array, sample_weight: Array, params: Numbers, value: Array) -> None:
    """Of a number."""
    block = scratch_on_stack(real, 1, BLOCK)
    for start in range(0, y_true.shape[0], BLOCK):
        y, weight = part(y_true, start, BLOCK), part(sample_weight, start, BLOCK)
        loop(y, rounded_block(y, part(raw_prediction, start, BLOCK), block), weight, params, part(value, start, BLOCK))


AROUND: dict[Function, Function] = {
    templates.binary_derivatives: classes_derivatives,
    templates.soft_binary_derivatives: classes_derivatives,
    templates.binary_value: classes_value,
    templates.soft_binary_value: classes_value,
    templates.elementwise_derivatives: numbers_derivatives,
    templates.elementwise_value: numbers_value,
}


def words_around(template: Function, variable: str | None) -> dict[str, Any]:
    """What binding puts behind the names of this module."""
    if variable != "residual":
        return {"loop": template, "rounded": rounded_prediction}
    return {"loop": template, "rounded": rounded_residual, "point": point_of_rounded_residual}
