"""Populate among the worst of the web: what hostile hosts cost the good ones, in speed and in memory. Takes about a minute.

Two lists are populated in turns from servers of our own on loopback: good links alone, and the same with hostile hosts among them: endless
bodies, a header of a gigabyte, slow-loris, gzip bombs, redirect loops, resets, wrong lengths, storms of 5xx and others, each on many hosts.
Told is how fast the good links are served, as their server has it, the peak memory of the fetching process, and every outcome by name.

    .venv/bin/python benchmarks/hostile.py [--links 4000] [--hosts 200] [--hostile 100]
"""

import argparse
import multiprocessing
import multiprocessing.connection
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.populate.conftest import draw, write_links
from tests.populate.hostile_server import ADDRESS, ANSWERS, HostileServer

from linkwell.base.workspace import Workspace

COMMAND = """
import json, sys
from pathlib import Path
from linkwell.base.workspace import Workspace
from linkwell.engine import LocalEngine
from linkwell.populate import PopulateOptions, populate
root, to, links, net, *pins = sys.argv[1:]
report = populate(Workspace.open(Path(root)), Path(to), links=[Path(links)], engine=LocalEngine(2),
    options=PopulateOptions(resolve=tuple(pins), allow_net=(net,)))
peak = int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
print(json.dumps({"success": report.success, "failed": report.failed, "seconds": report.seconds, "peak_kilobytes": peak}))
"""
SETTINGS = """dataset = "birds"
[populate]
per_host_per_second = 0
total_deadline_seconds = 5
retry_backoff_seconds = 0.1
"""


def serve(pictures: dict[str, bytes], pipe: multiprocessing.connection.Connection) -> None:
    """Run a server; send its port, then, when asked, when the first and the last picture were asked for."""
    with HostileServer(pictures) as server:
        pipe.send(server.port)
        pipe.recv()
        times = [when for when, _, path in server.log if path in pictures]
        pipe.send((min(times, default=0.0), max(times, default=0.0)))


def start(pictures: dict[str, bytes]) -> tuple[multiprocessing.Process, multiprocessing.connection.Connection, int]:
    """A server in a process of its own."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(pictures, theirs), daemon=True)
    process.start()
    return process, ours, int(ours.recv())


def main() -> None:
    """Run both and print what they came to."""
    parser = argparse.ArgumentParser(description="Populate among hostile hosts.")
    parser.add_argument("--links", type=int, default=4_000)
    parser.add_argument("--hosts", type=int, default=200)
    parser.add_argument("--hostile", type=int, default=100)
    given = parser.parse_args()
    pictures = {f"/{n}.jpg": draw(n % 20) for n in range(given.links)}
    kinds = sorted(ANSWERS)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        workspace = Workspace.create(folder / "workspace", "birds", SETTINGS)
        for name in ("good alone", "among hostile"):
            good, pipe, port = start(pictures)
            bad, bad_pipe, bad_port = start({"/good.jpg": draw(1)})
            urls = [f"http://g{n % given.hosts}.example:{port}/{n}.jpg" for n in range(given.links)]
            if name != "good alone":
                every = max(1, given.links // given.hostile)
                for n in range(given.hostile):
                    urls.insert(n * (every + 1), f"http://b{n}.example:{bad_port}/{kinds[n % len(kinds)]}/{n}")
            links = write_links(folder / f"{name}.parquet", urls)
            pins = [f"*:{each}:{ADDRESS}" for each in (port, bad_port)]
            command = [
                sys.executable,
                "-c",
                COMMAND,
                str(workspace.root),
                str(folder / name),
                str(links),
                f"{ADDRESS}/32",
                *pins,
            ]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            for each in (pipe, bad_pipe):
                each.send("over")
            first, last = pipe.recv()
            print(f"{name}: {given.links / (last - first):,.0f} good links a second; {done.stdout.strip()}")
            for each_process in (good, bad):
                each_process.join()
    print(
        f"{given.hostile} hostile hosts of {len(kinds)} kinds, {datetime.now(UTC):%Y-%m-%d}, load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
