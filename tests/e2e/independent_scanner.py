"""Search every byte of a copy for values that should be gone. Knows nothing of Linkwell: standard library, and pyarrow to read parquet.

    python independent_scanner.py COPY VALUES.json

VALUES.json: {"urls": [...], "texts": [...], "keys": [...], "digests": [hex, ...]}; any may be missing. Searched: names of files, their
raw bytes, members of tar, zip and gzip, every column of parquet as read by pyarrow, and the decompressed bytes of every parquet
page (dictionary pages too), statistics and key-value metadata. Prints one JSON line for each find and exits 1; 2 where a file did
not read; 0 where nothing was found. Values are looked for as UTF-8, as JSON escapes them, digests also as raw bytes and upper case.
"""

import gzip
import io
import json
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

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
        """Search values, statistics, metadata and pages of a parquet file."""
        file: Any = pq.ParquetFile(io.BytesIO(data))
        for group in range(file.metadata.num_row_groups):
            table = file.read_row_group(group)
            for name in table.column_names:
                column = table.column(name)
                self.search(as_bytes(column.to_pylist()), where, f"column {name}")
                for chunk in column.chunks:  # dictionaries keep values that no row has
                    if pa.types.is_dictionary(chunk.type):
                        self.search(as_bytes(chunk.dictionary.to_pylist()), where, f"dictionary of {name}")
            for index in range(file.metadata.row_group(group).num_columns):
                self.column_chunk(data, file.metadata.row_group(group).column(index), where)
        for key, value in (file.metadata.metadata or {}).items():
            self.search(key + b"\0" + value, where, "key-value metadata")

    def column_chunk(self, data: bytes, chunk: Any, where: str) -> None:
        """Search statistics and decompressed pages of one column chunk."""
        name = chunk.path_in_schema
        if chunk.is_stats_set and chunk.statistics.has_min_max:
            for value in (chunk.statistics.min, chunk.statistics.max):
                self.search(as_bytes(value), where, f"statistics of {name}")
        start = chunk.data_page_offset
        if chunk.has_dictionary_page and chunk.dictionary_page_offset:
            start = min(start, chunk.dictionary_page_offset)
        position, end = start, start + chunk.total_compressed_size
        while position < end:
            header, position = read_struct(data, position)
            size, plain_size = header[3], header[2]
            page = data[position : position + size]
            position += size
            levels = b""
            compressed = chunk.compression != "UNCOMPRESSED"
            if 8 in header:  # data page v2: its levels are never compressed
                split = header[8].get(5, 0) + header[8].get(6, 0)
                levels, page, plain_size = page[:split], page[split:], plain_size - split
                compressed = compressed and header[8].get(7, True)
            if compressed and page:
                page = pa.decompress(
                    page, plain_size, CODECS.get(chunk.compression, chunk.compression.lower())
                ).to_pybytes()
            self.search(levels + page, where, f"page of {name}")


CODECS = {"LZ4": "lz4_raw", "LZ4_RAW": "lz4_raw"}


def as_bytes(value: object) -> bytes:
    """A value as bytes to search."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, (dict, list, tuple)):
        inner = value.values() if isinstance(value, dict) else value
        return b"\0".join(as_bytes(v) for v in inner)
    return str(value).encode("utf-8", "surrogatepass")


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
