"""The loops of K classes: softmax of (n, K) raw predictions, in blocks of rows.

The probability of the true class is p = E / (E + rest), E = exp(z_y - top) and rest = sum exp(z_k - top) over the other
classes, top being their largest z. They share 1 - p as r_k = exp(z_k - top) / rest: so a formula of p gives all
derivatives. Inner loops run over the rows of a block on contiguous scratch, one class after the other, and vectorise
for any K. What is kept of every row lies in one array, at places LLVM knows: it proves of few arrays only that they do
not overlap.

Raw predictions and results are flat: class k of row i is at i * strides[0] + k * strides[1]. Binding chooses the words
for either memory order, and for rows of few classes makes their number a constant (`words_of_layout`);
N_CLASSES is 0 elsewhere. For `min` Numba would compile a function, hence the ternaries.
"""

from typing import Any

import numpy as np

from boostloss._types import Array, Number, Numbers
from boostloss.kernels.arrays import part, scratch, scratch_on_stack
from boostloss.kernels.scalar import (
    exp_parts,
    joined,
    log1p_parts,
    log1p_unit_parts,
    log_p_of,
    product_parts,
    reciprocal,
    smaller_probability,
    widest_vectors,
)
from boostloss.kernels.templates import real, scaled_point, wide

ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)
LOWEST_LOG = np.float32(-3e38)  # stands for log 0
MOST_ROWS = 256  # of a block: `block_size` at its largest
MOST_PARAMETERS = 3  # of a formula
# What is kept of every row; a hyper-parameter has a place for itself and one for what rounding took from it
# (NumPy's integers, for Numba would compile a function anew for every literal that it is called with)
PLACES = [np.int64(i) for i in range(13)]
OWN, TOP, REST, REST_LOW, INVERSE, INVERSE_LOW, FIRST, SECOND, P, Q, WEIGHT, LEAST, PARAMETERS = PLACES
TOTAL, LOG_REST = FIRST, SECOND  # with soft labels
SECOND_PARAMETER, THIRD_PARAMETER = PARAMETERS + np.int64(1), PARAMETERS + np.int64(2)
N_KEPT = int(PARAMETERS) + 2 * MOST_PARAMETERS
BY_ROW = range(3, 9)  # numbers of classes; 9 and more are slower so
N_CLASSES = np.int64(0)  # one of these: binding replaces it


def parameter(high: Any, low: Any) -> Any:
    """A hyper-parameter from its two parts: binding replaces it by one of the following."""


def real_parameter(high: Number, low: Number) -> Number:
    """In the type of the row."""
    return high


def wide_parameter(high: Number, low: Number) -> Number:
    """In all its digits."""
    return wide(high) + wide(low)


def row_parameter(row: Array, place: np.int64, i: int) -> Number:
    """One hyper-parameter of a row."""
    return parameter(kept(row, place)[i], kept(row, place + MOST_PARAMETERS)[i])


def row_parameters(row: Any, i: Any) -> Any:
    """All hyper-parameters of a row, as many as the formula has: binding replaces it by one of the following."""


def row_parameters_0(row: Array, i: int) -> Numbers:
    """No hyper-parameter."""
    return ()


def row_parameters_1(row: Array, i: int) -> Numbers:
    """One hyper-parameter."""
    return (row_parameter(row, PARAMETERS, i),)


def row_parameters_2(row: Array, i: int) -> Numbers:
    """Two hyper-parameters."""
    return row_parameter(row, PARAMETERS, i), row_parameter(row, SECOND_PARAMETER, i)


def row_parameters_3(row: Array, i: int) -> Numbers:
    """Three hyper-parameters."""
    first, second = row_parameter(row, PARAMETERS, i), row_parameter(row, SECOND_PARAMETER, i)
    return first, second, row_parameter(row, THIRD_PARAMETER, i)


def no_parameters(label: Array, table: Array, start: int, row: Array) -> None:
    """In place of `look_up_parameters`."""


ROW_PARAMETERS = row_parameters_0, row_parameters_1, row_parameters_2, row_parameters_3


def difference(a: Number, b: Number) -> tuple[Number, Number]:
    """a - b and what rounding took from it (Knuth 1969); exp of the first alone loses abs(a - b) ulp."""
    d = a - b
    back = d - a
    low = (a - (d - back)) - (b + back)
    return d, low if abs(d) < np.float32(1e4) else ZERO  # the low part of an infinite difference is NaN


def exp_and_sum(v: Number, top: Number, total: Number, low: Number) -> tuple[Number, Number, Number]:
    """exp(v - top), and the sum of two parts with it added (Knuth 1969)."""
    d, d_low = difference(v, top)
    absent = d < LOWEST_LOG  # the own class: an exp that underflows would cost as much as ten others
    e, e_low = exp_parts(ZERO if absent else d, -d_low)
    e = ZERO if absent else e  # e_low is 0 there
    new = total + e
    back = new - total
    return e, new, low + ((total - (new - back)) + ((e - back) + e_low))


def own_probability(
    d: Number, low: Number, rest: Number, rest_low: Number, inverse: Number, inverse_low: Number
) -> tuple[Number, Number, Number, Number]:
    """log p, log q, p and q of the own class: exp(d + low) stands against rest + rest_low = 1 / (inverse + ..)."""
    above = d >= ZERO
    factor, factor_low = rest if above else inverse, rest_low if above else inverse_low
    ratio, ratio_low = exp_parts(-d if above else d, low if above else -low)
    ratio, ratio_low = product_parts(ratio, ratio_low, factor, factor_low)
    flipped, flipped_low = reciprocal(ratio, ratio_low)
    over = ratio > ONE  # where the own class is above the others one by one, not together
    up, e, e_low = above != over, flipped if over else ratio, flipped_low if over else ratio_low
    larger = ONE / (ONE + e)
    smaller = smaller_probability(e, larger)
    log_rest, tail = log1p_parts(rest - ONE + rest_low)
    gap, lost = difference(log_rest, d)
    gap, tail = LOWEST_LOG if gap < LOWEST_LOG else gap, tail + (lost - low)
    gap = -LOWEST_LOG if gap > -LOWEST_LOG else gap  # where log p is a factor: 0 times -inf would be NaN
    log_e, log_e_low = log1p_unit_parts(e)
    log_p = log_p_of(ZERO if up else -gap, -((ZERO if up else tail) + (log_e_low + log_e)))
    log_q, lost = difference(gap if up else ZERO, log_e)
    log_q = joined(log_q, lost + ((tail if up else ZERO) - (log_e_low + e_low * larger)))
    return log_p, log_q, larger if up else smaller, smaller if up else larger


def kept(row: Array, what: np.int64) -> Array:
    """One number of every row of a block."""
    return part(row, what * MOST_ROWS, MOST_ROWS)


def block_size(n_classes: Any) -> Any:
    """Rows at a time, so that the scratch stays in the first cache; it divides the rows of a thread's slice."""
    return 256 if n_classes <= 8 else (128 if n_classes <= 16 else (64 if n_classes <= 32 else 32))


def at(i: int, k: int, strides: tuple[int, int]) -> np.uint64:
    """Place of row i, class k; unsigned, for Numba would test a signed index for being negative (2.5 times slower)."""
    row_stride, class_stride = strides
    return np.uint64(i * row_stride + k * class_stride)


def at_in_rows(i: int, k: int, strides: tuple[int, int]) -> np.uint64:
    """Where a row lies together: LLVM sees that classes follow each other."""
    return np.uint64(i * strides[0] + k)


def at_in_classes(i: int, k: int, strides: tuple[int, int]) -> np.uint64:
    """Where a class lies together."""
    return np.uint64(i + k * strides[1])


def fetch(raw_prediction: Array, strides: tuple[int, int], start: int, size: int, share: Array) -> None:
    """Raw predictions of a block, one class after the other."""
    widest_vectors()
    block = part(raw_prediction, start * strides[0], raw_prediction.size)
    for k in range(share.shape[0]):
        for i in range(size):
            share[k, i] = block[at(i, k, strides)]


def fetch_rows(raw_prediction: Array, strides: tuple[int, int], start: int, size: int, share: Array) -> None:
    """The same, one row after the other: LLVM knows the number of classes."""
    widest_vectors()
    block = part(raw_prediction, start * N_CLASSES, size * N_CLASSES)
    for i in range(size):
        for k in range(N_CLASSES):
            share[k, i] = block[np.uint64(i * N_CLASSES + k)]


def look_up(
    y_true: Array, sample_weight: Array, table: Array, class_weight: Array, start: int, size: int, share: Array,
    row: Array
) -> None:
    """Parameters and weights of a block; the own class gets a raw prediction of -inf, so that it is no rest."""
    widest_vectors()
    own, weight = kept(row, OWN), kept(row, WEIGHT)
    label, given = part(y_true, start, size), part(sample_weight, start, size)
    for i in range(size):
        k = np.uint64(label[i])
        own[i] = share[k, i]
        share[k, i] = -np.inf
        weight[i] = class_weight[k] * (given[i] if given.size else ONE)
    look_up_parameters(label, table, start, row)


def look_up_parameters(label: Array, table: Array, start: int, row: Array) -> None:
    """Parameters of a block: binding leaves it out where a formula has none."""
    widest_vectors()
    many, n_params, size = table.shape[0] > 1, table.shape[1] // 2, label.shape[0]
    for j in range(n_params if many or start == 0 else 0):  # the same for all classes are there since the first block
        high, low = kept(row, PARAMETERS + j), kept(row, PARAMETERS + MOST_PARAMETERS + j)
        for i in range(size):
            k = np.uint64(label[i] if many else 0)
            high[i], low[i] = table[k, j], table[k, n_params + j]


def store(result: Array, out: Array, strides: tuple[int, int], start: int, size: int) -> None:
    """A block of results, one class after the other: three times as fast as row after row of any number of them."""
    widest_vectors()
    block = part(out, start * strides[0], out.size)
    for k in range(result.shape[0]):
        for i in range(size):
            block[at(i, k, strides)] = result[k, i]


def store_rows(result: Array, out: Array, strides: tuple[int, int], start: int, size: int) -> None:
    """The same, one row after the other: the kernel takes 0.8 to 0.9 of the time."""
    widest_vectors()
    block = part(out, start * N_CLASSES, size * N_CLASSES)
    for i in range(size):
        for k in range(N_CLASSES):
            block[np.uint64(i * N_CLASSES + k)] = result[k, i]


def layout_of(array: Array) -> tuple[int, bool]:
    """Of a contiguous (n, K) array: K where kernels know it, else 0, and whether rows lie together."""
    in_rows = array.flags["C_CONTIGUOUS"]  # arrays of a device have it too
    return array.shape[1] if in_rows and array.shape[1] in BY_ROW else 0, in_rows


def words_of_layout(n_classes: int, in_rows: bool) -> dict[str, Any]:
    """What binding puts behind `at`, `fetch` and `store`: a kernel for all layouts compiles for 1.5 times as long."""
    if n_classes:
        words: dict[str, Any] = {"at": at_in_rows, "fetch": fetch_rows, "store": store_rows}
        return {**words, "N_CLASSES": np.int64(n_classes), "scratch": scratch_on_stack}
    return {"at": at_in_rows if in_rows else at_in_classes}


def sum_up(size: int, share: Array, row: Array) -> None:
    """From raw predictions to exp(z_k - largest), the largest being that of the row, and their sum.

    It has two parts: 1 - p of a dominant wrong class is the sum without its 1.
    """
    widest_vectors()
    largest, rest, rest_low = kept(row, TOP), kept(row, REST), kept(row, REST_LOW)
    for i in range(size):
        largest[i], rest[i], rest_low[i] = share[0, i], ZERO, ZERO
    for k in range(1, share.shape[0]):
        for i in range(size):
            v, top = share[k, i], largest[i]
            largest[i] = top if v < top else v  # a NaN gets in
    for k in range(share.shape[0]):
        for i in range(size):
            share[k, i], rest[i], rest_low[i] = exp_and_sum(share[k, i], largest[i], rest[i], rest_low[i])


def row_probability(row: Array, i: int) -> tuple[Number, Number, Number, Number]:
    """log p, log q, p and q of the own class of a row, whose reciprocal of the sum is kept."""
    rest, rest_low = kept(row, REST)[i], kept(row, REST_LOW)[i]
    inverse, inverse_low = reciprocal(rest, rest_low)
    kept(row, INVERSE)[i], kept(row, INVERSE_LOW)[i] = inverse, inverse_low
    d, low = difference(kept(row, OWN)[i], kept(row, TOP)[i])
    return own_probability(d, low, rest, rest_low, inverse, inverse_low)


def floored(h: Number, g: Number, relative_floor: Number, least: Number) -> Number:
    """The curvature, at least max(relative_floor * abs(g), least)."""
    floor = relative_floor * abs(g)
    floor = least if floor < least else floor
    return floor if h < floor else h


def derivatives_of_other(
    e: Number, sums: Numbers, p: Number, q: Number, first: Number, second: Number, relative_floor: Number, least: Number
) -> tuple[Number, Number]:
    """Gradient and curvature of a class that is not the row's own, from its exp, the sums over all such, and p and q.

    With its share r of the sum they are -first r and second r^2 - first r (1 - q r).
    """
    rest, rest_low, inverse, inverse_low = sums
    r, others = e * inverse + e * inverse_low, rest - e + rest_low
    others = others * inverse + others * inverse_low
    complement = ONE - q * r if r < HALF else p + q * others  # 1 - q r without cancellation
    g = first * r
    return -g, floored((second * r - first * complement) * r, g, relative_floor, least)


def derivatives_of_soft(
    e: Number, sums: Numbers, target: Number, total: Number, relative_floor: Number, least: Number
) -> tuple[Number, Number]:
    """Gradient and curvature of a class with soft labels, from its exp, the sums over all, and its share of labels."""
    rest, rest_low, inverse, inverse_low = sums
    p, q = e * inverse + e * inverse_low, (rest - e + rest_low) * inverse
    g = total * p - target
    return g, floored(total * p * q, g, relative_floor, least)


def shift_classes(raw_prediction: Array, n_rows: int, strides: tuple[int, int], offset: Array, shifted: Array) -> None:
    """Raw predictions with an offset of their class added."""
    widest_vectors()
    for k in range(offset.shape[0]):
        for i in range(n_rows):
            shifted[at(i, k, strides)] = raw_prediction[at(i, k, strides)] + offset[k]


def softmax_derivatives(
    y_true: Array, sample_weight: Array, raw_prediction: Array, n_rows: int, strides: tuple[int, int], table: Array,
    class_weight: Array, relative_floor: Number, least: Number, gradient: Array, hessian: Array
) -> None:
    """Class indices; own class g = first, h = second - p first; `derivatives_of_other` has the others.

    `table` (K, 2 P) has the hyper-parameters of every class, rounded, and then what rounding took from them: double
    scratch would halve the width of the whole loop; (1, 2 P) where all classes have the same. Floors as in the binary
    template.
    """
    widest_vectors()
    n_classes = N_CLASSES if N_CLASSES else len(class_weight)
    n = block_size(n_classes)
    share, curve = scratch(real, n_classes, n), scratch(real, n_classes, n)
    row = scratch(real, N_KEPT, MOST_ROWS)
    rest, rest_low = kept(row, REST), kept(row, REST_LOW)
    inverse, inverse_low = kept(row, INVERSE), kept(row, INVERSE_LOW)
    probability, other, weight = kept(row, P), kept(row, Q), kept(row, WEIGHT)
    firsts, seconds, lowest = kept(row, FIRST), kept(row, SECOND), kept(row, LEAST)
    for start in range(0, n_rows, n):
        size = n if n < n_rows - start else n_rows - start
        fetch(raw_prediction, strides, start, size, share)
        look_up(y_true, sample_weight, table, class_weight, start, size, share, row)
        sum_up(size, share, row)
        for i in range(size):
            log_p, log_q, p, q = row_probability(row, i)
            _, first, second = scaled_point(log_p, log_q, p, q, *row_parameters(row, i))
            firsts[i], seconds[i], lowest[i] = weight[i] * first, weight[i] * second, weight[i] * least
            probability[i], other[i] = p, q
        for k in range(len(class_weight)):  # LLVM would unroll a known number: 1,100 lines more
            for i in range(size):
                sums = rest[i], rest_low[i], inverse[i], inverse_low[i]
                share[k, i], curve[k, i] = derivatives_of_other(
                    share[k, i], sums, probability[i], other[i], firsts[i], seconds[i], relative_floor, lowest[i]
                )
        for i in range(size):
            h = seconds[i] - probability[i] * firsts[i]
            seconds[i] = floored(h, firsts[i], relative_floor, lowest[i])
        label = part(y_true, start, size)
        for i in range(size):
            own = np.uint64(label[i])
            share[own, i], curve[own, i] = firsts[i], seconds[i]
        store(share, gradient, strides, start, size)
        store(curve, hessian, strides, start, size)


def softmax_value(
    y_true: Array, sample_weight: Array, raw_prediction: Array, n_rows: int, strides: tuple[int, int], table: Array,
    class_weight: Array, value: Array
) -> None:
    """Class indices."""
    widest_vectors()
    n_classes = N_CLASSES if N_CLASSES else len(class_weight)
    n = block_size(n_classes)
    share, row = scratch(real, n_classes, n), scratch(real, N_KEPT, MOST_ROWS)
    weight = kept(row, WEIGHT)
    for start in range(0, n_rows, n):
        size = n if n < n_rows - start else n_rows - start
        fetch(raw_prediction, strides, start, size, share)
        look_up(y_true, sample_weight, table, class_weight, start, size, share, row)
        sum_up(size, share, row)
        for i in range(size):
            log_p, log_q, p, q = row_probability(row, i)
            f, _, _ = scaled_point(log_p, log_q, p, q, *row_parameters(row, i))
            value[start + i] = weight[i] * f


def soft_softmax_derivatives(
    targets: Array, sample_weight: Array, raw_prediction: Array, n_rows: int, strides: tuple[int, int],
    class_weight: Array, relative_floor: Number, least: Number, gradient: Array, hessian: Array
) -> None:
    """Cross-entropy with a distribution t per row, -sum_k w_k t_k log p_k: with T = sum_k w_k t_k, g = T p - w t."""
    widest_vectors()
    n_classes = N_CLASSES if N_CLASSES else len(class_weight)
    n = block_size(n_classes)
    share, target = scratch(real, n_classes, n), scratch(real, n_classes, n)
    row = scratch(real, N_KEPT, MOST_ROWS)
    rest, rest_low = kept(row, REST), kept(row, REST_LOW)
    inverse, inverse_low = kept(row, INVERSE), kept(row, INVERSE_LOW)
    total, weight = kept(row, TOTAL), kept(row, WEIGHT)
    for start in range(0, n_rows, n):
        size = n if n < n_rows - start else n_rows - start
        fetch(raw_prediction, strides, start, size, share)
        fetch(targets, strides, start, size, target)
        sum_up(size, share, row)
        for i in range(size):
            inverse[i], inverse_low[i] = reciprocal(rest[i], rest_low[i])
            total[i], weight[i] = ZERO, sample_weight[start + i] if sample_weight.size else ONE
        for k in range(n_classes):
            for i in range(size):
                target[k, i] *= class_weight[k]
                total[i] += target[k, i]
        for k in range(n_classes):
            for i in range(size):
                sums = rest[i], rest_low[i], inverse[i], inverse_low[i]
                g, h = derivatives_of_soft(share[k, i], sums, target[k, i], total[i], relative_floor, least)
                share[k, i], target[k, i] = weight[i] * g, weight[i] * h
        store(share, gradient, strides, start, size)
        store(target, hessian, strides, start, size)


def soft_softmax_value(
    targets: Array, sample_weight: Array, raw_prediction: Array, n_rows: int, strides: tuple[int, int],
    class_weight: Array, value: Array
) -> None:
    """-sum_k w_k t_k log p_k."""
    widest_vectors()
    n_classes = N_CLASSES if N_CLASSES else len(class_weight)
    n = block_size(n_classes)
    share, row = scratch(real, n_classes, n), scratch(real, N_KEPT, MOST_ROWS)
    top, log_rest, total = kept(row, TOP), kept(row, LOG_REST), kept(row, TOTAL)
    for start in range(0, n_rows, n):
        size = n if n < n_rows - start else n_rows - start
        fetch(raw_prediction, strides, start, size, share)
        sum_up(size, share, row)
        for i in range(size):
            high, low = log1p_parts(kept(row, REST)[i] - ONE + kept(row, REST_LOW)[i])
            total[i], log_rest[i] = ZERO, high + low
        fetch(raw_prediction, strides, start, size, share)
        labels = part(targets, start * strides[0], targets.size)
        for k in range(n_classes):
            for i in range(size):
                gap = log_rest[i] - (share[k, i] - top[i])
                total[i] += class_weight[k] * labels[at(i, k, strides)] * gap
        for i in range(size):
            value[start + i] = (sample_weight[start + i] if sample_weight.size else ONE) * total[i]
