"""WARC path: pages from HTML responses, Linkwell's whole reader beside an lxml reader that finds only src and alt.

Linkwell's side is the extraction of one WARC to committed parquet without language identification: charset, pictures of all kinds,
base, metas, licences, verdicts, URLs, ids. The lxml side reads the same records with FastWARC, parses with `lxml.html`, and lists
`(src, alt)` of every `<img>`. Input: the HTML pages of ../shared/data/cc, repeated to --pages; `--input` takes other WARCs. CPU
seconds are each process's own, after imports; the sides run alternately.

    .venv/bin/python benchmarks/warc.py [--pairs 5] [--pages 2000] [--input FILE.warc.gz …] [--peer .peers/lxml/bin/python]

The peer, once: python3 -m venv .peers/lxml && .peers/lxml/bin/pip install lxml fastwarc
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from fastwarc.warc import ArchiveIterator, WarcRecordType

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("LINKWELL_SHARED", ROOT.parent / "shared"))

OURS = """
import json, resource, sys, time
from pathlib import Path
from linkwell.build.extract import ExtractParams, ExtractSettings, extract
from linkwell.engine import local_input, task
from linkwell.engine.task import execute
source, folder = sys.argv[1], Path(sys.argv[2])
params, inputs = ExtractParams(source, ExtractSettings(None, 2000, 2000, False)), (local_input(Path(source)),)
started = time.process_time()
counts = execute(task("extract", 0, "linkwell.build.extract:extract", params, inputs), folder).counts
seconds = time.process_time() - started
kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"seconds": seconds, "pages": counts["pages"], "images": counts["images"], "kb": kb}))
"""

PEER = """
import json, resource, sys, time
from fastwarc.warc import ArchiveIterator, WarcRecordType
import lxml.html
pages = images = 0
started = time.process_time()
for record in ArchiveIterator(open(sys.argv[1], "rb"), WarcRecordType.response, parse_http=True, auto_decode="none", strict_mode=False):
    kind = (record.http_content_type or "").lower()
    if not kind.startswith(("text/html", "application/xhtml+xml")):
        continue
    pages += 1
    body = record.reader.read()
    try:
        tree = lxml.html.document_fromstring(body)
    except lxml.etree.ParserError:
        continue
    images += len([(node.get("src"), node.get("alt")) for node in tree.iter("img")])
seconds = time.process_time() - started
kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"seconds": seconds, "pages": pages, "images": images, "kb": kb}))
"""


def html_records(inputs: list[Path]) -> list[bytes]:
    """The HTML responses of WARCs, each as one uncompressed record without transfer coding."""
    found = []
    for path in inputs:
        for record in ArchiveIterator(path.open("rb"), WarcRecordType.response, parse_http=True, strict_mode=False):
            if (record.http_content_type or "").lower().startswith(("text/html", "application/xhtml+xml")):
                out = io.BytesIO()
                record.freeze()
                record.write(out)
                found.append(out.getvalue())
    return found


def run(python: Path, code: str, *arguments: str) -> dict[str, float]:
    """Run one side in a fresh process; returns what it prints."""
    done = subprocess.run([str(python), "-c", code, *arguments], check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Run the pairs and print them."""
    options = argparse.ArgumentParser(description="HTML pages per CPU-second beside lxml.")
    options.add_argument("--pairs", type=int, default=5)
    options.add_argument("--pages", type=int, default=2000)
    options.add_argument("--input", type=Path, nargs="+")
    options.add_argument("--peer", type=Path, default=ROOT / ".peers/lxml/bin/python")
    given = options.parse_args()
    records = html_records(given.input or sorted((SHARED / "data/cc").glob("*.warc*")))
    if not records:
        sys.exit("No input: give --input.")
    times = -(-given.pages // len(records))
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "bench.warc"
        source.write_bytes(b"".join(records) * times)
        print(f"input: {len(records)} pages, {sum(map(len, records)) / 1e6:.1f} MB, {times} times")
        pairs = []
        for number in range(given.pairs):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            ours = run(Path(sys.executable), OURS, str(source), str(folder))
            pairs.append((ours, run(given.peer, PEER, str(source))))
    for name, side in (("linkwell", 0), ("lxml", 1)):
        seconds = statistics.median(pair[side]["seconds"] for pair in pairs)
        one, peak = pairs[0][side], max(pair[side]["kb"] for pair in pairs) / 1024
        print(
            f"  {name:9} {one['pages'] / seconds:8.0f} pages/CPU-s  {one['pages']:.0f} pages, "
            f"{one['images']:.0f} images, {seconds:.2f} s, {peak:.0f} MB peak"
        )
    ratios = [peer["seconds"] / ours["seconds"] for ours, peer in pairs]
    print(f"  ratio     {statistics.median(ratios):8.2f} x  (each pair: {', '.join(f'{each:.2f}' for each in ratios)})")


if __name__ == "__main__":
    main()
