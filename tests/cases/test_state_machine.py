"""Whatever is done with cases, in whatever order: one person decides nothing, and the log holds."""

import shutil
import sqlite3
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from linkwell.base.errors import MissingError, TwoPersonError, UsageError
from linkwell.base.ids import link_id
from linkwell.base.workspace import Workspace
from linkwell.cases import DECISIONS, REPORTABLE, CaseBook
from linkwell.lists import Finding

PEOPLE = st.sampled_from(["ada", " Ada", "A D A", "ADA\u00a0", "grace", "Grace ", "linus"])
URLS = [f"https://{host}.example/{n}.jpg" for host in ("a", "b") for n in range(3)]
FINDINGS = st.builds(
    Finding,
    st.sampled_from([link_id(url) for url in URLS]),
    st.sampled_from(["exact", "perceptual", "url"]),
    st.sampled_from(["one", "two"]),
    st.just("md5"),
)


class Cases(RuleBasedStateMachine):
    """A plain model beside the real book: state, entries and open proposer of every case."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="linkwell-cases-"))
        self.states: list[str] = []
        self.entries: list[set[bytes]] = []
        self.proposals: dict[int, tuple[str, str]] = {}
        self.seen: set[Finding] = set()
        self.notes = 0

    @initialize()
    def make(self) -> None:
        """An empty workspace."""
        self.workspace = Workspace.create(self.folder / "workspace", "birds")
        self.book = CaseBook.open(self.workspace)

    @rule()
    def open_again(self) -> None:
        """Another process takes over."""
        self.book = CaseBook.open(self.workspace)

    @rule(urls=st.lists(st.sampled_from(URLS), min_size=1, max_size=3), kind=st.sampled_from(REPORTABLE))
    def report(self, urls: list[str], kind: str) -> None:
        """A report opens a case, always."""
        assert self.book.report(urls, kind=kind, who=None) == len(self.states) + 1
        self.states.append("open")
        self.entries.append({link_id(url) for url in urls})

    @rule(found=st.lists(FINDINGS, max_size=4))
    def find(self, found: list[Finding]) -> None:
        """Findings open one case for each list and class that has new ones."""
        new = {finding for finding in found if finding not in self.seen}
        self.seen |= new
        groups: dict[tuple[str, str], set[bytes]] = {}
        for finding in found:
            if finding in new:
                groups.setdefault((finding.source, finding.finding_class), set()).add(finding.link_id)
        numbers = self.book.open_from_findings(found)
        assert numbers == list(range(len(self.states) + 1, len(self.states) + 1 + len(groups)))
        self.states += ["open"] * len(groups)
        opened = [self.book.case(number) for number in numbers]
        for case in opened:
            finding_class = "perceptual" if case.kind == "perceptual" else None
            candidates = [
                ids
                for (source, name), ids in groups.items()
                if source == case.source and (name == "perceptual") == (finding_class == "perceptual")
            ]
            ids = set(self.book.entries(case.number, "model", "other"))
            self.notes += 1
            assert ids in candidates
            self.entries.append(ids)

    @precondition(lambda self: self.states)
    @rule(data=st.data(), decision=st.sampled_from(sorted(DECISIONS)), who=PEOPLE, replace=st.booleans())
    def propose(self, data: st.DataObject, decision: str, who: str, replace: bool) -> None:  # noqa: FBT001 - drawn
        """A proposal is taken for an undecided case, over an open one only when that is said."""
        number = data.draw(st.integers(1, len(self.states)))
        state = self.states[number - 1]
        try:
            self.book.propose(number, decision, who, replace=replace)
        except UsageError:
            assert state in ("upheld", "rejected") or (state == "proposed" and not replace)
        else:
            assert state in ("open", "held") or (state == "proposed" and replace)
            self.states[number - 1] = "proposed"
            self.proposals[number] = (decision, _same(who))

    @precondition(lambda self: self.states)
    @rule(data=st.data(), who=PEOPLE)
    def approve(self, data: st.DataObject, who: str) -> None:
        """An approval decides only what another person proposed."""
        number = data.draw(st.integers(1, len(self.states) + 1))
        proposal = self.proposals.get(number)
        try:
            self.book.approve(number, who)
        except MissingError:
            assert number > len(self.states)
        except TwoPersonError:
            assert proposal is not None
            assert proposal[1] == _same(who)
        except UsageError:
            assert proposal is None
        else:
            assert proposal is not None
            assert proposal[1] != _same(who)
            self.states[number - 1] = DECISIONS[proposal[0]]
            del self.proposals[number]

    @precondition(lambda self: self.states)
    @rule(data=st.data(), url=st.sampled_from(URLS))
    def resolve(self, data: st.DataObject, url: str) -> None:
        """A reported URL turns out to mean a link."""
        number = data.draw(st.integers(1, len(self.states)))
        entries = self.entries[number - 1]
        assert self.book.add_resolved([(number, link_id(url))] * 2) == (link_id(url) not in entries)
        entries.add(link_id(url))

    @invariant()
    def the_book_is_as_the_model(self) -> None:
        """States, quarantine and takedowns follow from what was done."""
        if not hasattr(self, "book"):
            return
        assert [case.state for case in self.book.cases()] == self.states
        pairs = list(zip(self.states, self.entries, strict=True))
        assert self.book.quarantined() == {i for state, ids in pairs if state != "rejected" for i in ids}
        upheld = {(n, i) for n, (state, ids) in enumerate(pairs, 1) if state == "upheld" for i in ids}
        assert {(t.case, t.link_id) for t in self.book.takedowns()} == upheld

    @invariant()
    def two_people_stand_behind_every_decision(self) -> None:
        """Read from the file itself: each decided case has a proposer and another approver."""
        if not hasattr(self, "book"):
            return
        connection = sqlite3.connect(self.workspace.cases)
        rows = connection.execute(
            "SELECT c.number, d.proposer, d.approver FROM cases c LEFT JOIN decisions d"
            " ON d.case_number = c.number AND d.approver IS NOT NULL WHERE c.state IN ('upheld', 'rejected')"
        ).fetchall()
        connection.close()
        decided = {number for number, state in enumerate(self.states, 1) if state in ("upheld", "rejected")}
        assert {number for number, _, _ in rows} == decided
        assert all(approver and _same(proposer) != _same(approver) for _, proposer, approver in rows)

    @invariant()
    def the_log_holds(self) -> None:
        """And tells of every case."""
        if hasattr(self, "book"):
            assert self.book.verify_log().cases == len(self.states)

    def teardown(self) -> None:
        """Leave nothing."""
        shutil.rmtree(self.folder)


def _same(who: str) -> str:
    return "".join(who.split()).lower()


TestCases = Cases.TestCase
TestCases.settings = settings(
    max_examples=15, stateful_step_count=16, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
