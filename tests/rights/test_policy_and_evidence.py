"""The policy as a file, the switches in it, and rows of evidence."""

from pathlib import Path

import pytest

from linkwell.base.errors import FormatError
from linkwell.base.schema import USES, VERDICTS
from linkwell.base.workspace import Workspace
from linkwell.rights import (
    DEFAULT_POLICY,
    EVIDENCE_SCHEMA,
    KINDS,
    RSL_LINK,
    Signal,
    combine,
    embedded_signals,
    evidence_table,
    header_signals,
    load_policy,
    meta_signals,
    page_evidence,
    statement_words,
    verdict_words,
)
from linkwell.rights.policy import parse_policy

PAGE = "https://h.example/p"


def test_a_workspace_has_its_own_policy_or_the_default(workspace: Workspace) -> None:
    """`rights.toml` takes the default's place; the hash is of the file's bytes."""
    assert load_policy(workspace) is DEFAULT_POLICY
    path: Path = workspace.root / "rights.toml"
    path.write_text('name = "strict"\nmalformed = "disallow"\n[agents]\ntraining = ["MyBot"]\n')
    held = load_policy(workspace)
    assert held.name == "strict"
    assert held.training_agents == {"mybot"}
    assert held.sha256 != DEFAULT_POLICY.sha256
    path.write_text('name = "strict"\nmalformed = "maybe"\n[agents]\ntraining = []\n')
    with pytest.raises(FormatError, match="malformed"):
        load_policy(workspace)


@pytest.mark.parametrize(
    "text", [b"name=", b"\xff", b'name = "x"\n', b'name = "x"\nagent = 1\n[agents]\ntraining = []\n']
)
def test_a_policy_that_does_not_read_stops(text: bytes) -> None:
    """No silent fall-back to the default."""
    with pytest.raises(FormatError):
        parse_policy(text, "rights.toml")


def test_malformed_counts_as_a_reservation_where_the_policy_says_so() -> None:
    """The switch turns `unknown` that was stated into `disallow`, and leaves what was not stated alone."""
    strict = parse_policy(b'name = "s"\nmalformed = "disallow"\n[agents]\ntraining = []\n', "t")
    signals = header_signals([("tdm-reservation", "yes")], scope="image")
    assert combine(signals) == ("unknown", "unknown", "unknown")
    assert combine(signals, strict) == ("disallow", "disallow", "unknown")
    assert combine([], strict) == ("unknown", "unknown", "unknown")


def test_a_page_or_host_does_not_override_an_image() -> None:
    """Any disallow wins: what a page allows does not lift what the image reserves, nor the other way round."""
    page = Signal("robots-meta", "page", "search", "allow", "all")
    image = Signal("x-robots-tag", "image", "search", "disallow", "noindex")
    assert combine([page, image]).search == "disallow"
    assert combine([image, page]).search == "disallow"


def test_evidence_rows_hold_the_statement_its_place_and_its_reader() -> None:
    """One row for each statement and use; raw bytes up to 4 KiB; a licence that another one contradicts says so."""
    rows = page_evidence(
        PAGE,
        [("X-Robots-Tag", "noai, noindex" + " " * 9_000), ("tdm-reservation", "oui"), ("Date", "today")],
        [("robots", "noimageai"), (RSL_LINK, "/l.xml")],
        licences=[("page", "rel=license", "https://a.example/1"), ("image", "json-ld", "https://a.example/2")],
        seen_at=1_716_000_000,
        warc="w.warc.gz",
        offset=17,
    )
    table = evidence_table(rows)
    assert table.schema == EVIDENCE_SCHEMA
    told = table.to_pylist()
    assert [(r["kind"], r["use"], r["verdict"], r["malformed"]) for r in told] == [
        ("x-robots-tag", "train_ai", "disallow", False),
        ("x-robots-tag", "search", "disallow", False),
        ("tdm-reservation-header", "tdm", "unknown", True),
        ("tdm-reservation-header", "train_ai", "unknown", True),
        ("robots-meta", "train_ai", "disallow", False),
        ("rsl-pointer", "train_ai", "conditional", False),
        ("license", "license", "disagreeing", False),
        ("license", "license", "disagreeing", False),
    ]
    assert all(len(r["raw"]) <= 4_096 for r in told)
    assert told[0]["raw"].startswith(b"X-Robots-Tag: noai")
    assert {(r["source_url"], r["warc"], r["offset"]) for r in told} == {(PAGE, "w.warc.gz", 17)}
    assert told[0]["parser"].startswith("linkwell.rights/")
    assert evidence_table([]).num_rows == 0


def test_every_kind_and_verdict_has_words() -> None:
    """Nothing is told to people by its internal name."""
    for kind in KINDS:
        for verdict in VERDICTS:
            assert kind not in statement_words(kind, "train_ai", verdict) or "." in kind
    assert all(verdict_words(use, verdict).endswith(".") for use in USES for verdict in VERDICTS)
    told = header_signals([("tdm-reservation", "1"), ("Content-Signal", "ai-train=no")], scope="page")
    assert {
        signal.kind for signal in [*told, *meta_signals([("robots", "noai")]), *embedded_signals(b"")]
    } <= KINDS.keys()


def test_the_policy_says_whose_crawler_counts_in_headers() -> None:
    """A directive for a crawler of the policy decides; for any other it is a condition."""
    mine = parse_policy(b'name = "m"\n[agents]\ntraining = ["MyBot"]\n', "t")
    header = [("X-Robots-Tag", "mybot: noai")]
    assert [row.verdict for row in page_evidence(PAGE, header, policy=mine)] == ["disallow"]
    assert [row.verdict for row in page_evidence(PAGE, header)] == ["conditional"]
