"""One body on its way in: kept in memory while it is small, in an anonymous file from then on, never beyond its cap or its room."""

from linkwell.base.memory_file import MemoryFile
from linkwell.populate.failures import Failure
from linkwell.populate.transport import FREE_BYTES, LARGE_BYTES, Body, Reception

_HEAD_BYTES = 64
"""Enough to tell every format."""


class Intake:
    """Takes the pieces of one body. Close it, however that ends: what `finish` gave out stays open.

    Args:
        reception: who wants it, and says how large it may be.
        declared_bytes: its length, where that is declared and means the bytes that will be taken.
    """

    def __init__(self, reception: Reception, declared_bytes: int | None) -> None:
        self._reception = reception
        self._declared = declared_bytes
        self._pieces: list[bytes] = []
        self._file: MemoryFile | None = None
        self._size = 0
        self._known = self._over = False

    @property
    def full(self) -> bool:
        """Whether there is all that is wanted of the body."""
        return self._over or (self._reception.cuts and self._size >= self._reception.max_bytes)

    async def take(self, piece: bytes) -> None:
        """Add a piece.

        Raises:
            Failure: `too_large`, or there is no room for long.
        """
        room = self._reception.max_bytes - self._size
        if len(piece) > room:
            if not self._reception.cuts:
                raise Failure("too_large")
            piece = piece[:room]
        self._size += len(piece)
        if self._file is not None:
            self._file.write(piece)
        else:
            self._pieces.append(piece)
        if self._size > FREE_BYTES:
            if not self._known:
                self._look()
            if not self._over:
                self._move()
                await self._reception.enlarge(self._size, self._declared)

    def _look(self) -> None:
        self._known = True
        head = b"".join(self._pieces[:_HEAD_BYTES])[:_HEAD_BYTES]
        if not self._reception.wants_rest(head):
            self._pieces, self._over = [head], True

    def _move(self) -> None:
        """Have a large body in a file."""
        if self._file is None and self._size > LARGE_BYTES and MemoryFile.available():
            self._file = MemoryFile()
            for piece in self._pieces:
                self._file.write(piece)
            self._pieces.clear()

    def finish(self) -> Body:
        """The body; whoever gets it closes it."""
        if self._file is None:
            return b"".join(self._pieces)
        body, self._file = self._file, None
        body.seal()
        return body

    def close(self) -> None:
        """Let go of what was not given out."""
        self._pieces.clear()
        if self._file is not None:
            self._file.close()
            self._file = None
