"""The vocabulary in float32 alone: where `scalar.SIMD` computes in double, these words compute in pairs of float32.

Their largest errors are those of `scalar`, of `power_q` smaller ones, as exp takes its argument in two parts.
"""

from typing import Any

import numpy as np

from boostloss._types import Number
from boostloss.kernels import scalar
from boostloss.kernels.pairs import Pair, Single, fma
from boostloss.kernels.scalar import exp_parts

ZERO, ONE = np.float32(0), np.float32(1)
LOWEST_POWER = np.float32(-104)  # an exponent: of float32 its exp is 0


def joined(high: Number, low: Number) -> Number:
    """As a pair."""
    return Pair(high) + low


def plus(log_q: Number, x: Number) -> Number:
    """To the pair."""
    return log_q + x


def power_q(q: Number, log_q: Number, gamma: Number) -> Number:
    """exp(gamma log_q), the product as a pair."""
    x = gamma * log_q
    y, lost = exp_parts(x.high, ZERO if x.high < LOWEST_POWER else -x.low)
    return y + lost


def exp_product(log_x: Number, k: Number) -> Number:
    """As a power."""
    return power_q(ZERO, log_x, k)


def margin_exp(log_p: Number, log_q: Number, shift: Number, scale: Number) -> tuple[Number, Number]:
    """The margin and the product as pairs."""
    d = log_p - log_q - shift
    return Single(scale * d), power_q(ZERO, -abs(d), scale)


def product_parts(a: Number, a_low: Number, b: Number, b_low: Number) -> tuple[Number, Number]:
    """The product of the high parts exact, with the two that matter of the others."""
    y = a * b
    return y, fma(a, b, -y) + (a * b_low + a_low * b)


def reciprocal(high: Number, low: Number) -> tuple[Number, Number]:
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
    "summed": np.float32,  # of a thread's one row
}
