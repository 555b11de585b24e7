"""What a CUDA device puts behind the vocabulary `SINGLE`, and what surrounds a template in a kernel.

Under Numba's simulator (NUMBA_ENABLE_CUDASIM=1), which has no libdevice, the words are plain Python.
"""

import types
from typing import Any

import numpy as np
from numba import cuda
from numba.core import config
from numba.cuda import extending, libdevice

from boostloss._types import Function
from boostloss.kernels.pair_type import register
from boostloss.kernels.pair_words import SINGLE
from boostloss.kernels.pairs import Pair

f32 = np.float32
SIMULATED = bool(config.ENABLE_CUDASIM)  # type: ignore[attr-defined]  # made when Numba reads its variables


def fma(a: np.float32, b: np.float32, c: np.float32) -> Any:
    """a * b + c with one rounding."""
    return libdevice.fmaf(a, b, c)


def bits_of(x: np.float32) -> Any:
    """The 32 bits of a float32, as an integer."""
    return libdevice.float_as_int(x)


def from_bits(bits: np.int32) -> Any:
    """The float32 that has these 32 bits."""
    return libdevice.int_as_float(bits)


if not SIMULATED:
    register(extending, fma)
WORDS: dict[str, Any] = SINGLE if SIMULATED else {**SINGLE, "fma": fma, "bits_of": bits_of, "from_bits": from_bits}


def device_function(function: Function, inline: bool = False) -> Any:
    """What a kernel may call; `inline` where a local array outlives the call."""
    if SIMULATED:
        return function
    # Numba's own inlining makes large formulas slow to compile
    how: dict[str, Any] = {"inline": "always"} if inline else {"forceinline": True}
    return cuda.jit(device=True, **how)(function)


# A cell is an array of one entry, or of three, in a thread's registers: a template's loop over it becomes a row


def cell_like(array: Any) -> Any:
    """A cell of an array's type."""
    return cuda.local.array(1, array.dtype)


def cell() -> Any:
    """A cell of float32."""
    return cuda.local.array(1, f32)


def three_cells() -> Any:
    """One row of three."""
    return cuda.local.array((1, 3), f32)


def simulated_cell_like(array: Any) -> Any:
    """The same in the simulator."""
    return np.empty(1, array.dtype)


def simulated_cell() -> Any:
    """The same in the simulator."""
    return np.empty(1, f32)


def simulated_three_cells() -> Any:
    """The same in the simulator."""
    return np.empty((1, 3), f32)


CELLS: dict[str, Any] = {
    "cell_like": simulated_cell_like if SIMULATED else cell_like,
    "cell": simulated_cell if SIMULATED else cell,
    "three_cells": simulated_three_cells if SIMULATED else three_cells,
}


# Functions of a tuple of any length: `rest` stands for the same function of one entry less


def rest(*arguments: Any) -> Any:
    """Of what follows the first entry: `chain` replaces it."""


def nothing(arrays: Any) -> tuple[()]:
    """Of no entries."""
    return ()


def nothing_of_two(arrays: Any, other: Any) -> tuple[()]:
    """The same of two arguments."""
    return ()


def nothing_of_three(arrays: Any, other: Any, another: Any) -> tuple[()]:
    """The same of three."""
    return ()


def cells_of_row(arrays: Any, i: int) -> tuple[Any, ...]:
    """Row i of every array, in cells; 1 of an empty one, which stands for weights."""
    row = cell_like(arrays[0])
    if arrays[0].size:
        row[0] = arrays[0][i]
    else:
        row[0] = 1
    return row, *rest(arrays[1:], i)


def cells_for(arrays: Any) -> tuple[Any, ...]:
    """A cell for every array."""
    return cell_like(arrays[0]), *rest(arrays[1:])


def store(cells: Any, arrays: Any, i: int) -> Any:
    """Cells into row i of the arrays."""
    arrays[0][i] = cells[0][0]
    return rest(cells[1:], arrays[1:], i)


def slices_of_row(arrays: Any, i: int, n_rows: int) -> tuple[Any, ...]:
    """Row i of flat arrays with any number of entries per row, none included."""
    width = arrays[0].size // n_rows
    return arrays[0][i * width : (i + 1) * width], *rest(arrays[1:], i, n_rows)


def pairs_of(params: Any) -> tuple[Any, ...]:
    """Hyper-parameters that come in two parts."""
    return Pair(params[0][0], params[0][1]), *rest(params[1:])


def chain(function: Function, length: int) -> Any:
    """The function of a tuple of so many entries."""
    callees = {name: device_function(CELLS[name], inline=True) for name in CELLS}
    last = nothing, nothing_of_two, nothing_of_three
    made = device_function(last[function.__code__.co_argcount - 1], inline=True)
    for _ in range(length):
        words = {**function.__globals__, **callees, "rest": made}
        made = device_function(types.FunctionType(function.__code__, words, function.__name__), inline=True)
    return made
