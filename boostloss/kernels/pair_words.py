"""The vocabulary in float32 alone: where `scalar.SIMD` computes in double, these words compute in pairs of float32.

Their largest errors are those of `scalar`, of `power_q` smaller ones, as exp takes its argument in two parts.
"""

from typing import Any

import numpy as np

from boostloss.kernels import scalar
from boostloss.kernels.pairs import Pair, Single, fma
from boostloss.kernels.scalar import exp_parts

ZERO, ONE = np.float32(0), np.float32(1)
LOWEST_POWER = np.float32(-104)  # an exponent: of float32 its exp is 0


def joined(high: np.float32, low: np.float32) -> Any:
    """As a pair."""
    return Pair(high) + low


def plus(log_q: Any, x: np.float32) -> Any:
    """To the pair."""
    return log_q + x


def power_q(q: np.float32, log_q: Any, gamma: Any) -> Any:
    """exp(gamma log_q), the product as a pair."""
    x = gamma * log_q
    y, lost = exp_parts(x.high, ZERO if x.high < LOWEST_POWER else -x.low)
    return y + lost


def exp_product(log_x: Any, k: Any) -> Any:
    """As a power."""
    return power_q(ZERO, log_x, k)


def margin_exp(log_p: Any, log_q: Any, shift: Any, scale: Any) -> tuple[Any, Any]:
    """The margin and the product as pairs."""
    d = log_p - log_q - shift
    return Single(scale * d), power_q(ZERO, -abs(d), scale)


def product_parts(a: np.float32, a_low: np.float32, b: np.float32, b_low: np.float32) -> tuple[np.float32, np.float32]:
    """The product of the high parts exact, with the two that matter of the others."""
    y = a * b
    return y, fma(a, b, -y) + (a * b_low + a_low * b)


def reciprocal(high: np.float32, low: np.float32) -> tuple[np.float32, np.float32]:
    """The quotient and, by the remainder of the division, what rounding took from it."""
    y = ONE / high
    return y, (fma(-y, high, ONE) - y * low) * y


SINGLE: dict[str, Any] = {
    **scalar.SIMD,
    "joined": joined,
    "number": Single,
    "power_q": power_q,
    "exp_product": exp_product,
    "plus": plus,
    "margin_exp": margin_exp,
    "product_parts": product_parts,
    "reciprocal": reciprocal,
    "real": Single,
    "wide": Pair,
}
