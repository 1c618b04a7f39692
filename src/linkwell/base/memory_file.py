"""Bytes in a file without a name that is memory: written piece by piece, then sealed, and shared with another process without a copy.

An anonymous file (memfd_create(2)) is on no disk and gone with its last user. Its pages go back to the system the moment it is closed, which what
an allocator holds does not.
"""

import fcntl
import os
from collections.abc import Iterator

_PIECE_BYTES = 1 << 18


class MemoryFile:
    """One anonymous file. Write it, seal it, read it; close it."""

    def __init__(self) -> None:
        """Make it, empty.

        Raises:
            OSError: there are too many open files.
        """
        self._descriptor = os.memfd_create("linkwell", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self._size = 0

    @staticmethod
    def available() -> bool:
        """Whether the system has such files: Linux does."""
        return hasattr(os, "memfd_create")

    def __len__(self) -> int:
        return self._size

    def write(self, piece: bytes) -> None:
        """Add bytes at the end."""
        rest = memoryview(piece)
        while rest:
            written = os.write(self._descriptor, rest)
            self._size += written
            rest = rest[written:]

    def seal(self) -> None:
        """Let nobody change it from now on, whoever gets it."""
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, seals)

    def fileno(self) -> int:
        """Its number, for whom it is shared with."""
        return self._descriptor

    def pieces(self) -> Iterator[memoryview]:
        """All of it, a piece at a time; each is valid until the next is asked for."""
        buffer = memoryview(bytearray(min(_PIECE_BYTES, self._size)))
        position = 0
        while position < self._size and (got := os.preadv(self._descriptor, [buffer], position)):
            position += got
            yield buffer[:got]

    def read(self) -> bytes:
        """All of it, as a copy."""
        return os.pread(self._descriptor, self._size, 0)

    def close(self) -> None:
        """Let go of it; twice is as good as once."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            self.close()
