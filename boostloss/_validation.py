"""One style of error: the name, the value, the constraint. Nothing is repaired silently."""

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from boostloss._device_arrays import in_memory
from boostloss._types import Array


def _interval(low: float | None, high: float | None, low_open: bool, high_open: bool) -> str:
    if low is None:
        return f"{'<' if high_open else '<='} {high:g}"
    if high is None:
        return f"{'>' if low_open else '>='} {low:g}"
    return f"in {'(' if low_open else '['}{low:g}, {high:g}{')' if high_open else ']'}"


def check_number(
    name: str,
    value: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    low_open: bool = False,
    high_open: bool = False,
) -> float:
    """Return `value` as a float, or say what it must be."""
    constraint = _interval(low, high, low_open, high_open) if low is not None or high is not None else "finite"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} == {value!r}, must be a number {constraint}.")
    try:
        number = float(value)
    except OverflowError:  # an integer
        number = np.inf
    too_low = low is not None and (number <= low if low_open else number < low)
    too_high = high is not None and (number >= high if high_open else number > high)
    if not np.isfinite(number) or too_low or too_high:
        raise ValueError(f"{name} == {value!r}, must be {constraint}.")
    return number


def check_integer(name: str, value: Any, *, low: int) -> int:
    """Return `value` as an int, or say what it must be."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} == {value!r}, must be an integer >= {low}.")
    if value < low:
        raise ValueError(f"{name} == {value!r}, must be >= {low}.")
    return int(value)


def auto_or_number(name: str, value: float | str) -> None:
    """Check a scale: "auto", or a number > 0."""
    if isinstance(value, str):
        if value != "auto":
            raise ValueError(f"{name} == {value!r}, must be 'auto' or a number > 0.")
    else:
        check_number(name, value, low=0, low_open=True)


def check_choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """Return `value` if it is one of `choices`."""
    if not (isinstance(value, str) and value in choices):
        allowed = ", ".join(map(repr, choices))
        raise ValueError(f"{name} == {value!r}, must be one of {allowed}.")
    return value


def fail_at(name: str, array: Array, bad: NDArray[np.bool_], constraint: str) -> None:
    """Raise a ValueError that points at the first entry where `bad` is true, if there is one."""
    if bad.any():
        index = np.unravel_index(int(np.argmax(bad)), bad.shape)
        where = ", ".join(map(str, index))
        raise ValueError(f"{name}[{where}] == {array[index]}, must be {constraint}.")


def check_real_array(name: str, values: ArrayLike) -> Array:
    """`values` as an array of real numbers: integers and booleans become float64, float32 and float64 stay.

    Those of a device are copied to memory.
    """
    try:
        array = np.asarray(in_memory(values))
    except ValueError as error:
        raise ValueError(f"{name} is ragged, must be a rectangular array of numbers.") from error
    if array.dtype == object:
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{name}.dtype == object, must hold real numbers.") from error
    if array.dtype.kind in "iub":
        return array.astype(np.float64)
    native = array.dtype.newbyteorder("=")
    if native not in (np.float32, np.float64):
        raise TypeError(f"{name}.dtype == {array.dtype}, must be float32 or float64.")
    return array.astype(native, copy=False)


def check_raw_prediction(values: ArrayLike) -> Array:
    """Raw predictions as a finite float32 or float64 array of shape (n,) or (n, K), contiguous and writable."""
    raw = check_real_array("raw_prediction", values)
    if raw.ndim not in (1, 2) or 0 in raw.shape:
        raise ValueError(f"raw_prediction.shape == {raw.shape}, must be (n,) or (n, K) with at least one row.")
    fail_at("raw_prediction", raw, ~np.isfinite(raw), "finite")
    return raw


def as_kernel_array(array: Array, dtype: DTypeLike | None = None) -> Array:
    """A contiguous, writable array (Numba compiles other layouts and read-only arrays once more, and slower)."""
    out = np.asarray(array, dtype)
    if not (out.flags.c_contiguous or out.flags.f_contiguous):
        out = np.ascontiguousarray(out)
    return out if out.flags.writeable and out.flags.aligned else out.copy(order="K")


def check_rows(name: str, array: Array, n_rows: int) -> Array:
    """Return `array` as one value per row; (n, 1) counts as (n,)."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (n_rows,):
        raise ValueError(f"{name}.shape == {array.shape}, must be ({n_rows},).")
    return array


def check_sample_weight(sample_weight: ArrayLike | None, n_rows: int, dtype: DTypeLike = np.float64) -> Array:
    """Weights as a contiguous array of `dtype`; an empty array stands for no weights."""
    if sample_weight is None:
        return np.empty(0, dtype)
    weight = check_real_array("sample_weight", sample_weight)
    if weight.ndim == 0:
        weight = np.full(n_rows, weight)
    weight = check_rows("sample_weight", weight, n_rows)
    fail_at("sample_weight", weight, ~(weight >= 0) | np.isinf(weight), "finite and >= 0")
    if not weight.any():
        raise ValueError("sample_weight is zero in every row, must have a positive sum.")
    return as_kernel_array(weight, dtype)
