"""Copies that other tools really made: img2dataset 1.47.0, what becomes of one by DataComp's resharding, and `datasets`.

The tools are not part of the project: they stand in environments of their own, in the folder LINKWELL_PEERS (`.peers`).
"""

import contextlib
import functools
import http.server
import json
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.purge.conftest import recalled_of, write_tar
from tests.purge.test_kinds import SCANNER

from linkwell.base.ids import link_id
from linkwell.engine import Engine
from linkwell.purge import apply, verify

PEERS = Path(os.environ.get("LINKWELL_PEERS", Path(__file__).parents[2] / ".peers"))
IMG2DATASET = PEERS / "img2dataset" / "bin" / "img2dataset"
DATASETS = PEERS / "datasets" / "bin" / "python"
PICTURES = 12

SAVE = """
import sys
from datasets import Dataset, DatasetDict, load_from_disk
rows = [dict(url=f"http://h.example/{i}.jpg", text=f"canary caption {i:04d}", number=i) for i in range(50)]
DatasetDict(train=Dataset.from_list(rows)).save_to_disk(sys.argv[1], num_shards=dict(train=2))
load_from_disk(sys.argv[1])["train"].shuffle(seed=1).filter(lambda row: row["number"] % 3 == 0)
"""
LOAD = """
import json, sys
from datasets import load_from_disk
print(json.dumps(load_from_disk(sys.argv[1])["train"]["number"][:]))
"""


@dataclass(frozen=True)
class Link:
    """A link of a copy that img2dataset made; what `recalled_of` takes."""

    number: int
    url: str
    cell: int = 1

    @property
    def text(self) -> str:
        return f"canary caption {self.number:04d}"

    @property
    def link_id(self) -> bytes:
        return link_id(self.url)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """A web server on loopback for the files of a folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def found_by_scanner(folder: Path, values: dict[str, list[str]]) -> list[dict[str, Any]]:
    path = folder.parent / "values.json"
    path.write_text(json.dumps(values))
    done = subprocess.run(
        [os.environ.get("PYTHON", "python3"), str(SCANNER), str(folder), str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    return [json.loads(line) for line in done.stdout.splitlines() if "found" not in json.loads(line)]


FORMATS = ["webdataset", "files", "parquet"] if "LINKWELL_PEERS" in os.environ else ["webdataset"]
"""Each start of img2dataset takes ten seconds: all only where they are asked for."""


@pytest.fixture(params=FORMATS)
def downloaded(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, list[Link]]:
    """What img2dataset makes of twelve pictures and two dead links."""
    if not IMG2DATASET.exists():
        pytest.skip("no img2dataset in LINKWELL_PEERS")
    import cv2  # noqa: PLC0415 - only where the peer is there

    web = tmp_path / "web"
    web.mkdir()
    for number in range(PICTURES):
        noise = np.random.default_rng(number).integers(0, 255, (8, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(web / f"{number}.jpg"), cv2.resize(noise, (160, 120)))
    with served(web) as base:
        links = [Link(number, f"{base}/{number}.jpg") for number in range(PICTURES + 2)]
        lines = [f"{link.url}\t{link.text}\t{link.number * 7919:032x}" for link in links]
        (tmp_path / "list.tsv").write_text("\n".join(["url\tcaption\tuid", *lines]) + "\n")
        options = {
            "url_list": tmp_path / "list.tsv",
            "input_format": "tsv",
            "caption_col": "caption",
            "save_additional_columns": '["uid"]',
            "output_format": request.param,
            "output_folder": tmp_path / "copy",
            "processes_count": 1,
            "thread_count": 4,
            "number_sample_per_shard": 7,
            "image_size": 64,
        }
        subprocess.run(
            [str(IMG2DATASET), *(f"--{name}={value}" for name, value in options.items())],
            check=True,
            capture_output=True,
            env=os.environ | {"NO_ALBUMENTATIONS_UPDATE": "1"},
        )
    return tmp_path / "copy", links


def purge_resharded(root: Path, links: list[Link], engine: Engine) -> None:
    """Keys renamed to `{uid}-{copy}`, other shards, no parquet, stats with successes only (datacomp's resharder.py)."""
    samples: dict[str, dict[str, bytes]] = {}
    for tar in sorted(root.glob("*.tar")):
        with tarfile.open(tar) as archive:
            for member in archive:
                key, extension = member.name.split(".", 1)
                file = archive.extractfile(member)
                samples.setdefault(key, {})[extension] = file.read() if file else b""
    resharded = root.parent / "resharded"
    resharded.mkdir()
    renamed = [
        (f"{json.loads(parts['json'])['uid']}-{copy}", parts)
        for number, parts in enumerate(samples.values())
        for copy in range(1 + number % 2)
    ]
    write_tar(resharded / "00000000.tar", renamed)
    (resharded / "00000000_stats.json").write_text(json.dumps({"successes": len(renamed)}))
    gone = [links[1], links[8]]
    receipt = apply(resharded, recalled_of([], links, links=gone), engine=engine)
    assert receipt.statement.complete
    assert receipt.statement.unidentified == 0
    assert (
        found_by_scanner(resharded, {"urls": [link.url for link in gone], "texts": [link.text for link in gone]}) == []
    )
    with tarfile.open(resharded / "00000000.tar") as archive:
        keys = [m.name.split(".")[0] for m in archive if m.name.endswith(".jpg")]
    uids = {f"{link.number * 7919:032x}" for link in gone}
    assert keys == [key for key, _parts in renamed if key.split("-")[0] not in uids]
    assert json.loads((resharded / "00000000_stats.json").read_text()) == {"successes": len(keys)}


def test_a_copy_made_by_img2dataset(downloaded: tuple[Path, list[Link]], engine: Engine) -> None:
    """Tar, loose files or parquet: recalled links go with all that belongs to them, a dead one too; stats add up; and resharded, too."""
    root, links = downloaded
    if list(root.glob("*.tar")):
        purge_resharded(root, links, engine)
    gone = [links[1], links[8], links[PICTURES]]
    urls = {"urls": [link.url for link in gone], "texts": [link.text for link in gone]}
    assert len(found_by_scanner(root, urls)) >= 3
    receipt = apply(root, recalled_of([], links, links=gone), engine=engine)
    assert receipt.statement.complete, receipt.statement.problems
    assert receipt.statement.unidentified == 0
    assert found_by_scanner(root, urls) == []
    left = [url for path in sorted(root.glob("*.parquet")) for url in pq.read_table(path)["url"].to_pylist()]
    assert sorted(map(str, left)) == sorted(link.url for link in links if link not in gone)
    stats = [json.loads(path.read_text()) for path in sorted(root.glob("*_stats.json"))]
    assert sum(each["count"] for each in stats) == len(left)
    assert sum(each["successes"] for each in stats) == PICTURES - 2
    assert sum(each["status_dict"]["success"] for each in stats) == PICTURES - 2
    pictures = list(root.rglob("*.jpg"))
    for tar in root.glob("*.tar"):
        with tarfile.open(tar) as archive:
            pictures += [Path(m.name) for m in archive if m.name.endswith(".jpg")]
    assert len(pictures) in {0, PICTURES - 2}  # in parquet they are a column
    assert verify(root, recalled_of([], links, links=gone), receipt).clean


def in_datasets(script: str, root: Path) -> str:
    """Run a script where the library is; returns what it prints."""
    environment = os.environ | {"HF_HOME": str(root.parent / "home")}
    command = [str(DATASETS), "-c", script, str(root)]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def test_a_folder_saved_by_datasets_loads_without_what_is_recalled(tmp_path: Path, engine: Engine) -> None:
    """Saved, shuffled and filtered (which leaves caches) by the library, purged by us, loaded by the library."""
    if not DATASETS.exists():
        pytest.skip("no datasets in LINKWELL_PEERS")
    root = tmp_path / "copy"
    in_datasets(SAVE, root)
    assert list((root / "train").glob("cache-*.arrow"))
    links = [Link(number, f"http://h.example/{number}.jpg") for number in range(50)]
    gone = [links[3], links[44]]
    receipt = apply(root, recalled_of([], links, links=gone), engine=engine)
    assert receipt.statement.complete, receipt.statement.problems
    loaded = in_datasets(LOAD, root)
    assert json.loads(loaded) == [link.number for link in links if link not in gone]
    assert found_by_scanner(root, {"texts": [link.text for link in gone]}) == []
