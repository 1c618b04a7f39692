"""Populate among the worst of the web: what hostile hosts cost the good ones, in speed and in memory.

Three lists are populated in turns from servers of our own on loopback: good links alone; the same with more hosts among them, which are good, too;
and with hostile ones in their place: endless bodies, a header of a gigabyte, slow-loris, gzip bombs, redirect loops, resets, wrong lengths, storms of 5xx and
others, each on many hosts. Told are, as medians over the rounds, how fast the good links are served, as their server has it; CPU time of Linkwell's
processes; the peak memory of the fetching process, of what it holds in anonymous files, and of the largest picture process; and every outcome by name.
A round takes about a minute.

    .venv/bin/python benchmarks/hostile.py [--links 4000] [--hosts 200] [--hostile 100] [--rounds 3] [--kinds endless,gzip-bomb]
"""

import argparse
import contextlib
import json
import multiprocessing
import multiprocessing.connection
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.populate.conftest import draw, write_links
from tests.populate.hostile_server import ADDRESS, ANSWERS, HostileServer

from linkwell.base.workspace import Workspace

COMMAND = """
import json, resource, sys
from pathlib import Path
from linkwell.base.workspace import Workspace
from linkwell.engine import LocalEngine
from linkwell.populate import PopulateOptions, populate
root, to, links, net, *pins = sys.argv[1:]
report = populate(Workspace.open(Path(root)), Path(to), links=[Path(links)], engine=LocalEngine(2),
    options=PopulateOptions(resolve=tuple(pins), allow_net=(net,)))
peak = int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(json.dumps({"success": report.success, "failed": report.failed, "seconds": report.seconds, "peak_megabytes": peak / 1e3,
    "cpu_seconds": sum(each.ru_utime + each.ru_stime for each in used)}))
"""
SETTINGS = """dataset = "birds"
[populate]
per_host_per_second = 0
total_deadline_seconds = 5
retry_backoff_seconds = 0.1
"""
ALONE, BESIDE, AMONG = "good alone", "beside as many good hosts", "among hostile hosts"


@dataclass(frozen=True)
class Figures:
    """What one run came to."""

    links_per_second: float
    cpu_seconds: float
    peak_megabytes: float
    """Of the fetching process."""
    files_megabytes: float
    """In anonymous files, at most at once."""
    picture_megabytes: float
    """Of the largest picture process."""
    failed: Mapping[str, int]


def serve(pictures: dict[str, bytes], pipe: multiprocessing.connection.Connection) -> None:
    """Run a server; send its port, then, when asked, when the first and the last picture were asked for."""
    with HostileServer(pictures) as server:
        pipe.send(server.port)
        pipe.recv()
        times = [when for when, _, path in server.log if path in pictures]
        pipe.send((min(times, default=0.0), max(times, default=0.0)))
        pipe.recv()


def start(pictures: dict[str, bytes]) -> tuple[multiprocessing.Process, multiprocessing.connection.Connection, int]:
    """A server in a process of its own."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(pictures, theirs), daemon=True)
    process.start()
    return process, ours, int(ours.recv())


def watch(process: "subprocess.Popen[str]") -> tuple[float, float]:
    """Look on until a process ends: megabytes of its anonymous files together, and of its largest child, at most."""
    files = child = 0
    root = Path(f"/proc/{process.pid}")
    while process.poll() is None:
        with contextlib.suppress(OSError, ValueError, IndexError):
            held = 0
            for entry in (root / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if os.readlink(entry).startswith("/memfd:"):  # noqa: PTH115 - a number of bytes of text, no path
                        held += entry.stat().st_blocks * 512
            files = max(files, held)
            for number in (root / "task" / str(process.pid) / "children").read_text().split():
                status = Path(f"/proc/{number}/status").read_text()
                if "linkwell.pictures" in Path(f"/proc/{number}/cmdline").read_text():
                    child = max(child, int(status.split("VmHWM:")[1].split()[0]))
        time.sleep(0.05)
    return files / 1e6, child / 1e3


def run(folder: Path, workspace: Workspace, name: str, given: argparse.Namespace, kinds: Sequence[str]) -> Figures:
    """Populate one list."""
    pictures = {f"/{n}.jpg": draw(n % 20) for n in range(given.links)}
    servers = [start(pictures), start({"/good.jpg": draw(1)})]
    (_, pipe, port), (_, _, bad_port) = servers
    urls = [f"http://g{n % given.hosts}.example:{port}/{n}.jpg" for n in range(given.links)]
    every = max(1, given.links // given.hostile)
    for n in range(given.hostile if name != ALONE else 0):
        path = f"{kinds[n % len(kinds)]}/{n}" if name == AMONG else "good.jpg"
        urls.insert(n * (every + 1), f"http://b{n}.example:{bad_port}/{path}")
    links, to = write_links(folder / "links.parquet", urls), Path(tempfile.mkdtemp(dir=folder)) / "copy"
    pins = [f"*:{each}:{ADDRESS}" for each in (port, bad_port)]
    command = [sys.executable, "-c", COMMAND, str(workspace.root), str(to), str(links), f"{ADDRESS}/32", *pins]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        files, child = watch(process)
        told = json.loads(process.stdout.read() if process.stdout is not None else "")
    pipe.send("over")
    first, last = pipe.recv()
    for server, *_ in servers:
        server.kill()
        server.join()
    return Figures(
        given.links / (last - first), told["cpu_seconds"], told["peak_megabytes"], files, child, told["failed"]
    )


def main() -> None:
    """Run all in turns and print what they came to."""
    parser = argparse.ArgumentParser(description="Populate among hostile hosts.")
    parser.add_argument("--links", type=int, default=4_000)
    parser.add_argument("--hosts", type=int, default=200)
    parser.add_argument("--hostile", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", default=",".join(sorted(ANSWERS)))
    given = parser.parse_args()
    kinds = given.kinds.split(",")
    found: dict[str, list[Figures]] = {ALONE: [], BESIDE: [], AMONG: []}
    with tempfile.TemporaryDirectory() as scratch:
        workspace = Workspace.create(Path(scratch) / "workspace", "birds", SETTINGS)
        for number in range(given.rounds):
            for name in sorted(found, reverse=number % 2 == 1):
                found[name].append(run(Path(scratch), workspace, name, given, kinds))
    for name, all_of in found.items():
        rate, cpu, peak, files, child = (
            statistics.median(getattr(each, field) for each in all_of)
            for field in (
                "links_per_second",
                "cpu_seconds",
                "peak_megabytes",
                "files_megabytes",
                "picture_megabytes",
            )
        )
        against = [
            (one.links_per_second / alone.links_per_second, one.peak_megabytes / alone.peak_megabytes)
            for one, alone in zip(all_of, found[ALONE], strict=True)
        ]
        rates, peaks = (statistics.median(column) for column in zip(*against, strict=True))
        print(
            f"{name}: {rate:,.0f} good links a second ({rates:.1%} of alone), {cpu:.1f} CPU seconds, peak {peak:.0f} MB ({peaks:.2f} of alone)"
            f" and {files:.0f} MB in anonymous files, largest picture process {child:.0f} MB"
        )
        print("  " + json.dumps({"failed": all_of[-1].failed}))
    print(
        f"{given.rounds} rounds, {given.hostile} hostile hosts of {len(kinds)} kinds, {datetime.now(UTC):%Y-%m-%d}, load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
