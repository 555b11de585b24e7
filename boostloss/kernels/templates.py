"""The loops: nothing but loops, around a scalar formula that binding puts behind the name `point`.

Every array argument has one entry or row per sample; an empty `sample_weight` stands for no weights (LLVM moves the
test out of the loop). Scalars come as the target's float type, parameters as tuples of it, so no value recompiles.
What keeps the loops vectorised: ternaries instead of branches, numbers (never arrays) into `point`. Sums cut a chunk
out of the rows first: of an index that begins elsewhere than at 0 Numba tests whether it is negative, and the loop
takes three times as long.
"""

import math
from typing import Any

import numpy as np

from boostloss._types import Array, Number, Numbers
from boostloss.kernels.scalar import exp, joined, log1p_unit, log_p_of, number, smaller_probability, widest_vectors

real: Any = float  # a target's type of a row's numbers, the one for the hyper-parameters of a power
wide: Any = float
summed: Any = float  # and that of a sum over rows

ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)  # exact in float32: harmless in a float64 row too
CHUNK = 16384  # rows of one partial sum: fixed, so that a sum does not depend on the number of threads


def formula(*arguments: Any) -> Any:
    """The scalar definition of a loss: binding replaces it."""


def point(*arguments: Any) -> Any:
    """What the loops call, one of the functions named so below: binding replaces it."""


def probability(m: Number) -> tuple[Number, Number, Number, Number]:
    """log p, log q, p and q of p = sigmoid(m), q = 1 - p, each to full relative precision.

    log q is `joined`: a power of q needs more digits of it than a row's numbers have.
    """
    e = exp(-abs(m))
    larger = ONE / (ONE + e)
    smaller = smaller_probability(e, larger)
    rest = log1p_unit(e)
    up = m >= ZERO
    log_p = log_p_of(ZERO if up else m, -rest)
    log_q = joined(-m if up else ZERO, -rest)
    return log_p, log_q, larger if up else smaller, smaller if up else larger


def scaled_point(log_p: Number, log_q: Number, p: Number, q: Number, *params: Number) -> Any:
    """A formula of the probability of the true class that takes log q as it is."""
    return formula(log_p, log_q, p, q, *params)


def scaled_point_of_number(log_p: Number, log_q: Number, p: Number, q: Number, *params: Number) -> Any:
    """Any other formula of the probability of the true class."""
    return formula(log_p, number(log_q), p, q, *params)


def point_of_probability(m: Number, *params: Number) -> tuple[Number, Number, Number, Number]:
    """Value, first and second derivative by the margin of the true class, and the second as its own curvature."""
    log_p, log_q, p, q = probability(m)
    f, first, second = scaled_point(log_p, log_q, p, q, *params)
    h = second - p * first
    return f, first, h, h


def point_of_margin(m: Number, *params: Number) -> Any:
    """The same from a formula of the margin."""
    return formula(m, *params)


def point_of_residual(y_true: Number, raw_prediction: Number, *params: Number) -> Any:
    """A formula of the residual; the subtraction runs in the arrays' own type, before rounding to the kernel's."""
    return formula(real(raw_prediction - y_true), *params)


def point_of_prediction(y_true: Number, raw_prediction: Number, *params: Number) -> Any:
    """A formula of the target and the raw prediction."""
    return formula(real(y_true), real(raw_prediction), *params)


def binary_derivatives(
    y_true: Array, raw_prediction: Array, sample_weight: Array, negative: Numbers, positive: Numbers,
    class_weight: tuple[Number, Number], exact: bool, relative_floor: Number, least: Number, gradient: Array,
    hessian: Array
) -> None:
    """Labels 0 or 1; the curvature, or the second derivative, at least max(relative_floor * abs(gradient), least).

    No floor where that is NaN.
    """
    widest_vectors()
    negative_weight, positive_weight = class_weight
    for i in range(y_true.shape[0]):
        is_positive = y_true[i] > HALF
        m = real(raw_prediction[i]) if is_positive else -real(raw_prediction[i])
        params = positive if is_positive else negative
        _, first, second, curvature = point(m, *params)
        h, floor = second if exact else curvature, relative_floor * abs(first)
        floor = least if floor < least else floor
        weight = positive_weight if is_positive else negative_weight
        weight = weight * (sample_weight[i] if sample_weight.size else ONE)
        gradient[i] = weight * (first if is_positive else -first)
        hessian[i] = weight * (floor if h < floor else h)


def binary_value(
    y_true: Array, raw_prediction: Array, sample_weight: Array, negative: Numbers, positive: Numbers,
    class_weight: tuple[Number, Number], value: Array
) -> None:
    """Labels 0 or 1."""
    widest_vectors()
    negative_weight, positive_weight = class_weight
    for i in range(y_true.shape[0]):
        is_positive = y_true[i] > HALF
        m = real(raw_prediction[i]) if is_positive else -real(raw_prediction[i])
        params = positive if is_positive else negative
        f, _, _, _ = point(m, *params)
        weight = positive_weight if is_positive else negative_weight
        value[i] = weight * (sample_weight[i] if sample_weight.size else ONE) * f


def soft_binary_derivatives(
    y_true: Array, raw_prediction: Array, sample_weight: Array, negative: Numbers, positive: Numbers,
    class_weight: tuple[Number, Number], exact: bool, relative_floor: Number, least: Number, gradient: Array,
    hessian: Array
) -> None:
    """Labels in [0, 1]: y times the positive class plus 1 - y times the negative one, as two weighted rows would be."""
    widest_vectors()
    negative_weight, positive_weight = class_weight
    for i in range(y_true.shape[0]):
        y, z = real(y_true[i]), real(raw_prediction[i])
        _, first_1, second_1, curvature_1 = point(z, *positive)
        _, first_0, second_0, curvature_0 = point(-z, *negative)
        h_1, floor_1 = second_1 if exact else curvature_1, relative_floor * abs(first_1)
        h_0, floor_0 = second_0 if exact else curvature_0, relative_floor * abs(first_0)
        floor_1 = least if floor_1 < least else floor_1
        floor_0 = least if floor_0 < least else floor_0
        weight = sample_weight[i] if sample_weight.size else ONE
        weight_1, weight_0 = weight * positive_weight * y, weight * negative_weight * (ONE - y)
        gradient[i] = weight_1 * first_1 - weight_0 * first_0
        hessian[i] = weight_1 * (floor_1 if h_1 < floor_1 else h_1) + weight_0 * (floor_0 if h_0 < floor_0 else h_0)


def soft_binary_value(
    y_true: Array, raw_prediction: Array, sample_weight: Array, negative: Numbers, positive: Numbers,
    class_weight: tuple[Number, Number], value: Array
) -> None:
    """Labels in [0, 1]."""
    widest_vectors()
    negative_weight, positive_weight = class_weight
    for i in range(y_true.shape[0]):
        y, z = real(y_true[i]), real(raw_prediction[i])
        f_1, _, _, _ = point(z, *positive)
        f_0, _, _, _ = point(-z, *negative)
        weight = sample_weight[i] if sample_weight.size else ONE
        value[i] = weight * positive_weight * y * f_1 + weight * negative_weight * (ONE - y) * f_0


def elementwise_derivatives(
    y_true: Array, raw_prediction: Array, sample_weight: Array, params: Numbers, exact: bool, floor: Number,
    gradient: Array, hessian: Array
) -> None:
    """The curvature, or the exact second derivative but at least floor * curvature (no floor where that is NaN)."""
    widest_vectors()
    for i in range(y_true.shape[0]):
        _, g, second, curvature = point(y_true[i], raw_prediction[i], *params)
        least = floor * curvature
        second = least if second < least else second
        weight = sample_weight[i] if sample_weight.size else ONE
        gradient[i], hessian[i] = weight * g, weight * (second if exact else curvature)


def elementwise_value(
    y_true: Array, raw_prediction: Array, sample_weight: Array, params: Numbers, value: Array
) -> None:
    """One value per row."""
    widest_vectors()
    for i in range(y_true.shape[0]):
        f, _, _, _ = point(y_true[i], raw_prediction[i], *params)
        value[i] = (sample_weight[i] if sample_weight.size else ONE) * f


def root_sums(y_true: Array, raw_prediction: Array, sample_weight: Array, partial: Array) -> None:
    """The sum of weight * sqrt(abs(formula)) of every chunk of CHUNK rows."""
    widest_vectors()
    for chunk in range(partial.shape[0]):
        rows = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
        y, z, weight = y_true[rows], raw_prediction[rows], sample_weight[rows]
        total = summed(0)
        for i in range(y.shape[0]):
            total += (weight[i] if weight.size else ONE) * math.sqrt(abs(point(y[i], z[i])))
        partial[chunk] = total


def chunk_sums(values: Array, partial: Array) -> None:
    """The sum of every chunk of CHUNK rows, in float64."""
    widest_vectors()
    for chunk in range(partial.shape[0]):
        part = values[chunk * CHUNK : (chunk + 1) * CHUNK]
        total = summed(0)
        for i in range(part.shape[0]):
            total += part[i]
        partial[chunk] = total


def limit(gradient: Array, hessian: Array, relative: Number, least: Number) -> None:
    """Let the curvature be at most max(relative * abs(gradient), least), in place."""
    widest_vectors()
    for i in range(gradient.shape[0]):
        most = relative * abs(gradient[i])
        most = least if most < least else most
        hessian[i] = most if hessian[i] > most else hessian[i]


def rescale(gradient: Array, hessian: Array, gradient_factor: Number, hessian_factor: Number) -> None:
    """Multiply both in place."""
    widest_vectors()
    for i in range(gradient.shape[0]):
        gradient[i] *= gradient_factor
        hessian[i] *= hessian_factor
