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


def assert_majorised(loss, y, raw):
    """L(z + t) <= L(z) + g t + h t^2 / 2 for every t."""
    value, (gradient, hessian) = loss.loss(y, raw), loss.gradient_hessian(y, raw)
    rng = np.random.default_rng(5)
    for spread in (1e-2, 1.0, 10.0, 1e3):
        t = spread * rng.standard_t(2, len(y))
        bound = value + gradient * t + hessian * t**2 / 2
        assert (loss.loss(y, raw + t) <= bound + 1e-12 * (1 + np.abs(bound))).all()
