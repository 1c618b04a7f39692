"""What earlier purges saw in shards that have not changed since, so that a later one need not walk through them again.

What was seen does not depend on what was recalled: that every sample of a tar is in the table beside it. As long as both files are the
same, the table tells which samples are recalled. A file is taken for the same by inode, size, time of modification and time of
change; the last is set by the system at any change, and cannot be set back by who copies, restores or unpacks a file.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from linkwell.base.shards import write_bytes

SEEN_FILE = "seen.json"
_FORMAT = "linkwell-seen-1"
_SETTLED_NS = 5_000_000_000
"""A file changed more recently may change again without its times telling: file systems count in up to two seconds."""


class FileState(msgspec.Struct, frozen=True, array_like=True):
    """What tells that a file is the same; times in nanoseconds."""

    inode: int
    bytes: int
    modified: int
    changed: int


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """A tar and its table, every sample of the first a row of the second that says which link it is."""

    tar: FileState
    table: FileState


class _SeenFile(msgspec.Struct, frozen=True):
    format: str
    shards: dict[str, Seen]


def seen_now(tar: Path, table: Path) -> Seen | None:
    """The files of a shard as they are, asked before they are read; None where a later change might not show in their times."""
    settled = time.time_ns() - _SETTLED_NS
    seen = Seen(_state_of(tar), _state_of(table))
    newest = max(seen.tar.changed, seen.tar.modified, seen.table.changed, seen.table.modified)
    return seen if newest < settled else None


def _state_of(path: Path) -> FileState:
    descriptor = os.open(path, os.O_RDONLY)  # a network file system asks its server what is new when a file is opened
    try:
        found = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    return FileState(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def read_seen(state: Path) -> dict[str, Seen]:
    """What was seen, by the name of the tar; nothing where that is not known, or does not read: then every shard is looked through."""
    try:
        read = msgspec.json.decode((state / SEEN_FILE).read_bytes(), type=_SeenFile)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return read.shards if read.format == _FORMAT else {}


def write_seen(state: Path, shards: Mapping[str, Seen]) -> None:
    """Store what was seen, in place of what was stored before.

    Raises:
        StorageError: it cannot be written.
    """
    if shards:
        write_bytes(state / SEEN_FILE, msgspec.json.encode(_SeenFile(_FORMAT, dict(sorted(shards.items())))))
    else:
        (state / SEEN_FILE).unlink(missing_ok=True)
