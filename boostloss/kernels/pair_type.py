"""`Pair` as a type of Numba's, for the target of an extension interface: Numba's own or that of numba-cuda.

With arithmetic in place, a formula that computes with doubles on the CPU computes with pairs where `wide` is `Pair`.
"""

import functools
import operator
import types as python_types
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import cgutils, types
from numba.core.typeconv.castgraph import Conversion

from boostloss.kernels import pairs
from boostloss.kernels.pairs import BINARY, UNARY, Pair, Single


class PairType(types.Type):
    """The type of a `Pair`."""

    def __init__(self) -> None:
        super().__init__(name="Pair")

    def unify(self, typingctx: Any, other: Any) -> Any:
        """A pair and a number become a pair."""
        return self if isinstance(other, types.Float) else None

    def can_convert_from(self, typingctx: Any, other: Any) -> Any:
        """Any float is one."""
        return Conversion.promote if isinstance(other, types.Float) else None


PAIR = PairType()
ZERO = np.float32(0)


def _make(context: Any, builder: Any, high: Any, low: Any) -> Any:
    pair = cgutils.create_struct_proxy(PAIR)(context, builder)
    pair.high, pair.low = high, low
    return pair._getvalue()


def _of_number(context: Any, builder: Any, kind: Any, number: Any) -> Any:
    high = context.cast(builder, number, kind, types.float32)
    return _make(context, builder, high, context.get_constant(types.float32, 0.0))


def register(extending: Any, fma: Callable[..., Any], **options: Any) -> None:
    """Make the type known to the target behind `extending`, `fma` being its fused multiply-add."""
    _register_layout(extending)
    _register_makers(extending)
    _register_casts(extending)
    _register_arithmetic(extending, Callees(functools.partial(extending.register_jitable, **options), fma), options)


def _register_layout(extending: Any) -> None:
    """Two numbers, with their names as attributes."""

    @extending.register_model(PairType)
    class PairModel(extending.models.StructModel):  # which one, the target says
        def __init__(self, manager: Any, fe_type: Any) -> None:
            super().__init__(manager, fe_type, [("high", types.float32), ("low", types.float32)])

    for name in ("high", "low"):
        extending.make_attribute_wrapper(PairType, name, name)


def _register_makers(extending: Any) -> None:
    """`Pair` of one number, two or a pair, and `Single` of any of them."""

    @extending.type_callable(Pair)
    def type_pair(context: Any) -> Callable[..., Any]:
        def typer(high: Any, low: Any = None) -> Any:
            return PAIR

        return typer

    @extending.lower_builtin(Pair, types.Float, types.Float)
    def pair_of_parts(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        parts = (context.cast(builder, a, t, types.float32) for a, t in zip(arguments, signature.args, strict=True))
        return _make(context, builder, *parts)

    @extending.lower_builtin(Pair, types.Float)
    def pair_of_number(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _of_number(context, builder, signature.args[0], arguments[0])

    @extending.lower_builtin(Pair, PairType)
    def pair_of_pair(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return arguments[0]

    @extending.type_callable(Single)
    def type_single(context: Any) -> Callable[..., Any]:
        def typer(x: Any) -> Any:
            return types.float32

        return typer

    def single(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.cast(builder, arguments[0], signature.args[0], types.float32)

    for kind in (types.Float, types.Integer, PairType):
        extending.lower_builtin(Single, kind)(single)


def _register_casts(extending: Any) -> None:
    """A number is a pair; a pair rounds to a number."""

    @extending.lower_cast(types.Float, PairType)
    def from_number(context: Any, builder: Any, given: Any, wanted: Any, number: Any) -> Any:
        return _of_number(context, builder, given, number)

    @extending.lower_cast(PairType, types.Float)  # only `Single` asks for it: else numbers' own operators would
    def to_number(context: Any, builder: Any, given: Any, wanted: Any, number: Any) -> Any:
        pair = cgutils.create_struct_proxy(PAIR)(context, builder, value=number)
        return context.cast(builder, pair.high, types.float32, wanted)


class Callees:
    """The functions of `pairs` for one target, each with the machine's fma and with the others as callees."""

    def __init__(self, jitable: Callable[..., Any], fma: Callable[..., Any]) -> None:
        self._jitable, self._fma = jitable, jitable(fma)
        self._bound: dict[Any, Any] = {}
        self.lift = {True: jitable(_lifted_pair), False: jitable(_lifted_number)}

    def compiled(self, function: Any) -> Any:
        """A function of `pairs` that others may call."""
        return self._jitable(self._of_target(function))

    def _of_target(self, function: Any) -> Any:
        if function not in self._bound:
            seen = {**function.__globals__, "fma": self._fma, "Pair": Pair}
            for name in function.__code__.co_names:
                callee = function.__globals__.get(name)
                if name != "fma" and isinstance(callee, python_types.FunctionType):
                    seen[name] = self.compiled(callee)
            self._bound[function] = python_types.FunctionType(function.__code__, seen, function.__name__)
        return self._bound[function]


def _lifted_pair(x: Any) -> Any:
    return x


def _lifted_number(x: Any) -> Pair:
    return Pair(np.float32(x), ZERO)


def _register_arithmetic(extending: Any, callees: Callees, options: dict[str, Any]) -> None:
    for operation, function in BINARY.items():
        _overload_binary(extending, operation, callees.compiled(function), callees.lift, options)
    for operation, function in UNARY.items():
        _overload_unary(extending, operation, callees.compiled(function), options)

    @extending.overload(operator.setitem, **options)
    def typed_setitem(array: Any, i: Any, value: Any) -> Callable[..., Any] | None:
        """Rounded, for formulas that return a pair."""

        def store(array: Any, i: Any, value: Any) -> None:
            array[i] = value.high

        return store if isinstance(array, types.Array) and value == PAIR else None

    raised = callees.compiled(pairs.power)

    @extending.overload(operator.pow, **options)
    def typed_power(a: Any, n: Any) -> Callable[..., Any] | None:
        def of_pair(a: Any, n: Any) -> Any:
            return raised(a, n)

        return of_pair if a == PAIR and isinstance(n, types.Integer) else None


def _overload_binary(extending: Any, operation: Any, function: Any, lift: Any, options: dict[str, Any]) -> None:
    @extending.overload(operation, **options)
    def typed(a: Any, b: Any) -> Callable[..., Any] | None:
        if PAIR not in (a, b) or not all(isinstance(t, (types.Float, PairType)) for t in (a, b)):
            return None
        lift_a, lift_b = lift[a == PAIR], lift[b == PAIR]

        def of_two(a: Any, b: Any) -> Any:
            return function(lift_a(a), lift_b(b))

        return of_two


def _overload_unary(extending: Any, operation: Any, function: Any, options: dict[str, Any]) -> None:
    @extending.overload(operation, **options)
    def typed(x: Any) -> Callable[..., Any] | None:
        def of_one(x: Any) -> Any:
            return function(x)

        return of_one if x == PAIR else None
