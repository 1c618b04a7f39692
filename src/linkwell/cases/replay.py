"""What the log says the cases must be: the log replayed, to be compared with the tables.

Whoever changes a case, a decision or the number of its entries without the log changes only the tables; the two then differ.
"""

import json
from collections import Counter
from typing import Any

from sqlalchemy import Connection, func, select

from linkwell.base.errors import SignatureError
from linkwell.cases.chain import Entry, entries_code
from linkwell.cases.kinds import DECISIONS, person_key
from linkwell.cases.queries import case_entries, resolved_entries
from linkwell.cases.tables import cases, decisions, entries, resolved

OPENED = "case opened"
PROPOSED = "decision proposed"
APPROVED = "decision approved"
RESOLVED = "report resolved"
SHOWN = "entries shown"

RESERVED = frozenset({OPENED, PROPOSED, APPROVED, RESOLVED, SHOWN})
"""Actions that only the case book itself writes."""

_ADVICE = "Restore cases.sqlite and log.head together from a backup, and find out who changed them."


def opened_detail(kind: str, source: str, entry_count: int, *, covered: bool, code: str) -> dict[str, str | int]:
    """The detail of the entry for a new case; `code` is `chain.entries_code` of its entries."""
    return {"kind": kind, "source": source, "entries": entry_count, "covered": int(covered), "code": code}


class Replay:
    """The cases as the log tells them; feed it every entry, then compare."""

    def __init__(self) -> None:
        self.states: dict[int, str] = {}
        self.kinds: dict[int, tuple[str, str, int]] = {}
        self.entry_counts: Counter[int] = Counter()
        self.resolved_counts: Counter[int] = Counter()
        self.proposals: dict[int, tuple[str, str]] = {}
        self.entry_codes: dict[int, str] = {}
        self.resolved_codes: dict[int, str] = {}

    def add(self, entry: Entry) -> None:
        """Take in one entry.

        Raises:
            SignatureError: the entry tells of something that cannot have happened, such as one person deciding a case.
        """
        if entry.action not in RESERVED or entry.case is None:
            return
        detail: dict[str, Any] = json.loads(entry.detail)
        number = entry.case
        if entry.action == OPENED:
            self.states[number] = "open"
            self.kinds[number] = (str(detail["kind"]), str(detail["source"]), int(detail["covered"]))
            self.entry_counts[number] = int(detail["entries"])
            if "code" in detail:
                self.entry_codes[number] = str(detail["code"])
        elif entry.action == PROPOSED:
            self.states[number] = "proposed"
            self.proposals[number] = (str(detail["decision"]), person_key(entry.who))
        elif entry.action == APPROVED:
            decision, proposer = self.proposals.pop(number, ("", ""))
            if decision not in DECISIONS or proposer == person_key(entry.who):
                raise SignatureError("it tells of a decision without two people", f"log entry {entry.seq}", _ADVICE)
            self.states[number] = DECISIONS[decision]
        elif entry.action == RESOLVED:
            self.resolved_counts[number] += int(detail["links"])
            if "code" in detail:
                self.resolved_codes[number] = str(detail["code"])

    def compare(self, connection: Connection, master_key: bytes) -> None:
        """Compare with the tables.

        Raises:
            SignatureError: a case, a decision, an entry or a number of entries is not as the log tells.
        """
        rows = connection.execute(select(cases.c.number, cases.c.state, cases.c.kind, cases.c.source, cases.c.covered))
        stored = {number: (state, (kind, source, int(covered))) for number, state, kind, source, covered in rows}
        told = {number: (state, self.kinds.get(number)) for number, state in self.states.items()}
        _same(stored, told, "the state or kind of the case")
        for table, counts, what in (
            (entries, self.entry_counts, "the number of entries"),
            (resolved, self.resolved_counts, "the number of resolved links"),
        ):
            column = table.c.case_number
            counted = {int(n): int(c) for n, c in connection.execute(select(column, func.count()).group_by(column))}
            _same(counted, {n: c for n, c in counts.items() if c}, what)
        for codes, read, what in (
            (self.entry_codes, case_entries, "an entry"),
            (self.resolved_codes, resolved_entries, "a resolved link"),
        ):
            _same({n: entries_code(master_key, read(connection, n)) for n in codes}, codes, what)
        open_rows = connection.execute(
            select(decisions.c.case_number, decisions.c.decision, decisions.c.proposer_key).where(
                decisions.c.approver.is_(None), decisions.c.replaced_at.is_(None)
            )
        )
        _same({int(n): (str(d), str(k)) for n, d, k in open_rows}, self.proposals, "the open proposal")


def _same(stored: dict[int, Any], told: dict[int, Any], what: str) -> None:
    for number in sorted(stored.keys() | told.keys()):
        if stored.get(number) != told.get(number):
            raise SignatureError(f"{what} is not what the log tells", f"case {number}", _ADVICE)
