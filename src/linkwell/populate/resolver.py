"""Names to addresses, and addresses to sockets, each checked against the policy.

The second check is on the very address that the socket is made for. A name that answers differently the second time gains
nothing, for there is no second time.
"""

import asyncio
import socket
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from aiohttp.abc import AbstractResolver, ResolveResult

from linkwell.populate.guard import AddressPolicy, AddressRefused, Pins

_DNS_TTL_SECONDS = 300.0
_DNS_FAILURE_TTL_SECONDS = 60.0
_DNS_MAX_NAMES = 20_000
_DNS_THREADS = 16
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
