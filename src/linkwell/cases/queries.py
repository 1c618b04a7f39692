"""What is read from the tables of the case book, as values."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, select

from linkwell.base.errors import MissingError
from linkwell.cases.kinds import KINDS
from linkwell.cases.tables import cases, decisions, entries, log, resolved
from linkwell.cases.values import Case, Takedown


def open_proposal(case: int) -> ColumnElement[bool]:
    """Which decision of a case is proposed and neither approved nor replaced."""
    return and_(decisions.c.case_number == case, decisions.c.approver.is_(None), decisions.c.replaced_at.is_(None))


def case_state(connection: Connection, number: int) -> str:
    """The state of a case.

    Raises:
        MissingError: there is no such case.
    """
    state = connection.scalar(select(cases.c.state).where(cases.c.number == number))
    if state is None:
        raise _no_case(number)
    return str(state)


def read_cases(connection: Connection) -> list[Case]:
    """All cases, by number."""
    return _read(connection, None)


def read_case(connection: Connection, number: int) -> Case:
    """One case.

    Raises:
        MissingError: there is no such case.
    """
    found = _read(connection, number)
    if not found:
        raise _no_case(number)
    return found[0]


def _read(connection: Connection, number: int | None) -> list[Case]:
    last = (
        select(decisions.c.case_number, func.max(decisions.c.id).label("id"))
        .group_by(decisions.c.case_number)
        .subquery()
    )
    size = select(entries.c.case_number, func.count().label("entry_count")).group_by(entries.c.case_number).subquery()
    query = (
        select(cases, size.c.entry_count, decisions.c.decision, decisions.c.proposer, decisions.c.approver)
        .outerjoin(size, size.c.case_number == cases.c.number)
        .outerjoin(last, last.c.case_number == cases.c.number)
        .outerjoin(decisions, decisions.c.id == last.c.id)
        .order_by(cases.c.number)
    )
    if number is not None:
        query = query.where(cases.c.number == number)
    return [_case(row) for row in connection.execute(query)]


def _case(row: Row[Any]) -> Case:
    return Case(
        number=row.number,
        kind=row.kind,
        state=row.state,
        covered=bool(row.covered),
        source=row.source,
        opened_at=datetime.fromisoformat(row.opened_at),
        due_at=datetime.fromisoformat(row.due_at),
        decided_at=datetime.fromisoformat(row.decided_at) if row.decided_at else None,
        entry_count=row.entry_count or 0,
        decision=row.decision,
        proposed_by=row.proposer,
        approved_by=row.approver,
    )


def case_link_ids(connection: Connection, number: int) -> set[bytes]:
    """Link ids of a case: those reported or found, and those that reports turned out to mean."""
    found: set[bytes] = set()
    for table in (entries, resolved):
        found.update(connection.scalars(select(table.c.link_id).where(table.c.case_number == number)))
    return found


def case_entries(connection: Connection, number: int) -> Iterator[tuple[bytes, bytes | None]]:
    """Link id and canonical id of what was found or reported in a case, by link id."""
    query = select(entries.c.link_id, entries.c.canonical_id).where(entries.c.case_number == number)
    for row in connection.execute(query.order_by(entries.c.link_id)):
        yield row.link_id, row.canonical_id


def resolved_entries(connection: Connection, number: int) -> Iterator[tuple[bytes, None]]:
    """Link ids that the reports of a case turned out to mean, by link id; they have no canonical id beside them."""
    query = select(resolved.c.link_id).where(resolved.c.case_number == number).order_by(resolved.c.link_id)
    for link in connection.scalars(query):
        yield link, None


_LISTS_CHANGED = ("list imported", "list updated", "list fetched", "list noted", "list forgotten")


def logged_lists_generation(connection: Connection) -> int:
    """The newest generation of the hash lists that the log tells of; 0 where it tells of none."""
    query = select(log.c.detail).where(log.c.action.in_(_LISTS_CHANGED))
    return max((int(json.loads(detail).get("generation", 0)) for detail in connection.scalars(query)), default=0)


def quarantined_ids(connection: Connection) -> set[bytes]:
    """Link ids of every case that is not rejected."""
    found: set[bytes] = set()
    for table in (entries, resolved):
        query = select(table.c.link_id).join(cases, cases.c.number == table.c.case_number)
        found.update(connection.scalars(query.where(cases.c.state != "rejected")))
    return found


def read_takedowns(connection: Connection) -> list[Takedown]:
    """The links of upheld cases, by case and id."""
    found = []
    for table in (entries, resolved):
        query = (
            select(cases.c.number, table.c.link_id, cases.c.kind, cases.c.covered)
            .join(cases, cases.c.number == table.c.case_number)
            .where(cases.c.state == "upheld")
        )
        for number, link, kind, covered in connection.execute(query):
            reason = "" if covered else (KINDS[kind].reason or kind)
            found.append(Takedown(number, link, kind, bool(covered), reason))
    return sorted(found, key=lambda takedown: (takedown.case, takedown.link_id))


def reported_canonical_ids(connection: Connection) -> dict[bytes, list[int]]:
    """Canonical ids of reported URLs, each with the cases that it is in and that are not rejected."""
    found: dict[bytes, list[int]] = {}
    query = (
        select(entries.c.canonical_id, cases.c.number)
        .join(cases, cases.c.number == entries.c.case_number)
        .where(entries.c.canonical_id.is_not(None), cases.c.state != "rejected")
        .order_by(cases.c.number)
    )
    for key, number in connection.execute(query):
        found.setdefault(key, []).append(number)
    return found


def known_findings(connection: Connection, source: str, finding_class: str, link_ids: Iterable[bytes]) -> set[bytes]:
    """Those of the link ids that are in a case for this list and class already."""
    query = select(entries.c.link_id).where(
        entries.c.source == source,
        entries.c.finding_class == finding_class,
        entries.c.link_id.in_(list(link_ids)),
    )
    return set(connection.scalars(query))


def _no_case(number: int) -> MissingError:
    return MissingError(f"there is no case {number}", advice="linkwell cases list shows them.")
