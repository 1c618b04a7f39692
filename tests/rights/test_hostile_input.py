"""Anything at all can stand at a well-known path, in a header or in an image: no crash, no hang, work linear in the input."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linkwell.rights import (
    DEFAULT_POLICY,
    Capture,
    HostFiles,
    combine,
    embedded_signals,
    header_signals,
    licence_of,
    meta_signals,
    parse_robots,
)
from linkwell.rights.robots_signals import robots_signals
from linkwell.rights.robots_tag import directives
from linkwell.rights.rsl import parse_rsl
from linkwell.rights.tdmrep import parse_tdmrep
from linkwell.rights.text_files import parse_ai_txt, parse_trust_txt
from linkwell.rights.xmp import read_xmp

URL = "https://h.example/a/b.jpg?c=d"
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

WORDS = [
    b"User-agent:", b"*", b"\n", b"\r", b"Disallow:", b"Allow: /", b"Content-Usage:", b"/a", b" ", b"train-ai=n", b"$", b"%2", b"%C3",
    b"Content-Signal: ai-train=no", b"#", b"\0", b"\xff", b"\xef\xbb\xbf", b"GPTBot", b"License: https://x", b"DisallowAITraining:/",
    b"[", b"]", b"{", b"}", b'"location"', b":", b'"tdm-reservation"', b"1", b",", b"<x:xmpmeta", b"</x:xmpmeta>", b"<rdf:RDF>", b"<", b">",
    b"datatrainingallowed=", b"no", b"<rsl", b"rslstandard.org", b"<!DOCTYPE", b"<!ENTITY", b"&a;", b"\xff\xd8\xff\xe1", b"\x00\x10",
    b"http://ns.adobe.com/xmp/extension/\0", b"\x89PNG\r\n\x1a\n", b"iTXt", b"XML:com.adobe.xmp\0\1", b"jumb", b"c2pa", b"noai", b";", b"=",
]  # fmt: skip
soup = st.lists(st.one_of(st.sampled_from(WORDS), st.binary(max_size=8)), max_size=60).map(b"".join)


@FUZZ
@given(soup)
def test_files_never_crash(data: bytes) -> None:
    """Every reader of a file takes any bytes, and says nothing but signals."""
    for scope in ("page", "image"):
        combine(robots_signals(parse_robots(data), URL, scope=scope))
        for kind in ("robots.txt", "tdmrep.json", "ai.txt", "trust.txt", "rsl"):
            files = HostFiles([Capture(URL, kind, 200, None, data)])
            assert all(s.scope == scope and len(s.evidence) <= 500 for _, s in files.statements(URL, scope=scope))
    for parse in (parse_tdmrep, parse_rsl, parse_ai_txt):
        parse(data)
    parse_trust_txt(data)


@FUZZ
@given(soup)
def test_image_bytes_never_crash(data: bytes) -> None:
    """Metadata readers take any bytes, with the marks of every format around them."""
    for head in (b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n"):
        combine(embedded_signals(head + data))


@FUZZ
@given(soup, st.sampled_from(["X-Robots-Tag", "tdm-reservation", "Content-Usage", "Content-Signal", "Link"]))
def test_headers_and_metas_never_crash(data: bytes, name: str) -> None:
    """Header and meta readers take any text."""
    text = data.decode("latin-1")
    combine(header_signals([(name, text), (name, text)], scope="image"))
    combine(meta_signals([("robots", text), ("tdm-reservation", text), (text, text)]))
    licence_of([text])


@FUZZ
@given(
    st.lists(st.sampled_from([b"/", b"a", b"*", b"$", b"%41", b"%2f", b"\xc3\xa4"]), max_size=8).map(b"".join),
    st.text("/a$*A", max_size=8),
)
def test_matching_agrees_with_a_plain_definition(pattern: bytes, path: str) -> None:
    """The linear matcher says the same as trying every way to split the path."""
    from linkwell.rights.patterns import matches, normal_pattern, path_of  # noqa: PLC0415 - internals, for this one only

    normal, target = normal_pattern(pattern), path_of(f"https://h.example/{path}")
    assert target is not None

    def plain(rule: bytes, rest: bytes) -> bool:
        if not rule:
            return True
        if rule == b"$":
            return not rest
        if rule[:1] == b"*":
            return any(plain(rule[1:], rest[at:]) for at in range(len(rest) + 1))
        return rest[:1] == rule[:1] and plain(rule[1:], rest[1:])

    assert matches(normal, target) is plain(normal, target)


def steps(work: Callable[[bytes], object], data: bytes) -> int:
    """How many lines and calls of built-ins a piece of work takes: time, without a clock."""
    count = 0

    def trace(_frame: FrameType, _event: str, _argument: object) -> Any:
        nonlocal count
        count += 1
        return trace

    def profile(_frame: FrameType, _event: str, _argument: object) -> None:
        nonlocal count
        count += 1

    before_trace, before_profile = sys.gettrace(), sys.getprofile()
    sys.settrace(trace)
    sys.setprofile(profile)
    try:
        work(data)
    finally:
        sys.setprofile(before_profile)
        sys.settrace(before_trace)
    return count


AGENTS = [agent.encode() for agent in DEFAULT_POLICY.agents.training]


def robots_work(data: bytes) -> object:
    return robots_signals(parse_robots(data), "https://h.example/" + "a" * 1_000, scope="image")


def tag_work(data: bytes) -> object:
    return list(directives(data.decode()))


def header_work(data: bytes) -> object:
    text = data.decode()
    return [
        header_signals([(n, text)], scope="page") for n in ("X-Robots-Tag", "Link", "Content-Signal", "tdm-reservation")
    ]


def tdmrep_work(data: bytes) -> object:
    read = parse_tdmrep(data)
    return read and read.signals(URL, scope="image")


def ai_txt_work(data: bytes) -> object:
    read = parse_ai_txt(data)
    return read and read.signals(URL, scope="image")


def rsl_work(data: bytes) -> object:
    read = parse_rsl(data)
    return read and read.signals(URL, scope="image")


@pytest.mark.parametrize(
    ("work", "head", "unit", "tail"),
    [
        (robots_work, b"", b"User-agent: a\n", b""),
        (robots_work, b"", b"User-agent: *\nDisallow: /b\n", b""),
        (robots_work, b"User-agent: *\n", b"Disallow: /*a*a*b\n", b""),
        (robots_work, b"User-agent: *\nDisallow: /", b"*a", b"*b\n"),
        (robots_work, b"User-agent: *\nDisallow: /", b"*", b"b\n"),
        (robots_work, b"User-agent: *\n", b"Content-Usage: train-ai=n\n", b""),
        (robots_work, b"User-agent: *\n", b"Content-Usage: /a train-ai=n\n", b""),
        (robots_work, b"User-agent: *\n", b"Content-Signal: /a*b ai-train=no\n", b""),
        (robots_work, b"User-agent: *\n", b"DisallowAITraining: /*a*b\n", b""),
        (robots_work, b"", b"License: https://h.example/l\n", b""),
        (
            robots_work,
            b"".join(b"User-agent: %s\nDisallow: /x\n" % agent for agent in AGENTS)
            + b"".join(b"User-agent: %s\n" % agent for agent in AGENTS),
            b"Disallow: /*x*y\n",
            b"",
        ),
        (robots_work, b"", b":", b""),
        (robots_work, b"", b"%", b""),
        (tag_work, b"", b"a:", b""),
        (tag_work, b"", b"noai,", b""),
        (tag_work, b"", b"noai;", b""),
        (tag_work, b"noai", b" max-snippet:1", b""),
        (tag_work, b"unavailable_after: mon", b", june 25, 2030", b""),
        (tag_work, b"unavailable_after: mon,", b"1", b""),
        (tag_work, b"unavailable_after: mon,jan", b" ", b"x"),
        (tag_work, b"", b"unavailable_after: mon,", b""),
        (header_work, b"", b"<rsl", b""),
        (header_work, b"", b"</x>; rel=license; type=application/rsl+xml,", b""),
        (tdmrep_work, b"", b"[", b""),
        (tdmrep_work, b"[", b'{"location":"/*x","tdm-reservation":1},', b"1]"),
        (ai_txt_work, b"User-agent: *\n", b"Disallow: *.x\n", b""),
        (ai_txt_work, b"", b" ", b"user-agent"),
        (rsl_work, b"<rsl>", b"<content>", b""),
        (read_xmp, b"", b"<x:xmpmeta", b""),
        (read_xmp, b"", b"<x:xmpmeta></x:xmpmeta>", b""),
        (read_xmp, b"<x:xmpmeta>", b"<a>", b"</x:xmpmeta>"),
        (read_xmp, b"\xff\xd8", b"\xff\xe1\x00\x02", b""),
        (read_xmp, b"\xff\xd8", b"\xff", b""),
        (read_xmp, b"R\0D\0F", "<x:xmpmeta".encode("utf-16-le"), b""),
        (read_xmp, b"R\0\0\0D\0\0\0F", "<rdf:RDF></rdf:RDF>".encode("utf-32-be"), b""),
        (read_xmp, b"", b"<?xpacket begin", b""),
        (read_xmp, b"<?xpacket begin", b"<rdf:RDF", b""),
        (read_xmp, b"<x:xmpmeta>", b"&amp;&lt;&#65;", b"</x:xmpmeta>"),
        (read_xmp, b"\x89PNG\r\n\x1a\n", b"\0\0\0\x16zTXtXML:com.adobe.xmp\0\0\x78\x9c\0\0\0\0\0", b""),
        (read_xmp, b"\x89PNG\r\n\x1a\n", b"\0\0\0\0iTXt\0\0\0\0", b""),
    ],
)
def test_work_is_linear_in_hostile_input(
    work: Callable[[bytes], object], head: bytes, unit: bytes, tail: bytes
) -> None:
    """Four times the input takes at most some four times the steps."""
    work(head + unit * 10 + tail)  # what is imported or cached once is not counted
    once = steps(work, head + unit * 500 + tail)
    four_times = steps(work, head + unit * 2_000 + tail)
    assert four_times <= 4.4 * once + 400


@pytest.mark.parametrize("encoding", ["shift_jis", "utf-32", "no-such-encoding"])
def test_xml_in_an_encoding_that_is_not_read_is_malformed_and_stops_nothing(encoding: str) -> None:
    """The parser has an error of another kind for encodings of several bytes: a page's licence file must not end a build."""
    declared = f'<?xml version="1.0" encoding="{encoding}"?>'.encode()
    rsl = parse_rsl(declared + b'<rsl xmlns="https://rslstandard.org/rsl"/>')
    assert rsl is not None
    assert [each.verdict for each in rsl.signals("http://site.example/a.jpg", scope="page")] == ["unknown"]


def rule_lines(count: int, form: str) -> bytes:
    """Rules that are all different."""
    return b"User-agent: *\n" + b"".join(b"Disallow: " + (form % n).encode() + b"\n" for n in range(count))


def entries(count: int) -> bytes:
    """A tdmrep.json of many locations."""
    return b"[" + b",".join(b'{"location":"/dir%06d/","tdm-reservation":1}' % n for n in range(count)) + b"]"


@pytest.mark.parametrize("kind", ["robots.txt", "tdmrep.json"])
def test_asking_about_a_url_does_not_cost_more_for_more_rules_without_a_star(kind: str) -> None:
    """A hostile host with ten times the rules costs each of its pictures the same; the last rule counts as the first does."""

    def ask(count: int) -> int:
        body = rule_lines(count, "/dir%06d/") if kind == "robots.txt" else entries(count)
        files = HostFiles([Capture("https://h.example/f", kind, 200, None, body)])
        assert files.statements(f"https://h.example/dir{count - 1:06d}/a.jpg", scope="image")
        return steps(lambda _data: files.statements("https://h.example/other/a.jpg", scope="image"), b"")

    assert ask(10_000) <= ask(1_000) + 100


def test_a_megabyte_of_rules_is_read_whole_and_a_longer_tdmrep_is_flagged() -> None:
    """Up to its limit a file counts to the last rule; what is longer is not taken for what its beginning says."""
    body = rule_lines(45_000, "/dir%06d/")
    assert 500 * 1024 < len(body) <= 1 << 20
    files = HostFiles([Capture("https://h.example/robots.txt", "robots.txt", 200, None, body)])
    assert files.statements("https://h.example/dir044999/a.jpg", scope="image")
    long = HostFiles([Capture("https://h.example/t", "tdmrep.json", 200, None, entries(100_000))])
    assert {signal.verdict for _, signal in long.statements(URL, scope="image")} == {"unknown"}


@given(
    st.lists(st.tuples(st.booleans(), st.lists(st.sampled_from(["/", "a", "b", "*", "$"]), max_size=5).map("".join))),
    st.text("/ab", max_size=6),
)
@FUZZ
def test_a_table_of_rules_finds_what_trying_each_finds(rules: list[tuple[bool, str]], path: str) -> None:
    """The longest match, Allow among equals, as RFC 9309 says it in one sentence."""
    from linkwell.rights.patterns import matches, normal_pattern  # noqa: PLC0415 - internals, for this one only

    lines = [f"{'Allow' if allow else 'Disallow'}: {pattern}" for allow, pattern in rules]
    robots = parse_robots("\n".join(["User-agent: *", *lines]).encode())
    found = [
        (len(normal_pattern(pattern.encode())), allow)
        for allow, pattern in rules
        if pattern and matches(normal_pattern(pattern.encode()), f"/{path}".encode())
    ]
    assert robots.decide("x", f"https://h.example/{path}").allowed is (max(found, default=(0, True))[1])
