"""tdmrep.json, RSL, ai.txt and trust.txt, as specified and as found in the wild."""

import pytest

from linkwell.rights import combine
from linkwell.rights.rsl import parse_rsl, rsl_links
from linkwell.rights.tdmrep import parse_tdmrep
from linkwell.rights.text_files import parse_ai_txt, parse_trust_txt

URL = "https://h.example/img/heron.jpg?v=1"


@pytest.mark.parametrize(
    ("text", "train_ai", "tdm"),
    [
        ('[{"location": "/", "tdm-reservation": 1}]', "disallow", "disallow"),
        ('[{"location": "/img/*", "tdm-reservation": 0}, {"location": "/", "tdm-reservation": 1}]', "unknown", "allow"),
        ('[{"location": "/", "tdm-reservation": 1}, {"location": "/img/", "tdm-reservation": 0}]', "disallow", "disallow"),
        ('[{"location": "/img/*.jpg$", "tdm-reservation": 1}]', "unknown", "unknown"),  # the query is a part of what is matched
        ('[{"location": "/img/*.jpg", "tdm-reservation": 1}]', "disallow", "disallow"),
        ('[{"location": "/text/", "tdm-reservation": 1}]', "unknown", "unknown"),
        ('[{"location": "/", "tdm-reservation": 1, "tdm-policy": "https://h.example/p.json"}]', "disallow", "disallow"),
        # In the wild.
        ('{"location": "/*", "tdm-reservation": 1}', "disallow", "disallow"),
        ('{"@context": "http://www.w3.org/ns/tdmrep", "@graph": [{"location": "/", "tdm-reservation": 1}]}', "disallow", "disallow"),
        ('[{"location": "/", "tdm-reservation": "1"}]', "disallow", "disallow"),
        ('[{"tdm-reservation": 1}]', "disallow", "disallow"),
        ('[{"location": "https://h.example/img/", "tdm-reservation": 1}]', "disallow", "disallow"),
        ('[{"location": "*", "tdm-reservation": 1}]', "disallow", "disallow"),
        ('\ufeff[{"location": "/", "tdm-reservation": 1}]', "disallow", "disallow"),
        ("[]", "unknown", "unknown"),
    ],
)  # fmt: skip
def test_tdmrep_file(text: str, train_ai: str, tdm: str) -> None:
    """The first entry that matches holds; wild forms whose meaning is plain are read."""
    read = parse_tdmrep(text.encode())
    verdicts = combine(read.signals(URL, scope="image") if read else [])
    assert (verdicts.train_ai, verdicts.tdm) == (train_ai, tdm)


@pytest.mark.parametrize(
    "text",
    [
        '[{"location": "/", "tdm-reservation": 2}]',
        '[{"location": "/", "tdm-reservation": true}]',
        '[{"location": "/", "tdm-reservation": null}, {"location": "/", "tdm-reservation": 0}]',
        '[{"location": "/", "tdm-reservation": 1}',
        '{"hello": "world"}',
        "[" * 100_000,
    ],
)
def test_tdmrep_file_that_does_not_read(text: str) -> None:
    """A protocol error is a visible third outcome: `unknown`, flagged by a signal."""
    read = parse_tdmrep(text.encode())
    assert read is not None
    assert {signal.verdict for signal in read.signals(URL, scope="image")} == {"unknown"}


@pytest.mark.parametrize("text", ["<!DOCTYPE html><title>404</title>", "", "Not found", "\x00\x01"])
def test_a_page_at_the_path_is_no_statement(text: str) -> None:
    """Soft 404s state nothing."""
    assert parse_tdmrep(text.encode()) is None


def rsl(inner: str, head: str = "") -> bytes:
    """An RSL document."""
    return f'<?xml version="1.0"?>{head}<rsl xmlns="https://rslstandard.org/rsl">{inner}</rsl>'.encode()


@pytest.mark.parametrize(
    ("inner", "train_ai", "search"),
    [
        (
            '<content url="/"><license><permits type="usage">search</permits><prohibits type="usage">ai-train</prohibits></license></content>',
            "disallow",
            "allow",
        ),
        ('<content url="/"><license><permits type="usage">search</permits></license></content>', "disallow", "allow"),
        ('<content url="/"><license><permits type="usage">all</permits></license></content>', "allow", "allow"),
        (
            '<content url="/"><license><permits type="usage">ai-all search</permits><prohibits type="usage">ai-all</prohibits></license></content>',
            "disallow",
            "allow",
        ),
        (
            '<content url="/"><license><permits type="usage">ai-train</permits><payment type="training"/></license></content>',
            "conditional",
            "disallow",
        ),
        (
            '<content url="/"><license><permits type="usage">ai-train</permits><payment type="free"/></license></content>',
            "allow",
            "disallow",
        ),
        (
            '<content url="/"><license><permits type="usage">ai-train</permits><permits type="user">education</permits></license></content>',
            "conditional",
            "disallow",
        ),
        (
            '<content url="/text/"><license><prohibits type="usage">all</prohibits></license></content>',
            "unknown",
            "unknown",
        ),
        (
            '<content url="https://h.example/img/*"><license><prohibits type="usage">all</prohibits></license></content>',
            "disallow",
            "disallow",
        ),
        (
            '<content url="https://other.example/"><license><prohibits type="usage">all</prohibits></license></content>',
            "unknown",
            "unknown",
        ),
        (
            '<content url="/"><license><prohibits type="usage">train-ai,search</prohibits></license></content>',
            "disallow",
            "disallow",
        ),
        ('<content url="/"><license><payment type="purchase"/></license></content>', "conditional", "conditional"),
    ],
)
def test_rsl_terms(inner: str, train_ai: str, search: str) -> None:
    """Prohibits win over permits; what is not permitted is not; payment and user groups are conditions."""
    read = parse_rsl(rsl(inner))
    assert read is not None
    verdicts = combine(read.signals(URL, scope="image"))
    assert (verdicts.train_ai, verdicts.search) == (train_ai, search)


def test_rsl_with_entities_is_refused_and_flagged() -> None:
    """No document type is read: no entity is expanded, no file or address is opened, and the document is malformed."""
    bomb = '<!DOCTYPE rsl [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>'
    read = parse_rsl(rsl('<content url="/"><license><permits type="usage">&b;&c;</permits></license></content>', bomb))
    assert read is not None
    assert [signal.verdict for signal in read.signals(URL, scope="image")] == ["unknown"]
    assert parse_rsl(b"<html><rsl></html>") is None
    assert parse_rsl(b"<feed/>") is None


@pytest.mark.parametrize(
    ("value", "targets"),
    [
        ('<https://a.example/l.xml>; rel="license"; type="application/rsl+xml"', ["https://a.example/l.xml"]),
        ("</l.xml>;type=application/rsl+xml;rel=license", ["/l.xml"]),
        ('</n>; rel="next", </l.xml>; REL="license"; TYPE="application/rsl+xml", </m>; rel=prev', ["/l.xml"]),
        ('</l.xml>; rel="license"', []),
        ('</l.xml>; rel="license"; type="text/html"; title="rsl"', []),
        ('</l.xml>; rel="next"; type="application/rsl+xml"', []),
    ],
)
def test_rsl_pointers_in_link_headers(value: str, targets: list[str]) -> None:
    """Only a licence of RSL's media type is a pointer."""
    assert rsl_links(value) == targets


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("User-Agent: *\nDisallow: *.jpg\n", "disallow"),
        ("User-Agent: *\nDisallow: *.JPG\n", "disallow"),
        ("User-Agent: *\nDisallow: *.png\nAllow: *.jpg\n", "allow"),
        ("User-Agent: */\nDisallow: /\nDisallow: *\n", "disallow"),  # Spawning's plugin adds the slash
        ("# Spawning AI\nUser-Agent: *\nDisallow: /\nAllow: *.txt\n", "disallow"),
        ("User-Agent: GPTBot\nDisallow: /\n", "disallow"),
        ("User-Agent: SomeOtherBot\nDisallow: /\n", "conditional"),
        ("User-Agent: *\nAllow: *.txt\n", "unknown"),
        ("# AI usage policy of this site\nContact: ai@h.example\nTraining: ask\n", "unknown"),
        ("<html>\nUser-Agent: *\n</html>", "unknown"),
    ],
)
def test_ai_txt(text: str, expected: str) -> None:
    """Spawning's form, whatever the case of the extension and the query; other files of that name say nothing here."""
    read = parse_ai_txt(text.encode())
    assert combine(read.signals(URL, scope="image") if read else []).train_ai == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("member=https://j.example/\ndatatrainingallowed=no\n", "disallow"),
        ("DataTrainingAllowed = No # since 2024\n", "disallow"),
        ("datatrainingallowed=yes", "allow"),
        ("datatrainingallowed=perhaps", "unknown"),
        ("member=https://j.example/\n#datatrainingallowed=no", None),
        ("<html>datatrainingallowed</html>", None),
    ],
)
def test_trust_txt(text: str, expected: str | None) -> None:
    """One line says it; a value that is neither yes nor no is malformed."""
    read = parse_trust_txt(text.encode())
    assert [s.verdict for s in read.signals(scope="page")] == [expected] if read else expected is None
