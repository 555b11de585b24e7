"""Probabilities of classes from raw predictions, in NumPy and float64: for posteriors and starts, not for training."""

import numpy as np
from numpy.typing import ArrayLike

from boostloss._types import Floats


def softplus(x: Floats | float) -> Floats:
    """log(1 + exp(x)) without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def true_class_margins(raw_prediction: ArrayLike) -> Floats:
    """Margin of every class against all the others, (n, K): p_k = sigmoid(margin_k).

    (n,) stands for two classes. The log-sum-exp of the others comes from running sums from both sides, O(K).
    """
    raw = np.asarray(raw_prediction, np.float64)
    if raw.ndim == 1:
        return np.column_stack([-raw, raw])
    n_rows = len(raw)
    nothing = np.full((n_rows, 1), -np.inf)
    before = np.hstack([nothing, np.logaddexp.accumulate(raw[:, :-1], axis=1)])
    after = np.hstack([np.logaddexp.accumulate(raw[:, :0:-1], axis=1)[:, ::-1], nothing])
    others: Floats = np.logaddexp(before, after)
    return raw - others


def probability_parts(margin: Floats | float) -> tuple[Floats, Floats, Floats, Floats]:
    """log p, log q, p and q of p = sigmoid(margin), q = 1 - p, without cancellation."""
    e = np.exp(-np.abs(margin))
    larger, smaller = 1 / (1 + e), e / (1 + e)
    up = margin >= 0
    return -softplus(-margin), -softplus(margin), np.where(up, larger, smaller), np.where(up, smaller, larger)


def minus_log_ratio(log_p: Floats, q: Floats) -> Floats:
    """-log p / q for q = 1 - p, also where q underflows."""
    small = q < 1e-8
    return np.where(small, 1 + q / 2, -log_p / np.where(small, 1.0, q))


def normalised(log_weights: Floats) -> Floats:
    """Rows of exp(log_weights) divided by their sum."""
    weights: Floats = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
    total: Floats = weights.sum(axis=1, keepdims=True)
    return weights / total
