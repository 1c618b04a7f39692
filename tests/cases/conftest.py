"""What tests of cases share: a book, synthetic findings, a hand at the database that does not ask."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from linkwell.base.ids import link_id
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook
from linkwell.cases.guards import GUARDS
from linkwell.lists import Finding

Tamper = Callable[..., None]


@pytest.fixture
def book(workspace: Workspace) -> CaseBook:
    """The case book of an empty workspace."""
    return CaseBook.open(workspace)


@pytest.fixture
def findings() -> list[Finding]:
    """Three exact findings and a look-alike, of one synthetic list."""
    exact = [Finding(link_id(f"https://a.example/{n}.jpg"), "exact", "synthetic", "md5") for n in range(3)]
    return [*exact, Finding(link_id("https://b.example/x.jpg"), "perceptual", "synthetic", "pdq")]


@contextmanager
def _without_guards(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for name in GUARDS:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        yield connection
        for statement in GUARDS.values():
            connection.execute(statement)
    finally:
        connection.close()


@pytest.fixture
def tamper(workspace: Workspace) -> Tamper:
    """Changes the database as somebody would who removes the guards and puts them back."""

    def change(*statements: str) -> None:
        with _without_guards(workspace.cases) as connection:
            for statement in statements:
                connection.execute(statement)

    return change
