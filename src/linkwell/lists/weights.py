"""How many bits each part of a hash may differ in, chosen for one query so that it looks at least: compiled by numba, for the ring index.

Any weights w_0 … w_15 that add up to 32 will do in the place of 2 for each part: two hashes that differ in at most 31 bits have a part
with d_i < w_i and d_i + d_(i+1) < w_i + w_(i+1). A part whose buckets hold much of the bank gets a small weight, at 0 its table is
left out; the others get more, and their tables are searched further around.

What that costs is known before: a table is searched in all buckets within w_i - 1 bits, whose sizes are read; how many of their entries are
looked up is estimated from samples of large buckets, and for the rest from how much of the bank has such a next part. Going around the ring,
the cheapest weights for each sum so far are kept.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from linkwell.base.compiled import compiled, part
from linkwell.lists import vectors
from linkwell.lists.vectors import count_bits

PARTS = 16
BUCKETS = 1 << 16
"""One for each value of a part."""
WEIGHTS = 32
"""What the weights add up to: one more than the bits two hashes may differ in."""
EVEN = WEIGHTS // PARTS
MOST = 5
"""The largest weight: 2,517 buckets are searched."""

# Costs are counted in sketches that are read in a row, some 0.25 ns each; measured on random banks of 1 and 10 million.
BUCKET_COST = 24
LOOK_UP_COST = 150
SCAN_COST = 4
"""Of comparing a hash."""
CHOOSING_COST = 100_000

_READ = 4
"""The sizes of all buckets closer than so many bits are read; beyond, they are taken for the average."""
_SAMPLE = 64
"""Of a large bucket."""

_BITS = np.bitwise_count(np.arange(BUCKETS, dtype=np.uint32)).astype(np.int64)
MASKS = np.argsort(_BITS, kind="stable")[: int((_BITS < MOST).sum())].astype(np.uint16)
"""What to turn over in a part, the fewest bits first."""
BALLS = np.array([int((weight > _BITS).sum()) for weight in range(MOST + 1)], np.int64)
"""How many masks have fewer bits than a weight."""
_EVEN_SHARES = np.array([(limit >= _BITS).mean() for limit in range(PARTS + 1)], np.float32)
"""Of random parts, how many are within so many bits."""

Parts = npt.NDArray[np.uint16]
Numbers = npt.NDArray[np.uint32]
Weights = npt.NDArray[np.int8]
Number = int | np.integer[Any]
_Amounts = npt.NDArray[np.float32]


@part
def _sizes(starts: Numbers, parts: Parts, sizes: _Amounts) -> None:
    """Fill in for each table, (16, 5), how many entries are so many bits from a query's part."""
    average = np.float32(starts[0, BUCKETS]) / np.float32(BUCKETS)
    for table in range(PARTS):
        for bits in range(MOST):
            sizes[table, bits] = np.float32(BALLS[bits + 1] - BALLS[bits]) * average
        for bits in range(_READ):
            size = np.int64(0)
            for number in range(BALLS[bits], BALLS[bits + 1]):
                bucket = np.int64(parts[table] ^ MASKS[number])
                size += np.int64(starts[table, bucket + 1]) - np.int64(starts[table, bucket])
            sizes[table, bits] = size


@part
def _shares(sizes: _Amounts, total: Number, shares: _Amounts) -> None:
    """Fill in how much of the bank is within 0 to 16 bits of a part, from the sizes of its table."""
    share = np.float32(0)
    for limit in range(PARTS + 1):
        if limit < _READ:
            share += sizes[limit] / np.float32(total)
            shares[limit] = share
        else:
            shares[limit] = min(np.float32(1), share + _EVEN_SHARES[limit] - _EVEN_SHARES[_READ - 1])


@part
def _near(  # noqa: PLR0917 - compiled functions take no keywords
    starts: Numbers, sketches: Parts, parts: Parts, table: int, sizes: _Amounts, shares: _Amounts, near: _Amounts
) -> None:
    """Estimate, (5, 17): of the entries so many bits from a query's part, how many have a next part within so many bits of the query's."""
    total = np.int64(starts[table, BUCKETS])
    large = max(np.int64(_SAMPLE), total >> 10)
    near[:] = 0
    for bits in range(MOST):
        rest = sizes[bits]
        if bits < _READ and rest > large + np.float32(BALLS[bits + 1] - BALLS[bits]) * np.float32(total) / np.float32(
            BUCKETS
        ):
            for number in range(BALLS[bits], BALLS[bits + 1]):
                bucket = np.int64(parts[table] ^ MASKS[number])
                first, end = np.int64(starts[table, bucket]), np.int64(starts[table, bucket + 1])
                if end - first > large:
                    rest -= np.float32(end - first)
                    for each in range(_SAMPLE):
                        sketch = sketches[table, first + (end - first) * each // _SAMPLE]
                        apart = count_bits(np.uint16(sketch ^ parts[(table + 1) % PARTS]))
                        near[bits, apart] += np.float32(end - first) / np.float32(_SAMPLE)
        within = np.float32(0)
        for limit in range(PARTS + 1):
            within += near[bits, limit]
            near[bits, limit] = within + rest * shares[limit]


@compiled(vectors)
def choose_weights(  # noqa: C901 - loops inside loops, which is all it is
    starts: Numbers, sketches: Parts, parts: Parts, weights: Weights
) -> float:
    """Choose weights that add up to 32, each at most 5.

    Args:
        starts: of the tables.
        sketches: of the tables.
        parts: the query's.
        weights: (16,), filled.

    Returns:
        what the search will cost, by estimate.
    """
    total = starts[0, BUCKETS]
    sizes = np.empty((PARTS, MOST), np.float32)
    _sizes(starts, parts, sizes)
    shares, near = np.empty(PARTS + 1, np.float32), np.empty((MOST, PARTS + 1), np.float32)
    costs = np.zeros((PARTS, MOST + 1, MOST + 1), np.float32)
    for table in range(PARTS):
        _shares(sizes[(table + 1) % PARTS], total, shares)
        _near(starts, sketches, parts, table, sizes[table], shares, near)
        for weight in range(1, MOST + 1):
            for following in range(MOST + 1):
                cost = np.float32(BALLS[weight] * BUCKET_COST)
                for bits in range(weight):
                    cost += sizes[table, bits] + near[bits, weight + following - 1 - bits] * np.float32(LOOK_UP_COST)
                costs[table, weight, following] = cost
    # The least cost of the parts before one, by its weight and the sum of theirs.
    least = np.full((PARTS + 1, MOST + 1, WEIGHTS + 1), np.inf, np.float32)
    least[0, :, 0] = 0
    for table in range(PARTS):
        for weight in range(MOST + 1):
            for following in range(MOST + 1):
                cost = costs[table, weight, following]
                for before in range(WEIGHTS + 1 - weight):
                    one, other = least[table, weight, before] + cost, least[table + 1, following, before + weight]
                    least[table + 1, following, before + weight] = one if one < other else other  # noqa: FURB136 - what becomes one vector instruction
    # Back from the end, where the part that follows is the first one: for its weight, which is chosen last, the even one stands.
    following, left = EVEN, WEIGHTS
    for back in range(PARTS):
        table = PARTS - 1 - back
        best = 0
        for weight in range(min(MOST, left) + 1):
            if (
                least[table, weight, left - weight] + costs[table, weight, following]
                < least[table, best, left - best] + costs[table, best, following]
            ):
                best = weight
        weights[table] = best
        following = best
        left -= best
    return float(least[PARTS, EVEN, WEIGHTS])
