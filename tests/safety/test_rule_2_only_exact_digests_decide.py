"""Ground rule 2: only exact digests decide; fuzzy matches ask. And no match, of whatever kind, takes anything down by itself."""

import socket
from dataclasses import replace

import pytest
from tests.audit.conftest import World, digests_of, url_of, world

from linkwell.audit import audit
from linkwell.base.ids import link_id
from linkwell.cases import CaseBook
from linkwell.engine import Engine
from linkwell.lists import read_findings

__all__ = ["world"]


@pytest.fixture
def book(world: World, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> CaseBook:
    """A book after an audit that found an exact match, a look-alike and a listed URL, with every network call refused."""

    def refuse(*_args: object) -> None:
        pytest.fail("something was sent")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    alike = digests_of("alike")
    assert alike.pdq is not None
    flipped = (int.from_bytes(alike.pdq, "big") ^ 1).to_bytes(32, "big")
    shards = world.shards(["exact", "alike", "url", "good"])
    world.fetched(("exact", digests_of("exact")), ("alike", replace(alike, pdq=flipped)), ("good", digests_of("good")))
    world.listed([f"md5 {digests_of('exact').md5.hex()}", f"pdq {alike.pdq.hex()}", f"url {url_of('url')}"])
    audit(world.workspace, links=shards, label="test", engine=engine)
    book = CaseBook.open(world.workspace)
    book.open_from_findings(read_findings(world.workspace))
    return book


def test_every_match_is_quarantined_and_none_is_taken_down(book: CaseBook) -> None:
    """Exact, look-alike and URL matches are served nowhere from now on; no takedown follows from any of them."""
    assert book.quarantined() == {link_id(url_of(name)) for name in ("exact", "alike", "url")}
    assert {case.state for case in book.cases()} == {"open"}
    assert book.takedowns() == []


def test_a_look_alike_asks(book: CaseBook) -> None:
    """A look-alike is in a case of its own, whose kind says that it is one."""
    kinds = {case.kind: case.entry_count for case in book.cases() if case.kind == "perceptual"}
    assert kinds == {"perceptual": 1}


def test_rejecting_a_look_alike_sets_it_free(book: CaseBook) -> None:
    """Quarantine pending review is reversible: two people reject, and the link is served again; it is not found anew."""
    (number,) = [case.number for case in book.cases() if case.kind == "perceptual"]
    book.propose(number, "reject", "ada")
    book.approve(number, "grace")
    assert link_id(url_of("alike")) not in book.quarantined()


def test_another_audit_does_not_decide_either(book: CaseBook, world: World) -> None:
    """Finding the same again, as often as it may be, changes no case."""
    before = book.cases()
    for _ in range(3):
        assert book.open_from_findings(read_findings(world.workspace)) == []
    assert book.cases() == before


def test_a_finding_decides_nothing_even_when_a_proposal_waits(book: CaseBook) -> None:
    """One person's proposal and any number of matches are still one person."""
    for case in book.cases():
        book.propose(case.number, "takedown", "ada")
    assert book.takedowns() == []
    assert {case.state for case in book.cases()} == {"proposed"}
