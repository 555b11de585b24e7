"""The vocabulary of a loss formula: the words it may use, and what every compile target puts behind them.

A formula is plain scalar Python over the names `exp, log, log1p, log1p_unit, expm1, tanh, sqrt, hypot, power_q, number,
joined, plus, exp_product, margin_exp` and `math.*`. Run as it stands it computes in Python floats. A compile target
rebinds the names: `SIMD` to branch-free float32 polynomials that Numba inlines and LLVM vectorises (a call to libm
never is: 25 instead of 3 ns/row), `DOUBLE` to the C library's functions, `mpmath_words` to as many digits as a test
asks for. Every target also binds

    real    the type of a row's numbers
    wide    the type of the hyper-parameters of a formula with `power_q`, `exp_product` or `margin_exp`: double
    summed  the type of a sum over rows: double

and gives such a formula log q (with `margin_exp` log p as well) `joined`: for these words alone, or as `number(log_q)`
in the type of the row.

What a formula must respect, or it loses its speed, its float32 or its cached machine code:
- floats are written plainly (`0.5 * r`): binding gives them the type of the row; integer literals only as exponents;
- ternaries, never `if`, loops or exceptions: both sides are evaluated, so neither may be expensive or write anything;
- clamp with `HIGH if x > HIGH else x`, which keeps a NaN, not with `min` and `max`;
- no closures, default arguments, lambdas or nested functions, and no words but these and `math.*`.

The float32 words return NaN for NaN, subnormal results without flushing them to 0, and inf only beyond float32. Their
largest errors, in units in the last place of float32 (subnormals included), against float64:

    exp 0.7   log 1.1   log1p 1.1   log1p_unit 1.1   expm1 1.3   tanh 1.4   sqrt 0.5   hypot 1.2
    power_q of q = sigmoid(z), any z, through exp, log1p_unit and log_q: 1.6 for gamma = 1, 2.8 for 2, 6.2 for 5

Coefficients: minimax in the weighted maximum norm (Lawson's algorithm), rounded to float32 one after the other from the
lowest power, the remaining ones fitted again after each. Polynomials are grouped by Estrin's scheme where that is
faster: a kernel waits for the chain of dependent operations more than for their number (focal: 3 to 4 % per word).
"""

import functools
import math
from typing import Any

import numpy as np

from boostloss._types import Number

exp, log, log1p, expm1, tanh, sqrt, hypot = math.exp, math.log, math.log1p, math.expm1, math.tanh, math.sqrt, math.hypot
real = float  # the type of a row's numbers
log1p_unit = math.log1p  # for arguments known to lie in [0, 1], as exp(-|m|) does: half the price of log1p on the CPU


def power_q(q: float, log_q: float, gamma: float) -> float:
    """q ** gamma for gamma >= 0, 0 ** 0 being 1; log_q is `joined`, for gamma multiplies its error."""
    power: float = q**gamma
    return power


def number(log_q: float) -> float:
    """What is `joined` in the type of the row."""
    return log_q


def exp_product(log_x: float, k: float) -> float:
    """exp(k log_x) for log_x <= 0, `joined`, and k >= 0, which multiplies its error."""
    return exp(k * log_x)


def plus(log_q: float, x: float) -> float:
    """log_q + x, which is `joined` again."""
    return log_q + x


def margin_exp(log_p: float, log_q: float, shift: float, scale: float) -> tuple[float, float]:
    """x = scale (m - shift) of the margin m = log p - log q, and exp(-abs(x)), for scale multiplies the error of m."""
    x = scale * (log_p - log_q - shift)
    return x, exp(-abs(x))


# Words of the templates, which a formula does not need


def widest_vectors() -> None:
    """Let the loops of the calling function use the widest vectors. Only the CPU's kernels do."""


def smaller_probability(e: Number, larger: Number) -> Number:
    """e / (1 + e) for e in [0, 1], given 1 / (1 + e)."""
    return e * larger


def log_p_of(high: Number, low: Number) -> Number:
    """log p from a sum: `joined` for a formula with `margin_exp`, for others added up."""
    return high + low


def joined(high: Number, low: Number) -> Number:
    """high + low with more digits than `real` has: a double in SIMD, a pair in DOUBLE."""
    return high + low


def exp_parts(x: Number, low: Number) -> tuple[Number, Number]:
    """exp(x - low) as a sum, for x <= 0 and a small low."""
    return exp(x - low), 0.0


def product_parts(a: Number, a_low: Number, b: Number, b_low: Number) -> tuple[Number, Number]:
    """(a + a_low) * (b + b_low) as a sum."""
    return (a + a_low) * (b + b_low), 0.0


def log1p_parts(x: Number) -> tuple[Number, Number]:
    """log(1 + x) for x >= 0 as a sum, so that rounding takes nothing from its larger part."""
    return 0.0, log1p(x)


def log1p_unit_parts(x: Number) -> tuple[Number, Number]:
    """The same for x in [0, 1]."""
    return 0.0, log1p(x)


def reciprocal(high: Number, low: Number) -> tuple[Number, Number]:
    """1 / (high + low) as a sum."""
    return 1.0 / (high + low), 0.0


f32, f64, i32, i64 = np.float32, np.float64, np.int32, np.int64
ZERO, HALF, ONE, TWO = f32(0), f32(0.5), f32(1), f32(2)
INFINITY, NAN, LARGEST, SMALLEST_NORMAL = f32(np.inf), f32(np.nan), f32(3.4028235e38), f32(2.0**-126)
LOG2_E, LOG2_E_DOUBLE = f32(1.4426950408889634), f64(1.4426950408889634)
LN2_HIGH, LN2_LOW = f32(355 / 512), f32(-2.1219444e-4)  # Cody and Waite 1980: a small integer times LN2_HIGH is exact

# Adding 1.5 * 2**(number of fraction bits) rounds to an integer and leaves it in the low bits of the sum. The second
# term is an offset for the exponent field that those bits are shifted into.
ROUND, ROUND_EXPM1 = f32(1.5 * 2.0**23 + 2 * 127), f32(1.5 * 2.0**23 + 126)
ROUND_POWER_OF_TWO = f32(1.5 * 2.0**23 + 127 + 24)
ROUND_POWER = f64(1.5 * 2.0**52 + 127 + 24)
LOWEST_POWER, POWER_SCALE = f64(-151), f32(2.0**-24)

EXPONENT_BITS, FRACTION_BITS = i32(-0x800000), i32(0x7FFFFF)
ONE_BITS, THREE_QUARTERS_BITS = i32(0x3F800000), i32(0x3F400000)


def bits_of(x: np.float32) -> np.int32:
    """The 32 bits of a float32, as an integer."""
    return f32(x).view(i32)


def low_bits_of(x: np.float64) -> np.int32:
    """The lower half of the bits of a float64."""
    return i32(f64(x).view(i64))


def from_bits(bits: np.int32) -> np.float32:
    """The float32 that has these 32 bits."""
    return i32(bits).view(f32)


# Numba makes the result of every integer operation 64 bits wide, and that does not vectorise on AVX2: hence all the i32


def exp_remainder(r: np.float32) -> np.float32:
    """(exp(r) - 1 - r) / r**2 for |r| <= log(2) / 2."""
    high = f32(0.00138207339) * (r * r) + (f32(0.00836867746) * r + f32(0.0416682661))
    return high * (r * r) + (f32(0.166665211) * r + f32(0.49999994))


def exp_reduced32(x: np.float32, low: np.float32, round_off: np.float32) -> tuple[np.int32, np.float32, np.float32]:
    """Of exp(x - low) = 2**n exp(r): n, whose bits `round_off` puts below those of itself, and exp(r) as a sum."""
    shifted = x * LOG2_E + round_off
    n = shifted - round_off
    high, r_low = x - n * LN2_HIGH, n * LN2_LOW + low
    r = high - r_low
    one = r + ONE
    # What the last two sums lost is added again: 0.7 instead of 1.0 ulp
    tail = exp_remainder(r) * (r * r) + ((high - r) - r_low) + (r - (one - ONE))
    y = one + tail
    return bits_of(shifted), y, tail - (y - one)


def exp_parts32(x: np.float32, low: np.float32) -> tuple[np.float32, np.float32]:
    """2**n = 2**(n + 24) * 2**-24, so that no factor is subnormal."""
    bits, y, lost = exp_reduced32(f32(-104) if x < f32(-104) else x, low, ROUND_POWER_OF_TWO)
    scale = from_bits(bits << i32(23))
    return y * scale * POWER_SCALE, lost * scale * POWER_SCALE


def product_parts32(
    a: np.float32, a_low: np.float32, b: np.float32, b_low: np.float32
) -> tuple[np.float32, np.float32]:
    """In double."""
    exact = (f64(a) + f64(a_low)) * (f64(b) + f64(b_low))
    rounded = f32(exact)
    return rounded, f32(exact - f64(rounded))


def exp32(x: np.float32) -> np.float32:
    """exp(x), any x; the scaling in two factors, each a normal number."""
    x = f32(89) if x > f32(89) else x
    twice, y, _ = exp_reduced32(f32(-104) if x < f32(-104) else x, ZERO, ROUND)  # n + 2 * 127
    once = i32(twice >> i32(1))
    return y * from_bits(once << i32(23)) * from_bits(i32(twice - once) << i32(23))


def expm1_32(x: np.float32) -> np.float32:
    """exp(x) - 1 as 2**n (r + remainder) + (2**n - 1); half of it until the last step, for 2**128 is no float32."""
    y = f32(89) if x > f32(89) else x
    y = f32(-18) if y < f32(-18) else y
    shifted = y * LOG2_E + ROUND_EXPM1
    n = shifted - ROUND_EXPM1
    r = y - n * LN2_HIGH - n * LN2_LOW
    scale = from_bits(bits_of(shifted) << i32(23))
    y = TWO * (exp_remainder(r) * (r * r) * scale + (r * scale + (scale - HALF)))
    return x if abs(x) < f32(2.0**-25) else y  # halving would lose a bit of a subnormal


def log_parts(n: np.float32, m: np.float32) -> tuple[np.float32, np.float32]:
    """n log(2) + log(1 + m) for an integer n and m in [-1/4, 1/2]: cut there, m = 2**-n (1 + x) - 1 has no rounding."""
    m2 = m * m
    y = (f32(0.1047263) * m + f32(-0.13163954)) * m2 + (f32(0.144776255) * m + f32(-0.166468769))
    y = (f32(-0.0451530144) * (m2 * m2) + y) * (m2 * m2)
    y = y + ((f32(0.19990848) * m + f32(-0.250001103)) * m2 + (f32(0.333334506) * m - HALF))
    return n * LN2_HIGH, y * m2 + n * LN2_LOW + m


def log_of(n: np.float32, m: np.float32) -> np.float32:
    """The sum of the two parts."""
    high, low = log_parts(n, m)
    return high + low


def log32(x: np.float32) -> np.float32:
    """log(x): exponent and fraction of x by its bits; -inf at 0, NaN below."""
    subnormal = x < SMALLEST_NORMAL
    bits = i32(bits_of(x * f32(2.0**23) if subnormal else x) - THREE_QUARTERS_BITS)
    n = f32(i32(bits >> i32(23))) - (f32(23) if subnormal else ZERO)
    y = log_of(n, from_bits(i32(bits & FRACTION_BITS) + THREE_QUARTERS_BITS) - ONE)
    y = x if x > LARGEST else y
    return y if x > ZERO else (-INFINITY if x == ZERO else NAN)


def log1p32(x: np.float32) -> np.float32:
    """log(1 + x), any x: exponent n of 1 + x, then m = 2**-n (1 + x) - 1 from x itself; -inf at -1, NaN below."""
    huge = x > f32(2.0**100)
    y = x * f32(2.0**-23) if huge else x
    bits = i32(i32(bits_of(ONE + y) - THREE_QUARTERS_BITS) & EXPONENT_BITS)
    scale = from_bits(ONE_BITS - bits)
    n = f32(i32(bits >> i32(23))) + (f32(23) if huge else ZERO)
    y = log_of(n, y * scale + (scale - ONE))
    y = x if x > LARGEST else y
    return y if x > -ONE else (-INFINITY if x == -ONE else NAN)


def log1p_parts32(x: np.float32) -> tuple[np.float32, np.float32]:
    """The parts of log(1 + x) for finite x >= 0, NaN for NaN."""
    bits = i32(i32(bits_of(ONE + x) - THREE_QUARTERS_BITS) & EXPONENT_BITS)
    scale = from_bits(ONE_BITS - bits)
    high, low = log_parts(f32(i32(bits >> i32(23))), x * scale + (scale - ONE))
    return high, low if x >= ZERO else NAN


def log1p_unit_parts32(x: np.float32) -> tuple[np.float32, np.float32]:
    """x and log(1 + x) - x for x in [0, 1]; the last step not by Estrin: 1.05 instead of 1.34 ulp for their sum."""
    x2 = x * x
    y = (f32(-0.00329046859) * x + f32(0.0200862419)) * x2 + (f32(-0.057457231) * x + f32(0.106611282))
    y = y * x2 + (f32(-0.153448805) * x + f32(0.196921021))
    y = (y * x2 + (f32(-0.24958019) * x + f32(0.333304644))) * x + f32(-0.499999315)
    return x, y * x2


def log1p_unit32(x: np.float32) -> np.float32:
    """log(1 + x) for x in [0, 1]."""
    high, low = log1p_unit_parts32(x)
    return low + high


def tanh32(x: np.float32) -> np.float32:
    """tanh(x): a polynomial below 0.625, 1 - 2 / (exp(2 |x|) + 1) above."""
    t = x * x
    y = (f32(-0.0056922962) * (t * t) + (f32(0.0206281673) * t + f32(-0.0537365153))) * (t * t)
    y = y + (f32(0.133314058) * t + f32(-0.333332807))
    far = ONE - TWO / (exp32(TWO * abs(x)) + ONE)
    return y * t * x + x if abs(x) < f32(0.625) else (far if x > ZERO else -far)


def hypot32(x: np.float32, y: np.float32) -> np.float32:
    """sqrt(x**2 + y**2), both sides scaled by a power of two where a square would leave the range of float32."""
    x, y = abs(x), abs(y)
    larger = x if x > y else y
    high, low = larger > f32(2.0**60), larger < f32(2.0**-40)
    scale = f32(2.0**-80) if high else (f32(2.0**100) if low else ONE)
    back = f32(2.0**80) if high else (f32(2.0**-100) if low else ONE)
    x, y = x * scale, y * scale
    return math.sqrt(x * x + y * y) * back


def power_q32(q: np.float32, log_q: np.float64, gamma: np.float64) -> np.float32:
    """2**(gamma log2(q)), log_q finite: product and reduction in double, the rest in float32; q itself is not used."""
    x = f64(gamma) * LOG2_E_DOUBLE * log_q
    x = LOWEST_POWER if x < LOWEST_POWER else x
    shifted = x + ROUND_POWER
    r = f32(x - (shifted - ROUND_POWER))
    y = (f32(0.000153278554) * r + f32(0.00133909995)) * (r * r) + (f32(0.00961850304) * r + f32(0.0555035956))
    y = (y * (r * r) + (f32(0.240226477) * r + f32(0.693147182))) * r + ONE
    # x <= 0, so one factor will do: 2**(n + 24) is normal or, where the result is 0, has zero bits
    return y * from_bits(low_bits_of(shifted) << i32(23)) * POWER_SCALE


def joined32(high: np.float32, low: np.float32) -> np.float64:
    """In double."""
    return f64(high) + f64(low)


def number32(log_q: np.float64) -> np.float32:
    """Rounded to float32."""
    return f32(log_q)


def exp_product32(log_x: np.float64, k: np.float64) -> np.float32:
    """As a power."""
    return power_q32(ZERO, log_x, k)


def plus32(log_q: np.float64, x: np.float32) -> np.float64:
    """In double."""
    return f64(log_q) + f64(x)


def margin_exp32(
    log_p: np.float64, log_q: np.float64, shift: np.float64, scale: np.float64
) -> tuple[np.float32, np.float32]:
    """The margin and the product in double."""
    d = log_p - log_q - f64(shift)
    return f32(f64(scale) * d), power_q32(ZERO, -abs(d), scale)


def reciprocal32(high: np.float32, low: np.float32) -> tuple[np.float32, np.float32]:
    """The quotient and, by the remainder of the division in double, what rounding took from it."""
    y = ONE / high
    return y, f32(f64(1) - f64(y) * (f64(high) + f64(low))) * y


SIMD = {
    "exp": exp32,
    "log": log32,
    "log1p": log1p32,
    "log1p_unit": log1p_unit32,
    "expm1": expm1_32,
    "tanh": tanh32,
    "sqrt": math.sqrt,  # one vector instruction, correctly rounded
    "hypot": hypot32,
    "power_q": power_q32,
    "joined": joined32,
    "number": number32,
    "exp_product": exp_product32,
    "plus": plus32,
    "margin_exp": margin_exp32,
    "exp_parts": exp_parts32,
    "product_parts": product_parts32,
    "log1p_parts": log1p_parts32,
    "log1p_unit_parts": log1p_unit_parts32,
    "reciprocal": reciprocal32,
    "real": np.float32,
    "wide": np.float64,
    "summed": np.float64,
}


def _exp_product(mp: Any, log_x: Any, k: Any) -> Any:
    return mp.exp(k * log_x)


def _margin_exp(mp: Any, log_p: Any, log_q: Any, shift: Any, scale: Any) -> tuple[Any, Any]:
    x = scale * (log_p - log_q - shift)
    return x, mp.exp(-abs(x))


def mpmath_words(mp: Any) -> dict[str, Any]:
    """The same words for mpmath numbers; `mp` is the mpmath context, which holds the number of digits."""
    names = ("exp", "log", "log1p", "expm1", "tanh", "sqrt", "hypot")
    # Partials, for binding must not look inside
    words: dict[str, Any] = {name: functools.partial(getattr(mp, name)) for name in names}
    words |= {"log1p_unit": words["log1p"], "power_q": power_q, "math": mp}
    words |= {word.__name__[1:]: functools.partial(word, mp) for word in (_exp_product, _margin_exp)}
    return {**words, "real": mp.convert, "wide": mp.convert}
