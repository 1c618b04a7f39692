"""Guard: what it costs a sample while loading, beside reading the same tar with webdataset alone.

A shard of 10,000 samples with small pictures, 100,000 links recalled one by one (each sample's JSON is read) or 100 cells recalled
whole (the key is enough). Runs alternate; minima of CPU time are told. Takes about half a minute.

    .venv/bin/python benchmarks/guard.py [--rounds 5]
"""

import argparse
import io
import json
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
import webdataset

from linkwell.purge import Guard, guard_of
from linkwell.recall import Recalled

SAMPLES = 10_000


def make(path: Path) -> None:
    """A shard in our layout."""
    picture = np.random.default_rng(1).bytes(8_000)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for number in range(SAMPLES):
            key = f"{number // 1_000:08d}{number % 1_000:05d}"
            said = {"url": f"http://host{number % 97}.example/{number}.jpg", "key": key, "caption": "some words"}
            for extension, data in (("jpg", picture), ("json", json.dumps(said, indent=4).encode())):
                info = tarfile.TarInfo(f"{key}.{extension}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))


def read(path: Path, guard: Guard | None) -> float:
    """CPU seconds of reading all samples."""
    pipeline = webdataset.WebDataset([str(path)], shardshuffle=False, empty_check=False)
    started = time.process_time()
    count = sum(1 for _ in (pipeline.compose(guard) if guard else pipeline))
    assert count == SAMPLES
    return time.process_time() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    random = np.random.default_rng(2)
    ids = np.sort(np.frombuffer(random.bytes(16 * 100_000), dtype="S16"))
    none = np.empty(0, dtype="S16")
    later = time.time() + 86_400
    links = guard_of(Recalled("birds", 1, frozenset(), ids, loose_ids=ids), later, ours=True)
    cells = guard_of(Recalled("birds", 1, frozenset(range(900, 1_000)), none, loose_ids=none), later, ours=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "00000.tar"
        make(path)
        costs: dict[str, list[float]] = {"alone": [], "links": [], "cells": []}
        for _ in range(rounds):
            for name, guard in (("alone", None), ("links", links), ("cells", cells)):
                costs[name].append(read(path, guard))
    alone, by_link, by_cell = (min(costs[name]) / SAMPLES * 1e6 for name in ("alone", "links", "cells"))
    print(f"webdataset alone: {alone:.1f} µs of CPU a sample")
    print(f"guard, links one by one: {by_link - alone:.1f} µs more ({(by_link / alone - 1) * 100:.0f} %)")
    print(f"guard, whole cells: {by_cell - alone:.1f} µs more ({(by_cell / alone - 1) * 100:.0f} %)")


if __name__ == "__main__":
    main()
