"""From intake to decision."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from linkwell.base.errors import MissingError, TwoPersonError, UsageError
from linkwell.base.ids import link_id
from linkwell.base.workspace import Workspace
from linkwell.cases import KINDS, REPORTABLE, CaseBook, Takedown, two_people
from linkwell.lists import Finding

URL = "https://a.example/photo.jpg"


def test_one_case_for_each_list_and_class(book: CaseBook, findings: list[Finding]) -> None:
    """Findings open one case for each list and class; an exact one is `illegal`, a look-alike is `perceptual`."""
    other = Finding(findings[0].link_id, "exact", "other", "sha1")
    numbers = book.open_from_findings([*findings, other])
    shown = [(case.kind, case.source, case.entry_count, case.state, case.covered) for case in book.cases()]
    assert numbers == [1, 2, 3]
    assert sorted(shown) == [
        ("illegal", "other", 1, "open", True),
        ("illegal", "synthetic", 3, "open", True),
        ("perceptual", "synthetic", 1, "open", True),
    ]


def test_findings_are_quarantined_at_once(book: CaseBook, findings: list[Finding]) -> None:
    """Every found link is in quarantine as soon as its case is there, a look-alike too."""
    book.open_from_findings(findings)
    assert book.quarantined() == {finding.link_id for finding in findings}


def test_a_finding_is_asked_about_once(book: CaseBook, findings: list[Finding]) -> None:
    """A link that is in a case for the same list and class is not added again, not even after a rejection."""
    first = book.open_from_findings(findings)
    book.propose(first[0], "reject", "ada")
    book.approve(first[0], "grace")
    assert book.open_from_findings([*findings, *findings]) == []
    more = Finding(b"n" * 16, "exact", "synthetic", "sha256")
    assert book.open_from_findings([*findings, more, more]) == [3]
    assert book.case(3).entry_count == 1


def test_no_findings_no_case(book: CaseBook) -> None:
    """Without findings nothing is opened and nothing logged."""
    assert book.open_from_findings([]) == []
    assert book.verify_log().entries == 0


@pytest.mark.parametrize("kind", REPORTABLE)
def test_a_report_has_the_clock_of_its_kind(workspace: Workspace, kind: str) -> None:
    """A decision is due after the documented hours, and overdue one second later."""
    now = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
    book = CaseBook.open(workspace, clock=lambda: now)
    case = book.case(book.report([URL], kind=kind, who=None))
    assert case.opened_at == now
    assert case.due_at == now + timedelta(hours=KINDS[kind].hours)
    assert not case.overdue(case.due_at)
    assert case.overdue(case.due_at + timedelta(seconds=1))
    assert case.covered == KINDS[kind].covered


def test_a_takedown_needs_proposal_and_approval(book: CaseBook) -> None:
    """Open → proposed → upheld; only then is there a takedown, with the public reason of its kind."""
    number = book.report([URL], kind="opt-out", who="desk")
    assert book.case(number).state == "open"
    book.propose(number, "takedown", "ada")
    assert (book.case(number).state, book.takedowns()) == ("proposed", [])
    book.approve(number, "grace")
    case = book.case(number)
    assert (case.state, case.proposed_by, case.approved_by) == ("upheld", "ada", "grace")
    assert book.takedowns() == [Takedown(number, link_id(URL), "opt-out", covered=False, reason="opt-out")]
    assert book.quarantined() == {link_id(URL)}


def test_a_covered_takedown_has_no_reason(book: CaseBook) -> None:
    """A person may ask for a covered opt-out: its takedown names no reason."""
    number = book.report([URL], kind="opt-out", who=None, covered=True)
    book.propose(number, "takedown", "ada")
    book.approve(number, "grace")
    assert [(t.covered, t.reason) for t in book.takedowns()] == [(True, "")]


@pytest.mark.parametrize("kind", ["illegal", "intimate"])
def test_illegal_is_always_covered(book: CaseBook, kind: str) -> None:
    """Nobody can make the takedown of something illegal an exact, open one."""
    with pytest.raises(UsageError):
        book.report([URL], kind=kind, who=None, covered=False)


def test_rejection_ends_quarantine(book: CaseBook) -> None:
    """A rejected case's entries are served again, unless another case holds them."""
    first = book.report([URL], kind="privacy", who=None)
    second = book.report([URL, "https://a.example/other.jpg"], kind="privacy", who=None)
    book.propose(second, "reject", "ada")
    book.approve(second, "grace")
    assert book.quarantined() == {link_id(URL)}
    book.propose(first, "reject", "ada")
    book.approve(first, "grace")
    assert book.quarantined() == set()


def test_a_held_case_can_be_proposed_for_again(book: CaseBook) -> None:
    """Held keeps the quarantine, takes nothing down, has no clock, and is not final."""
    number = book.report([URL], kind="illegal", who=None)
    book.propose(number, "hold", "ada")
    book.approve(number, "grace")
    held = book.case(number)
    assert held.state == "held"
    assert not held.overdue(held.due_at + timedelta(days=900))
    assert (book.quarantined(), book.takedowns()) == ({link_id(URL)}, [])
    book.propose(number, "takedown", "grace")
    book.approve(number, "ada")
    assert book.case(number).state == "upheld"


@pytest.mark.parametrize("decision", ["takedown", "reject"])
def test_a_decided_case_stays_decided(book: CaseBook, decision: str) -> None:
    """Nothing can be proposed or approved for an upheld or rejected case."""
    number = book.report([URL], kind="illegal", who=None)
    book.propose(number, decision, "ada")
    book.approve(number, "grace")
    with pytest.raises(UsageError, match="final"):
        book.propose(number, "hold", "ada", replace=True)
    with pytest.raises(UsageError, match="nothing is proposed"):
        book.approve(number, "linus")


def test_approving_without_a_proposal(book: CaseBook) -> None:
    """An approval of nothing is an error that says so."""
    number = book.report([URL], kind="illegal", who=None)
    with pytest.raises(UsageError, match="nothing is proposed"):
        book.approve(number, "grace")


def test_a_second_proposal_must_be_explicit(book: CaseBook) -> None:
    """A proposal over an open one is refused, unless it is said to replace it; the old one then cannot be approved."""
    number = book.report([URL], kind="illegal", who=None)
    book.propose(number, "takedown", "ada")
    with pytest.raises(UsageError, match="already"):
        book.propose(number, "reject", "grace")
    assert book.case(number).decision == "takedown"
    book.propose(number, "reject", "grace", replace=True)
    with pytest.raises(TwoPersonError):
        book.approve(number, "grace")
    book.approve(number, "ada")
    assert book.case(number).state == "rejected"


@pytest.mark.parametrize("call", ["case", "propose", "approve", "entries"])
def test_a_case_that_is_not_there(book: CaseBook, call: str) -> None:
    """Asking for a case that is not there says so and writes nothing."""
    calls: dict[str, Callable[[], object]] = {
        "case": lambda: book.case(7),
        "propose": lambda: book.propose(7, "hold", "ada"),
        "approve": lambda: book.approve(7, "ada"),
        "entries": lambda: book.entries(7, "ada", "ben"),
    }
    with pytest.raises(MissingError, match="no case 7"):
        calls[call]()
    assert book.verify_log().entries == 0


@pytest.mark.parametrize("name", ["", "   ", "\u200b", "a" * 101, "ada\x1b[2J", "ada\u202egrace"])
def test_names_that_are_none(book: CaseBook, name: str) -> None:
    """An empty, invisible, endless or unprintable name is refused wherever one is needed."""
    number = book.report([URL], kind="illegal", who=None)
    with pytest.raises(UsageError):
        book.propose(number, "takedown", name)
    with pytest.raises(UsageError):
        book.log("release made", name, None, {})


@pytest.mark.parametrize("urls", [[], ["not a url"], [URL, "ftp://a.example/x.jpg"]])
def test_a_report_without_usable_urls(book: CaseBook, urls: list[str]) -> None:
    """A report of nothing, or of something that is no web address, is refused without repeating it, and opens no case."""
    with pytest.raises(UsageError) as raised:
        book.report(urls, kind="illegal", who=None)
    assert not any(url in str(raised.value) for url in urls)
    assert book.cases() == []


def test_a_url_reported_twice_counts_once(book: CaseBook) -> None:
    """One URL given twice, with white space around it, is one entry."""
    number = book.report([URL, f"  {URL}\n"], kind="dead", who=None)
    assert book.case(number).entry_count == 1


def test_looking_at_entries_is_logged_first(book: CaseBook) -> None:
    """The link ids of a case come out only with an entry in the log that says who looked."""
    number = book.report([URL], kind="illegal", who=None)
    before = book.verify_log().entries
    assert book.entries(number, "ada", "ben") == [link_id(URL)]
    assert book.verify_log().entries == before + 1


def test_a_large_set_of_findings(book: CaseBook) -> None:
    """More findings than one statement takes go into one case, each once."""
    many = [Finding(n.to_bytes(16, "big"), "url", "synthetic", "url") for n in range(1_700)]
    assert book.open_from_findings(iter(many)) == [1]
    assert book.case(1).entry_count == 1_700


def test_who_is_missing_is_said() -> None:
    """Of two people the one whose name is empty is asked for, by the option that names them."""
    with pytest.raises(UsageError, match="--second"):
        two_people("ada", "", "a list")
    with pytest.raises(UsageError, match="--as"):
        two_people("", "ben", "a list")
