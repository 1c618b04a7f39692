"""Large indexes once in memory for all processes of a machine: one process holds them in anonymous files, the others map these.

An anonymous file (memfd_create(2)) is memory with a number: it has no name on any disk, is gone with its last user, and is readable for those who may read
this process's memory anyway. It is sealed against writing before its number is told. What tells it is a small file in the workspace, mode
0600, with a code under the master key: process and number, what the memory holds, and a random token that stands at its beginning.
Whatever does not fit (another machine, a process that is gone, another state of the lists, a system without such files) is no
error: whoever finds nothing loads its own copy.
"""

import fcntl
import hashlib
import hmac
import mmap
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from linkwell.base.errors import StorageError
from linkwell.base.shards import write_bytes
from linkwell.base.workspace import Workspace

_FOLDER = ".shared"
_TOKEN_BYTES = 64
"""A multiple of what any array wants its place to be a multiple of."""
_CODE_KEY = b"linkwell:shared-index:1"
_SEALS = ("F_SEAL_SEAL", "F_SEAL_SHRINK", "F_SEAL_GROW", "F_SEAL_WRITE")

Arrays = Mapping[str, npt.NDArray[np.generic]]


class _Place(msgspec.Struct, frozen=True):
    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int


class _Notice(msgspec.Struct, frozen=True):
    """Where the memory is, and what it holds."""

    process: int
    descriptor: int
    about: str
    size: int
    token: bytes
    places: tuple[_Place, ...]


class _Signed(msgspec.Struct, frozen=True):
    notice: bytes
    code: bytes


class SharedArrays:
    """Arrays that other processes find for as long as this is open; close it to end that. Processes that have them keep them."""

    def __init__(self, workspace: Workspace, master_key: bytes) -> None:
        self._workspace, self._master_key = workspace, master_key
        self._descriptors: list[int] = []
        self._notices: list[Path] = []

    def share(self, arrays: Arrays, about: str) -> Arrays:
        """The same arrays, from memory that others can find under `about`; as they are where the system or the disk does not let us."""
        if not hasattr(os, "memfd_create"):
            return arrays
        places, size = [], _TOKEN_BYTES
        for name, array in arrays.items():
            places.append(_Place(name, array.dtype.str, array.shape, size))
            size += -(-array.nbytes // _TOKEN_BYTES) * _TOKEN_BYTES
        token = secrets.token_bytes(_TOKEN_BYTES)
        try:
            descriptor = os.memfd_create("linkwell", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            self._descriptors.append(descriptor)
            os.ftruncate(descriptor, size)
            with mmap.mmap(descriptor, size) as memory:
                memory[:_TOKEN_BYTES] = token
                for place, array in zip(places, arrays.values(), strict=True):
                    np.copyto(_array(memory, place), array)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _seals())
            notice = _Notice(os.getpid(), descriptor, about, size, token, tuple(places))
            raw = msgspec.json.encode(notice)
            path = _notice_path(self._workspace, about)
            write_bytes(path, msgspec.json.encode(_Signed(raw, _code(raw, self._master_key))), mode=0o600)
            self._notices.append(path)
        except (OSError, StorageError, BufferError):
            return arrays
        return _map(descriptor, notice)

    def close(self) -> None:
        """Tell nobody else."""
        for path in self._notices:
            path.unlink(missing_ok=True)
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._notices, self._descriptors = [], []


def find_shared(workspace: Workspace, master_key: bytes, about: str) -> Arrays | None:
    """The arrays that another process shares under `about`, or None."""
    try:
        signed = msgspec.json.decode(_notice_path(workspace, about).read_bytes(), type=_Signed)
        if not hmac.compare_digest(signed.code, _code(signed.notice, master_key)):
            return None
        notice = msgspec.json.decode(signed.notice, type=_Notice)
        descriptor = os.open(f"/proc/{notice.process}/fd/{notice.descriptor}", os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, msgspec.MsgspecError):
        return None
    try:
        sealed = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) == _seals()
        if not sealed or notice.about != about or os.fstat(descriptor).st_size != notice.size:
            return None
        if os.pread(descriptor, _TOKEN_BYTES, 0) != notice.token:
            return None
        return _map(descriptor, notice)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _map(descriptor: int, notice: _Notice) -> Arrays:
    """The arrays in place; what this process wrote to them, it alone would see."""
    memory = mmap.mmap(descriptor, notice.size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    return {place.name: _array(memory, place) for place in notice.places}


def _array(memory: mmap.mmap, place: _Place) -> npt.NDArray[Any]:
    return np.ndarray(place.shape, np.dtype(place.dtype), memory, place.start)


def _seals() -> int:
    return sum(getattr(fcntl, name) for name in _SEALS)


def _notice_path(workspace: Workspace, about: str) -> Path:
    return workspace.root / _FOLDER / f"{hashlib.sha256(about.encode()).hexdigest()[:32]}.json"


def _code(notice: bytes, master_key: bytes) -> bytes:
    return hmac.digest(hmac.digest(master_key, _CODE_KEY, "sha256"), notice, "sha256")
