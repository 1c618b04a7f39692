"""The ledger at rest: encrypted parts in the workspace, one row for every image ever fetched."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from linkwell.base.errors import DamagedFileError
from linkwell.base.schema import LEDGER_SCHEMA
from linkwell.base.sealed import read_sealed, write_sealed_file
from linkwell.base.shards import as_schema
from linkwell.base.workspace import Workspace
from linkwell.ledger.digests import Digests
from linkwell.ledger.parts import require_parts

PART_GLOB = "*.parquet"


def ledger_table(rows: Sequence[tuple[bytes, datetime, Digests]]) -> pa.Table:
    """Rows of (link id, when fetched, digests) as a table of `LEDGER_SCHEMA`.

    Args:
        rows: link ids of 16 bytes; times with a time zone, kept to the second.
    """
    digests = [row[2] for row in rows]
    columns: dict[str, list[object]] = {
        "link_id": [row[0] for row in rows],
        "fetched_at": [row[1] for row in rows],
    }
    for name in LEDGER_SCHEMA.names[len(columns) :]:
        columns[name] = [getattr(digest, name) for digest in digests]
    return pa.Table.from_pydict(columns, schema=LEDGER_SCHEMA)


def write_ledger_part(temporary_path: Path, table: pa.Table, master_key: bytes) -> None:
    """Write one encrypted part, mode 0600, at exactly `temporary_path`: a task's output, whose commit renames it.

    Parts belong in `workspace.ledger`, named `<run>-<index>.parquet`.
    """
    write_sealed_file(temporary_path, as_schema(table, LEDGER_SCHEMA), master_key)


def read_ledger(workspace: Workspace, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """The rows of all parts, in tables of bounded size; a link fetched twice has two rows.

    Args:
        workspace: whose ledger.
        columns: the columns to read; None for all.

    Raises:
        DamagedFileError: a part is gone, was changed, cut short, written under another key, or is no part of a ledger. Nothing is skipped.
        MissingKeyError: the workspace's master key is not there.
    """
    for path in ledger_parts(workspace):
        yield from read_ledger_part(path, workspace.master_key(), columns)


def ledger_parts(workspace: Workspace) -> list[Path]:
    """The files of the ledger, in order, for tasks that read one each.

    Raises:
        DamagedFileError: a part is gone.
    """
    require_parts(workspace)
    return sorted(workspace.ledger.glob(PART_GLOB))


def read_ledger_part(path: Path, master_key: bytes, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """The rows of one part, in tables of bounded size.

    Raises:
        DamagedFileError: it was changed, cut short, written under another key, or is no part of a ledger.
    """
    names = list(columns) if columns is not None else LEDGER_SCHEMA.names
    schema = pa.schema([LEDGER_SCHEMA.field(name) for name in names])
    for table in read_sealed(path, master_key, names):
        try:
            yield table.select(names).cast(schema)
        except (KeyError, pa.ArrowException):
            raise DamagedFileError(
                "this file does not have the columns of a ledger",
                str(path),
                "Restore it, or move it away: only ledger parts belong in this folder.",
            ) from None
