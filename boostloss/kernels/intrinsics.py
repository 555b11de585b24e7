"""What stands in a kernel for functions of `scalar` and `arrays`: instructions of LLVM, and what is told it.

NumPy's `view`, by which `scalar` reads bits, makes Numba compile two functions for every pair of types: without them a
kernel takes 0.8 to 0.9 of the time to compile. A slice counts references and looks for negative numbers, an allocation
is a function of its own: without both, K classes take 0.9 of that again.
"""

import sys
from typing import Any

from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from boostloss.kernels import arrays, scalar
from boostloss.kernels.threads import CACHE_LINE

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


def _array_at(context: Any, builder: Any, array_type: Any, data: Any, shape: list[Any]) -> Any:
    """A contiguous array of memory that somebody else keeps."""
    itemsize = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(array_type.dtype)))
    strides = [itemsize]
    for length in shape[:0:-1]:
        strides.insert(0, builder.mul(strides[0], length))
    array = make_array(array_type)(context, builder)
    populate_array(array, data=data, shape=shape, strides=strides, itemsize=itemsize, meminfo=None)
    return array._getvalue()


@intrinsic
def part(typing_context: Any, array: Any, start: Any, size: Any) -> Any:
    """`arrays.part` of an array known to be contiguous, counting no reference: the array must live longer."""
    if array.layout != "C":
        return None
    result = types.Array(array.dtype, 1, "C", readonly=not array.mutable)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole = make_array(array)(context, builder, arguments[0])
        first, most = (context.cast(builder, arguments[i], signature.args[i], types.intp) for i in (1, 2))
        left = builder.sub(whole.nitems, first)
        length = builder.select(builder.icmp_signed("<", left, most), left, most)
        nothing = context.get_constant(types.intp, 0)
        length = builder.select(builder.icmp_signed("<", length, nothing), nothing, length)
        return _array_at(context, builder, result, builder.gep(whole.data, [first]), [length])

    return result(array, start, size), generate


@intrinsic
def scratch_on_stack(typing_context: Any, dtype: Any, n_rows: Any, n_columns: Any) -> Any:
    """`arrays.scratch_on_stack`."""
    result = types.Array(dtype.dtype, 2, "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        shape = [context.cast(builder, arguments[i], signature.args[i], types.intp) for i in (1, 2)]
        data = builder.alloca(context.get_data_type(result.dtype), builder.mul(*shape))
        data.align = CACHE_LINE
        return _array_at(context, builder, result, data, shape)

    return result(dtype, n_rows, n_columns), generate


INSTEAD: dict[Any, Any] = {
    arrays.part: part,
    scalar.bits_of: bits_of,
    scalar.low_bits_of: low_bits_of,
    scalar.from_bits: from_bits,
    scalar.widest_vectors: widest_vectors,
}
if sys.platform != "win32":  # there LLVM calls a function of the system for so much stack: not tried
    INSTEAD[arrays.scratch_on_stack] = scratch_on_stack
