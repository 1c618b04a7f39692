"""Addresses that nobody may be sent to, in every spelling, and names that change their mind."""

import asyncio
import socket
from ipaddress import IPv4Address, ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.populate.conftest import write_links
from tests.populate.hostile_server import ADDRESS, HostileServer

from linkwell.base.errors import UsageError
from linkwell.base.workspace import Workspace
from linkwell.engine import SerialEngine
from linkwell.populate import PopulateOptions, populate
from linkwell.populate.guard import AddressPolicy, AddressRefused, parse_pins
from linkwell.populate.resolver import GuardedResolver, SocketMaker
from linkwell.populate.transport import parse_target

REFUSED = [
    "0.0.0.0",  # noqa: S104 - to be refused, not to be bound
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:a9fe:a9fe",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "3fff::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
ALLOWED = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.215.14",
    "172.32.0.1",
    "2606:4700:4700::1111",
    "2a00:1450::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]
LOOPBACK_SPELLINGS = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://017700000001/",
    "http://127.0.0.1./",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[0:0:0:0:0:ffff:7f00:0001]/",
    "http://\uff11\uff12\uff17.\uff10.\uff10.\uff11/",
    "http://user:pw@127.0.0.1/",
    "http://[::1]/",
    "http:\\\\127.0.0.1/",
    "http://127.0.0.1%2e/",
]


@pytest.mark.parametrize("address", REFUSED)
def test_special_addresses_are_refused(address: str) -> None:
    """Private, loopback, link-local, shared, multicast and reserved addresses, and those that carry one, are refused."""
    assert not AddressPolicy().allows(address)


@pytest.mark.parametrize("address", ALLOWED)
def test_public_addresses_are_allowed(address: str) -> None:
    """Globally reachable unicast addresses are not refused."""
    assert AddressPolicy().allows(address)


@given(st.ip_addresses(v=4))
def test_an_embedded_address_is_judged_as_itself(address: IPv4Address) -> None:
    """An IPv4 address is refused in IPv4-mapped and NAT64 form exactly when it is refused itself."""
    policy = AddressPolicy()
    plain = policy.allows(str(address))
    assert policy.allows(f"::ffff:{address}") == plain
    assert policy.allows(str(ip_address(int(ip_address("64:ff9b::")) + int(address)))) == plain
    if plain:
        assert address.is_global or address in ip_address_exceptions()


def ip_address_exceptions() -> tuple[IPv4Address, ...]:
    """Global although the standard library of some versions says otherwise: PCP and TURN anycast."""
    return (IPv4Address("192.0.0.9"), IPv4Address("192.0.0.10"))


@pytest.mark.parametrize("url", LOOPBACK_SPELLINGS)
def test_every_spelling_of_loopback_is_one(url: str) -> None:
    """However a URL spells loopback, it is seen as an address and refused, or does not parse."""
    target = parse_target(url)
    assert target is None or not AddressPolicy().allows(target.host)


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://user:pw@a.example/b", "http://a.example/b"),
        ("http://:@a.example/b", "http://a.example/b"),
        ("http://@a.example/b", "http://a.example/b"),
        ("http://user@a.example/b?c=d@e#f", "http://a.example/b?c=d@e"),
        ("http://a.example/b#", "http://a.example/b"),
        ("http://a.example/b#c", "http://a.example/b"),
        ("http://a.example/b%23c?d@", "http://a.example/b%23c?d@"),
    ],
)
def test_neither_fragment_nor_user_nor_password_is_sent(url: str, asked: str) -> None:
    """What is asked for is the URL without what no server is to see, however little of it there is."""
    target = parse_target(url)
    assert target is not None
    assert target.url == asked


def test_an_allowed_network_is_allowed_and_no_other() -> None:
    """`--allow-net` lifts the refusal for its network, mapped spelling included, and for nothing else."""
    policy = AddressPolicy(["127.0.0.2/32", "fd00::/8"])
    assert policy.allows("127.0.0.2")
    assert policy.allows("::ffff:127.0.0.2")
    assert policy.allows("fd12::1")
    assert not policy.allows("127.0.0.1")
    assert not policy.allows("10.0.0.1")


@given(st.lists(st.sampled_from([*REFUSED, *ALLOWED, "fd12::1", "::ffff:127.0.0.2", "a.example"]), max_size=40))
def test_what_a_policy_remembers_is_what_it_would_judge_anew(addresses: list[str]) -> None:
    """Asked again, in any order and beside another policy, each address is judged as by a policy that is asked for the first time."""
    policies = {allowed: AddressPolicy(allowed) for allowed in ((), ("127.0.0.2/32", "fd00::/8"))}
    for address in addresses * 2:
        for allowed, policy in policies.items():
            assert policy.allows(address) == AddressPolicy(allowed).allows(address)


@pytest.mark.parametrize("text", ["", "nonsense", "10.0.0.0/99", "a.example"])
def test_a_network_that_does_not_read_is_refused(text: str) -> None:
    """A mistyped `--allow-net` is an error, not an empty permission."""
    with pytest.raises(UsageError):
        AddressPolicy([text])


@pytest.mark.parametrize("text", ["", "a.example", "a.example:80", "a.example:x:127.0.0.1", "a.example:80:b.example"])
def test_a_pin_that_does_not_read_is_refused(text: str) -> None:
    """A mistyped `--resolve` is an error."""
    with pytest.raises(UsageError):
        parse_pins([text])


def test_pins_read_as_curl_writes_them() -> None:
    """Several addresses, IPv6 in brackets, any host."""
    assert parse_pins(["A.example:80:127.0.0.1,[::1]", "*:8080:10.0.0.1"]) == {
        ("a.example", 80): ["127.0.0.1", "::1"],
        ("*", 8080): ["10.0.0.1"],
    }


def _answers(*rounds: str) -> object:
    """A `getaddrinfo` that gives another answer each time."""
    left = list(rounds)

    def getaddrinfo(*_: object, **__: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        answer = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in answer.split()]

    return getaddrinfo


def test_private_answers_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a public and a private answer only the public one is ever connected to."""
    monkeypatch.setattr(socket, "getaddrinfo", _answers("10.0.0.1 8.8.8.8 169.254.169.254"))

    async def ask() -> list[str]:
        resolver = GuardedResolver(AddressPolicy(), {})
        return [each["host"] for each in await resolver.resolve("a.test", 80)]

    assert asyncio.run(ask()) == ["8.8.8.8"]


def test_a_name_that_turns_private_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Re-binding: public at first, loopback later. What was checked is what is connected to; the later answer is refused."""
    monkeypatch.setattr(socket, "getaddrinfo", _answers("8.8.8.8", "127.0.0.1"))

    async def ask() -> list[str]:
        resolver = GuardedResolver(AddressPolicy(), {})
        first = [each["host"] for each in await resolver.resolve("a.test", 80)]
        resolver._cache.clear()  # its time to live is over
        with pytest.raises(AddressRefused):
            await resolver.resolve("a.test", 80)
        return first

    assert asyncio.run(ask()) == ["8.8.8.8"]


def test_the_socket_itself_is_guarded() -> None:
    """Even past the resolver, no socket is made for an address that is not allowed."""
    maker = SocketMaker(AddressPolicy())
    with pytest.raises(AddressRefused):
        maker((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80)))
    maker((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 80))).close()


@pytest.mark.parametrize(("answer", "kind"), [("127.0.0.2", "refused_address"), (None, "dns")])
def test_names_are_guarded_in_a_run(  # noqa: PLR0917 - fixtures
    hurried: Workspace,
    tmp_path: Path,
    server: HostileServer,
    monkeypatch: pytest.MonkeyPatch,
    answer: str | None,
    kind: str,
) -> None:
    """A name that resolves to loopback is refused and the server sees no request; one that does not resolve is `dns`."""

    def fail(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", _answers(answer) if answer else fail)
    links = write_links(
        tmp_path / "links.parquet", [server.url("/good.jpg", "a.test"), server.url("/good.jpg", "b.test")]
    )
    report = populate(hurried, tmp_path / "copy", links=[links], engine=SerialEngine(), options=PopulateOptions())
    assert report.failed == {kind: 2}
    assert not server.requests


def test_a_pin_does_not_lift_the_guard(hurried: Workspace, tmp_path: Path, server: HostileServer) -> None:
    """`--resolve` says where a name is, not that one may go there."""
    links = write_links(tmp_path / "links.parquet", [server.url("/good.jpg")])
    options = PopulateOptions(resolve=server.pins)
    report = populate(hurried, tmp_path / "copy", links=[links], engine=SerialEngine(), options=options)
    assert report.failed == {"refused_address": 1}
    assert not server.requests
    assert ADDRESS.startswith("127.")


@pytest.mark.parametrize("host", ["gone.example", "GONE.EXAMPLE.", "a.invalid", "abc.onion"])
def test_names_that_are_never_public_are_not_asked_for(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """No resolver hears of them, and none can answer with an address of its own."""

    def asked(*_arguments: object, **_options: object) -> None:
        pytest.fail("a look-up was made")

    monkeypatch.setattr(socket, "getaddrinfo", asked)

    async def resolve() -> None:
        resolver = GuardedResolver(AddressPolicy(()), {})
        with pytest.raises(socket.gaierror):
            await resolver.resolve(host, 80)
        await resolver.close()

    asyncio.run(resolve())
