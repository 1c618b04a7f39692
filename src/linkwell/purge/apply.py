"""Applying recalls to a copy: units by tasks of the engine, then a signed receipt.

While a purge runs, `linkwell.purge` stands in the copy and the run's folder in its state; both are gone when the receipt
is there. A killed purge is finished by the same command.
"""

import contextlib
import hashlib
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from linkwell import __version__
from linkwell.base.errors import FormatError, LinkwellError
from linkwell.base.shards import file_sha256, storage_errors, sweep, sync_folder, write_bytes
from linkwell.base.workspace import folder_lock
from linkwell.engine import Engine, local_input, run_stage, task
from linkwell.purge.aliases import read_aliases
from linkwell.purge.inventory import COPY_FILE, JOURNAL_FILE, STATE_FOLDER, Copy, check_state_folder, open_copy
from linkwell.purge.match import Wanted
from linkwell.purge.note import NOTES_FOLDER, finish_all, keep_pending, pending
from linkwell.purge.plan import check_dataset, check_tables, own_aliases, telling_units
from linkwell.purge.receipt import (
    KEY_FILE,
    NOT_REACHED,
    RECEIPT_FORMAT,
    FeedFacts,
    Receipt,
    Statement,
    load_key,
    read_receipt,
    receipts_in,
    sign,
    store_receipt,
)
from linkwell.purge.records import record_of, records_of
from linkwell.purge.rewrite import RECORD, InPlace, UnitRecord, UnitsTask
from linkwell.purge.seen import Seen, read_seen, write_seen
from linkwell.purge.surroundings import surroundings
from linkwell.purge.unit import TableQuery, Unit
from linkwell.recall import Recalled

JOURNAL_FORMAT = "linkwell-purge-1"
_RUN_FOLDER = "run"
_UNITS_AT_ONCE = 256
"""Units of one task: a task's mark costs more than a look at a clean shard."""
RECEIPTS_FOLDER = "receipts"


class Journal(msgspec.Struct, frozen=True):
    """`linkwell.purge`: that a purge was begun."""

    format: str
    run: str
    dataset: str
    sequence: int
    started: str
    tool: str


@dataclass(frozen=True)
class PurgeOptions:
    """How a copy is looked at and changed."""

    aliases: tuple[Path, ...] = ()
    """Tables (parquet files, or folders of them) that connect links with the ids other projects give them."""
    tables: tuple[TableQuery, ...] = ()
    """Tables of databases in the copy."""
    hash_all: bool = True
    """Read every file whole, for a receipt with the SHA-256 of each, before and after; else only of what was rewritten, far quicker."""
    thorough: bool = False
    """Look at every statement of identity, also where another one has answered."""
    in_place: InPlace = "auto"
    """Whether files that can be are changed where they stand; `auto` where the disk is short."""


def apply(
    copy: Path,
    recalled: Recalled,
    *,
    engine: Engine,
    key: Path | Ed25519PrivateKey | None = None,
    state: Path | None = None,
    feed: FeedFacts | None = None,
    options: PurgeOptions | None = None,
) -> Receipt:
    """Take everything recalled out of a copy.

    Args:
        copy: the copy's folder.
        recalled: what the feed says.
        engine: what runs the tasks.
        key: what signs the receipt; by default a key in the state folder, made at first use.
        state: the holder's folder for key, receipts and the run; by default `.linkwell` in the copy.
        feed: which state of the feed this is, for the receipt.
        options: how.

    Returns:
        the receipt, also stored in the state folder. `statement.complete` is False where a file could not be dealt with.

    Raises:
        UsageError: the copy is of another dataset, has nothing that can be purged, or its state is a symbolic link; or the tables of a
            database that was purged before are not named.
        BusyError: another purge is at work on it.
        StorageError: the state cannot be written.
    """
    options = options or PurgeOptions()
    state = state or copy / STATE_FOLDER
    check_state_folder(state)
    with folder_lock(state, "purge"):
        for folder in (state, state / RECEIPTS_FOLDER):
            sweep(folder)
        receipts, run = state / RECEIPTS_FOLDER, state / _RUN_FOLDER
        before = open_copy(copy, options.tables, state=state)
        check_tables(before, _last(receipts))
        check_dataset(before, recalled)
        signing_key = key if isinstance(key, Ed25519PrivateKey) else load_key(key or state / KEY_FILE, make=key is None)
        journal = _begin(copy, recalled, receipts, run)
        waiting = finish_all(copy, run)
        found = open_copy(copy, options.tables, pending(copy, run), state=state)
        for leftover in found.leftovers:
            with storage_errors(leftover):
                leftover.unlink(missing_ok=True)
        wanted = _wanted(found, recalled, run, options)
        tellers = telling_units(found)
        others = [unit for unit in found.units if unit not in tellers]
        seen = {} if options.hash_all or options.thorough else read_seen(state)
        records = _run(found, others, wanted, recalled, run, engine=engine, options=options, seen=seen)
        if any(record.problem is not None for record in records):
            records += [_waiting(found, unit, hash_all=options.hash_all) for unit in tellers]
        else:
            records += _run(found, tellers, wanted, recalled, run, engine=engine, options=options, seen=seen)
        statement = _statement(found, records, recalled, journal, feed=feed, receipts=receipts, options=options)
        statement = msgspec.structs.replace(statement, problems=waiting | statement.problems)
        receipt = sign(statement, signing_key)
        write_seen(state, {record.name: record.seen for record in records if record.seen is not None})
        with storage_errors(receipts):
            store_receipt(receipts, receipt)
        _end(copy, run)
    return receipt


def _last(receipts: Path) -> Receipt | None:
    """The newest receipt; one that does not read says nothing."""
    known = receipts_in(receipts)
    try:
        return read_receipt(known[-1]) if known else None
    except LinkwellError:
        return None


def _wanted(found: Copy, recalled: Recalled, run: Path, options: PurgeOptions) -> Wanted:
    """What is to go, with the foreign ids of it. Those stay in the run until it ends: a killed run may have removed their rows."""
    wanted = Wanted.of(recalled)
    aliases = read_aliases(options.aliases, wanted)
    aliases = aliases.joined(own_aliases(found, wanted)).joined(Wanted.aliases_in(run))
    wanted = Wanted.of(recalled, aliases)
    with storage_errors(run):
        run.mkdir(parents=True, exist_ok=True)
    wanted.save(run)
    return wanted


def _begin(copy: Path, recalled: Recalled, receipts: Path, run: Path) -> Journal:
    """Write the journal, or go on with that of a killed run; a run that has its receipt is cleared away."""
    path = copy / JOURNAL_FILE
    journal = _read_journal(path)
    known = receipts_in(receipts)
    if journal is not None and known and read_receipt(known[-1]).statement.run == journal.run:
        _end(copy, run)
        journal = None
    if journal is None:
        _clear(run)
        journal = Journal(JOURNAL_FORMAT, uuid.uuid4().hex, recalled.dataset, recalled.sequence, _now(), tool())
    journal = msgspec.structs.replace(journal, sequence=recalled.sequence)
    write_bytes(path, msgspec.json.format(msgspec.json.encode(journal), indent=1) + b"\n")
    return journal


def _waiting(found: Copy, unit: Unit, *, hash_all: bool) -> UnitRecord:
    """The record of a table that is left alone: what could not be purged is told by its rows alone."""
    files = list(records_of(found.root, unit, hashed=hash_all).values())
    return UnitRecord(unit.name, files, problem="left until the files are purged that only its rows can tell of")


def _run(
    found: Copy,
    chosen: Sequence[Unit],
    wanted: Wanted,
    recalled: Recalled,
    run: Path,
    *,
    engine: Engine,
    options: PurgeOptions,
    seen: Mapping[str, Seen],
) -> list[UnitRecord]:
    """Purge some units by tasks of the engine; what became of each."""
    _forget_problems(run)
    share = max(1, min(_UNITS_AT_ONCE, len(chosen) // (4 * (os.cpu_count() or 1))))
    tasks = []
    for index, start in enumerate(range(0, len(chosen), share)):
        units = list(chosen[start : start + share])
        params = UnitsTask(
            copy=str(found.root.absolute()),
            units=units,
            keys_name_cells=found.keys_name_cells,
            run_folder=str(run.absolute()),
            head=_head(recalled, wanted),
            hash_all=options.hash_all,
            thorough=options.thorough,
            in_place=options.in_place,
            large=found.large,
            seen={unit.name: seen[unit.name] for unit in units if unit.name in seen},
        )
        inputs = tuple(local_input(found.root / name) for unit in units for name in unit.files)
        folders = tuple(local_input(found.root / unit.folder) for unit in units if unit.folder is not None)
        tasks.append(task("purge", index, "linkwell.purge.rewrite:purge_units", params, inputs + folders))
    result = run_stage(tasks, run, engine, unit="tasks") if tasks else None
    return [
        record
        for path in (result.outputs(RECORD) if result else ())
        for record in msgspec.json.decode(path.read_bytes(), type=list[UnitRecord])
    ]


def _head(recalled: Recalled, wanted: Wanted) -> str:
    """What tells one state of the recalls from another."""
    digest = hashlib.sha256(recalled.cell_array.tobytes())
    for array in (recalled.link_ids, *wanted.alias_arrays):
        digest.update(array.tobytes())
    return f"{recalled.sequence}:{digest.hexdigest()[:32]}"


def _forget_problems(run: Path) -> None:
    """What failed in a killed run is tried again: without its record, a task's mark does not count."""
    for path in run.glob(f"*.{RECORD}"):
        records = msgspec.json.decode(path.read_bytes(), type=list[UnitRecord])
        if any(record.problem is not None for record in records):
            path.unlink()


def _statement(
    found: Copy,
    records: list[UnitRecord],
    recalled: Recalled,
    journal: Journal,
    *,
    feed: FeedFacts | None,
    receipts: Path,
    options: PurgeOptions,
) -> Statement:
    files = [record for unit in records for record in unit.files]
    if (found.root / COPY_FILE).exists():
        files.append(record_of(found.root, COPY_FILE, hashed=True))
    problems = found.problems | {unit.name: unit.problem for unit in records if unit.problem is not None}
    hard_links = sum(unit.hard_links for unit in records)
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
        unidentified=sum(unit.unidentified for unit in records),
        unreached=found.unreached | ({"hard links to rewritten files": hard_links} if hard_links else {}),
        not_reached=NOT_REACHED,
        tool=tool(),
        started=journal.started,
        finished=_now(),
        previous=file_sha256(known[-1]) if known else "",
        hashed="all" if options.hash_all else "rewritten",
        surroundings=surroundings(found.root),
    )


def _end(copy: Path, run: Path) -> None:
    """Clear the run away but for what waits to be finished, the journal last."""
    keep_pending(copy, run)
    _clear(run)
    (copy / JOURNAL_FILE).unlink(missing_ok=True)
    sync_folder(copy)


def _clear(run: Path) -> None:
    """Remove a run's folder, but for notes of what waits."""
    if not run.is_dir():
        return
    for path in run.iterdir():
        if path.name == NOTES_FOLDER:
            with contextlib.suppress(OSError):  # not empty
                path.rmdir()
        elif path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        run.rmdir()


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
