"""Transactions of the case book: each holds its changes and their log entries, and the log's head is written around its commit."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, insert, select

from linkwell.base.counts import plural
from linkwell.base.errors import BusyError, DamagedFileError
from linkwell.base.workspace import Workspace
from linkwell.cases.chain import End, Head, check_end, check_entry, following, read_head, write_head
from linkwell.cases.database import database_errors, open_database, writing
from linkwell.cases.tables import log

_HEAD_FILE = "log.head"
_LOCK = "cases"
_LOCK_WAIT_SECONDS = 30.0
_LOCK_RETRY_SECONDS = 0.02


def time_text(moment: datetime) -> str:
    """A moment as it stands in the tables: ISO 8601, UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class LogWriter:
    """Adds entries to the log inside a transaction."""

    def __init__(self, connection: Connection, end: End, clock: Callable[[], datetime]) -> None:
        self._connection = connection
        self._clock = clock
        self.end = end

    def __call__(self, action: str, who: str, case: int | None, detail: Mapping[str, str | int]) -> None:
        """Add one entry."""
        entry = following(self.end, at=time_text(self._clock()), who=who, action=action, case=case, detail=detail)
        self._connection.execute(
            insert(log).values(
                seq=entry.seq,
                at=entry.at,
                who=entry.who,
                action=entry.action,
                case_number=entry.case,
                detail=entry.detail,
                prev_hash=entry.prev_hash,
                hash=entry.hash,
            )
        )
        self.end = check_entry(entry, self.end)


def log_end(connection: Connection) -> End:
    """Where the log ends now."""
    row = connection.execute(select(log.c.seq, log.c.hash).order_by(log.c.seq.desc()).limit(1)).first()
    return End() if row is None else End(row.seq, row.hash)


def _served(workspace: Workspace) -> bool:
    """Whether a release or a recall was ever made here: each has an entry in the log."""
    return any(workspace.releases.glob("[!.]*/manifest.json")) or any(workspace.recalls.glob("[0-9]*"))


class Store:
    """The database and the log's head of one workspace. It holds no file or lock between calls."""

    def __init__(self, workspace: Workspace, clock: Callable[[], datetime]) -> None:
        """Open the database; the first time, make it. See `CaseBook.open` for what it raises."""
        self._workspace = workspace
        self.clock = clock
        self.head_path = workspace.root / _HEAD_FILE
        with self.locked():
            head = self.read_head()
            if head is not None and head.end != End() and not workspace.cases.exists():
                raise DamagedFileError(
                    f"the cases are gone, and their log had {plural(head.end.count, 'entry', 'entries')}",
                    str(workspace.cases),
                    "Restore the file from its backup: without it nothing is known of what is quarantined.",
                )
            if head is None and not workspace.cases.exists() and _served(workspace):
                raise DamagedFileError(
                    "the cases and their log are gone, and there are releases or recalls",
                    str(workspace.cases),
                    "Restore cases.sqlite and log.head together: without them nothing is known of what is quarantined.",
                )
            self._engine: Engine = open_database(workspace.cases)
            if head is None or head.next is not None:  # new, or a kill came between a commit and the head
                with self.reading() as connection:
                    end = log_end(connection)
                check_end(self.head_path, head, end)
                write_head(self.head_path, workspace.master_key(), end)

    def master_key(self) -> bytes:
        """The workspace's master key."""
        return self._workspace.master_key()

    def read_head(self) -> Head | None:
        """The log's head, or None where there is none."""
        return read_head(self.head_path, self._workspace.master_key())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the workspace's lock for cases, for which others are waited for.

        Raises:
            BusyError: another process held it for half a minute.
        """
        deadline = time.monotonic() + _LOCK_WAIT_SECONDS
        while True:
            lock = self._workspace.lock(_LOCK)
            try:
                lock.__enter__()
                break
            except BusyError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_LOCK_RETRY_SECONDS)
        try:
            yield
        finally:
            lock.__exit__(None, None, None)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction that only reads."""
        with database_errors(self._workspace.cases), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[tuple[Connection, LogWriter]]:
        """One transaction of changes and their log entries.

        Raises:
            SignatureError: the log does not end where its head says: nothing is added to a log that was tampered with.
        """
        master_key = self._workspace.master_key()
        with self.locked(), database_errors(self._workspace.cases):
            with writing(self._engine).begin() as connection:
                before = log_end(connection)
                check_end(self.head_path, self.read_head(), before)
                writer = LogWriter(connection, before, self.clock)
                yield connection, writer
                if writer.end != before:
                    write_head(self.head_path, master_key, before, writer.end)
            if writer.end != before:
                write_head(self.head_path, master_key, writer.end)
