"""Which network addresses a link may lead to, checked on every address really connected to.

A link comes from a stranger, and so does every redirect and every DNS answer. Unless somebody allows a network by name, only
globally reachable unicast addresses are connected to (IANA special-purpose address registries for IPv4 and IPv6, RFC 6890), in
whatever spelling. The check sits in two places: where a name is resolved, and where the socket is made, on the address it is made
for. A name that answers differently the second time gains nothing, for there is no second time.
"""

import asyncio
import socket
import time
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp.abc import AbstractResolver, ResolveResult

from linkwell.base.errors import UsageError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_REFUSED_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local: the metadata services of clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
_REFUSED_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarking
        "2001:db8::/32",
        "2002::/16",  # 6to4 carries an IPv4 address of the sender's choice
        "3fff::/20",
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
_DNS_TTL_SECONDS = 300.0
_DNS_FAILURE_TTL_SECONDS = 60.0
_DNS_MAX_NAMES = 20_000
_DNS_THREADS = 16


class AddressRefused(Exception):  # noqa: N818 - an outcome of one link, counted, not an error of the run
    """A name or address that leads to a network nobody allowed."""


class AddressPolicy:
    """Globally reachable addresses, and the networks somebody allowed.

    >>> AddressPolicy().allows("::ffff:127.0.0.1")
    False
    >>> AddressPolicy(["127.0.0.0/8"]).allows("::ffff:127.0.0.1")
    True
    """

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """Allow networks in CIDR notation.

        Raises:
            UsageError: one is no network.
        """
        self._allowed: list[Network] = []
        for text in allowed:
            try:
                self._allowed.append(ip_network(text.strip(), strict=False))
            except ValueError:
                raise UsageError(
                    f"{text!r} is no network", "--allow-net", "Give it in CIDR notation, as 127.0.0.0/8."
                ) from None

    def allows(self, text: str) -> bool:
        """Whether an IP address, in the spelling of `inet_ntop`, with or without scope, may be connected to."""
        try:
            address = ip_address(text.partition("%")[0])
        except ValueError:
            return False
        meant = _meant(address)
        if any(each in network for network in self._allowed for each in {address, meant}):
            return True
        if isinstance(meant, IPv4Address):
            return not any(meant in network for network in _REFUSED_V4)
        return meant in _GLOBAL_V6 and not any(meant in network for network in _REFUSED_V6)


def _meant(address: Address) -> Address:
    """The IPv4 address inside an IPv4-mapped or NAT64 one, which is where a packet ends; else the address itself."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


Pins = dict[tuple[str, int], list[str]]
"""(host, port) → addresses, as curl's `--resolve`; the host `*` stands for every host of that port."""


def parse_pins(texts: Iterable[str]) -> Pins:
    """Read `HOST:PORT:ADDRESS[,ADDRESS]…`, IPv6 addresses with or without brackets.

    >>> parse_pins(["a.example:80:127.0.0.1"])
    {('a.example', 80): ['127.0.0.1']}

    Raises:
        UsageError: one does not read.
    """
    pins: Pins = {}
    for text in texts:
        host, _, rest = text.partition(":")
        port, _, addresses = rest.partition(":")
        try:
            parsed = [str(ip_address(each.strip().strip("[]"))) for each in addresses.split(",")]
            pins[host.lower(), int(port)] = parsed
        except ValueError:
            raise UsageError(
                f"{text!r} does not read", "--resolve", "Give HOST:PORT:ADDRESS, as a.example:80:127.0.0.1."
            ) from None
    return pins


_NEVER_PUBLIC = frozenset({"example", "invalid", "onion", "alt"})
"""Top-level names that the public DNS never has (RFC 2606, 6761, 7686, 9476): asking would only tell a resolver, or one that
answers everything with its own address, what is looked for. `--resolve` reaches them."""


class GuardedResolver(AbstractResolver):
    """Resolves names to allowed addresses only, with a bounded cache and the pins of `--resolve`."""

    def __init__(self, policy: AddressPolicy, pins: Pins) -> None:
        self._policy = policy
        self._pins = pins
        self._cache: OrderedDict[str, tuple[float, list[tuple[int, str]] | OSError]] = OrderedDict()
        self._running: dict[str, asyncio.Future[list[tuple[int, str]]]] = {}
        self._threads = ThreadPoolExecutor(_DNS_THREADS, thread_name_prefix="dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The allowed addresses of a name.

        Raises:
            OSError: the name does not resolve.
            AddressRefused: it does, to nothing that may be connected to.
        """
        pinned = self._pins.get((host.lower(), port)) or self._pins.get(("*", port))
        if pinned:
            found: list[tuple[int, str]] = [
                (socket.AF_INET6 if ":" in address else socket.AF_INET, address) for address in pinned
            ]
        else:
            found = await self._look_up(host.lower())
        allowed = [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for kind, address in found
            if self._policy.allows(address) and family in (socket.AF_UNSPEC, kind)
        ]
        if not allowed:
            raise AddressRefused
        return allowed

    async def _look_up(self, host: str) -> list[tuple[int, str]]:
        cached = self._cache.get(host)
        if cached is not None and cached[0] > time.monotonic():
            self._cache.move_to_end(host)
            if isinstance(cached[1], OSError):
                raise OSError(*cached[1].args)
            return cached[1]
        running = self._running.get(host)
        if running is None:
            running = asyncio.ensure_future(self._ask(host))
            self._running[host] = running
            running.add_done_callback(lambda done: self._asked(host, done))
        # Shielded: a link whose time is up must not take the answer away from the others that wait for it.
        return await asyncio.shield(running)

    async def _ask(self, host: str) -> list[tuple[int, str]]:
        if host.rstrip(".").rpartition(".")[2] in _NEVER_PUBLIC:
            raise socket.gaierror(socket.EAI_NONAME, "a name that is never public")
        loop = asyncio.get_running_loop()
        answers = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        )
        return [(family, str(address[0])) for family, _, _, _, address in answers]

    def _asked(self, host: str, done: "asyncio.Future[list[tuple[int, str]]]") -> None:
        self._running.pop(host, None)
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            self._cache[host] = (time.monotonic() + _DNS_TTL_SECONDS, done.result())
        elif isinstance(error, OSError):
            self._cache[host] = (time.monotonic() + _DNS_FAILURE_TTL_SECONDS, error)
        while len(self._cache) > _DNS_MAX_NAMES:
            self._cache.popitem(last=False)

    async def close(self) -> None:
        """Leave running look-ups to end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class SocketMaker:
    """Makes the socket for one address, or refuses: the last check, on the very address that is connected to."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy

    def __call__(self, address_info: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
        """Make a non-blocking socket for an entry as `getaddrinfo` gives it.

        Raises:
            AddressRefused: the address is not allowed.
        """
        family, kind, protocol, _, address = address_info
        if not self._policy.allows(str(address[0])):
            raise AddressRefused
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)  # noqa: FBT003 - socket's own signature
        return made
