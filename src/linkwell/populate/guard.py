"""Which network addresses a link may lead to, checked on every address really connected to.

A link comes from a stranger, and so does every redirect and every DNS answer. Unless somebody allows a network by name, only
globally reachable unicast addresses are connected to (IANA special-purpose address registries for IPv4 and IPv6, RFC 6890), in
whatever spelling. The check sits in two places (`resolver.py`): where a name is resolved, and where the socket is made.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

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
_REMEMBERED_ADDRESSES = 4_096
"""Judgements that a policy remembers: it never changes, and addresses come again with every connection and many links."""


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
        self._judge = lru_cache(_REMEMBERED_ADDRESSES)(self._judged)

    def allows(self, text: str) -> bool:
        """Whether an IP address, in the spelling of `inet_ntop`, with or without scope, may be connected to."""
        return self._judge(text)

    def _judged(self, text: str) -> bool:
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
