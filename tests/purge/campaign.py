"""Faults at random points of `apply`, over every kind of copy; run by hand for many, by test_campaign for a few.

Each trial makes a copy, disturbs a purge of it in a child process (SIGKILL at a random moment; a disk that is full after a random number of bytes;
files made read-only), puts the fault away, gives the same command again, and checks every promise: the rerun completes, exactly
the recalled rows are gone, verify passes, and the receipts together are true. In half of the trials a purge came before that found nothing
to remove, and noted what it saw; then only what is rewritten is hashed. A full disk is the limit of the size of a file
(EFBIG) or, with --mount and as root, a small file system in memory (ENOSPC).

    python -m tests.purge.campaign [--trials 200] [--seed 1] [--mount]
"""

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pyarrow.parquet as pq
from tests.purge.conftest import CopyMaker, Row, make_rows, recalled_of
from tests.purge.copies import KINDS, Made

from linkwell.base.shards import file_sha256
from linkwell.engine import SerialEngine
from linkwell.purge import PurgeOptions, apply, plan, read_receipt, receipts_in, verify
from linkwell.recall import Recalled

FAULTS = ("kill", "full", "read-only")
SLOWEST_SECONDS = 20.0


def ours(root: Path, rows: list[Row]) -> Made:
    """Our own layout, whose tars are changed where they stand."""
    maker = CopyMaker(root)
    for shard in range(2):
        maker.shard(f"{shard:05d}", rows[shard::2], ours=True)
    maker.describe()
    return Made(root, lambda: sorted(numbers_by_url(root)), PurgeOptions(in_place="always"))


def swapped(root: Path, rows: list[Row]) -> Made:
    """Our own layout, copied and exchanged."""
    return replace(ours(root, rows), options=PurgeOptions(in_place="never"))


def numbers_by_url(root: Path) -> list[int]:
    """Row numbers of our layout, by the URLs of its parquet."""
    urls = [url for path in root.glob("*.parquet") for url in pq.read_table(path)["url"].to_pylist()]
    return [int(str(url).rpartition("/")[2][:6]) for url in urls]


EVERY: dict[str, Callable[[Path, list[Row]], Made]] = KINDS | {"ours in place": ours, "ours exchanged": swapped}


class BrokenError(Exception):
    """A promise was not kept."""


def in_child(work: Callable[[], None], *, kill_after: float | None = None) -> int:
    """Run something in a forked child, killed after some seconds; returns its wait status."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:  # noqa: BLE001 - the parent has to see it
            with suppress(OSError):  # the limit of the size of a file holds for what is printed, too
                traceback.print_exc()
        finally:
            os._exit(code)
    deadline = time.monotonic() + (kill_after if kill_after is not None else SLOWEST_SECONDS)
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def trial(folder: Path, chance: random.Random, *, kind: str, fault: str, mount: bool = False) -> str:
    """One trial; returns what came of the fault.

    Raises:
        BrokenError: a promise was not kept.
    """
    if mount and fault == "full":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], check=True)
    try:
        with patch("linkwell.purge.seen._SETTLED_NS", -1_000_000_000):  # what is noted counts at once
            return _trial(folder, chance, kind=kind, fault=fault, mount=mount)
    finally:
        if mount and fault == "full":
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _trial(folder: Path, chance: random.Random, *, kind: str, fault: str, mount: bool) -> str:
    rows = make_rows(range(1, 6), 20, fail_every=10**9)
    made = EVERY[kind](folder / "copy", rows)
    loose = [rows[0], rows[77]]
    gone = recalled_of([2], rows, links=loose)
    stay = [r.number for r in rows if r.cell != 2 and r not in loose]
    noted = chance.random() < 0.5
    how = replace(made.options, hash_all=not noted)
    if noted:
        apply(made.root, recalled_of([9], rows), engine=SerialEngine(), options=how)
    planned = plan(made.root, gone, aliases=how.aliases, tables=how.tables)
    before = hashes(made.root)
    outcome = disturb(made, gone, how, chance, fault=fault, mount=mount)
    last = apply(made.root, gone, engine=SerialEngine(), options=how)
    check(last.statement.complete, f"the rerun is not complete: {last.statement.problems}")
    check(sorted(made.left()) == stay, "other rows are left than should be")
    report = verify(made.root, gone, last, aliases=how.aliases, tables=how.tables)
    check(report.clean and report.untouched, f"verify does not pass: {report}")
    receipts = [read_receipt(path).statement for path in receipts_in(made.root / ".linkwell" / "receipts")]
    removed = sum(receipt.rows_removed for receipt in receipts)
    check(removed == planned.removed, f"receipts say {removed} rows, plan said {planned.removed}")
    stated = {f.name: f.sha256_before for f in receipts[0].files if f.sha256_before and not f.name.endswith("/")}
    check(all(before.get(name) == digest for name, digest in stated.items()), "a receipt has a wrong hash of before")
    now = hashes(made.root)
    ends = {f.name: f.sha256_after for f in last.statement.files if not f.gone and not f.name.endswith("/")}
    stated_ends = {name: digest for name, digest in ends.items() if digest or not noted}
    check(all(now.get(name) == digest for name, digest in stated_ends.items()), "a receipt has a wrong hash of after")
    left = {p.name for p in (made.root / ".linkwell").iterdir()} - {"seen.json"}
    check(left == {"purge.key", "purge.lock", "receipts"}, f"left in the state: {sorted(left)}")
    return outcome


def disturb(made: Made, gone: Recalled, how: PurgeOptions, chance: random.Random, *, fault: str, mount: bool) -> str:
    """A purge with a fault; the fault is put away again."""

    def purge() -> None:
        apply(made.root, gone, engine=SerialEngine(), options=how)

    if fault == "kill":
        killed = in_child(purge, kill_after=chance.uniform(0.0, 0.25)) == signal.SIGKILL
        return "killed" if killed else "ended before"
    if fault == "full":
        ballast = made.root.parent / "ballast"
        if mount:
            free = shutil.disk_usage(made.root).free
            ballast.write_bytes(bytes(max(0, free - chance.randrange(1, 200_000))))

        def limited() -> None:
            if not mount:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                size = chance.randrange(1, 60_000)
                resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
            purge()

        status = in_child(limited)
        ballast.unlink(missing_ok=True)
        return "stopped" if status else "went on"
    locked = [p for p in made.root.rglob("*") if p.is_file() and chance.random() < 0.5]
    for path in locked:
        path.chmod(0o444)
    status = in_child(purge)
    for path in locked:
        if path.exists():
            path.chmod(0o644)
    return "stopped" if status else "went on"


def hashes(root: Path) -> dict[str, str]:
    """SHA-256 of every file of the copy itself."""
    return {
        p.relative_to(root).as_posix(): file_sha256(p)
        for p in root.rglob("*")
        if p.is_file() and ".linkwell" not in p.parts
    }


def check(holds: bool, what: str) -> None:  # noqa: FBT001 - as assert
    """Stop the trial where a promise is broken."""
    if not holds:
        raise BrokenError(what)


def main() -> int:
    """Run trials, print a line for each that fails and a summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mount", action="store_true")
    given = parser.parse_args()
    outcomes: Counter[str] = Counter()
    kinds = sorted(EVERY)
    for number in range(given.trials):
        chance = random.Random(f"{given.seed}-{number}")
        kind, fault = kinds[number % len(kinds)], FAULTS[chance.randrange(len(FAULTS))]
        with tempfile.TemporaryDirectory() as folder:
            try:
                outcomes[f"{fault}: {trial(Path(folder), chance, kind=kind, fault=fault, mount=given.mount)}"] += 1
            except Exception as error:  # noqa: BLE001 - counted and shown
                outcomes[f"{fault}: BROKEN"] += 1
                print(f"trial {number}, {kind}, {fault}: {type(error).__name__}: {error}")  # noqa: T201 - a script's output
    print(json.dumps(dict(sorted(outcomes.items()))))  # noqa: T201 - same
    return int(any("BROKEN" in name for name in outcomes))


if __name__ == "__main__":
    sys.exit(main())
