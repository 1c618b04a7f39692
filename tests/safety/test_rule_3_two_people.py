"""Ground rule 3: destructive steps take two people; who proposes cannot approve. In code, in the database, in the log."""

import contextlib
import sqlite3
from collections.abc import Iterator

import pytest

from linkwell.base.errors import SignatureError, TwoPersonError
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook
from linkwell.cases.guards import GUARDS

URL = "https://a.example/photo.jpg"


@pytest.fixture
def case(workspace: Workspace) -> int:
    """A case for which ada proposed a takedown."""
    book = CaseBook.open(workspace)
    number = book.report([URL], kind="illegal", who=None)
    book.propose(number, "takedown", "ada")
    return number


@pytest.fixture
def database(workspace: Workspace, case: int) -> Iterator[sqlite3.Connection]:
    """A hand at the database."""
    with contextlib.closing(sqlite3.connect(workspace.cases, isolation_level=None)) as connection:
        yield connection


@pytest.mark.parametrize("who", ["ada", "Ada", " ada ", "A d a", "ADA\u00a0", "\uff41\uff44\uff41"])
@pytest.mark.parametrize("decision", ["takedown", "reject", "hold"])
def test_who_proposes_cannot_approve(workspace: Workspace, who: str, decision: str) -> None:
    """Nor under another spelling of the name: case, spaces and full-width letters make no second person."""
    book = CaseBook.open(workspace)
    number = book.report([URL], kind="illegal", who=None)
    book.propose(number, decision, "ada")
    with pytest.raises(TwoPersonError):
        book.approve(number, who)
    assert book.case(number).state == "proposed"
    assert book.takedowns() == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE cases SET state = 'upheld'",
        "UPDATE cases SET state = 'rejected'",
        "UPDATE cases SET state = 'held'",
        "UPDATE decisions SET approver = 'ada', approver_key = 'ada', approved_at = 'now'",
        "UPDATE decisions SET approver = 'Ada', approver_key = 'somebody', approved_at = 'now'",
        "UPDATE decisions SET approver = ' A D A', approver_key = 'x', approved_at = 'now'",
        "UPDATE decisions SET approver = 'grace', approver_key = '', approved_at = 'now'",
        "UPDATE decisions SET approver = 'grace', approved_at = 'now'",
        "UPDATE decisions SET proposer = 'grace', proposer_key = 'grace'",
        "UPDATE decisions SET decision = 'reject'",
        (
            "INSERT INTO decisions (case_number, decision, proposer, proposer_key, proposed_at, approver, approver_key,"
            " approved_at) VALUES (1, 'takedown', 'ada', 'ada', 'now', 'grace', 'grace', 'now')"
        ),
        (
            "INSERT OR REPLACE INTO decisions (id, case_number, decision, proposer, proposer_key, proposed_at)"
            " VALUES (1, 1, 'takedown', 'grace', 'grace', 'now')"
        ),
        "DELETE FROM decisions",
        (
            "INSERT INTO cases (kind, state, covered, source, opened_at, due_at)"
            " VALUES ('illegal', 'upheld', 1, 'report', 'now', 'now')"
        ),
        (
            "INSERT OR REPLACE INTO cases (number, kind, state, covered, source, opened_at, due_at)"
            " VALUES (1, 'dead', 'open', 0, 'report', 'now', 'now')"
        ),
        "UPDATE cases SET kind = 'dead'",
        "UPDATE cases SET covered = 0",
        "DELETE FROM cases",
        "DELETE FROM entries",
        "UPDATE entries SET link_id = x'00000000000000000000000000000000'",
    ],
)
def test_the_database_refuses_what_one_person_could_do(database: sqlite3.Connection, statement: str) -> None:
    """No single statement decides a case, changes what it is about, or takes an entry out of quarantine."""
    with pytest.raises(sqlite3.IntegrityError):
        database.execute(statement)


def test_the_database_refuses_a_decision_that_was_not_proposed(database: sqlite3.Connection) -> None:
    """Not even an approval by a second person makes another decision than the one proposed."""
    database.execute("UPDATE decisions SET approver = 'grace', approver_key = 'grace', approved_at = 'now'")
    with pytest.raises(sqlite3.IntegrityError, match="two people"):
        database.execute("UPDATE cases SET state = 'rejected'")


def test_a_decision_behind_the_log_is_noticed(database: sqlite3.Connection, workspace: Workspace) -> None:
    """Two statements that play two people pass the database, but not the log, which tells of no approval."""
    database.execute("UPDATE decisions SET approver = 'grace', approver_key = 'grace', approved_at = 'now'")
    database.execute("UPDATE cases SET state = 'upheld'")
    with pytest.raises(SignatureError, match="case 1"):
        CaseBook.open(workspace).verify_log()


def test_removed_guards_are_noticed(database: sqlite3.Connection, workspace: Workspace) -> None:
    """A database without one of its guards does not verify."""
    for name in GUARDS:
        statement = GUARDS[name]
        database.execute(f"DROP TRIGGER {name}")
        with pytest.raises(SignatureError, match=name):
            CaseBook.open(workspace).verify_log()
        database.execute(statement)
    CaseBook.open(workspace).verify_log()


def test_a_weakened_guard_is_noticed(database: sqlite3.Connection, workspace: Workspace) -> None:
    """A guard of the right name that does nothing does not pass for it."""
    database.execute("DROP TRIGGER cases_two_people")
    database.execute("CREATE TRIGGER cases_two_people BEFORE UPDATE ON cases WHEN 0 BEGIN SELECT 1; END")
    with pytest.raises(SignatureError, match="cases_two_people"):
        CaseBook.open(workspace).verify_log()


def test_both_stand_in_the_log(workspace: Workspace, case: int) -> None:
    """The log names who proposed and who approved."""
    CaseBook.open(workspace).approve(case, "grace")
    with contextlib.closing(sqlite3.connect(workspace.cases)) as connection:
        people = connection.execute("SELECT action, who FROM log WHERE action LIKE 'decision%' ORDER BY seq").fetchall()
    assert people == [("decision proposed", "ada"), ("decision approved", "grace")]
