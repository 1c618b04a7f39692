"""In which order the links of a shard are fetched: host by host in turn, each host within its limit."""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence


class HostSchedule:
    """Deals rows to workers, so that no host has more than its number of requests at once and none waits for another.

    The rows of one host keep their order; hosts take turns.
    """

    def __init__(self, hosts: Sequence[str | None], per_host: int) -> None:
        """Deal rows 0 to len(hosts)-1; a row whose host is None is left out."""
        self._per_host = per_host
        self._rows: dict[str, deque[int]] = {}
        for row, host in enumerate(hosts):
            if host is not None:
                self._rows.setdefault(host, deque()).append(row)
        self._left = sum(map(len, self._rows.values()))
        self._active: Counter[str] = Counter()
        self._ready = deque(self._rows)
        self._listed = set(self._rows)
        self._idle: deque[asyncio.Future[None]] = deque()
        self._movers: dict[str, deque[asyncio.Future[None]]] = {}

    async def take(self) -> tuple[int, str] | None:
        """The next row that may start and its host, a slot of which is then held; None when all rows are dealt."""
        while self._left:
            while self._ready:
                host = self._ready.popleft()
                self._listed.discard(host)
                if self._active[host] >= self._per_host:
                    continue  # comes back when a slot is given back
                row = self._rows[host].popleft()
                self._active[host] += 1
                self._left -= 1
                self._list(host)
                if not self._left:
                    self._wake_all()
                return row, host
            waiter = asyncio.get_running_loop().create_future()
            self._idle.append(waiter)
            await waiter
        return None

    def give_back(self, host: str) -> None:
        """Give back a slot of a host."""
        self._active[host] -= 1
        movers = self._movers.get(host)
        while movers:
            mover = movers.popleft()
            if not mover.done():
                self._active[host] += 1  # handed over
                mover.set_result(None)
                return
        if not self._active[host]:
            del self._active[host]
            self._movers.pop(host, None)
        self._list(host)

    async def acquire(self, host: str) -> None:
        """Wait for a slot of a host."""
        if self._active[host] < self._per_host:
            self._active[host] += 1
            return
        mover = asyncio.get_running_loop().create_future()
        self._movers.setdefault(host, deque()).append(mover)
        try:
            await mover
        except asyncio.CancelledError:
            if mover.done() and not mover.cancelled():
                self.give_back(host)
            raise

    def _list(self, host: str) -> None:
        """Put a host in the row of those that may start one, and wake a worker for it."""
        if self._rows.get(host) and self._active[host] < self._per_host and host not in self._listed:
            self._listed.add(host)
            self._ready.append(host)
            while self._idle:
                waiter = self._idle.popleft()
                if not waiter.done():
                    waiter.set_result(None)
                    break

    def _wake_all(self) -> None:
        while self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(None)
