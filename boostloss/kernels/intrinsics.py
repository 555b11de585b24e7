"""What stands in a kernel for functions of `scalar`: instructions of LLVM, and what is told it.

NumPy's `view`, by which `scalar` reads bits, makes Numba compile two functions for every pair of types: without them a
kernel takes 0.8 to 0.9 of the time to compile.
"""

from typing import Any

from numba import types
from numba.extending import intrinsic

from boostloss.kernels import scalar

WIDEST = '"prefer-vector-width"="512"'


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


@intrinsic
def widest_vectors(typing_context: Any) -> Any:
    """Let the function that calls it use vectors of 512 bits where the processor has them; LLVM's own choice is 256.

    Losses of two classes take 0.6 to 0.8 of the time so, several classes 0.8 to 1.0, others 0.8 to 1.05. Measured on
    Emerald Rapids only: older processors lower their clock for such vectors.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        set.add(builder.function.attributes, WIDEST)  # llvmlite's own `add` knows those without a value only
        return context.get_dummy_value()

    return types.none(), generate


INSTEAD: dict[Any, Any] = {
    scalar.bits_of: bits_of,
    scalar.low_bits_of: low_bits_of,
    scalar.from_bits: from_bits,
    scalar.widest_vectors: widest_vectors,
}
