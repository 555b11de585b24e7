"""The words for the bits of a number, as Numba compiles them and as `scalar` defines them."""

import numpy as np
from numba import njit

from boostloss.kernels import intrinsics, scalar

NUMBERS = [0.0, -0.0, 1.0, -1.5, 1e-45, -1e-45, 3.4e38, np.inf, -np.inf, np.nan]


@njit
def compiled(x, y, n):
    """All three; integers are 64 bits wide in Numba, whatever the definition says."""
    return intrinsics.bits_of(x), intrinsics.low_bits_of(y), intrinsics.from_bits(n << np.int32(23))


def test_words_are_those_of_the_definition():
    for number in NUMBERS:
        x, y = np.float32(number), np.array([number]) + np.pi
        for n in (0, 1, 127, 254, 255, 256 + 127, -1):  # the last two leave the 32 bits when shifted
            of_float, of_double, power = compiled(x, y[0], np.int32(n))
            assert of_float == scalar.bits_of(x)
            # the lower half comes first on every machine that Numba knows
            assert of_double == scalar.low_bits_of(y[0]) == y.view(np.int32)[0]
            np.testing.assert_array_equal(power, scalar.from_bits(np.int32(n) << np.int32(23)))
