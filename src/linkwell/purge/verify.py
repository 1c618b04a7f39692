"""Whether nothing recalled is left in a copy, and whether its files are those the receipt names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from linkwell.base.errors import LinkwellError, SignatureError
from linkwell.base.progress import meter
from linkwell.purge.inventory import COPY_FILE, JOURNAL_FILE, open_copy
from linkwell.purge.kinds import kind_of
from linkwell.purge.plan import check_dataset, check_tables, file_plans, sight_of
from linkwell.purge.receipt import FileRecord, Receipt
from linkwell.purge.records import record_of, records_of
from linkwell.purge.unit import TableQuery, Unit
from linkwell.recall import Recalled


@dataclass(frozen=True)
class VerifyReport:
    """What a look at the whole copy found."""

    files: int
    left: dict[str, int]
    """Files that still hold something recalled, with the number of rows or samples."""
    edited: tuple[str, ...]
    """Files whose bytes are not those the receipt names, or that are gone."""
    added: tuple[str, ...]
    """Files that the receipt does not know."""
    leftovers: int
    """Temporary files of killed runs."""
    unfinished: bool
    """A purge was begun and not finished."""
    newer_recalls: int
    """Recalls in the feed that the receipt is not about yet."""
    unidentified: int = 0
    unreached: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    """Of what is not reached, how many of each kind are more than the receipt counted: somebody put them there since."""
    problems: dict[str, str] = field(default_factory=dict)
    """Files that could not be looked through, and why."""
    made_from_build: bool = False
    """Whether the copy is of a build: what was taken down before the first release is in no recall."""

    @property
    def clean(self) -> bool:
        """Whether nothing recalled is left, as far as one can see."""
        return not (self.left or self.problems or self.leftovers or self.unfinished)

    @property
    def untouched(self) -> bool:
        """Whether the files are those the receipt names."""
        return not (self.edited or self.added)


def verify(
    copy: Path,
    recalled: Recalled,
    receipt: Receipt | None,
    *,
    aliases: Sequence[Path] = (),
    tables: Sequence[TableQuery] = (),
    state: Path | None = None,
) -> VerifyReport:
    """Look through a copy again, at every statement of identity there is, and compare it with its receipt; changes nothing.

    Args:
        copy: the copy's folder.
        recalled: what the feed says now.
        receipt: of the last purge, its signature checked by `read_receipt`; None compares nothing.
        aliases: tables that connect links with the ids other projects give them.
        tables: tables of databases in the copy.
        state: the holder's folder, where it is another than `.linkwell` in the copy.

    Raises:
        SignatureError: the receipt is about another dataset, or about another feed than this one.
        UsageError: the copy is of another dataset, or the tables of a database that the receipt names were not given.
    """
    found = open_copy(copy, tables, state=state)
    check_tables(found, receipt)
    check_dataset(found, recalled)
    newer = _check_feed(recalled, receipt)
    sight = sight_of(found, recalled, aliases, thorough=True)
    stated = {f.name: f for f in receipt.statement.files if not f.gone} if receipt else None
    left: dict[str, int] = {}
    problems = dict(found.problems)
    unidentified = 0
    now: dict[str, FileRecord] = {}
    with meter("purge verify", total=len(found.units), unit="units") as progress:
        for unit in found.units:
            try:
                scan = kind_of(unit).scan(sight, unit)
                left |= {f.name: f.removed for f in file_plans(copy, scan) if f.removed}
                unidentified += scan.unidentified
            except LinkwellError as error:
                problems[unit.name] = error.problem
            now |= _as_stated(copy, unit, stated)
            progress.advance()
    if (copy / COPY_FILE).exists():
        now[COPY_FILE] = record_of(copy, COPY_FILE, hashed=True)
    stated = now if stated is None else stated
    return VerifyReport(
        files=len(now),
        left=left,
        edited=tuple(sorted(name for name, record in stated.items() if not _holds(record, now.get(name)))),
        added=tuple(sorted(now.keys() - stated.keys())),
        leftovers=len(found.leftovers),
        unfinished=(copy / JOURNAL_FILE).exists(),
        newer_recalls=newer,
        unidentified=unidentified,
        unreached=found.unreached,
        unknown=_more(found.unreached, receipt.statement.unreached) if receipt else {},
        problems=problems,
        made_from_build=found.made_from_build,
    )


def _more(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """By how much each count has grown."""
    return {kind: count - before.get(kind, 0) for kind, count in now.items() if count > before.get(kind, 0)}


def _as_stated(copy: Path, unit: Unit, stated: Mapping[str, FileRecord] | None) -> dict[str, FileRecord]:
    """The files of a unit as they are, hashed where the receipt has a hash."""
    records: dict[str, FileRecord] = {}
    for name in (*unit.files, *([f"{unit.folder}/"] if unit.folder is not None else [])):
        hashed = bool(stated and name in stated and stated[name].sha256_after)
        one = Unit(unit.kind, (), unit.folder) if name.endswith("/") else Unit(unit.kind, (name,))
        records |= records_of(copy, one, hashed=hashed)
    return records


def _holds(stated: FileRecord, now: FileRecord | None) -> bool:
    """Whether a file is what the receipt says, as far as that says it."""
    return (
        now is not None
        and stated.bytes_after in {-1, now.bytes_after}
        and stated.sha256_after in {"", now.sha256_after}
    )


def _check_feed(recalled: Recalled, receipt: Receipt | None) -> int:
    """How many recalls came after the receipt; the ones it names must be those of this feed."""
    if receipt is None:
        return 0
    stated = receipt.statement
    if stated.dataset != recalled.dataset:
        raise SignatureError(
            f"the receipt is about the dataset {stated.dataset!r}, the feed about {recalled.dataset!r}"
        )
    known = list(recalled.heads[: stated.feed.sequence])
    if stated.feed.sequence > recalled.sequence or known != stated.feed.batches_sha256:
        raise SignatureError(
            "the receipt names other recalls than this feed has",
            advice="One of the two is not what it was: ask the feed's publisher.",
        )
    return recalled.sequence - stated.feed.sequence
