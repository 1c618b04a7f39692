"""When which request goes out: hosts take turns, each within its manners, and a slow one takes nobody else's place.

An errand is something to be asked of a host. All errands of a run, whichever shard they come from, stand in one queue for each host;
hosts that may start one stand in one row and take turns. A request that has been under way for longer than a moment is *parked*: it
keeps its connection but gives its place to others, and requests to a host whose last answer was slow take no place from the start:
any number of slow hosts leaves the fast ones their speed, up to a bound on what is open at all.
"""

import asyncio
import heapq
import itertools
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Protocol

from linkwell.populate.manners import Host, HostLimits

_PARKED_AFTER_SECONDS = 1.0
_LOOK_EVERY_SECONDS = 0.25
_MAX_CROWD = 8
"""As many as may wait alone (`large.MAX_WAITING_ALONE`): who is asked finds a place to wait."""
_IDLE_HOSTS = 20_000
"""Hosts remembered although nothing waits for them."""


@dataclass(frozen=True)
class News:
    """What a request tells of its host."""

    trouble: bool = False
    retry_after_seconds: float | None = None
    silent: bool = False
    """It tells nothing of the host."""


class Errand(Protocol):
    """Something to be asked of a host."""

    @property
    def host(self) -> str:
        """Whom to ask, in lower case."""
        ...

    async def ask(self, *, last: bool) -> News:
        """Ask, while a slot of the host is held; `last` says that nothing else waits for it. Raises nothing that concerns the errand."""
        ...

    async def settle(self) -> None:
        """Do what is to be done with the answer: the host's slot is given back, the place in the run is still held."""
        ...

    def give_up(self) -> None:
        """The host was given up before it was asked."""
        ...


class _Queue:
    """What waits for one host. `listed`: it stands in the row, or a timer will put it there."""

    __slots__ = ("errands", "host", "listed")

    def __init__(self, host: Host) -> None:
        self.host = host
        self.errands: deque[Errand] = deque()
        self.listed = False


class Schedule:
    """Sends errands out. Make it inside the loop that runs them.

    Args:
        limits: what each host is allowed.
        places: requests that may be under way at once, parked ones aside.
        max_open: requests under way, parked ones included.
        max_held_bytes: while more bytes than this wait to be examined, nothing new is asked for.
    """

    def __init__(self, limits: HostLimits, *, places: int, max_open: int, max_held_bytes: int) -> None:
        self._limits = limits
        self._places = places
        self._max_open = max(places, max_open)
        self._max_held_bytes = max_held_bytes
        self._loop = asyncio.get_running_loop()
        self._queues: dict[str, _Queue] = {}
        self._idle: OrderedDict[str, _Queue] = OrderedDict()
        self._ready: deque[_Queue] = deque()
        self._later: list[tuple[float, int, _Queue | Errand]] = []
        self._numbers = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._looker: asyncio.TimerHandle | None = None
        self._started: OrderedDict[int, float] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._parked: set[int] = set()
        self._held_bytes = 0
        self._closed = False
        self.failed: asyncio.Future[None] = self._loop.create_future()
        """Gets the error that stops the run, if one comes up."""
        self.waiting = 0
        """Errands that are not under way."""
        self.crowd: set[Errand] = set()
        """Errands under way that wait for room for a large body, or may have to: then nothing more is asked of hosts of such bodies."""

    @property
    def under_way(self) -> int:
        """Requests under way, parked ones included."""
        return len(self._tasks)

    @property
    def parked(self) -> int:
        """Requests that have been under way for long."""
        return len(self._parked)

    def host(self, name: str) -> Host:
        """The state of a host."""
        return self._queue(name).host

    def hosts(self) -> "list[Host]":
        """Every host that something waits for, or that is being asked."""
        return [queue.host for queue in self._queues.values()]

    def add(self, errand: Errand, *, first: bool = False, pause_seconds: float = 0.0) -> None:
        """Let an errand wait for its host, at the head of its queue or after a pause."""
        self.waiting += 1
        if pause_seconds > 0:
            self._at(self._loop.time() + pause_seconds, errand)
            return
        self._enqueue(errand, first=first)
        self._pump()

    def _enqueue(self, errand: Errand, *, first: bool) -> None:
        queue = self._queue(errand.host)
        if first:
            queue.errands.appendleft(errand)
        else:
            queue.errands.append(errand)
        self._list(queue)

    def hold(self, size: int) -> None:
        """Say that bytes wait to be examined; a negative size, that they wait no longer."""
        self._held_bytes += size
        if size < 0:
            self._pump()

    async def close(self) -> None:
        """Stop everything that is under way."""
        self._closed = True
        for handle in (self._timer, self._looker):
            if handle is not None:
                handle.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.failed.cancel()

    def _queue(self, name: str) -> _Queue:
        queue = self._queues.get(name)
        if queue is None:
            queue = self._idle.pop(name, None) or _Queue(Host(name, self._limits))
            self._queues[name] = queue
        return queue

    def _list(self, queue: _Queue) -> None:
        """Put a host where its next errand will be found: in the row, or on the clock; or drop it when nothing waits for it."""
        if queue.listed:
            return
        host = queue.host
        if not queue.errands:
            if not host.active:
                self._queues.pop(host.name, None)
                self._idle[host.name] = queue
                if len(self._idle) > _IDLE_HOSTS:
                    self._idle.popitem(last=False)
            return
        if not host.room():
            return  # comes back when a slot is given back
        queue.listed = True
        if host.ready_at() > self._loop.time() and not host.is_down(self._loop.time()):
            self._at(host.ready_at(), queue)
        else:
            self._ready.append(queue)

    def _at(self, when: float, what: "_Queue | Errand") -> None:
        heapq.heappush(self._later, (when, next(self._numbers), what))
        if self._later[0][2] is what:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(when, self._due)

    def _due(self) -> None:
        self._timer = None
        now = self._loop.time() + 1e-3
        while self._later and self._later[0][0] <= now:
            _, _, what = heapq.heappop(self._later)
            if isinstance(what, _Queue):
                what.listed = False
                self._list(what)
            else:
                self._enqueue(what, first=False)
        if self._later:
            self._timer = self._loop.call_at(self._later[0][0], self._due)
        self._pump()

    def _pump(self) -> None:
        """Start what may start."""
        while self._ready and not self._closed:
            if len(self._started) >= self._places or len(self._tasks) >= self._max_open:
                self._look_later()
                return
            if self._held_bytes > self._max_held_bytes:
                return
            queue = self._ready.popleft()
            queue.listed = False
            host = queue.host
            now = self._loop.time()
            if host.is_down(now):
                self._give_up(queue)
                continue
            if not queue.errands or not host.room():
                self._list(queue)
                continue
            if host.ready_at() > now + 1e-3:
                self._list(queue)
                continue
            too_slow = host.slow and len(self._parked) >= self._max_open - self._places
            if too_slow or (host.large and len(self.crowd) >= _MAX_CROWD):
                queue.listed = True
                self._at(now + _LOOK_EVERY_SECONDS, queue)
                continue
            errand = queue.errands.popleft()
            self.waiting -= 1
            host.started(now)
            if host.large:
                self.crowd.add(errand)
            number = next(self._numbers)
            if host.slow:
                self._parked.add(number)
            else:
                self._started[number] = now
            task = self._loop.create_task(self._send(number, errand, queue))
            self._tasks.add(task)
            self._list(queue)

    def _give_up(self, queue: _Queue) -> None:
        errands, queue.errands = queue.errands, deque()
        self.waiting -= len(errands)
        self._list(queue)
        for errand in errands:
            try:
                errand.give_up()
            except Exception as error:  # noqa: BLE001 - handed to whoever runs the schedule
                self._fail(error)

    async def _send(self, number: int, errand: Errand, queue: _Queue) -> None:
        task = asyncio.current_task()
        try:
            news = News(silent=True)
            started = self._loop.time()
            try:
                news = await errand.ask(last=not queue.errands)
            finally:
                self.crowd.discard(errand)
                queue.host.slow = self._loop.time() - started >= _PARKED_AFTER_SECONDS
                self._heard(queue, news)
            await errand.settle()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - handed to whoever runs the schedule
            self._fail(error)
        finally:
            self._started.pop(number, None)
            self._parked.discard(number)
            if task is not None:
                self._tasks.discard(task)
            self._pump()

    def _heard(self, queue: _Queue, news: News) -> None:
        host = queue.host
        if news.silent:
            host.went_nowhere()
        elif news.trouble:
            host.went_wrong(self._loop.time(), news.retry_after_seconds)
        else:
            host.went_well()
        if host.is_down(self._loop.time()):
            self._give_up(queue)
        self._list(queue)
        self._pump()

    def _fail(self, error: Exception) -> None:
        if not self.failed.done():
            self.failed.set_exception(error)

    def _look_later(self) -> None:
        """Look again soon who has been under way for long."""
        if self._looker is None and len(self._tasks) < self._max_open:
            self._looker = self._loop.call_later(_LOOK_EVERY_SECONDS, self._park)

    def _park(self) -> None:
        self._looker = None
        before = self._loop.time() - _PARKED_AFTER_SECONDS
        while self._started:
            number, started = next(iter(self._started.items()))
            if started > before:
                break
            del self._started[number]
            self._parked.add(number)
        self._pump()
