"""The proof that the log holds: every entry, its end, the guards, and the cases against what the log tells."""

from pathlib import Path

from sqlalchemy import Connection, select

from linkwell.base.counts import plural
from linkwell.base.errors import SignatureError
from linkwell.cases.chain import End, Entry, Head, check_end, check_entry
from linkwell.cases.guards import missing_guards
from linkwell.cases.replay import Replay
from linkwell.cases.tables import log
from linkwell.cases.values import LogReport

_BATCH_ROWS = 1_000


def verify(
    connection: Connection, head: Head | None, head_path: Path, anchors: set[str], master_key: bytes
) -> LogReport:
    """Check everything, in one pass over the log.

    Args:
        connection: a transaction on the case book.
        head: the content of `log.head`.
        head_path: where it is, for messages.
        anchors: hashes that must be in the chain.
        master_key: the workspace's, under which the log keeps what entries a case has.

    Raises:
        SignatureError: the first thing that does not hold.
    """
    removed = missing_guards(connection)
    if removed:
        raise SignatureError(
            f"guards were removed or changed: {', '.join(removed)}",
            "the database of cases",
            "Restore cases.sqlite and log.head together from a backup, and find out who changed them.",
        )
    end, told, found = End(), Replay(), 0
    rows = connection.execution_options(yield_per=_BATCH_ROWS).execute(select(log).order_by(log.c.seq))
    for row in rows:
        entry = Entry(row.seq, row.at, row.who, row.action, row.case_number, row.detail, row.prev_hash, row.hash)
        end = check_entry(entry, end)
        told.add(entry)
        found += end.hash in anchors
    check_end(head_path, head, end)
    told.compare(connection, master_key)
    if found < len(anchors):
        raise SignatureError(
            f"{plural(len(anchors) - found, 'head that releases name is', 'heads that releases name are')} not in the log: it was replaced by another",
            str(head_path),
            "Restore cases.sqlite and log.head together from a backup, and find out who changed them.",
        )
    return LogReport(entries=end.count, head=end.hash, cases=len(told.states), anchors=found)
