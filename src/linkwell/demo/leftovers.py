"""An independent look for what a purge should have removed: every byte of every file, by none of the purge's own code.

What is looked for comes from the copy as it was before: URL, text, key and digest of every row that is recalled. A value that
a kept row holds too, or that is part of one, tells nothing and is left out. Parquet is read with its dictionaries, where a
removed value could stay behind unused; tars are read member by member, and the bytes of removed pictures are known by digest.
"""

import hashlib
import re
import tarfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["Leftovers", "Traces", "look_for", "traces_of"]

_TEXT_COLUMNS = ("url", "caption", "key", "sha256")
_DIGEST = re.compile("[0-9a-f]{64}")
_MIN_LENGTH = 6
"""Shorter values occur by chance in compressed bytes."""


@dataclass(frozen=True)
class Traces:
    """What recalled rows would leave behind. Restricted: stays in memory."""

    values: frozenset[bytes]
    members: frozenset[str]
    """SHA-256 of the tar members of recalled samples."""
    rows: int
    """Recalled rows of the copy as it was."""


@dataclass(frozen=True)
class Leftovers:
    """What a look found; counts only."""

    files: int
    bytes: int
    hits: int


def traces_of(copy: Path, link_ids: npt.NDArray[np.bytes_]) -> Traces:
    """What to look for after a purge, read from the copy before it.

    Args:
        copy: a populated copy with sibling tars and parquet files.
        link_ids: the recalled ids, `S16`.
    """
    recalled = {bytes(link).ljust(16, b"\0") for link in link_ids.tolist()}
    gone: set[str] = set()
    kept: set[str] = set()
    ids: set[bytes] = set()
    keys: set[str] = set()
    rows = 0
    for path in sorted(copy.rglob("*.parquet")):
        table = pq.read_table(path, columns=["link_id", *_TEXT_COLUMNS])
        for row in table.to_pylist():
            texts = {str(row[name]) for name in _TEXT_COLUMNS if row[name] is not None}
            if row["link_id"] in recalled:
                rows += 1
                gone |= texts | ({row["link_id"].hex()})
                ids.add(row["link_id"])
                keys.add(row["key"])
            else:
                kept |= texts
    whole = "\n".join(sorted(kept))
    telling = {text for text in gone if len(text) >= _MIN_LENGTH and text not in whole}
    digests = {bytes.fromhex(text) for text in telling if _DIGEST.fullmatch(text)}
    members: dict[bool, set[str]] = {True: set(), False: set()}
    for path in sorted(copy.rglob("*.tar")):
        for name, data in _members(path):
            members[name.partition(".")[0] in keys].add(hashlib.sha256(data).hexdigest())
    values = ids | digests | {text.encode() for text in telling}
    return Traces(frozenset(values), frozenset(members[True] - members[False]), rows)


def look_for(traces: Traces, folder: Path) -> Leftovers:
    """Look through every file below a folder."""
    files = total = hits = 0
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        files += 1
        data = path.read_bytes()
        total += len(data)
        hits += _found(traces.values, data)
        if path.suffix == ".parquet":
            hits += sum(_found(traces.values, column) for column in _columns(path))
        if path.suffix == ".tar":
            hits += sum(hashlib.sha256(member).hexdigest() in traces.members for _, member in _members(path))
    return Leftovers(files, total, hits)


def _found(values: Collection[bytes], data: bytes) -> int:
    return sum(value in data for value in values)


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file is not None:
                yield member.name, file.read()


def _columns(path: Path) -> Iterator[bytes]:
    """The values of every text and binary column, dictionaries included, as bytes."""
    names = [field.name for field in pq.read_schema(path) if pa.types.is_string(field.type)]
    table = pq.read_table(path, read_dictionary=names)
    for column in table.columns:
        for chunk in column.chunks:
            array = chunk.dictionary if isinstance(chunk, pa.DictionaryArray) else chunk
            if pa.types.is_fixed_size_binary(array.type):
                yield b"\n".join(value for value in array.to_pylist() if value is not None)
            elif pa.types.is_string(array.type) or pa.types.is_binary(array.type):
                yield b"\n".join(value for value in array.cast(pa.binary()).to_pylist() if value is not None)
