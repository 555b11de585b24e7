"""The data that trainings are timed on."""

import numpy as np

N_COLUMNS, N_CLASSES = 28, 5


def sample(task, n_rows):
    """Features without meaning but for eight of them, and labels: "binary", "multiclass" or "regression"."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, N_COLUMNS), np.float32)
    score = X[:, :8] @ rng.standard_normal((8, N_CLASSES), np.float32) + 0.5 * X[:, [0]] * X[:, [1]]
    score += rng.gumbel(size=(n_rows, N_CLASSES)).astype(np.float32)
    if task == "binary":
        return X, (score[:, 0] > 1).astype(np.float32)
    return X, score[:, 0].copy() if task == "regression" else score.argmax(axis=1).astype(np.float32)
