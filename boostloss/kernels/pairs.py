"""Sums of two float32 numbers in place of doubles: 48 bits by fused multiply-add, for devices where doubles are slow.

Error-free transformations of Dekker 1971 and Knuth 1969, the operations as in Joldes, Muller & Popescu 2017. The low
part is at most half an ulp of the high one; of infinite and NaN numbers it is 0. Range and smallest number are those of
float32. `boostloss.kernels.pair_type` makes a Numba type of it.
"""

import math
import operator
from typing import Any, TypeAlias

import numpy as np

from boostloss.kernels.double import two_sum

ZERO, ONE, LARGEST = np.float32(0), np.float32(1), np.float32(3.4028235e38)

Truth: TypeAlias = bool | np.bool_


def fma(a: np.float32, b: np.float32, c: np.float32) -> np.float32:
    """a * b + c with one rounding: exact here where the result has at most 24 bits, as those of this module have."""
    return np.float32(np.float64(a) * np.float64(b) + np.float64(c))


class Pair:
    """high + low."""

    __array_ufunc__ = None  # NumPy's numbers leave their operators to this class
    __slots__ = ("high", "low")

    def __init__(self, high: Any, low: Any = ZERO) -> None:
        is_pair = isinstance(high, Pair)
        self.high: np.float32 = high.high if is_pair else np.float32(high)
        self.low: np.float32 = high.low if is_pair else np.float32(low)

    def __repr__(self) -> str:
        return f"Pair({self.high!r}, {self.low!r})"

    def __float__(self) -> float:
        return float(self.high) + float(self.low)


class Single:
    """A number or a pair in float32; a class, so that binding a formula leaves it as it is."""

    def __new__(cls, x: Any) -> Any:
        """Round it."""
        return np.float32(x)


def lifted(x: Any) -> Pair:
    """A number as a pair."""
    return x if isinstance(x, Pair) else Pair(x)


def finite(low: np.float32) -> np.float32:
    """What rounding took away; the difference of infinite numbers is NaN."""
    return low if abs(low) <= LARGEST else ZERO


def normalised(high: np.float32, low: np.float32) -> Pair:
    """The pair of a sum whose second part is smaller."""
    low = finite(low)
    total = high + low
    return Pair(total, finite(low - (total - high)))


def joined(high: np.float32, low: np.float32) -> Pair:
    """The pair of a sum, exact."""
    total, lost = two_sum(high, low)
    return Pair(total, finite(lost))


def add(a: Pair, b: Pair) -> Pair:
    """a + b, right to 2**-46."""
    total, lost = two_sum(a.high, b.high)
    low, lost_too = two_sum(a.low, b.low)
    lost = finite(lost + low)
    high = total + lost
    return normalised(high, finite(lost - (high - total)) + lost_too)


def subtract(a: Pair, b: Pair) -> Pair:
    """a - b."""
    return add(a, Pair(-b.high, -b.low))


def multiply(a: Pair, b: Pair) -> Pair:
    """a * b, right to 2**-46."""
    high = a.high * b.high
    return normalised(high, fma(a.high, b.high, -high) + fma(a.high, b.low, a.low * b.high))


def divide(a: Pair, b: Pair) -> Pair:
    """a / b, right to 2**-45."""
    high = a.high / b.high
    return normalised(high, (fma(-high, b.high, a.high) + fma(-high, b.low, a.low)) / b.high)


def negative(a: Pair) -> Pair:
    """-a."""
    return Pair(-a.high, -a.low)


def absolute(a: Pair) -> Pair:
    """abs(a)."""
    return Pair(-a.high, -a.low) if a.high < ZERO else a


def less(a: Pair, b: Pair) -> Truth:
    """a < b."""
    return a.low < b.low if a.high == b.high else a.high < b.high


def less_equal(a: Pair, b: Pair) -> Truth:
    """a <= b."""
    return a.low <= b.low if a.high == b.high else a.high < b.high


def greater(a: Pair, b: Pair) -> Truth:
    """a > b."""
    return less(b, a)


def greater_equal(a: Pair, b: Pair) -> Truth:
    """a >= b."""
    return less_equal(b, a)


def equal(a: Pair, b: Pair) -> Any:
    """a == b."""
    return a.high == b.high and a.low == b.low


def unequal(a: Pair, b: Pair) -> Truth:
    """a != b."""
    return not equal(a, b)


def square_root(a: Pair) -> Pair:
    """sqrt(a)."""
    high: Any = math.sqrt(a.high)
    return normalised(high, (fma(-high, high, a.high) + a.low) / (high + high))


def power(a: Pair, n: int) -> Pair:
    """A power with an integer exponent."""
    y = Pair(ONE, ZERO)
    for _ in range(abs(n)):
        y = multiply(y, a)
    return y if n >= 0 else divide(Pair(ONE, ZERO), y)


BINARY: dict[Any, Any] = {
    operator.add: add,
    operator.sub: subtract,
    operator.mul: multiply,
    operator.truediv: divide,
    operator.lt: less,
    operator.le: less_equal,
    operator.gt: greater,
    operator.ge: greater_equal,
    operator.eq: equal,
    operator.ne: unequal,
}
UNARY: dict[Any, Any] = {operator.neg: negative, abs: absolute, math.sqrt: square_root}


def _give_operators() -> None:
    """Let pairs be used as numbers in plain Python as well: in tests, and in Numba's CUDA simulator."""
    for operation, function in BINARY.items():
        name = operation.__name__
        setattr(Pair, f"__{name}__", lambda a, b, f=function: f(lifted(a), lifted(b)))
        if not name.startswith(("l", "g", "e", "n")):
            setattr(Pair, f"__r{name}__", lambda a, b, f=function: f(lifted(b), lifted(a)))
    for name, function in {"neg": negative, "abs": absolute, "pow": power}.items():
        setattr(Pair, f"__{name}__", function)


_give_operators()
