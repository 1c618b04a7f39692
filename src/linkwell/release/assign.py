"""Choose the rows of a release and give each its cell: the one it has had, or a new one."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from linkwell.base.shards import atomic_path, read_tables, write_array
from linkwell.base.words import words_from
from linkwell.base.workspace import Workspace
from linkwell.engine import BucketWriter, read_bucket
from linkwell.release.blinded import ROW_CELL_SCHEMA
from linkwell.release.cells import Int64s
from linkwell.release.cover import block_starts
from linkwell.release.order import NO_CELL
from linkwell.release.partition import PARTITION_SCHEMA, Partition
from linkwell.release.profile import LOOK_BIN_BITS, LOOK_BITS, UInt64s
from linkwell.release.selection import KEEP, Rules, judge, removed_counts
from linkwell.release.stream import Ties, cut_stream, gathered
from linkwell.release.tables import RowTables

_DEALT_ROWS = 1_000_000
"""New cells are dealt to shards so many rows at a time."""

Cells = npt.NDArray[np.uint32]


@dataclass
class Assignment:
    """What came of it. Complete once `assign` has returned."""

    cell_files: list[Path] = field(default_factory=list)
    """Of each shard, the cell of each row in the release, or `NO_CELL`."""
    removed: dict[str, int] = field(default_factory=dict)
    present: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    """Which cells are in the release."""


@dataclass(frozen=True)
class _NewCells:
    path: Path
    """(row, cell) of the new rows, dealt by shard."""
    looks: Int64s
    """Of each new cell, what its first row looks like at first."""
    rows: Int64s
    """Rows of each new cell."""
    hit: Int64s
    """New cells that hold a suspected entry."""

    @property
    def count(self) -> int:
        return len(self.rows)


def assign(
    tables: RowTables,
    workspace: Workspace,
    partition: Partition,
    version: str,
    *,
    held: Collection[bytes],
    opened: Mapping[str, Collection[bytes]],
    work: Path,
) -> Assignment:
    """Give every row that is released its cell, and add the new cells to the partition.

    Args:
        tables: what is known of the rows.
        workspace: whose settings and key.
        partition: gets the new generation, under the release's version.
        version: the release's.
        held: links in quarantine or of covered takedowns. Where their rows are is only in memory.
        opened: links of open takedowns, by public class.
        work: where files go.
    """
    settings = workspace.settings.release
    tied_rows, leaders = tables.tied()
    duplicates = tied_rows[leaders < 0]
    open_rows = {name: tables.matching(words_from(ids)) for name, ids in opened.items() if ids}
    rules = Rules(
        np.array(sorted(partition.removed_cells), np.int64),
        np.zeros(0, np.int64),
        open_rows,
        duplicates,
        hold_back=False,
    )
    without = rules.without_cell()
    eligible = tables.new_count - len(duplicates) - _new_among(tables, np.setdiff1d(without, duplicates))
    hold_back = bool(partition.next_cell) and eligible < settings.cell_min_rows
    held_rows = tables.matching(words_from(held))
    keeps = (leaders >= 0) & ~_among(tied_rows, without)
    ties = Ties.of(tied_rows[keeps], leaders[keeps])
    new = _cut_new(
        () if hold_back else _without(tables.ordered(), without),
        ties,
        settings.cell_min_rows,
        first_rows=tables.first_rows,
        held_rows=held_rows,
        first_cell=partition.next_cell,
        path=work / "new.arrow",
    )
    old_rows, old_hit = _old_cells(tables, partition.next_cell, held_rows)
    blocks = block_starts(new.looks, new.looks >> LOOK_BIN_BITS, partition.next_cell)
    cell_rows = {
        int(cell): int(old_rows[cell]) for cell in np.flatnonzero(old_rows) if cell not in partition.removed_cells
    }
    cell_rows |= {partition.next_cell + cell: int(rows) for cell, rows in enumerate(new.rows.tolist())}
    hit = (set(old_hit.tolist()) | {partition.next_cell + int(cell) for cell in new.hit}) & cell_rows.keys()
    leaving = partition.leaving(hit, cell_rows, workspace.settings, min_rows=settings.cell_min_rows, new_blocks=blocks)
    rules = Rules(rules.recalled_cells, np.array(sorted(leaving.cells), np.int64), open_rows, duplicates, hold_back)
    result = Assignment(present=np.zeros(partition.next_cell + new.count, bool))
    partition.add_generation(
        version,
        new.count,
        settings.cells_per_shard,
        _judged(tables, new.path, rules, result, work),
        blocks=blocks,
        cover=leaving.drawn,
    )
    return result


def _new_among(tables: RowTables, rows: Int64s) -> int:
    """How many of these rows have no cell yet."""
    count = 0
    for path, start in zip(tables.old, tables.first_rows, strict=False):
        old = np.load(path, mmap_mode="r")
        first, last = np.searchsorted(rows, [start, start + len(old)])
        count += int((old[rows[first:last] - start] == NO_CELL).sum())
    return count


def _cut_new(
    pieces: Iterable[tuple[Int64s, UInt64s]],
    ties: Ties,
    min_rows: int,
    *,
    first_rows: list[int],
    held_rows: Int64s,
    first_cell: int,
    path: Path,
) -> _NewCells:
    """Cut the new rows into cells, and deal rows with their cells to shards."""
    shards = max(1, len(first_rows) - 1)
    bounds = np.array(first_rows[:-1] or [0])
    looks: list[Int64s] = [np.zeros(0, np.int64)]
    sizes: list[Int64s] = [np.zeros(0, np.int64)]
    hit: list[Int64s] = [np.zeros(0, np.int64)]
    with BucketWriter(path, ROW_CELL_SCHEMA, shards) as writer:
        for rows, cells, keys in _pieces_of(cut_stream(gathered(pieces, ties), min_rows)):
            first = np.flatnonzero(np.append(True, cells[1:] != cells[:-1]))
            looks.append((keys[first] >> np.uint64(LOOK_BITS)).astype(np.int64))
            sizes.append(np.diff(np.append(first, len(cells))))
            hit.append(np.unique(cells[_among(rows, held_rows)]))
            shard = np.searchsorted(bounds, rows, side="right") - 1
            writer.deal([pa.array(rows), pa.array((first_cell + cells).astype(np.uint32))], shard)
    return _NewCells(path, np.concatenate(looks), np.concatenate(sizes), np.concatenate(hit))


def _without(pieces: Iterator[tuple[Int64s, UInt64s]], without: Int64s) -> Iterator[tuple[Int64s, UInt64s]]:
    for rows, keys in pieces:
        keep = ~_among(rows, without)
        yield rows[keep], keys[keep]


def _pieces_of(pieces: Iterator[tuple[Int64s, Int64s, UInt64s]]) -> Iterator[tuple[Int64s, Int64s, UInt64s]]:
    """The same in larger pieces."""
    held: list[tuple[Int64s, Int64s, UInt64s]] = []
    for piece in pieces:
        held.append(piece)
        if sum(len(each[0]) for each in held) >= _DEALT_ROWS:
            yield _joined(held)
            held = []
    if held:
        yield _joined(held)


def _joined(held: list[tuple[Int64s, Int64s, UInt64s]]) -> tuple[Int64s, Int64s, UInt64s]:
    rows, cells, keys = zip(*held, strict=True)
    return np.concatenate(rows), np.concatenate(cells), np.concatenate(keys)


def _old_cells(tables: RowTables, cell_count: int, held_rows: Int64s) -> tuple[Int64s, Int64s]:
    """Rows that each cell of earlier releases has in this build, and which of the cells hold a suspected entry."""
    rows = np.zeros(cell_count, np.int64)
    hit: list[Int64s] = [np.zeros(0, np.int64)]
    for path, start in zip(tables.old, tables.first_rows, strict=False):
        old = np.load(path)
        rows += np.bincount(old[old != NO_CELL], minlength=cell_count)
        first, last = np.searchsorted(held_rows, [start, start + len(old)])
        cells = old[held_rows[first:last] - start]
        hit.append(cells[cells != NO_CELL].astype(np.int64))
    return rows, np.unique(np.concatenate(hit))


def _judged(tables: RowTables, new_path: Path, rules: Rules, result: Assignment, work: Path) -> Iterator[pa.Table]:
    """Shard by shard: note in `result` what is released; yields the new links with their cells, released or not."""
    shards = max(1, len(tables.keys))
    for index, (keys, old_path) in enumerate(zip(tables.keys, tables.old, strict=True)):
        first_row = tables.first_rows[index]
        old: Cells = np.load(old_path)
        new = np.full(len(old), NO_CELL, np.uint32)
        for batch in read_bucket(new_path, index, shards):
            new[batch["row"].to_numpy() - first_row] = batch["cell"].to_numpy()
        verdict = judge(first_row, old, new, rules)
        for name, count in removed_counts(verdict).items():
            result.removed[name] = result.removed.get(name, 0) + count
        cells = np.where(verdict == KEEP, np.where(old == NO_CELL, new, old), NO_CELL).astype(np.uint32)
        result.present[cells[cells != NO_CELL]] = True
        result.cell_files.append(save_array(work / f"cells-{index:05d}.npy", cells))
        yield from _new_links(keys, new)


def _new_links(keys: Path, cells: Cells) -> Iterator[pa.Table]:
    start = 0
    for table in read_tables([keys], ["link_id", "canonical_id"]):
        here = pa.array(cells[start : start + table.num_rows], pa.uint32())
        start += table.num_rows
        kept = table.append_column("cell", pa.chunked_array([here])).filter(
            pc.not_equal(here, pa.scalar(NO_CELL, pa.uint32()))
        )
        yield kept.cast(PARTITION_SCHEMA)


def _among(rows: Int64s, ascending: Int64s) -> npt.NDArray[np.bool_]:
    if not len(ascending):
        return np.zeros(len(rows), bool)
    place = np.minimum(np.searchsorted(ascending, rows), len(ascending) - 1)
    return np.asarray(ascending[place] == rows)


def save_array(path: Path, array: np.ndarray[tuple[int], np.dtype[np.generic]]) -> Path:
    """Write an array, unless the same one is there: a task that has read it then need not run again."""
    if path.exists():
        there = np.load(path)
        if there.dtype == array.dtype and np.array_equal(there, array):
            return path
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        write_array(file, array)
    return path
