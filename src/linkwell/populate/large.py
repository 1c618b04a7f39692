"""Room for large bodies: a budget of bytes for those that say how long they are, one place at a time for those that do not.

A body without a length may be endless, and one that declares tens of megabytes may send them drop by drop: these share a single place, so that what
strangers send takes no more than the budget and one body of the greatest length, however many of them there are.
"""

import asyncio
from collections import deque

BUDGET_BYTES = 48_000_000
"""For bodies of declared length."""
MEDIUM_BYTES = 12_000_000
"""A longer one waits for the single place, as those do that declare nothing."""


class LargeBodies:
    """Hands out room, first come first served."""

    def __init__(self) -> None:
        self._left_bytes = BUDGET_BYTES
        self._single = asyncio.Semaphore(1)
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, declared_bytes: int | None) -> int:
        """Wait for room; what is returned goes to `give_back`: bytes of the budget, or -1 for the single place."""
        if declared_bytes is None or declared_bytes > MEDIUM_BYTES:
            await self._single.acquire()
            return -1
        if not self._waiting and declared_bytes <= self._left_bytes:
            self._left_bytes -= declared_bytes
            return declared_bytes
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((declared_bytes, place))
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.give_back(declared_bytes)
            raise
        return declared_bytes

    def give_back(self, taken: int) -> None:
        """Give room back; 0 is none."""
        if taken < 0:
            self._single.release()
            return
        self._left_bytes += taken
        while self._waiting and (self._waiting[0][1].done() or self._waiting[0][0] <= self._left_bytes):
            size, place = self._waiting.popleft()
            if not place.done():
                self._left_bytes -= size
                place.set_result(None)
