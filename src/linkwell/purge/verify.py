"""Whether nothing recalled is left in a copy, and whether its files are those the receipt names."""

from dataclasses import dataclass, field
from pathlib import Path

from linkwell.base.errors import LinkwellError, SignatureError
from linkwell.base.progress import meter
from linkwell.base.shards import file_sha256
from linkwell.purge.inventory import COPY_FILE, JOURNAL_FILE, open_copy
from linkwell.purge.match import Wanted
from linkwell.purge.plan import check_dataset, touched_files
from linkwell.purge.receipt import Receipt
from linkwell.purge.scan import scan_shard
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


def verify(copy: Path, recalled: Recalled, receipt: Receipt | None) -> VerifyReport:
    """Look through a copy again and compare it with its receipt; changes nothing.

    Args:
        copy: the copy's folder.
        recalled: what the feed says now.
        receipt: of the last purge, its signature checked by `read_receipt`; None compares nothing.

    Raises:
        SignatureError: the receipt is about another dataset, or about another feed than this one.
        UsageError: the copy is of another dataset.
    """
    found = open_copy(copy)
    check_dataset(found, recalled)
    newer = _check_feed(recalled, receipt)
    wanted = Wanted.of(recalled)
    left: dict[str, int] = {}
    problems = dict(found.problems)
    unidentified = 0
    digests: dict[str, str] = {}
    with meter("purge verify", total=len(found.shards), unit="shards") as progress:
        for shard in found.shards:
            try:
                scan = scan_shard(copy, shard, wanted, ours=found.keys_name_cells)
                left |= {f.name: f.removed for f in touched_files(copy, scan) if f.removed}
                unidentified += scan.unidentified
            except LinkwellError as error:
                problems[shard.name] = error.problem
            digests |= {name: file_sha256(copy / name) for name in shard.files}
            progress.advance()
    if (copy / COPY_FILE).exists():
        digests[COPY_FILE] = file_sha256(copy / COPY_FILE)
    stated = {f.name: f.sha256_after for f in receipt.statement.files} if receipt else digests
    return VerifyReport(
        files=len(digests),
        left=left,
        edited=tuple(sorted(name for name, digest in stated.items() if digests.get(name) != digest)),
        added=tuple(sorted(digests.keys() - stated.keys())),
        leftovers=len(found.leftovers),
        unfinished=(copy / JOURNAL_FILE).exists(),
        newer_recalls=newer,
        unidentified=unidentified,
        unreached=found.unreached,
        problems=problems,
        made_from_build=found.made_from_build,
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
