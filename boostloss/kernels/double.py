"""The accurate float64 target: the C library's functions, and what corrects their rounding where gamma multiplies it.

Halves of 26 and 27 bits have exact products, which stay exact where LLVM fuses them with a sum.
"""

import math
from typing import Any, TypeAlias, TypeVar

import numpy as np

from boostloss.kernels.scalar import LN2_HIGH, exp, f64, i64, log1p

HIGH_HALF = i64(-0x8000000)
ONE_BITS, THREE_QUARTERS_BITS = i64(0x3FF << 52), i64(0x3FE8 << 48)
EXPONENT_BITS = i64(-1 << 52)
LOG2_E, ROUND = f64(1.4426950408889634), f64(1.5 * 2.0**52 + 2 * 1023)
LN2_HEAD, LN2_TAIL = f64(0.6931471804855391), f64(7.440617110012397e-11)  # 32 bits of log(2), and the others
C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13, C14 = (f64(1 / math.factorial(k)) for k in range(2, 15))
LN2_LOW = f64(-2.1219444005469057e-4)  # log(2) - LN2_HIGH, which has 9 bits
LEAST_EXPONENT, SAFE_QUOTIENT = f64(-746), f64(1e-290)
ZERO, ONE = f64(0), f64(1)

Joined: TypeAlias = tuple[float, float]
Real = TypeVar("Real", float, np.float32)


def high_half(x: float) -> float:
    """The first 26 bits of x."""
    return i64(f64(x).view(i64) & HIGH_HALF).view(f64)


def remainder(x: float, d: float, d_lost: float, y: float) -> float:
    """x - (d + d_lost) * y for y = x / d but for rounding."""
    y_high, d_high = high_half(y), high_half(d)
    y_low, d_low = y - y_high, (d - d_high) + d_lost
    return (x - y_high * d_high) - y_high * d_low - y_low * d_high - y_low * d_low


def smaller_probability(e: float, larger: float) -> float:
    """e / (1 + e) with the error of exp alone: e * larger, corrected by the remainder of the division."""
    y, d = e * larger, ONE + e
    return y + remainder(e, d, e - (d - ONE), y) * larger if y > SAFE_QUOTIENT else y


def reciprocal(high: float, low: float) -> Joined:
    """The quotient and, by the remainder of the division, what rounding took from it."""
    y = ONE / high
    return y, remainder(ONE, high, low, y) * y


def exp_parts(x: float, low: float) -> Joined:
    """exp(x - low) for x <= 0 with one rounding, 0.63 ulp: exp(x) * (1 - low) would have two. No second part.

    Cody-Waite reduction to 2**n exp(r), exp(r) = 1 + r + r**2 (1/2 + r/6 + ..), its series cut below 2**-58.
    """
    x = LEAST_EXPONENT if x < LEAST_EXPONENT else x
    shifted = x * LOG2_E + ROUND
    n = shifted - ROUND
    high, r_low = x - n * LN2_HEAD, n * LN2_TAIL + low
    r = high - r_low
    r2 = r * r
    r4 = r2 * r2
    y = (C14 * r2 + (C13 * r + C12)) * r4 + ((C11 * r + C10) * r2 + (C9 * r + C8))
    y = (y * r4 + ((C7 * r + C6) * r2 + (C5 * r + C4))) * r2 + (C3 * r + C2)
    tail = y * r2 + ((high - r) - r_low)
    y = r + ONE
    y = y + (tail + (r - (y - ONE)))
    twice = i64(i64(f64(shifted).view(i64)) & i64(0xFFFF))  # n + 2 * 1023
    once = i64(twice >> i64(1))
    return y * i64(once << i64(52)).view(f64) * i64((twice - once) << i64(52)).view(f64), ZERO


def product_parts(a: float, a_low: float, b: float, b_low: float) -> Joined:
    """As it comes: gamma times its error is within bounds."""
    return a * b + a * b_low, ZERO


def log1p_parts(x: float) -> Joined:
    """log(1 + x) for x >= 0 as n log(2) + log(1 + m), the first part exact."""
    bits = i64(i64(f64(ONE + x).view(i64) - THREE_QUARTERS_BITS) & EXPONENT_BITS)
    scale, n = i64(ONE_BITS - bits).view(f64), f64(i64(bits >> i64(52)))
    return n * LN2_HIGH, n * LN2_LOW + log1p(x * scale + (scale - ONE))


def log1p_unit_parts(x: float) -> Joined:
    """log(1 + x) for x in [0, 1] as it comes: the C library's is half an ulp from the truth."""
    return log1p(x), ZERO


def joined(high: float, low: float) -> Joined:
    """As a pair."""
    return high, low


def number(log_q: Joined) -> float:
    """The sum of the pair."""
    high, low = log_q
    return high + low


def power_q(q: float, log_q: Joined, gamma: float) -> float:
    """exp(gamma * (high + low)) with an exact product gamma * high; q itself would cost gamma times its own error."""
    high, low = log_q
    x = gamma * high
    gamma_high, log_high = high_half(gamma), high_half(high)
    gamma_low, log_low = gamma - gamma_high, high - log_high
    lost = gamma_low * log_low - (((x - gamma_high * log_high) - gamma_low * log_high) - gamma_high * log_low)
    total = x + gamma * low
    lost = lost + (gamma * low - (total - x))
    y = exp(total)
    return ZERO if total < LEAST_EXPONENT else y + y * lost


def two_sum(a: Real, b: Real) -> tuple[Real, Real]:
    """a + b and what rounding took from it (Knuth 1969)."""
    total = a + b
    back = total - a
    return total, (a - (total - back)) + (b - back)


def exp_product(log_x: Joined, k: float) -> float:
    """As a power."""
    return power_q(ZERO, log_x, k)


def plus(log_q: Joined, x: float) -> Joined:
    """To the pair."""
    total, lost = two_sum(log_q[0], x)
    return total, lost + log_q[1]


def margin_exp(log_p: Joined, log_q: Joined, shift: float, scale: float) -> tuple[float, float]:
    """The margin as a pair, its product in `power_q`."""
    d, lost = two_sum(log_p[0], -log_q[0])
    d, lost_too = two_sum(d, -shift)
    low = (lost + lost_too) + (log_p[1] - log_q[1])
    d, low = two_sum(d, low)
    return scale * d, power_q(ZERO, (-d, -low) if d >= ZERO else (d, low), scale)


DOUBLE: dict[str, Any] = {
    "exp": math.exp,
    "log": math.log,
    "log1p": math.log1p,
    "log1p_unit": math.log1p,
    "expm1": math.expm1,
    "tanh": math.tanh,
    "sqrt": math.sqrt,
    "hypot": math.hypot,
    "power_q": power_q,
    "smaller_probability": smaller_probability,
    "joined": joined,
    "number": number,
    "exp_product": exp_product,
    "plus": plus,
    "margin_exp": margin_exp,
    "exp_parts": exp_parts,
    "product_parts": product_parts,
    "log1p_parts": log1p_parts,
    "log1p_unit_parts": log1p_unit_parts,
    "reciprocal": reciprocal,
    "real": np.float64,
    "wide": np.float64,
    "summed": np.float64,
}
