"""The loops of K classes for one row at a time, as a thread of a device takes it: no scratch, exp computed twice.

The formulas are those of `softmax`. Arguments are what it takes, cut down to the row: raw predictions and results (K,),
labels and weights (1,), weights empty where there are none.
"""

from typing import Any

import numpy as np

from boostloss._types import Array, Number, Numbers
from boostloss.kernels.scalar import log1p_parts, reciprocal
from boostloss.kernels.softmax import (
    derivatives_of_other,
    derivatives_of_soft,
    difference,
    exp_and_sum,
    floored,
    own_probability,
    parameter,
)
from boostloss.kernels.templates import real, scaled_point

ZERO, ONE = np.float32(0), np.float32(1)
LOWEST = np.float32(-np.inf)
NONE = -1  # the own class of a row with soft labels


def raw_of(raw_prediction: Array, k: int, own: int) -> Number:
    """The raw prediction of a class; -inf of the row's own, so that it is no rest."""
    return LOWEST if k == own else real(raw_prediction[k])


def sum_of_rest(raw_prediction: Array, own: int) -> tuple[Number, Number, Number]:
    """The largest raw prediction but the own one, and the sum of all exp(z - largest) in two parts."""
    top, rest, rest_low = LOWEST, ZERO, ZERO
    for k in range(raw_prediction.shape[0]):
        v = raw_of(raw_prediction, k, own)
        top = top if v < top else v
    for k in range(raw_prediction.shape[0]):
        _, rest, rest_low = exp_and_sum(raw_of(raw_prediction, k, own), top, rest, rest_low)
    return top, rest, rest_low


def parameter_of(table: Array, own: int, j: int) -> Number:
    """Hyper-parameter j of a row."""
    row = own if table.shape[0] > 1 else 0
    return parameter(table[row, j], table[row, table.shape[1] // 2 + j])


def table_parameters(table: Any, own: Any) -> Any:
    """All hyper-parameters of a row, as many as the formula has: binding replaces it by one of the following."""


def table_parameters_0(table: Array, own: int) -> Numbers:
    """No hyper-parameter."""
    return ()


def table_parameters_1(table: Array, own: int) -> Numbers:
    """One hyper-parameter."""
    return (parameter_of(table, own, 0),)


def table_parameters_2(table: Array, own: int) -> Numbers:
    """Two hyper-parameters."""
    return parameter_of(table, own, 0), parameter_of(table, own, 1)


def table_parameters_3(table: Array, own: int) -> Numbers:
    """Three hyper-parameters."""
    return parameter_of(table, own, 0), parameter_of(table, own, 1), parameter_of(table, own, 2)


# By the number of hyper-parameters
TABLE_PARAMETERS = table_parameters_0, table_parameters_1, table_parameters_2, table_parameters_3


def own_point(
    raw_prediction: Array, own: int, table: Array, top: Number, sums: Numbers
) -> tuple[Number, Number, Number, Number, Number]:
    """p and q of the own class, and value, first and second derivative of its formula."""
    d, low = difference(real(raw_prediction[own]), top)
    log_p, log_q, p, q = own_probability(d, low, *sums)
    f, first, second = scaled_point(log_p, log_q, p, q, *table_parameters(table, own))
    return p, q, f, first, second


def shift_classes(raw_prediction: Array, offset: Array, shifted: Array) -> None:
    """Raw predictions with an offset of their class added."""
    for k in range(raw_prediction.shape[0]):
        shifted[k] = raw_prediction[k] + offset[k]


def softmax_derivatives(
    y_true: Array, sample_weight: Array, raw_prediction: Array, table: Array, class_weight: Array,
    relative_floor: Number, least: Number, gradient: Array, hessian: Array
) -> None:
    """Class indices."""
    own = y_true[0]
    top, rest, rest_low = sum_of_rest(raw_prediction, own)
    sums = rest, rest_low, *reciprocal(rest, rest_low)
    p, q, _, first, second = own_point(raw_prediction, own, table, top, sums)
    weight = class_weight[own] * (sample_weight[0] if sample_weight.size else ONE)
    first, second, lowest = weight * first, weight * second, weight * least
    for k in range(raw_prediction.shape[0]):
        e, _, _ = exp_and_sum(raw_of(raw_prediction, k, own), top, ZERO, ZERO)
        g, h = derivatives_of_other(e, sums, p, q, first, second, relative_floor, lowest)
        own_h = floored(second - p * first, first, relative_floor, lowest)
        gradient[k], hessian[k] = first if k == own else g, own_h if k == own else h


def softmax_value(
    y_true: Array, sample_weight: Array, raw_prediction: Array, table: Array, class_weight: Array, value: Array
) -> None:
    """Class indices."""
    own = y_true[0]
    top, rest, rest_low = sum_of_rest(raw_prediction, own)
    sums = rest, rest_low, *reciprocal(rest, rest_low)
    _, _, f, _, _ = own_point(raw_prediction, own, table, top, sums)
    value[0] = class_weight[own] * (sample_weight[0] if sample_weight.size else ONE) * f


def soft_softmax_derivatives(
    targets: Array, sample_weight: Array, raw_prediction: Array, class_weight: Array, relative_floor: Number,
    least: Number, gradient: Array, hessian: Array
) -> None:
    """Cross-entropy with a distribution of labels."""
    top, rest, rest_low = sum_of_rest(raw_prediction, NONE)
    sums = rest, rest_low, *reciprocal(rest, rest_low)
    total, weight = ZERO, sample_weight[0] if sample_weight.size else ONE
    for k in range(raw_prediction.shape[0]):
        total += class_weight[k] * targets[k]
    for k in range(raw_prediction.shape[0]):
        e, _, _ = exp_and_sum(real(raw_prediction[k]), top, ZERO, ZERO)
        g, h = derivatives_of_soft(e, sums, class_weight[k] * targets[k], total, relative_floor, least)
        gradient[k], hessian[k] = weight * g, weight * h


def soft_softmax_value(
    targets: Array, sample_weight: Array, raw_prediction: Array, class_weight: Array, value: Array
) -> None:
    """The same, -sum_k w_k t_k log p_k."""
    top, rest, rest_low = sum_of_rest(raw_prediction, NONE)
    high, low = log1p_parts(rest - ONE + rest_low)
    log_rest, total = high + low, ZERO
    for k in range(raw_prediction.shape[0]):
        total += class_weight[k] * targets[k] * (log_rest - (real(raw_prediction[k]) - top))
    value[0] = (sample_weight[0] if sample_weight.size else ONE) * total
