"""What a formula of one's own may say."""

import math
import re

import numpy as np
import pytest

from boostloss import ClassificationLoss, RegressionLoss
from boostloss.formula import number, power_q, real

COEFFICIENTS = (0.5, 2.0)


def with_default(r, slope=2.0):
    return slope * r


def closure():
    slope = 2.0

    def point(r):
        return 0.5 * r * r, slope * r, 1.0, 1.0

    return point


def default(r, slope=2.0):
    return 0.5 * r * r, slope * r, 1.0, 1.0


def keyword_default(r, *, slope=2.0):
    return 0.5 * r * r, slope * r, 1.0, 1.0


def nested(r):
    def double(x):
        return 2.0 * x

    return 0.5 * r * r, double(r), 1.0, 1.0


def with_lambda(r):
    return 0.5 * r * r, (lambda x: 2.0 * x)(r), 1.0, 1.0


def with_numpy(r):
    return 0.5 * r * r, np.tanh(r), 1.0, 1.0


def with_sequence(r):
    return 0.5 * r * r, COEFFICIENTS[1] * r, 1.0, 1.0


def with_callee(r):
    return 0.5 * r * r, with_default(r), 1.0, 1.0


def with_pi(r):
    return 0.5 * r * r, math.pi * r, 1.0, 1.0


FORBIDDEN = {
    closure(): "closure.<locals>.point, must have no closure",
    default: "default, must have no closure, default argument",
    keyword_default: "keyword_default, must have no closure, default argument",
    nested: "nested, must have no closure, default argument, nested function",
    with_lambda: "with_lambda, must have no closure, default argument, nested function or lambda",
    with_numpy: "with_numpy uses module 'np'",
    with_sequence: "with_sequence uses 'COEFFICIENTS', which must be a number or a function",
    with_callee: "with_default, must have no closure, default argument",
    with_pi: "with_pi uses math.pi, must have it as a number: 3.141592653589793",
}


@pytest.mark.parametrize("point", FORBIDDEN, ids=lambda point: point.__name__)
def test_forbidden_formula(point):
    """What the cache could not notice, or what would make the loop float64, is an error that names the formula."""
    loss = type("Own", (RegressionLoss,), {"point": staticmethod(point), "slope": 2.0})()
    with pytest.raises(ValueError, match=re.escape(FORBIDDEN[point])):
        loss.gradient_hessian(np.zeros(3), np.ones(3))


class PowerAndLog(ClassificationLoss):
    """-q^gamma log p - log(q) / 10: a formula that needs log q besides a power."""

    def __init__(self, *, gamma=2.0):
        self.gamma = gamma

    @staticmethod
    def point(log_p, log_q, p, q, gamma):
        m, g = power_q(q, log_q, gamma), real(gamma)
        first = m * (g * p * log_p - q) + 0.1 * p
        second = g * p * m * (q * (log_p + 2.0) - (g - 1.0) * p * log_p) + 0.1 * p
        return -m * log_p - 0.1 * number(log_q), first, second


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_outputs", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_log_q_beside_a_power(n_outputs, dtype):
    """`number` gives what is joined in the type of the row, in every target: values and gradients by differences."""
    rng = np.random.default_rng(0)
    raw = rng.normal(size=50 if n_outputs == 1 else (50, 3))
    labels = rng.integers(0, max(n_outputs, 2), 50)
    loss, own = PowerAndLog(gamma=1.7), labels if n_outputs == 1 else labels[:, None]
    z = np.stack([0 * raw, raw], 1) if n_outputs == 1 else raw
    p = (np.exp(z) / np.exp(z).sum(axis=1, keepdims=True))[np.arange(50), np.ravel(own)]
    tolerance = 2e-6 if dtype == np.float32 else 1e-12
    expected = -((1 - p) ** 1.7) * np.log(p) - 0.1 * np.log(1 - p)
    np.testing.assert_allclose(loss.loss(labels, raw.astype(dtype)), expected, rtol=tolerance)
    gradient, _ = loss.gradient_hessian(labels, raw)
    step = np.zeros_like(raw)
    step[..., -1 if n_outputs > 1 else slice(None)] = 1e-5
    slope = (loss.loss(labels, raw + step) - loss.loss(labels, raw - step)) / 2e-5
    np.testing.assert_allclose(gradient if n_outputs == 1 else gradient[:, -1], slope, rtol=1e-6, atol=1e-9)
