"""The indexes of large lists, kept ready on disk: encrypted under the master key, for exactly the parts they were made of.

They are derived: the lists alone are the truth. One that does not open, or is of another state, is made again from the lists.
"""

import hashlib
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from linkwell.base.errors import BusyError, DamagedFileError, MissingError, StorageError
from linkwell.base.sealed_arrays import read_sealed_arrays, write_sealed_arrays
from linkwell.base.shards import storage_errors, sweep
from linkwell.base.workspace import Workspace
from linkwell.lists.columns import Rows
from linkwell.lists.exact import Owners
from linkwell.lists.indexes import Arrays, Index, build_index, restore_index
from linkwell.lists.kinds import KIND_BYTES
from linkwell.lists.sharing import SharedArrays, find_shared
from linkwell.lists.storage import COMPILED_FOLDER, NEVER, Part, check_part, read_index, read_part

COMPILED_ENTRIES = 200_000
"""From so many entries of a kind its index is kept; smaller ones are made faster than they are read."""

_VERSION = 2
"""Of the arrays: another one is made again."""
_UNTIL = "until"
_LOCK = "compiled lists"
_LOG = logging.getLogger(__name__)


class OwnedPart(NamedTuple):
    """A part, and the number of its list among those that are loaded."""

    owner: int
    part: Part


class Loading(NamedTuple):
    """Which state of whose lists is loaded."""

    workspace: Workspace
    master_key: bytes
    generation: int
    """Of the lists."""
    lists: int
    """How many lists there are; canaries belong to the owner of this number, which is no list."""
    share: SharedArrays | None = None
    """Where the indexes of large lists are put, for other processes."""


def load_index(loading: Loading, kind: str, parts: Sequence[OwnedPart]) -> Index:
    """The index of all entries of a kind.

    Args:
        loading: of what.
        kind: one of `KIND_BYTES`.
        parts: of all lists, in the order of the lists.

    Raises:
        MissingError, DamagedFileError: a part is not as it should be; also where a ready index would do without it.
    """
    workspace, master_key, lists = loading.workspace, loading.master_key, loading.lists
    if sum(one.part.rows for one in parts) < COMPILED_ENTRIES:
        return build_index(kind, *_gather(loading, kind, parts)[:2])
    about = f"linkwell index {_VERSION} {kind} {_fingerprint(parts, lists)}"
    ready = find_shared(workspace, master_key, about) or _kept(workspace, kind, master_key, about)
    if ready is not None and time.time() < _until(ready):
        for one in parts:
            check_part(workspace, one.part)
    else:
        values, owners, until = _gather(loading, kind, parts)
        made = build_index(kind, values, owners)
        del values, owners
        ready = {**made.arrays(), _UNTIL: np.array([until], np.int64)}
        _keep(loading, kind, ready, about)
    if loading.share is not None:
        ready = loading.share.share(ready, about)
    return restore_index(kind, ready)


def _until(arrays: Arrays) -> int:
    """When the first entry of an index expires."""
    return int(arrays[_UNTIL].view(np.int64)[0])


def _kept(workspace: Workspace, kind: str, master_key: bytes, about: str) -> Arrays | None:
    """The index that is kept on disk; None where there is none, or not of this state, or changed: it is made again, from what is authenticated."""
    try:
        return read_sealed_arrays(_path(workspace, kind), master_key, about)
    except (MissingError, DamagedFileError):
        return None


def _path(workspace: Workspace, kind: str) -> Path:
    return workspace.lists / COMPILED_FOLDER / f"{kind}.sealed"


def _keep(loading: Loading, kind: str, arrays: Arrays, about: str) -> None:
    """Write an index for the next load, unless another process is at it, or it cannot be written."""
    workspace = loading.workspace
    path = _path(workspace, kind)
    try:
        with workspace.lock(_LOCK), storage_errors(path):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            sweep(path.parent)
            write_sealed_arrays(path, arrays, loading.master_key, about)
            if read_index(workspace).generation != loading.generation:
                path.unlink(missing_ok=True)  # a list was changed or forgotten meanwhile: nothing of it stays
    except BusyError:
        pass
    except (StorageError, FileNotFoundError) as error:  # the folder goes when a list changes
        _LOG.warning("an index of the hash lists is not kept, and will be made again by each process: %s", error)


def _gather(loading: Loading, kind: str, parts: Sequence[OwnedPart]) -> tuple[Rows, Owners, int]:
    """The entries of all parts, their owners, and when the first of them expires; read part by part into its place."""
    rows = sum(one.part.rows for one in parts)
    values = np.empty((rows, KIND_BYTES[kind]), np.uint8)
    owners = np.empty(rows, np.uint16)
    until, end = NEVER, 0
    for one in parts:
        loaded = read_part(loading.workspace, one.part, loading.master_key)
        place = slice(end, end + len(loaded.values))
        values[place] = loaded.values
        owners[place] = np.where(loaded.canary, loading.lists, one.owner)
        until, end = min(until, loaded.until), place.stop
    return values[:end], owners[:end], until


def _fingerprint(parts: Sequence[OwnedPart], lists: int) -> str:
    digest = hashlib.sha256(f"{lists}".encode())
    for one in parts:
        digest.update(f"\0{one.owner} {one.part.sha256}".encode())
    return digest.hexdigest()
