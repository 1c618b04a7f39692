"""The loops of the ring index, compiled by numba. Import it only where a large bank of PDQ hashes is searched: it costs 0.4 s.

A search has three steps, each for the queries the one before gave up: with even weights, with weights of their own, by comparing with every
hash. A pair is reported by the first table in which it meets under the weights of its step, unless the tables that a step before had finished
found it: so each comes once, wherever a query was given up.

Shapes: `parts` (hashes, 16) uint16, the sixteen parts of each hash; `words` (hashes, 4) uint64, the same bytes.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from linkwell.base.compiled import compiled, part
from linkwell.lists import vectors, weights
from linkwell.lists.vectors import LANES, compare_lanes, count_bits, fetch, lowest_bit
from linkwell.lists.weights import (
    BALLS,
    BUCKET_COST,
    BUCKETS,
    CHOOSING_COST,
    EVEN,
    LOOK_UP_COST,
    MASKS,
    PARTS,
    SCAN_COST,
    Number,
    Numbers,
    Parts,
    Weights,
    choose_weights,
)

_LIMIT = 31
_SELECTED = 400
"""Of so many random entries in the buckets of a query, one is looked up."""
_HELD = 64
"""Entries whose sketches are near that are looked up together."""
_AT_ONCE = 40
"""Buckets that are fetched ahead together."""
_FETCHED = 128
"""Of each bucket so many sketches are fetched ahead."""
_TILE = 512
"""Hashes that stay in the processor's cache while several queries are compared with them."""
_TURNED = 4
"""For so many queries and more, hashes that are scanned are first laid out by word: they are then compared eight at a time."""

Words = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]


@compiled()
def build(parts: Parts, starts: Numbers, entries: Numbers, sketches: Parts) -> None:
    """Fill the sixteen tables.

    Args:
        parts: of the bank, (hashes, 16).
        starts: (16, 65537), filled with where the bucket of each value of a part begins.
        entries: (16, hashes), filled with the numbers of hashes, by bucket.
        sketches: (16, hashes + 32), filled with the next part of each of those hashes.
    """
    count = parts.shape[0]
    position = np.empty(BUCKETS, np.uint32)
    for table in range(PARTS):
        following = (table + 1) % PARTS
        ends = starts[table]
        ends[:] = 0
        for entry in range(count):
            ends[np.int64(parts[entry, table]) + 1] += np.uint32(1)
        for bucket in range(BUCKETS):
            ends[bucket + 1] += ends[bucket]
            position[bucket] = ends[bucket]
        for entry in range(count):
            bucket = parts[entry, table]
            place = position[bucket]
            position[bucket] = place + np.uint32(1)
            entries[table, place] = entry
            sketches[table, place] = parts[entry, following]


class Bank(NamedTuple):
    """The hashes that are searched, and their tables."""

    words: Words
    parts: Parts
    owners: Parts
    """(hashes,)"""
    starts: Numbers
    entries: Numbers
    sketches: Parts


class Queries(NamedTuple):
    """What is looked for."""

    words: Words
    parts: Parts
    order: Places
    """(16, queries), by each part: neighbours look into the same buckets."""


class Answer(NamedTuple):
    """Where what is found goes: marks where `hits` has rows, else pairs."""

    hits: Flags
    """(owners, queries), or (0, 0)"""
    enough: int
    """A query all of whose first so many owners are marked is not searched further; 0 for never."""
    missing: Places
    """(queries,): how many of those owners are not yet marked."""
    rows: Numbers
    entries: Numbers


@part
def _distance(bank: Bank, entry: Number, queries: Queries, row: Number) -> int:
    here, there = bank.words, queries.words
    bits: int = (
        count_bits(here[entry, 0] ^ there[row, 0])
        + count_bits(here[entry, 1] ^ there[row, 1])
        + count_bits(here[entry, 2] ^ there[row, 2])
        + count_bits(here[entry, 3] ^ there[row, 3])
    )
    return bits


class Budgets(NamedTuple):
    """What a query may cost, in sketches that are read."""

    even: int
    """With weights that are even: until they are chosen for it."""
    weighted: int
    """With weights of its own: until it is compared with every hash."""
    choosing: int
    """What choosing them and such a search cost at least: a bank that is scanned for less is scanned."""

    @classmethod
    def of_bank(cls, hashes: int) -> "Budgets":
        """Twice what a query costs where bits are even, and what is to be done then; and what a scan costs."""
        buckets = PARTS * int(BALLS[EVEN])
        usual = buckets * BUCKET_COST + int(hashes * buckets / BUCKETS * (1 + LOOK_UP_COST / _SELECTED))
        scan = hashes * SCAN_COST
        return cls(2 * usual + min(CHOOSING_COST, scan), scan, 2 * CHOOSING_COST)


class Round(NamedTuple):
    """With which weights queries are searched, and where each was given up."""

    weights: Weights
    """(queries, 16)"""
    given_up: Places
    """(queries,): the table at which the budget was spent, 16 where it was not. What earlier tables found stands."""
    spent: Places
    """(queries,)"""
    budget: int


@compiled(vectors, weights)
def _first_table(one: Parts, other: Parts, limits: Weights) -> int:
    """The first table in which two near hashes meet, if the parts have these weights."""
    for table in range(PARTS):
        here, following = count_bits(np.uint16(one[table] ^ other[table])), (table + 1) % PARTS
        if here < limits[table]:
            both = here + count_bits(np.uint16(one[following] ^ other[following]))
            if both < limits[table] + limits[following]:
                return table
    return PARTS


@part
def _is_left(bank: Bank, entry: Number, queries: Queries, row: Number, before: Round) -> bool:
    """Whether a round left a near pair to those after it."""
    table = before.given_up[row]
    return bool(table == 0 or _first_table(bank.parts[entry], queries.parts[row], before.weights[row]) >= table)


@part
def _report(bank: Bank, entry: Number, row: Number, answer: Answer, found: int) -> int:
    """Write down an entry that is near."""
    if answer.hits.shape[0] > 0:
        owner = bank.owners[entry]
        if not answer.hits[owner, row]:
            answer.hits[owner, row] = True
            if owner < answer.enough:
                answer.missing[row] -= 1
        return found
    if found < answer.rows.size:
        answer.rows[found] = row
        answer.entries[found] = entry
    return found + 1


@part
def _keep_near(  # noqa: PLR0917 - as above
    bank: Bank, table: int, held: Numbers, waiting: int, queries: Queries, row: Number
) -> int:
    """Of some places of a table, put the entries that are near to the front; return how many."""
    for each in range(waiting):
        held[each] = bank.entries[table, held[each]]
        fetch(bank.words, 4 * np.int64(held[each]))
    near = 0
    for each in range(waiting):
        entry = held[each]
        if _distance(bank, entry, queries, row) <= _LIMIT:
            held[near] = entry
            near += 1
    return near


@part
def _report_new(  # noqa: PLR0917 - compiled functions take no keywords
    bank: Bank,
    table: int,
    near: Numbers,
    queries: Queries,
    row: Number,
    now: Round,
    before: Round,
    answer: Answer,
    found: int,
) -> int:
    """Report the near entries that neither an earlier table nor an earlier round has."""
    for entry in near:
        if answer.hits.shape[0] > 0 or (
            _first_table(bank.parts[entry], queries.parts[row], now.weights[row]) == table
            and _is_left(bank, entry, queries, row, before)
        ):
            found = _report(bank, entry, row, answer, found)
    return found


@part
def _search_tables(  # noqa: C901, PLR0912, PLR0917 - loops inside loops, which is all it is
    bank: Bank, queries: Queries, now: Round, before: Round, answer: Answer, found: int
) -> int:
    """Look up all queries in table after table, until they are given up; of near pairs, report those that are new."""
    held = np.empty(_HELD + LANES, np.uint32)
    places, ends = np.empty(_AT_ONCE, np.int64), np.empty(_AT_ONCE, np.int64)
    for table in range(PARTS):
        starts, entries, sketches = bank.starts[table], bank.entries[table], bank.sketches[table]
        following = (table + 1) % PARTS
        for row in queries.order[table]:  # neighbours look into the same buckets
            weight = np.int64(now.weights[row, table])
            if weight == 0 or now.given_up[row] < PARTS or (answer.enough > 0 and answer.missing[row] == 0):
                continue
            part, sketch = queries.parts[row, table], queries.parts[row, following]
            both = weight + np.int64(now.weights[row, following]) - 1
            left, found_before = now.budget - now.spent[row], found
            waiting, first, last = 0, 0, BALLS[weight]
            while first < last and left >= 0:
                count = min(_AT_ONCE, last - first)
                for number in range(count):
                    bucket = np.int64(part ^ MASKS[first + number])
                    places[number], ends[number] = starts[bucket], starts[bucket + 1]
                    left -= ends[number] - places[number] + BUCKET_COST
                    for line in range(places[number], min(places[number] + _FETCHED, ends[number]), LANES):
                        fetch(sketches, line)
                for number in range(count):
                    # What the part differs in, the next one may not.
                    limit = np.uint16(both - count_bits(MASKS[first + number]))
                    place, end = places[number], ends[number]
                    while place < end and left >= 0:
                        near: Number = compare_lanes(sketches, place, sketch, limit)
                        if end - place < LANES:
                            near &= np.uint32((1 << (end - place)) - 1)  # what follows is another bucket's
                        while near:
                            held[waiting] = place + np.int64(lowest_bit(near))
                            fetch(entries, held[waiting])
                            waiting += 1
                            near &= near - np.uint32(1)
                        place += LANES
                        if waiting >= _HELD:
                            left -= waiting * LOOK_UP_COST
                            waiting = _keep_near(bank, table, held, waiting, queries, row)
                            if waiting:
                                found = _report_new(
                                    bank, table, held[:waiting], queries, row, now, before, answer, found
                                )
                            waiting = 0
                first += count
            if left < 0:
                # Given up: what this table found so far is taken back, and left to the next round.
                now.given_up[row], found = table, found_before
            elif waiting:
                left -= waiting * LOOK_UP_COST
                waiting = _keep_near(bank, table, held, waiting, queries, row)
                if waiting:
                    found = _report_new(bank, table, held[:waiting], queries, row, now, before, answer, found)
            now.spent[row] = now.budget - left
    return found


@part
def _scan(  # noqa: C901, PLR0917 - as above
    bank: Bank, queries: Queries, first: Round, second: Round, answer: Answer, found: int
) -> int:
    """Compare the queries that both rounds gave up with every hash, for what is left."""
    dear = np.flatnonzero((first.given_up < PARTS) & (second.given_up < PARTS))
    words = np.empty((4, _TILE), np.uint64)
    apart = np.empty(_TILE, np.uint64)
    for start in range(0, bank.words.shape[0] if dear.size else 0, _TILE):
        count = min(_TILE, bank.words.shape[0] - start)
        if dear.size >= _TURNED:
            for place in range(count):
                for word in range(4):
                    words[word, place] = bank.words[start + place, word]
        for row in dear:
            if answer.enough > 0 and answer.missing[row] == 0:
                continue
            least = np.uint64(_LIMIT + 1)
            if dear.size >= _TURNED:
                one, two, three, four = queries.words[row]
                for place in range(count):
                    apart[place] = (
                        count_bits(words[0, place] ^ one)
                        + count_bits(words[1, place] ^ two)
                        + count_bits(words[2, place] ^ three)
                        + count_bits(words[3, place] ^ four)
                    )
                    least = min(least, apart[place])
            else:
                for place in range(count):
                    apart[place] = _distance(bank, start + place, queries, row)
                    least = min(least, apart[place])
            for place in range(count if least <= _LIMIT else 0):
                entry = start + place
                if apart[place] <= _LIMIT and (
                    answer.hits.shape[0] > 0
                    or (_is_left(bank, entry, queries, row, first) and _is_left(bank, entry, queries, row, second))
                ):
                    found = _report(bank, entry, row, answer, found)
    return found


@compiled(vectors, weights)
def search(bank: Bank, queries: Queries, answer: Answer, budgets: Budgets) -> int:
    """Find every hash of the bank within 31 bits of each query: with even weights, else with weights of its own, else by comparing it with all.

    Returns:
        the pairs there are, where pairs are asked for; of more than there is room for, the rest is not written.
    """
    count = queries.words.shape[0]
    none = np.zeros(count, np.int64)
    even = np.full((count, PARTS), EVEN, np.int8)
    first = Round(even, np.full(count, PARTS), none.copy(), budgets.even)
    before = Round(even, none, none, 0)
    found = int(np.int64(0))  # as a literal, all would be compiled once more for it
    found = _search_tables(bank, queries, first, before, answer, found)
    dear = np.flatnonzero(first.given_up < PARTS)
    if dear.size == 0:
        return found
    second = Round(np.zeros((count, PARTS), np.int8), none.copy(), none.copy(), budgets.weighted)
    if budgets.choosing < budgets.weighted:
        for row in dear:
            if choose_weights(bank.starts, bank.sketches, queries.parts[row], second.weights[row]) <= budgets.weighted:
                second.given_up[row] = PARTS
        found = _search_tables(bank, queries, second, first, answer, found)
    return _scan(bank, queries, first, second, answer, found)
