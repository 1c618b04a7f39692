"""The ring index answers as counting all bits of all pairs does. All hashes are made up."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkwell.lists import kernels, weights
from linkwell.lists.columns import Rows
from linkwell.lists.indexes import build_index, finds_its_canaries, restore_index
from linkwell.lists.ring import RingIndex, RingTables, table_canaries
from linkwell.lists.vectors import LANES

Chance = np.random.Generator


def _random(chance: Chance, count: int) -> Rows:
    return chance.integers(0, 256, (count, 32), np.uint8)


def _flipped(chance: Chance, values: Rows, bits: npt.NDArray[np.int64]) -> Rows:
    """Each value with so many random bits turned over."""
    order = np.argsort(chance.random((len(values), 256)), axis=1)
    masks = np.zeros((len(values), 256), np.uint8)
    np.put_along_axis(masks, order, (np.arange(256) < bits[:, None]).astype(np.uint8), axis=1)
    return np.asarray(values ^ np.packbits(masks, axis=1), np.uint8)


def _counted(values: Rows, queries: Rows) -> set[tuple[int, int]]:
    """All pairs (row, entry) within 31 bits, by counting."""
    bits = np.bitwise_count(values[None, :, :] ^ queries[:, None, :]).sum(axis=2)
    return {(int(row), int(entry)) for row, entry in np.argwhere(bits <= 31)}


def _pairs(index: RingIndex, queries: Rows) -> set[tuple[int, int]]:
    rows, entries = index.pairs(queries)
    found = list(zip(rows.tolist(), entries.tolist(), strict=True))
    assert len(set(found)) == len(found), "a pair came twice"
    return set(found)


def test_neighbours_at_every_distance_are_found() -> None:
    """Planted neighbours at distances 0 to 31 are all found, those at 32 and more never."""
    chance = np.random.default_rng(1)
    bank = _random(chance, 5_000)
    bits = np.repeat(np.arange(45), 20)
    queries = _flipped(chance, bank[chance.integers(0, len(bank), len(bits))], bits)
    index = RingIndex(bank, np.zeros(len(bank), np.uint16))
    hits = np.zeros((1, len(bits)), np.bool_)
    index.mark(queries, hits)
    assert (hits[0] == (bits <= 31)).all()
    assert _pairs(index, queries) == _counted(bank, queries)


@given(st.integers(1, 60), st.integers(1, 40), st.integers(0, 40), st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_it_equals_counting(entries: int, rows: int, spread: int, seed: int) -> None:
    """For banks and queries around few centres, with bits turned over anywhere or in runs, marks and pairs are those of counting."""
    chance = np.random.default_rng(seed)
    centres = _random(chance, 3)
    bank = _flipped(chance, centres[chance.integers(0, 3, entries)], chance.integers(0, spread + 1, entries))
    queries = _flipped(chance, centres[chance.integers(0, 3, rows)], chance.integers(0, spread + 1, rows))
    first = chance.integers(0, 28)
    queries[::2, first : first + 4] ^= chance.integers(0, 256, 4, np.uint8)
    owners = chance.integers(0, 3, entries).astype(np.uint16)
    index = RingIndex(bank, owners)
    expected = _counted(bank, queries)
    assert _pairs(index, queries) == expected
    for reported in (0, 3):
        hits = np.zeros((3, rows), np.bool_)
        index.mark(queries, hits, reported)
        assert {(int(o), int(r)) for o, r in np.argwhere(hits)} == {(int(owners[e]), r) for r, e in expected}


def test_every_table_is_needed_and_tested() -> None:
    """For each table there is a canary that it alone finds: an index with any one of them emptied is noticed."""
    chance = np.random.default_rng(3)
    bank = _random(chance, 300)
    owners = np.where(np.arange(300) < 2, 1, 0).astype(np.uint16)
    near, beyond = table_canaries(bank[:2])
    assert (np.bitwise_count(near ^ np.repeat(bank[:2], 16, axis=0)).sum(axis=1) == 31).all()
    assert (np.bitwise_count(beyond ^ np.repeat(bank[:2], 16, axis=0)).sum(axis=1) == 32).all()
    assert finds_its_canaries("pdq", RingIndex(bank, owners), 1, 2)
    for table in range(16):
        tables = RingTables.build(bank)
        tables.starts[table] = 0
        assert not finds_its_canaries("pdq", RingIndex(bank, owners, tables), 1, 2)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 16, 17, 64, 65, 4_000])
def test_heavy_buckets_are_searched_to_their_end(count: int) -> None:
    """Equal and nearly equal hashes, which share all their buckets, are all found, and a stranger in their buckets is not."""
    chance = np.random.default_rng(count)
    centre = _random(chance, 1)
    bank = np.concatenate([np.repeat(centre, count, axis=0), _random(chance, 500)])
    stranger = centre.copy()
    stranger[0, :24:2] ^= 0xFF
    queries = np.concatenate([_flipped(chance, centre, np.array([31])), stranger, bank[-1:]])
    assert _pairs(RingIndex(bank, np.zeros(len(bank), np.uint16)), queries) == _counted(bank, queries)


def test_a_query_that_is_too_dear_goes_on_as_a_scan() -> None:
    """Where nearly all of the bank lies in a query's buckets, some tables are searched and the rest is a scan: nothing is lost or doubled."""
    chance = np.random.default_rng(9)
    centre = _random(chance, 1)
    bank = _flipped(chance, np.repeat(centre, 30_000, axis=0), chance.integers(20, 45, 30_000))
    bank[:20_000] = _flipped(chance, np.repeat(centre, 20_000, axis=0), chance.integers(0, 14, 20_000))
    index = RingIndex(bank, np.zeros(len(bank), np.uint16))
    queries = np.concatenate([_flipped(chance, np.repeat(centre, 2, axis=0), np.array([0, 20])), _random(chance, 1)])
    assert _pairs(index, queries) == _counted(bank, queries)
    hits = np.zeros((1, 3), np.bool_)
    index.mark(queries, hits)
    assert hits[0].tolist() == [True, True, False]


_MUCH = 2**40
_SHARED_PARTS = {
    "nothing": [],
    "a half": list(range(8)),
    "every other part": list(range(0, 16, 2)),
    "twelve parts": [part for part in range(16) if part % 4],
    "everything": list(range(16)),
}


def _skewed(chance: Chance, count: int, shared: str, centres: Rows) -> Rows:
    """A bank of which two thirds share these parts with one of some centres."""
    bank = _random(chance, count)
    heavy = chance.permutation(count)[: 2 * count // 3]
    of_centres = centres[chance.integers(0, len(centres), len(heavy))].view(np.uint16)
    for part in _SHARED_PARTS[shared]:
        bank.view(np.uint16)[heavy, part] = of_centres[:, part]
    return bank


@given(
    st.sampled_from([*_SHARED_PARTS, "clusters"]),
    st.sampled_from([-1, 500, 2_000, 8_000, _MUCH]) | st.integers(0, 20_000),
    st.sampled_from([-1, 2_000, 30_000, _MUCH]) | st.integers(0, 100_000),
    st.sampled_from([-2, _MUCH + 1]),
    st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_it_equals_counting_whatever_a_query_may_cost(
    shared: str, even: int, weighted: int, choosing: int, seed: int
) -> None:
    """Given up at once, in the midst, or never; searched again with weights of its own, scanned, or both: each pair comes once, none is lost."""
    chance = np.random.default_rng(seed)
    centres = _random(chance, 2)
    if shared == "clusters":
        bank = _flipped(chance, centres[chance.integers(0, 2, 700)], chance.integers(0, 40, 700))
    else:
        bank = _skewed(chance, 700, shared, centres)
    near = np.concatenate([bank[chance.integers(0, len(bank), 12)], centres[chance.integers(0, 2, 6)]])
    queries = np.concatenate([_flipped(chance, near, chance.integers(0, 36, len(near))), _random(chance, 2)])
    owners = chance.integers(0, 3, len(bank)).astype(np.uint16)
    index = RingIndex(bank, owners)
    index.budgets = kernels.Budgets(even, weighted, choosing)
    expected = _counted(bank, queries)
    assert _pairs(index, queries) == expected
    for reported in (0, 2, 3):
        hits = np.zeros((3, len(queries)), np.bool_)
        index.mark(queries, hits, reported)
        marked = {(int(owner), int(row)) for owner, row in np.argwhere(hits)}
        every = {(int(owners[entry]), row) for row, entry in expected}
        assert marked <= every
        # A query that is near entries of all that are reported is not searched to its end.
        assert {one for one in every if one[0] < (reported or 3)} <= marked


@pytest.mark.parametrize("shared", list(_SHARED_PARTS))
def test_skewed_banks_are_searched_exactly_as_they_come(shared: str) -> None:
    """With the budgets of its size, a bank most of which lies in few buckets is answered as by counting."""
    chance = np.random.default_rng(11)
    centres = _random(chance, 2)
    bank = _skewed(chance, 60_000, shared, centres)
    queries = _flipped(chance, bank[chance.integers(0, len(bank), 12)], np.arange(0, 36, 3))
    index = RingIndex(bank, np.zeros(len(bank), np.uint16))
    assert _pairs(index, queries) == _counted(bank, queries)


@given(st.data(), st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_whatever_the_weights_two_near_hashes_meet(data: st.DataObject, seed: int) -> None:
    """If weights add up to 32, hashes within 31 bits meet in a table; those of which they do not may still be looked up."""
    chance = np.random.default_rng(seed)
    cuts = sorted(data.draw(st.lists(st.integers(0, 32), min_size=15, max_size=15)))
    chosen = np.diff([0, *cuts, 32]).astype(np.int8)
    one = _random(chance, 20)
    other = _flipped(chance, one, chance.integers(0, 32, 20))
    for here, there in zip(one.view(np.uint16), other.view(np.uint16), strict=True):
        assert kernels._first_table(here, there, chosen) < 16


@pytest.mark.parametrize("shared", list(_SHARED_PARTS))
def test_weights_add_up_and_leave_out_parts_that_are_shared(shared: str) -> None:
    """Whatever the bank and the query, the weights add up to 32; parts that most of the bank shares with the query are left out."""
    chance = np.random.default_rng(12)
    centres = _random(chance, 1)
    bank = _skewed(chance, 60_000, shared, centres)
    tables = RingTables.build(bank)
    for query in np.concatenate(
        [_flipped(chance, np.repeat(centres, 40, axis=0), np.arange(40)), bank[:40], _random(chance, 20)]
    ):
        chosen = np.full(16, -1, np.int8)
        cost = weights.choose_weights(tables.starts, tables.sketches, query.view(np.uint16), chosen)
        assert chosen.sum() == 32
        assert ((chosen >= 0) & (chosen <= weights.MOST)).all()
        assert 0 < cost < np.inf
    chosen = np.full(16, -1, np.int8)
    weights.choose_weights(tables.starts, tables.sketches, centres.view(np.uint16)[0], chosen)
    if shared == "a half":  # where every other part is shared, the next one may tell enough
        assert chosen[:8].sum() <= 4
        assert (chosen[_SHARED_PARTS[shared]] == 0).sum() >= 6


def test_masks_are_all_of_few_bits_once() -> None:
    """A table searched with a weight looks into every bucket that is closer, and into no other."""
    assert len(set(weights.MASKS.tolist())) == len(weights.MASKS) == weights.BALLS[-1]
    for weight in range(weights.MOST + 1):
        inside = set(weights.MASKS[: weights.BALLS[weight]].tolist())
        assert inside == {mask for mask in range(1 << 16) if mask.bit_count() < weight}


def test_an_index_restored_from_its_arrays_answers_alike() -> None:
    """Both kinds of PDQ index, and the exact one, are their arrays and nothing else."""
    chance = np.random.default_rng(4)
    for kind, width, entries in (("pdq", 32, 200), ("pdq", 32, 5_000), ("md5", 16, 300), ("sha1", 20, 300)):
        values = chance.integers(0, 256, (entries, width), np.uint8)
        owners = chance.integers(0, 2, entries).astype(np.uint16)
        index = build_index(kind, values, owners)
        again = restore_index(kind, index.arrays())
        assert type(again) is type(index)
        queries = np.concatenate([values[:50], chance.integers(0, 256, (50, width), np.uint8)])
        hits, other = (np.zeros((2, 100), np.bool_) for _ in range(2))
        index.mark(queries, hits)
        again.mark(queries, other)
        assert (hits == other).all()
        assert hits[:, :50].any(axis=0).all()
        assert (again.values(np.arange(entries)) == index.values(np.arange(entries))).all()


def test_read_only_and_sliced_arrays_are_taken() -> None:
    """Queries may be slices, or bytes that cannot be written to."""
    chance = np.random.default_rng(5)
    bank = _random(chance, 100)
    index = RingIndex(bank[::2], np.zeros(50, np.uint16))
    queries = np.frombuffer(bank.tobytes(), np.uint8).reshape(-1, 32)
    hits = np.zeros((1, 50), np.bool_)
    index.mark(queries[::2], hits)
    assert hits.all()


def test_tables_of_another_bank_are_refused() -> None:
    """The compiled loops check no bounds, so shapes are checked before them; what they read beyond the end is there."""
    chance = np.random.default_rng(6)
    bank, owners = _random(chance, 10), np.zeros(10, np.uint16)
    tables = RingTables.build(bank)
    assert tables.sketches.shape[1] - len(bank) >= LANES
    with pytest.raises(ValueError, match="not of this bank"):
        RingIndex(bank[:9], owners[:9], tables)
    with pytest.raises(ValueError, match="not of this bank"):
        RingIndex(bank, owners[:9], tables)
    with pytest.raises(ValueError, match="not of this bank"):
        RingIndex(bank, owners, tables._replace(sketches=tables.sketches[:, :10]))
