"""The attacker of the leak meter: ways to rank the rows that have left, by what is public, so that what was meant comes first.

He holds every release, every batch and, where the crawl is public, every link that was ever built. An attack gives each removed row a
score; he then names as many rows as there are hits (he is granted that number), the highest first. His *precision* is the share of
right ones; rows of one score are in no order, so of those he gets the average.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkwell.recall.tally import Tally
from linkwell.recall.traits import BINS, DOMAIN_SLOTS, LANGUAGE_SLOTS, WORD_SLOTS, Int64s, Traits

Scores = npt.NDArray[np.float64]
_HALF = 0.25
"""Added to a variance, so that hosts of few rows do not stand out by chance alone."""
_NEAR = 2
"""Cells that are this far apart in number are neighbours."""


@dataclass(frozen=True)
class Removed:
    """Rows that have left and that the attacker wants to rank."""

    traits: Traits
    event: Int64s
    """What took each row, as `Seen` has it."""
    times: Int64s
    """In how many public events each row's cell left: a release that lacks it, a batch that names it."""
    explained: npt.NDArray[np.bool_]
    """Rows that a public rule explains: an open recall names them."""

    @cached_property
    def words_in_cells(self) -> tuple[Scores, Int64s]:
        """Of each word the share of its cell's words that are the same, and the number of cells that have it."""
        traits = self.traits
        cell = traits.cell[traits.word_rows()]
        pairs, place, counts = _distinct(cell * WORD_SLOTS + traits.words)
        _, of_cell, sizes = _distinct(cell)
        cells: Int64s = np.bincount(pairs % WORD_SLOTS, minlength=WORD_SLOTS)
        return counts[place] / sizes[of_cell], cells[traits.words]


def precision(scores: Scores, hits: npt.NDArray[np.bool_]) -> float:
    """The share of right ones among as many rows as there are hits, the highest scores first; ties by their average."""
    wanted = int(hits.sum())
    if not wanted:
        return 0.0
    least = float(np.partition(scores, len(scores) - wanted)[len(scores) - wanted])
    above, level = scores > least, scores == least
    right = hits[above].sum() + hits[level].sum() * (wanted - above.sum()) / max(int(level.sum()), 1)
    return float(right) / wanted


def by_chance(removed: Removed, _tally: Tally) -> Scores:
    """No knowledge: any row of the batch."""
    return np.zeros(removed.traits.rows)


def by_score(removed: Removed, _tally: Tally) -> Scores:
    """The highest safety bin first."""
    return removed.traits.safety_bin.astype(np.float64)


def by_residue(removed: Removed, _tally: Tally) -> Scores:
    """What known rules do not explain: not named openly, and the lowest safety bin first."""
    scores = -removed.traits.safety_bin.astype(np.float64)
    scores[removed.explained] = -np.inf
    return scores


def by_host(removed: Removed, tally: Tally) -> Scores:
    """Hosts that lost more rows than their safety bins explain; then the score."""
    return _host_excess(removed, tally) + 0.2 * removed.traits.safety_bin


def by_host_over_time(removed: Removed, tally: Tally) -> Scores:
    """Hosts that were in more batches than their size explains; then the excess of rows."""
    share = np.array([rows / max(tally.row_count, 1) for rows in tally.event_rows.values()])
    size = tally.rows["domain"][removed.traits.domain].astype(np.float64)
    expected = np.zeros(len(size))
    spread = np.zeros(len(size))
    for each in share:
        chance = -np.expm1(size * np.log1p(-min(each, 1 - 1e-12)))
        expected += chance
        spread += chance * (1 - chance)
    bits = tally.events[removed.traits.domain]
    seen = np.unpackbits(bits.view(np.uint8).reshape(-1, 8), axis=1).sum(axis=1) if len(bits) else np.zeros(0)
    return (seen - expected) / np.sqrt(spread + _HALF) + 1e-3 * _host_excess(removed, tally)


def by_caption(removed: Removed, tally: Tally) -> Scores:
    """Captions whose words are more frequent among removed rows than among all."""
    return _mean_of_words(removed.traits, _log_odds(tally, "words"))


def by_all_traits(removed: Removed, tally: Tally) -> Scores:
    """Domain, safety bin, language and caption together, as a naive Bayes classifier of removed rows would."""
    traits = removed.traits
    return (
        _log_odds(tally, "domain")[traits.domain]
        + _log_odds(tally, "safety_bin")[traits.safety_bin]
        + _log_odds(tally, "language")[traits.language]
        + 3 * _mean_of_words(traits, _log_odds(tally, "words"))
    )


def by_oddness(removed: Removed, _tally: Tally) -> Scores:
    """The row that is least like the others of its cell: by safety bin, language and domain."""
    traits = removed.traits
    odd = np.zeros(traits.rows)
    for values, slots in ((traits.safety_bin, BINS), (traits.language, LANGUAGE_SLOTS), (traits.domain, DOMAIN_SLOTS)):
        odd -= np.log(_share_in_cell(traits.cell, values, slots))
    return odd


def by_odd_caption(removed: Removed, _tally: Tally) -> Scores:
    """The caption whose words are the rarest in its cell."""
    share, _cells = removed.words_in_cells
    return _mean_by_row(-np.log(share), removed.traits)


def by_other_cells(removed: Removed, _tally: Tally) -> Scores:
    """The caption that is more like those of the other removed cells than like those of its own: what runs through a batch."""
    share, cells = removed.words_in_cells
    return _mean_by_row(np.log(cells.astype(np.float64)) - np.log(share), removed.traits)


def by_intersection(removed: Removed, _tally: Tally) -> Scores:
    """Cells that left most often: releases that lack them, and batches that name them."""
    return removed.times.astype(np.float64)


def by_neighbours(removed: Removed, _tally: Tally) -> Scores:
    """Cells with most removed neighbours, since hits cluster and padding, drawn at random, does not."""
    cells = np.unique(removed.traits.cell)
    near = np.searchsorted(cells, cells + _NEAR, side="right") - np.searchsorted(cells, cells - _NEAR)
    return near[np.searchsorted(cells, removed.traits.cell)].astype(np.float64)


def by_order(removed: Removed, _tally: Tally) -> Scores:
    """The highest safety bin first, then what left earliest, beside others that left with it: what has most hits is hit first."""
    traits = removed.traits
    cells, first, place = np.unique(traits.cell, return_index=True, return_inverse=True)
    event = removed.event[first]
    together = np.zeros(len(cells))
    for step in range(1, _NEAR + 1):
        beside = np.minimum(np.searchsorted(cells, cells + step), len(cells) - 1)
        found = (cells[beside] == cells + step) & (event[beside] == event)
        together[found] += 1
        together[beside[found]] += 1
    order: Scores = traits.safety_bin + (together / (4 * _NEAR) - event)[place] / (event.max(initial=0) + 1)
    return order


ATTACKS: Mapping[str, Callable[[Removed, Tally], Scores]] = {
    "chance": by_chance,
    "score": by_score,
    "residue": by_residue,
    "hosts": by_host,
    "hosts over time": by_host_over_time,
    "captions": by_caption,
    "all traits": by_all_traits,
    "odd one out": by_oddness,
    "odd caption": by_odd_caption,
    "captions across cells": by_other_cells,
    "intersection": by_intersection,
    "neighbouring cells": by_neighbours,
    "order": by_order,
}
"""Every attack that is measured, by the name it is reported under."""


def _host_excess(removed: Removed, tally: Tally) -> Scores:
    """How many standard deviations more rows each row's domain lost than its safety bins explain."""
    domains, place = np.unique(removed.traits.domain, return_inverse=True)
    rate = tally.removed["safety_bin"] / np.maximum(tally.rows["safety_bin"], 1)
    bins = tally.domain_bins[domains]
    variance = bins @ (rate * (1 - rate))
    excess: Scores = (tally.removed["domain"][domains] - bins @ rate) / np.sqrt(variance + _HALF)
    return excess[place]


def _log_odds(tally: Tally, trait: str) -> Scores:
    """Of each value of a trait: how much more frequent it is among removed rows than among all, as a logarithm."""
    rows, removed = tally.rows[trait], tally.removed[trait]
    rate = removed.sum() / max(int(rows.sum()), 1)
    odds: Scores = np.log((removed + 1) / (rows * rate + 1))
    return odds


def _mean_of_words(traits: Traits, values: Scores) -> Scores:
    return _mean_by_row(values[traits.words], traits)


def _mean_by_row(values: Scores, traits: Traits) -> Scores:
    sums = np.bincount(traits.word_rows(), weights=values, minlength=traits.rows)
    return sums / np.maximum(traits.word_counts, 1)


def _share_in_cell(cell: Int64s, values: Int64s, slots: int) -> Scores:
    """Of each item the share of its cell's items that have the same value."""
    _, place, counts = _distinct(cell * slots + values)
    _, of_cell, sizes = _distinct(cell)
    share: Scores = counts[place] / sizes[of_cell]
    return share


def _distinct(values: Int64s) -> tuple[Int64s, npt.NDArray[np.int32], Int64s]:
    """The distinct values in the order they come, the place of each value among them, and how often they come.

    By hashing: sorting, as `np.unique` does, took half of the time of a measure.
    """
    encoded: Any = pa.array(values).dictionary_encode()
    place: npt.NDArray[np.int32] = np.asarray(encoded.indices)
    return np.asarray(encoded.dictionary), place, np.bincount(place, minlength=len(encoded.dictionary))
