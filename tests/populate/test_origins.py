"""A site's rules before any image: RFC 9309 for access, everything else for consent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkwell.populate.failures import Failure
from linkwell.populate.origins import (
    FAILURE_KEPT_SECONDS,
    KEPT_SECONDS,
    FileAnswer,
    OriginBook,
    OriginRules,
    origin_of,
    product_token,
)
from linkwell.rights import DEFAULT_POLICY

ORIGIN = "http://a.example:8080"
IMAGE = f"{ORIGIN}/photos/1.jpg"


def _rules(robots: FileAnswer, tdmrep: FileAnswer | None = None, agent: str = "linkwell") -> OriginRules:
    return OriginRules(ORIGIN, agent, DEFAULT_POLICY, robots=robots, tdmrep=tdmrep, now=0.0)


@pytest.mark.parametrize(
    ("robots", "kind"),
    [
        (FileAnswer(200, b"User-agent: *\nDisallow: /photos/\n"), "robots_disallowed"),
        (FileAnswer(200, b"User-agent: linkwell\nDisallow: /\n\nUser-agent: *\nAllow: /\n"), "robots_disallowed"),
        (FileAnswer(200, b"User-agent: *\nDisallow: /\n\nUser-agent: linkwell\nAllow: /\n"), None),
        (FileAnswer(200, b"User-agent: otherbot\nDisallow: /\n"), None),
        (FileAnswer(200, b""), None),
        (FileAnswer(200, b"<!doctype html>\nUser-agent: *\nDisallow: /\n"), None),
        (FileAnswer(404), None),
        (FileAnswer(403), None),
        (FileAnswer(401), None),
        (FileAnswer(429), "robots_unreachable"),
        (FileAnswer(500), "robots_unreachable"),
        (FileAnswer(503), "robots_unreachable"),
        (FileAnswer(failure=Failure("timeout")), "robots_unreachable"),
        (FileAnswer(failure=Failure("disconnected")), "robots_unreachable"),
        (FileAnswer(failure=Failure("bad_http")), "robots_unreachable"),
        (FileAnswer(failure=Failure("dns")), "dns"),
        (FileAnswer(failure=Failure("connect")), "connect"),
        (FileAnswer(failure=Failure("tls")), "tls"),
        (FileAnswer(failure=Failure("refused_address")), "refused_address"),
        (FileAnswer(failure=Failure("too_many_redirects")), None),
        (FileAnswer(failure=Failure("not_in_archive")), None),
    ],
)
def test_what_an_answer_for_robots_txt_means(robots: FileAnswer, kind: str | None) -> None:
    """2xx is read, 4xx is no file, 5xx and no answer forbid (RFC 9309, 2.3.1); a failure of the host is the image's own."""
    refusal = _rules(robots).refusal(IMAGE)
    assert (refusal.kind if refusal is not None else None) == kind


def test_rules_are_kept_for_a_day_and_failures_for_a_minute() -> None:
    """RFC 9309, 2.4: no longer than 24 hours."""
    book = OriginBook()
    for robots, seconds in ((FileAnswer(404), KEPT_SECONDS), (FileAnswer(500), FAILURE_KEPT_SECONDS)):
        book.put(ORIGIN, _rules(robots))
        assert book.get(ORIGIN, seconds - 1) is not None
        assert book.get(ORIGIN, seconds) is None
    assert KEPT_SECONDS <= 86_400


def test_the_book_is_bounded() -> None:
    """However many origins there are, and however long their files, the book stays small; the latest are in it."""
    book = OriginBook(max_weight=100_000)
    body = b"User-agent: *\nDisallow: /private/\n" * 30
    for number in range(60):
        origin = f"http://h{number}.example"
        book.put(origin, OriginRules(origin, "x", DEFAULT_POLICY, robots=FileAnswer(200, body), tdmrep=None, now=0))
    known = [n for n in range(60) if book.get(f"http://h{n}.example", 1.0) is not None]
    assert known == list(range(60 - len(known), 60))
    assert 1 <= len(known) <= 10


def test_statements_of_both_files_are_heard() -> None:
    """A training agent shut out, and a reservation in tdmrep.json, each with the file it stood in."""
    robots = FileAnswer(200, b"User-agent: GPTBot\nDisallow: /\n")
    tdmrep = FileAnswer(200, b'[{"location": "/photos/", "tdm-reservation": 1}]')
    found = {(url, each.kind, each.use, each.verdict) for url, each in _rules(robots, tdmrep).statements(IMAGE)}
    assert (f"{ORIGIN}/robots.txt", "robots.txt", "train_ai", "disallow") in found
    assert (f"{ORIGIN}/.well-known/tdmrep.json", "tdmrep.json", "tdm", "disallow") in found
    assert _rules(robots, tdmrep).refusal(IMAGE) is None
    assert _rules(FileAnswer(404)).statements(IMAGE) == []


def test_a_crawl_delay_for_us_is_heard() -> None:
    """In the group that holds for us; what does not read is passed over."""
    robots = (
        b"User-agent: *\nDisallow: /x\nCrawl-delay: 30\n\nUser-agent: linkwell\nCrawl-delay: 2.5\nCrawl-delay: soon\n"
    )
    assert _rules(FileAnswer(200, robots)).crawl_delay_seconds() == 2.5
    assert _rules(FileAnswer(200, robots), agent="other").crawl_delay_seconds() == 30.0
    assert _rules(FileAnswer(404)).crawl_delay_seconds() == 0.0


@given(st.binary(max_size=300), st.integers(100, 599))
def test_any_answer_reads(body: bytes, status: int) -> None:
    """Nothing a host can answer is an error here."""
    rules = _rules(FileAnswer(status, body), FileAnswer(status, body))
    rules.refusal(IMAGE)
    rules.statements(IMAGE)
    assert rules.crawl_delay_seconds() >= 0


def test_an_origin_is_scheme_host_and_port() -> None:
    """As URLs stand in WHATWG form."""
    assert origin_of("https://a.example/x/y?z") == "https://a.example"
    assert origin_of("http://[::1]:81/") == "http://[::1]:81"


@pytest.mark.parametrize(
    ("agent", "token"),
    [
        ("linkwell/0.1 (+https://linkwell.example/bot)", "linkwell"),
        ("BirdBot", "birdbot"),
        ("Mozilla/5.0 (compatible; BirdBot/2.0; +https://bird.example)", "birdbot"),
    ],
)
def test_the_token_that_robots_txt_may_name(agent: str, token: str) -> None:
    """The product of the user agent, also where it hides behind a browser's."""
    assert product_token(agent) == token
