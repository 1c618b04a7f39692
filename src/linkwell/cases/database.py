"""The SQLite file of the case book: opening, migrating, and what its errors mean."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.exc import DatabaseError, IntegrityError, SQLAlchemyError

from linkwell.base.errors import BusyError, DamagedFileError, FormatError, LinkwellError, SafetyError, StorageError
from linkwell.base.shards import storage_errors

REVISION = "0001"
"""The newest migration; a book that stands there is opened without loading Alembic."""

_BUSY_TIMEOUT_MILLISECONDS = 10_000
_STORAGE_CODES = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
_BUSY_CODES = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_PRIMARY_CODE_MASK = 0xFF  # SQLite's extended codes keep the primary code in the low byte


def open_database(path: Path) -> Engine:
    """An engine for the file, which is made (mode 0600) and brought to the newest version where needed.

    Hold the workspace's lock for cases around this call.

    Raises:
        DamagedFileError: the file is no SQLite database, or is damaged.
        FormatError: a newer Linkwell wrote it.
        StorageError: it cannot be written.
    """
    with storage_errors(path):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    # hide_parameters: a restricted id in a statement must not reach an error message (ground rule 8).
    engine = create_engine(f"sqlite+pysqlite:///{path}", poolclass=NullPool, hide_parameters=True)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    with database_errors(path):
        with engine.begin() as connection:
            version = _version(connection)
        if version != REVISION:
            _migrate(engine, version, path)
    return engine


def writing(engine: Engine) -> Engine:
    """The same database, for transactions that write: they take the write lock when they begin."""
    return engine.execution_options(linkwell_writes=True)


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's own advice: let _begin say when a transaction begins
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",  # a decision that was answered must survive a power cut
        "foreign_keys = ON",
        "recursive_triggers = ON",  # so that OR REPLACE fires the delete guards
        "trusted_schema = OFF",
        f"busy_timeout = {_BUSY_TIMEOUT_MILLISECONDS}",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("linkwell_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _version(connection: Connection) -> str | None:
    tables = connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").first()
    if tables is None:
        return None
    row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
    return str(row[0]) if row else None


def _migrate(engine: Engine, version: str | None, path: Path) -> None:
    from alembic import command  # noqa: PLC0415 - takes a quarter of a second to load, and is needed once
    from alembic.config import Config  # noqa: PLC0415 - same

    if version is not None and version > REVISION:
        raise FormatError(
            f"the cases are of version {version}, and this Linkwell knows up to {REVISION}", str(path), "Upgrade it."
        )
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    with writing(engine).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, REVISION)


@contextmanager
def database_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors inside the block into ours, without any value of a statement.

    Raises:
        BusyError: another process kept the file locked.
        StorageError: it cannot be read or written: disk full, read-only, not permitted.
        SafetyError: a guard in the database stopped a change.
        DamagedFileError: it is no SQLite database, or damaged.
    """
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise _translated(error, path) from error


def _translated(error: SQLAlchemyError | sqlite3.Error, path: Path) -> LinkwellError:
    original = error.orig if isinstance(error, DatabaseError) else error
    code = getattr(original, "sqlite_errorcode", 0) & _PRIMARY_CODE_MASK
    if code in _BUSY_CODES:
        return BusyError("another program keeps the cases locked", str(path), "Wait for it to finish, or stop it.")
    if code in _STORAGE_CODES:
        return StorageError(f"the cases cannot be read or written: {original}", str(path), "Free space, or permit it.")
    if isinstance(error, IntegrityError):
        return SafetyError(f"the database refuses this change: {original}", str(path))
    return DamagedFileError(
        f"the cases do not read: {original}",
        str(path),
        "Restore the file from its backup; nothing is served meanwhile.",
    )
