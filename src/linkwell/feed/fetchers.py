"""How a client gets a feed's bytes: from a folder, or over HTTP with every address checked and every wait bounded.

What comes from here is untrusted; TUF checks it. These classes only see to it that asking does no harm: no redirect is followed,
no private address is reached unless it was allowed, no answer takes for ever. TUF caps the size.
"""

import ipaddress
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

import urllib3
from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError
from tuf.ngclient import FetcherInterface
from urllib3.connection import HTTPConnection, HTTPSConnection

from linkwell.base.errors import AddressRefusedError, UsageError

CONNECT_TIMEOUT_SECONDS = 10.0
READ_TIMEOUT_SECONDS = 30.0
"""The longest silence between two pieces."""
GRACE_SECONDS = 60.0
"""After this, an answer must keep to `MIN_BYTES_PER_SECOND` on average."""
MIN_BYTES_PER_SECOND = 1_000

_CHUNK_BYTES = 1 << 16
_NOT_FOUND = 404
_KEPT_CONNECTIONS = 16

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""Addresses that a gateway turns into the IPv4 address in their last four bytes (RFC 6052)."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_networks(cidrs: Sequence[str]) -> tuple[Network, ...]:
    """Networks in CIDR notation, or single addresses.

    Raises:
        UsageError: one is not.
    """
    try:
        return tuple(ipaddress.ip_network(each) for each in cidrs)
    except ValueError as error:
        raise UsageError(f"{error}", "--allow-net", "Give an address or a network, such as 127.0.0.1/32.") from error


class FolderFetcher(FetcherInterface):
    """Reads a feed from a folder, under `file://` URLs as TUF asks for them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = Path(unquote(urlsplit(url).path))
        if ".." in path.parts or not path.is_relative_to(self._folder):
            raise DownloadError("a file outside the feed was asked for")
        try:
            file = path.open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise DownloadHTTPError(f"{path}: there is no such file", _NOT_FOUND) from error
        return _pieces(file)


def _pieces(file: "object") -> Iterator[bytes]:
    with file:  # type: ignore[attr-defined] # a binary file
        while piece := file.read(_CHUNK_BYTES):  # type: ignore[attr-defined] # same
            yield piece


class HttpFetcher(FetcherInterface):
    """Reads a feed over http(s), directly: no proxy, no redirect, no content coding."""

    def __init__(self, user_agent: str, allow_net: Sequence[str] = ()) -> None:
        self._allowed = parse_networks(allow_net)
        self._headers = {"User-Agent": user_agent, "Accept-Encoding": "identity"}
        self._pools = urllib3.PoolManager(num_pools=4, maxsize=_KEPT_CONNECTIONS)
        self._pools.pool_classes_by_scheme = {
            "http": _pool_class(urllib3.HTTPConnectionPool, HTTPConnection, self._allowed),
            "https": _pool_class(urllib3.HTTPSConnectionPool, HTTPSConnection, self._allowed),
        }

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            response = self._pools.request(
                "GET",
                url,
                headers=self._headers,
                redirect=False,
                retries=False,
                preload_content=False,
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_SECONDS, read=READ_TIMEOUT_SECONDS),
            )
        except urllib3.exceptions.NewConnectionError:  # a kind of timeout to urllib3, though refused at once
            raise DownloadError("no connection could be made") from None
        except urllib3.exceptions.TimeoutError as error:
            raise SlowRetrievalError(f"{url}: no answer") from error
        if response.status != 200:  # noqa: PLR2004 - HTTP's OK; 206, 3xx and the rest are no whole file
            response.close()
            raise DownloadHTTPError(f"{url}: HTTP status {response.status}", response.status)
        return self._body(url, response)

    def _body(self, url: str, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        started = time.monotonic()
        received = 0
        try:
            for piece in response.stream(_CHUNK_BYTES, decode_content=False):
                received += len(piece)
                waited = time.monotonic() - started
                if waited > GRACE_SECONDS and received < waited * MIN_BYTES_PER_SECOND:
                    raise SlowRetrievalError(f"{url}: {received} bytes in {waited:.0f} s")
                yield piece
        except urllib3.exceptions.TimeoutError as error:
            raise SlowRetrievalError(f"{url}: fell silent") from error
        except urllib3.exceptions.HTTPError as error:
            raise DownloadError(f"{url}: the connection broke") from error
        finally:
            response.close()


def check_address(address: str, allowed: Sequence[Network]) -> None:
    """Refuse an address that is not of the public internet, unless it was allowed.

    Raises:
        AddressRefusedError: it is private, loopback, link-local or reserved.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else ip)
    if any(ip.version == network.version and ip in network for network in allowed):
        return
    tunnel = isinstance(ip, ipaddress.IPv6Address) and (ip.sixtofour is not None or ip.teredo is not None)
    if not ip.is_global or ip.is_multicast or tunnel:
        raise AddressRefusedError(
            "the feed is at an address that is not of the public internet",
            str(ip),
            f"If that is meant, allow it: --allow-net {ip}",
        )


def _guarded_connect(host: str, port: int, timeout: float | None, allowed: Sequence[Network]) -> socket.socket:
    """Connect to the first address of a host, every one of which must be allowed: the address checked is the one used."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, address in found:
        check_address(str(address[0]), allowed)
    last: OSError = OSError("the host has no address")
    for *_, address in found:
        try:
            return socket.create_connection((str(address[0]), port), timeout)
        except OSError as error:
            last = error
    raise last


def _pool_class(
    pool: type[urllib3.HTTPConnectionPool], connection: type[HTTPConnection], allowed: Sequence[Network]
) -> type[urllib3.HTTPConnectionPool]:
    """A urllib3 pool whose connections are made by `_guarded_connect`."""

    class Guarded(connection):  # type: ignore[misc, valid-type] # a class made from a class
        def _new_conn(self) -> socket.socket:
            try:
                return _guarded_connect(self._dns_host, self.port, CONNECT_TIMEOUT_SECONDS, allowed)
            except TimeoutError as error:
                raise urllib3.exceptions.ConnectTimeoutError(self, f"{self.host}: no connection") from error
            except OSError as error:
                raise urllib3.exceptions.NewConnectionError(self, f"{self.host}: {error}") from error

    class GuardedPool(pool):  # type: ignore[misc, valid-type] # same
        ConnectionCls = Guarded

    return GuardedPool
