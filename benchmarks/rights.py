"""Files of hosts applied to links: what a link costs, at one size and at four times the size; and what a hostile file costs a picture.

Synthetic shards of 20,000 links and one robots.txt of 60 lines for every 20 links, in files of 2,000 captures, made here from a fixed
seed. Measured is `apply_well_known` in one process, from finished shards and captures to finished shards: CPU seconds and, to show
that the cost is linear, the ratio of the two sizes' costs per link. Then the microseconds that one question about a picture takes
under a robots.txt and a tdmrep.json of 1,000 and 20,000 rules without `*`, and under a robots.txt of as many with `*`. Runs two
minutes or so.

    .venv/bin/python benchmarks/rights.py [--shards 4] [--scratch DIR]
"""

import argparse
import random
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from linkwell.base.ids import link_ids
from linkwell.base.schema import LINK_SCHEMA, USES, VERDICTS
from linkwell.base.shards import ParquetWriter
from linkwell.build.judging import apply_well_known
from linkwell.build.wellknown import CaptureWriter
from linkwell.engine import SerialEngine
from linkwell.rights import DEFAULT_POLICY, Capture, HostFiles

SHARD_LINKS = 20_000
LINKS_PER_HOST = 20
CAPTURES_PER_FILE = 2_000
QUESTIONS = 2_000
ROBOTS = (
    "".join(f"User-agent: {agent}\n" for agent in ("GPTBot", "CCBot", "ClaudeBot"))
    + "Disallow: /art/\n\nUser-agent: *\n"
    + "".join(f"Disallow: /cgi-bin/{n}/\nAllow: /*/{n}.css$\n" for n in range(26))
    + "Content-Signal: search=yes, ai-train=no\n"
).encode()


def shard(path: Path, seed: int, hosts: int) -> None:
    """One shard of links."""
    draw = random.Random(seed)
    urls = [
        f"https://img{draw.randrange(hosts)}.example/{draw.choice(('art', 'open'))}/{seed}-{n}.jpg"
        for n in range(SHARD_LINKS)
    ]
    pages = [f"https://img{draw.randrange(hosts)}.example/page/{seed}-{n // 5}" for n in range(SHARD_LINKS)]
    codes = pa.array(np.full(SHARD_LINKS, VERDICTS.index("unknown"), np.int8), pa.int8())
    unknown = pa.DictionaryArray.from_arrays(codes, pa.array(VERDICTS, pa.string()))
    given = {"link_id": link_ids(urls), "url": pa.array(urls), "page_url": pa.array(pages)} | dict.fromkeys(
        USES, unknown
    )
    columns = []
    for field in LINK_SCHEMA:
        if field.name in given:
            columns.append(given[field.name])
        elif field.nullable:
            columns.append(pa.nulls(SHARD_LINKS, field.type))
        else:
            columns.append(pa.array([0 if pa.types.is_integer(field.type) else "x"] * SHARD_LINKS, field.type))
    with ParquetWriter(path, LINK_SCHEMA, intermediate=True) as writer:
        writer.write(pa.table(columns, schema=LINK_SCHEMA))


def cost(folder: Path, shards: int) -> tuple[float, int]:
    """CPU seconds, and links."""
    hosts = shards * SHARD_LINKS // LINKS_PER_HOST
    links = [folder / f"{number:05d}.links.parquet" for number in range(shards)]
    folder.mkdir(parents=True)
    for number, path in enumerate(links):
        shard(path, number, hosts)
    captures = []
    for first in range(0, hosts, CAPTURES_PER_FILE):
        captures.append(folder / f"{first:07d}.wellknown.parquet")
        writer = CaptureWriter(captures[-1])
        for number in range(first, min(first + CAPTURES_PER_FILE, hosts)):
            body = ROBOTS + f"# {number}\n".encode()
            writer.add(Capture(f"https://img{number}.example/robots.txt", "robots.txt", 200, None, body))
        writer.close()
    started = time.process_time()
    apply_well_known(links, captures, folder / "build", SerialEngine(), evidence=(), unlinked=(), policy=DEFAULT_POLICY)
    return time.process_time() - started, shards * SHARD_LINKS


def question(kind: str, count: int, form: str) -> float:
    """Microseconds for one picture under a file of many rules."""
    if kind == "robots.txt":
        body = b"User-agent: *\n" + b"".join(f"Disallow: {form % n}\n".encode() for n in range(count))
    else:
        body = (
            b"["
            + b",".join(b'{"location":"%s","tdm-reservation":1}' % (form % n).encode() for n in range(count))
            + b"]"
        )
    files = HostFiles([Capture("https://h.example/f", kind, 200, None, body)])
    files.statements("https://h.example/first.jpg", scope="image")
    started = time.process_time()
    for number in range(QUESTIONS if "*" not in form else QUESTIONS // 50):
        files.statements(f"https://h.example/other/{number}.jpg", scope="image")
    return (time.process_time() - started) / (QUESTIONS if "*" not in form else QUESTIONS // 50) * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--scratch", type=Path)
    arguments = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="linkwell-rights-", dir=arguments.scratch))
    try:
        per_link = []
        for shards in (arguments.shards, 4 * arguments.shards):
            seconds, links = cost(scratch / str(shards), shards)
            per_link.append(seconds / links)
            print(
                f"{links:>9,} links, {links // LINKS_PER_HOST:>7,} hosts: {seconds:6.1f} CPU s, {seconds / links * 1e6:5.1f} µs a link"
            )
        print(f"cost per link at four times the size, as a factor: {per_link[1] / per_link[0]:.2f}")
        for kind, form in (("robots.txt", "/dir%06d/"), ("tdmrep.json", "/dir%06d/"), ("robots.txt", "/*dir%06d/")):
            few, many = (question(kind, count, form) for count in (1_000, 20_000))
            print(
                f"{kind} with rules like {form}: {few:,.0f} µs a picture under 1,000 rules, {many:,.0f} µs under 20,000"
            )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
