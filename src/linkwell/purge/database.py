"""Tables in SQLite and DuckDB files: which rows by a query of the holder's, and how to delete one.

SQLite is changed in its place, in one transaction that overwrites what it deletes, and is then written anew within: others may have it
open. A DuckDB file, which keeps deleted rows in its blocks, is copied without them and exchanged.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import duckdb
import msgspec
import pyarrow as pa

from linkwell.base.errors import DamagedFileError, FormatError, MissingError, UnavailableError, UsageError
from linkwell.purge.match import identity_columns, row_hits
from linkwell.purge.unit import Listing, Scan, Sight, TableQuery, Touch, Unit

_ROWS_AT_ONCE = 50_000
_WAIT_SECONDS = 30.0
_SQLITE_MAGIC = b"SQLite format 3\0"
_DUCKDB_MAGIC, _DUCKDB_MAGIC_AT = b"DUCK", 8
_ADVICE = "Close what has it open, or restore it; until then it may hold recalled rows."


class TablesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that lists tables: `[[table]]` with `file`, `query`, `delete`."""

    table: list[TableQuery]


def read_tables(path: Path) -> tuple[TableQuery, ...]:
    """Read a list of tables, TOML.

    Raises:
        MissingError: there is no such file.
        FormatError: it does not read.
    """
    try:
        return tuple(msgspec.toml.decode(path.read_bytes(), type=TablesFile).table)
    except FileNotFoundError:
        raise MissingError("there is no such file", str(path)) from None
    except msgspec.MsgspecError as error:
        raise FormatError(
            f"this does not list tables: {error}", str(path), "Each [[table]] has `file`, `query`, `delete`."
        ) from error


@dataclass(frozen=True)
class DatabaseFound:
    """For each table, the first columns of the rows that go."""

    gone: list[list[Any]]


class DatabaseKind:
    """Database files of which the holder named tables."""

    name = "database"

    def find(self, listing: Listing) -> Sequence[Unit]:
        """One unit for each file that is named."""
        by_file: dict[str, list[TableQuery]] = defaultdict(list)
        for table in listing.tables:
            if table.file not in listing.files:
                raise UsageError("there is no such file in the copy", table.file, "Name it relative to the copy.")
            by_file[table.file].append(table)
        units = []
        for file, tables in sorted(by_file.items()):
            sides = tuple(file + end for end in ("-wal", "-shm", "-journal", ".wal") if file + end in listing.files)
            units.append(Unit(self.name, (file,), tables=tuple(tables), beside=sides))
        return units

    def scan(self, sight: Sight, unit: Unit) -> Scan:
        """Run every query, and find the recalled rows by the names of its columns."""
        path = sight.root / unit.files[0]
        gone: list[list[Any]] = []
        rows = unidentified = 0
        for table in unit.tables:
            keys: list[Any] = []
            for names, values in _rows(path, table.query):
                if len(names) < 2:  # noqa: PLR2004 - the key and one column
                    raise UsageError("the query gives no column that says which link a row is", unit.name)
                columns = [list(column) for column in zip(*values, strict=True)]
                found = pa.table(dict(zip(names[1:], columns[1:], strict=True)))
                identity = identity_columns(found.schema, ours=sight.ours)
                if not identity.identified(sight.wanted.aliases):
                    unidentified += len(values)
                hits = row_hits(found, identity, sight.wanted, str(path), ours=sight.ours)
                keys.extend(key for key, hit in zip(columns[0], hits.tolist(), strict=True) if hit)
                rows += len(values)
            gone.append(keys)
        removed = sum(map(len, gone))
        touched = (Touch(unit.files[0], rows, removed, path.stat().st_size),) if removed else ()
        return Scan(unit, touched, unidentified=unidentified, found=DatabaseFound(gone))

    def write(self, sight: Sight, scan: Scan, name: str, target: Path) -> str | None:
        """Write a DuckDB file anew."""
        step = target.with_name(target.name.removesuffix(".tmp") + "0.tmp")
        try:
            with _errors(sight.root / name), closing(duckdb.connect()) as connection:
                _copy_database(connection, sight.root / name, step, "linkwell_a")
                connection.execute("USE linkwell_a")
                for table, keys in zip(scan.unit.tables, scan.found.gone, strict=True):
                    for key in keys:
                        connection.execute(table.delete, [key])
                connection.execute("USE memory")
                connection.execute("DETACH linkwell_a")
                _copy_database(connection, step, target, "linkwell_b")
                connection.execute("DETACH linkwell_b")
        finally:
            step.unlink(missing_ok=True)
        return None

    def may_change(self, sight: Sight, name: str) -> bool:
        """SQLite can be changed where it stands."""
        return _is_sqlite(sight.root / name)

    def only_in_place(self, sight: Sight, name: str) -> bool:
        """And must be: others may have it open."""
        return _is_sqlite(sight.root / name)

    def change(self, sight: Sight, scan: Scan, name: str) -> None:
        """Delete from SQLite in one transaction; then nothing of it stays in the file or beside it."""
        with _errors(sight.root / name), closing(_sqlite(sight.root / name)) as connection:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("BEGIN IMMEDIATE")
            for table, keys in zip(scan.unit.tables, scan.found.gone, strict=True):
                connection.executemany(table.delete, [(key,) for key in keys])
            connection.execute("COMMIT")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def is_database(path: Path) -> bool:
    """Whether a file is an SQLite or DuckDB file, by its first bytes."""
    return _kind_of(path) is not None


def _is_sqlite(path: Path) -> bool:
    kind = _kind_of(path)
    if kind is None:
        raise FormatError("this is neither an SQLite nor a DuckDB file", str(path))
    return kind == "sqlite"


def _kind_of(path: Path) -> Literal["sqlite", "duckdb"] | None:
    with path.open("rb") as file:
        head = file.read(len(_SQLITE_MAGIC))
    if head == _SQLITE_MAGIC:
        return "sqlite"
    return "duckdb" if head[_DUCKDB_MAGIC_AT : _DUCKDB_MAGIC_AT + len(_DUCKDB_MAGIC)] == _DUCKDB_MAGIC else None


def _rows(path: Path, query: str) -> Iterator[tuple[list[str], list[tuple[Any, ...]]]]:
    """Names of the columns and rows of a query, some at a time."""
    with _errors(path):
        if _is_sqlite(path):
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
                cursor = connection.execute(query)
                names = [column[0] for column in cursor.description]
                while values := cursor.fetchmany(_ROWS_AT_ONCE):
                    yield names, values
        else:
            with closing(duckdb.connect(str(path), read_only=True)) as database:
                answer = database.execute(query)
                names = [column[0] for column in answer.description or ()]
                while values := answer.fetchmany(_ROWS_AT_ONCE):
                    yield names, values


def _sqlite(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_WAIT_SECONDS, isolation_level=None)


def _copy_database(connection: duckdb.DuckDBPyConnection, source: Path, target: Path, name: str) -> None:
    """Copy all of a DuckDB file to a new one, which stays attached as `name`."""
    target.unlink(missing_ok=True)
    connection.execute(f"ATTACH '{_quoted(source)}' AS linkwell_source (READ_ONLY)")
    connection.execute(f"ATTACH '{_quoted(target)}' AS {name}")
    connection.execute(f"COPY FROM DATABASE linkwell_source TO {name}")
    connection.execute("DETACH linkwell_source")


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("'", "''")


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    """Say what a database refused; DuckDB's own message may quote a value."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        kind = UnavailableError if isinstance(error, sqlite3.OperationalError) else DamagedFileError
        raise kind(f"SQLite says: {error}", str(path), _ADVICE) from None
    except duckdb.Error as error:
        raise UnavailableError(f"DuckDB refused ({type(error).__name__})", str(path), _ADVICE) from None
