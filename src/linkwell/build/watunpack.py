"""The members of a gzipped WAT unpacked one after another and taken for records, compiled, by way of libdeflate.

What is told of a record is what `members.split` would tell; whatever is not a usual metadata record, it is asked about.
"""

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types

from linkwell.base.compiled import bytes_at, intrinsic, numbers_at, part
from linkwell.build.jsonscan import byte_at, equals, holds_info
from linkwell.build.watfacts import (
    AT,
    ENOUGH,
    LONGEST_HEADER,
    MORE,
    NEXT,
    NO_ROOM,
    RECORDS,
    RECORDS_AT_ONCE,
    SKIPPED,
    TOLD,
    UNUSUAL,
    UNUSUAL_AT,
    UNUSUAL_END,
    USED,
    Bytes,
    Numbers,
)

_BAD: Final = -1
_RETURN, _NEWLINE, _OPEN, _ZERO, _NINE = 13, 10, 123, 48, 57
_SUCCESS, _INSUFFICIENT_SPACE = 0, 3
_SHORTEST_MEMBER = 20

_MAGIC = np.frombuffer(b"\x1f\x8b\x08", np.uint8)
_START = np.frombuffer(b"WARC/1.", np.uint8)
_METADATA = np.frombuffer(b"\r\nWARC-Type: metadata\r\n", np.uint8)
_LENGTH = np.frombuffer(b"\r\nContent-Length: ", np.uint8)
_END = np.frombuffer(b"\r\n\r\n", np.uint8)
_FIRST_LINE_BYTES = len(b"WARC/1.0")


@intrinsic
def _decompress(
    _context: Any, _function: Any, _unpacker: Any, _source: Any, _size: Any, _target: Any, _room: Any, _told: Any
) -> Any:
    """Call `libdeflate_gzip_decompress_ex`; the bytes read and the bytes written go to the first two numbers at `_told`."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        number, pointer = ir.IntType(64), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.IntType(32), [pointer, pointer, number, pointer, number, pointer, pointer])
        function, unpacker, source, size, target, room, told = arguments
        second = builder.add(told, ir.Constant(number, 8))
        found = builder.call(
            builder.inttoptr(function, kind.as_pointer()),
            [
                builder.inttoptr(unpacker, pointer),
                builder.inttoptr(source, pointer),
                size,
                builder.inttoptr(target, pointer),
                room,
                builder.inttoptr(told, pointer),
                builder.inttoptr(second, pointer),
            ],
        )
        return builder.zext(found, number)

    return types.int64(*[types.int64] * 7), generate


@part
def _body(data: Bytes, first: int, last: int) -> int:
    """Where the body of a record begins, or -1: it is none of metadata, or is written in another way than Common Crawl's."""
    if not equals(data, first, first + len(_START), _START):
        return _BAD
    at = first + _FIRST_LINE_BYTES
    if not equals(data, at, at + len(_METADATA), _METADATA):
        return _BAD
    limit = min(last, first + LONGEST_HEADER) - len(_END)
    stated = _BAD
    while at <= limit and not (data[at] == _RETURN and equals(data, at, at + len(_END), _END)):
        if stated < 0 and data[at] == _RETURN and equals(data, at, at + len(_LENGTH), _LENGTH):
            stated = at + len(_LENGTH)
        at += 1
    if at > limit or stated < 0 or data[stated] == _ZERO or not equals(data, last - len(_END), last, _END):
        return _BAD
    length = 0
    while stated < at and _ZERO <= data[stated] <= _NINE and length <= last:
        length = length * 10 + byte_at(data, stated) - _ZERO
        stated += 1
    body = at + len(_END)
    return body if data[stated] == _RETURN and length > 0 and body + length + len(_END) == last else _BAD


@part
def _unpack(
    function: int,
    unpacker: int,
    packed_at: int,
    packed: Bytes,
    data_at: int,
    data: Bytes,
    enough: int,
    longest: int,
    longest_info: int,
    bodies: Numbers,
    told_at: int,
    told: Numbers,
) -> int:
    at, to, records = told[USED], told[AT], told[RECORDS]
    while True:
        told[USED], told[AT], told[RECORDS] = at, to, records
        if to >= enough or records == RECORDS_AT_ONCE:
            return ENOUGH
        if at + _SHORTEST_MEMBER > len(packed) or not equals(packed, at, at + len(_MAGIC), _MAGIC):
            return MORE
        done = _decompress(
            function, unpacker, packed_at + at, len(packed) - at, data_at + to, len(data) - to, told_at + 8 * USED
        )
        used, made = told[USED], told[AT]
        told[USED], told[AT] = at, to
        if done != _SUCCESS:
            return NO_ROOM if done == _INSUFFICIENT_SPACE else MORE
        last = to + made
        body = _body(data, to, last)
        end = last - len(_END)
        if body < 0 or end - body > longest or (end - body <= longest_info and holds_info(data, body, end)):
            told[UNUSUAL_AT], told[UNUSUAL_END] = to, last
            told[NEXT] = at + used
            return UNUSUAL
        at += used
        if data[body] == _OPEN:
            bodies[2 * records], bodies[2 * records + 1] = body, end
            records += 1
            to = last
        else:
            told[SKIPPED] += 1


def unpack_at(
    function: int,
    unpacker: int,
    packed: int,
    packed_bytes: int,
    data: int,
    data_bytes: int,
    enough: int,
    longest: int,
    longest_info: int,
    bodies: int,
    told: int,
) -> int:
    """Unpack members as long as they are usual; returns why it stopped: `watfacts.MORE`, `ENOUGH`, `NO_ROOM` or `UNUSUAL`.

    All arrays are given as addresses.

    Args:
        function: `libdeflate_gzip_decompress_ex`.
        unpacker: of `libdeflate_alloc_decompressor`.
        packed: bytes of the file, from the start of a member on.
        packed_bytes: how many.
        data: bytes, filled with records.
        data_bytes: room for them.
        enough: stop when so many are filled.
        longest: a longer body is unusual.
        longest_info: a body up to so long that describes a warcinfo is unusual.
        bodies: numbers (RECORDS_AT_ONCE, 2), filled with where each usual body that is JSON begins and ends.
        told: numbers (TOLD). `USED`, `AT` and `RECORDS` say where to go on in `packed`, `data` and `bodies`, and are brought up to date;
            `SKIPPED` counts bodies that are no JSON; `UNUSUAL_AT` and `UNUSUAL_END` are the place of an unusual record in `data`, and
            `NEXT` is where its member ends.
    """
    return _unpack(
        function,
        unpacker,
        packed,
        bytes_at(packed, packed_bytes),
        data,
        bytes_at(data, data_bytes),
        enough,
        longest,
        longest_info,
        numbers_at(bodies, 2 * RECORDS_AT_ONCE),
        told,
        numbers_at(told, TOLD),
    )
