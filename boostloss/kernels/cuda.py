"""The same formulas and templates as CUDA kernels in float32 alone: a thread per row, or a block per chunk of a sum."""

import functools
import types
from typing import Any, TypeAlias

import numpy as np
from numba import cuda

from boostloss._types import Function
from boostloss.kernels import batch, softmax, softmax_rows
from boostloss.kernels.cpu import bound_template, takes_powers
from boostloss.kernels.cuda_words import (
    CELLS,
    SIMULATED,
    WORDS,
    cells_for,
    cells_of_row,
    chain,
    device_function,
    pairs_of,
    slices_of_row,
    store,
)
from boostloss.kernels.pairs import Pair

THREADS = 4 if SIMULATED else 256  # of a block; the simulator has a Python thread for each
CHUNK = 16 * THREADS  # rows of one partial sum: fixed, so that a sum does not depend on the device
ZERO, f32 = np.float32(0), np.float32

Definition: TypeAlias = tuple[Function, Function | None, str | None]  # template, formula and its variable

OF_CLASSES = ("softmax_derivatives", "softmax_value", "soft_softmax_derivatives", "soft_softmax_value", "shift_classes")
ROW_OF = {getattr(softmax, name): getattr(softmax_rows, name) for name in OF_CLASSES}


# What kernels call, replaced at binding


def template(*arguments: Any) -> Any:
    """A template around a formula."""


def scalars_of(scalars: Any) -> Any:
    """What a template takes besides arrays, hyper-parameters in two parts as pairs."""


def row(*arguments: Any) -> Any:
    """Row i of arrays."""


def outputs_of_row(*arguments: Any) -> Any:
    """Where a row's results go."""


def stored(*arguments: Any) -> Any:
    """Store a row's results."""


def term(*arguments: Any) -> Any:
    """What row i adds to sum k."""


def plain_scalars(scalars: Any) -> Any:
    """As they are."""
    return scalars


def scalars_of_row(scalars: Any) -> Any:
    """Of a template with one tuple of hyper-parameters."""
    return pairs_of(scalars[0]), *scalars[1:]


def scalars_of_two_classes(scalars: Any) -> Any:
    """Of a template with one such tuple for each of two classes."""
    return pairs_of(scalars[0]), pairs_of(scalars[1]), *scalars[2:]


def row_kernel(n_rows: int, rows: Any, scalars: Any, outputs: Any) -> None:
    """A template of arrays with one entry per row."""
    numbers = scalars_of(scalars)
    for i in range(cuda.grid(1), n_rows, cuda.gridsize(1)):
        results = outputs_of_row(outputs)
        template(*row(rows, i), *numbers, *results)
        stored(results, outputs, i)


def slice_kernel(n_rows: int, rows: Any, scalars: Any, outputs: Any) -> None:
    """A template of one row, or one that changes its rows in place; arrays may have several entries per row."""
    for i in range(cuda.grid(1), n_rows, cuda.gridsize(1)):
        template(*row(rows, i, n_rows), *scalars, *outputs_of_row(outputs, i, n_rows))


def sum_kernel(n_rows: int, rows: Any, partial: Any) -> None:
    """The sums of every chunk, by pairs: partial is (chunks, sums, 2)."""
    high = cuda.shared.array(THREADS, f32)
    low = cuda.shared.array(THREADS, f32)  # on a line of its own: by that the simulator tells arrays apart
    thread = cuda.threadIdx.x
    for chunk in range(cuda.blockIdx.x, partial.shape[0], cuda.gridDim.x):
        for k in range(partial.shape[1]):
            total: Any = Pair(ZERO, ZERO)
            for i in range(chunk * CHUNK + thread, min(n_rows, (chunk + 1) * CHUNK), THREADS):
                total = total + term(rows, i, k)
            high[thread], low[thread] = total.high, total.low
            step = THREADS // 2
            while step > 0:
                cuda.syncthreads()
                if thread < step:
                    total = total + Pair(high[thread + step], low[thread + step])
                    high[thread], low[thread] = total.high, total.low
                step //= 2
            if thread == 0:
                partial[chunk, k, 0], partial[chunk, k, 1] = total.high, total.low
            cuda.syncthreads()


def one_term(rows: Any, i: int, k: int) -> Any:
    """Of a template with one sum per chunk."""
    result = cell()
    template(*row(rows, i), result)
    return result[0]


def one_of_three_terms(rows: Any, i: int, k: int) -> Any:
    """Of a template with three sums per chunk."""
    result = three_cells()
    template(*row(rows, i), result)
    return result[0, 0] if k == 0 else (result[0, 1] if k == 1 else result[0, 2])


def bin_term(rows: Any, i: int, k: int) -> Any:
    """The weight of a row in bin k."""
    which, weight = row(rows, i)
    return weight[0] if which[0] == k else ZERO


def cell() -> Any:
    """Replaced by that of the device."""


def three_cells() -> Any:
    """Replaced as well."""


N_ARGUMENTS = {"probability": 4, "margin": 1, "residual": 1, "prediction": 2}  # of a formula, before its parameters
TERM_OF = {batch.overlap_sums: one_of_three_terms, batch.bin_sums: bin_term}


def _bound(kernel: Function, **callees: Any) -> Function:
    """A kernel that calls these; what is no function of the device yet is made one."""
    return types.FunctionType(kernel.__code__, {**kernel.__globals__, **callees}, kernel.__name__)


def _body(template: Function, formula: Function | None, variable: str | None) -> Any:
    return device_function(bound_template(template, formula, variable, WORDS, device_function))


def _named(kernel: Any, definition: Definition) -> Any:
    """The kernel under a name that a profiler shows."""
    body, formula, _ = definition
    kernel.__qualname__ = kernel.__name__ = f"{body.__name__}_{formula.__name__ if formula else 'plain'}"
    return cuda.jit(kernel)


def _scalars_of(formula: Function | None, variable: str | None) -> Any:
    if formula is None or variable is None or not takes_powers(formula):
        return device_function(plain_scalars)
    prepare = scalars_of_row if variable in ("residual", "prediction") else scalars_of_two_classes
    n_params = formula.__code__.co_argcount - N_ARGUMENTS[variable]
    return device_function(_bound(prepare, pairs_of=chain(pairs_of, n_params)), inline=True)


@functools.cache
def compiled_rows(definition: Definition, n_rows: int, n_outputs: int) -> Any:
    """The kernel of a template of arrays with an entry per row; `definition` is template, formula and variable."""
    if not n_outputs:
        return _compiled_slices(_body(*definition), definition, n_rows, 0)
    callees = {
        "template": _body(*definition),
        "scalars_of": _scalars_of(*definition[1:]),
        "row": chain(cells_of_row, n_rows),
        "outputs_of_row": chain(cells_for, n_outputs),
        "stored": chain(store, n_outputs),
    }
    return _named(_bound(row_kernel, **callees), definition)


@functools.cache
def compiled_flat(definition: Definition, n_rows: int, n_outputs: int) -> Any:
    """The kernel of a template of K classes, as `softmax_rows` has it."""
    body = _body(ROW_OF[definition[0]], *definition[1:])
    return _compiled_slices(body, definition, n_rows, n_outputs)


def _compiled_slices(body: Any, definition: Definition, n_rows: int, n_outputs: int) -> Any:
    row, outputs = chain(slices_of_row, n_rows), chain(slices_of_row, n_outputs)
    return _named(_bound(slice_kernel, template=body, row=row, outputs_of_row=outputs), definition)


@functools.cache
def compiled_sums(definition: Definition, n_rows: int) -> Any:
    """The kernel of a template of sums."""
    term = TERM_OF.get(definition[0], one_term)
    callees = {name: device_function(CELLS[name], inline=True) for name in ("cell", "three_cells")}
    if term is not bin_term:
        callees["template"] = _body(*definition)
    term = device_function(_bound(term, row=chain(cells_of_row, n_rows), **callees), inline=True)
    return _named(_bound(sum_kernel, term=term), definition)
