"""Tar archives by their raw 512-byte blocks, so that what is kept stays byte for byte as it was.

Reads ustar, GNU long names and pax headers (POSIX.1-2001). Unlike `tarfile`, which takes a damaged header in the middle for
the end, this stops on anything that is not a whole archive: a hidden rest could hold what is to be removed.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from linkwell.base.errors import DamagedFileError, FormatError

BLOCK = 512
_EMPTY = bytes(BLOCK)
_MAX_HEADER_BYTES = 1_048_576
_PAGE_BYTES = 4_096
_ADVICE = "Restore the shard, fetch it again, or delete it; until then it may hold recalled samples."
_EXTENSIONS = frozenset({b"L", b"K", b"x", b"g"})
_FILES = frozenset({b"0", b"\0", b"7"})
_HAS_NO_DATA = frozenset({b"1", b"2", b"3", b"4", b"5", b"6"})
_KINDS = _FILES | _HAS_NO_DATA


@dataclass(frozen=True)
class Member:
    """One member: where its first header block starts, where its data is, where the next member starts. Bytes."""

    name: str
    start: int
    data: int
    size: int
    end: int
    is_file: bool


def members(path: Path) -> Iterator[Member]:
    """Every member of a tar archive, in order.

    Raises:
        DamagedFileError: a header is damaged, the archive is cut short, or something follows its end.
        FormatError: it uses something this does not read, such as sparse files.
    """
    size = path.stat().st_size
    with path.open("rb", buffering=65_536) as file:
        yield from _members(file, size, str(path))


def _members(file: BinaryIO, size: int, where: str) -> Iterator[Member]:
    start = offset = 0
    name: str | None = None
    length: int | None = None
    while True:
        file.seek(offset)
        header = file.read(BLOCK)
        if len(header) < BLOCK:
            raise DamagedFileError("this tar archive is cut short: its end mark is missing", where, _ADVICE)
        if header == _EMPTY:
            _check_rest(file, where, dangling=start != offset)
            return
        own_name, kind, own_length = _parse(header, where, offset)
        data = offset + BLOCK
        if kind in _EXTENSIONS:
            name, length = _extension(kind, _header_data(file, own_length, where), where, name, length)
            offset = data + _padded(own_length)
            if kind == b"g":  # belongs to no member: it stays where it is
                start, name, length = offset, None, None
            continue
        if kind not in _KINDS:
            raise FormatError(f"this tar archive has a member of a kind not known here ({kind!r})", where, _ADVICE)
        length = 0 if kind in _HAS_NO_DATA else own_length if length is None else length
        end = data + _padded(length)
        if end > size:
            raise DamagedFileError("this tar archive is cut short", where, _ADVICE)
        yield Member(own_name if name is None else name, start, data, length, end, kind in _FILES)
        start = offset = end
        name = length = None


def _extension(
    kind: bytes, content: bytes, where: str, name: str | None, length: int | None
) -> tuple[str | None, int | None]:
    """Name and size of the next member, as an extension header gives them."""
    if kind == b"L":
        return content.rstrip(b"\0").decode("utf-8", "surrogateescape"), length
    if kind == b"K":
        return name, length
    records = _pax_records(content, where)
    if any(key.startswith("GNU.sparse") for key in records):
        raise FormatError("this tar archive has a sparse member", where, _ADVICE)
    if "size" in records and not records["size"].isdigit():
        raise DamagedFileError("this tar archive has a damaged header", where, _ADVICE)
    return records.get("path", name), int(records["size"]) if "size" in records else length


def _parse(header: bytes, where: str, offset: int) -> tuple[str, bytes, int]:
    """Name, type flag and size of a header block whose checksum holds."""
    try:
        stated = int(header[148:156].rstrip(b"\0 ") or b"0", 8)
        length = _number(header[124:136])
    except ValueError:
        stated, length = -1, 0
    unsigned = sum(header) - sum(header[148:156]) + 8 * 0x20
    if stated != unsigned or length < 0:
        raise DamagedFileError(f"this tar archive is damaged at byte {offset}", where, _ADVICE)
    name = header[:100].split(b"\0", 1)[0]
    if header[257:262] == b"ustar" and header[262:263] == b"\0" and header[345]:
        name = header[345:500].split(b"\0", 1)[0] + b"/" + name
    return name.decode("utf-8", "surrogateescape"), header[156:157], length


def _number(field: bytes) -> int:
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    return int(field.rstrip(b"\0 ").lstrip() or b"0", 8)


def _header_data(file: BinaryIO, length: int, where: str) -> bytes:
    content = file.read(length) if length <= _MAX_HEADER_BYTES else b""
    if len(content) < length:
        raise DamagedFileError("this tar archive has a damaged header", where, _ADVICE)
    return content


def _pax_records(content: bytes, where: str) -> dict[str, str]:
    """Records of a pax header, each `LENGTH KEY=VALUE` and a line feed."""
    records: dict[str, str] = {}
    while content.strip(b"\0"):
        digits, _, _rest = content.partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        if not len(digits) < length <= len(content):
            raise DamagedFileError("this tar archive has a damaged header", where, _ADVICE)
        key, _, value = content[len(digits) + 1 : length - 1].partition(b"=")
        records[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        content = content[length:]
    return records


def _check_rest(file: BinaryIO, where: str, *, dangling: bool) -> None:
    """After the first empty block there must be nothing but zeros."""
    if dangling:
        raise DamagedFileError("this tar archive ends within a header", where, _ADVICE)
    while chunk := file.read(1 << 20):
        if chunk.count(0) != len(chunk):
            raise DamagedFileError("something follows the end of this tar archive", where, _ADVICE)


def _padded(length: int) -> int:
    return (length + BLOCK - 1) // BLOCK * BLOCK


@dataclass(frozen=True, eq=False)
class TarIndex:
    """Every member of an archive, as arrays: names as bytes, the rest as in `Member`."""

    size: int
    """Of the archive, bytes."""
    names: npt.NDArray[np.bytes_]
    start: npt.NDArray[np.int64]
    data: npt.NDArray[np.int64]
    length: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    is_file: npt.NDArray[np.bool_]


def read_index(path: Path) -> TarIndex:
    """Every member of a tar archive: quickly where all are plain ustar files, else as `members` does.

    Raises:
        DamagedFileError: a header is damaged, the archive is cut short, or something follows its end.
        FormatError: it uses something this does not read, such as sparse files.
    """
    return _plain_index(path) or _index_of(path.stat().st_size, list(members(path)))


def _index_of(size: int, listed: list[Member]) -> TarIndex:
    def numbers(name: str) -> npt.NDArray[np.int64]:
        return np.array([getattr(member, name) for member in listed], dtype=np.int64)

    names = np.array([m.name.encode("utf-8", "surrogateescape") for m in listed], dtype=np.bytes_)
    files = np.array([m.is_file for m in listed], dtype=bool)
    return TarIndex(size, names, numbers("start"), numbers("data"), numbers("size"), numbers("end"), files)


def _plain_index(path: Path) -> TarIndex | None:
    """The index of an archive of nothing but ustar files with short names; None where anything else is in it, or damage.

    Only where headers are is found one after the other; what they say is checked over all of them at once.
    """
    size = path.stat().st_size
    if size < 2 * BLOCK or size % BLOCK:
        return None
    with path.open("rb", buffering=0) as file:
        starts, headers, end = _chain(file.fileno(), size)
        tail = os.pread(file.fileno(), _MAX_HEADER_BYTES, end or 0)
    if not starts or end is None or len(tail) != size - end or tail.count(0) != len(tail):
        return None
    blocks = np.frombuffer(b"".join(headers), dtype=np.uint8).reshape(-1, BLOCK)
    if not _sound(blocks):
        return None
    places = np.array(starts, dtype=np.int64)
    names = np.ascontiguousarray(blocks[:, :100]).view("S100")[:, 0]
    digits = np.ascontiguousarray(blocks[:, 124:135]).astype(np.int64) - ord("0")
    return TarIndex(
        size,
        names,
        places,
        places + BLOCK,
        digits @ _SIZE_OCTAL,
        np.append(places[1:], end),
        np.ones(len(places), dtype=bool),
    )


def _chain(descriptor: int, size: int) -> tuple[list[int], list[bytes], int | None]:
    """Where headers are, the headers, and where the end mark is; None where the chain breaks.

    Read in pages: the headers of a caption and a JSON mostly lie in the one where the picture ends.
    """
    starts: list[int] = []
    headers: list[bytes] = []
    offset = base = 0
    page = b""
    while True:
        place = offset - base
        if place + BLOCK > len(page):
            page, base, place = os.pread(descriptor, _PAGE_BYTES, offset), offset, 0
        header = page[place : place + BLOCK]
        if len(header) < BLOCK:
            return starts, headers, None
        if not header[0]:
            return starts, headers, offset
        field = header[124:135]
        if not field.isdigit():
            return starts, headers, None
        starts.append(offset)
        headers.append(header)
        offset += BLOCK + (int(field, 8) + BLOCK - 1) // BLOCK * BLOCK
        if offset >= size:
            return starts, headers, None


_OCTAL = np.array([8**i for i in range(5, -1, -1)], dtype=np.int64)
_SIZE_OCTAL = np.array([8**i for i in range(10, -1, -1)], dtype=np.int64)


def _sound(headers: npt.NDArray[np.uint8]) -> bool:
    """Whether all are headers of plain files whose checksum holds: name in its field alone, six octal digits of checksum."""
    digits = headers[:, 148:154].astype(np.int64) - ord("0")
    kinds = headers[:, 156]
    sums = headers.sum(axis=1, dtype=np.uint32) - headers[:, 148:156].sum(axis=1, dtype=np.uint32) + 8 * 0x20
    return bool(
        ((digits >= 0) & (digits < 8)).all()  # noqa: PLR2004 - octal
        and (digits @ _OCTAL == sums).all()
        and ((kinds == ord("0")) | (kinds == 0)).all()
        and (headers[:, 345] == 0).all()
        and ((headers[:, 135] == 0) | (headers[:, 135] == 0x20)).all()  # noqa: PLR2004 - a blank
    )


def kept_ranges(removed: list[tuple[int, int]], end: int) -> list[tuple[int, int]]:
    """The byte ranges that stay, as (start, end), when others go; `end` is the size of the archive."""
    ranges, position = [], 0
    for start, stop in sorted(removed):
        if start > position:
            ranges.append((position, start))
        position = stop
    ranges.append((position, end))
    return ranges


def filler_header(name: str, size: int) -> bytes:
    """The header of a file that only fills the place of others.

    Args:
        name: ASCII, at most 100 characters.
        size: bytes, below 8 GiB.
    """
    header = bytearray(BLOCK)
    header[: len(name)] = name.encode("ascii")
    header[100:108], header[108:116], header[116:124] = b"0000444\0", b"0000000\0", b"0000000\0"
    header[124:136] = b"%011o\0" % size
    header[136:148] = b"%011o\0" % 0
    header[148:156] = b"        "
    header[156:157] = b"0"
    header[257:265] = b"ustar\x0000"
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)
