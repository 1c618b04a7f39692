"""Search every byte of a copy for values that should be gone. Knows nothing of Linkwell: the standard library alone.

    python independent_scanner.py COPY VALUES.json

VALUES.json: {"urls": [...], "texts": [...], "keys": [...], "digests": [hex, ...], "vectors": [hex, ...]}; any may be missing. Searched:
names of files, their raw bytes (which is all of Arrow, NumPy, FAISS and SQLite files), members of tar, zip and gzip, and the decompressed
bytes of every parquet page, dictionary pages too (pages in zstd or brotli by pyarrow's codecs). Prints one JSON line for each find and exits 1; 2 where a file did
not read; 0 where nothing was found. Values are looked for as UTF-8, as JSON escapes them, digests also as raw bytes and upper case.
"""

import gzip
import io
import json
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Needles = dict[bytes, tuple[str, int]]
"""What to look for → (kind, place in the list)."""


def needles(values: dict[str, list[str]]) -> Needles:
    """Every form a value may have on disk."""
    found: Needles = {}
    for kind, listed in values.items():
        for place, value in enumerate(listed):
            forms = {
                value.encode(),
                json.dumps(value)[1:-1].encode(),
                json.dumps(value)[1:-1].replace("/", "\\/").encode(),
            }
            if kind == "digests":
                forms |= {value.upper().encode(), bytes.fromhex(value)}
            if kind == "vectors":
                forms = {bytes.fromhex(value)}
            for form in forms - {b""}:
                found[form] = (kind, place)
    return found


class Scanner:
    """Collects what is found, and what did not read."""

    def __init__(self, values: dict[str, list[str]]) -> None:
        self.needles = needles(values)
        self.found: set[tuple[str, str, str, int]] = set()
        self.unread: list[str] = []
        self.searched_bytes = 0

    def search(self, data: bytes, where: str, how: str) -> None:
        """Look for every needle in some bytes."""
        self.searched_bytes += len(data)
        for needle, (kind, place) in self.needles.items():
            if needle in data:
                self.found.add((where, how, kind, place))

    def folder(self, root: Path) -> None:
        """Search every file below a folder, hidden ones too."""
        for path in sorted(root.rglob("*")):
            name = path.relative_to(root).as_posix()
            self.search(name.encode("utf-8", "surrogateescape"), name, "file name")
            if path.is_symlink():
                self.search(str(path.readlink()).encode(), name, "link target")
            elif path.is_file():
                self.content(path.read_bytes(), name)

    def content(self, data: bytes, where: str) -> None:
        """Search bytes as they are, and what is packed in them."""
        self.search(data, where, "raw bytes")
        try:
            for name, inner in unpacked(data, where):
                self.search(name.encode("utf-8", "surrogateescape"), where, "member name")
                self.content(inner, f"{where}!{name}")
            if data[:4] == b"PAR1":
                self.parquet(data, where)
        except Exception as error:  # noqa: BLE001 - whatever does not read is reported, never passed over
            self.unread.append(f"{where}: {type(error).__name__}: {error}")

    def parquet(self, data: bytes, where: str) -> None:
        """Search the decompressed pages of a parquet file; footer, statistics and page indexes are never compressed."""
        length = int.from_bytes(data[-8:-4], "little")
        footer, _ = read_struct(data, len(data) - 8 - length)
        for group in footer.get(4, []):
            for chunk in group[1]:
                self.column_chunk(data, chunk[3], where)

    def column_chunk(self, data: bytes, chunk: dict[int, Any], where: str) -> None:
        """Search the decompressed pages of one column chunk."""
        name = b".".join(chunk[3]).decode()
        position = min(offset for offset in (chunk[9], chunk.get(11)) if offset)
        end = position + chunk[7]
        while position < end:
            header, position = read_struct(data, position)
            size, plain_size = header[3], header[2]
            page = data[position : position + size]
            position += size
            levels = b""
            codec = CODECS[chunk[4]]
            if 8 in header:  # data page v2: its levels are never compressed
                split = header[8].get(5, 0) + header[8].get(6, 0)
                levels, page, plain_size = page[:split], page[split:], plain_size - split
                codec = codec if header[8].get(7, True) else "none"
            plain = decompress(codec, page, plain_size) if page else b""
            if len(plain) != plain_size:
                raise ValueError(f"a page of {len(plain)} bytes, where {plain_size} are stated")
            self.search(levels + plain, where, f"page of {name}")


CODECS = ("none", "snappy", "gzip", "lzo", "brotli", "hadoop lz4", "zstd", "lz4")
"""By their numbers in parquet's footer."""


def decompress(codec: str, data: bytes, plain_size: int) -> bytes:
    """A page as it was before compression; for zstd and brotli, which the standard library lacks, by pyarrow's codecs alone."""
    if codec == "none":
        return data
    if codec == "gzip":
        return zlib.decompress(data, wbits=47)
    if codec == "snappy":
        return unsnappy(data)
    if codec == "lz4":
        return unlz4(data)
    import pyarrow as pa  # noqa: PLC0415 - see above

    plain: bytes = pa.decompress(data, plain_size, codec).to_pybytes()  # type: ignore[call-overload] # codec is one of those it lists
    return plain


def unsnappy(data: bytes) -> bytes:
    """Snappy's block format: literals, and copies of what stands before."""
    _size, position = varint(data, 0)
    out = bytearray()
    while position < len(data):
        tag = data[position]
        position += 1
        if tag & 3 == 0:
            length = tag >> 2
            if length >= 60:
                extra = length - 59
                length = int.from_bytes(data[position : position + extra], "little")
                position += extra
            out += data[position : position + length + 1]
            position += length + 1
            continue
        extra = (1, 2, 4)[(tag & 3) - 1]
        offset = int.from_bytes(data[position : position + extra], "little")
        length = (tag >> 2) + 1
        if extra == 1:
            offset |= (tag >> 5) << 8
            length = ((tag >> 2) & 7) + 4
        position += extra
        repeat(out, offset, length)
    return bytes(out)


def unlz4(data: bytes) -> bytes:
    """LZ4's block format."""
    out = bytearray()
    position = 0
    while position < len(data):
        token = data[position]
        length, position = lz4_length(data, position + 1, token >> 4)
        out += data[position : position + length]
        position += length
        if position >= len(data):
            break
        offset = int.from_bytes(data[position : position + 2], "little")
        length, position = lz4_length(data, position + 2, token & 15)
        repeat(out, offset, length + 4)
    return bytes(out)


def lz4_length(data: bytes, position: int, length: int) -> tuple[int, int]:
    """A length that goes on over bytes of 255."""
    if length == 15:
        while True:
            length += data[position]
            position += 1
            if data[position - 1] != 255:
                break
    return length, position


def repeat(out: bytearray, offset: int, length: int) -> None:
    """Append bytes from `offset` before the end; they may overlap."""
    if not 0 < offset <= len(out):
        raise ValueError("a copy from before the start")
    piece = bytes(out[-offset:])
    out += (piece * (length // len(piece) + 1))[:length]


def unpacked(data: bytes, where: str) -> Iterator[tuple[str, bytes]]:
    """What is packed in tar, gzip or zip."""
    if data[:2] == b"\x1f\x8b":
        yield "gunzipped", gzip.decompress(data)
    elif data[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                yield info.filename, archive.read(info)
    elif data[257:262] == b"ustar" or where.endswith(".tar"):
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:", ignore_zeros=True) as tar:
            for member in tar:
                file = tar.extractfile(member)
                yield member.name, file.read() if file else b""


def read_struct(data: bytes, position: int) -> tuple[dict[int, Any], int]:
    """A struct of Thrift's compact protocol, as field number → value."""
    fields: dict[int, Any] = {}
    number = 0
    while data[position]:
        kind, delta = data[position] & 15, data[position] >> 4
        position += 1
        if delta:
            number += delta
        else:
            number, position = zigzag(data, position)
        fields[number], position = read_value(data, position, kind)
    return fields, position + 1


def read_value(data: bytes, position: int, kind: int) -> tuple[Any, int]:  # noqa: PLR0911 - one for each type
    """One value of the compact protocol."""
    if kind in (1, 2):
        return kind == 1, position
    if kind == 3:
        return data[position], position + 1
    if kind in (4, 5, 6):
        return zigzag(data, position)
    if kind == 7:
        return data[position : position + 8], position + 8
    if kind == 8:
        size, position = varint(data, position)
        return data[position : position + size], position + size
    if kind in (9, 10):
        count, inner = data[position] >> 4, data[position] & 15
        position += 1
        if count == 15:
            count, position = varint(data, position)
        listed = []
        for _ in range(count):
            value, position = read_value(data, position, inner)
            listed.append(value)
        return listed, position
    if kind == 12:
        return read_struct(data, position)
    raise ValueError(f"Thrift type {kind}")


def varint(data: bytes, position: int) -> tuple[int, int]:
    """An unsigned variable-length integer."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7


def zigzag(data: bytes, position: int) -> tuple[int, int]:
    """A signed variable-length integer."""
    value, position = varint(data, position)
    return (value >> 1) ^ -(value & 1), position


def main() -> int:
    """Scan, print, and say by the exit code what was found."""
    scanner = Scanner(json.loads(Path(sys.argv[2]).read_text("utf-8")))
    scanner.folder(Path(sys.argv[1]))
    for where, how, kind, place in sorted(scanner.found):
        print(json.dumps({"file": where, "how": how, "kind": kind, "index": place}))  # noqa: T201 - a script's output
    for line in scanner.unread:
        print(json.dumps({"unread": line}))  # noqa: T201 - same
    print(json.dumps({"found": len(scanner.found), "searched_bytes": scanner.searched_bytes}))  # noqa: T201 - same
    return 1 if scanner.found else 2 if scanner.unread else 0


if __name__ == "__main__":
    sys.exit(main())
