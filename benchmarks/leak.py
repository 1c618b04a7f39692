"""The leak meter on a synthetic world of 10 million rows with 380 hits, and on links of real pages.

The synthetic world: 200,000 hosts of Zipf sizes; unsafe scores of which nearly all are low; 1,560 hosts of 20 to 400 rows, half of whose
rows score high. In 60 of them the hits cluster, the others only look like them: 300 hits among the high rows of the 60, 60 among all high rows, 20
anywhere. Captions of high rows come from one vocabulary, those of others from another. The real world: the links of the pages in the shared data,
with hits planted in two hosts and a few anywhere; it is small, so its batches are of two cells.

Each world is released by `release create`, which knows no hits. Then four feeds are given to the meter: the exact list; uniform decoys, 1,000
to a hit; our covered recall, all hits at once; and ours in ten recalls one after the other, the tenth measured over all that has left. Printed are the
precision of every attack, the share of good links that leave with the hits, and the time and peak memory of the measure. A cell of k rows that are
not alike comes last; it must be refused.

One truth is few hits, and those of one host are found or missed together: the attacks on one truth differ by luck. So other truths, as likely
as the first, are drawn over the same links (`--truths`), and the mean of each attack is printed with its 95 % interval (normal, over the truths). *Best* is
the attack with the highest mean; *in hindsight* is the mean of whichever attack did best in each truth, which no attacker can choose. Beside them
stands how often he is right who has no feed, and guesses among the rows that score high, which their safety bin and caption tell. Takes some minutes
and 6 GB of disk.

    .venv/bin/python benchmarks/leak.py [--rows 10000000] [--truths 100] [--world synthetic real] [--charts DIR] [--scratch DIR]
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.dedupe import PeakMemory
from benchmarks.leak_worlds import Bools, Int64s, World, make_world

from linkwell.base.errors import SafetyError
from linkwell.recall import LeakReport, Seen, leak_chart, measure
from linkwell.recall.attacks import ATTACKS, Removed, precision
from linkwell.recall.meter import play
from linkwell.recall.plan import check_leak
from linkwell.recall.tally import Tally
from linkwell.recall.traits import COLUMNS, Traits, traits_of
from linkwell.release import Partition
from linkwell.release.cover import cover_seed, draw_cover

DECOYS = 1_000
RECALLS = 10
Z95 = 1.96


def covers(world: World, hit_cells: list[set[int]], cell_rows: dict[int, int], key: bytes) -> dict[int, int]:
    """The batch of each cell that leaves, where one batch after the other is drawn as `recall create` does; nothing is kept."""
    settings, blocks = world.workspace.settings, Partition(world.workspace).blocks()
    batch_of: dict[int, int] = {}
    for number, hit in enumerate(hit_cells):
        left = {cell: rows for cell, rows in cell_rows.items() if cell not in batch_of}
        if hit & left.keys():
            drawn = draw_cover(
                hit & left.keys(),
                left,
                blocks,
                min_rows=world.k,
                batch_cells=settings.recall.cells_per_batch,
                padding_per_hit=settings.recall.padding_cells_per_hit,
                seed=cover_seed(key, settings.dataset, len(set(batch_of.values()))),
            )
            batch_of |= dict.fromkeys(drawn, number + 1)
    return batch_of


def covered(world: World, hits: Int64s, cell_rows: dict[int, int], recalls: int, key: bytes) -> Int64s:
    """What takes each cell where the hits are recalled in so many batches; 0: nothing does."""
    order = np.random.default_rng(3).permutation(hits)
    batch_of = covers(world, [set(world.cell[order[n::recalls]].tolist()) for n in range(recalls)], cell_rows, key)
    event = np.zeros(int(world.cell.max()) + 1, np.int64)
    event[list(batch_of)] = list(batch_of.values())
    return event


def first_truth(world: World, charts: Path | None) -> None:
    """Give four feeds for one truth to the meter, as a command would."""
    hits = world.draw(np.random.default_rng(5))
    is_hit = np.zeros(len(world.cell), bool)
    is_hit[hits] = True
    cell_rows = world.cell_rows()
    hit_cells = set(world.cell[hits].tolist())
    print(
        f"\n{world.name}: {world.made.rows:,} rows, {world.made.cells:,} cells, {len(hits)} hits in {len(hit_cells)} cells; "
        f"of the {world.alike.sum():,} rows that look like most of them {share_known(world, hits):.4f} are hits"
    )
    key = world.workspace.master_key()
    once = covered(world, hits, cell_rows, 1, key)
    kept = Partition(world.workspace).leaving(hit_cells, cell_rows, world.workspace.settings, min_rows=world.k)
    assert kept.cells == set(np.flatnonzero(once).tolist()), "the cells that recall create would take"
    decoys = np.random.default_rng(9).random(len(is_hit)) < DECOYS * len(hits) / len(is_hit)
    feeds = [
        ("exact list", is_hit),
        (f"uniform decoys, {DECOYS:,} to a hit", is_hit | decoys),
        ("covered, all at once", once[world.cell]),
        (f"covered, {RECALLS} recalls", covered(world, hits, cell_rows, RECALLS, key)[world.cell]),
    ]
    for label, event in feeds:
        show(label, world, event, is_hit, charts)
    refuse(world, hits)


def show(label: str, world: World, event: npt.NDArray[Any], is_hit: Bools, charts: Path | None) -> None:
    """Measure one feed and print what it tells."""

    def source() -> Iterator[Seen]:
        for here, table in world.tables(list(COLUMNS)):
            yield Seen(table, event[here].astype(np.int64), is_hit[here])

    memory = PeakMemory()
    memory.start()
    started = time.process_time()
    report = measure(source)
    seconds = time.process_time() - started
    memory.stop()
    good = (report.removed - report.hits) / (report.rows - report.hits)
    print(
        f"  {label}: {report.removed:,} rows in {report.cells:,} cells left, {report.hit_cells} of them hit, and {good:.2%} of the good "
        f"links with them; worst {report.worst.precision:.4f} ({report.worst.name}); hit cells told apart {report.cell_precision:.2f}, "
        f"by chance {report.hit_cells / max(report.cells, 1):.2f}; {seconds:.0f} CPU-s, {memory.pss_bytes / 1e6:.0f} MB"
    )
    print("    " + "  ".join(f"{each.name} {each.precision:.4f}" for each in report.attacks), flush=True)
    if charts:
        charts.mkdir(parents=True, exist_ok=True)
        bound = world.workspace.settings.recall.max_attacker_precision
        (charts / f"{world.name}-{label.replace(' ', '-').replace(',', '')}.svg").write_text(leak_chart(report, bound))


def refuse(world: World, hits: Int64s) -> None:
    """Give the meter one cell of k rows that are not alike: a hit of the highest bin among rows of lower ones."""
    odd = next((place for place in hits.tolist() if world.top[place]), None)
    if odd is None:
        print("  one cell of rows that are not alike: no row here has a safety bin")
        return
    chosen = np.zeros(len(world.cell), bool)
    chosen[np.random.default_rng(1).choice(np.flatnonzero(~world.top), world.k - 1, replace=False)] = True
    chosen[odd] = True
    alone = np.zeros(len(world.cell), bool)
    alone[odd] = True

    def source() -> Iterator[Seen]:
        for here, table in world.tables(list(COLUMNS)):
            cell = np.where(chosen[here], world.cell.max() + 1, table["cell"].to_numpy())
            place = table.schema.get_field_index("cell")
            yield Seen(table.set_column(place, "cell", pa.array(cell)), chosen[here].astype(np.int64), alone[here])

    report = measure(source)
    try:
        check_leak(world.workspace, report, 1, "benchmark", None)
        print(f"  one cell of {report.removed:,} rows that are not alike: let pass, worst {report.worst.precision:.4f}")
    except SafetyError as error:
        print(f"  one cell of {report.removed:,} rows that are not alike: refused: {error.problem}", flush=True)


class View:
    """What everybody sees of a release, in memory, so that many truths can be played on it: 50 bytes a row."""

    def __init__(self, world: World) -> None:
        self.public = Tally()
        pieces: list[dict[str, npt.NDArray[np.int32]]] = []
        for _here, table in world.tables(list(COLUMNS)):
            traits = traits_of(table)
            self.public.count_public(traits)
            pieces.append({name: values.astype(np.int32) for name, values in vars(traits).items()})
        self._traits = {name: np.concatenate([each[name] for each in pieces]) for name in pieces[0]}
        self._starts = np.cumsum(self._traits["word_counts"], dtype=np.int64) - self._traits["word_counts"]

    def play(self, event: Int64s, hits: Int64s) -> tuple[LeakReport, float]:
        """Every attack on the rows whose cells these events take; and of the hosts with hits, how many stand out."""
        by_row = event[self._traits["cell"]]
        left = np.flatnonzero(by_row)
        counts = self._traits["word_counts"][left].astype(np.int64)
        words = np.repeat(self._starts[left] - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        traits = Traits(
            **{n: v[left].astype(np.int64) for n, v in self._traits.items() if n != "words"},
            words=self._traits["words"][words].astype(np.int64),
        )
        tally = Tally(rows=self.public.rows, domain_bins=self.public.domain_bins)
        tally.count_removed(traits, by_row[left])
        removed = Removed(traits, by_row[left], np.ones(len(left), np.int64), np.zeros(len(left), bool))
        meant = np.isin(left, hits)
        return play(removed, tally, meant), hosts_told(removed, tally, meant)


def hosts_told(removed: Removed, tally: Tally, meant: Bools) -> float:
    """Of as many domains as have two hits or more, those that the attack by hosts has first, the share that has them."""
    domains, place = np.unique(removed.traits.domain, return_inverse=True)
    score = np.full(len(domains), -np.inf)
    np.maximum.at(score, place, ATTACKS["hosts"](removed, tally))
    return precision(score, np.bincount(place, weights=meant) >= 2)


def more_truths(world: World, count: int) -> None:
    """Play other truths, as likely as the first, and print the mean of every attack."""
    view, cell_rows = View(world), world.cell_rows()
    found: dict[str, list[dict[str, float]]] = {}
    extra: dict[str, list[list[float]]] = {}
    for number in range(count):
        chance = np.random.default_rng([5, number])
        hits, key = world.draw(chance), chance.bytes(32)
        for recalls in (1, RECALLS):
            label = "covered, all at once" if recalls == 1 else f"covered, {recalls} recalls"
            report, hosts = view.play(covered(world, hits, cell_rows, recalls, key), hits)
            found.setdefault(label, []).append({each.name: each.precision for each in report.attacks})
            good = (report.removed - report.hits) / (report.rows - report.hits)
            known = share_known(world, hits)
            extra.setdefault(label, []).append(
                [good, known, hosts, report.cell_precision, report.hit_cells / report.cells]
            )
    bound = world.workspace.settings.recall.max_attacker_precision
    for label, results in found.items():
        table = {name: np.array([each[name] for each in results]) for name in ATTACKS}
        names = sorted(table, key=lambda name: -table[name].mean())
        worst = np.max(list(table.values()), axis=0)
        good, known, hosts, cells, by_chance = np.mean(extra[label], axis=0)
        print(
            f"  {label}, {count} truths: best {interval(table[names[0]])} ({names[0]}); in hindsight {interval(worst)}, at most {worst.max():.4f}, "
            f"over the meter's bound {int((worst > bound).sum())} times; who guesses without any feed {known:.4f}; "
            f"good links taken {good:.2%}; hosts of several hits told apart {hosts:.3f}; hit cells {cells:.2f}, by chance {by_chance:.2f}"
        )
        print("    " + "  ".join(f"{name} {interval(table[name])}" for name in names), flush=True)


def share_known(world: World, hits: Int64s) -> float:
    """Of the rows that look like most hits those that are hits: how often he is right who guesses among them without any feed."""
    return float(world.alike[hits].sum() / max(world.alike.sum(), 1))


def interval(values: npt.NDArray[np.float64]) -> str:
    """The mean, and half the width of its 95 % interval."""
    half = Z95 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{values.mean():.4f} ± {half:.4f}"


def main() -> None:
    """Measure the worlds."""
    options = argparse.ArgumentParser(description="What recalls tell an attacker.")
    options.add_argument("--rows", type=int, default=10_000_000)
    options.add_argument("--truths", type=int, default=100)
    options.add_argument("--world", nargs="+", default=["synthetic", "real"], choices=["synthetic", "real"])
    options.add_argument("--charts", type=Path, default=None)
    options.add_argument("--scratch", type=Path, default=None)
    given = options.parse_args()
    for name in given.world:
        folder = Path(tempfile.mkdtemp(prefix="linkwell-leak-", dir=given.scratch))
        memory = PeakMemory()
        memory.start()
        started = time.monotonic()
        try:
            world = make_world(name, folder, given.rows)
            first_truth(world, given.charts)
            if given.truths:
                more_truths(world, given.truths)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            memory.stop()
        used = sum(os.times()[:4])
        print(
            f"  whole run: {time.monotonic() - started:.0f} s, {used:.0f} CPU-s so far, {memory.pss_bytes / 1e6:.0f} MB"
        )


if __name__ == "__main__":
    main()
