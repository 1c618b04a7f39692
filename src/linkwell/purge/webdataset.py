"""Tar shards of a copy: which samples are recalled, and the archive without them.

A sample is all members that share the part of their name before the first dot of the base name (peers.md 5.4). It goes as
a whole; what stays is copied as it stands, block by block, in its order.
"""

import errno
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from linkwell.base.errors import DamagedFileError
from linkwell.base.ids import LINK_ID_BYTES
from linkwell.purge.match import Wanted, raw_id
from linkwell.purge.samplekeys import FILLER, NO_KEYS, Names, SampleRuns
from linkwell.purge.tar import BLOCK, filler_header, kept_ranges
from linkwell.purge.tarindex import TarIndex, read_index

_CHUNK_BYTES = 1 << 20
_HASHED_BYTES = 1 << 18
"""Read at a time to be hashed: what the processor's own cache holds."""
MAX_JSON_BYTES = 16_777_216
_MAX_FILLER_BYTES = 1 << 32
_CELL_NUMBERS = 1 << 32
_NO_KERNEL_COPY = frozenset({errno.EINVAL, errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF})


@dataclass(frozen=True, eq=False)
class TarScan:
    """What is in one shard."""

    size: int
    """Of the archive, bytes."""
    sample_count: int
    hit_count: int
    """Samples that go."""
    hit_keys: frozenset[str]
    """Their keys, without folder."""
    removed: list[tuple[int, int]]
    """Byte ranges of the members that go, as (start, end)."""
    unidentified: int
    """Samples that stay although nothing says which link they are."""
    unwiped: int = 0
    """Fillers of a killed run whose old bytes are still there."""
    all_listed: bool = False
    """Whether the sibling parquet says of every sample which link it is."""

    @property
    def hit(self) -> bool:
        """Whether the archive has to change."""
        return bool(self.hit_count or self.unwiped)


class _Told(msgspec.Struct, frozen=True):
    """What a sample's JSON says about which link it is, where it is written as usual."""

    url: str | None = None
    upper_url: str | None = msgspec.field(default=None, name="URL")
    link_id: str | None = None
    cell: int | None = None
    uid: str | None = None


_DECODER = msgspec.json.Decoder(_Told)


def scan_tar(
    path: Path,
    wanted: Wanted,
    *,
    keys_name_cells: bool,
    listed_hits: Names = NO_KEYS,
    listed: Names = NO_KEYS,
    thorough: bool = False,
    large: bool = False,
) -> TarScan:
    """Find the recalled samples of a shard: by key, by what the sibling parquet says, and by their JSON.

    Args:
        path: the tar.
        wanted: what is recalled.
        keys_name_cells: the copy is ours, made from a release.
        listed_hits: keys that the sibling parquet has as recalled.
        listed: keys whose rows in the sibling parquet say which link they are: their JSON is not asked.
        thorough: ask it all the same.
        large: gigabytes of archives are looked at.

    Raises:
        DamagedFileError: the archive or a member's JSON does not read.
    """
    index = read_index(path, large=large)
    runs = SampleRuns.of_index(index)
    known = runs.among(listed)
    hit = runs.among(listed_hits)
    if keys_name_cells:
        hit |= wanted.has_cells(runs.cells())
    ask = (~known | thorough) & runs.named
    told = known.copy()
    if ask.any():
        by_json, told_by_json = _ask_json(path, index, runs.of_member, ask, wanted, ours=keys_name_cells)
        hit |= by_json
        told |= told_by_json
    if len(wanted.aliases.keys) and not told.all():
        keys = [key.decode("utf-8", "replace") for key in runs.names_of(np.ones(len(told), dtype=bool))]
        hit |= ~told & wanted.has_keys(keys, ours=False)
    hit &= runs.named
    removed: list[tuple[int, int]] = []
    if hit.any():
        hit |= np.isin(runs.keys, runs.keys[hit])  # a sample whose members stand apart goes as a whole
        gone = hit[runs.of_member]
        removed = list(zip(index.start[gone].tolist(), index.end[gone].tolist(), strict=True))
    unwiped = _unwiped(path, index)
    return TarScan(
        index.size,
        runs.count(runs.named),
        runs.count(hit),
        frozenset(key.decode("utf-8", "surrogateescape") for key in runs.names_of(hit)),
        removed + unwiped,
        runs.count(runs.named & ~told & ~hit),
        len(unwiped),
        bool((known | ~runs.named).all()),
    )


def _ask_json(
    path: Path,
    index: TarIndex,
    run_of_member: npt.NDArray[np.intp],
    ask: npt.NDArray[np.bool_],
    wanted: Wanted,
    *,
    ours: bool,
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Read the JSON of some samples: which are recalled, and which say which link they are."""
    hit, told = np.zeros(len(ask), dtype=bool), np.zeros(len(ask), dtype=bool)
    is_json = np.strings.endswith(index.names, b".json") & ask[run_of_member] & index.is_file
    chosen = np.flatnonzero(is_json)

    def contents() -> Iterator[bytes]:
        with path.open("rb", buffering=0) as file:
            for offset, length in zip(index.data[chosen].tolist(), index.length[chosen].tolist(), strict=True):
                if length > MAX_JSON_BYTES:
                    raise DamagedFileError("the JSON of a sample is too large to be one", str(path))
                yield os.pread(file.fileno(), length, offset)

    is_hit, is_told = json_hits(contents(), wanted, str(path), ours=ours)
    runs = run_of_member[chosen]
    np.logical_or.at(hit, runs, is_hit)
    np.logical_or.at(told, runs, is_told)
    return hit, told


def json_hits(
    contents: Iterable[bytes], wanted: Wanted, where: str, *, ours: bool
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """By the JSON of samples: which are recalled, and which say which link they are.

    Raises:
        DamagedFileError: one does not read.
    """
    urls: list[str | None] = []
    ids: list[bytes] = []
    uids: list[bytes] = []
    cells: list[int] = []
    for content in contents:
        url, link, cell, uid = _told(content, where)
        urls.append(url)
        ids.append(link)
        uids.append(uid)
        cells.append(cell)
    is_hit = wanted.has_urls(urls) | wanted.has_ids(np.array(ids, dtype="S16"))
    is_told = np.array([bool(u) or bool(i) for u, i in zip(urls, ids, strict=True)], dtype=bool)
    if len(wanted.aliases.uids):
        known = np.array(uids, dtype="S16")
        is_hit |= np.isin(known, wanted.aliases.uids) & (known != b"")
        is_told |= known != b""
    if ours:
        is_hit |= wanted.has_cells(np.array(cells, dtype=np.int64))
    return is_hit, is_told


def _told(content: bytes, where: str) -> tuple[str | None, bytes, int, bytes]:
    """URL, link id, cell and uid that a sample's JSON states; None, empty, -1 and empty where it does not."""
    url: object
    try:
        said = _DECODER.decode(content)
        url, link, cell, uid = said.url or said.upper_url, said.link_id, said.cell, said.uid
    except (msgspec.MsgspecError, ValueError, RecursionError):
        fields = _unusual(content, where)
        url, cell = fields.get("url", fields.get("URL")), fields.get("cell")
        link, uid = fields.get("link_id"), fields.get("uid")
    return (
        url if isinstance(url, str) else None,
        _link_sized(link) if link is not None else b"",
        cell if isinstance(cell, int) and 0 <= cell < _CELL_NUMBERS else -1,
        _link_sized(uid) if uid is not None else b"",
    )


def _link_sized(stated: object) -> bytes:
    """An id of 16 bytes as it is stated; empty for anything else."""
    raw = raw_id(stated)
    return raw if len(raw) == LINK_ID_BYTES else b""


def _unusual(content: bytes, where: str) -> dict[str, Any]:
    """A JSON of which only the standard library makes something: NaN, half a surrogate pair, another type than usual."""
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):  # its own message would quote the sample
        raise DamagedFileError(
            "the JSON of a sample does not read", where, "Restore the shard, fetch it again, or delete it."
        ) from None
    return fields if isinstance(fields, dict) else {}


def _unwiped(path: Path, index: TarIndex) -> list[tuple[int, int]]:
    """Fillers that a killed run left with the bytes of samples in them."""
    found: list[tuple[int, int]] = []
    if index.keys is not None:  # all names begin with a digit
        return found
    fillers = np.flatnonzero(index.names == FILLER.encode())
    if not len(fillers):
        return found
    with path.open("rb", buffering=0) as file:
        for start, data, end in zip(
            index.start[fillers].tolist(), index.data[fillers].tolist(), index.end[fillers].tolist(), strict=True
        ):
            for place in range(data, end, _CHUNK_BYTES):
                piece = os.pread(file.fileno(), min(_CHUNK_BYTES, end - place), place)
                if piece.count(0) != len(piece):
                    found.append((start, end))
                    break
    return found


def rewrite_tar(source: Path, target: Path, removed: list[tuple[int, int]]) -> str:
    """Copy an archive without some byte ranges, and sync it; the kernel copies where it can, while what is kept is hashed.

    Returns:
        SHA-256 of the target, hex.

    Raises:
        DamagedFileError: the source became shorter.
        OSError: the target cannot be written.
    """
    with source.open("rb", buffering=0) as reader, target.open("wb", buffering=0) as writer:
        ranges = kept_ranges(removed, os.fstat(reader.fileno()).st_size)
        with ThreadPoolExecutor(1) as beside:
            digest = beside.submit(_hash, reader.fileno(), ranges)
            for start, end in ranges:
                _copy(reader.fileno(), writer.fileno(), start, end, source)
            os.fsync(writer.fileno())
            return digest.result()


def _hash(reader: int, ranges: list[tuple[int, int]]) -> str:
    """SHA-256 of some ranges of a file, one after the other."""
    digest = hashlib.sha256()
    buffer = bytearray(_HASHED_BYTES)
    for start, end in ranges:
        for place in range(start, end, _HASHED_BYTES):
            count = os.preadv(reader, [memoryview(buffer)[: min(_HASHED_BYTES, end - place)]], place)
            digest.update(memoryview(buffer)[:count])
    return digest.hexdigest()


def _copy(reader: int, writer: int, start: int, end: int, source: Path) -> None:
    """Append the bytes from `start` to `end` of one file to another."""
    by_kernel = True
    while start < end:
        try:
            count = os.copy_file_range(reader, writer, end - start, start) if by_kernel else 0
        except OSError as error:
            if error.errno not in _NO_KERNEL_COPY:
                raise
            count = 0
        if count == 0:
            by_kernel = False
            piece = os.pread(reader, min(_CHUNK_BYTES, end - start), start)
            if not piece:
                raise DamagedFileError("this tar archive became shorter while it was read", str(source))
            count = os.write(writer, piece)
        start += count


def wipe_in_place(path: Path, removed: list[tuple[int, int]]) -> None:
    """Put fillers of zeros where samples stand. The archive is whole at every moment, and needs no further disk.

    A filler's header is written first, in one block; killed before its zeros are all there, the next look finds the filler
    and wipes it again.
    """
    runs: list[list[int]] = []
    for start, end in sorted(removed):
        if runs and runs[-1][1] == start and end - runs[-1][0] < _MAX_FILLER_BYTES:
            runs[-1][1] = end
        else:
            runs.append([start, end])
    with path.open("rb+", buffering=0) as file:
        for start, end in runs:
            os.pwrite(file.fileno(), filler_header(FILLER, end - start - BLOCK), start)
        os.fsync(file.fileno())
        for start, end in runs:
            for place in range(start + BLOCK, end, _CHUNK_BYTES):
                os.pwrite(file.fileno(), bytes(min(_CHUNK_BYTES, end - place)), place)
        os.fsync(file.fileno())
