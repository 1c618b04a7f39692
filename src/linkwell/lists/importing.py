"""Import a hash list into the workspace, update it, show what is there, forget a list."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from linkwell.base.errors import DamagedFileError, FormatError, MissingError, UsageError
from linkwell.base.progress import meter
from linkwell.base.settings import ListMapping
from linkwell.base.workspace import Workspace, check_name
from linkwell.lists.formats import LIST_FORMATS, PDQ_LINES, SIGNALS, TX_CSV, read_header, read_rows
from linkwell.lists.kinds import ALGORITHMS
from linkwell.lists.list_file import open_list_file
from linkwell.lists.loading import Loading
from linkwell.lists.ncmec_xml import BROKEN_OFF
from linkwell.lists.storage import LOCK, ListIndex, ListRecord, read_index, sweep_lists, write_index

_METER_ROWS = 20_000
_BARE_FORMATS = frozenset({SIGNALS, TX_CSV, PDQ_LINES, *ALGORITHMS})
"""Forms whose rows never withdraw anything."""
_MAX_NOTE_CHARACTERS = 1_000


@dataclass(frozen=True)
class ListNotes:
    """What is known of a list beside its entries; None leaves what was known before."""

    terms: str | None = None
    """What its supplier asks, in words or as the name of an agreement."""
    classification: str | None = None
    """What its supplier says the entries are."""
    expires: datetime | None = None
    """From when on it matches no longer; with a time zone."""
    synthetic: bool | None = None
    """Whether it is made up, for tests and demos; None for what its header says."""

    def __post_init__(self) -> None:
        """Check the texts.

        Raises:
            UsageError: one is longer than 1,000 characters, or holds characters that do not print.
        """
        for name in ("terms", "classification"):
            text = getattr(self, name)
            if text is not None and (len(text) > _MAX_NOTE_CHARACTERS or not text.isprintable()):
                raise UsageError(f"{name} has at most {_MAX_NOTE_CHARACTERS:,} characters, all of which print")


@dataclass(frozen=True)
class ImportReport:
    """What an import or an update did. It never holds anything of a row but its number."""

    source: str
    list_format: str
    synthetic: bool
    replaced: bool
    """Whether a list of the same source was there before."""
    loaded: dict[str, int]
    """Rows loaded, by algorithm."""
    withdrawn: int
    """Rows that withdrew an entry, there or not."""
    entries: dict[str, int]
    """What the list holds now, by algorithm."""
    passed_over: dict[str, int]
    """Rows that are right and of no use here, by reason: videos, other signals."""
    rejected_count: int
    rejected_reasons: dict[str, int]
    rejected: tuple[tuple[int, str], ...]
    """(number of the line or entry, reason) of the first `MAX_NAMED_ROWS` rows that were set aside."""
    kept: tuple[str, ...] = ()
    """What of the notes on the list that was replaced holds on: `terms`, `classification`, `expires`."""


@dataclass(frozen=True)
class ListInfo:
    """A list of the workspace: what it is, and counts."""

    source: str
    imported_at: datetime
    updated_at: datetime | None
    file_name: str
    list_format: str
    synthetic: bool
    counts: dict[str, int]
    """Entries, by algorithm."""
    rejected_count: int
    terms: str
    classification: str
    expires: datetime | None
    expired: bool
    """Whether it matches no longer."""
    exchange: str
    """The exchange it is fetched from; empty for a file."""


def import_list(
    workspace: Workspace,
    path: Path,
    *,
    source: str,
    list_format: str | None = None,
    synthetic: bool | None = None,
    notes: ListNotes | None = None,
    update: bool = False,
) -> ImportReport:
    """Import a list; one of the same source is replaced, at once and as a whole, or with `update` changed.

    An update adds what is new, puts each record in the place of an earlier one of the same id, and takes out what is withdrawn.

    Args:
        workspace: where to.
        path: the list, gzip or not.
        source: the name of who supplied it: lower-case letters, digits, dot, dash, underscore.
        list_format: one of `LIST_FORMATS`, or a mapping of the settings; None to tell it from the first lines.
        synthetic: whether the list is made up, for tests and demos; None to take what its header says.
        notes: terms, classification, expiry; None for what was known of a list of this source.
        update: whether the file holds changes to the list that is there.

    Raises:
        UsageError: the name or the form is not known, or the list that is replaced has expired and no new date is given.
        FormatError: the form cannot be told, or not one row loads; what was there before stays.
        MissingError, DamagedFileError, StorageError: the file, or the lists that are there, cannot be read or written.
        BusyError: another import is at work.
    """
    check_name(source, "source")
    known_format, mapping, said_synthetic = _form(workspace, path, list_format)
    notes = notes or ListNotes(synthetic=synthetic)
    if synthetic is not None:
        notes = replace(notes, synthetic=synthetic)
    with changing(workspace) as index:
        before = index.find(source)
        now = datetime.now(UTC).replace(microsecond=0)
        if update:
            _check_update(before, source, known_format)
        notes, kept = _carried_on(None if update else before, notes, now)
        changes = update or mapping is not None or known_format not in _BARE_FORMATS
        loading = Loading(
            workspace,
            f"{source}-{index.generation + 1}",
            before.parts if update and before else (),
            changes=changes,
        )
        _read(loading, path, known_format, mapping)
        if before is not None and not update and BROKEN_OFF.reason in {reason for _, reason in loading.rejected}:
            raise DamagedFileError(
                "the file breaks off, and a part of a list must not take the place of a whole one",
                str(path),
                "Nothing was changed. Get the file again, or add what is in it with: linkwell lists update",
            )
        if update and before is not None:
            record = msgspec.structs.replace(before, updated_at=now)
        else:
            record = ListRecord(
                source=source,
                imported_at=now,
                file_name=path.name,
                list_format=known_format,
                synthetic=said_synthetic,
                counts={},
                rejected_count=0,
                parts=(),
            )
        record = with_notes(finished(record, loading), notes)
        write_index(workspace, index.with_list(record))
    return replace(report_of(record, loading, replaced=before is not None and not update), kept=kept)


def _form(workspace: Workspace, path: Path, list_format: str | None) -> tuple[str, ListMapping | None, bool]:
    """The form of a file, its mapping where it has one, and whether it says that it is synthetic."""
    mappings = workspace.settings.lists.mappings
    if list_format is not None and list_format not in LIST_FORMATS and list_format not in mappings:
        raise UsageError(
            f"{list_format!r} is no form of a list",
            advice="One of: "
            + ", ".join([*LIST_FORMATS, *mappings])
            + ". Other CSV needs a mapping of its columns under [lists.mappings] in linkwell.toml.",
        )
    header = read_header(path)
    known = list_format or header.list_format
    if known is None:
        raise FormatError(
            "the first lines do not tell the form of this list",
            str(path),
            "Name it with --format: signals (lines `signal_type signal`), tx-csv, or md5, sha1, sha256, pdq or url "
            "where each line is one bare signal; or a mapping of columns under [lists.mappings] in linkwell.toml.",
        )
    mapping = mappings.get(known) if known not in LIST_FORMATS else None
    if mapping is not None:
        check_mapping(known, mapping)
    return known, mapping, header.synthetic


def check_mapping(name: str, mapping: ListMapping) -> None:
    """Stop at a mapping that maps nothing.

    Raises:
        UsageError: it names no column of a value.
    """
    if not mapping.columns and not (mapping.type_column and mapping.value_column):
        raise UsageError(
            "this mapping names no column that holds a hash or a URL",
            f"lists.mappings.{name}",
            'Give it columns, as { "MD5" = "md5" }, or both type_column and value_column.',
        )


def _carried_on(before: ListRecord | None, notes: ListNotes, now: datetime) -> tuple[ListNotes, tuple[str, ...]]:
    """Notes with what was known of the list that is replaced, and what that is: a list that ends must not come to hold for ever unsaid.

    Raises:
        UsageError: that list has expired: somebody has to say whether, and until when, its terms allow the new one.
    """
    if before is None:
        return notes, ()
    if before.expires is not None and before.expired(now) and notes.expires is None:
        raise UsageError(
            f"the list of {before.source!r} that this replaces expired on {before.expires:%Y-%m-%d}",
            "--expires",
            "Nothing was changed. Give the day to which the new one may be used, or never.",
        )
    names = ("terms", "classification", "expires")
    kept = {name: known for name in names if (known := getattr(before, name)) and getattr(notes, name) is None}
    return replace(notes, **kept), tuple(kept)


def _check_update(before: ListRecord | None, source: str, list_format: str) -> None:
    if before is None:
        raise MissingError(
            f"there is no list of {source!r} to update", "hash lists", "linkwell lists import brings in a new one."
        )
    if before.list_format != list_format:
        raise UsageError(
            f"the list of {source!r} is of the form {before.list_format}, and this file is {list_format}",
            "--format",
            "A withdrawal could miss its entry. Import the whole list anew, or keep the two under two names.",
        )


def _read(loading: Loading, path: Path, list_format: str, mapping: ListMapping | None) -> None:
    """Read all rows and write all parts.

    Raises:
        FormatError: not one row loads.
    """
    with open_list_file(path) as (stream, file), meter("import list", path.stat().st_size, "bytes") as progress:
        for count, row in enumerate(read_rows(stream, list_format, path, mapping), 1):
            loading.add_row(row)
            if count % _METER_ROWS == 0:
                progress.advance(file.tell() - progress.done)
        loading.flush()
    if not loading.loaded and not loading.withdrawn:
        aside = f"{loading.reasons.total()} were set aside"
        aside += f", {loading.passed_over.total()} passed over" if loading.passed_over else ""
        raise FormatError(
            f"not one row could be loaded, and {aside}",
            str(path),
            "Nothing was changed. Check the file, or name its form with --format.",
        )


@contextmanager
def changing(workspace: Workspace) -> Iterator[ListIndex]:
    """Hold the lists to change one of them: what a killed import left goes before, and what this one leaves after.

    Raises:
        BusyError: another import is at work.
        DamagedFileError: the index does not open.
    """
    with workspace.lock(LOCK):
        index = read_index(workspace)
        if index.generation == 0:
            write_index(workspace, index)  # from here on, parts without an index mean damage
        sweep_lists(workspace, index)
        try:
            yield index
        finally:
            sweep_lists(workspace, read_index(workspace))


def finished(record: ListRecord, loading: Loading) -> ListRecord:
    """A record with the parts and counts that a loading came to."""
    parts = tuple(loading.parts)
    record = msgspec.structs.replace(record, parts=parts, rejected_count=loading.reasons.total())
    return msgspec.structs.replace(record, counts=record.entries())


def with_notes(record: ListRecord, notes: ListNotes) -> ListRecord:
    """A record with what is newly known of the list."""
    known = {
        name: value
        for name in ("terms", "classification", "expires", "synthetic")
        if (value := getattr(notes, name)) is not None
    }
    return msgspec.structs.replace(record, **known)


def report_of(record: ListRecord, loading: Loading, *, replaced: bool) -> ImportReport:
    """What a loading came to."""
    return ImportReport(
        source=record.source,
        list_format=record.list_format,
        synthetic=record.synthetic,
        replaced=replaced,
        loaded={name: loading.loaded[name] for name in ALGORITHMS if loading.loaded[name]},
        withdrawn=loading.withdrawn,
        entries=record.counts,
        passed_over=dict(sorted(loading.passed_over.items())),
        rejected_count=loading.reasons.total(),
        rejected_reasons=dict(sorted(loading.reasons.items())),
        rejected=tuple(loading.rejected),
    )


def note_list(workspace: Workspace, source: str, notes: ListNotes) -> None:
    """Change what is known of a list: its terms, classification, expiry, and whether it is synthetic.

    Raises:
        MissingError: there is no list of this source.
        BusyError: an import is at work.
    """
    with changing(workspace) as index:
        record = index.find(source)
        if record is None:
            raise MissingError(f"there is no list of {source!r}", "hash lists", "linkwell lists show names them.")
        write_index(workspace, index.with_list(with_notes(record, notes)))


def show_lists(workspace: Workspace) -> list[ListInfo]:
    """The lists of a workspace, by source.

    Raises:
        DamagedFileError: the index of the lists does not open.
    """
    now = datetime.now(UTC)
    names = [field.name for field in msgspec.structs.fields(ListRecord)]
    wanted = set(ListInfo.__dataclass_fields__) & set(names)
    return [
        ListInfo(**{name: getattr(record, name) for name in wanted}, expired=record.expired(now))
        for record in read_index(workspace).lists
    ]


def lists_generation(workspace: Workspace) -> int:
    """How often the lists of a workspace were changed; 0 where there never was one. It never falls, but for an older folder put back.

    Raises:
        DamagedFileError: the index of the lists does not open.
    """
    return read_index(workspace).generation


def forget_list(workspace: Workspace, source: str) -> None:
    """Remove a list and every file of it. It works for a list whose parts are damaged, too.

    Raises:
        MissingError: there is no list of this source.
        BusyError: an import is at work.
    """
    with workspace.lock(LOCK):
        index = read_index(workspace)
        if index.find(source) is None:
            raise MissingError(f"there is no list of {source!r}", "hash lists", "linkwell lists show names them.")
        rest = index.without(source)
        write_index(workspace, rest)
        sweep_lists(workspace, rest)
