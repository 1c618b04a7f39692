"""Images that are done before their turn: in memory, and beyond a bound on disk, in a file without a name."""

import os
import tempfile
from pathlib import Path
from typing import BinaryIO, NamedTuple

_MEMORY_BYTES = 8_000_000
"""Kept in memory over all shards that are open."""


class InFile(NamedTuple):
    """Where an image waits."""

    offset: int
    size: int


class Room:
    """How many bytes wait in memory, over all spools."""

    def __init__(self) -> None:
        self.used_bytes = 0


class Spool:
    """Keeps the images of one shard that wait for their turn. The file has no name, so that nothing of it outlives the process."""

    def __init__(self, folder: Path, room: Room) -> None:
        self._folder = folder
        self._room = room
        self._file: BinaryIO | None = None

    def put(self, image: bytes) -> bytes | InFile:
        """Keep an image: itself, or where it is."""
        if self._room.used_bytes + len(image) <= _MEMORY_BYTES:
            self._room.used_bytes += len(image)
            return image
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed with the shard
        place = InFile(self._file.seek(0, os.SEEK_END), len(image))
        self._file.write(image)
        return place

    def take(self, kept: bytes | InFile) -> bytes:
        """An image again, which is kept no longer."""
        if isinstance(kept, bytes):
            self._room.used_bytes -= len(kept)
            return kept
        assert self._file is not None  # noqa: S101 - a place in the file is there only with the file
        self._file.seek(kept.offset)
        return self._file.read(kept.size)

    def close(self) -> None:
        """Forget everything."""
        if self._file is not None:
            self._file.close()
            self._file = None
