"""All hash lists of a workspace, loaded to be matched against: read-only, and tested on itself before anything else."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkwell.base.errors import DamagedFileError, MissingError, SafetyError
from linkwell.base.ids import LINK_ID_BYTES, canonical_id
from linkwell.base.workspace import Workspace
from linkwell.ledger import MATCHED_DISTANCE, MATCHED_QUALITY, Digests
from linkwell.lists.columns import Rows, fixed_bytes, one_row
from linkwell.lists.exact import ExactIndex, Hits, Owners, distinct
from linkwell.lists.findings import Match
from linkwell.lists.kinds import CANONICAL, KIND_ALGORITHM, KIND_BYTES, LINK
from linkwell.lists.nearby import NearIndex
from linkwell.lists.storage import ListIndex, PartValues, read_index, read_part

_PDQ = "pdq"
_EXACT_DIGESTS = ("md5", "sha1", "sha256")
_MAX_RELOADS = 5


class _Index(Protocol):
    def mark(self, queries: Rows, hits: Hits) -> None: ...


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

    def __init__(self, lists: Iterable[LoadedList]) -> None:
        loaded = sorted(lists, key=lambda one: one.source)
        self.lists = tuple(one.source for one in loaded)
        """The sources, sorted."""
        self._canary_owner = len(self.lists)  # canaries belong to no list, so that none can be reported
        self._indexes: dict[str, _Index] = {}
        entries = 0
        for kind, width in KIND_BYTES.items():
            values: list[Rows] = [np.empty((0, width), np.uint8)]
            owners: list[Owners] = [np.empty(0, np.uint16)]
            for number, one in enumerate(loaded):
                for part in one.parts.get(kind, ()):
                    values.append(part.values)
                    owners.append(np.where(part.canary, self._canary_owner, number).astype(np.uint16))
            all_values, all_owners = distinct(np.concatenate(values), np.concatenate(owners))
            if len(all_values):
                self._indexes[kind] = _new_index(kind, all_values, all_owners)
                canaries = all_values[all_owners == self._canary_owner]
                entries += len(all_values) - len(canaries)
                self._test(kind, canaries)
        self.empty = entries == 0
        """Whether there is nothing to match against."""
        self.needs_pdq = _PDQ in self._indexes
        """Whether a list holds PDQ hashes: then every picture must be decoded and hashed to be matched."""

    def match_digests(self, digests: Digests) -> list[Match]:
        """The lists that have a digest of these; PDQ matches within 31 bits, and only from quality 50 up."""
        found: set[Match] = set()
        for kind in _EXACT_DIGESTS:
            found |= self._match_one(kind, getattr(digests, kind))
        if digests.pdq is not None and (digests.pdq_quality or 0) >= MATCHED_QUALITY:
            found |= self._match_one(_PDQ, digests.pdq)
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
        for kind in (*_EXACT_DIGESTS, _PDQ):
            if kind in self._indexes and kind in table.column_names:
                values, usable = fixed_bytes(table.column(kind), KIND_BYTES[kind], kind)
                if kind == _PDQ:
                    usable = usable & (table.column("pdq_quality").to_numpy() >= MATCHED_QUALITY)  # null is NaN: no
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
        self._indexes[kind].mark(values, hits)
        return hits

    def _test(self, kind: str, canaries: Rows) -> None:
        found = bool(len(canaries)) and bool(self._hits(kind, canaries)[self._canary_owner].all())
        if found and kind == _PDQ:
            far = [_flip(canaries, MATCHED_DISTANCE), _flip(canaries, MATCHED_DISTANCE + 1)]
            at_limit, beyond = (self._hits(kind, values)[self._canary_owner] for values in far)
            found = bool(at_limit.all()) and not beyond.any()
        if not found:
            raise SafetyError(
                f"the index of {kind} entries misses entries that it holds",
                "hash lists",
                "Nothing was checked. Import the lists again; if that does not help, report it: this must not happen.",
            )


def load_matcher(workspace: Workspace) -> Matcher:
    """Load all lists of a workspace that have not expired; `.empty` is true when there is none.

    Raises:
        DamagedFileError: a list was changed, cut short or written under another key: no list is left out in silence.
        MissingError: a part of a list is gone.
        MissingKeyError: there are lists and no master key.
        SafetyError: the matcher misses its canaries.
    """
    index = read_index(workspace)
    for _ in range(_MAX_RELOADS):
        try:
            return Matcher(_load(workspace, index))
        except (MissingError, DamagedFileError):
            # An import beside us may have replaced the parts of the index just read; else the file really is not right.
            newer = read_index(workspace)
            if newer.generation == index.generation:
                raise
            index = newer
    return Matcher(_load(workspace, index))


def _load(workspace: Workspace, index: ListIndex) -> Iterator[LoadedList]:
    master_key = workspace.master_key() if index.lists else b""
    for record in index.active(datetime.now(UTC)):
        parts: dict[str, list[PartValues]] = defaultdict(list)
        for part in record.parts:
            parts[part.kind].append(read_part(workspace, part, master_key))
        yield LoadedList(record.source, parts)


def _new_index(kind: str, values: Rows, owners: Owners) -> _Index:
    return NearIndex(values, owners) if kind == _PDQ else ExactIndex(values, owners)


def _flip(values: Rows, bits: int) -> Rows:
    """The values with that many bits turned over, spread over the whole width."""
    width = values.shape[1] * 8
    places = (np.arange(bits) * 7) % width  # 7 has no divisor in common with the width, so no place comes twice
    mask = np.zeros(width, np.uint8)
    mask[places] = 1
    return values ^ np.packbits(mask)
