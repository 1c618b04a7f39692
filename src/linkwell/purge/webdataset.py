"""Tar shards of a copy: which samples are recalled, and the archive without them.

A sample is all members that share the part of their name before the first dot of the base name (peers.md 5.4). It goes as
a whole; what stays is copied as it stands, block by block, in its order.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import BinaryIO

import numpy as np

from linkwell.base.errors import DamagedFileError
from linkwell.base.ids import LINK_ID_BYTES
from linkwell.purge.match import Wanted
from linkwell.purge.tar import Member, kept_ranges, members

_CHUNK_BYTES = 1 << 20
_MAX_JSON_BYTES = 16_777_216
_CELL_NUMBERS = 1 << 32


@dataclass
class Sample:
    """The members of one key, in order."""

    key: str
    members: list[Member] = field(default_factory=list)


@dataclass(frozen=True)
class TarScan:
    """What is in one shard. `hit_keys` are the keys (with their folder) of samples that go."""

    size: int
    samples: dict[str, Sample]
    hit_keys: frozenset[str]
    told_keys: frozenset[str]
    """Keys of samples whose own bytes say which link they are."""

    @property
    def removed(self) -> list[Member]:
        """The members that go."""
        return [m for key in self.hit_keys for m in self.samples[key].members]


def sample_key(name: str) -> str | None:
    """The key of a member, with its folder; None for a name that starts with a dot.

    >>> sample_key("00000/000010005.seg.png")
    '00000/000010005'
    """
    folder, slash, base = name.rpartition("/")
    stem = base.split(".", 1)[0]
    return folder + slash + stem if stem else None


def base_key(key: str) -> str:
    """A key without its folder, as the sibling parquet has it."""
    return key.rpartition("/")[2]


def scan_tar(path: Path, wanted: Wanted, *, keys_name_cells: bool, listed_hits: frozenset[str]) -> TarScan:
    """Find the recalled samples of a shard: by key, by what their JSON says, and by what the sibling parquet says.

    Args:
        path: the tar.
        wanted: what is recalled.
        keys_name_cells: the copy is ours, made from a release.
        listed_hits: keys that the sibling parquet has as recalled.

    Raises:
        DamagedFileError: the archive or a member's JSON does not read.
    """
    samples: dict[str, Sample] = {}
    keys: list[str] = []
    urls: list[str | None] = []
    ids: list[bytes] = []
    cells: list[int] = []
    with path.open("rb", buffering=65_536) as file:
        for member in members(path):
            key = sample_key(member.name) if member.is_file else None
            if key is None:
                continue
            samples.setdefault(key, Sample(key)).members.append(member)
            if member.name[len(key) :] == ".json":
                if member.size > _MAX_JSON_BYTES:
                    raise DamagedFileError("the JSON of a sample is too large to be one", str(path))
                file.seek(member.data)
                url, link, cell = _told(file.read(member.size), str(path))
                keys.append(key)
                urls.append(url)
                ids.append(link)
                cells.append(cell)
    hit = wanted.has_urls(urls) | wanted.has_ids(np.array(ids, dtype="S16"))
    told = np.array([bool(u) or bool(i) for u, i in zip(urls, ids, strict=True)], dtype=bool)
    if keys_name_cells:
        hit |= wanted.has_cells(np.array(cells, dtype=np.int64))
    hit_keys = {key for key, is_hit in zip(keys, hit.tolist(), strict=True) if is_hit}
    told_keys = {key for key, is_told in zip(keys, told.tolist(), strict=True) if is_told}
    names = list(samples)
    if keys_name_cells:
        by_key = wanted.has_cell_keys([base_key(name) for name in names])
        hit_keys.update(name for name, is_hit in zip(names, by_key.tolist(), strict=True) if is_hit)
    hit_keys.update(name for name in names if base_key(name) in listed_hits)
    return TarScan(path.stat().st_size, samples, frozenset(hit_keys), frozenset(told_keys))


def _told(content: bytes, where: str) -> tuple[str | None, bytes, int]:
    """URL, link id and cell that a sample's JSON states; None, empty and -1 where it does not."""
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):  # its own message would quote the sample
        raise DamagedFileError(
            "the JSON of a sample does not read", where, "Restore the shard, fetch it again, or delete it."
        ) from None
    if not isinstance(fields, dict):
        return None, b"", -1
    url, link, cell = fields.get("url", fields.get("URL")), fields.get("link_id"), fields.get("cell")
    link_id = b""
    if isinstance(link, str) and len(link) == 2 * LINK_ID_BYTES:
        try:
            link_id = bytes.fromhex(link)
        except ValueError:
            link_id = b""
    number = cell if isinstance(cell, int) and 0 <= cell < _CELL_NUMBERS else -1
    return url if isinstance(url, str) else None, link_id, number


def rewrite_tar(source: Path, target: Path, removed: list[Member]) -> tuple[str, str]:
    """Copy an archive without some members, in one pass.

    Returns:
        SHA-256 of the source and of the target, hex.

    Raises:
        OSError: the target cannot be written.
    """
    before, after = hashlib.sha256(), hashlib.sha256()
    with source.open("rb", buffering=0) as reader, target.open("wb") as writer:
        size = source.stat().st_size
        position = 0
        for start, end in kept_ranges(removed, size):
            for piece in _pieces(reader, start - position, source):
                before.update(piece)
            for piece in _pieces(reader, end - start, source):
                before.update(piece)
                after.update(piece)
                writer.write(piece)
            position = end
    return before.hexdigest(), after.hexdigest()


def _pieces(reader: BinaryIO | FileIO, count: int, source: Path) -> Iterator[bytes]:
    """The next `count` bytes, in pieces."""
    while count:
        piece = reader.read(min(_CHUNK_BYTES, count))
        if not piece:
            raise DamagedFileError("this tar archive became shorter while it was read", str(source))
        count -= len(piece)
        yield piece
