"""Bytes of a byte array, eight or many at once, wherever they begin: the unaligned loads and stores that text is copied and written with.

Nothing checks the end of the array: whoever calls has seven bytes to spare there.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

_WORD = ir.IntType(64)


def _place(context: Any, builder: Any, array_type: Any, array: Any, at: Any) -> Any:
    """The address of eight bytes of a one-dimensional array from byte `at`."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [at]), _WORD.as_pointer())


@intrinsic
def load64(typing_context: Any, array: Any, at: Any) -> Any:
    """The bytes `at` to `at + 8` of a contiguous uint8 array as a little-endian uint64."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = builder.load(_place(context, builder, signature.args[0], *arguments))
        word.align = 1
        return word

    return types.uint64(array, types.int64), build


@intrinsic
def store64(typing_context: Any, array: Any, at: Any, word: Any) -> Any:
    """Writes a uint64 to the bytes `at` to `at + 8` of a contiguous uint8 array."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        store = builder.store(arguments[2], _place(context, builder, signature.args[0], *arguments[:2]))
        store.align = 1
        return context.get_dummy_value()

    return types.void(array, types.int64, types.uint64), build


@intrinsic
def copy_bytes(typing_context: Any, source: Any, start: Any, length: Any, target: Any, at: Any) -> Any:
    """Copies `length` bytes of a contiguous uint8 array from byte `start` on to byte `at` of another one."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte = ir.IntType(8)
        taken = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        given = context.make_array(signature.args[3])(context, builder, arguments[3]).data
        copy = builder.module.declare_intrinsic("llvm.memcpy", [byte.as_pointer(), byte.as_pointer(), _WORD])
        to, of = builder.gep(given, [arguments[4]]), builder.gep(taken, [arguments[1]])
        builder.call(copy, [to, of, arguments[2], ir.Constant(ir.IntType(1), 0)])
        return context.get_dummy_value()

    return types.void(source, types.int64, types.int64, target, types.int64), build


@intrinsic
def copy_from(typing_context: Any, address: Any, length: Any, target: Any, at: Any) -> Any:
    """Copies `length` bytes from an address in memory to byte `at` of a contiguous uint8 array."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte = ir.IntType(8)
        given = context.make_array(signature.args[2])(context, builder, arguments[2]).data
        copy = builder.module.declare_intrinsic("llvm.memcpy", [byte.as_pointer(), byte.as_pointer(), _WORD])
        of, to = builder.inttoptr(arguments[0], byte.as_pointer()), builder.gep(given, [arguments[3]])
        builder.call(copy, [to, of, arguments[1], ir.Constant(ir.IntType(1), 0)])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, target, types.int64), build


@intrinsic
def prefetch(typing_context: Any, array: Any, at: Any) -> Any:
    """Asks for the cache line of item `at` of a contiguous array, before it is needed; harmless beyond its end."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        _ask_for(builder, builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer()))
        return context.get_dummy_value()

    return types.void(array, types.int64), build


@intrinsic
def prefetch_from(typing_context: Any, address: Any) -> Any:
    """Asks for the cache line of an address in memory, before it is needed; harmless wherever it is."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _ask_for(builder, builder.inttoptr(arguments[0], ir.IntType(8).as_pointer()))
        return context.get_dummy_value()

    return types.void(types.int64), build


def _ask_for(builder: Any, address: Any) -> None:
    byte, number = ir.IntType(8), ir.IntType(32)
    declared = ir.FunctionType(ir.VoidType(), [byte.as_pointer(), number, number, number])
    function = builder.module.declare_intrinsic("llvm.prefetch", [byte.as_pointer()], declared)
    builder.call(function, [address, number(0), number(3), number(1)])


def _compared(relation: str) -> Any:
    """An intrinsic: bit i of a uint64 says how byte `at + i` of a contiguous uint8 array compares with `byte`; 63 bytes to spare."""
    byte_type = ir.IntType(8)
    block_type = ir.VectorType(byte_type, 64)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        block = builder.load(builder.bitcast(builder.gep(data, [arguments[1]]), block_type.as_pointer()))
        block.align = 1
        byte = builder.trunc(arguments[2], byte_type)
        first = builder.insert_element(ir.Constant(block_type, ir.Undefined), byte, ir.Constant(ir.IntType(32), 0))
        everywhere = builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(ir.IntType(32), 64), None))
        return builder.bitcast(builder.icmp_unsigned(relation, block, everywhere), _WORD)

    @intrinsic
    def compare(typing_context: Any, array: Any, at: Any, byte: Any) -> Any:
        return types.uint64(array, types.int64, types.int64), build

    return compare


equal64, above64 = _compared("=="), _compared(">")
