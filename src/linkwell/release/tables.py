"""The stages of a release before its parts: what is to be known of every row of a build, and the new ones in public order.

All out of core: memory is set by `BUCKET_ROWS`, not by the build.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, repeat
from pathlib import Path

import msgspec
import numpy as np

from linkwell.base.shards import atomic_path, open_parquet, read_tables, storage_errors
from linkwell.base.words import Words, is_member, words_of
from linkwell.base.workspace import Workspace
from linkwell.engine import Engine, Input, StageResult, local_input, read_bucket, run_stage, task
from linkwell.ledger import ledger_parts
from linkwell.release.blinded import (
    CANONICAL,
    CELLS,
    CONTENTS,
    TIES,
    DealParams,
    JoinParams,
    TieParams,
)
from linkwell.release.blinded import IDS as DEALT_IDS
from linkwell.release.cells import Int64s, tie
from linkwell.release.order import (
    OLD_CELLS,
    RANGES,
    SORTED,
    OrderParams,
    SortParams,
    choose_bounds,
    read_bounds,
    read_sorted,
    write_bounds,
)
from linkwell.release.profile import (
    DOMAINS,
    HOSTS,
    IDS,
    KEYS,
    SAMPLE,
    HostsParams,
    ProfileParams,
    UInt64s,
    join_profiles,
)

BUCKET_ROWS = 1_000_000
"""Rows that one bucket or range holds on average."""
_SAMPLES_IN_RANGE = 1_000


@dataclass(frozen=True)
class RowTables:
    """What the stages found out about the rows of a build, in files. Rows are numbered over all shards."""

    keys: list[Path]
    """Of each shard: `profile.KEY_SCHEMA`."""
    old: list[Path]
    """Of each shard: the cells its rows have already, or `order.NO_CELL`."""
    ranges: list[Path]
    ties: list[Path]
    first_rows: list[int]
    """Number of the first row of each shard, and the end of the last."""
    new_count: int
    """Rows that have no cell yet."""

    @property
    def rows(self) -> int:
        """Rows of the build."""
        return self.first_rows[-1]

    def ordered(self) -> Iterator[tuple[Int64s, UInt64s]]:
        """The rows that have no cell, in public order, with their keys."""
        return read_sorted(self.ranges)

    def tied(self) -> tuple[Int64s, Int64s]:
        """The rows that are tied to others, ascending, and for each its leader: negative where a link has a cell already."""
        first: list[Int64s] = [np.zeros(0, np.int64)]
        second: list[Int64s] = [np.zeros(0, np.int64)]
        for path in self.ties:
            for batch in read_bucket(path, 0, 1):
                first.append(batch["row"].to_numpy().copy())
                second.append(batch["first"].to_numpy().copy())
        rows, leaders = tie(np.concatenate(first), np.concatenate(second))
        return rows[rows >= 0], leaders[rows >= 0]

    def matching(self, ids: Words) -> Int64s:
        """The rows whose link is among `ids`, ascending. It is stored nowhere."""
        found = [np.zeros(0, np.int64)]
        if len(ids):
            for path, start in zip(self.keys, self.first_rows, strict=False):
                row = start
                for table in read_tables([path], ["link_id"]):
                    found.append(row + np.flatnonzero(is_member(words_of(table["link_id"]), ids)))
                    row += table.num_rows
        return np.concatenate(found)


@dataclass(frozen=True)
class _Run:
    """What all stages of one run share."""

    workspace: str
    work: Path
    engine: Engine
    buckets: int
    first_rows: list[int]

    def stage(
        self,
        folder: str,
        name: str,
        fn: str,
        params: Iterable[msgspec.Struct],
        inputs: Iterable[Sequence[Path]],
        *,
        unit: str = "shards",
    ) -> StageResult:
        """One task for each struct of parameters, with its inputs."""
        last: tuple[Sequence[Path], tuple[Input, ...]] = ((), ())
        tasks = []
        for index, (each, paths) in enumerate(zip(params, inputs, strict=False)):
            if paths is not last[0]:
                last = (paths, tuple(map(local_input, paths)))
            tasks.append(task(name, index, f"linkwell.release.{fn}", each, last[1]))
        return run_stage(tasks, self.work / folder, self.engine, unit=unit)


def row_tables(
    workspace: Workspace, links: Sequence[Path], partition_files: Sequence[Path], work: Path, engine: Engine
) -> RowTables:
    """Run the stages.

    Args:
        workspace: whose key blinds ids, and whose ledger says which links have one content.
        links: the build's shards.
        partition_files: the links that have a cell.
        work: where the stages go.
        engine: what runs them.
    """
    counts = [_row_count(path) for path in links]
    first_rows = [0, *accumulate(counts)]
    rows = first_rows[-1]
    buckets = max(1, -(-rows // BUCKET_ROWS))
    ledger = ledger_parts(workspace)
    joins = bool(partition_files or ledger)
    with storage_errors(work):
        work.mkdir(mode=0o700, parents=True, exist_ok=True)
    run = _Run(str(workspace.root), work, engine, buckets, first_rows)
    sample_every = max(1, BUCKET_ROWS // _SAMPLES_IN_RANGE)
    blind_for = run.workspace if joins else ""
    profiled = run.stage(
        "profile",
        "profile hosts",
        "profile:profile_shard",
        (ProfileParams(str(path), first_rows[n], buckets, sample_every, blind_for) for n, path in enumerate(links)),
        ([path] for path in links),
    )
    profiles = _profiles(run, profiled)
    bounds = work / "bounds.arrow"
    write_bounds(bounds, choose_bounds(profiled.outputs(SAMPLE), profiles, buckets))
    old, canonical = _join(run, profiled, partition_files, ledger) if joins else ([], [])
    keys = profiled.outputs(KEYS)
    ordered = run.stage(
        "order",
        "order rows",
        "order:order_shard",
        (
            OrderParams(
                workspace=run.workspace,
                keys=str(path),
                shard=index,
                shards=len(links),
                first_row=first_rows[index],
                rows=counts[index],
                profiles=str(profiles),
                bounds=str(bounds),
                old=_named(old),
                buckets=buckets,
            )
            for index, path in enumerate(keys)
        ),
        ([path, profiles, bounds, *old] for path in keys),
    )
    return RowTables(
        keys=keys,
        old=ordered.outputs(OLD_CELLS),
        ranges=_sort(run, ordered.outputs(RANGES), read_bounds(bounds).num_rows + 1),
        ties=_ties(run, [*ordered.outputs(CANONICAL), *canonical]),
        first_rows=first_rows,
        new_count=ordered.counts()["new"],
    )


def _profiles(run: _Run, profiled: StageResult) -> Path:
    domains = profiled.outputs(DOMAINS)
    hosts = run.stage(
        "hosts",
        "sum up hosts",
        "profile:profile_hosts",
        (HostsParams(_named(domains), bucket, run.buckets) for bucket in range(run.buckets)),
        repeat(domains),
        unit="buckets",
    ).outputs(HOSTS)
    path = run.work / "profiles.npy"
    newest = max(each.stat().st_mtime_ns for each in hosts)
    if not path.exists() or path.stat().st_mtime_ns < newest:
        with atomic_path(path) as temporary:
            join_profiles(hosts, temporary)
    return path


def _join(
    run: _Run, profiled: StageResult, partition_files: Sequence[Path], ledger: Sequence[Path]
) -> tuple[list[Path], list[Path]]:
    """What is known of links beyond this build: their cells by shard, and canonical URLs and contents that may tie rows."""
    cells, contents = (
        run.stage(
            folder,
            f"deal {folder}",
            f"blinded:deal_{folder}",
            (DealParams(run.workspace, str(path), run.buckets) for path in files),
            ([path] for path in files),
            unit="files",
        )
        for folder, files in (("partition", partition_files), ("ledger", ledger))
    )
    rows, of_cells, of_contents = profiled.outputs(IDS), cells.outputs(DEALT_IDS), contents.outputs(DEALT_IDS)
    joined = run.stage(
        "join",
        "join links",
        "blinded:join",
        (
            JoinParams(
                rows=_named(rows),
                cells=_named(of_cells),
                contents=_named(of_contents),
                bucket=bucket,
                buckets=run.buckets,
                first_rows=tuple(run.first_rows[:-1]),
            )
            for bucket in range(run.buckets)
        ),
        repeat([*rows, *of_cells, *of_contents]),
        unit="buckets",
    )
    return joined.outputs(CELLS), [*cells.outputs(CANONICAL), *joined.outputs(CONTENTS)]


def _ties(run: _Run, files: Sequence[Path]) -> list[Path]:
    params = (TieParams(_named(files), bucket, run.buckets) for bucket in range(run.buckets))
    return run.stage("ties", "tie duplicates", "blinded:tie_bucket", params, repeat(files), unit="buckets").outputs(
        TIES
    )


def _sort(run: _Run, dealt: Sequence[Path], ranges: int) -> list[Path]:
    params = (SortParams(_named(dealt), number, ranges) for number in range(ranges))
    return run.stage("sort", "sort rows", "order:sort_range", params, repeat(dealt), unit="ranges").outputs(SORTED)


def _named(paths: Sequence[Path]) -> tuple[str, ...]:
    return tuple(map(str, paths))


def _row_count(path: Path) -> int:
    with open_parquet(path) as file:
        return file.metadata.num_rows
