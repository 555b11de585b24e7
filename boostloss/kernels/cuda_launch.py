"""Running CUDA kernels on arrays of the device: what `threads` does for arrays in memory.

Everything runs on Numba's default stream, CUDA's legacy one. Imported only where a device is asked for: it needs
numba-cuda.
"""

import contextlib
import functools
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import DTypeLike

from boostloss._types import Array, Floats
from boostloss.kernels.cuda import CHUNK, THREADS, Definition, compiled_flat, compiled_rows, compiled_sums
from boostloss.kernels.cuda_words import SIMULATED

BLOCKS_PER_PROCESSOR = 16
f32 = np.float32


def selected(ordinal: int | None) -> AbstractContextManager[Any]:
    """A context in which everything runs on this device; None is the present one."""
    return contextlib.nullcontext() if ordinal is None else cuda.gpus[ordinal]


def synchronize() -> None:
    """Wait until everything is done."""
    cuda.synchronize()


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> Any:
    """An uninitialised array of the device."""
    return cuda.device_array(shape, dtype)


def page_locked(shape: tuple[int, ...], dtype: DTypeLike) -> Any:
    """An array in memory that the device reads without a copy by the driver."""
    return cuda.pinned_array(shape, dtype)


def upload(array: Array) -> Any:
    """An array of the device with the same numbers."""
    return cuda.to_device(array)


def shared(array: Any) -> Any:
    """An array of another library that is on the device, without a copy, once the stream it names is done with it."""
    return cuda.as_cuda_array(array)


def _ordinal() -> int:
    return 0 if SIMULATED else cuda.get_current_device().id


@functools.cache
def _n_processors(ordinal: int) -> int:
    return 1 if SIMULATED else cuda.get_current_device().MULTIPROCESSOR_COUNT


def launch(kernel: Any, n_blocks: int, *arguments: Any) -> None:
    """Start a kernel on the default stream."""
    kernel[max(1, min(n_blocks, BLOCKS_PER_PROCESSOR * _n_processors(_ordinal()))), THREADS](*arguments)


@functools.lru_cache(maxsize=64)
def _uploaded(data: bytes, shape: tuple[int, ...], dtype: DTypeLike, ordinal: int) -> Any:
    return upload(np.frombuffer(data, dtype).reshape(shape))


@functools.cache
def _empty(n_dimensions: int, dtype: DTypeLike, ordinal: int) -> Any:
    return empty((1,) * n_dimensions, dtype)[:0]  # of no weights (n,), of no hyper-parameters (classes, columns)


def on_device(array: Any) -> Any:
    """An array as it is on the device; one of the host is small, and often the same: class weights, or no weights."""
    if not isinstance(array, np.ndarray):
        return array
    if not array.size:
        return _empty(array.ndim, array.dtype, _ordinal())
    return _uploaded(array.tobytes(), array.shape, array.dtype, _ordinal())


def in_two_parts(scalars: Any) -> Any:
    """Doubles among nested tuples, for kernels that have none, as pairs of float32."""
    if isinstance(scalars, tuple):
        return tuple(map(in_two_parts, scalars))
    if isinstance(scalars, np.float64):
        return f32(scalars), f32(scalars - np.float64(f32(scalars)))
    return on_device(scalars)


def run_rows(definition: Definition, rows: Sequence[Any], scalars: tuple[Any, ...], outputs: Sequence[Any]) -> None:
    """As `threads.run_rows`, for arrays of the device."""
    kernel, n_rows = compiled_rows(definition, len(rows), len(outputs)), len(rows[0])
    arguments = tuple(map(on_device, rows)), in_two_parts(scalars), tuple(outputs)
    launch(kernel, -(-n_rows // THREADS), n_rows, *arguments)


def run_flat(
    definition: Definition, rows: Sequence[Any], raw: Any, scalars: tuple[Any, ...], outputs: Sequence[Any]
) -> None:
    """As `threads.run_flat`, for C-contiguous arrays of the device."""
    kernel = compiled_flat(definition, len(rows) + 1, len(outputs))
    rows = (*map(on_device, rows), raw.reshape(-1))
    outputs = tuple(array.reshape(-1) for array in outputs)
    launch(kernel, -(-len(raw) // THREADS), len(raw), rows, in_two_parts(scalars), outputs)


def sum_chunks(definition: Definition, rows: Sequence[Any], n_sums: int | None = None) -> float | Floats:
    """As `threads.sum_chunks`, for arrays of the device."""
    n_rows, kernel = len(rows[0]), compiled_sums(definition, len(rows))
    n_chunks = -(-n_rows // CHUNK)
    partial = empty((n_chunks, n_sums or 1, 2), f32)
    launch(kernel, n_chunks, n_rows, tuple(map(on_device, rows)), partial)
    sums = partial.copy_to_host().astype(np.float64).sum(axis=(0, 2))
    return float(sums[0]) if n_sums is None else sums
