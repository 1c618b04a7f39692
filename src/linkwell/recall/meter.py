"""The leak meter: plays the attacker on what has left, and says how often he would be right.

One pass over what was ever public, piece by piece: all rows are counted, and the traits of the removed ones, which alone are held, are
ranked. So memory is some 200 MB for the counts and some 150 bytes a removed row, however large the dataset is.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkwell.recall.attacks import ATTACKS, Removed, Scores, by_all_traits, precision
from linkwell.recall.tally import Tally
from linkwell.recall.traits import Int64s, Traits, joined, traits_of


@dataclass(frozen=True)
class Seen:
    """Some rows that were public, and what has become of them."""

    table: pa.Table
    """At least `traits.COLUMNS`."""
    event: Int64s
    """What took each row, from 1; 0 where it is still there. The planned batch has the highest number."""
    hit: npt.NDArray[np.bool_]
    """Rows that were meant: what the attacker looks for. Rows that are still there are none."""
    times: Int64s | None = None
    """In how many public events each row's cell left; by default once, where it left."""
    explained: npt.NDArray[np.bool_] | None = None
    """Rows that an open recall names."""


@dataclass(frozen=True)
class AttackResult:
    """How one attack did."""

    name: str
    precision: float


@dataclass(frozen=True)
class LeakReport:
    """What the attacker would learn. Restricted: it is computed from what was meant."""

    hits: int
    """Rows that were meant, among those that he ranks; as many he names."""
    removed: int
    """Rows that he ranks."""
    cells: int
    hit_cells: int
    rows: int
    """Rows that were ever public."""
    attacks: tuple[AttackResult, ...]
    """The best first."""
    cell_precision: float
    """Of as many cells as were hit, those with the highest mean score, the share that was hit; `hit_cells / cells` is chance."""

    @property
    def worst(self) -> AttackResult:
        """The attack that names most right ones."""
        return self.attacks[0]


def measure(
    source: Callable[[], Iterator[Seen]], tally: Tally | None = None, *, lost: Tally | None = None
) -> LeakReport:
    """Run every attack.

    Args:
        source: gives the rows, piece by piece.
        tally: counts of rows that an earlier recall took, which no release has any more.
        lost: where given, the removed rows are counted here too, to be kept for the measures of later recalls.
    """
    tally = tally or Tally()
    pieces: list[Traits] = []
    events: list[Int64s] = []
    times: list[Int64s] = []
    explained: list[npt.NDArray[np.bool_]] = []
    hits: list[npt.NDArray[np.bool_]] = []
    for seen in source():
        traits = traits_of(seen.table)
        tally.count_public(traits)
        gone = seen.event > 0
        if not gone.any():
            continue
        left = traits.only(gone)
        tally.count_removed(left, seen.event[gone])
        if lost is not None:
            lost.add(left, seen.event[gone])
        pieces.append(left)
        events.append(seen.event[gone])
        times.append(np.ones(left.rows, np.int64) if seen.times is None else seen.times[gone])
        explained.append(np.zeros(left.rows, bool) if seen.explained is None else seen.explained[gone])
        hits.append(seen.hit[gone])
    if not pieces:
        return LeakReport(0, 0, 0, 0, tally.row_count, (AttackResult("chance", 0.0),), 0.0)
    removed = Removed(joined(pieces), np.concatenate(events), np.concatenate(times), np.concatenate(explained))
    return play(removed, tally, np.concatenate(hits))


def play(removed: Removed, tally: Tally, meant: npt.NDArray[np.bool_]) -> LeakReport:
    """Run every attack on rows that have left.

    Args:
        removed: the rows.
        tally: counts of everything that was public, and of these rows as removed.
        meant: which of them are hits.
    """
    results = [AttackResult(name, precision(attack(removed, tally), meant)) for name, attack in ATTACKS.items()]
    cells, hit_cells, cell_precision = _of_cells(removed.traits.cell, by_all_traits(removed, tally), meant)
    return LeakReport(
        hits=int(meant.sum()),
        removed=removed.traits.rows,
        cells=cells,
        hit_cells=hit_cells,
        rows=tally.row_count,
        attacks=tuple(sorted(results, key=lambda each: -each.precision)),
        cell_precision=cell_precision,
    )


def _of_cells(cell: Int64s, scores: Scores, hits: npt.NDArray[np.bool_]) -> tuple[int, int, float]:
    cells, place = np.unique(cell, return_inverse=True)
    mean = np.bincount(place, weights=scores) / np.bincount(place)
    hit = np.bincount(place, weights=hits) > 0
    return len(cells), int(hit.sum()), precision(mean, hit)
