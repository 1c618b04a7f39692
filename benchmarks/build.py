"""Build: links from WAT, Linkwell's extraction beside cc2dataset's `process_wat`, alternately, each in a process of its own.

Linkwell's side is the whole task of one archive, from the file to a committed parquet shard; with language identification and
without. cc2dataset's side is its generator of tuples, exhausted: it writes no file and knows no languages, licences or opt-outs.
Input: the WATs of ../shared/data/wat, joined, and the file read as often as makes --megabytes of raw data, each time anew (what is
remembered within a file, such as the language of a text, is forgotten between); `--input` takes others, such as
one WAT of Common Crawl. Raw MB are the unpacked bytes of that file, counted once for both. CPU seconds are the process's own, after
imports of both sides; ratios are of pairs that ran one after the other. Loading of compiled code counts; making it, once on a machine
(some 15 s), is done before. The bare limit is printed twice: libdeflate with no JSON, and zlib with untyped JSON, as a simple reader would.
Last, memory: all of it as one file of --megabytes, and of three times as much. Takes about 90 seconds on a calm machine.

    .venv/bin/python benchmarks/build.py [--pairs 3] [--input FILE.wat.gz …] [--peer .peers/cc2dataset/bin/python]

The peer, once: python3 -m venv .peers/cc2dataset && .peers/cc2dataset/bin/pip install cc2dataset==1.5.0 setuptools
"""

import argparse
import gzip
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("LINKWELL_SHARED", ROOT.parent / "shared"))

OURS = """
import json, resource, sys, time
from pathlib import Path
from linkwell.base.settings import FilterSettings
from linkwell.build import watbatch
from linkwell.build.extract import ExtractParams, ExtractSettings, extract
from linkwell.engine import local_input, task
from linkwell.engine.task import execute
source, folder, times, language = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "language"
settings = ExtractSettings(None, 2000, 2000, language, filters=FilterSettings())
rows = 0
started = time.process_time()
for number in range(times):
    params, inputs = ExtractParams(source, settings), (local_input(Path(source)),)
    rows += execute(task("extract", number, "linkwell.build.extract:extract", params, inputs), folder).counts["links"]
seconds = time.process_time() - started
print(json.dumps({"seconds": seconds, "rows": rows, "kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
"""

PEER = """
import json, resource, sys, time
from loguru import logger
logger.remove()
from cc2dataset.main import process_wat
started = time.process_time()
rows = sum(1 for _ in range(int(sys.argv[2])) for _ in process_wat(sys.argv[1], "image"))
seconds = time.process_time() - started
print(json.dumps({"seconds": seconds, "rows": rows, "kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
"""

LIMIT = """
import gzip, json, sys, time
import msgspec
from fastwarc.warc import ArchiveIterator, WarcRecordType
decode = msgspec.json.Decoder().decode
started = time.process_time()
for _ in range(int(sys.argv[2])):
    for record in ArchiveIterator(gzip.open(sys.argv[1]), WarcRecordType.metadata, parse_http=False):
        decode(record.reader.read())
print(json.dumps({"seconds": time.process_time() - started}))
"""

UNPACKING = """
import json, sys, time
import deflate
data, members = open(sys.argv[1], "rb").read(), []
first = 0
while first < len(data):
    end = data.find(b"\\x1f\\x8b\\x08", first + 20)
    while True:
        end = len(data) if end < 0 else end
        try:
            deflate.gzip_decompress(data[first:end], int.from_bytes(data[end - 4 : end], "little"))
            break
        except Exception:
            end = data.find(b"\\x1f\\x8b\\x08", end + 1)
    members.append((data[first:end], int.from_bytes(data[end - 4 : end], "little")))
    first = end
started = time.process_time()
for _ in range(int(sys.argv[2])):
    for member, size in members:
        deflate.gzip_decompress(member, size)
print(json.dumps({"seconds": time.process_time() - started}))
"""

VERSIONS = """
import json, sys
from importlib.metadata import version
print(json.dumps({name: version(name) for name in sys.argv[1:]}))
"""


def joined(inputs: list[Path], target: Path) -> int:
    """Join gzipped WATs; returns the raw bytes."""
    packed = [path.read_bytes() for path in inputs]
    target.write_bytes(b"".join(packed))
    return sum(len(gzip.decompress(each)) for each in packed)


def run(python: Path, code: str, *arguments: str) -> dict[str, float]:
    """Run one side in a fresh process; returns what it prints."""
    done = subprocess.run(
        [str(python), "-c", code, *arguments],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src") if python == Path(sys.executable) else ""},
    )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Run the pairs and print a table."""
    options = argparse.ArgumentParser(description="Build throughput beside cc2dataset.")
    options.add_argument("--pairs", type=int, default=3)
    options.add_argument("--megabytes", type=int, default=300)
    options.add_argument("--input", type=Path, nargs="+")
    options.add_argument("--peer", type=Path, default=ROOT / ".peers/cc2dataset/bin/python")
    given = options.parse_args()
    inputs = given.input or sorted((SHARED / "data/wat").glob("*.wat.gz"))
    if not inputs:
        sys.exit(f"No input: {SHARED / 'data/wat'} is not there; give --input.")
    if not given.peer.exists():
        sys.exit(f"No peer: {given.peer} is not there.\n{__doc__}")
    ours_versions = run(Path(sys.executable), VERSIONS, "linkwell", "fastwarc", "msgspec", "can_ada", "pyarrow")
    print("ours:", ours_versions, "Python", platform.python_version())
    print("peer:", run(given.peer, VERSIONS, "cc2dataset", "fastwarc", "pysimdjson", "pyspark"))
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "bench.warc.wat.gz"
        once = joined(inputs, source)
        times = -(-given.megabytes * 1_000_000 // once)
        raw = once * times
        limits = {
            "unpacking (libdeflate) alone": UNPACKING,
            "gunzip (zlib) and decoding the JSON of metadata records (msgspec, untyped), no more": LIMIT,
        }
        limit_speeds = []
        for what, code in limits.items():
            seconds = statistics.median(
                run(Path(sys.executable), code, str(source), str(times))["seconds"] for _ in range(3)
            )
            limit_speeds.append(raw / 1e6 / seconds)
            print(f"limit: {limit_speeds[-1]:.0f} raw MB/CPU-s for {what}")
        # Machine code is made here, where it is not at hand.
        (Path(scratch) / "first").mkdir()
        run(Path(sys.executable), OURS, str(source), str(Path(scratch) / "first"), "1", "plain")
        print(f"input: {', '.join(path.name for path in inputs)}: {once / 1e6:.0f} MB raw, {times} times")
        for mode in ("plain", "language"):
            pairs = []
            for number in range(given.pairs):
                folder = Path(scratch) / f"{mode}-{number}"
                folder.mkdir()
                ours = run(Path(sys.executable), OURS, str(source), str(folder), str(times), mode)
                peer = run(given.peer, PEER, str(source), str(times))
                pairs.append((ours, peer))
            report(mode, raw, pairs, limit_speeds)
        memory(source, times, Path(scratch))


def memory(source: Path, times: int, scratch: Path) -> None:
    """Print the peak of one process for one file, and for one three times as large."""
    print("\npeak memory of one process for one file, with language identification")
    once = source.read_bytes()
    for factor in (1, 3):
        large = scratch / f"large-{factor}.warc.wat.gz"
        with large.open("wb") as file:
            for _ in range(times * factor):
                file.write(once)
        folder = scratch / f"memory-{factor}"
        folder.mkdir()
        ours = run(Path(sys.executable), OURS, str(large), str(folder), "1", "language")
        print(
            f"  {large.stat().st_size / 1e6:6.0f} MB packed  {ours['kb'] / 1024:6.0f} MB peak  ({ours['rows']:.0f} rows)"
        )
        large.unlink()


def report(
    mode: str, raw: int, pairs: list[tuple[dict[str, float], dict[str, float]]], limit_speeds: list[float]
) -> None:
    """Print medians and ratios of one mode."""
    print(f"\n{'without' if mode == 'plain' else 'with'} language identification, median of {len(pairs)} pairs")
    for name, side in (("linkwell", 0), ("cc2dataset", 1)):
        seconds = statistics.median(pair[side]["seconds"] for pair in pairs)
        rows, peak = pairs[0][side]["rows"], max(pair[side]["kb"] for pair in pairs)
        print(
            f"  {name:11} {raw / 1e6 / seconds:7.1f} raw MB/CPU-s {rows / seconds:9.0f} rows/CPU-s "
            f"{peak / 1024:6.0f} MB peak  ({rows:.0f} rows, {seconds:.2f} s)"
        )
    speed = raw / 1e6 / statistics.median(ours["seconds"] for ours, _peer in pairs)
    print(f"  of the limits {', '.join(f'{speed / limit:.0%}' for limit in limit_speeds)}")
    megabytes = [peer["seconds"] / ours["seconds"] for ours, peer in pairs]
    row_ratios = [ratio * ours["rows"] / peer["rows"] for ratio, (ours, peer) in zip(megabytes, pairs, strict=True)]
    print(
        f"  ratio       {statistics.median(megabytes):7.2f} x MB          {statistics.median(row_ratios):7.2f} x rows"
    )
    print(f"  each pair   {', '.join(f'{ratio:.2f}' for ratio in megabytes)} x MB")


if __name__ == "__main__":
    main()
