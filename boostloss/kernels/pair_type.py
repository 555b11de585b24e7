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

    def __init__(self):
        super().__init__(name="Pair")

    def unify(self, typingctx, other):
        """A pair and a number become a pair."""
        return self if isinstance(other, types.Float) else None

    def can_convert_from(self, typingctx, other):
        """Any float is one."""
        return Conversion.promote if isinstance(other, types.Float) else None


PAIR = PairType()
ZERO = np.float32(0)


def _make(context, builder, high, low):
    pair = cgutils.create_struct_proxy(PAIR)(context, builder)
    pair.high, pair.low = high, low
    return pair._getvalue()


def _of_number(context, builder, kind, number):
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
        def __init__(self, manager, fe_type):
            super().__init__(manager, fe_type, [("high", types.float32), ("low", types.float32)])

    for name in ("high", "low"):
        extending.make_attribute_wrapper(PairType, name, name)


def _register_makers(extending: Any) -> None:
    """`Pair` of one number, two or a pair, and `Single` of any of them."""

    @extending.type_callable(Pair)
    def type_pair(context):
        def typer(high, low=None):
            return PAIR

        return typer

    @extending.lower_builtin(Pair, types.Float, types.Float)
    def pair_of_parts(context, builder, signature, arguments):
        parts = (context.cast(builder, a, t, types.float32) for a, t in zip(arguments, signature.args, strict=True))
        return _make(context, builder, *parts)

    @extending.lower_builtin(Pair, types.Float)
    def pair_of_number(context, builder, signature, arguments):
        return _of_number(context, builder, signature.args[0], arguments[0])

    @extending.lower_builtin(Pair, PairType)
    def pair_of_pair(context, builder, signature, arguments):
        return arguments[0]

    @extending.type_callable(Single)
    def type_single(context):
        def typer(x):
            return types.float32

        return typer

    def single(context, builder, signature, arguments):
        return context.cast(builder, arguments[0], signature.args[0], types.float32)

    for kind in (types.Float, types.Integer, PairType):
        extending.lower_builtin(Single, kind)(single)


def _register_casts(extending: Any) -> None:
    """A number is a pair; a pair rounds to a number."""

    @extending.lower_cast(types.Float, PairType)
    def from_number(context, builder, given, wanted, number):
        return _of_number(context, builder, given, number)

    @extending.lower_cast(PairType, types.Float)  # only `Single` asks for it: else numbers' own operators would
    def to_number(context, builder, given, wanted, number):
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


def _lifted_pair(x):
    return x


def _lifted_number(x):
    return Pair(np.float32(x), ZERO)


def _register_arithmetic(extending: Any, callees: Callees, options: dict[str, Any]) -> None:
    for operation, function in BINARY.items():
        _overload_binary(extending, operation, callees.compiled(function), callees.lift, options)
    for operation, function in UNARY.items():
        _overload_unary(extending, operation, callees.compiled(function), options)

    @extending.overload(operator.setitem, **options)
    def typed_setitem(array, i, value):
        """Rounded, for formulas that return a pair."""

        def store(array, i, value):
            array[i] = value.high

        return store if isinstance(array, types.Array) and value == PAIR else None

    raised = callees.compiled(pairs.power)

    @extending.overload(operator.pow, **options)
    def typed_power(a, n):
        return (lambda a, n: raised(a, n)) if a == PAIR and isinstance(n, types.Integer) else None


def _overload_binary(extending: Any, operation: Any, function: Any, lift: Any, options: dict[str, Any]) -> None:
    @extending.overload(operation, **options)
    def typed(a, b):
        if PAIR not in (a, b) or not all(isinstance(t, (types.Float, PairType)) for t in (a, b)):
            return None
        lift_a, lift_b = lift[a == PAIR], lift[b == PAIR]

        def of_two(a, b):
            return function(lift_a(a), lift_b(b))

        return of_two


def _overload_unary(extending: Any, operation: Any, function: Any, options: dict[str, Any]) -> None:
    @extending.overload(operation, **options)
    def typed(x):
        return (lambda x: function(x)) if x == PAIR else None
