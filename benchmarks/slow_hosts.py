"""Populate: what slow hosts cost the others, and what each host sees. Linkwell alone, against a server of its own on loopback.

Two lists are populated in turns: all links, of which those of every tenth host are answered after `--delay` seconds, and the same
without the slow hosts. Told is how fast the links of fast hosts are done, as the server's log has it, from the first request to the
last one to a fast host; the whole runs; and from the log of the run with slow hosts the most requests that any host had at once and in
any second. With the defaults it takes about three minutes.

    .venv/bin/python benchmarks/slow_hosts.py [--links 20000] [--hosts 2000] [--slow 200] [--delay 3] [--pairs 2]
"""

import argparse
import asyncio
import io
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from linkwell.base.ids import link_ids
from linkwell.base.workspace import Workspace
from linkwell.engine import LocalEngine
from linkwell.populate import PopulateOptions, populate

ADDRESS = "127.0.0.1"
CONCURRENCY, PER_SECOND = 4, 10


def picture() -> bytes:
    """A small JPEG."""
    noise = np.random.default_rng(1).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).resize((200, 150), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    return out.getvalue()


def serve(port_file: str, log_file: str, delay: float, stop: Event) -> None:
    """Answer until told to stop; then write the log: host, arrival and end of every request."""
    body = picture()
    good = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    gone = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    log: list[tuple[str, float, float]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                came = time.monotonic()
                host = head.partition("Host: ")[2].partition("\r\n")[0].partition(":")[0]
                if host.startswith("slow"):
                    await asyncio.sleep(delay)
                writer.write(good if head.split(" ", 2)[1].endswith(".jpg") else gone)
                await writer.drain()
                log.append((host, came, time.monotonic()))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def tell(port: int) -> None:
        Path(port_file).write_text(str(port))

    async def main() -> None:
        server = await asyncio.start_server(handle, ADDRESS, 0, backlog=4_096)
        tell(server.sockets[0].getsockname()[1])
        while not stop.is_set():  # noqa: ASYNC110 - the event is another process's
            await asyncio.sleep(0.1)

    asyncio.run(main())
    Path(log_file).write_text(json.dumps(log))


def write_links(path: Path, urls: Sequence[str]) -> Path:
    """A list of links."""
    count = len(urls)
    texts = {name: ["unknown"] * count for name in ("train_ai", "tdm", "search")}
    empty = {name: pa.nulls(count, pa.string()) for name in ("license", "license_scope", "credit")}
    table = {"link_id": link_ids(urls), "url": urls, "text": ["a"] * count, "language": ["en"] * count}
    pages = ["http://page.example/"] * count
    pq.write_table(pa.table(table | texts | empty | {"page_url": pages, "cell": pa.nulls(count, pa.uint32())}), path)
    return path


def run(folder: Path, name: str, hosts: Sequence[str], links: int, delay: float) -> list[tuple[str, float, float]]:
    """Populate one list against a new server; the server's log."""
    stop = multiprocessing.Event()
    port_file, log_file = folder / f"{name}.port", folder / f"{name}.log"
    server = multiprocessing.Process(target=serve, args=(str(port_file), str(log_file), delay, stop))
    server.start()
    while not port_file.exists() or not port_file.read_text():
        time.sleep(0.05)
    port = int(port_file.read_text())
    urls = [f"http://{hosts[n % len(hosts)]}:{port}/{n}.jpg" for n in range(links)]
    settings = f"[populate]\nper_host_concurrency = {CONCURRENCY}\nper_host_per_second = {PER_SECOND}\n"
    workspace = Workspace.create(folder / f"{name}-workspace", "bench", f'dataset = "bench"\n{settings}')
    options = PopulateOptions(
        keep_original=True, pdq=False, allow_net=(f"{ADDRESS}/32",), resolve=(f"*:{port}:{ADDRESS}",)
    )
    listed = write_links(folder / f"{name}.parquet", urls)
    report = populate(workspace, folder / name, links=[listed], engine=LocalEngine(1), options=options)
    stop.set()
    server.join()
    if report.success != links:
        raise SystemExit(f"{report.success} of {links}: {report.failed}")
    log: list[tuple[str, float, float]] = json.loads(log_file.read_text())
    print(f"  {name}: {links:,} links on {len(hosts):,} hosts in {report.seconds:.1f} s")
    return log


def fast_rate(log: Sequence[tuple[str, float, float]]) -> float:
    """Requests a second to fast hosts, from the first request of all to the last of theirs."""
    fast = [(came, ended) for host, came, ended in log if not host.startswith("slow")]
    return len(fast) / (max(ended for _, ended in fast) - min(came for _, came, _ in log))


def most(log: Sequence[tuple[str, float, float]]) -> tuple[int, int]:
    """The most requests that any host had at once, and that came to any host within one second."""
    at_once = in_second = 0
    by_host = defaultdict(list)
    for host, came, ended in log:
        by_host[host].append((came, ended))
    for times in by_host.values():
        changes = sorted([(came, 1) for came, _ in times] + [(ended, -1) for _, ended in times])
        open_now = 0
        for _, change in changes:
            open_now += change
            at_once = max(at_once, open_now)
        arrivals = sorted(came for came, _ in times)
        first = 0
        for last, when in enumerate(arrivals):
            while when - arrivals[first] >= 1.0:
                first += 1
            in_second = max(in_second, last - first + 1)
    return at_once, in_second


def main() -> None:
    """Run the pairs and print what they came to."""
    parser = argparse.ArgumentParser(description="What slow hosts cost the others.")
    parser.add_argument("--links", type=int, default=20_000)
    parser.add_argument("--hosts", type=int, default=2_000)
    parser.add_argument("--slow", type=int, default=200)
    parser.add_argument("--delay", type=float, default=3.0)
    parser.add_argument("--pairs", type=int, default=2)
    given = parser.parse_args()
    every = max(1, given.hosts // max(1, given.slow))
    hosts = [f"{'slow' if n % every == 0 else 'fast'}{n}.example" for n in range(given.hosts)]
    fast = [host for host in hosts if host.startswith("fast")]
    ratios, limits = [], Counter[str]()
    with tempfile.TemporaryDirectory() as scratch:
        for pair in range(given.pairs):
            alone = run(Path(scratch), f"without-{pair}", fast, given.links * len(fast) // len(hosts), given.delay)
            log = run(Path(scratch), f"with-{pair}", hosts, given.links, given.delay)
            ratios.append(fast_rate(log) / fast_rate(alone))
            at_once, in_second = most(log)
            limits["at once"], limits["in a second"] = (
                max(limits["at once"], at_once),
                max(limits["in a second"], in_second),
            )
            print(f"  to fast hosts: {fast_rate(log):,.0f} requests/s, without slow ones {fast_rate(alone):,.0f}")
    print(
        f"{given.links} links, {given.hosts} hosts, {len(hosts) - len(fast)} of them slow by {given.delay} s, "
        f"{given.pairs} pairs, {datetime.now(UTC):%Y-%m-%d}, load {os.getloadavg()[0]:.1f}"
    )
    print(f"  throughput of the others: {statistics.median(ratios):.0%} ({', '.join(f'{r:.0%}' for r in ratios)})")
    print(
        f"  any host: at most {limits['at once']} at once (allowed {CONCURRENCY}), {limits['in a second']} in a second (allowed {PER_SECOND})"
    )


if __name__ == "__main__":
    main()
