"""Tar archives by their raw 512-byte blocks, so that what is kept stays byte for byte as it was.

Reads ustar, GNU long names and pax headers (POSIX.1-2001). Unlike `tarfile`, which takes a damaged header in the middle for
the end, this stops on anything that is not a whole archive: a hidden rest could hold what is to be removed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from linkwell.base.errors import DamagedFileError, FormatError

BLOCK = 512
_EMPTY = bytes(BLOCK)
MAX_HEADER_BYTES = 1_048_576
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
    content = file.read(length) if length <= MAX_HEADER_BYTES else b""
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
