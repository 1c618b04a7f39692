"""robots.txt: Google's specification tests, and RFC 9309 rule by rule."""

import base64
import json
from collections import Counter
from pathlib import Path

import pytest

from linkwell.rights import parse_robots

CONTRADICTIONS = {
    # RFC 9309, 2.2.2: "The /robots.txt URI is implicitly allowed."
    ("stress/327748.textproto", "asdfbot", "http://m.example.com/robots.txt"),
    ("stress/369883.textproto", "BarBot", "http://example.com/robots.txt"),
    ("stress/369883.textproto", "AB", "http://example.com/robots.txt"),
    ("stress/860237.textproto", "XYZ", "http://example.com/robots.txt"),
    # 2.2.2: an escape of an unreserved character is decoded before comparison: /foo/bar/%62%61%7A is /foo/bar/baz.
    ("correctness/non-ascii-paths.textproto", "FooBot", "http://foo.bar/foo/bar/baz"),
    # 2.2.2: octets outside ASCII are percent-encoded before comparison, on both sides; the test's parser leaves it to its caller.
    ("correctness/non-ascii-paths.textproto", "FooBot", "http://foo.bar/foo/bar/ツ"),
    # 2.2.2: the longest match decides; that Allow: /dir/index.html opens /dir/ is Google's own rule.
    ("correctness/index-page.textproto", "foobot", "http://foo.com/allowed-slash/"),
}
"""Expectations that contradict RFC 9309, each with its reason; 8 of 400, as one of them stands twice."""


def test_googles_specification_tests(shared_vectors: Path) -> None:
    """All expectations of robotstxt-spec-test hold but those that contradict the RFC, which come out the other way."""
    outcome: Counter[str] = Counter()
    for case in json.loads((shared_vectors / "robotstxt-spec-test/cases.json").read_text("utf-8")):
        robots = parse_robots(base64.b64decode(case["robotstxt_b64"]))
        for expected in case["expectations"]:
            agent, url = expected["useragent"], expected["url"]
            right = robots.decide(agent, url).allowed == (expected["expected"] == "allowed")
            excluded = (case["file"], agent, url) in CONTRADICTIONS and not right
            outcome["excluded" if excluded else "right" if right else "wrong"] += 1
            assert right or excluded, (case["file"], case["index"], expected)
    assert outcome == {"right": 392, "excluded": 8}


@pytest.mark.parametrize(
    ("text", "agent", "path", "allowed"),
    [
        # 5.1, simple example.
        ("User-Agent: *\nDisallow: *.gif$\nDisallow: /example/\nAllow: /publications/", "foobot", "/x.gif", False),
        ("User-Agent: *\nDisallow: *.gif$\nDisallow: /example/\nAllow: /publications/", "foobot", "/x.gif?y", True),
        ("User-Agent: *\nDisallow: *.gif$\nDisallow: /example/\nAllow: /publications/", "foobot", "/example/", False),
        ("User-Agent: foobot\nDisallow:/\nAllow:/example/page.html\nAllow:/example/allowed.gif", "FooBot", "/a", False),
        (
            "User-Agent: foobot\nDisallow:/\nAllow:/example/page.html\nAllow:/example/allowed.gif",
            "foobot",
            "/example/page.html",
            True,
        ),
        ("User-Agent: barbot\nUser-Agent: bazbot\nDisallow: /example/page.html", "bazbot", "/example/page.html", False),
        ("User-Agent: *\nDisallow: /\n\nUser-Agent: quxbot\n\nEOF", "quxbot", "/x", True),
        # 5.2, longest match.
        (
            "User-Agent: foobot\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif",
            "foobot",
            "/example/page/",
            True,
        ),
        (
            "User-Agent: foobot\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif",
            "foobot",
            "/example/page/disallowed.gif",
            False,
        ),
        # 2.2.1: groups for one token are merged; * holds only for agents that no group names.
        (
            "user-agent: ExampleBot\ndisallow: /foo\n\nuser-agent: Other\ndisallow: /\n\nuser-agent: ExampleBot\ndisallow: /bar",
            "examplebot",
            "/bar",
            False,
        ),
        (
            "user-agent: ExampleBot\ndisallow: /foo\n\nuser-agent: Other\ndisallow: /\n\nuser-agent: ExampleBot\ndisallow: /bar",
            "examplebot",
            "/baz",
            True,
        ),
        ("user-agent: *\ndisallow: /\n\nuser-agent: a\ndisallow: /x", "a", "/y", True),
        ("user-agent: *\ndisallow: /x\nuser-agent: *\ndisallow: /y", "b", "/y", False),
        ("user-agent: GoogleBot\ndisallow: /", "Google", "/", True),
        ("user-agent: GoogleBot/2.1\ndisallow: /", "googlebot", "/", False),
        # 2.2.2: escapes, ties, what matches nothing.
        ("user-agent: *\ndisallow: /foo/bar?baz=https://foo.bar", "a", "/foo/bar?baz=https://foo.bar", False),
        (
            "user-agent: *\ndisallow: /foo/bar?baz=https%3A%2F%2Ffoo.bar",
            "a",
            "/foo/bar?baz=https%3a%2f%2ffoo.bar",
            False,
        ),
        ("user-agent: *\ndisallow: /foo/bar?baz=https%3A%2F%2Ffoo.bar", "a", "/foo/bar?baz=https://foo.bar", True),
        ("user-agent: *\ndisallow: /foo/bar/ツ", "a", "/foo/bar/%E3%83%84", False),
        ("user-agent: *\ndisallow: /foo/bar/%E3%83%84", "a", "/foo/bar/ツ", False),
        ("user-agent: *\ndisallow: /foo/bar/%62%61%7a", "a", "/foo/bar/baz", False),
        ("user-agent: *\ndisallow: /~joe", "a", "/%7Ejoe/x", False),
        ("user-agent: *\ndisallow: /p\nallow: /p", "a", "/p", True),
        ("user-agent: *\nallow: /p\ndisallow: /p", "a", "/p", True),
        ("user-agent: *\ndisallow: /\nallow: /p", "a", "/page", True),
        ("user-agent: *\ndisallow:", "a", "/", True),
        ("user-agent: *\ndisallow: /", "a", "/robots.txt", True),
        # 2.2.3: special characters.
        ("user-agent: *\nallow: /this/path/exactly$\ndisallow: /", "a", "/this/path/exactly", True),
        ("user-agent: *\nallow: /this/path/exactly$\ndisallow: /", "a", "/this/path/exactly/", False),
        ("user-agent: *\ndisallow: /this/*/exactly", "a", "/this/path/to/exactly", False),
        ("user-agent: *\ndisallow: /path/file-with-a-%2A.html", "a", "/path/file-with-a-*.html", False),
        ("user-agent: *\ndisallow: /path/file-with-a-%2A.html", "a", "/path/file-with-a-b.html", True),
        ("user-agent: *\ndisallow: /path/foo-%24", "a", "/path/foo-$", False),
        ("user-agent: *\ndisallow: /a$b", "a", "/a$b", False),
        ("user-agent: *\ndisallow: /*.php$", "a", "/x.php.php", False),
        ("user-agent: *\ndisallow: /fish*$", "a", "/fishing", False),
        # 2.2.4: other records do not interfere; a list of agents goes on over them.
        ("user-agent: a\nContent-Signal: ai-train=no\nuser-agent: b\ndisallow: /x", "a", "/x", False),
        ("user-agent: a\nSitemap: https://h.example/s.xml\nuser-agent: b\ndisallow: /x", "a", "/x", False),
        ("user-agent: a\nCrawl-delay: 5\n\nuser-agent: b\ndisallow: /x", "a", "/x", False),
        ("Sitemap: /s\nuser-agent: a\ndisallow: /x", "a", "/x", False),
        # AIPREF makes Content-Usage a rule, so that it ends the list.
        ("user-agent: a\nContent-Usage: train-ai=n\nuser-agent: b\ndisallow: /x", "a", "/x", True),
        # 2.2: comments, white space, ends of lines, rules before any group.
        ("disallow: /\nuser-agent: a\ndisallow: /x", "a", "/y", True),
        ("user-agent: a # us\r\ndisallow: /x # not here\r\n", "a", "/x", False),
        ("user-agent: a\rdisallow: /x\r", "a", "/x", False),
        (" \t USER-AGENT \t:\t a \t\n DisAllow\t: /x", "a", "/x", False),
        ("\ufeffuser-agent: a\ndisallow: /x", "a", "/x", False),
    ],
)
def test_rules_of_the_rfc(text: str, agent: str, path: str, *, allowed: bool) -> None:
    """Each rule of RFC 9309, 2.2, and its examples, for one agent and one path."""
    robots = parse_robots(text.encode())
    assert robots.decide(agent, f"https://h.example{path}").allowed is allowed


@pytest.mark.parametrize("name", ["AI2Bot", "img2dataset", "cohere-training-data-crawler"])
def test_real_names_with_digits_are_found_by_name(name: str) -> None:
    """The RFC's tokens have no digits, but crawlers have: asked by name, the whole name counts."""
    robots = parse_robots(f"User-agent: {name}\nDisallow: /\nUser-agent: *\nAllow: /".encode())
    assert not robots.decide(name, "https://h.example/a", by_name=True).allowed
    assert robots.decide("AB", "https://h.example/a", by_name=True).allowed


def test_500_kibibytes_are_read() -> None:
    """A rule behind 500 KiB of comments counts (RFC 9309, 2.5); one behind the limit does not, and a cut line is not read."""
    filler = b"# comment\n" * 51_200
    assert len(filler) == 500 * 1024
    robots = parse_robots(b"User-agent: *\n" + filler + b"Disallow: /x\n")
    assert not robots.decide("a", "https://h.example/x").allowed
    cut = b"User-agent: *\nAllow: /\n" + b"#" * ((1 << 20) - 23 - 12) + b"\nDisallow: /private\n"
    assert parse_robots(cut).decide("a", "https://h.example/private").allowed


def test_every_record_is_kept() -> None:
    """Unknown records stand in their group, or before all groups, with their line."""
    robots = parse_robots(
        b"License: https://h.example/l.xml\nUser-agent: a\nContent-Signal: ai-train=no\nUser-agent: b\nDisallow: /\n"
    )
    assert [(r.key, r.value, r.line) for r in robots.records] == [("license", "https://h.example/l.xml", 1)]
    (group,) = robots.groups
    assert group.agents == ["a", "b"]
    assert [(r.key, r.line) for r in group.records] == [("content-signal", 3)]
