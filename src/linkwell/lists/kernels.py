"""The loops of the ring index, compiled by numba. Import it only where a large bank of PDQ hashes is searched: it costs 0.4 s.

Shapes: `parts` (hashes, 16) uint16, the sixteen parts of each hash; `words` (hashes, 4) uint64, the same bytes.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from linkwell.base.compiled import compiled

PARTS = 16
BUCKETS = 1 << 16
"""One for each value of a part."""
LANES = 32
"""Sketches that are compared at a time; a table has so many more at its end."""

_LIMIT = 31
_HELD = 64
"""Entries whose sketches are near that are looked up together."""
_FIRST_LIMIT, _PAIR_LIMIT = 1, 3
_FETCHED = 128
"""Of each bucket so many sketches are fetched ahead."""
_SCAN_COST = 16
"""Reading a hash in a scan costs about as much as this many sketches read in a row."""
_LOOK_UP_COST = 256
"""Looking up a hash at a random place costs about as much as this many sketches."""
_LEAST_BUDGET = 1_000_000
"""What a query may always spend, in sketches: a tenth of a millisecond."""
_SCAN_TILE = 512
"""Hashes that stay in the processor's cache while several queries are compared with them."""

Parts = npt.NDArray[np.uint16]
Words = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.uint32]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]

Number = int | np.integer[Any]


def _intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    return cast("Callable[..., Any]", intrinsic(function))


@_intrinsic
def _bits(_context: Any, number: Any) -> Any:
    """The bits of an unsigned number that are set: one instruction, which also works on whole vectors."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return number(number), generate


@_intrinsic
def _near(_context: Any, _sketches: Any, _place: Any, _sketch: Any, _limit: Any) -> Any:
    """Of the 32 sketches from a place on, which are within a limit of one: a bit each, the first lowest. Four instructions.

    Written out as vectors, since the compiler does not find them by itself; where the processor has no vectors so long, it splits them.
    """

    def generate(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(ir.IntType(16), LANES)

        def everywhere(value: Any) -> Any:
            first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
            return builder.shuffle_vector(
                first, ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
            )

        array = target.make_array(signature.args[0])(target, builder, arguments[0])
        place = builder.bitcast(builder.gep(array.data, [arguments[1]]), vector.as_pointer())
        count = builder.module.declare_intrinsic(f"llvm.ctpop.v{LANES}i16", (), ir.FunctionType(vector, [vector]))
        apart = builder.call(count, [builder.xor(builder.load(place, align=2), everywhere(arguments[2]))])
        return builder.bitcast(builder.icmp_unsigned("<=", apart, everywhere(arguments[3])), ir.IntType(LANES))

    return types.uint32(_sketches, types.int64, types.uint16, types.uint16), generate


@_intrinsic
def _fetch(_context: Any, _array: Any, _place: Any) -> Any:
    """Ask for a line of memory before it is needed."""

    def generate(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = target.make_array(signature.args[0])(target, builder, arguments[0])
        place = builder.bitcast(builder.gep(array.data, [arguments[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        call = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), number, number, number])
        fetch = builder.module.declare_intrinsic("llvm.prefetch.p0", (), call)
        builder.call(fetch, [place, ir.Constant(number, 0), ir.Constant(number, 3), ir.Constant(number, 1)])
        return ir.Constant(ir.IntType(64), 0)

    return types.int64(_array, types.int64), generate


@_intrinsic
def _lowest(_context: Any, number: Any) -> Any:
    """The place of the lowest bit that is set."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return number(number), generate


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


@compiled()
def _distance(bank: Bank, entry: Number, queries: Queries, row: Number) -> int:
    here, there = bank.words, queries.words
    bits: int = (
        _bits(here[entry, 0] ^ there[row, 0])
        + _bits(here[entry, 1] ^ there[row, 1])
        + _bits(here[entry, 2] ^ there[row, 2])
        + _bits(here[entry, 3] ^ there[row, 3])
    )
    return bits


@compiled()
def _first_table(one: Parts, other: Parts) -> int:
    """The first table in which two near hashes meet."""
    for table in range(PARTS):
        here = _bits(np.uint16(one[table] ^ other[table]))
        if here <= _FIRST_LIMIT:
            following = (table + 1) % PARTS
            if here + _bits(np.uint16(one[following] ^ other[following])) <= _PAIR_LIMIT:
                return table
    return PARTS


@compiled()
def _mark(answer: Answer, owner: Number, row: Number) -> None:
    if not answer.hits[owner, row]:
        answer.hits[owner, row] = True
        if owner < answer.enough:
            answer.missing[row] -= 1


@compiled()
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


@compiled()
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


@compiled()
def search(bank: Bank, queries: Queries, answer: Answer) -> int:  # noqa: C901, PLR0912 - loops inside loops, which is all it is
    """Find every hash of the bank within 31 bits of each query.

    Returns:
        the pairs there are, where pairs are asked for; of more than there is room for, the rest is not written.
    """
    count = queries.words.shape[0]
    budget = max(np.int64(bank.words.shape[0]) * _SCAN_COST, _LEAST_BUDGET)
    spent = np.zeros(count, np.int64)
    given_up = np.full(count, -1, np.int64)
    held = np.empty(_HELD + LANES, np.uint32)
    places, ends = np.empty(PARTS + 1, np.int64), np.empty(PARTS + 1, np.int64)
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
            # The part itself, then with each of its bits turned over; the next part may differ in what is left of three bits.
            for flip in range(PARTS + 1):
                bucket = np.int64(part) if flip == 0 else np.int64(part ^ np.uint16(1 << (flip - 1)))
                places[flip], ends[flip] = starts[bucket], starts[bucket + 1]
                for line in range(places[flip], min(places[flip] + _FETCHED, ends[flip]), LANES):
                    _fetch(sketches, line)
            for flip in range(PARTS + 1):
                limit = np.uint16(_PAIR_LIMIT if flip == 0 else _PAIR_LIMIT - 1)
                place, end = places[flip], ends[flip]
                spent[row] += end - place
                while place < end:
                    near = _near(sketches, place, sketch, limit)
                    if end - place < LANES:
                        near &= np.uint32((1 << (end - place)) - 1)  # what follows is another bucket's
                    while near:
                        held[waiting] = entries[place + np.int64(_lowest(near))]
                        waiting += 1
                        near &= near - np.uint32(1)
                    place += LANES
                    if waiting >= _HELD:
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
