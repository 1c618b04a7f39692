"""From a URL to the bytes of an image: a site's rules first, redirects followed by hand, retries for what may pass.

Each request is an errand of its own in the schedule, so that every one of them, to whatever host a redirect leads, keeps that
host's limits, and nothing is held while something else is waited for. Where responses come from is a transport's affair: the
web (`web.py`) or an archive that stands for it (`archive.py`).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from linkwell.base.memory_file import MemoryFile
from linkwell.populate.failures import Failure, http_failure
from linkwell.populate.large import Growth, LargeBodies, NoRoom
from linkwell.populate.origins import (
    ROBOTS_PATH,
    TDMREP_PATH,
    FileAnswer,
    OriginBook,
    OriginRules,
    origin_of,
    product_token,
)
from linkwell.populate.schedule import News, Schedule
from linkwell.populate.transport import (
    LARGE_BYTES,
    Body,
    Headers,
    Hop,
    Target,
    Transport,
    redirected,
    retry_after_seconds,
)
from linkwell.rights import MAX_WELL_KNOWN_BYTES, Policy, Signal

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FILE_REDIRECTS = 5
_TROUBLE = frozenset({"connect", "tls", "timeout", "disconnected"})
_NO_NEWS = frozenset({"dns", "dns_unanswered", "refused_address", "not_in_archive"})
_BUSY, _SERVER_ERROR, _NOT_IMPLEMENTED = 429, 500, 501


@dataclass(slots=True)
class Trace:
    """How a fetch went."""

    attempts: int = 0
    http_status: int | None = None
    url: str = ""
    """The URL asked last."""
    redirected: bool = False
    """Whether that is another one than the link's."""


class Want(Protocol):
    """One image that somebody wants. Whatever it raises but `Failure` stops the run."""

    def check_hop(self, url: str) -> bool:
        """Whether a URL that a redirect leads to may be asked for; else the want is done."""
        ...

    def consider(self, statements: Sequence[tuple[str, Signal]]) -> None:
        """Hear what the host's files say about the URL, each signal with where it stood.

        Raises:
            Failure: so it is not wanted.
        """
        ...

    def admit(self, url: str, headers: Headers) -> None:
        """Look at the headers of the image; see `Reception.admit`."""
        ...

    def wants_rest(self, head: bytes) -> bool:
        """Whether a large body that begins so is wanted; see `Reception.wants_rest`."""
        ...

    async def received(self, body: Body, trace: Trace) -> None:
        """Take the image; it is closed afterwards."""
        ...

    def failed(self, failure: Failure, trace: Trace) -> None:
        """There is no image to be had."""
        ...


@dataclass(frozen=True)
class FetchLimits:
    """Bounds of one fetch."""

    deadline_seconds: float
    max_bytes: int
    max_redirects: int
    retries: int
    backoff_seconds: float
    max_bodies_bytes: int
    """Of all large bodies together; see `large`."""
    patience_seconds: float
    """How long a body that may be endless is asked for again while there is no room for it."""


class Fetcher:
    """Fetches images through one transport.

    Args:
        transport: where responses come from.
        schedule: when which request goes out.
        limits: bounds of one fetch.
        user_agent: as servers see it; its product token is what robots.txt may name.
        policy: whose agents the consent of hosts is asked for.
        ask_tdmrep: whether a host's tdmrep.json is asked for.
    """

    def __init__(
        self,
        transport: Transport,
        schedule: Schedule,
        limits: FetchLimits,
        *,
        user_agent: str,
        policy: Policy,
        ask_tdmrep: bool,
    ) -> None:
        self.transport = transport
        self.schedule = schedule
        self.limits = limits
        self.agent = product_token(user_agent)
        self.policy = policy
        self.ask_tdmrep = ask_tdmrep
        self.large = LargeBodies(limits.max_bodies_bytes, limits.max_bytes)
        self._book = OriginBook()
        self._waiting: dict[str, list[_Image]] = {}
        self._loop = asyncio.get_running_loop()

    def fetch(self, target: Target, want: Want) -> None:
        """Fetch one image some time; the want hears of it."""
        self.send(_Image(self, target, want))

    def send(self, image: "_Image", pause_seconds: float = 0.0) -> None:
        """Let an image be asked for, once the rules of its origin are known."""
        origin = origin_of(image.target.url)
        rules = self._book.get(origin, self._loop.time())
        if rules is not None:
            self._admit(image, rules, pause_seconds)
        elif origin in self._waiting:
            self._waiting[origin].append(image)
        else:
            self._waiting[origin] = [image]
            host = image.target.host
            self.schedule.add(
                _File(self, Target(origin + ROBOTS_PATH, host), self._have_robots(origin, host)), first=True
            )

    def _have_robots(self, origin: str, host: str) -> Callable[[FileAnswer], None]:
        def take(robots: FileAnswer) -> None:
            rules = self._rules(origin, robots, None)
            url = origin + TDMREP_PATH
            if not self.ask_tdmrep or rules.refusal(url) is not None:
                self._know(origin, host, rules)
                return

            def take_tdmrep(tdmrep: FileAnswer) -> None:
                self._know(origin, host, self._rules(origin, robots, tdmrep))

            self.schedule.add(_File(self, Target(url, host), take_tdmrep), first=True)

        return take

    def _rules(self, origin: str, robots: FileAnswer, tdmrep: FileAnswer | None) -> OriginRules:
        return OriginRules(origin, self.agent, self.policy, robots=robots, tdmrep=tdmrep, now=self._loop.time())

    def _know(self, origin: str, host: str, rules: OriginRules) -> None:
        self._book.put(origin, rules)
        if delay := rules.crawl_delay_seconds():
            self.schedule.host(host).keeps_apart(delay)
        for image in self._waiting.pop(origin, []):
            self._admit(image, rules, 0.0)

    def _admit(self, image: "_Image", rules: OriginRules, pause_seconds: float) -> None:
        refusal = rules.refusal(image.target.url)
        try:
            if refusal is not None:
                raise refusal
            if statements := rules.statements(image.target.url):
                image.want.consider(statements)
        except Failure as failure:
            image.want.failed(failure.without_frames(), image.trace)
            return
        self.schedule.add(image, pause_seconds=pause_seconds)


class _Request:
    """One request after the other for one thing: what images and files have in common."""

    cuts = False

    def __init__(self, fetcher: Fetcher, target: Target, max_bytes: int) -> None:
        self.fetcher = fetcher
        self.target = target
        self.max_bytes = max_bytes
        self.attempt = 0
        self.redirects = 0
        self.spent_seconds = 0.0
        self.hop: Hop | None = None
        self.failure: Failure | None = None
        self.no_room = False
        self.clock = asyncio.timeout(None)

    @property
    def host(self) -> str:
        return self.target.host

    def admit(self, headers: Headers) -> None:
        """See `Reception.admit`."""

    def wants_rest(self, head: bytes) -> bool:
        """See `Reception.wants_rest`."""
        del head
        return True

    async def enlarge(self, size: int, declared_bytes: int | None) -> None:
        """See `Reception.enlarge`."""

    async def ask(self, *, last: bool) -> News:
        """Send one request; what came of it is in `hop` or `failure`."""
        loop = asyncio.get_running_loop()
        started, spent = loop.time(), self.spent_seconds
        self.hop, self.failure, self.no_room = None, None, False
        try:
            left = max(0.0, self.fetcher.limits.deadline_seconds - self.spent_seconds)
            async with asyncio.timeout(left) as self.clock:
                self.hop = await self.fetcher.transport.get(self.target, self, last=last)
        except Failure as failure:
            self.failure = failure.without_frames()
        except TimeoutError:
            self.failure = Failure("timeout")
        except NoRoom:
            self.no_room, self.spent_seconds = True, spent
            return News(silent=True)
        except Exception as error:  # noqa: BLE001 - one odd link must not stop millions; it is counted, and its text never shown
            self.failure = Failure("unexpected", f"unexpected {type(error).__name__}")
        self.spent_seconds += loop.time() - started
        return _news(self.hop, self.failure)

    def redirected(self, limit: int) -> bool:
        """Follow a redirect, where the response is one: whether there is a new target. A redirect that cannot be followed is a failure."""
        location = self.hop.header("location") if self.hop is not None and self.hop.status in _REDIRECTS else None
        if location is None:
            return False
        self.redirects += 1
        if self.redirects > limit:
            self.failure = Failure("too_many_redirects")
            return False
        target = redirected(self.target, location)
        if target is None:
            self.failure = Failure("redirect_refused")
            return False
        self.target = target
        return True

    def again(self) -> bool:
        """Whether the failure may pass and there is an attempt left; then everything begins anew."""
        if self.failure is None or not self.failure.passing or self.attempt >= self.fetcher.limits.retries:
            return False
        self.attempt += 1
        self.redirects = 0
        self.spent_seconds = 0.0
        return True

    def pause_seconds(self) -> float:
        """Before another attempt, where it is not the host's own rest that delays it."""
        if self.failure is not None and (self.failure.kind in _TROUBLE or self.failure.kind.startswith("http_")):
            return 0.0
        return self.fetcher.limits.backoff_seconds * 2.0 ** (self.attempt - 1)


class _Image(_Request):
    """The errand for one image."""

    def __init__(self, fetcher: Fetcher, target: Target, want: Want) -> None:
        super().__init__(fetcher, target, fetcher.limits.max_bytes)
        self.want = want
        self.first = target
        self.trace = Trace(url=target.url)
        limits = fetcher.limits
        self._growth = Growth(fetcher.large, limits.deadline_seconds, limits.patience_seconds)

    def admit(self, headers: Headers) -> None:
        """See `Reception.admit`."""
        self.want.admit(self.target.url, headers)

    def wants_rest(self, head: bytes) -> bool:
        """See `Reception.wants_rest`."""
        return self.want.wants_rest(head)

    async def enlarge(self, size: int, declared_bytes: int | None) -> None:
        """Wait for room for a large body."""
        if not self._growth.fits(size, declared_bytes):
            self.fetcher.schedule.crowd.add(self)
            self.spent_seconds -= await self._growth.wait(size, declared_bytes, self.clock)
        self.fetcher.schedule.crowd.discard(self)

    async def ask(self, *, last: bool) -> News:
        """Send one request."""
        self.trace.attempts += not (self.redirects or self.no_room)
        self.trace.url, self.trace.redirected = self.target.url, self.redirects > 0
        news = await super().ask(last=last)
        self.fetcher.schedule.host(self.host).large = self.no_room
        self.trace.http_status = self.hop.status if self.hop is not None else None
        if self.hop is not None and self.hop.body is not None:
            self.fetcher.schedule.hold(_held_bytes(self.hop.body))
        return news

    async def settle(self) -> None:
        """Hand over the image, follow the redirect, try again later, or say that there is none."""
        hop = self.hop
        try:
            if hop is not None and hop.body is not None:
                await self._deliver(hop.body)
                return
        finally:
            self.hop = None
            self._growth.give_back()
        if self.no_room:
            self.fetcher.schedule.add(self, first=True)
            return
        self.hop = hop
        if self.redirected(self.fetcher.limits.max_redirects):
            if self.want.check_hop(self.target.url):
                self.fetcher.send(self)
            return
        if self.failure is None and hop is not None:
            self.failure = http_failure(hop.status)
        if self.again():
            self.target = self.first
            self.fetcher.send(self, self.pause_seconds())
        else:
            self.want.failed(self.failure or Failure("unexpected"), self.trace)

    async def _deliver(self, body: Body) -> None:
        held = _held_bytes(body)
        try:
            await self.want.received(body, self.trace)
        finally:
            if isinstance(body, MemoryFile):
                body.close()
            self.fetcher.schedule.hold(-held)

    def give_up(self) -> None:
        """The host was given up; what it said itself, if it was asked, says more."""
        self.want.failed(self.failure or Failure("host_down"), self.trace)


class _File(_Request):
    """The errand for robots.txt or tdmrep.json of one origin."""

    cuts = True

    def __init__(self, fetcher: Fetcher, target: Target, take: Callable[[FileAnswer], None]) -> None:
        super().__init__(fetcher, target, MAX_WELL_KNOWN_BYTES)
        self._first = target
        self._take = take

    async def settle(self) -> None:
        """Tell what the file says."""
        if self.redirected(_FILE_REDIRECTS):
            self.fetcher.schedule.add(self, first=True)
            return
        hop = self.hop
        if self.failure is None and hop is not None and (hop.status >= _SERVER_ERROR or hop.status == _BUSY):
            self.failure = http_failure(hop.status)
        if self.again():
            self.target = self._first
            self.fetcher.schedule.add(self, first=True, pause_seconds=self.pause_seconds())
        elif self.failure is not None:
            self._take(FileAnswer(failure=self.failure))
        elif hop is not None:
            body = hop.body.read() if isinstance(hop.body, MemoryFile) else hop.body
            self._take(FileAnswer(hop.status, body or b""))

    def give_up(self) -> None:
        """The host is down."""
        self._take(FileAnswer(failure=self.failure or Failure("host_down")))


def _held_bytes(body: Body) -> int:
    """What a body counts among those that wait to be examined: nothing where it is large, for then it has room of its own."""
    return len(body) if len(body) <= LARGE_BYTES else 0


def _news(hop: Hop | None, failure: Failure | None) -> News:
    if failure is not None:
        return News(trouble=failure.kind in _TROUBLE, silent=failure.kind in _NO_NEWS)
    if hop is not None and (hop.status == _BUSY or (hop.status >= _SERVER_ERROR and hop.status != _NOT_IMPLEMENTED)):
        return News(trouble=True, retry_after_seconds=retry_after_seconds(hop.header("retry-after")))
    return News()
