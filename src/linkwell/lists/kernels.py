"""The loops of the ring index, compiled by numba. Import it only where a large bank of PDQ hashes is searched: it costs 0.4 s.

Compiled code is kept for the next process in the user's own cache folder (`LINKWELL_CACHE`, else `$XDG_CACHE_HOME/linkwell`, else
`~/.cache/linkwell`), mode 0700, as Python keeps its bytecode; never in a workspace, which may come from somebody else. Where that
folder is another's, or cannot be written, every process compiles anew (some seconds).

Shapes: `parts` (hashes, 16) uint16, the sixteen parts of each hash; `words` (hashes, 4) uint64, the same bytes.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt
from numba.extending import intrinsic

PARTS = 16
BUCKETS = 1 << 16
"""One for each value of a part."""

_LIMIT = 31
_BLOCK = 64
"""Sketches compared at a time; vectors of the processor hold 8 to 32."""
_FIRST_LIMIT, _PAIR_LIMIT = 1, 3
_SCAN_COST = 8
"""Reading a hash in a scan costs about as much as this many sketches read in a row."""
_LOOK_UP_COST = 256
"""Looking up a hash at a random place costs about as much as this many sketches."""
_LEAST_BUDGET = 1_000_000
"""What a query may always spend, in sketches: a tenth of a millisecond."""
_SCAN_TILE = 512
"""Hashes that stay in the processor's cache while several queries are compared with them."""

_CACHE_VARIABLE = "LINKWELL_CACHE"

Parts = npt.NDArray[np.uint16]
Words = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.uint32]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]

Number = int | np.integer[Any]

F = TypeVar("F", bound=Callable[..., object])


def _cache_folder() -> Path | None:
    """A folder that only this user writes, or None."""
    given = os.environ.get(_CACHE_VARIABLE) or os.environ.get("XDG_CACHE_HOME")
    try:
        folder = (Path(given) if given else Path.home() / ".cache") / "linkwell" / "compiled"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except (OSError, RuntimeError):
        return None
    mine = found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return folder if mine and os.access(folder, os.W_OK) else None


_CACHED = _cache_folder()
if _CACHED is not None:
    numba.config.CACHE_DIR = str(_CACHED)  # type: ignore[attr-defined] # set by name, elsewhere


def _compiled(function: F) -> F:
    return cast("F", numba.njit(cache=_CACHED is not None, nogil=True)(function))


def _intrinsic(function: Callable[[Any, Any], Any]) -> Callable[[Any], int]:
    return cast("Callable[[Any], int]", intrinsic(function))


@_intrinsic
def _bits(_context: Any, number: Any) -> Any:
    """The bits of an unsigned number that are set: one instruction, which also works on whole vectors."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return number(number), generate


@_compiled
def build(parts: Parts, starts: Numbers, entries: Numbers, sketches: Parts) -> None:
    """Fill the sixteen tables.

    Args:
        parts: of the bank, (hashes, 16).
        starts: (16, 65537), filled with where the bucket of each value of a part begins.
        entries: (16, hashes), filled with the numbers of hashes, by bucket.
        sketches: (16, hashes), filled with the next part of each of those hashes.
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


@_compiled
def _distance(bank: Bank, entry: Number, queries: Queries, row: Number) -> int:
    here, there = bank.words, queries.words
    return (
        _bits(here[entry, 0] ^ there[row, 0])
        + _bits(here[entry, 1] ^ there[row, 1])
        + _bits(here[entry, 2] ^ there[row, 2])
        + _bits(here[entry, 3] ^ there[row, 3])
    )


@_compiled
def _first_table(one: Parts, other: Parts) -> int:
    """The first table in which two near hashes meet."""
    for table in range(PARTS):
        here = _bits(np.uint16(one[table] ^ other[table]))
        if here <= _FIRST_LIMIT:
            following = (table + 1) % PARTS
            if here + _bits(np.uint16(one[following] ^ other[following])) <= _PAIR_LIMIT:
                return table
    return PARTS


@_compiled
def _mark(answer: Answer, owner: Number, row: Number) -> None:
    if not answer.hits[owner, row]:
        answer.hits[owner, row] = True
        if owner < answer.enough:
            answer.missing[row] -= 1


@_compiled
def _compare(  # noqa: PLR0917 - compiled functions take no keywords
    bank: Bank, held: Numbers, queries: Queries, row: Number, table: int, answer: Answer, found: int
) -> int:
    """Compare whole the entries whose sketches a table found near."""
    for entry in held:
        if _distance(bank, entry, queries, row) <= _LIMIT:
            if answer.hits.shape[0] > 0:
                _mark(answer, bank.owners[entry], row)
            elif _first_table(bank.parts[entry], queries.parts[row]) == table:
                if found < answer.rows.size:
                    answer.rows[found] = row
                    answer.entries[found] = entry
                found += 1
    return found


@_compiled
def _scan(bank: Bank, queries: Queries, given_up: Places, answer: Answer, found: int) -> int:
    """Compare the queries that were given up at a table (-1: they were not) with every hash, for what it and later tables would find."""
    dear = np.flatnonzero(given_up >= 0)
    total = bank.words.shape[0]
    for start in range(0, total if dear.size else 0, _SCAN_TILE):
        stop = min(start + _SCAN_TILE, total)
        for row in dear:
            if answer.enough > 0 and answer.missing[row] == 0:
                continue
            first, third = queries.words[row, 0], queries.words[row, 2]
            for entry in range(start, stop):
                half = _bits(bank.words[entry, 0] ^ first) + _bits(bank.words[entry, 2] ^ third)
                if half <= _LIMIT and _distance(bank, entry, queries, row) <= _LIMIT:
                    if answer.hits.shape[0] > 0:
                        _mark(answer, bank.owners[entry], row)
                    elif _first_table(bank.parts[entry], queries.parts[row]) >= given_up[row]:
                        if found < answer.rows.size:
                            answer.rows[found] = row
                            answer.entries[found] = entry
                        found += 1
    return found


@_compiled
def search(bank: Bank, queries: Queries, answer: Answer) -> int:  # noqa: C901, PLR0912 - loops inside loops, which is all it is
    """Find every hash of the bank within 31 bits of each query.

    Returns:
        the pairs there are, where pairs are asked for; of more than there is room for, the rest is not written.
    """
    count = queries.words.shape[0]
    budget = max(np.int64(bank.words.shape[0]) * _SCAN_COST, _LEAST_BUDGET)
    spent = np.zeros(count, np.int64)
    given_up = np.full(count, -1, np.int64)
    held = np.empty(2 * _BLOCK, np.uint32)
    found = 0
    for table in range(PARTS):
        following = (table + 1) % PARTS
        starts, entries, sketches = bank.starts[table], bank.entries[table], bank.sketches[table]
        # In the order of the part, neighbours in the queue look into the same buckets.
        for row in np.argsort(queries.parts[:, table]):
            if given_up[row] >= 0 or (answer.enough > 0 and answer.missing[row] == 0):
                continue
            part, sketch = queries.parts[row, table], queries.parts[row, following]
            waiting, before = 0, found
            for flip in range(-1, PARTS):
                # The part itself, then with each of its bits turned over; the next part may differ in what is left of three bits.
                bucket = np.int64(part) if flip < 0 else np.int64(part ^ np.uint16(1 << flip))
                limit = np.uint16(_PAIR_LIMIT if flip < 0 else _PAIR_LIMIT - 1)
                place, end = np.int64(starts[bucket]), np.int64(starts[bucket + 1])
                spent[row] += end - place
                while place < end:
                    stop = min(place + _BLOCK, end)
                    near = np.uint16(0)
                    for at in range(place, stop):  # a loop without branches, which becomes vector instructions
                        near += np.uint16(_bits(np.uint16(sketches[at] ^ sketch)) <= limit)
                    if near:
                        for at in range(place, stop):
                            held[waiting] = entries[at]
                            waiting += int(_bits(np.uint16(sketches[at] ^ sketch)) <= limit)
                    place = stop
                    if waiting >= _BLOCK:
                        found = _compare(bank, held[:waiting], queries, row, table, answer, found)
                        spent[row] += waiting * _LOOK_UP_COST
                        waiting = 0
                        if spent[row] > budget:
                            break
                if spent[row] > budget:
                    break
            if spent[row] > budget:
                # Given up: what this table found so far is taken back, and left to the scan.
                given_up[row], found = table, before
            else:
                found = _compare(bank, held[:waiting], queries, row, table, answer, found)
                spent[row] += waiting * _LOOK_UP_COST
    return _scan(bank, queries, given_up, answer, found)
