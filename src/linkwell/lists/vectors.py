"""Instructions that numba has no words for: counting bits, comparing 32 sketches at a time, asking for memory ahead. For compiled code only."""

from typing import Any

from llvmlite import ir
from numba.core import types

from linkwell.base.compiled import intrinsic

LANES = 32
"""Sketches that are compared at a time."""


@intrinsic
def count_bits(_context: Any, number: Any) -> Any:
    """The bits of an unsigned number that are set: one instruction, which also works on whole vectors."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return number(number), generate


@intrinsic
def compare_lanes(_context: Any, _sketches: Any, _place: Any, _sketch: Any, _limit: Any) -> Any:
    """Of the 32 sketches from a place on, which are within a limit of one: a bit each, the first lowest. Four instructions.

    Written out as vectors, since the compiler does not find them by itself; where the processor has no vectors so long, it splits them.
    """

    def generate(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(ir.IntType(16), LANES)

        def everywhere(value: Any) -> Any:
            first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
            return builder.shuffle_vector(
                first, ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
            )

        array = target.make_array(signature.args[0])(target, builder, arguments[0])
        place = builder.bitcast(builder.gep(array.data, [arguments[1]]), vector.as_pointer())
        count = builder.module.declare_intrinsic(f"llvm.ctpop.v{LANES}i16", (), ir.FunctionType(vector, [vector]))
        apart = builder.call(count, [builder.xor(builder.load(place, align=2), everywhere(arguments[2]))])
        return builder.bitcast(builder.icmp_unsigned("<=", apart, everywhere(arguments[3])), ir.IntType(LANES))

    return types.uint32(_sketches, types.int64, types.uint16, types.uint16), generate


@intrinsic
def fetch(_context: Any, _array: Any, _place: Any) -> Any:
    """Ask for a line of memory before it is needed."""

    def generate(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = target.make_array(signature.args[0])(target, builder, arguments[0])
        place = builder.bitcast(builder.gep(array.data, [arguments[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        call = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), number, number, number])
        fetch = builder.module.declare_intrinsic("llvm.prefetch.p0", (), call)
        builder.call(fetch, [place, ir.Constant(number, 0), ir.Constant(number, 3), ir.Constant(number, 1)])
        return ir.Constant(ir.IntType(64), 0)

    return types.int64(_array, types.int64), generate


@intrinsic
def lowest_bit(_context: Any, number: Any) -> Any:
    """The place of the lowest bit that is set."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return number(number), generate
