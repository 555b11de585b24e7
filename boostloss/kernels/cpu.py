"""Binding a formula to a template, and compiling it for the CPU with a disk cache that never serves a stale formula."""

import functools
import hashlib
import math
import types
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any, TypeAlias

import numpy as np

from boostloss._types import Function
from boostloss.kernels import double, narrow, scalar, softmax, softmax_rows, templates

# 1 / 0 is inf, not an exception that would keep LLVM from vectorising; fused multiply-add; NaN and inf survive
OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}}
# A vectorised sum needs any order
SUM_OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract", "reassoc"}}
KERNEL_OPTIONS: dict[str, Any] = {"nogil": True, "no_cfunc_wrapper": True}  # nobody calls a kernel from C
# LLVM's own threshold leaves large formulas as calls: 20 times slower; blocks of K classes that are called take up to
# 1.08 of the time, and 0.95 of the time to compile. Entry points that nobody uses are a third of that
CALLEE_OPTIONS: dict[str, Any] = {"forceinline": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
# One target has one signature, "mixed" being float32 results of float64 raw predictions: where two processes store two
# signatures of one name at once, Numba's index may keep one with the machine code of the other
TARGETS = {"simd": scalar.SIMD, "mixed": scalar.SIMD, "double": double.DOUBLE}
# Of a kernel; what it calls has those of loops, for in another order corrections of rounding would be lost
FLAGS = {"loop": OPTIONS, "sum": SUM_OPTIONS}
Words: TypeAlias = dict[str, Any]  # what a target binds to the names of a formula or a template
NUMBERS = int, float, np.generic, type


def check_formula(formula: Function) -> None:
    """Refuse what the digest below could not see, Numba could not cache, or would compute in float64."""
    name = f"{formula.__module__}.{formula.__qualname__}"
    nested = [c for c in formula.__code__.co_consts if isinstance(c, types.CodeType)]
    if formula.__closure__ or nested or formula.__defaults__ or formula.__kwdefaults__:
        raise ValueError(f"point == {name}, must have no closure, default argument, nested function or lambda.")
    for word in formula.__code__.co_names:
        value = formula.__globals__.get(word)
        value = getattr(value, "py_func", value)
        if word in scalar.SIMD or value is math or isinstance(value, (*NUMBERS, types.BuiltinFunctionType)):
            continue
        if isinstance(value, types.FunctionType):
            check_formula(value)
        elif isinstance(value, types.ModuleType):
            raise ValueError(f"point == {name} uses module {word!r}, must use the words of boostloss.formula or math.")
        elif value is not None:
            raise ValueError(f"point == {name} uses {word!r}, which must be a number or a function.")
        elif isinstance(getattr(math, word, None), float):
            raise ValueError(f"point == {name} uses math.{word}, must have it as a number: {getattr(math, word)!r}.")


def _typed(constant: Any, real: type[np.floating[Any]]) -> Any:
    if isinstance(constant, tuple):
        return tuple(_typed(c, real) for c in constant)
    return real(constant) if type(constant) is float else constant


def _with_constants(code: CodeType, real: type[np.floating[Any]]) -> CodeType:
    """`code` with its float literals in the kernel's type: one float64 constant makes a whole loop float64."""
    return code.replace(co_consts=_typed(code.co_consts, real))


def rebind(function: Function, words: Words) -> Function:
    """A copy of a plain function that sees `words`, and float constants of the type words['real']."""
    # A kernel read from disk imports the module of every function in it, and a user's may have been renamed since
    seen = {**function.__globals__, **words, "__name__": __name__}
    for name in function.__code__.co_names:
        if type(seen.get(name)) is float:
            seen[name] = words["real"](seen[name])
    return types.FunctionType(_with_constants(function.__code__, words["real"]), seen, function.__name__)


def _with_nested(code: CodeType) -> list[CodeType]:
    """`code` and that of the functions inside it."""
    inside = [c for c in code.co_consts if isinstance(c, CodeType)]
    return [code, *(nested for c in inside for nested in _with_nested(c))]


def digest(function: Function) -> str:
    """Text that changes when `function`, anything it calls, or a constant it reads changes."""
    codes = _with_nested(function.__code__)
    parts, names = [], [name for code in codes for name in code.co_names]
    for code in codes:
        constants = [c for c in code.co_consts if not isinstance(c, CodeType)]  # their text has an address in it
        parts.append(repr((code.co_code.hex(), constants, code.co_names)))
    for name in names:
        value = function.__globals__.get(name)
        if not isinstance(value, types.FunctionType):  # what a wrapper itself does counts
            value = getattr(value, "py_func", getattr(value, "__wrapped__", value))  # of Numba's: an intrinsic's
        if isinstance(value, types.FunctionType):
            parts.append(digest(value))
        elif isinstance(value, (*NUMBERS, str, types.BuiltinFunctionType)):
            parts.append(repr(value))
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def takes_powers(formula: Function) -> bool:
    """Whether a formula multiplies logarithms: then its parameters come in the type `wide`, log q comes `joined`."""
    return not {"power_q", "exp_product", "margin_exp"}.isdisjoint(formula.__code__.co_names)


def _around(formula: Function, variable: str, seen: Words) -> Words:
    """The functions between a template and a formula of this variable, `seen` being the words of the target."""
    words = {"formula": formula, "point": getattr(templates, f"point_of_{variable}")}
    if variable != "probability":
        return words
    n_parameters = formula.__code__.co_argcount - 4
    words["row_parameters"] = softmax.ROW_PARAMETERS[n_parameters]
    if not n_parameters:
        words["look_up_parameters"] = softmax.no_parameters
    words["table_parameters"] = softmax_rows.TABLE_PARAMETERS[n_parameters]
    if "margin_exp" in formula.__code__.co_names:
        words["log_p_of"] = seen.get("joined", scalar.joined)
    if takes_powers(formula):
        return {**words, "scaled_point": templates.scaled_point, "parameter": softmax.wide_parameter}
    return {**words, "scaled_point": templates.scaled_point_of_number, "parameter": softmax.real_parameter}


def bound_template(
    template: Function,
    formula: Function | None,
    variable: str | None,
    words: Words,
    wrap: Callable[[Function], Any],
    instead: Mapping[Function, Any] = types.MappingProxyType({}),
) -> Function:
    """`template` around `formula` in the vocabulary `words`.

    Every callee goes through `wrap`, once, or has something that stands `instead` of it.
    """
    words, linked = dict(words), dict(instead)
    if formula is not None and variable is not None:
        check_formula(formula)
        words = {**_around(formula, variable, words), **words}

    def link(function: Function) -> Function:
        callees = {}
        for name in function.__code__.co_names:
            callee = words.get(name, function.__globals__.get(name))
            if isinstance(callee, types.FunctionType):
                if callee not in linked:
                    linked[callee] = wrap(link(callee))
                callees[name] = linked[callee]
        return rebind(function, {**words, **callees})

    return link(template)


_callees: dict[str, Any] = {}  # kept: gradient, value and a second loss share most of theirs


def _callee(function: Function) -> Any:
    """The compiled form of a function that kernels call; the same one for all that call it."""
    from numba import njit

    from boostloss.kernels.compiler import QuickCompiler

    options = {**CALLEE_OPTIONS, **OPTIONS, "pipeline_class": QuickCompiler}
    return _callees.setdefault(digest(function), njit(**options)(function))


@functools.cache
def compiled(
    template: Function,
    formula: Function | None,
    variable: str | None,
    target: str,
    options: str = "loop",
    layout: tuple[int, bool] | None = None,
) -> Any:
    """The kernel of a template for a target, compiled at its first call or read from disk.

    `variable` is what the formula is one of: "probability" of the true class, "margin" or "residual". Both are None
    for a template without a formula. `layout` is that of (n, K) arrays, as
    `softmax.layout_of` tells it.
    """
    from numba import njit

    from boostloss.kernels import intrinsics
    from boostloss.kernels.compiler import QuickCompiler

    flags = {**KERNEL_OPTIONS, **FLAGS[options], "pipeline_class": QuickCompiler}
    words, outer = TARGETS[target], template
    if target == "mixed" and template in narrow.AROUND:
        words, outer = words | narrow.words_around(template, variable), narrow.AROUND[template]
    if layout:
        words = words | softmax.words_of_layout(*layout)
    kernel = bound_template(outer, formula, variable, words, _callee, intrinsics.INSTEAD)
    # Numba's cache key has the file, line, name, bytecode and signature: neither constants, nor the functions behind
    # global names, nor options. So all of those go into the name.
    options_of_both = [(sorted(o["fastmath"]), o["error_model"]) for o in (flags, OPTIONS)]  # a set's order varies
    settings = options_of_both, CALLEE_OPTIONS
    tag = hashlib.sha256(f"{digest(kernel)}{settings}".encode()).hexdigest()
    kernel.__qualname__ = f"{template.__name__}_{formula.__name__ if formula else 'plain'}_{target}_{tag[:16]}"
    try:
        dispatcher = njit(cache=True, **flags)(kernel)
    except RuntimeError:  # Numba found no folder it may write to
        dispatcher = njit(**flags)(kernel)
    dispatcher.definition = template, formula, variable  # for arrays of a device
    return dispatcher
