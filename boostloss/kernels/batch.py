"""The loops of losses with a statistic of the whole batch: sums per chunk of rows, then the rows again.

Rows are (n,), labels in [0, 1], an empty `sample_weight` stands for no weights. Chunks have a fixed length, so that a
sum does not depend on the number of threads.
"""

import numpy as np

from boostloss._types import Array, Number
from boostloss.kernels.scalar import widest_vectors
from boostloss.kernels.templates import CHUNK, probability, real, summed

ONE, i32 = np.float32(1), np.int32


def class_probabilities(z: Number) -> tuple[Number, Number]:
    """p and 1 - p of class 1."""
    _, _, p, q = probability(z)
    return p, q


def overlap_sums(y_true: Array, raw_prediction: Array, sample_weight: Array, partial: Array) -> None:
    """Weighted true positives, false positives and false negatives of every chunk, counted by probabilities."""
    widest_vectors()
    for chunk in range(partial.shape[0]):
        rows = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
        labels, z, weights = y_true[rows], raw_prediction[rows], sample_weight[rows]
        hits, alarms, misses = summed(0), summed(0), summed(0)
        for i in range(labels.shape[0]):
            p, q = class_probabilities(real(z[i]))
            weight, y = weights[i] if weights.size else ONE, real(labels[i])
            hits += weight * y * p
            alarms += weight * (ONE - y) * p
            misses += weight * y * q
        partial[chunk, 0], partial[chunk, 1], partial[chunk, 2] = hits, alarms, misses


def overlap_derivatives(
    y_true: Array, raw_prediction: Array, sample_weight: Array, slopes: tuple[Number, Number], bend: Number,
    least: Number, gradient: Array, hessian: Array
) -> None:
    """`slopes` by the probability of a label 0 and of a label 1; the curvature is bend p q."""
    widest_vectors()
    negative, positive = slopes
    for i in range(y_true.shape[0]):
        p, q = class_probabilities(real(raw_prediction[i]))
        weight, y = sample_weight[i] if sample_weight.size else ONE, real(y_true[i])
        h = bend * p * q
        gradient[i] = weight * (y * positive + (ONE - y) * negative) * p * q
        hessian[i] = weight * (least if h < least else h)


def bins(y_true: Array, raw_prediction: Array, n_bins: Number, which: Array) -> None:
    """In which of the bins of [0, 1] abs(p - y) lies."""
    widest_vectors()
    last = i32(n_bins - ONE)
    for i in range(y_true.shape[0]):
        y = real(y_true[i])
        p, q = class_probabilities(real(raw_prediction[i]))
        k = i32((abs(p - y) if y < ONE else q) * n_bins)
        which[i] = k if k < last else last


def bin_sums(which: Array, sample_weight: Array, partial: Array) -> None:
    """Summed weight of the rows in every bin, chunk by chunk."""
    widest_vectors()
    for chunk in range(partial.shape[0]):
        rows = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
        bin_of, weight, sums = which[rows], sample_weight[rows], partial[chunk]
        sums[:] = 0.0
        for i in range(bin_of.shape[0]):
            sums[bin_of[i]] += weight[i] if weight.size else ONE


def bin_weights(which: Array, sample_weight: Array, factors: Array, weights: Array) -> None:
    """The weight of every row times the factor of its bin."""
    widest_vectors()
    for i in range(which.shape[0]):
        weights[i] = factors[which[i]] * (sample_weight[i] if sample_weight.size else ONE)
