"""The web as a transport: one aiohttp session for a process, one TLS context, connections kept alive."""

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence

import aiohttp
from aiohttp import http_exceptions
from yarl import URL

from linkwell.populate.content import ContentDecoder
from linkwell.populate.failures import Failure
from linkwell.populate.guard import AddressPolicy, AddressRefused, Pins
from linkwell.populate.intake import Intake
from linkwell.populate.resolver import GuardedResolver, SocketMaker
from linkwell.populate.transport import Body, Hop, Reception, Target

_KEEP_ALIVE_SECONDS = 15.0
_MAX_HEADER_BYTES = 8_190
_READ_BYTES = 1 << 16
"""Half of what a connection may have received and not handed on: what a body that waits for room costs beside itself."""
_CLOSE = {"Connection": "close"}
_OK_FIRST, _OK_LAST = 200, 299


class Web:
    """Requests to the web. Make it inside the loop that uses it; close it there."""

    def __init__(
        self,
        *,
        user_agent: str,
        policy: AddressPolicy,
        pins: Pins,
        connect_timeout_seconds: float,
    ) -> None:
        self._policy = policy
        self._resolver = GuardedResolver(policy, pins)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # the schedule bounds what is open, and says when a connection is not needed again
                resolver=self._resolver,
                use_dns_cache=False,  # the resolver has its own, bounded
                ssl=True,  # one default context, which aiohttp makes when it is loaded
                keepalive_timeout=_KEEP_ALIVE_SECONDS,
                socket_factory=SocketMaker(policy),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_seconds),
            headers={"User-Agent": user_agent, "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"},
            auto_decompress=False,
            read_bufsize=_READ_BYTES,
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()
        await self._resolver.close()

    async def get(self, target: Target, reception: Reception, *, last: bool = False) -> Hop:
        """Ask once; see `Transport.get`."""
        if _is_literal(target.host) and not self._policy.allows(target.host):
            raise Failure("refused_address")
        try:
            return await self._get(target, reception, _CLOSE if last else None)
        except (aiohttp.ClientError, AddressRefused, OSError, ValueError) as error:
            # Without its cause: the texts of these errors name hosts and URLs.
            raise Failure(_kind(error)) from None

    async def _get(self, target: Target, reception: Reception, more: Mapping[str, str] | None) -> Hop:
        url = URL(target.url, encoded=True)
        async with self._session.get(url, allow_redirects=False, headers=more) as response:
            headers = [
                (name.decode("latin-1"), value.decode("utf-8", "replace")) for name, value in response.raw_headers
            ]
            if not _OK_FIRST <= response.status <= _OK_LAST:
                return Hop(response.status, headers, None)
            reception.admit(headers)
            return Hop(response.status, headers, await _read(response, reception))


async def _read(response: aiohttp.ClientResponse, reception: Reception) -> Body:
    declared = response.content_length
    if declared is not None and declared > reception.max_bytes and not reception.cuts:
        raise Failure("too_large")
    coding = response.headers.get("Content-Encoding")
    intake = Intake(reception, None if coding else declared)
    try:
        if coding:
            await _read_coded(response, coding, reception, intake)
        else:
            async for piece in response.content.iter_any():
                await intake.take(piece)
                if intake.full:
                    break
        return intake.finish()
    finally:
        intake.close()


async def _read_coded(response: aiohttp.ClientResponse, coding: str, reception: Reception, intake: Intake) -> None:
    """Read a body whose coding was not asked for, which is no reason to overlook a site's rules: they are read as far as they go."""
    decoder = ContentDecoder(coding, reception.max_bytes, cuts=reception.cuts)
    received = 0
    async for piece in response.content.iter_any():
        received += len(piece)
        if received > reception.max_bytes and not reception.cuts:
            raise Failure("too_large")
        for decoded in decoder.decode(piece):
            await intake.take(decoded)
            if intake.full:
                return
            await asyncio.sleep(0)  # a kilobyte of it may be a hundred, and others are waiting
        if received > reception.max_bytes:
            return
    decoder.finish()


def _is_literal(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


_KINDS: Sequence[tuple[type[Exception], str]] = (
    (AddressRefused, "refused_address"),
    (aiohttp.ClientConnectorDNSError, "dns"),
    (aiohttp.ClientSSLError, "tls"),
    (ssl.SSLError, "tls"),
    (aiohttp.ServerTimeoutError, "timeout"),
    (aiohttp.ClientConnectorError, "connect"),
    (aiohttp.InvalidURL, "bad_url"),
    (aiohttp.ClientConnectionError, "disconnected"),
    (ConnectionError, "disconnected"),
)
"""The class of each error of the client, the first that fits; what is not here is no HTTP."""


_TOO_LARGE = ("Got more than", "Too many headers")


def _kind(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError) and error.os_error.errno == socket.EAI_AGAIN:
        return "dns_unanswered"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "disconnected" if isinstance(error.__cause__, OSError) else "truncated"
    if isinstance(error, aiohttp.ClientResponseError):
        cause = error.__cause__
        text = getattr(cause, "message", "")
        # The fast parser of aiohttp says what was too large in its message only.
        if isinstance(cause, http_exceptions.LineTooLong) or text.startswith(_TOO_LARGE):
            return "header_too_large"
    return next((name for kind, name in _KINDS if isinstance(error, kind)), "bad_http")
