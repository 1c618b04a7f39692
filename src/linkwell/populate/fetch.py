"""From a URL to the bytes of an image: redirects followed by hand, one deadline over everything, retries for what may pass.

Where responses come from is a transport's affair: the web (`web.py`) or an archive that stands for it (`archive.py`).
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import urljoin

import can_ada

from linkwell.populate.failures import Failure, http_failure

Headers = Sequence[tuple[str, str]]
LARGE_BYTES = 1_000_000
"""A body above this waits for one of a few places, so that memory is bounded by those and not by all requests in flight."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True)
class Hop:
    """One response. `body` is there for a success only."""

    status: int
    headers: Headers
    body: bytes | None

    def header(self, name: str) -> str | None:
        """The first header of that lower-case name."""
        return next((value for key, value in self.headers if key.lower() == name), None)


@dataclass(frozen=True)
class Target:
    """A URL as it is asked for: WHATWG form, without user, password and fragment."""

    url: str
    host: str


class Reception(Protocol):
    """What the fetcher asks of whoever wants the image, on its way to it."""

    def admit(self, headers: Headers) -> None:
        """Look at the headers of a success before its body is read.

        Raises:
            Failure: the body is not wanted.
        """
        ...

    def check_hop(self, url: str) -> None:
        """Look at a URL that a redirect leads to; raises to stop."""
        ...

    async def move(self, host: str) -> None:
        """Give back the slot of the host asked so far and wait for one of `host`."""
        ...

    async def enlarge(self) -> None:
        """Wait for a place for a large body, kept until the row is done."""
        ...


class Transport(Protocol):
    """Something that answers one request, without following redirects."""

    async def get(self, target: Target, reception: Reception) -> Hop:
        """Ask once.

        Raises:
            Failure: no usable answer.
        """
        ...


@dataclass(frozen=True)
class FetchLimits:
    """Bounds of one fetch."""

    deadline_seconds: float
    max_redirects: int
    retries: int
    backoff_seconds: float


def parse_target(url: str) -> Target | None:
    """What to ask for a URL, or None where it is no http(s) URL with a host.

    >>> parse_target("http://user:pw@2130706433/a#b")
    Target(url='http://127.0.0.1/a', host='127.0.0.1')
    """
    try:
        parsed = can_ada.parse(url)
    except (ValueError, UnicodeEncodeError):
        return None
    if parsed.protocol not in ("http:", "https:") or not parsed.hostname:
        return None
    parsed.hash = ""
    parsed.username = ""
    parsed.password = ""
    return Target(parsed.href, parsed.hostname.strip("[]"))


class Fetcher:
    """Fetches images through one transport."""

    def __init__(self, transport: Transport, limits: FetchLimits) -> None:
        self._transport = transport
        self._limits = limits

    async def fetch(self, url: str, reception: Reception) -> Hop:
        """Fetch one image; the reception holds a slot of the URL's host.

        Raises:
            Failure: there is no image to be had.
        """
        loop = asyncio.get_running_loop()
        limits = self._limits
        end = loop.time() + limits.deadline_seconds
        target = parse_target(url)
        if target is None:
            raise Failure("bad_url")
        failure = Failure("timeout")
        try:
            async with asyncio.timeout_at(end):
                for attempt in range(limits.retries + 1):
                    if attempt:
                        pause = failure.retry_after_seconds
                        if pause is None:
                            pause = limits.backoff_seconds * 2 ** (attempt - 1) * (0.5 + random.random())  # noqa: S311 - jitter
                        if loop.time() + pause >= end:
                            break
                        await asyncio.sleep(pause)
                        await reception.move(target.host)
                    try:
                        return await self._follow(target, reception)
                    except Failure as error:
                        failure = error
                        if not error.passing:
                            break
        except TimeoutError:
            raise Failure("timeout") from None
        raise failure

    async def _follow(self, target: Target, reception: Reception) -> Hop:
        """One attempt: a request and the redirects it leads to."""
        redirects = 0
        while True:
            hop = await self._transport.get(target, reception)
            location = hop.header("location")
            if hop.status in _REDIRECTS and location is not None:
                if redirects == self._limits.max_redirects:
                    raise Failure("too_many_redirects")
                redirects += 1
                target = _redirected(target, location)
                reception.check_hop(target.url)
                await reception.move(target.host)
                continue
            if hop.body is None:
                raise http_failure(hop.status, _retry_after(hop.header("retry-after")))
            return hop


def _redirected(target: Target, location: str) -> Target:
    try:
        found = parse_target(urljoin(target.url, location))
    except ValueError:
        found = None
    if found is None:
        raise Failure("redirect_refused")
    return found


def _retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header (RFC 9110 §10.2.3): a number of seconds or a date; None where it does not read."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
