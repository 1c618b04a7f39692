"""Populate: images per CPU-second and peak memory, Linkwell beside img2dataset, alternately, from the same nginx on loopback.

Both fetch the same list with two processes, resize to keep_ratio 256, quality 95, and write webdataset shards of 1,000. Linkwell also
writes MD5, SHA-1, SHA-256 and PDQ to its encrypted ledger. With `--original` both keep the bytes as they came; with `--no-pdq`
Linkwell leaves PDQ out. CPU is user and system time of the whole process tree, imports included; memory is the largest sum over
the tree, as resident sets and with shared pages counted once. The start alone (one image, from nothing to a finished copy) is
measured too and shown apart. Pairs take turns in who begins; ratios are made within each pair, and their median is told. A run
with 3 pairs takes some 3 minutes on two calm cores.

    .venv/bin/python benchmarks/populate.py [--images 10000] [--pairs 3] [--original] [--no-pdq] [--photos FOLDER]
        [--peer .peers/img2dataset/bin/img2dataset]

nginx, once: apt-get install -y nginx-light. The peer, once: python3 -m venv .peers/img2dataset &&
.peers/img2dataset/bin/pip install img2dataset==1.47.0 setuptools
"""

import argparse
import csv
import ctypes
import os
import platform
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from linkwell.base.ids import link_ids
from linkwell.base.workspace import Workspace

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("LINKWELL_SHARED", ROOT.parent / "shared"))
HOSTS = 64
PROCESSES = 2
_SET_CHILD_SUBREAPER = 36

NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1; worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; keepalive_requests 100000; types {{ image/jpeg jpg; }}
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4;
  scgi_temp_path {folder}/t5;
  server {{ listen 0.0.0.0:{port} backlog=4096; location ~ ^/[0-9]+/(.+)$ {{ alias {photos}/$1; }} }}
}}
"""

SETTINGS = """dataset = "bench"
[populate]
per_host_concurrency = 8
per_host_per_second = 0
concurrency = 128
"""
"""The peer knows no pacing; ours, 10 a second for each host, would be what is measured here. As many requests at once as its 2 x 64 threads."""

OURS = """
import sys
from pathlib import Path
from linkwell.base.workspace import Workspace
from linkwell.engine import LocalEngine
from linkwell.populate import PopulateOptions, populate
root, to, links, processes, original, pdq = sys.argv[1:]
report = populate(Workspace.open(Path(root)), Path(to), links=[Path(links)], engine=LocalEngine(int(processes)),
    options=PopulateOptions(allow_net=("127.0.0.0/8",), keep_original=original == "original", pdq=pdq == "pdq"))
print(report.success)
"""


@dataclass(frozen=True)
class Cost:
    """What one run took."""

    wall_seconds: float
    cpu_seconds: float
    peak_megabytes: float
    peak_unshared_megabytes: float


def measure(command: Sequence[str], log: Path) -> Cost:
    """Run a command; the CPU of every process it starts is counted, orphans too, which come to us as their reaper."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    peak = [0, 0]
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, peak, done))
    watcher.start()
    code = process.wait()
    wall = time.monotonic() - started
    done.set()
    watcher.join()
    _reap()
    if code:
        sys.exit(f"{command[0]} ended with {code}:\n{log.read_text(errors='replace')[-3_000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu, peak[0] / 1e6, peak[1] / 1e6)


def _watch(pid: int, peak: list[int], done: threading.Event) -> None:
    while not done.wait(0.2):
        total = unshared = 0
        try:
            root = psutil.Process(pid)
            for each in (root, *root.children(recursive=True)):
                try:
                    memory = each.memory_full_info()
                    total += memory.rss
                    unshared += memory.pss
                except psutil.Error:
                    continue
        except psutil.Error:
            continue
        peak[:] = max(peak[0], total), max(peak[1], unshared)


def _reap() -> None:
    """Wait for processes that outlived their parent, so that their time is counted; nginx is not ours to wait for here."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            if len(psutil.Process().children()) <= 1:  # only nginx is left
                return
            time.sleep(0.05)


def start_nginx(folder: Path, photos: Path) -> tuple["subprocess.Popen[bytes]", int]:
    """Start nginx on a free port of every loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    # Its workers run as another user: let it read a copy of the photos that anybody may read.
    copied = folder / "photos"
    shutil.copytree(photos, copied)
    folder.chmod(0o755)
    folder.parent.chmod(0o755)
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, photos=copied))
    process = subprocess.Popen(["nginx", "-c", str(config), "-p", str(folder)], stderr=subprocess.DEVNULL)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process, port
        time.sleep(0.05)
    sys.exit(f"nginx did not start: {(folder / 'error.log').read_text()}")


def write_lists(folder: Path, name: str, urls: Sequence[str]) -> tuple[Path, Path]:
    """The same links as parquet for us and as csv for img2dataset."""
    captions = [f"photo {number}" for number in range(len(urls))]
    count = len(urls)
    table = pa.table(
        {
            "link_id": link_ids(urls),
            "url": urls,
            "text": captions,
            "language": ["en"] * count,
            "page_url": ["http://page.example/"] * count,
            "license": pa.nulls(count, pa.string()),
            "license_scope": pa.nulls(count, pa.string()),
            "credit": pa.nulls(count, pa.string()),
            "train_ai": ["unknown"] * count,
            "tdm": ["unknown"] * count,
            "search": ["unknown"] * count,
            "cell": pa.nulls(count, pa.uint32()),
        }
    )
    parquet, listed = folder / f"{name}.parquet", folder / f"{name}.csv"
    pq.write_table(table, parquet)
    with listed.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["url", "caption"])
        writer.writerows(zip(urls, captions, strict=True))
    return parquet, listed


def run_ours(folder: Path, links: Path, name: str, mode: str, pdq: str) -> Cost:
    """Populate with Linkwell into a new folder."""
    command = [sys.executable, "-c", OURS, str(folder / "workspace"), str(folder / name), str(links)]
    cost = measure([*command, str(PROCESSES), mode, pdq], folder / f"{name}.log")
    shutil.rmtree(folder / name)
    return cost


def run_peer(peer: Path, folder: Path, listed: Path, name: str, mode: str) -> Cost:
    """Populate with img2dataset into a new folder."""
    options = {
        "url_list": listed,
        "input_format": "csv",
        "url_col": "url",
        "caption_col": "caption",
        "output_folder": folder / name,
        "output_format": "webdataset",
        "processes_count": PROCESSES,
        "thread_count": 64,
        "image_size": 256,
        "resize_mode": "no" if mode == "original" else "keep_ratio",
        "skip_reencode": mode == "original",
        "number_sample_per_shard": 1_000,
        "enable_wandb": False,
    }
    arguments = [part for key, value in options.items() for part in (f"--{key}", str(value))]
    cost = measure([str(peer), *arguments], folder / f"{name}.log")
    shutil.rmtree(folder / name)
    return cost


def main() -> None:
    """Run the pairs and print a table."""
    options = argparse.ArgumentParser(description="Populate beside img2dataset.")
    options.add_argument("--images", type=int, default=10_000)
    options.add_argument("--pairs", type=int, default=3)
    options.add_argument("--photos", type=Path, default=SHARED / "data/photos")
    options.add_argument("--peer", type=Path, default=ROOT / ".peers/img2dataset/bin/img2dataset")
    options.add_argument("--original", action="store_true", help="keep original bytes: no resizing on either side")
    options.add_argument("--no-pdq", action="store_true", help="Linkwell makes no PDQ hashes")
    given = options.parse_args()
    if shutil.which("nginx") is None:
        sys.exit(f"No nginx here.\n{__doc__}")
    if not given.peer.exists():
        sys.exit(f"No peer: {given.peer} is not there.\n{__doc__}")
    photos = sorted(path for path in given.photos.rglob("*.jpg"))
    if not photos:
        sys.exit(f"No photos in {given.photos}; give --photos.")
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    ours_versions = {name: version(name) for name in ("linkwell", "aiohttp", "simplejpeg", "opencv-python-headless")}
    print("ours:", ours_versions, "Python", platform.python_version())
    python = given.peer.with_name("python")
    code = "import importlib.metadata as m; print({n: m.version(n) for n in ('img2dataset', 'opencv-python-headless')})"
    print("peer:", subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip())
    pdq = "no-pdq" if given.no_pdq else "pdq"
    mode = "original" if given.original else "keep_ratio"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "bench"
        folder.mkdir()
        nginx, port = start_nginx(folder, given.photos)
        try:
            names = [path.relative_to(given.photos).as_posix() for path in photos]
            urls = [
                f"http://127.0.1.{n % HOSTS + 1}:{port}/{n // len(names)}/{names[n % len(names)]}"
                for n in range(given.images)
            ]
            Workspace.create(folder / "workspace", "bench", SETTINGS)
            parquet, listed = write_lists(folder, "all", urls)
            one_parquet, one_listed = write_lists(folder, "one", urls[:1])
            start = (
                run_ours(folder, one_parquet, "ours-start", mode, pdq),
                run_peer(given.peer, folder, one_listed, "peer-start", mode),
            )
            pairs = []
            for number in range(given.pairs):
                theirs = run_peer(given.peer, folder, listed, f"peer-{number}", mode) if number % 2 else None
                ours = run_ours(folder, parquet, f"ours-{number}", mode, pdq)
                theirs = theirs or run_peer(given.peer, folder, listed, f"peer-{number}", mode)
                pairs.append((ours, theirs))
        finally:
            nginx.send_signal(signal.SIGTERM)
            nginx.wait()
    size = sum(path.stat().st_size for path in photos) / len(photos)
    print(
        f"{given.images} images of {size / 1000:.0f} kB on {HOSTS} hosts, {mode}, {pdq}, {PROCESSES} processes, "
        f"{given.pairs} pairs, {datetime.now(UTC):%Y-%m-%d}, load {os.getloadavg()[0]:.1f}"
    )
    report(given.images, start, pairs)


def report(images: int, start: tuple[Cost, Cost], pairs: Sequence[tuple[Cost, Cost]]) -> None:
    """Print medians and ratios."""
    for side, name in enumerate(("linkwell", "img2dataset")):
        cpu = statistics.median(pair[side].cpu_seconds for pair in pairs)
        wall = statistics.median(pair[side].wall_seconds for pair in pairs)
        peak = statistics.median(pair[side].peak_megabytes for pair in pairs)
        unshared = statistics.median(pair[side].peak_unshared_megabytes for pair in pairs)
        steady = 1_000 * (cpu - start[side].cpu_seconds) / images
        print(
            f"  {name:11} {images / cpu:6.1f} images/CPU-s  {wall:6.1f} s wall  {cpu:6.1f} s CPU  {peak:4.0f} MB peak ({unshared:.0f} shared once)  "
            f"start {start[side].wall_seconds:4.1f} s wall {start[side].cpu_seconds:4.1f} s CPU  then {steady:.2f} ms CPU an image"
        )
    total = [theirs.cpu_seconds / ours.cpu_seconds for ours, theirs in pairs]
    steady_ratio = [
        (theirs.cpu_seconds - start[1].cpu_seconds) / (ours.cpu_seconds - start[0].cpu_seconds)
        for ours, theirs in pairs
    ]
    memory = [ours.peak_megabytes / theirs.peak_megabytes for ours, theirs in pairs]
    print(f"  images per CPU-second: {statistics.median(total):.2f} x ({', '.join(f'{r:.2f}' for r in total)})")
    print(
        f"  without the start:     {statistics.median(steady_ratio):.2f} x ({', '.join(f'{r:.2f}' for r in steady_ratio)})"
    )
    once = [ours.peak_unshared_megabytes / theirs.peak_unshared_megabytes for ours, theirs in pairs]
    print(
        f"  peak memory:           {statistics.median(memory):.2f} of the peer's; "
        f"shared pages counted once: {statistics.median(once):.2f}"
    )


if __name__ == "__main__":
    main()
