"""Files at well-known places, form by form, from the specifications: TDMRep, RSL, ai.txt, trust.txt."""

import json

import pytest

from linkwell.rights import Capture, HostFiles, combine

NO, YES, IF, NOTHING = "disallow", "allow", "conditional", "unknown"
URL = "https://h.example/img/heron.jpg?size=2"


def verdicts(kind: str, body: bytes, url: str = URL) -> tuple[str, str, str]:
    """What one file of the host comes to for a URL."""
    files = HostFiles([Capture("https://h.example/f", kind, 200, None, body)])
    return combine([signal for _, signal in files.statements(url, scope="image")])


TDMREP = [
    # entries as (location, tdm-reservation), train_ai, tdm
    ([("/", 1)], NO, NO),
    ([("/*", 1)], NO, NO),
    ([("*", 1)], NO, NO),
    ([("/img/", 1)], NO, NO),
    ([("/img", 1)], NO, NO),
    ([("img/", 1)], NO, NO),
    ([("/img/$", 1)], NOTHING, NOTHING),
    ([("/img/*.jpg", 1)], NO, NO),
    ([("/img/*.jpg$", 1)], NOTHING, NOTHING),  # the query is part of the path
    ([("/*.png", 1)], NOTHING, NOTHING),
    ([("/IMG/", 1)], NOTHING, NOTHING),
    ([("/%69mg/", 1)], NO, NO),
    ([("/img/", 0), ("/", 1)], NOTHING, YES),  # the first that matches, not the longest
    ([("/", 1), ("/img/", 0)], NO, NO),
    ([("/text/", 0), ("/", 1)], NO, NO),
    ([("/*.png", 0), ("/*.jpg", 1), ("/", 0)], NO, NO),
    ([("/", 0), ("/*", 1)], NOTHING, YES),
    ([("/img/heron.jpg?size=2$", 0), ("/*", 1)], NOTHING, YES),
    ([("https://h.example/img/", 1)], NO, NO),
    ([("https://cdn.example/", 0), ("/", 1)], NO, NO),  # another host's
    ([("http://H.EXAMPLE/", 0), ("/", 1)], NOTHING, YES),
    ([("/", "1")], NO, NO),
    ([("/", 1.0)], NO, NO),
    ([("/", 2)], NOTHING, NOTHING),
    ([("/", -1)], NOTHING, NOTHING),
    ([("/", "yes")], NOTHING, NOTHING),
    ([("/", 2), ("/", 1)], NOTHING, NOTHING),  # an error in the first that matches: nothing is set
    ([(["/text/", "/img/"], 1)], NO, NO),
    ([(None, 1)], NO, NO),
]


@pytest.mark.parametrize(("entries", "train_ai", "tdm"), TDMREP)
def test_tdmrep_file(entries: list[tuple[object, object]], train_ai: str, tdm: str) -> None:
    """TDMRep, 7: an array, patterns of robots.txt, the first that matches."""
    listed = [{"location": location, "tdm-reservation": stated} for location, stated in entries]
    for body in (json.dumps(listed), "\ufeff" + json.dumps(listed, indent=2), json.dumps({"@graph": listed})):
        assert verdicts("tdmrep.json", body.encode()) == (train_ai, tdm, NOTHING)


@pytest.mark.parametrize(
    ("body", "flagged"),
    [
        ("[]", False),
        ("{}", False),
        ("", False),
        ("User-agent: *", False),
        ("<html>", False),
        ('[{"location": "/"}]', True),
        ('[{"location": "/", "tdm-reservation": 1},]', True),
        ('{"location": "/", "reservation": 1}', True),
        ("[1, 2]", True),
        ("{tdm-reservation: 1}", True),
    ],
)
def test_tdmrep_file_without_a_rule(body: str, *, flagged: bool) -> None:
    """What was meant to say something is flagged, what says nothing is not."""
    files = HostFiles([Capture("https://h.example/f", "tdmrep.json", 200, None, body.encode())])
    stated = [signal.verdict for _, signal in files.statements(URL, scope="image")]
    assert stated == ([NOTHING, NOTHING] if flagged else [])


def rsl(content: str, url: str = "/", attributes: str = "") -> str:
    """An RSL document with one content."""
    return f'<rsl xmlns="https://rslstandard.org/rsl"><content url="{url}" {attributes}>{content}</content></rsl>'


def licence(*parts: str) -> str:
    """A licence of these parts: `+usage words`, `-usage words`, `$payment`."""
    names = {"+": "permits", "-": "prohibits"}
    inner = ""
    for part in parts:
        kind, _, words = part[1:].partition(" ")
        inner += (
            f'<payment type="{kind}"/>'
            if part[0] == "$"
            else f'<{names[part[0]]} type="{kind}">{words}</{names[part[0]]}>'
        )
    return f"<license>{inner}</license>"


RSL = [
    # document, train_ai, search
    (rsl(licence("+usage all")), YES, YES),
    (rsl(licence("+usage ai-all")), YES, NO),
    (rsl(licence("+usage ai-train search")), YES, YES),
    (rsl(licence("+usage ai-train,search")), YES, YES),
    (rsl(licence("+usage ai-input ai-index search")), NO, YES),
    (rsl(licence("-usage ai-train")), NO, IF),
    (rsl(licence("-usage ai-all")), NO, IF),
    (rsl(licence("-usage all")), NO, NO),
    (rsl(licence("+usage all", "-usage ai-train")), NO, YES),
    (rsl(licence("-usage train-ai")), NO, IF),  # as before 1.0
    (rsl(licence("+usage all", "$free")), YES, YES),
    (rsl(licence("+usage all", "$attribution")), IF, IF),
    (rsl(licence("+usage all", "$crawl")), IF, IF),
    (rsl(licence("+usage all", "$contribution")), IF, IF),
    (rsl(licence("+usage all", "+user non-commercial education")), IF, IF),
    (rsl(licence("+usage all", "-geo CN")), IF, IF),
    (rsl("<license><permits type='usage'>all</permits><payment/></license>"), YES, YES),  # a payment is free unless it says
    (rsl("<license><permits type='usage'>all</permits><payment><standard>https://c.example/l</standard></payment></license>"), IF, IF),
    (rsl(licence("+usage ai-all", "$crawl") + licence("+usage search", "$free")), IF, YES),  # two offers
    (rsl(licence("+usage all", "$free"), attributes='server="https://l.example/"'), IF, IF),  # must be asked all the same
    (rsl(licence("+usage ALL")), YES, YES),
    (rsl("<license><permits>all</permits></license>"), YES, YES),  # usage where no type is named
    (rsl("<license/>"), IF, IF),
    (rsl(""), NOTHING, NOTHING),
    (rsl(licence("-usage all"), "/img/"), NO, NO),
    (rsl(licence("-usage all"), "/*.jpg"), NO, NO),
    (rsl(licence("-usage all"), "/*.jpg$"), NOTHING, NOTHING),
    (rsl(licence("-usage all"), "https://h.example/"), NO, NO),
    (rsl(licence("-usage all"), "https://h.example"), NO, NO),
    (rsl(licence("-usage all"), "https://www.h.example/"), NOTHING, NOTHING),
    (rsl(licence("-usage all"), "http://["), NOTHING, NOTHING),
    ('<r:rsl xmlns:r="https://rslstandard.org/rsl"><r:content url="/"><r:license><r:prohibits type="usage">ai-train</r:prohibits></r:license></r:content></r:rsl>', NO, IF),
    ('<?xml version="1.0" encoding="UTF-16"?>' + rsl(licence("-usage all")), NO, NO),
]  # fmt: skip


@pytest.mark.parametrize(("document", "train_ai", "search"), RSL)
def test_rsl(document: str, train_ai: str, search: str) -> None:
    """RSL 1.0, 3: content, permits, prohibits, payment; tokens of before 1.0 too."""
    body = document.encode("utf-16" if "UTF-16" in document else "utf-8")
    found = verdicts("rsl", body)
    assert (found[0], found[2]) == (train_ai, search)


AI_TXT = [
    ("User-Agent: *\nDisallow: /\nDisallow: *\n", NO),
    ("User-Agent: *\nAllow: /\nDisallow: *.jpg\n", NO),
    ("User-Agent: *\nDisallow: /\nAllow: *.jpg\n", YES),
    ("User-Agent: *\nDisallow: *.jpeg\nAllow: *.jpg\n", YES),
    ("User-Agent: *\nDisallow: *.JPG$\n", NO),
    ("User-Agent: *\nDisallow: /img/*\n", NO),
    ("User-Agent: */\nDisallow: *.jpg\n", NO),
    ("user-agent:*\r\ndisallow:*.jpg\r\n", NO),
    ("User-Agent: Spawning\nDisallow: *.jpg\n", NO),
    ("User-Agent: OtherBot\nDisallow: *.jpg\n", IF),
    ("Disallow: *.jpg\n", NOTHING),
    ("User-Agent: *\nDisallow: *.png\n", NOTHING),
    ("User-Agent: *\n", NOTHING),
    ("AI-Policy: https://h.example/ai\n", NOTHING),
]


@pytest.mark.parametrize(("text", "expected"), AI_TXT)
def test_ai_txt(text: str, expected: str) -> None:
    """Spawning's form: patterns of robots.txt, and extensions in any case, whatever the query."""
    assert verdicts("ai.txt", text.encode()) == (expected, expected, NOTHING)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("datatrainingallowed=no", NO),
        ("datatrainingallowed=yes", YES),
        ("# c\r\nmember=https://j.example\r\n DataTrainingAllowed = NO # c\r\n", NO),
        ("datatrainingallowed=no\ndatatrainingallowed=yes", NO),
        ("\ufeffdatatrainingallowed=no", NO),
        ("datatrainingallowed=", NOTHING),
        ("#datatrainingallowed=no", NOTHING),
        ("xdatatrainingallowed=no", NOTHING),
    ],
)
def test_trust_txt(text: str, expected: str) -> None:
    """JournalList's line about training."""
    assert verdicts("trust.txt", text.encode()) == (expected, NOTHING, NOTHING)
