"""Which URL a src is."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkwell.base.ids import canonical_url
from linkwell.build.urls import Resolver


def resolve(src: str, page: str = "https://site.example/a/p.html?q", base: str = "") -> tuple[str, str | None]:
    resolver = Resolver(2_000)
    resolver.set_page(page, base)
    return resolver.resolve(src)


@pytest.mark.parametrize(
    "url", ["http://h.example/é x.jpg", "http://H.example:80/../a", "HTTP://h.example/a", "http://h.example", "https://h.example/a#b", "http://h.example/\\a"]
)  # fmt: skip
def test_absolute_urls_are_kept_as_found(url: str) -> None:
    """Character for character, but for white space around and line ends inside."""
    assert resolve(url) == (url, None)
    assert resolve(f"\n \t{url[:9]}\r\n{url[9:]} ") == (url, None)


@pytest.mark.parametrize(
    ("src", "url"),
    [
        ("x.jpg", "https://site.example/a/x.jpg"),
        ("../ü b.jpg", "https://site.example/%C3%BC%20b.jpg"),
        ("//OTHER.example/x", "https://other.example/x"),
        ("\\\\other.example\\x", "https://other.example/x"),
        ("https:x.jpg", "https://site.example/a/x.jpg"),
        ("http:/h.example/x", "http://h.example/x"),
        ("?v=1", "https://site.example/a/p.html?v=1"),
    ],
)
def test_relative_urls_come_out_as_the_standard_writes_them(src: str, url: str) -> None:
    """Resolved and serialised by the URL standard's parser."""
    assert resolve(src) == (url, None)


def test_a_remembered_origin_changes_nothing() -> None:
    """After a host was seen, its URLs, and URLs that only look like its, get the answers they would get alone."""
    resolver = Resolver(2_000)
    resolver.set_page("https://site.example/", "")
    resolver.resolve("http://h.example/1")
    assert resolver.good_origins == {"http://h.example/"}
    for src in (
        "http://h.example/2",
        "http://h.example:99999/x",
        "http://h.example\\@[x/",
        "http://h.example",
        "http://h.example]",
    ):
        assert resolver.resolve(src) == resolve(src)
    for odd in (
        "http://1.2.3.999/x",
        "http://xn--a/x",
        "http://h.example:80/",
        "http://u:p@h.example/",
        "http://A.example/",
    ):
        resolver.resolve(odd)
    assert resolver.good_origins == {"http://h.example/"}


def test_all_cases_of_the_url_standard(shared_vectors: Path) -> None:
    """For each case with an http(s) result we get it, or, for an absolute one, the input that means the same; failures are rejected.

    The parser is stricter than the present standard about some hosts with broken punycode (`xn--`), which cannot be looked up.
    """
    cases = json.loads((shared_vectors / "wpt-url/urltestdata.json").read_text("utf-8"))
    checked = strict = 0
    for case in cases:
        if isinstance(case, str) or not case["input"].strip(" \t\n") or "\ud800" in case["input"]:
            continue
        url, reason = resolve(case["input"], case.get("base") or "about:blank")
        if case.get("failure"):
            assert reason is not None, case
        elif "xn--" in case["input"].lower() and reason == "bad_url":
            strict += 1
        elif case["protocol"] in {"http:", "https:"}:
            assert reason is None, case
            assert canonical_url(url) == case["href"].partition("#")[0], case
        elif not case["input"].lower().startswith("data:"):
            assert reason in {"not_http", "no_base"}, case
        checked += 1
    assert checked > 500
    assert strict <= 20


@given(st.text(max_size=60), st.text(max_size=30), st.text(max_size=30))
def test_any_src_is_a_link_or_has_a_reason(src: str, page: str, base: str) -> None:
    """Nothing raises, and every link is an http(s) URL that parses."""
    for each in (src, f"http://{src}", f"//{src}"):
        url, reason = resolve(each, f"http://{page}", base)
        assert (reason is None) == (canonical_url(url) is not None)
