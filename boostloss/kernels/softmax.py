"""The loops of K classes: softmax of (n, K) raw predictions, in blocks of rows.

The probability of the true class is sigmoid(m) with m = z_y - logsumexp(the other z), and the other classes share the
rest, 1 - p, as r_k = exp(z_k - logsumexp): so a formula of p gives all derivatives. Inner loops run over the rows of a
block on contiguous scratch, one class after the other, and vectorise for any K. The scratch is one array per kind:
with one array per quantity LLVM gives up proving that they do not overlap.

Raw predictions and results are flat: class k of row i is at i * strides[0] + k * strides[1], so that one compiled loop
serves both memory orders (LLVM makes a second, vectorised version for the stride 1).
"""

from typing import Any

import numpy as np

from boostloss.kernels.scalar import exp, log1p, log1p_unit, smaller_probability
from boostloss.kernels.templates import point, real, wide

ZERO, ONE = np.float32(0), np.float32(1)
LOWEST_LOG = np.float32(-3e38)  # stands for log 0 where it is a factor: 0 times -inf would be NaN
OWN, TOP, TIES, MINOR, LOW, FIRST, SECOND, P, Q, WEIGHT, A, B, N_SLOTS = range(13)  # what is kept of every row
MOST_PARAMETERS = 3  # of a formula


def parameter(high: Any, low: Any) -> Any:
    """A hyper-parameter from its two parts: binding replaces it by one of the following."""


def real_parameter(high, low):
    """In the type of the row."""
    return high


def wide_parameter(high, low):
    """In all its digits."""
    return wide(high) + wide(low)


def picked(a: Any, b: Any, c: Any) -> Any:
    """As many of the three as the formula has hyper-parameters: binding replaces it by one of the following."""


def picked_0(a, b, c):
    """No hyper-parameter."""
    return ()


def picked_1(a, b, c):
    """One hyper-parameter."""
    return (a,)


def picked_2(a, b, c):
    """Two hyper-parameters."""
    return a, b


def picked_3(a, b, c):
    """Three hyper-parameters."""
    return a, b, c


PICKED = picked_0, picked_1, picked_2, picked_3  # by the number of hyper-parameters


def difference(a, b):
    """a - b and what rounding took from it (Knuth 1969); exp of the first alone loses abs(a - b) ulp."""
    d = a - b
    back = d - a
    low = (a - (d - back)) - (b + back)
    return d, low if abs(d) < np.float32(1e4) else ZERO  # the low part of an infinite difference is NaN


def probability_of_sum(m, low):
    """log p, log q, p and q of p = sigmoid(m + low)."""
    e = exp(-abs(m))
    up = m >= ZERO
    e = e - e * (low if up else -low)
    larger = ONE / (ONE + e)
    smaller = smaller_probability(e, larger)
    rest = log1p_unit(e)
    log_p = (ZERO if up else m + low) - rest
    log_q = wide(-m if up else ZERO) - wide(low if up else ZERO) - wide(rest)
    log_q = LOWEST_LOG if log_q < LOWEST_LOG else log_q
    return log_p, log_q, larger if up else smaller, smaller if up else larger


def block_size(n_classes):
    """Rows at a time, so that the scratch stays in the first cache; it divides the rows of a thread's slice."""
    n = 256
    while n > 32 and n * n_classes > 2048:
        n //= 2
    return n


def at(i, k, strides):
    """Place of row i, class k; unsigned, for Numba would test a signed index for being negative (2.5 times slower)."""
    row_stride, class_stride = strides
    return np.uint64(i * row_stride + k * class_stride)


def fetch(raw_prediction, strides, start, size, share):
    """Raw predictions of a block, one class after the other."""
    block = raw_prediction[start * strides[0] :]
    for k in range(share.shape[0]):
        for i in range(size):
            share[k, i] = block[at(i, k, strides)]


def look_up(y_true, sample_weight, table, class_weight, start, size, label, share, params, row):
    """Parameters and weights of a block; the own class gets a raw prediction of -inf, so that it is no rest."""
    for i in range(size):
        own = np.uint64(y_true[start + i])
        label[i] = own
        row[OWN, i] = share[own, i]
        share[own, i] = -np.inf
        row[WEIGHT, i] = class_weight[own] * (sample_weight[start + i] if sample_weight.size else ONE)
    n_params = table.shape[1] // 2
    for j in range(n_params):
        for i in range(size):
            own = np.uint64(label[i])
            params[j, i], params[MOST_PARAMETERS + j, i] = table[own, j], table[own, n_params + j]


def store(result, out, strides, start, size):
    """A block of results, one class after the other: three times as fast as row after row."""
    block = out[start * strides[0] :]
    for k in range(result.shape[0]):
        for i in range(size):
            block[at(i, k, strides)] = result[k, i]


def find_largest(size, share, row):
    """The largest raw prediction of every row."""
    for i in range(size):
        row[TOP, i], row[TIES, i], row[MINOR, i] = share[0, i], -ONE, ZERO
    for k in range(1, share.shape[0]):
        for i in range(size):
            v, top = share[k, i], row[TOP, i]
            row[TOP, i] = top if v < top else v  # a NaN gets in


def add_ties(size, share, row):
    """Raw predictions as large as the largest are shares of 1, of which MINOR leaves out one.

    A loop of its own: with a second row of results the one before it no longer vectorises.
    """
    for k in range(share.shape[0]):
        for i in range(size):
            row[TIES, i] += ONE if share[k, i] == ONE else ZERO
    for i in range(size):
        row[MINOR, i] += row[TIES, i]


def separate(size, share, row):
    """From raw predictions to exp(z_k - largest other z) and the margin m of the own class.

    MINOR is their sum without the largest, a 1: 1 - p of a dominant wrong class needs its digits.
    """
    find_largest(size, share, row)
    for k in range(share.shape[0]):
        for i in range(size):
            d, low = difference(share[k, i], row[TOP, i])
            absent = d < LOWEST_LOG  # the own class: an exp that underflows would cost as much as ten others
            e: Any = exp(ZERO if absent else d)
            e = ZERO if absent else e + e * low
            share[k, i] = e
            row[MINOR, i] += ZERO if e == ONE else e
    add_ties(size, share, row)
    for i in range(size):
        m, low = difference(row[OWN, i], row[TOP, i])
        m, lower = difference(m, log1p(row[MINOR, i]))
        row[OWN, i], row[LOW, i] = m, low + lower


def softmax_derivatives(
    y_true,
    sample_weight,
    raw_prediction,
    n_rows,
    strides,
    table,
    class_weight,
    relative_floor,
    least,
    gradient,
    hessian,
):
    """Class indices; own class g = first, h = second - p first; others -first r, second r^2 - first r (1 - q r).

    `table` (K, 2 P) has the hyper-parameters of every class, rounded, and then what rounding took from them: double
    scratch would halve the width of the whole loop. Floors as in the binary template.
    """
    n_classes = len(class_weight)
    n = block_size(n_classes)
    share, curve = np.empty((n_classes, n), real), np.empty((n_classes, n), real)
    row, label = np.empty((N_SLOTS, n), real), np.empty(n, np.uint32)
    params = np.empty((2 * MOST_PARAMETERS, n), real)
    for start in range(0, n_rows, n):
        size = min(n, n_rows - start)
        fetch(raw_prediction, strides, start, size, share)
        look_up(y_true, sample_weight, table, class_weight, start, size, label, share, params, row)
        separate(size, share, row)
        for i in range(size):
            log_p, log_q, p, q = probability_of_sum(row[OWN, i], row[LOW, i])
            log_p = LOWEST_LOG if log_p < LOWEST_LOG else log_p
            a, b = parameter(params[0, i], params[3, i]), parameter(params[1, i], params[4, i])
            c = parameter(params[2, i], params[5, i])
            _, first, second = point(log_p, log_q, p, q, *picked(a, b, c))
            row[FIRST, i], row[SECOND, i], row[P, i], row[Q, i] = first, second, p, q
            row[TOP, i] = ONE + row[MINOR, i]
        for k in range(n_classes):
            for i in range(size):
                e, rest, weight = share[k, i], row[TOP, i], row[WEIGHT, i]
                others = row[MINOR, i] if e == ONE else rest - e
                r, complement = e / rest, row[P, i] + row[Q, i] * (others / rest)  # 1 - q r, without cancellation
                g = row[FIRST, i] * r
                h, floor = (row[SECOND, i] * r - row[FIRST, i] * complement) * r, relative_floor * abs(g)
                floor = least if floor < least else floor
                share[k, i], curve[k, i] = -g * weight, weight * (floor if h < floor else h)
        for i in range(size):
            first, weight = row[FIRST, i], row[WEIGHT, i]
            h, floor = row[SECOND, i] - row[P, i] * first, relative_floor * abs(first)
            floor = least if floor < least else floor
            row[FIRST, i], row[SECOND, i] = weight * first, weight * (floor if h < floor else h)
        for i in range(size):
            own = np.uint64(label[i])
            share[own, i], curve[own, i] = row[FIRST, i], row[SECOND, i]
        store(share, gradient, strides, start, size)
        store(curve, hessian, strides, start, size)


def softmax_value(y_true, sample_weight, raw_prediction, n_rows, strides, table, class_weight, value):
    """Class indices."""
    n_classes = len(class_weight)
    n = block_size(n_classes)
    share, row, label = np.empty((n_classes, n), real), np.empty((N_SLOTS, n), real), np.empty(n, np.uint32)
    params = np.empty((2 * MOST_PARAMETERS, n), real)
    for start in range(0, n_rows, n):
        size = min(n, n_rows - start)
        fetch(raw_prediction, strides, start, size, share)
        look_up(y_true, sample_weight, table, class_weight, start, size, label, share, params, row)
        separate(size, share, row)
        for i in range(size):
            log_p, log_q, p, q = probability_of_sum(row[OWN, i], row[LOW, i])
            a, b = parameter(params[0, i], params[3, i]), parameter(params[1, i], params[4, i])
            c = parameter(params[2, i], params[5, i])
            f, _, _ = point(log_p, log_q, p, q, *picked(a, b, c))
            value[start + i] = row[WEIGHT, i] * f


def shares(targets, raw_prediction, strides, start, size, gap, share, target, row):
    """For soft targets: z_k - largest z and its exp, their sum without the largest, and the targets of a block."""
    labels, block = targets[start * strides[0] :], raw_prediction[start * strides[0] :]
    for k in range(share.shape[0]):
        for i in range(size):
            gap[k, i], target[k, i] = block[at(i, k, strides)], labels[at(i, k, strides)]
    find_largest(size, gap, row)
    for k in range(share.shape[0]):
        for i in range(size):
            d, low = difference(gap[k, i], row[TOP, i])
            e = exp(d)
            e += e * low
            gap[k, i], share[k, i] = d, e
            row[MINOR, i] += ZERO if e == ONE else e
    add_ties(size, share, row)


def soft_softmax_derivatives(
    targets, sample_weight, raw_prediction, n_rows, strides, class_weight, relative_floor, least, gradient, hessian
):
    """Cross-entropy with a distribution t per row, -sum_k w_k t_k log p_k: with T = sum_k w_k t_k, g = T p - w t."""
    n_classes = len(class_weight)
    n = block_size(n_classes)
    gap, share, target = np.empty((n_classes, n), real), np.empty((n_classes, n), real), np.empty((n_classes, n), real)
    row = np.empty((N_SLOTS, n), real)
    for start in range(0, n_rows, n):
        size = min(n, n_rows - start)
        shares(targets, raw_prediction, strides, start, size, gap, share, target, row)
        for i in range(size):
            row[A, i] = ZERO
            row[WEIGHT, i] = sample_weight[start + i] if sample_weight.size else ONE
        for k in range(n_classes):
            for i in range(size):
                target[k, i] *= class_weight[k]
                row[A, i] += target[k, i]
        for k in range(n_classes):
            for i in range(size):
                whole, e = ONE + row[MINOR, i], share[k, i]
                others = row[MINOR, i] if e == ONE else whole - e
                g = row[A, i] * (e / whole) - target[k, i]
                h, floor = row[A, i] * (e / whole) * (others / whole), relative_floor * abs(g)
                floor = least if floor < least else floor
                share[k, i] = row[WEIGHT, i] * g
                target[k, i] = row[WEIGHT, i] * (floor if h < floor else h)
        store(share, gradient, strides, start, size)
        store(target, hessian, strides, start, size)


def soft_softmax_value(targets, sample_weight, raw_prediction, n_rows, strides, class_weight, value):
    """-sum_k w_k t_k log p_k."""
    n_classes = len(class_weight)
    n = block_size(n_classes)
    gap, share, target = np.empty((n_classes, n), real), np.empty((n_classes, n), real), np.empty((n_classes, n), real)
    row = np.empty((N_SLOTS, n), real)
    for start in range(0, n_rows, n):
        size = min(n, n_rows - start)
        shares(targets, raw_prediction, strides, start, size, gap, share, target, row)
        for i in range(size):
            row[A, i], row[B, i] = ZERO, log1p(row[MINOR, i])
        for k in range(n_classes):
            for i in range(size):
                row[A, i] += class_weight[k] * target[k, i] * (row[B, i] - gap[k, i])
        for i in range(size):
            value[start + i] = (sample_weight[start + i] if sample_weight.size else ONE) * row[A, i]
