"""Room for large bodies: one budget of bytes, taken as they grow, so that what strangers send takes no more than it, however many they are.

A body that says how long it is, within reason, shares the budget with others. One that is of unknown length may be endless, and one that
declares tens of megabytes may send them drop by drop: these grow one at a time, in a part of the budget that is kept for them and holds the longest
body there may be. Where the shared part is used up, whoever has waited longest gets that place: so some body can always be finished.
"""

import asyncio

MEDIUM_BYTES = 12_000_000
"""A body that declares more waits for the single place, as those do that declare nothing."""


class Room:
    """What one body has taken. Give it back through `LargeBodies.give_back`."""

    __slots__ = ("alone", "held_bytes")

    def __init__(self) -> None:
        self.held_bytes = 0
        self.alone = False


class LargeBodies:
    """Hands out room, first come first served.

    Args:
        budget_bytes: for all bodies together.
        max_bytes: of one body; what the budget has beyond it is shared.
    """

    def __init__(self, budget_bytes: int, max_bytes: int) -> None:
        self._left_bytes = max(0, budget_bytes - max_bytes)
        self._alone: Room | None = None
        self._waiting: list[_Waiting] = []

    def fits(self, room: Room, size: int, declared_bytes: int | None) -> bool:
        """Let a body grow to `size` bytes at once where there is room, and nobody who shares it waits before."""
        if room.alone:
            room.held_bytes = size
        elif not _shares(declared_bytes) or any(each.shares for each in self._waiting) or not self._take(room, size):
            return False
        return True

    async def wait(self, room: Room, size: int, declared_bytes: int | None) -> None:
        """Wait until a body may grow to `size` bytes. Cancelled, nothing is taken that `give_back` does not give back."""
        waiting = _Waiting(room, size, _shares(declared_bytes))
        self._waiting.append(waiting)
        self._serve()
        try:
            await waiting.served
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
                self._serve()

    def give_back(self, room: Room) -> None:
        """Give back all that a body took."""
        if room is self._alone:
            self._alone = None
        else:
            self._left_bytes += room.held_bytes
        room.held_bytes, room.alone = 0, False
        self._serve()

    def _serve(self) -> None:
        blocked = False
        for waiting in list(self._waiting):
            room = waiting.room
            if waiting.served.done():
                continue  # cancelled
            if waiting.shares and not blocked and self._take(room, waiting.size):
                pass
            elif self._alone is None:
                self._alone, room.alone = room, True
                self._left_bytes += room.held_bytes
                room.held_bytes = waiting.size
            else:
                blocked |= waiting.shares
                continue
            self._waiting.remove(waiting)
            waiting.served.set_result(None)

    def _take(self, room: Room, size: int) -> bool:
        step = size - room.held_bytes
        if step > self._left_bytes:
            return False
        self._left_bytes -= step
        room.held_bytes = size
        return True


class _Waiting:
    """A body that waits to grow."""

    __slots__ = ("room", "served", "shares", "size")

    def __init__(self, room: Room, size: int, shares: bool) -> None:  # noqa: FBT001 - a fact of the body
        self.room = room
        self.size = size
        self.shares = shares
        self.served: asyncio.Future[None] = asyncio.get_running_loop().create_future()


def _shares(declared_bytes: int | None) -> bool:
    return declared_bytes is not None and declared_bytes <= MEDIUM_BYTES
