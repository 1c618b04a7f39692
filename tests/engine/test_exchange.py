"""De-duplication over shards, against a plain dictionary."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linkwell.base.errors import DamagedFileError, FormatError
from linkwell.base.ids import link_ids
from linkwell.base.shards import ParquetWriter, read_tables
from linkwell.engine import LocalEngine, SerialEngine, deduplicate


def rank(table: pa.Table) -> npt.NDArray[np.int8]:
    """The rank the tests' rows carry."""
    return table["rank"].to_numpy().astype(np.int8)


def _write(folder: Path, shards: list[list[tuple[int, int]]]) -> list[Path]:
    paths = []
    for index, rows in enumerate(shards):
        path = folder / f"{index}.parquet"
        table = pa.table(
            {
                "link_id": link_ids(f"http://example.com/{n}" for n, _ in rows),
                "n": pa.array([n for n, _ in rows], pa.int64()),
                "rank": pa.array([r for _, r in rows], pa.int64()),
                "place": pa.array([f"{index}-{i}" for i in range(len(rows))], pa.string()),
            }
        )
        with ParquetWriter(path, table.schema) as writer:
            writer.write(table)
        paths.append(path)
    return paths


def _expected(shards: list[list[tuple[int, int]]]) -> list[str]:
    best: dict[int, tuple[int, int, int]] = {}
    for index, rows in enumerate(shards):
        for i, (n, r) in enumerate(rows):
            if n not in best or r > best[n][0]:
                best[n] = (r, index, i)
    return [f"{index}-{i}" for _, index, i in sorted(best.values(), key=lambda v: v[1:])]


_SHARDS = st.lists(st.lists(st.tuples(st.integers(0, 12), st.integers(-2, 2)), max_size=20), min_size=1, max_size=4)


@settings(max_examples=40, deadline=None)
@given(_SHARDS, st.sampled_from([1, 3, 1000]))
def test_one_row_of_every_key_survives_by_the_stated_rule(
    tmp_path_factory: pytest.TempPathFactory, shards: list[list[tuple[int, int]]], bucket_rows: int
) -> None:
    """The highest rank, then the first; shards and rows keep their order, whatever the number of buckets."""
    folder = tmp_path_factory.mktemp("exchange")
    result = deduplicate(
        _write(folder, shards),
        folder / "out",
        SerialEngine(),
        rank="tests.engine.test_exchange:rank",
        rank_columns=("rank",),
        bucket_rows=bucket_rows,
    )
    places = [p for t in read_tables(result.outputs("links.parquet")) for p in t["place"].to_pylist()]
    assert places == _expected(shards)
    assert result.counts()["duplicates"] == sum(map(len, shards)) - len(places)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_SHARDS, st.integers(0, 3), st.sampled_from([(1, 2), (3, 500_000), (1000, 2)]))
def test_earlier_shards_take_part_and_stay_as_they_are(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    shards: list[list[tuple[int, int]]],
    against: int,
    sizes: tuple[int, int],
) -> None:
    """A row whose key an earlier shard has survives with a higher rank only; what is lost to which is counted."""
    against = min(against, len(shards))
    monkeypatch.setattr("linkwell.engine.exchange._SCATTER_ROWS", sizes[1])
    folder = tmp_path_factory.mktemp("against")
    paths = _write(folder, shards)
    before = [path.read_bytes() for path in paths[:against]]
    result = deduplicate(
        paths[against:],
        folder / "out",
        SerialEngine(),
        rank="tests.engine.test_exchange:rank",
        rank_columns=("rank",),
        bucket_rows=sizes[0],
        against=paths[:against],
    )
    survivors = [place for place in _expected(shards) if int(place.split("-")[0]) >= against]
    assert [p for t in read_tables(result.outputs("links.parquet")) for p in t["place"].to_pylist()] == survivors
    assert [path.read_bytes() for path in paths[:against]] == before
    new = [
        (n, f"{index}-{i}") for index, rows in enumerate(shards) for i, (n, _) in enumerate(rows) if index >= against
    ]
    winners = {shards[int(s)][int(i)][0]: int(s) for s, i in (place.split("-") for place in _expected(shards))}
    assert result.counts()["known"] == sum(winners[n] < against for n, _ in new)
    assert result.counts()["known"] + result.counts()["duplicates"] + len(survivors) == len(new)


def test_an_earlier_file_without_ids_is_refused(tmp_path: Path) -> None:
    """Nothing is compared with a file that cannot be compared with."""
    paths = _write(tmp_path, [[(1, 0)], [(2, 0)]])
    table = pa.table({"url": ["http://example.com/1"]})
    with ParquetWriter(paths[0], table.schema) as writer:
        writer.write(table)
    with pytest.raises(FormatError, match="link_id"):
        deduplicate(paths[1:], tmp_path / "out", SerialEngine(), against=paths[:1])


def test_the_pool_gives_the_same_bytes_as_one_process(tmp_path: Path) -> None:
    """Which engine runs it does not show in the result."""
    rng = np.random.default_rng(3)
    shards = [[(int(n), 0) for n in rng.integers(0, 5000, 4000)] for _ in range(3)]
    paths = _write(tmp_path, shards)
    one = deduplicate(paths, tmp_path / "one", SerialEngine(), bucket_rows=700).outputs("links.parquet")
    two = deduplicate(paths, tmp_path / "two", LocalEngine(2), bucket_rows=700).outputs("links.parquet")
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in two]


def test_a_damaged_shard_stops_it(tmp_path: Path) -> None:
    """No shard is left out in silence."""
    paths = _write(tmp_path, [[(1, 0)], [(2, 0)]])
    paths[1].write_bytes(paths[1].read_bytes()[:-9])
    with pytest.raises(DamagedFileError):
        deduplicate(paths, tmp_path / "out", SerialEngine())


@settings(max_examples=30, deadline=None)
@given(_SHARDS, _SHARDS, st.sampled_from([2, 1000]))
def test_overruling_rows_keep_lower_ranks_out_and_are_nowhere_kept(
    tmp_path_factory: pytest.TempPathFactory,
    shards: list[list[tuple[int, int]]],
    overruling: list[list[tuple[int, int]]],
    bucket_rows: int,
) -> None:
    """A key survives where its best row ranks at least as high as every overruling one."""
    folder, aside = tmp_path_factory.mktemp("exchange"), tmp_path_factory.mktemp("aside")
    result = deduplicate(
        _write(folder, shards),
        folder / "out",
        SerialEngine(),
        rank="tests.engine.test_exchange:rank",
        rank_columns=("rank",),
        bucket_rows=bucket_rows,
        overruling=_write(aside, overruling),
    )
    highest: dict[int, int] = {}
    for n, r in (row for rows in overruling for row in rows):
        highest[n] = max(r, highest.get(n, r))
    rows_at = {f"{s}-{i}": row for s, rows in enumerate(shards) for i, row in enumerate(rows)}
    expected = [p for p in _expected(shards) if rows_at[p][1] >= highest.get(rows_at[p][0], rows_at[p][1])]
    places = [p for t in read_tables(result.outputs("links.parquet")) for p in t["place"].to_pylist()]
    assert places == expected
    counts = result.counts()
    assert counts["duplicates"] + counts["overruled"] == sum(map(len, shards)) - len(places)
