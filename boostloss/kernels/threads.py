"""Rows over threads: slices in one pool of our own, and sums that do not depend on how many threads there are."""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any, overload

import numpy as np
from numpy.typing import DTypeLike

from boostloss._types import Array, Floats
from boostloss._validation import check_number
from boostloss.kernels.templates import CHUNK

MIN_ROWS = 65536  # below this the kernel (30 to 100 microseconds) is done before a second thread has woken up
# The threads of an engine spin for about a millisecond after their work, on the processors that ours would need.
# Measured with two processors between XGBoost's predictions and its tree, one thread and two: cross-entropy, 1M rows
# 1.7 and 2.7 ms, 2M rows 4.9 and 3.2; focal, 1M rows 3.7 and 3.7. In rows of one column; other entries count as three
MIN_WORK_AFTER_ENGINE, WORK_OF_ENTRY = 1_200_000, 3
SLICES_PER_THREAD, LEAST_SLICE = 4, 2 * CHUNK  # a slice takes Python some 10 microseconds
CACHE_LINE = 64  # bytes: a vector of 512 bits that is stored across two lines costs Huber a third more time
_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_pool_size = 0
_local = threading.local()


@functools.cache
def _available_cpus() -> int:
    """The CPUs this process may use, by affinity and cgroup."""
    import joblib

    return int(joblib.cpu_count())


def thread_count() -> int:
    """BOOSTLOSS_NUM_THREADS; else one inside a joblib worker, and the CPUs this process may use elsewhere."""
    text = os.environ.get("BOOSTLOSS_NUM_THREADS")
    if text:
        try:
            number = int(text)
        except ValueError as error:
            raise ValueError(f"BOOSTLOSS_NUM_THREADS == {text!r}, must be an integer >= 1.") from error
        return int(check_number("BOOSTLOSS_NUM_THREADS", number, low=1))
    from joblib.parallel import get_active_backend

    return 1 if get_active_backend()[0].nesting_level else _available_cpus()


def _executor(n_threads: int) -> ThreadPoolExecutor:
    """The pool, made at its first use and again when more threads are asked for or after a fork."""
    global _pool, _pool_size
    with _lock:
        if _pool is None or _pool_size < n_threads:
            _pool, _pool_size = ThreadPoolExecutor(n_threads, thread_name_prefix="boostloss"), n_threads
        return _pool


def _forget_pool() -> None:
    """A forked child has none of its parent's threads; a lock taken in the parent would never be released."""
    global _pool, _pool_size, _lock
    _pool, _pool_size, _lock = None, 0, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


@contextlib.contextmanager
def after_an_engine() -> Iterator[None]:
    """For work that comes right after an engine's: few rows are not worth the fight for processors."""
    outer = getattr(_local, "least_work", 0)
    _local.least_work = MIN_WORK_AFTER_ENGINE
    try:
        yield
    finally:
        _local.least_work = outer


def run_slices(call: Callable[[slice], None], n_rows: int, work: int | None = None) -> None:
    """call(slice) on slices that begin at multiples of CHUNK, so that no row changes its place in a vector.

    Whoever is free takes the next slice: a thread of ours may wait for its processor, on which an engine's threads
    still spin after their own work. With one slice per thread that costs up to a whole kernel.
    """
    work = n_rows if work is None else work
    n_threads = thread_count() if n_rows >= MIN_ROWS and work >= getattr(_local, "least_work", 0) else 1
    if n_threads == 1:
        return call(slice(0, n_rows))
    size = -(-n_rows // (SLICES_PER_THREAD * n_threads * CHUNK)) * CHUNK
    size = max(size, LEAST_SLICE)
    starts = iter(range(0, n_rows, size))  # one step of it is atomic

    def take() -> None:
        for start in starts:
            call(slice(start, min(start + size, n_rows)))

    n_helpers = min(n_threads, -(-n_rows // size)) - 1
    futures = [_executor(n_threads - 1).submit(take) for _ in range(n_helpers)]
    take()
    for future in futures:
        if not future.cancel():  # true of those that have not begun: nothing is left for them
            future.result()


def _of_device(array: Array) -> ModuleType | None:
    """The module for arrays of a device, None for those of NumPy."""
    if isinstance(array, np.ndarray):
        return None
    from boostloss.kernels import cuda_launch

    return cuda_launch


def empty_like(array: Array, dtype: DTypeLike | None = None) -> Array:
    """An uninitialised array where `array`, which is contiguous, is: in memory or on the device.

    In memory it begins with a cache line.
    """
    dtype = np.dtype(dtype or array.dtype)
    if device := _of_device(array):
        on_device: Array = device.empty(array.shape, dtype)
        return on_device
    memory = np.empty(array.size * dtype.itemsize + CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    entries: Array = memory[start : start + array.size * dtype.itemsize].view(dtype)
    return entries.reshape(array.shape, order="C" if array.flags.c_contiguous else "F")


def flat(array: Array) -> Array:
    """A view of a contiguous array as (n K,)."""
    return array.reshape(-1) if _of_device(array) else array.ravel(order="K")


def in_memory(array: Any) -> Array:
    """The array, or a copy of one of the device."""
    host: Array = array.copy_to_host() if _of_device(array) else array
    return host


def run_rows(kernel: Any, rows: Sequence[Array], scalars: tuple[Any, ...], outputs: Sequence[Array]) -> None:
    """kernel(*rows, *scalars, *outputs) with every non-empty array cut into slices of rows."""
    if device := _of_device(rows[0]):
        device.run_rows(kernel.definition, rows, scalars, outputs)
        return
    n_rows = len(rows[0])

    def call(part: slice) -> None:
        kernel(*[a[part] if a.size else a for a in rows], *scalars, *[a[part] for a in outputs])

    run_slices(call, n_rows)


def run_flat(
    kernel: Any, rows: Sequence[Array], raw: Array, scalars: tuple[Any, ...], outputs: Sequence[Array]
) -> None:
    """kernel(*rows, raw, n_rows, strides, *scalars, *outputs) for (n, K) arrays of either memory order, passed on flat.

    Row i, class k of them is at i * strides[0] + k * strides[1]; the arrays of `rows` are (n,), flat (n, K), or empty.
    """
    if device := _of_device(raw):
        device.run_flat(kernel.definition, rows, raw, scalars, outputs)
        return
    n_rows, n_classes = raw.shape
    strides = (n_classes, 1) if raw.flags.c_contiguous else (1, n_rows)
    flats = [flat(a) for a in (raw, *outputs)]

    def cut(array: Array, part: slice) -> Array:
        return array[part] if array.size == n_rows else array[part.start * strides[0] :]

    def call(part: slice) -> None:
        z, *out = (cut(a, part) for a in flats)
        size = part.stop - part.start  # the length of a flat array does not tell
        kernel(*[cut(a, part) if a.size else a for a in rows], z, size, strides, *scalars, *out)

    run_slices(call, n_rows, WORK_OF_ENTRY * raw.size)


@overload
def sum_chunks(kernel: Any, rows: Sequence[Array]) -> float: ...


@overload
def sum_chunks(kernel: Any, rows: Sequence[Array], n_sums: int) -> Floats: ...


def sum_chunks(kernel: Any, rows: Sequence[Array], n_sums: int | None = None) -> Any:
    """The sum over all rows of what kernel(*rows, partial) adds up per chunk of CHUNK rows: one number, or `n_sums`."""
    if device := _of_device(rows[0]):
        return device.sum_chunks(kernel.definition, rows, n_sums)
    n_rows = len(rows[0])
    n_chunks = -(-n_rows // CHUNK)
    partial = np.empty(n_chunks if n_sums is None else (n_chunks, n_sums))

    def call(part: slice) -> None:
        kernel(*[a[part] if a.size else a for a in rows], partial[part.start // CHUNK : -(-part.stop // CHUNK)])

    run_slices(call, n_rows)
    return float(partial.sum()) if n_sums is None else partial.sum(axis=0)
