"""What the tests of every loss share: dtypes, weights, columns of raw predictions."""

import numpy as np
import pytest

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
WEIGHTED = pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])


def rowwise(weight, array):
    return weight if array.ndim == 1 else weight[:, None]


def all_of(loss, y, raw, weight=None):
    """Value, gradient and curvature."""
    return loss.loss(y, raw, weight), *loss.gradient_hessian(y, raw, weight)
