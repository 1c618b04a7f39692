"""Room for large bodies: one budget of bytes, taken as they grow, so that what strangers send takes no more than it, however many they are.

A body that says how long it is, within reason, shares the budget with others. One that is of unknown length may be endless, and one that
declares tens of megabytes may send them drop by drop: beyond a megabyte these grow one at a time, in a part of the budget that is kept for them and
holds the longest body there may be. Where the shared part is used up, whoever has waited longest gets that place: so some body can always be finished.

What waits has a connection and what it came with. So only few wait; a body that finds no place to wait is let go, and asked for again later.
"""

import asyncio

from linkwell.populate.failures import Failure
from linkwell.populate.transport import LARGE_BYTES

MEDIUM_BYTES = 12_000_000
"""A body that declares more waits for the single place, as those do that declare nothing."""
MAX_WAITING_DECLARED = 256
"""Bodies that wait to share and say how long they are: as many as requests may be under way by default."""
MAX_WAITING_TO_SHARE = 32
"""The same that do not say it."""
MAX_WAITING_ALONE = 8
"""Each of these holds a megabyte of what is shared."""


class NoRoom(Exception):  # noqa: N818 - no error: the body is asked for again
    """Too many wait already."""


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
        elif (
            not _shares(size, declared_bytes)
            or any(each.shares for each in self._waiting)
            or not self._take(room, size)
        ):
            return False
        return True

    async def wait(self, room: Room, size: int, declared_bytes: int | None) -> None:
        """Wait until a body may grow to `size` bytes. Cancelled, nothing is taken that `give_back` does not give back.

        Raises:
            NoRoom: too many wait.
        """
        shares = _shares(size, declared_bytes)
        limit = MAX_WAITING_ALONE
        if shares:
            limit = MAX_WAITING_TO_SHARE if declared_bytes is None else MAX_WAITING_DECLARED
        if sum(each.limit == limit for each in self._waiting) >= limit:
            raise NoRoom
        waiting = _Waiting(room, size, limit, shares=shares)
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


class Growth:
    """How one image comes to its room, over all requests it takes.

    Args:
        large: who gives room.
        wait_seconds: the longest a request waits for it.
        patience_seconds: how long a body that may be endless is asked for again.
    """

    def __init__(self, large: LargeBodies, wait_seconds: float, patience_seconds: float) -> None:
        self._large = large
        self._wait_seconds = wait_seconds
        self._patience_seconds = patience_seconds
        self._room = Room()
        self._first_refused: float | None = None

    def fits(self, size: int, declared_bytes: int | None) -> bool:
        """See `LargeBodies.fits`."""
        return self._large.fits(self._room, size, declared_bytes)

    async def wait(self, size: int, declared_bytes: int | None, clock: asyncio.Timeout) -> float:
        """Wait for room; how many seconds that took. They do not count on the clock: that others are large is not the host's fault.

        Raises:
            NoRoom: the request is to be given up, and made again later.
            Failure: `timeout`, when that was so for long.
        """
        loop = asyncio.get_running_loop()
        started, due = loop.time(), clock.when()
        clock.reschedule(None)
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._large.wait(self._room, size, declared_bytes)
        except (NoRoom, TimeoutError):
            self._first_refused = self._first_refused or loop.time()
            patient = loop.time() - self._first_refused < self._patience_seconds
            raise NoRoom if patient or _shares(size, declared_bytes) else Failure("timeout") from None
        waited = loop.time() - started
        clock.reschedule(None if due is None else due + waited)
        return waited

    def give_back(self) -> None:
        """Give back all of it."""
        self._large.give_back(self._room)


class _Waiting:
    """A body that waits to grow."""

    __slots__ = ("limit", "room", "served", "shares", "size")

    def __init__(self, room: Room, size: int, limit: int, *, shares: bool) -> None:
        self.limit = limit
        self.room = room
        self.size = size
        self.shares = shares
        self.served: asyncio.Future[None] = asyncio.get_running_loop().create_future()


def _shares(size: int, declared_bytes: int | None) -> bool:
    return size <= LARGE_BYTES if declared_bytes is None else declared_bytes <= MEDIUM_BYTES
