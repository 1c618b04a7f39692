"""Restricted arrays at rest: one encrypted file that opens at the speed of memory.

A magic word; the length of a header, 4 bytes little-endian; the header, JSON: what the file is about, names, types and shapes of its
arrays, and its data key under the master key; then the bytes of the arrays in pieces, each sealed with AES-256-GCM under that key.
A piece's nonce is its number, and its associated data the SHA-256 of the header: a piece that was changed, moved or left out, a
header that was, or another file's, does not open.

The arrays are read into memory of this process alone. They are not mapped from the file: what lies on disk is never in the clear.
"""

import hashlib
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from linkwell.base.errors import DamagedFileError, MissingError
from linkwell.base.sealed import unwrap_key, wrap_key
from linkwell.base.shards import atomic_path

_MAGIC = b"LKWARR1\n"
_LENGTH_BYTES = 4
_MAX_HEADER_BYTES = 1 << 20
_PIECE_BYTES = 1 << 20
"""Small enough to stay in the processor's cache between reading and opening."""
_TAG_BYTES = 16
_KEY_BITS = 256

Array = npt.NDArray[Any]


class _ArrayHeader(msgspec.Struct, frozen=True):
    name: str
    dtype: str
    shape: tuple[int, ...]


class _Header(msgspec.Struct, frozen=True):
    about: str
    wrapped_key: bytes
    arrays: tuple[_ArrayHeader, ...]


def write_sealed_arrays(path: Path, arrays: Mapping[str, Array], master_key: bytes, about: str) -> None:
    """Write arrays encrypted, atomically, mode 0600.

    Args:
        path: where to.
        arrays: of numbers or flags.
        master_key: 32 bytes.
        about: what they are, and of which state; whoever reads must say the same. It stands in the file in the clear.

    Raises:
        StorageError: the disk is full, read-only or not permitted.
    """
    data_key = AESGCM.generate_key(_KEY_BITS)
    header = msgspec.json.encode(
        _Header(
            about,
            wrap_key(data_key, master_key, about),
            tuple(_ArrayHeader(name, array.dtype.str, array.shape) for name, array in arrays.items()),
        )
    )
    cipher, bound = AESGCM(data_key), hashlib.sha256(header).digest()
    sealed = bytearray(_PIECE_BYTES + _TAG_BYTES)
    number = 0
    with (
        atomic_path(path) as temporary,
        os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file,
    ):
        file.write(_MAGIC + len(header).to_bytes(_LENGTH_BYTES, "little") + header)
        for array in arrays.values():
            for piece in _pieces(np.ascontiguousarray(array)):
                room = memoryview(sealed)[: len(piece) + _TAG_BYTES]
                cipher.encrypt_into(_nonce(number), piece, bound, room)
                file.write(room)
                number += 1


def read_sealed_arrays(path: Path, master_key: bytes, about: str) -> dict[str, Array]:
    """The arrays of a file, by name.

    Raises:
        MissingError: there is no such file.
        DamagedFileError: it was changed, cut short, written under another key, or is about something else.
    """
    try:
        with path.open("rb") as file:
            return _read(file, master_key, about)
    except FileNotFoundError:
        raise MissingError("there is no such file", str(path)) from None
    except (InvalidTag, ValueError, TypeError, EOFError, msgspec.MsgspecError) as error:
        raise DamagedFileError(
            "this restricted file does not open: it was changed, cut short, or written under another key",
            str(path),
            "Restore the file or the master key it was written under.",
        ) from error


def _read(file: IO[bytes], master_key: bytes, about: str) -> dict[str, Array]:
    start = file.read(len(_MAGIC) + _LENGTH_BYTES)
    length = int.from_bytes(start[len(_MAGIC) :], "little")
    if not start.startswith(_MAGIC) or length > _MAX_HEADER_BYTES:
        raise ValueError
    raw = file.read(length)
    header = msgspec.json.decode(raw, type=_Header)
    if header.about != about:
        raise ValueError
    cipher = AESGCM(unwrap_key(header.wrapped_key, master_key, about))
    bound = hashlib.sha256(raw).digest()
    sealed = bytearray(_PIECE_BYTES + _TAG_BYTES)
    number = 0
    left = os.fstat(file.fileno()).st_size - file.tell()
    arrays: dict[str, Array] = {}
    for one in header.arrays:
        dtype = np.dtype(one.dtype)
        left -= _sealed_bytes(dtype.itemsize * math.prod(one.shape))
        if dtype.kind not in "uib" or left < 0 or min(one.shape, default=0) < 0:
            raise ValueError  # before memory is asked for
        array = np.empty(one.shape, dtype)
        for piece in _pieces(array):
            room = memoryview(sealed)[: len(piece) + _TAG_BYTES]
            if file.readinto(room) != len(room):  # type: ignore[attr-defined] # a buffered file has it
                raise EOFError
            cipher.decrypt_into(_nonce(number), room, bound, piece)
            number += 1
        arrays[one.name] = array
    if left:
        raise ValueError
    return arrays


def _pieces(array: Array) -> Iterator[memoryview]:
    """The bytes of an array in pieces."""
    if array.size:
        data = array.reshape(-1).view(np.uint8).data
        for first in range(0, len(data), _PIECE_BYTES):
            yield data[first : first + _PIECE_BYTES]


def _sealed_bytes(plain_bytes: int) -> int:
    return plain_bytes + _TAG_BYTES * -(-plain_bytes // _PIECE_BYTES)


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")
