"""Populate: SIGKILL at random moments of one run after the other; the finished copy beside that of an undisturbed run, byte for byte.

The server is Linkwell's own, on loopback, with drawn pictures, some dead links and slow answers; the same workspace and folder are used
after every kill, until the copy is finished, and then a new copy is begun. Told is how many kills there were, how many copies they took,
and every file that differs (times in `_stats.json` and `linkwell.copy` aside), or is left over. Fifty kills take two or three minutes.

    .venv/bin/python benchmarks/kills.py [--kills 50] [--seed 1]
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.populate.conftest import draw, write_links
from tests.populate.hostile_server import ADDRESS, HostileServer

from linkwell.base.workspace import Workspace

SETTINGS = 'dataset = "birds"\n[populate]\nshard_rows = 20\nper_host_per_second = 0\nconcurrency = 16\n'
COMMAND = """
import sys
from pathlib import Path
from linkwell.base.workspace import Workspace
from linkwell.engine import LocalEngine
from linkwell.populate import PopulateOptions, populate
root, to, links, pin, net = sys.argv[1:]
populate(Workspace.open(Path(root)), Path(to), links=[Path(links)], engine=LocalEngine(2),
         options=PopulateOptions(resolve=(pin,), allow_net=(net,)))
"""


def files(folder: Path) -> Mapping[str, bytes]:
    """Every file of a copy but what holds times."""
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.name != "linkwell.copy" and not path.name.endswith("_stats.json")
    }


def main() -> None:
    """Kill, go on, compare."""
    parser = argparse.ArgumentParser(description="Kill populate at random moments.")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    generator = random.Random(given.seed)
    pictures = {f"/{n}.jpg": draw(n) for n in range(300)}
    with tempfile.TemporaryDirectory() as scratch, HostileServer(pictures, delay_seconds=0.02) as server:
        folder = Path(scratch)
        urls = [server.url(f"/{n}.jpg", f"h{n % 9}.example") for n in range(310)]
        links = write_links(folder / "links.parquet", urls)
        workspace = Workspace.create(folder / "workspace", "birds", SETTINGS)
        whole, copy = folder / "whole", folder / "copy"

        def start(to: Path) -> "subprocess.Popen[bytes]":
            arguments = [str(workspace.root), str(to), str(links), *server.pins, f"{ADDRESS}/32"]
            command = [sys.executable, "-c", COMMAND, *arguments]
            return subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)

        begun = time.monotonic()
        if start(whole).wait():
            sys.exit("The undisturbed run failed.")
        usual = time.monotonic() - begun
        kills = copies = 0
        bad: list[str] = []
        while kills < given.kills:
            process = start(copy)
            moment = usual * generator.random() * 0.9
            try:
                code = process.wait(moment)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                kills += 1
                continue
            if code:
                bad.append(f"exit code {code}")
            copies += 1
            bad += compare(copy, whole)
            shutil.rmtree(copy)
        if start(copy).wait():
            bad.append("the last run failed")
        copies += 1
        bad += compare(copy, whole)
        for place in (copy, workspace.ledger, workspace.findings, *(workspace.root / "populate").iterdir()):
            bad += [f"left over: {path.name}" for path in place.iterdir() if path.name.endswith(".tmp")]
    print(f"{kills} kills, {copies} finished copies of {len(urls)} links, an undisturbed run takes {usual:.1f} s")
    print("  every file the same, nothing left over" if not bad else "\n".join(f"  {each}" for each in bad))
    if bad:
        sys.exit(1)


def compare(copy: Path, whole: Path) -> list[str]:
    """What differs."""
    found, wanted = files(copy), files(whole)
    return [f"differs: {name}" for name in sorted(found.keys() | wanted.keys()) if found.get(name) != wanted.get(name)]


if __name__ == "__main__":
    main()
