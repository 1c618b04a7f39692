"""The tables: what migrations make is what the code expects."""

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import linkwell.cases
from linkwell.base.errors import FormatError
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook
from linkwell.cases.database import REVISION, open_database
from linkwell.cases.guards import GUARDS, missing_guards
from linkwell.cases.tables import metadata

_SHAPE = "SELECT name, type, sql FROM sqlite_master WHERE type IN ('table', 'index') AND name NOT LIKE 'sqlite_%'"


def test_migrations_make_the_tables(workspace: Workspace) -> None:
    """A database that was migrated from nothing has the columns, indexes and constraints of `tables`, and every guard."""
    engine = open_database(workspace.cases)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert missing_guards(connection) == []
        made = {str(row.name): _words(str(row.sql)) for row in connection.exec_driver_sql(_SHAPE)}
    made.pop("alembic_version")
    assert {name: sql.count("CHECK") for name, sql in made.items() if "CHECK" in sql} == {
        table.name: sum(type(c).__name__ == "CheckConstraint" for c in table.constraints)
        for table in metadata.sorted_tables
        if any(type(c).__name__ == "CheckConstraint" for c in table.constraints)
    }


def _words(sql: str) -> str:
    return " ".join(sql.split())


def test_the_newest_migration_is_the_one_we_stop_at() -> None:
    """`REVISION` is the head of the migrations, of which there is one."""
    config = Config()
    config.set_main_option("script_location", str(Path(linkwell.cases.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


def test_a_newer_book_is_left_alone(workspace: Workspace) -> None:
    """A book that a newer Linkwell wrote is not opened, and not changed."""
    CaseBook.open(workspace)
    with sqlite3.connect(workspace.cases) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(FormatError, match="9999"):
        CaseBook.open(workspace)


def test_the_database_is_set_up_for_crashes(workspace: Workspace) -> None:
    """Write-ahead log, full synchronisation, foreign keys, recursive triggers."""
    with open_database(workspace.cases).connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers", "busy_timeout")
        }
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "recursive_triggers": 1,
        "busy_timeout": 10_000,
    }


def test_every_guard_has_a_name_of_its_own() -> None:
    """No guard stands in for another under the same name."""
    assert all(f"CREATE TRIGGER {name} " in statement for name, statement in GUARDS.items())
