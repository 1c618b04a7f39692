"""Requests to the interface of a partner: TLS or loopback, no redirects, bounded answers, patience with what may pass.

No error says what was sent or answered: addresses carry tokens, and answers carry what must not be shown.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit

import aiohttp

from linkwell.base.errors import FormatError, PartnerError, UsageError

T = TypeVar("T")

MAX_ANSWER_BYTES = 64 * 1024 * 1024
_MAX_PAUSE_SECONDS = 600.0
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_OK = 200
_UNAUTHORISED = (401, 403)


class MalformedAnswer(Exception):  # noqa: N818 - an outcome of one try, told as a PartnerError when no try is left
    """An answer that is not of the protocol: raised by who reads it, so that it is asked for again."""


@dataclass(frozen=True)
class Access:
    """How a partner is reached."""

    name: str
    """What errors call it: the name of its setting."""
    url: str
    """Base address, without a slash at its end."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent with every request; they hold the credentials."""
    timeout_seconds: float = 60.0
    max_attempts: int = 5
    backoff_seconds: float = 1.0
    """Before the second try; doubled for each further one."""
    requests_per_minute: float = 0.0
    """At most so many; 0 for no limit."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""

    def __post_init__(self) -> None:
        """Check the address.

        Raises:
            UsageError: it is neither https nor http on this machine.
        """
        parts = urlsplit(self.url)
        if parts.scheme == "https" and parts.hostname:
            return
        if parts.scheme == "http" and _is_loopback(parts.hostname or ""):
            return
        raise UsageError(
            "the address is not https", f"{self.name}.url", "Credentials are sent over TLS only; http is for 127.0.0.1."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Partner:
    """An open connection to a partner; use it with `async with`."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._session: aiohttp.ClientSession | None = None
        self._next_at = 0.0

    async def __aenter__(self) -> Self:
        """Open it."""
        access = self._access
        context: ssl.SSLContext | bool = True
        if access.ca_file is not None:
            try:
                context = ssl.create_default_context(cafile=str(access.ca_file))
            except (OSError, ssl.SSLError):
                raise FormatError("these certificates do not read", str(access.ca_file)) from None
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context),
            timeout=aiohttp.ClientTimeout(total=access.timeout_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "linkwell", **access.headers},
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        if self._session is not None:
            await self._session.close()

    async def ask(
        self,
        path: str,
        read: Callable[[bytes], T],
        *,
        params: Mapping[str, str] | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """Ask once, or as often as it takes: GET, or POST where there is a body.

        Args:
            path: after the base address, with a slash; may hold a query.
            read: makes something of the answer, or raises `MalformedAnswer`.
            params: a query.
            json: a body.
            headers: beside those of every request.

        Raises:
            PartnerError: it refuses (with its status), or no try was answered well.
        """
        access = self._access
        problem, status, pause = "it did not answer", None, None
        for attempt in range(access.max_attempts):
            if attempt:
                wait = access.backoff_seconds * 2 ** (attempt - 1) if pause is None else pause
                await asyncio.sleep(min(wait, _MAX_PAUSE_SECONDS))
            await self._wait_for_turn()
            pause = None
            try:
                answer = await self._once(path, params, json, headers)
            except TimeoutError:
                problem = f"it did not answer within {access.timeout_seconds:g} seconds"
                continue
            except aiohttp.ClientConnectorCertificateError:
                raise PartnerError(
                    "its certificate is not to be trusted", access.name, "Check url and ca_file."
                ) from None
            except (aiohttp.ClientError, OSError):
                problem = "the connection failed or broke"
                continue
            status = answer.status
            if status == _OK and answer.body is not None:
                try:
                    return read(answer.body)
                except MalformedAnswer:
                    problem, status = "what it answered is not of its protocol", None
                    continue
            if status == _OK:
                raise PartnerError(f"it answered with more than {MAX_ANSWER_BYTES:,} bytes", access.name)
            problem = f"it answered {status}"
            if status not in _PASSING:
                advice = "Check the credentials and what they are allowed." if status in _UNAUTHORISED else None
                raise PartnerError(problem, access.name, advice, status=status)
            pause = answer.retry_after_seconds
        raise PartnerError(
            f"{problem}, {access.max_attempts} times over", access.name, "Try again later.", status=status
        )

    async def _once(
        self, path: str, params: Mapping[str, str] | None, json: object, headers: Mapping[str, str] | None
    ) -> "_Answer":
        assert self._session is not None, "open it first"  # noqa: S101 - a slip in our own code
        async with self._session.request(
            "GET" if json is None else "POST",
            self._access.url + path,
            params=params,
            json=json,
            headers=headers,
            allow_redirects=False,
        ) as response:
            if response.status != _OK:
                return _Answer(response.status, None, _seconds(response.headers.get("Retry-After")))
            body = bytearray()
            async for piece in response.content.iter_chunked(1 << 16):
                body += piece
                if len(body) > MAX_ANSWER_BYTES:
                    return _Answer(response.status, None, None)
            return _Answer(response.status, bytes(body), None)

    async def _wait_for_turn(self) -> None:
        if self._access.requests_per_minute:
            now = time.monotonic()
            self._next_at = max(now, self._next_at) + 60.0 / self._access.requests_per_minute
            await asyncio.sleep(self._next_at - 60.0 / self._access.requests_per_minute - now)


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes | None = field(repr=False)
    retry_after_seconds: float | None


def _seconds(text: str | None) -> float | None:
    """Retry-After as a number of seconds; a date is passed over, as partners send numbers."""
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
