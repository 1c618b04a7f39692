"""A large gzipped WAT, as long as it is in order: its members unpacked and read many at a time by machine code.

The way through the file is that of `members.Members`, which is the rule of what is right and takes the record apart where anything in it
is unusual. libdeflate is called from the machine code; the wheel of `deflate` has it inside and shows its functions.
"""

import contextlib
import ctypes
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
from deflate import _deflate

from linkwell.build.archive import MAX_RECORD_BYTES
from linkwell.build.members import MAX_PACKED_BYTES, PIECE_BYTES, split
from linkwell.build.watbatch import WatBatch, WatRecords, machine_code
from linkwell.build.watfacts import (
    AT,
    BYTES_AT_ONCE,
    ENOUGH,
    LONGEST_BODY,
    LONGEST_HEADER,
    MORE,
    NEXT,
    NO_ROOM,
    RECORDS,
    ROOM,
    SKIPPED,
    TOLD,
    UNUSUAL_AT,
    UNUSUAL_END,
    USED,
    Numbers,
)

_MOST_ROOM = MAX_RECORD_BYTES + LONGEST_HEADER
_NAMES = ("libdeflate_gzip_decompress_ex", "libdeflate_alloc_decompressor", "libdeflate_free_decompressor")


class Unusual(NamedTuple):
    """A record that is to be read by itself."""

    body: bytearray
    is_info: bool
    """Whether it is a warcinfo."""


def can_read() -> bool:
    """Whether libdeflate's functions are to be found."""
    library = ctypes.CDLL(_deflate.__file__)
    return all(hasattr(library, name) for name in _NAMES)


@contextlib.contextmanager
def _unpacking() -> Iterator[tuple[int, int]]:
    """The addresses of libdeflate's function and of an unpacker for it."""
    library = ctypes.CDLL(_deflate.__file__)
    function, allocate, free = (getattr(library, name) for name in _NAMES)
    allocate.restype, free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    unpacker = allocate()
    if not unpacker:
        raise MemoryError
    try:
        yield ctypes.cast(function, ctypes.c_void_p).value or 0, unpacker
    finally:
        free(unpacker)


class WatFile:
    """The records of metadata, read, and those that are unusual, from the start of a gzipped WAT on.

    After the iteration `stopped_at` is the offset where `Archive` has to go on, or None where the file was read to its end, and
    `skipped` counts the records of metadata that are no JSON.

    Args:
        file: open for reading, at its start.
        limits: as for `WatRecords`.
        longest_info: a record up to so long that describes a warcinfo is unusual; it may be changed while the file is read.
    """

    def __init__(self, file: BinaryIO, limits: tuple[int, int, int], longest_info: int) -> None:
        self.stopped_at: int | None = 0
        self.longest_info = longest_info
        self._file = file
        self._records = WatRecords(limits)
        self._told: Numbers = np.zeros(TOLD, np.int64)

    @property
    def skipped(self) -> int:
        """How many records of metadata were no JSON."""
        return int(self._told[SKIPPED])

    def __iter__(self) -> Iterator[WatBatch | Unusual]:
        """Batches and unusual records, in the order of the file; each is to be used before the next is asked for."""
        told, held, offset, at_end = self._told, b"", 0, False
        with _unpacking() as (function, unpacker):
            while True:
                why = self._unpack(function, unpacker, held)
                start = int(told[USED])
                self.stopped_at = offset + start
                if why == MORE:
                    if at_end or len(held) - start > MAX_PACKED_BYTES:
                        yield from self._batch()
                        if at_end and start == len(held) and self.stopped_at:
                            self.stopped_at = None
                        return
                    piece = self._file.read(PIECE_BYTES)
                    at_end, offset = not piece, offset + start
                    held, told[USED] = held[start:] + piece, 0
                elif why == ENOUGH or (why == NO_ROOM and told[RECORDS]):
                    yield from self._batch()
                elif why == NO_ROOM:
                    if self._records.room == _MOST_ROOM:
                        return
                    self._records.make_room(_MOST_ROOM)
                else:
                    record = bytearray(self._records.data[told[UNUSUAL_AT] : told[UNUSUAL_END]].tobytes())
                    yield from self._batch()
                    if self._records.room > ROOM:
                        self._records.make_room(ROOM)
                    found = split(record)
                    if found is None:
                        return
                    told[USED] = told[NEXT]
                    yield Unusual(*found)

    def _unpack(self, function: int, unpacker: int, held: bytes) -> int:
        packed, records = np.frombuffer(held, np.uint8), self._records
        return machine_code()["unpack"](
            function,
            unpacker,
            packed.ctypes.data,
            len(packed),
            records.data.ctypes.data,
            records.room,
            BYTES_AT_ONCE,
            LONGEST_BODY,
            self.longest_info,
            records.bodies.ctypes.data,
            self._told.ctypes.data,
        )

    def _batch(self) -> Iterator[WatBatch]:
        """What is unpacked, read, where there is something."""
        records, end = int(self._told[RECORDS]), int(self._told[AT])
        self._told[RECORDS] = self._told[AT] = 0
        if records:
            yield self._records.read(records, end)
