"""Applying recalls to a copy: every shard by a task of the engine, then a signed receipt.

While a purge runs, `linkwell.purge` stands in the copy and the run's folder in its state; both are gone when the receipt
is there. A killed purge is finished by the same command.
"""

import hashlib
import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from linkwell import __version__
from linkwell.base.errors import FormatError
from linkwell.base.shards import file_sha256, storage_errors, sweep, sync_folder, write_bytes
from linkwell.base.workspace import folder_lock
from linkwell.engine import Engine, StageResult, local_input, run_stage, task
from linkwell.purge.inventory import COPY_FILE, JOURNAL_FILE, STATE_FOLDER, Copy, check_state_folder, open_copy
from linkwell.purge.match import Wanted
from linkwell.purge.plan import check_dataset
from linkwell.purge.receipt import (
    KEY_FILE,
    NOT_REACHED,
    RECEIPT_FORMAT,
    FeedFacts,
    FileRecord,
    Receipt,
    Statement,
    load_key,
    read_receipt,
    receipts_in,
    sign,
    store_receipt,
)
from linkwell.purge.rewrite import RECORD, ShardRecord, ShardTask
from linkwell.recall import Recalled

JOURNAL_FORMAT = "linkwell-purge-1"
_RUN_FOLDER = "run"
RECEIPTS_FOLDER = "receipts"


class Journal(msgspec.Struct, frozen=True):
    """`linkwell.purge`: that a purge was begun."""

    format: str
    run: str
    dataset: str
    sequence: int
    started: str
    tool: str


def apply(
    copy: Path,
    recalled: Recalled,
    *,
    engine: Engine,
    key: Path | Ed25519PrivateKey | None = None,
    state: Path | None = None,
    feed: FeedFacts | None = None,
) -> Receipt:
    """Take everything recalled out of a copy.

    Args:
        copy: the copy's folder.
        recalled: what the feed says.
        engine: what runs the tasks.
        key: what signs the receipt; by default a key in the state folder, made at first use.
        state: the holder's folder for key, receipts and the run; by default `.linkwell` in the copy.
        feed: which state of the feed this is, for the receipt.

    Returns:
        the receipt, also stored in the state folder. `statement.complete` is False where a file could not be dealt with.

    Raises:
        UsageError: the copy is of another dataset, has nothing that can be purged, or its state is a symbolic link.
        BusyError: another purge is at work on it.
        StorageError: the state cannot be written.
    """
    state = state or copy / STATE_FOLDER
    check_state_folder(state)
    with folder_lock(state, "purge"):
        for folder in (state, state / RECEIPTS_FOLDER):
            sweep(folder)
        found = open_copy(copy)
        check_dataset(found, recalled)
        signing_key = key if isinstance(key, Ed25519PrivateKey) else load_key(key or state / KEY_FILE, make=key is None)
        receipts, run = state / RECEIPTS_FOLDER, state / _RUN_FOLDER
        journal = _begin(copy, recalled, receipts, run)
        for leftover in found.leftovers:
            with storage_errors(leftover):
                leftover.unlink(missing_ok=True)
        result = _run(found, recalled, run, engine)
        records = [msgspec.json.decode(path.read_bytes(), type=ShardRecord) for path in result.outputs(RECORD)]
        statement = _statement(found, records, recalled, journal, feed=feed, receipts=receipts)
        receipt = sign(statement, signing_key)
        with storage_errors(receipts):
            store_receipt(receipts, receipt)
        _end(copy, run)
    return receipt


def _begin(copy: Path, recalled: Recalled, receipts: Path, run: Path) -> Journal:
    """Write the journal, or go on with that of a killed run; a run that has its receipt is cleared away."""
    path = copy / JOURNAL_FILE
    journal = _read_journal(path)
    known = receipts_in(receipts)
    if journal is not None and known and read_receipt(known[-1]).statement.run == journal.run:
        _end(copy, run)
        journal = None
    if journal is None:
        shutil.rmtree(run, ignore_errors=True)
        journal = Journal(JOURNAL_FORMAT, uuid.uuid4().hex, recalled.dataset, recalled.sequence, _now(), tool())
    journal = msgspec.structs.replace(journal, sequence=recalled.sequence)
    write_bytes(path, msgspec.json.format(msgspec.json.encode(journal), indent=1) + b"\n")
    return journal


def _run(found: Copy, recalled: Recalled, run: Path, engine: Engine) -> StageResult:
    with storage_errors(run):
        run.mkdir(parents=True, exist_ok=True)
    Wanted.of(recalled).save(run)
    _forget_problems(run)
    tasks = [
        task(
            "purge",
            index,
            "linkwell.purge.rewrite:purge_shard",
            ShardTask(str(found.root.absolute()), shard, found.keys_name_cells, str(run.absolute()), _head(recalled)),
            tuple(local_input(found.root / name) for name in shard.files),
        )
        for index, shard in enumerate(found.shards)
    ]
    return run_stage(tasks, run, engine, unit="shards")


def _head(recalled: Recalled) -> str:
    """What tells one state of the recalls from another."""
    digest = hashlib.sha256(recalled.cell_array.tobytes())
    digest.update(recalled.link_ids.tobytes())
    return f"{recalled.sequence}:{digest.hexdigest()[:32]}"


def _forget_problems(run: Path) -> None:
    """What failed in a killed run is tried again: without its record, a task's mark does not count."""
    for path in run.glob(f"*.{RECORD}"):
        if msgspec.json.decode(path.read_bytes(), type=ShardRecord).problem is not None:
            path.unlink()


def _statement(
    found: Copy,
    records: list[ShardRecord],
    recalled: Recalled,
    journal: Journal,
    *,
    feed: FeedFacts | None,
    receipts: Path,
) -> Statement:
    files = [record for shard in records for record in shard.files]
    if (found.root / COPY_FILE).exists():
        digest = file_sha256(found.root / COPY_FILE)
        files.append(FileRecord(COPY_FILE, digest, digest, 0))
    problems = found.problems | {shard.name: shard.problem for shard in records if shard.problem is not None}
    hard_links = sum(shard.hard_links for shard in records)
    known = receipts_in(receipts)
    return Statement(
        format=RECEIPT_FORMAT,
        run=journal.run,
        dataset=recalled.dataset,
        kind=found.kind,
        feed=feed or FeedFacts(recalled.sequence, list(recalled.heads)),
        complete=not problems,
        files=sorted(files, key=lambda record: record.name),
        problems=problems,
        rows_removed=sum(record.rows_removed for record in files),
        leftovers_removed=len(found.leftovers),
        unidentified=sum(shard.unidentified for shard in records),
        unreached=found.unreached | ({"hard links to rewritten files": hard_links} if hard_links else {}),
        not_reached=NOT_REACHED,
        tool=tool(),
        started=journal.started,
        finished=_now(),
        previous=file_sha256(known[-1]) if known else "",
    )


def _end(copy: Path, run: Path) -> None:
    """Clear the run away, the journal last."""
    shutil.rmtree(run, ignore_errors=True)
    (copy / JOURNAL_FILE).unlink(missing_ok=True)
    sync_folder(copy)


def _read_journal(path: Path) -> Journal | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Journal)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise FormatError("this is not the journal of a purge", str(path), "Delete it and run apply again.") from error


def tool() -> str:
    """What made a receipt."""
    return f"linkwell {__version__}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
