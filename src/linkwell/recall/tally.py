"""Counts over everything that was ever public: rows, and removed rows, by trait. Their size does not grow with the rows.

Rows that an earlier recall took are in no release that is kept, so their counts are kept, sealed, beside the batch that named them.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkwell.base.sealed import read_sealed, write_sealed
from linkwell.recall.traits import BINS, DOMAIN_SLOTS, LANGUAGE_SLOTS, WORD_SLOTS, Int64s, Traits

_KEPT = ("domain", "safety_bin", "language", "words")
_SLOTS = {"domain": DOMAIN_SLOTS, "safety_bin": BINS, "language": LANGUAGE_SLOTS, "words": WORD_SLOTS}
_MAX_EVENTS = 63
"""Events that are told apart; later ones share the last place."""
_SCHEMA: pa.Schema = pa.schema(
    [("trait", pa.int8()), ("slot", pa.int32()), ("safety_bin", pa.int8()), ("removed", pa.int64())]
)


@dataclass
class Tally:
    """Counts. `rows` are all that were ever public, `removed` those that have left."""

    rows: dict[str, Int64s] = field(default_factory=lambda: {n: np.zeros(s, np.int64) for n, s in _SLOTS.items()})
    removed: dict[str, Int64s] = field(default_factory=lambda: {n: np.zeros(s, np.int64) for n, s in _SLOTS.items()})
    domain_bins: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros((DOMAIN_SLOTS, BINS), np.int32))
    """Rows of each domain by safety bin."""
    events: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(DOMAIN_SLOTS, np.uint64))
    """Of each domain, one bit for each event that took rows of it."""
    event_rows: dict[int, int] = field(default_factory=dict)
    """Rows that each event took."""

    @property
    def row_count(self) -> int:
        """All rows."""
        return int(self.rows["safety_bin"].sum())

    @property
    def removed_count(self) -> int:
        """Rows that have left."""
        return int(self.removed["safety_bin"].sum())

    def add(self, traits: Traits, event: Int64s) -> None:
        """Count rows.

        Args:
            traits: of the rows.
            event: what took each row, from 1; 0 where it is still there.
        """
        self.count_public(traits)
        gone = event > 0
        if gone.any():
            self.count_removed(traits.only(gone), event[gone])

    def count_public(self, traits: Traits) -> None:
        """Count rows as ever public only."""
        for name in _KEPT:
            self.rows[name] += np.bincount(getattr(traits, name), minlength=_SLOTS[name])
        pairs, counts = np.unique(traits.domain * BINS + traits.safety_bin, return_counts=True)
        self.domain_bins[pairs // BINS, pairs % BINS] += counts.astype(np.int32)

    def count_removed(self, traits: Traits, event: Int64s) -> None:
        """Count rows, public before, as removed by these events."""
        for name in _KEPT:
            self.removed[name] += np.bincount(getattr(traits, name), minlength=_SLOTS[name])
        for number in np.unique(event).tolist():
            here = event == number
            self._note_event(number, traits.domain[here], int(here.sum()))

    def save(self, path: Path, master_key: bytes) -> None:
        """Keep the counts of the removed rows, for the measures of later recalls."""
        tables = []
        for place, name in enumerate(_KEPT):
            if name != "domain":
                slots = np.flatnonzero(self.removed[name])
                tables.append(self._table(place, slots, np.full(len(slots), -1), self.removed[name][slots]))
        domains, bins = np.nonzero(self.domain_bins)
        tables.append(self._table(0, domains, bins, self.domain_bins[domains, bins]))
        write_sealed(path, pa.concat_tables(tables), master_key)

    def add_earlier(self, path: Path, master_key: bytes, event: int) -> None:
        """Count what `save` kept of the rows that an earlier recall took."""
        for table in read_sealed(path, master_key):
            trait, slot, safety_bin, count = (table[name].to_numpy().astype(np.int64) for name in _SCHEMA.names)
            for place, name in enumerate(_KEPT):
                mine = trait == place
                np.add.at(self.rows[name], slot[mine], count[mine])
                np.add.at(self.removed[name], slot[mine], count[mine])
            domains = trait == 0
            np.add.at(self.domain_bins, (slot[domains], safety_bin[domains]), count[domains].astype(np.int32))
            self._note_event(event, slot[domains], int(count[domains].sum()))

    def _note_event(self, number: int, domains: Int64s, rows: int) -> None:
        self.events[domains] |= np.uint64(1 << min(number, _MAX_EVENTS))
        self.event_rows[number] = self.event_rows.get(number, 0) + rows

    @staticmethod
    def _table(trait: int, slots: Int64s, bins: Int64s, counts: npt.NDArray[np.integer]) -> pa.Table:
        columns = [
            pa.array(np.full(len(slots), trait, np.int8)),
            pa.array(slots.astype(np.int32)),
            pa.array(bins.astype(np.int8)),
            pa.array(counts.astype(np.int64)),
        ]
        return pa.table(columns, schema=_SCHEMA)
