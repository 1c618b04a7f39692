"""The case book: findings and reports in, decisions out, everything in the log.

Every change is one transaction that holds the change and its log entry; a kill leaves both or neither. Entries of every case
that is not rejected are quarantined, from the moment the case is there.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import TypeVar

from sqlalchemy import Connection, insert, update

from linkwell.base.errors import SafetyError, TwoPersonError, UsageError
from linkwell.base.ids import canonical_id, link_id
from linkwell.base.workspace import Workspace
from linkwell.cases import queries, replay
from linkwell.cases.chain import START_HASH, entries_code
from linkwell.cases.kinds import DECISIONS, KINDS, REPORTABLE, check_person, person_key, two_people
from linkwell.cases.store import Store, log_end, time_text
from linkwell.cases.tables import cases, decisions, entries, resolved
from linkwell.cases.values import Case, LogReport, Takedown
from linkwell.cases.verify import verify
from linkwell.lists import PRIVACY, PROPOSED, Finding, lists_generation

ANONYMOUS = "anonymous"
"""Who stands in the log for a report that nobody signed."""

MACHINE = "linkwell"
"""Who stands in the log for what the program does by itself."""

REPORT_SOURCE = "report"

_MAX_DETAIL_CHARACTERS = 1_000
_MAX_ACTION_CHARACTERS = 64
_BATCH_ROWS = 500


T = TypeVar("T")


def utc_now() -> datetime:
    """The time, UTC."""
    return datetime.now(UTC)


class CaseBook:
    """The cases of one workspace; open it with `CaseBook.open`. It holds no file or lock between calls."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @classmethod
    def open(cls, workspace: Workspace, *, clock: Callable[[], datetime] | None = None) -> "CaseBook":
        """Open the case book of a workspace; the first time, make it.

        Args:
            workspace: whose.
            clock: what tells the time, for tests.

        Raises:
            DamagedFileError: the file is damaged, or it is gone while the log's head says that it was there.
            SignatureError: the log's head was changed, or the log does not end where it says.
            MissingKeyError: the workspace's master key is not there.
            StorageError: it cannot be written.
            BusyError: another process is at work on it for long.
        """
        return cls(Store(workspace, clock or utc_now))

    # Intake

    def open_from_findings(self, findings: Iterable[Finding], *, privacy: bool = False) -> list[int]:
        """Open one case for each hash list and class of finding; their entries are quarantined at once.

        Personal data in texts becomes a case only where `privacy` says so: there is much of it, and each link takes its cell along.

        A link that is already in a case for the same list and class, whatever its state, is not added again: what was
        rejected once is not asked about twice.

        Returns:
            The numbers of the new cases.
        """
        opened: dict[tuple[str, str], int] = {}
        found: dict[tuple[str, str], list[bytes]] = defaultdict(list)
        with self._store.writing() as (connection, write_log):
            for batch in _batches(one for one in findings if privacy or one.finding_class != PRIVACY):
                grouped: dict[tuple[str, str], dict[bytes, str]] = defaultdict(dict)
                for finding in batch:
                    group = grouped[finding.source, finding.finding_class]
                    group.setdefault(finding.link_id, finding.algorithm)
                for (source, finding_class), links in grouped.items():
                    known = queries.known_findings(connection, source, finding_class, links)
                    new = {link: algorithm for link, algorithm in links.items() if link not in known}
                    if not new:
                        continue
                    key = (source, finding_class)
                    if key not in opened:
                        kind = _finding_kind(finding_class)
                        opened[key] = self._open_case(connection, kind, source, covered=KINDS[kind].covered)
                    rows = [
                        {
                            "case_number": opened[key],
                            "link_id": link,
                            "source": source,
                            "finding_class": finding_class,
                            "algorithm": algorithm,
                        }
                        for link, algorithm in new.items()
                    ]
                    connection.execute(insert(entries), rows)
                    found[key] += new
            for key, number in opened.items():
                kind = _finding_kind(key[1])
                code = entries_code(self._store.master_key(), ((link, None) for link in sorted(found[key])))
                detail = replay.opened_detail(kind, key[0], len(found[key]), covered=KINDS[kind].covered, code=code)
                write_log(replay.OPENED, MACHINE, number, {**detail, "class": key[1]})
        return list(opened.values())

    def report(self, urls: Sequence[str], *, kind: str, who: str | None, covered: bool | None = None) -> int:
        """Take in a report about URLs, and open a case for it.

        Nothing is fetched or looked up: every URL is stored as its two ids, whether any dataset has it or not, so that the
        answer, its time and what is stored say nothing about it. `resolve_reports` finds the links that are meant.

        Args:
            urls: what is reported, http or https.
            kind: one of `REPORTABLE`.
            who: who on the staff took it in, or None. Not the name of who reported: the log keeps what it is given for ever.
            covered: whether a takedown leaves with whole cells and no reason; by default as the kind says.

        Returns:
            The case's number.

        Raises:
            UsageError: no URL, one that is not http or https, or an unknown kind. No message repeats a URL.
        """
        if kind not in REPORTABLE:
            raise UsageError(f"{kind!r} is no kind of report", "--kind", f"Use one of: {', '.join(REPORTABLE)}.")
        ids = _reported_ids(urls)
        taken_by = ANONYMOUS if who is None else check_person(who)
        covers = KINDS[kind].covered if covered is None else covered
        if kind in ("illegal", "intimate") and not covers:
            raise UsageError(f"a takedown of the kind {kind!r} is always covered", "--exact", "Leave the option out.")
        with self._store.writing() as (connection, write_log):
            number = self._open_case(connection, kind, REPORT_SOURCE, covered=covers)
            for batch in _batches(ids.items()):
                rows = [{"case_number": number, "link_id": link, "canonical_id": key} for link, key in batch]
                connection.execute(insert(entries), rows)
            code = entries_code(self._store.master_key(), sorted(ids.items()))
            detail = replay.opened_detail(kind, REPORT_SOURCE, len(ids), covered=covers, code=code)
            write_log(replay.OPENED, taken_by, number, detail)
        return number

    def _open_case(self, connection: Connection, kind: str, source: str, *, covered: bool) -> int:
        now = self._store.clock()
        result = connection.execute(
            insert(cases).values(
                kind=kind,
                state="open",
                covered=covered,
                source=source,
                opened_at=time_text(now),
                due_at=time_text(now + KINDS[kind].clock),
            )
        )
        assert result.inserted_primary_key is not None  # noqa: S101 - narrows the type: one row was inserted
        return int(result.inserted_primary_key[0])

    # Decisions

    def propose(self, case: int, decision: str, who: str, *, replace: bool = False) -> None:
        """Propose what is to be done about a case; a second person must approve.

        Args:
            case: its number.
            decision: takedown, reject or hold.
            who: who proposes.
            replace: whether an open proposal, of anybody, is to give way to this one.

        Raises:
            UsageError: an unknown decision, a case that is decided, or an open proposal that is not to be replaced.
            MissingError: there is no such case.
        """
        person = check_person(who)
        if decision not in DECISIONS:
            raise UsageError(f"{decision!r} is no decision", advice=f"Use one of: {', '.join(DECISIONS)}.")
        with self._store.writing() as (connection, write_log):
            state = queries.case_state(connection, case)
            if state in ("upheld", "rejected"):
                raise UsageError(f"it is {state}, and that is final", f"case {case}")
            now = time_text(self._store.clock())
            if state == "proposed":
                if not replace:
                    raise UsageError(
                        "there is a proposal already, which waits for a second person",
                        f"case {case}",
                        "Approve it, or put yours in its place with --replace.",
                    )
                connection.execute(update(decisions).where(queries.open_proposal(case)).values(replaced_at=now))
            connection.execute(
                insert(decisions).values(
                    case_number=case,
                    decision=decision,
                    proposer=person,
                    proposer_key=person_key(person),
                    proposed_at=now,
                )
            )
            connection.execute(update(cases).where(cases.c.number == case).values(state="proposed", decided_at=None))
            write_log(replay.PROPOSED, person, case, {"decision": decision, "replaces": int(state == "proposed")})

    def approve(self, case: int, who: str) -> None:
        """Approve the open proposal of a case, which decides it.

        Raises:
            TwoPersonError: `who` proposed it; case and spaces of a name make no difference.
            UsageError: nothing is proposed.
            MissingError: there is no such case.
        """
        person = check_person(who)
        with self._store.writing() as (connection, write_log):
            state = queries.case_state(connection, case)
            row = connection.execute(decisions.select().where(queries.open_proposal(case))).first()
            if state != "proposed" or row is None:
                raise UsageError(
                    f"nothing is proposed: the case is {state}",
                    f"case {case}",
                    "One person proposes (linkwell cases propose), another approves.",
                )
            if row.proposer_key == person_key(person):
                raise TwoPersonError(
                    "who proposes cannot approve", f"case {case}", "Ask somebody else to look at it and approve."
                )
            now = time_text(self._store.clock())
            approval = {"approver": person, "approver_key": person_key(person), "approved_at": now}
            connection.execute(update(decisions).where(decisions.c.id == row.id).values(approval))
            decided = {"state": DECISIONS[row.decision], "decided_at": now}
            connection.execute(update(cases).where(cases.c.number == case).values(decided))
            write_log(replay.APPROVED, person, case, {"decision": row.decision, "proposer": row.proposer})

    # Answers

    def cases(self) -> list[Case]:
        """All cases, by number."""
        with self._store.reading() as connection:
            return queries.read_cases(connection)

    def case(self, number: int) -> Case:
        """One case.

        Raises:
            MissingError: there is no such case.
        """
        with self._store.reading() as connection:
            return queries.read_case(connection, number)

    def entries(self, number: int, who: str, second: str) -> list[bytes]:
        """The link ids of a case, sorted. That they were looked at, and by whom, stands in the log before they are shown.

        Args:
            number: the case's.
            who: who wants to see them.
            second: who agrees; another person.

        Raises:
            TwoPersonError: `second` is `who`.
            MissingError: there is no such case.
        """
        person, agrees = two_people(who, second, f"case {number}")
        with self._store.writing() as (connection, write_log):
            queries.case_state(connection, number)
            found = sorted(queries.case_link_ids(connection, number))
            write_log(replay.SHOWN, person, number, {"entries": len(found), "second": agrees})
        return found

    def quarantined(self) -> set[bytes]:
        """Ids of links that are served nowhere: those of every case that is not rejected."""
        with self._store.reading() as connection:
            return queries.quarantined_ids(connection)

    def takedowns(self) -> list[Takedown]:
        """The links of upheld cases, by case and id. A reported URL that no dataset has is among them and matches nothing."""
        with self._store.reading() as connection:
            return queries.read_takedowns(connection)

    # Reports, and the links they mean

    def reported(self) -> dict[bytes, list[int]]:
        """Canonical ids of reported URLs, each with the cases, not rejected, that it is in."""
        with self._store.reading() as connection:
            return queries.reported_canonical_ids(connection)

    def add_resolved(self, pairs: Iterable[tuple[int, bytes]]) -> int:
        """Store pairs of case and link id that reported URLs turned out to mean; returns how many are new."""
        wanted: dict[int, set[bytes]] = defaultdict(set)
        for number, link in pairs:
            wanted[number].add(link)
        added = 0
        with self._store.writing() as (connection, write_log):
            for number, links in sorted(wanted.items()):
                new = sorted(links - queries.case_link_ids(connection, number))
                if new:
                    connection.execute(insert(resolved), [{"case_number": number, "link_id": link} for link in new])
                    code = entries_code(self._store.master_key(), queries.resolved_entries(connection, number))
                    write_log(replay.RESOLVED, MACHINE, number, {"links": len(new), "code": code})
                    added += len(new)
        return added

    # The log

    def log(self, action: str, who: str, case: int | None, detail: Mapping[str, str | int]) -> None:
        """Add an entry for something done outside the case book (a release, a recall, an audit).

        Args:
            action: a few words, such as `release published`.
            who: who did it.
            case: the case it is about, or None.
            detail: counts, names and public hashes; never a URL, a text or a hash from a list.

        Raises:
            UsageError: an action of the case book's own, or a detail that holds a URL or is long.
        """
        person = check_person(who)
        if action in replay.RESERVED or not 0 < len(action) <= _MAX_ACTION_CHARACTERS:
            raise UsageError("this action is empty, longer than 64 characters, or the case book's own", "log")
        for name, value in detail.items():
            if isinstance(value, str) and ("://" in value or len(value) > _MAX_DETAIL_CHARACTERS):
                raise UsageError("a detail of the log holds no URL and at most 1,000 characters", f"detail {name!r}")
        with self._store.writing() as (_connection, write_log):
            write_log(action, person, case, detail)

    def check_lists(self, workspace: Workspace) -> None:
        """Stop where the hash lists are older than what the log tells of them.

        Raises:
            SafetyError: they are: an older folder was put in their place, or they are gone.
            DamagedFileError: their index does not open.
        """
        with self._store.reading() as connection:
            logged = queries.logged_lists_generation(connection)
        if lists_generation(workspace) < logged:
            raise SafetyError(
                "the hash lists are older than what the log tells of them: what came since would be missed",
                str(workspace.lists),
                "Restore the folder from its newest backup, or import the lists again until none is missing.",
            )

    def log_head(self) -> str:
        """The hash of the last entry, in hex, which a release's manifest quotes."""
        with self._store.reading() as connection:
            return log_end(connection).hash

    def verify_log(self, anchors: Iterable[str] = ()) -> LogReport:
        """Check the whole log: every hash, its end, the database's guards, and that the cases are what the log tells.

        Args:
            anchors: heads that were made public once, in manifests of releases; each must be in the chain.

        Raises:
            SignatureError: the first thing that does not hold.
            DamagedFileError: the file does not read.
        """
        with self._store.locked(), self._store.reading() as connection:
            return verify(
                connection,
                self._store.read_head(),
                self._store.head_path,
                set(anchors) - {START_HASH},
                self._store.master_key(),
            )


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    """The items in lists that one statement can take (itertools.batched is newer than Python 3.11)."""
    iterator = iter(items)
    while batch := list(islice(iterator, _BATCH_ROWS)):
        yield batch


def _finding_kind(finding_class: str) -> str:
    """An exact digest or URL of a list is held for illegal; a look-alike is something to ask a person about."""
    return _FINDING_KINDS.get(finding_class, "illegal")


_FINDING_KINDS = {"perceptual": "perceptual", PROPOSED: "perceptual", PRIVACY: "privacy"}


def _reported_ids(urls: Sequence[str]) -> dict[bytes, bytes | None]:
    ids: dict[bytes, bytes | None] = {}
    for number, url in enumerate(urls, 1):
        stripped = url.strip()
        if not stripped.lower().startswith(("http://", "https://")):
            raise UsageError("it does not begin with http:// or https://", f"URL {number}", "Give the whole address.")
        ids[link_id(stripped)] = canonical_id(stripped)
    if not ids:
        raise UsageError("no URL is given")
    return ids
