"""The bits of a number, each an instruction of LLVM: 0.8 to 0.9 of the time a kernel takes to compile.

Of NumPy's `view`, which `scalar` has, Numba compiles two functions for every pair of types.
"""

from typing import Any

from numba import types
from numba.extending import intrinsic


@intrinsic
def bits_of(typing_context: Any, x: Any) -> Any:
    """The 32 bits of a float32, as an integer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(types.int32))

    return types.int32(types.float32), generate


@intrinsic
def low_bits_of(typing_context: Any, x: Any) -> Any:
    """The lower half of the bits of a float64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.bitcast(arguments[0], context.get_value_type(types.int64))
        return builder.trunc(bits, context.get_value_type(types.int32))

    return types.int32(types.float64), generate


@intrinsic
def from_bits(typing_context: Any, bits: Any) -> Any:
    """The float32 that has the 32 lower bits of an integer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        low = context.cast(builder, arguments[0], bits, types.int32)
        return builder.bitcast(low, context.get_value_type(types.float32))

    return types.float32(bits), generate


WORDS: dict[str, Any] = {"bits_of": bits_of, "low_bits_of": low_bits_of, "from_bits": from_bits}
