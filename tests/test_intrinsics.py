"""The words for bits and for parts of arrays, as Numba compiles them and as `scalar` and `arrays` define them."""

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from boostloss.kernels import arrays, intrinsics, scalar

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


@njit
def filled_part(array, start, size, number):
    part = intrinsics.part(array, start, size)
    for i in range(part.shape[0]):
        part[i] = number
    return part.shape[0]


@pytest.mark.parametrize("shape", [(12,), (3, 4), (0,)])
def test_part_is_that_of_the_definition(shape):
    """Within the array, over its end, from its end on, and empty."""
    for start, size in ((0, 12), (2, 3), (5, 7), (9, 20), (12, 3), (15, 1), (4, 0)):
        compiled, defined = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        part = arrays.part(defined, start, size)
        part[:] = 1
        assert filled_part(compiled, start, size, 1.0) == len(part)
        np.testing.assert_array_equal(compiled, defined)


def test_part_of_an_array_that_may_not_be_written():
    array = np.arange(5.0)
    array.flags.writeable = False
    total = njit(lambda a: intrinsics.part(a, 1, 3).sum())
    assert total(array) == 6


def test_part_of_a_strided_array_is_refused():
    with pytest.raises(TypingError):
        filled_part(np.zeros(12)[::2], 0, 3, 1.0)
    with pytest.raises(TypingError):
        filled_part(np.zeros((3, 4), order="F"), 0, 3, 1.0)


@njit
def sums_on_stack(n_rows, n_columns):
    """Two arrays, each filled before either is read."""
    first = intrinsics.scratch_on_stack(np.float32, n_rows, n_columns)
    second = intrinsics.scratch_on_stack(np.float64, n_rows, n_columns)
    for i in range(n_rows):
        for k in range(n_columns):
            first[i, k], second[i, k] = i * n_columns + k, -1.0
    return first.sum(), second.sum(), first.shape, first.ctypes.data % 64, second.ctypes.data % 64


def test_scratch_on_stack():
    for shape in ((1, 2048), (19, 256), (3, 1)):
        size = shape[0] * shape[1]
        assert sums_on_stack(*shape) == (size * (size - 1) / 2, -size, shape, 0, 0)
