"""One request and its response: what is asked for, what comes back, and where responses may come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import urljoin

import can_ada

from linkwell.base.memory_file import MemoryFile

Headers = Sequence[tuple[str, str]]
Body = bytes | MemoryFile
"""What came in: a large body is a file in memory, where the system has such files, and is closed by whoever took it."""
FREE_BYTES = 128_000
"""A body above this needs room, so that memory is bounded by that and not by all requests in flight."""
LARGE_BYTES = 1_000_000
"""A body above this is large: a file in memory, and looked at beside the loop."""


@dataclass(frozen=True)
class Hop:
    """One response. `body` is there for a success only."""

    status: int
    headers: Headers
    body: Body | None

    def header(self, name: str) -> str | None:
        """The first header of that lower-case name."""
        return next((value for key, value in self.headers if key.lower() == name), None)


@dataclass(frozen=True)
class Target:
    """A URL as it is asked for: WHATWG form, without user, password and fragment."""

    url: str
    host: str


class Reception(Protocol):
    """What a transport asks of whoever wants a response, while it comes in."""

    max_bytes: int
    """A longer body is refused, or cut where `cuts` says so."""
    cuts: bool

    def admit(self, headers: Headers) -> None:
        """Look at the headers of a success before its body is read.

        Raises:
            Failure: the body is not wanted.
        """
        ...

    def wants_rest(self, head: bytes) -> bool:
        """Whether a body that begins so is wanted beyond the `FREE_BYTES` that came of it already."""
        ...

    async def enlarge(self, size: int, declared_bytes: int | None) -> None:
        """Wait until a body above `FREE_BYTES` may grow to `size` bytes, which are its own until the row is done.

        Args:
            size: of the body so far, or of all of it.
            declared_bytes: the length it declares, where it does.

        Raises:
            Failure: there is no room for long.
        """
        ...


class Transport(Protocol):
    """Something that answers one request, without following redirects."""

    async def get(self, target: Target, reception: Reception, *, last: bool = False) -> Hop:
        """Ask once; with `last`, nothing else is asked of the host soon.

        Raises:
            Failure: no usable answer.
        """
        ...


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
    url = parsed.href
    if "#" in url or "@" in url:
        parsed.hash = ""
        parsed.username = ""
        parsed.password = ""
        url = parsed.href
    return Target(url, parsed.hostname.strip("[]"))


def redirected(target: Target, location: str) -> Target | None:
    """What a Location leads to; None where it is nothing to be asked for."""
    try:
        return parse_target(urljoin(target.url, location))
    except ValueError:
        return None


def retry_after_seconds(value: str | None) -> float | None:
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
