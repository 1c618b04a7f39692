"""All hash lists of a workspace, loaded to be matched against: read-only, and tested on itself before anything else."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkwell.base.errors import DamagedFileError, MissingError, SafetyError
from linkwell.base.ids import LINK_ID_BYTES, canonical_id
from linkwell.base.workspace import Workspace
from linkwell.ledger import MATCHED_QUALITY, PDQ_BYTES, Digests, dihedral_hashes
from linkwell.lists.columns import Rows, fixed_bytes, one_row
from linkwell.lists.compiled import Loading, OwnedPart, load_index
from linkwell.lists.exact import Hits
from linkwell.lists.findings import Match
from linkwell.lists.indexes import PDQ, Index, build_index, finds_its_canaries
from linkwell.lists.kinds import CANONICAL, KIND_ALGORITHM, KIND_BYTES, LINK
from linkwell.lists.sharing import SharedArrays
from linkwell.lists.storage import ListIndex, PartValues, read_index

_EXACT_DIGESTS = ("md5", "sha1", "sha256")
_MAX_RELOADS = 5


@dataclass(frozen=True)
class LoadedList:
    """One list in memory: its parts by kind, canaries among them."""

    source: str
    parts: Mapping[str, Sequence[PartValues]]


class Matcher:
    """Says which lists have a digest, a link or a picture near one of theirs; never what they have.

    Canaries, made at import and stored among the entries, must all be found by the same search that serves real queries, PDQ ones
    also at the greatest distance that matches and not one bit beyond.

    Raises:
        SafetyError: at construction, when a canary is missed: an index that would overlook entries is not used.
    """

    def __init__(
        self,
        lists: Sequence[str],
        indexes: Mapping[str, Index],
        *,
        min_pdq_quality: int = MATCHED_QUALITY,
        turned_pictures: bool = False,
    ) -> None:
        """Take up indexes.

        Args:
            lists: the sources, sorted; an entry's owner is the number of its source, and that of a canary is one beyond.
            indexes: by kind; a kind without entries has none.
            min_pdq_quality: hashes below are not matched.
            turned_pictures: whether the picture's look when turned or mirrored is matched too.
        """
        self.min_pdq_quality = min_pdq_quality
        """PDQ hashes of a lower quality are not matched."""
        self._turned_pictures = turned_pictures
        self.lists = tuple(lists)
        """The sources, sorted."""
        self._canary_owner = len(self.lists)  # canaries belong to no list, so that none can be reported
        self._indexes = dict(indexes)
        for kind, index in self._indexes.items():
            if not finds_its_canaries(kind, index, self._canary_owner, self._canary_owner + 1):
                raise SafetyError(
                    f"the index of {kind} entries misses entries that it holds",
                    "hash lists",
                    "Nothing was checked. Import the lists again; if that does not help, report it: this must not happen.",
                )
        self.empty = not any((index.owners != self._canary_owner).any() for index in self._indexes.values())
        """Whether there is nothing to match against."""
        self.needs_pdq = PDQ in self._indexes
        """Whether a list holds PDQ hashes: then every picture must be decoded and hashed to be matched."""

    @classmethod
    def of(cls, lists: Iterable[LoadedList]) -> "Matcher":
        """A matcher of lists in memory.

        Raises:
            SafetyError: as for the class.
        """
        loaded = sorted(lists, key=lambda one: one.source)
        indexes = {}
        for kind in KIND_BYTES:
            values = [part.values for one in loaded for part in one.parts.get(kind, ())]
            owners = [
                np.where(part.canary, len(loaded), number).astype(np.uint16)
                for number, one in enumerate(loaded)
                for part in one.parts.get(kind, ())
            ]
            if sum(map(len, values)):
                indexes[kind] = build_index(kind, np.concatenate(values), np.concatenate(owners))
        return cls([one.source for one in loaded], indexes)

    def match_digests(self, digests: Digests, looks: Sequence[tuple[bytes, int]] = ()) -> list[Match]:
        """The lists that have a digest of these; PDQ matches within 31 bits, and only from `min_pdq_quality` up.

        Args:
            digests: of one image.
            looks: PDQ hashes and qualities of its picture's other looks (`ledger.pdq_looks`), matched like its own.
        """
        found: set[Match] = set()
        for kind in _EXACT_DIGESTS:
            found |= self._match_one(kind, getattr(digests, kind))
        own = [(digests.pdq, digests.pdq_quality or 0)] if digests.pdq is not None else []
        clear = [pdq for pdq, quality in (*own, *looks) if quality >= self.min_pdq_quality]
        values = np.frombuffer(b"".join(clear), np.uint8).reshape(len(clear), PDQ_BYTES)
        found |= {match for _, match in self._match_rows(PDQ, values, np.zeros(len(clear), np.int64))}
        return sorted(found)

    def match_link(self, link_id: bytes, canonical_id: bytes | None) -> list[Match]:
        """The lists that have a URL of this link id, or of this canonical id."""
        found = self._match_one(LINK, link_id)
        if canonical_id is not None:
            found |= self._match_one(CANONICAL, canonical_id)
        return sorted(found)

    def match_ledger(self, table: pa.Table) -> list[tuple[int, Match]]:
        """The rows of a ledger table that match, by row number; columns that the table does not have are not matched."""
        found: set[tuple[int, Match]] = set()
        for kind in (*_EXACT_DIGESTS, PDQ):
            if kind in self._indexes and kind in table.column_names:
                values, usable = fixed_bytes(table.column(kind), KIND_BYTES[kind], kind)
                if kind == PDQ:
                    usable = usable & (
                        table.column("pdq_quality").to_numpy() >= self.min_pdq_quality
                    )  # null is NaN: no
                rows = np.flatnonzero(usable)
                found |= self._match_rows(kind, values[rows], rows)
        return sorted(found)

    def match_links(self, table: pa.Table) -> list[tuple[int, Match]]:
        """The rows of a table with `link_id` and `url` whose URL is listed, by row number."""
        found: set[tuple[int, Match]] = set()
        if LINK in self._indexes:
            values, usable = fixed_bytes(table.column("link_id"), LINK_ID_BYTES, "link_id")
            rows = np.flatnonzero(usable)
            found |= self._match_rows(LINK, values[rows], rows)
        if CANONICAL in self._indexes:
            ids = [canonical_id(url) if url is not None else None for url in table.column("url").to_pylist()]
            rows = np.array([row for row, value in enumerate(ids) if value is not None], np.int64)
            joined = b"".join(value for value in ids if value is not None)
            values = np.frombuffer(joined, np.uint8).reshape(len(rows), LINK_ID_BYTES)
            found |= self._match_rows(CANONICAL, values, rows)
        return sorted(found)

    def _match_one(self, kind: str, value: bytes) -> set[Match]:
        return {match for _, match in self._match_rows(kind, one_row(value), np.zeros(1, np.int64))}

    def _match_rows(self, kind: str, values: Rows, rows: npt.NDArray[np.int64]) -> set[tuple[int, Match]]:
        if kind not in self._indexes or not len(values):
            return set()
        owners, places = np.nonzero(self._hits(kind, values)[: self._canary_owner])
        algorithm = KIND_ALGORITHM[kind]
        return {
            (row, Match(self.lists[owner], algorithm))
            for owner, row in zip(owners.tolist(), rows[places].tolist(), strict=True)
        }

    def _hits(self, kind: str, values: Rows) -> Hits:
        hits = np.zeros((self._canary_owner + 1, len(values)), np.bool_)
        looks = dihedral_hashes(values) if kind == PDQ and self._turned_pictures else [values]
        for look in looks:
            self._indexes[kind].mark(look, hits, reported=self._canary_owner)
        return hits


@contextmanager
def shared_matcher(workspace: Workspace) -> Iterator[Matcher]:
    """A matcher whose large indexes other processes of this machine, which call `load_matcher` meanwhile, use too: one copy for all.

    Raises:
        DamagedFileError, MissingError, MissingKeyError, SafetyError: as `load_matcher`.
    """
    with ExitStack() as ends:
        share = None
        if workspace.lists.is_dir() and read_index(workspace).lists:
            share = SharedArrays(workspace, workspace.master_key())
            ends.callback(share.close)
        yield load_matcher(workspace, share)


def load_matcher(workspace: Workspace, share: SharedArrays | None = None) -> Matcher:
    """Load all lists of a workspace that have not expired; `.empty` is true when there is none.

    Args:
        workspace: whose lists.
        share: where large indexes are put so that other processes need no copy; `shared_matcher` does that.

    Raises:
        DamagedFileError: a list was changed, cut short or written under another key: no list is left out in silence.
        MissingError: a part of a list is gone.
        MissingKeyError: there are lists and no master key.
        SafetyError: the matcher misses its canaries.
    """
    index = read_index(workspace)
    for _ in range(_MAX_RELOADS):
        try:
            return _load(workspace, index, share)
        except (MissingError, DamagedFileError):
            # An import beside us may have replaced the parts of the index just read; else the file really is not right.
            newer = read_index(workspace)
            if newer.generation == index.generation:
                raise
            index = newer
    return _load(workspace, index, share)


def _load(workspace: Workspace, index: ListIndex, share: SharedArrays | None) -> Matcher:
    records = index.active(datetime.now(UTC))
    master_key = workspace.master_key() if records else b""
    loading = Loading(workspace, master_key, index.generation, len(records), share)
    indexes = {}
    for kind in KIND_BYTES:
        parts = [
            OwnedPart(number, part)
            for number, record in enumerate(records)
            for part in record.parts
            if part.kind == kind
        ]
        if parts:
            loaded = load_index(loading, kind, parts)
            if len(loaded.owners):
                indexes[kind] = loaded
    settings = workspace.settings.lists
    return Matcher(
        [record.source for record in records],
        indexes,
        min_pdq_quality=settings.min_pdq_quality,
        turned_pictures=settings.turned_pictures,
    )
