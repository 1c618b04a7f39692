"""Exporting to other projects' columns and back, and credit."""

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkwell.base.errors import UsageError
from linkwell.base.ids import laion_hash, link_id
from linkwell.base.schema import LINK_SCHEMA
from linkwell.base.workspace import Workspace
from linkwell.build import ImportOptions, current_build, export_links, import_links, write_credit
from linkwell.engine import SerialEngine

ROOT = Path(__file__).parents[2]
PEERS = [folder / ".peers/img2dataset/bin/python" for folder in (ROOT, ROOT.parent / "main")]
PEER = next((path for path in PEERS if path.exists()), None)
ROW = {
    "text_source": "alt",
    "language": "en",
    "train_ai": "unknown",
    "tdm": "disallow",
    "search": "allow",
    "crawl": "c",
    "warc": "w",
    "offset": 0,
    "page_url": "",
}


def _links(path: Path, rows: list[dict[str, Any]]) -> Path:
    table = pa.Table.from_pylist([{**ROW, "link_id": link_id(row["url"]), **row} for row in rows], LINK_SCHEMA)
    pq.write_table(table, path)
    return path


def _export(
    workspace: Workspace, to: Path, links: list[Path], kind: str, withhold: set[bytes] | None = None
) -> list[dict[str, Any]]:
    export_links(
        workspace, to, links=links, kind=kind, engine=SerialEngine(), withhold=withhold or set(), source="release v1"
    )
    return [row for path in sorted(to.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty one."""
    return Workspace.create(tmp_path / "w")


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=9)
SIDES = st.none() | st.integers(1, 2**31 - 1)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(TEXTS, SIDES, SIDES), min_size=1, max_size=5),
    st.sampled_from(["laion", "datacomp", "img2dataset"]),
)
def test_an_export_imports_as_the_same_links(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int | None, int | None]], kind: str
) -> None:
    """Ids, texts, sizes and opt-outs come back, through each kind of columns."""
    folder = tmp_path_factory.mktemp("export")
    workspace = Workspace.create(folder / "w")
    listed = [
        {"url": f"http://s.example/{n}?é=ß", "text": text, "width": w, "height": h, "similarity": 0.5}
        for n, (text, w, h) in enumerate(rows)
    ]
    shard = _links(folder / "l.parquet", listed)
    _export(workspace, folder / "to", [shard], kind)
    import_links(
        workspace,
        [str(folder / "to" / "part-00000.parquet")],
        options=ImportOptions(language=False),
        engine=SerialEngine(),
    )
    names = ["link_id", "url", "text", "width", "height", "train_ai", "tdm", "search"] + ["similarity"] * (kind != "x")
    back = [row for path in current_build(workspace).links for row in pq.read_table(path, columns=names).to_pylist()]
    assert back == pq.read_table(shard, columns=names).to_pylist()


def test_the_columns_are_those_of_the_other_project(workspace: Workspace, tmp_path: Path) -> None:
    """Names and types; LAION's hash is LAION's; no digest is in any."""
    url, text = "http://example.com/a.jpg", "a cat"
    shard = _links(tmp_path / "l.parquet", [{"url": url, "text": text, "width": 4, "height": 3}])
    (laion,) = _export(workspace, tmp_path / "laion", [shard], "laion")
    assert list(laion)[:9] == [
        "URL",
        "TEXT",
        "WIDTH",
        "HEIGHT",
        "similarity",
        "LANGUAGE",
        "hash",
        "pwatermark",
        "punsafe",
    ]
    assert (laion["hash"], laion["WIDTH"], laion["punsafe"]) == (laion_hash(url, text), 4, None)
    (datacomp,) = _export(workspace, tmp_path / "datacomp", [shard], "datacomp")
    assert (datacomp["uid"], datacomp["original_height"]) == (link_id(url).hex(), 3)
    assert "sha256" not in datacomp
    schema = pq.read_schema(tmp_path / "datacomp" / "part-00000.parquet")
    assert schema.field("face_bboxes").type == pa.list_(pa.list_(pa.float64()))


def test_what_is_withheld_is_nowhere_in_an_export(workspace: Workspace, tmp_path: Path) -> None:
    """Not in its bytes, not in the workspace's marks, not after it was exported before; a folder of something else is left alone."""
    rows = [{"url": f"http://s.example/{n}-canary.jpg", "text": f"text {n}"} for n in range(4)]
    shards = [_links(tmp_path / "a.parquet", rows[:2]), _links(tmp_path / "b.parquet", rows[2:])]
    to = tmp_path / "to"
    assert len(_export(workspace, to, shards, "laion")) == 4
    left = _export(workspace, to, shards, "laion", {link_id(rows[1]["url"])})
    assert [row["URL"] for row in left] == [rows[n]["url"] for n in (0, 2, 3)]
    assert json.loads((to / "linkwell-export.json").read_bytes())["rows"] == 3
    assert not any(b"1-canary" in path.read_bytes() for path in to.rglob("*") if path.is_file())
    assert list((workspace.root / "exports").glob("*/*")) == []
    assert len(_export(workspace, to, shards[:1], "datacomp")) == 2
    with pytest.raises(UsageError, match="something else"):
        _export(workspace, workspace.root, shards, "laion")


def test_an_interrupted_export_goes_on(workspace: Workspace, tmp_path: Path) -> None:
    """Until it is whole there is no linkwell-export.json; finished files are not written again."""
    shards = [_links(tmp_path / f"{n}.parquet", [{"url": f"http://s.example/{n}", "text": "t"}]) for n in range(3)]
    to, whole = tmp_path / "to", shards[2].read_bytes()
    shards[2].write_bytes(whole[:-3])
    with pytest.raises(Exception, match="not a whole parquet"):
        _export(workspace, to, shards, "laion")
    first = (to / "part-00000.parquet").stat().st_mtime_ns
    assert not (to / "linkwell-export.json").exists()
    shards[2].write_bytes(whole)
    assert len(_export(workspace, to, shards, "laion")) == 3
    assert (to / "part-00000.parquet").stat().st_mtime_ns == first


@pytest.mark.skipif(PEER is None, reason="img2dataset 1.47.0 is not installed beside the repository")
def test_img2dataset_reads_our_laion_export(workspace: Workspace, tmp_path: Path) -> None:
    """Its own reader, with the arguments its documentation gives for LAION."""
    rows = [{"url": f"http://s.example/{n}.jpg", "text": f"text {n}"} for n in range(5)]
    _export(workspace, tmp_path / "to", [_links(tmp_path / "l.parquet", rows)], "laion")
    (tmp_path / "tmp").mkdir()
    code = (
        "import sys, json, pyarrow as pa\n"
        "from img2dataset.reader import Reader\n"
        "r = Reader(sys.argv[1], 'parquet', 'URL', 'TEXT', None, None, ['similarity', 'hash', 'punsafe', 'pwatermark'],"
        " 3, set(), sys.argv[2])\n"
        "t = [pa.ipc.open_file(path).read_all() for _, path in r]\n"
        "print(json.dumps([row for each in t for row in each.select(['url', 'caption', 'hash']).to_pylist()]))\n"
    )
    done = subprocess.run(
        [str(PEER), "-c", code, str(tmp_path / "to"), str(tmp_path / "tmp")],
        capture_output=True, text=True, check=False, env={"PATH": "/usr/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [
        {"url": row["url"], "caption": row["text"], "hash": laion_hash(row["url"], row["text"])} for row in rows
    ]


CC = "https://creativecommons.org/licenses/by/4.0/"
CREDITED = [
    {"url": "http://cdn.other.example/1.jpg", "page_url": "http://blog.museum.co.uk/a", "credit": "Ana\nB", "license": CC, "license_scope": "image"},
    {"url": "http://cdn.other.example/2.jpg", "page_url": "http://www.museum.co.uk/b", "credit": "Ana B", "license": CC, "license_scope": "image"},
    {"url": "http://a.site.co.uk/3.jpg", "page_url": ""},
    {"url": "http://10.0.0.1/4.jpg", "page_url": "http://10.0.0.1/"},
]  # fmt: skip


def test_credit_names_page_site_name_and_licence_as_far_as_stated(tmp_path: Path) -> None:
    """One entry a link, or one a site, name and licence; what is not stated stays empty; what is withheld is not there."""
    shard = _links(tmp_path / "l.parquet", [{"text": "t", **row} for row in CREDITED])
    report = write_credit(tmp_path / "c.csv", links=[shard], output="csv")
    assert (report.links, report.entries, report.named, report.licensed) == (4, 4, 2, 2)
    with (tmp_path / "c.csv").open(newline="") as file:
        entries = list(csv.DictReader(file))
    assert [(e["site"], e["site_of"], e["credit"], e["license_scope"]) for e in entries] == [
        ("museum.co.uk", "page", "Ana B", "image"), ("museum.co.uk", "page", "Ana B", "image"),
        ("site.co.uk", "image", "", ""), ("10.0.0.1", "page", "", ""),
    ]  # fmt: skip
    hidden = {link_id(CREDITED[3]["url"])}
    report = write_credit(tmp_path / "g.json", links=[shard], output="json", grouped=True, withhold=hidden)
    assert [(e["site"], e["credit"], e["links"]) for e in json.loads((tmp_path / "g.json").read_text())] == [
        ("museum.co.uk", "Ana B", 2), ("site.co.uk", "", 1)
    ]  # fmt: skip
    wanted = {link_id(CREDITED[0]["url"]), link_id(CREDITED[3]["url"]), link_id("http://nowhere.example/")}
    report = write_credit(tmp_path / "t.txt", links=[shard], wanted=wanted, withhold=hidden)
    assert (report.links, report.missing) == (1, 2)
    text = (tmp_path / "t.txt").read_text()
    assert f"name: Ana B\n  licence: {CC} (stated for the image)" in text
    assert "10.0.0.1" not in text
    with pytest.raises(UsageError):
        write_credit(tmp_path / "x", links=[shard], output="xml")
    assert not (tmp_path / "x").exists()
