"""Importing other projects' tables and plain lists."""

import csv
import gzip
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkwell.base.errors import DamagedFileError, FormatError, MissingError
from linkwell.base.ids import link_id
from linkwell.base.schema import LINK_SCHEMA
from linkwell.base.workspace import Workspace
from linkwell.build import ImportOptions, ImportReport, current_build, import_links
from linkwell.build.convert import Rejections
from linkwell.build.foreign import recognise
from linkwell.build.listfile import LIST_KINDS, kind_of, open_list
from linkwell.engine import SerialEngine

URL, TEXT = "http://site.example/a.jpg", "a red bird"
Rows = list[dict[str, Any]]
OPTIONS = ImportOptions(language=False)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty one."""
    return Workspace.create(tmp_path / "w")


def _import(workspace: Workspace, *paths: Path, options: ImportOptions = OPTIONS) -> tuple[ImportReport, Rows]:
    report = import_links(workspace, [str(path) for path in paths], options=options, engine=SerialEngine())
    tables = [pq.read_table(path) for path in current_build(workspace).links]
    assert all(table.schema.names == LINK_SCHEMA.names for table in tables)
    return report, [row for table in tables for row in table.to_pylist()]


def _parquet(path: Path, **columns: list[Any]) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


LAION_BASE: dict[str, list[Any]] = {
    "SAMPLE_ID": [1],
    "URL": [URL],
    "TEXT": [TEXT],
    "HEIGHT": [640],
    "WIDTH": [480],
    "LICENSE": ["?"],
    "NSFW": ["UNLIKELY"],
    "similarity": [0.33],
}
MANY: list[tuple[str, dict[str, list[Any]], dict[str, Any]]] = [
    ("laion400m", LAION_BASE, {"width": 640, "height": 480, "license": None, "similarity": pytest.approx(0.33)}),
    (
        "laion",
        {"URL": [URL], "TEXT": [TEXT], "WIDTH": [640], "HEIGHT": [480], "hash": [7], "pwatermark": [0.2], "punsafe": [0.95]},
        {"width": 640, "height": 480, "safety_bin": 9},
    ),
    (
        "laion",
        {"URL": [URL], "TEXT": [TEXT], "WIDTH": [640.0], "HEIGHT": [None], "LANGUAGE": ["zh-Latn"], "hash": [7], "punsafe": [None]},
        {"width": 640, "height": None, "safety_bin": None, "language": "zh"},
    ),
    (
        "laion-md5",
        {"image_path": ["1"], "caption": [TEXT], "url": [URL], "key": ["1"], "status": ["success"], "width": [256], "height": [192],
         "original_width": [640], "original_height": [480], "md5": ["0" * 32]},
        {"width": 640, "height": 480},
    ),
    (
        "relaion",
        {"url": [URL], "caption": [TEXT], "width": [640], "height": [480], "status": ["success"], "similarity": [0.3],
         "punsafe": [0.1], "pwatermark": [0.0]},
        {"width": 640, "height": 480, "safety_bin": 1},
    ),
    (
        "datacomp",
        {"uid": ["0" * 32], "url": [URL], "text": [TEXT], "original_width": [640], "original_height": [480],
         "clip_b32_similarity_score": [0.2], "clip_l14_similarity_score": [0.1], "face_bboxes": [[[0.1, 0.2]]], "sha256": ["0" * 64]},
        {"width": 640, "height": 480, "similarity": pytest.approx(0.2)},
    ),
    (
        "coyo",
        {"id": [1], "url": [URL], "text": [TEXT], "width": [640], "height": [480], "image_phash": ["ff"],
         "clip_similarity_vitb32": [0.2], "clip_similarity_vitl14": [0.1]},
        {"width": 640, "height": 480, "similarity": pytest.approx(0.2)},
    ),
    (
        "cc2dataset",
        {"uid": ["0" * 32], "url": [URL], "alt": [TEXT], "cc_filename": ["x.warc.wat.gz"], "page_url": ["http://site.example/"]},
        {"warc": "x.warc.wat.gz", "page_url": "http://site.example/"},
    ),
    ("other", {"Image_URL": [URL], "Caption": [TEXT], "licence": ["http://creativecommons.org/licenses/by/4.0"]},
     {"license": "https://creativecommons.org/licenses/by/4.0/", "license_scope": "page"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "columns", "expected"), MANY)
def test_each_published_schema_is_told_by_its_columns(
    workspace: Workspace, tmp_path: Path, name: str, columns: dict[str, list[Any]], expected: dict[str, Any]
) -> None:
    """Names in any case, by alias; what is not there is null; what the page states is unknown, as nobody recorded it."""
    report, rows = _import(workspace, _parquet(tmp_path / "t.parquet", **columns))
    assert report.files[0].format == name
    assert name in report.files[0].notes[0]
    (row,) = rows
    unstated = {"text_source": "import", "train_ai": "unknown", "tdm": "unknown", "search": "unknown", "offset": -1}
    assert {key: row[key] for key in (*expected, *unstated, "link_id", "url", "text", "seen_at")} == {
        **expected, **unstated, "link_id": link_id(URL), "url": URL, "text": TEXT, "seen_at": None
    }  # fmt: skip


def test_the_exchanged_sides_of_laion_are_never_guessed_in_silence() -> None:
    """Put right where the schema tells; taken as named with a note where it does not; a named format is believed."""
    bare = ["URL", "TEXT", "WIDTH", "HEIGHT", "NSFW"]
    assert recognise(list(LAION_BASE), "x").swapped
    assert not recognise([*LAION_BASE, "hash"], "x").swapped
    found = recognise(bare, "x")
    assert not found.swapped
    assert any("--format laion400m" in note for note in found.notes)
    assert recognise(bare, "x", table_format="laion400m").swapped


def test_a_file_without_a_url_is_refused_before_work(workspace: Workspace, tmp_path: Path) -> None:
    """The message lists the columns and names the option, which then works."""
    path = _parquet(tmp_path / "t.parquet", Where=[URL], What=[TEXT])
    with pytest.raises(FormatError, match=r"Where, What(?s:.*)--url-column"):
        _import(workspace, path)
    with pytest.raises(FormatError, match="there is no column 'nope'"):
        _import(workspace, path, options=ImportOptions(url_column="nope"))
    _, rows = _import(workspace, path, options=ImportOptions(url_column="where", text_column="What", language=False))
    assert [(row["url"], row["text"]) for row in rows] == [(URL, TEXT)]


def test_rows_that_are_no_links_are_counted_with_their_numbers(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whichever part of the file they stand; rows in are rows out, duplicates and rejected."""
    monkeypatch.setattr("linkwell.build.imports._TASK_ROWS", 4)
    urls = [URL, None, "/relative.jpg", "ftp://x.example/a", "http://", URL, "https://b.example/b.jpg", "  "]
    table = pa.table({"url": urls, "text": [TEXT] * 6 + ["", TEXT]})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=2)
    report, rows = _import(workspace, tmp_path / "t.parquet")
    assert report.files[0].rejected_rows == {
        "no_url": [2, 8], "relative_url": [3], "not_http": [4], "bad_url": [5], "no_text": [7]
    }  # fmt: skip
    assert (report.rows, report.links, report.duplicates, sum(report.rejected.values())) == (8, 1, 1, 6)
    assert len(rows) == 1


def test_what_a_table_of_ours_states_survives_an_import(workspace: Workspace, tmp_path: Path) -> None:
    """An opt-out, a licence and where it was said are not lost by taking somebody's release over."""
    _import(workspace, _parquet(tmp_path / "t.parquet", url=[URL], text=[TEXT]))
    row = pq.read_table(current_build(workspace).links[0]).to_pylist()[0]
    stated = {
        "train_ai": "disallow",
        "license": "https://x.example/l",
        "license_scope": "image",
        "credit": "Ana",
        "offset": 9,
    }
    pq.write_table(pa.Table.from_pylist([row | stated | {"cell": 3}], LINK_SCHEMA), tmp_path / "ours.parquet")
    report, rows = _import(workspace, tmp_path / "ours.parquet")
    assert report.files[0].format == "linkwell"
    assert rows == [row | stated]


def test_the_most_restrictive_of_an_earlier_and_a_new_row_survives(workspace: Workspace, tmp_path: Path) -> None:
    """What an earlier build has is left out, but for links that are more restricted now."""
    urls = [f"http://site.example/{n}.jpg" for n in range(4)]
    _import(workspace, _parquet(tmp_path / "old.parquet", url=urls[:3], text=[TEXT] * 3))
    old = current_build(workspace)
    before = [path.read_bytes() for path in old.links]
    new = pa.concat_tables([pq.read_table(path) for path in old.links]).to_pylist()
    _import(workspace, _parquet(tmp_path / "last.parquet", url=urls[3:], text=[TEXT]))
    new += pq.read_table(current_build(workspace).links[0]).to_pylist()
    new[1]["tdm"] = "disallow"
    pq.write_table(pa.Table.from_pylist(new, LINK_SCHEMA), tmp_path / "new.parquet")
    report = import_links(
        workspace, [str(tmp_path / "new.parquet")], options=OPTIONS, engine=SerialEngine(), against=old.links
    )
    assert (report.links, report.known, report.duplicates) == (2, 2, 0)
    kept = [url for path in current_build(workspace).links for url in pq.read_table(path)["url"].to_pylist()]
    assert kept == [urls[1], urls[3]]
    assert [path.read_bytes() for path in old.links] == before


def test_the_same_import_again_does_nothing_and_says_the_same(workspace: Workspace, tmp_path: Path) -> None:
    """Its name comes from the files and the options."""
    path = _parquet(tmp_path / "t.parquet", url=[URL], text=[TEXT])
    first, _ = _import(workspace, path)
    assert _import(workspace, path)[0] == first
    assert _import(workspace, path, options=ImportOptions(crawl="c", language=False))[0].name != first.name


LISTS: dict[str, bytes] = {
    "plain.txt": f"\n{URL}\n".encode(),
    "mark.csv": f"\ufeffURL,Caption\r\n{URL},{TEXT}\r\n".encode(),
    "utf16.tsv": f"caption\turl\n{TEXT}\t{URL}\n".encode("utf-16"),
    "semicolon.csv": f"caption;url\n{TEXT};{URL}\n".encode(),
    "headerless.tsv": f"{TEXT}\t{URL}\n".encode(),
    "array.json": json.dumps([{"url": URL, "alt": TEXT, "more": [{"a": "]},{\\"}]}], indent=1).encode(),
    "lines.jsonl": (json.dumps({"URL": URL, "TEXT": TEXT}) + "\n").encode(),
    "lines.json": (json.dumps({"URL": URL, "TEXT": TEXT}) + "\n").encode(),
    "strings.json": json.dumps([URL]).encode(),
    "quoted.csv": f'text,url\n"a red\nbird",{URL}\n'.encode(),
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_lists_of_every_kind_are_read(workspace: Workspace, tmp_path: Path, name: str, suffix: str) -> None:
    """Plain and gzipped, with and without header, in several encodings."""
    path = tmp_path / (name + suffix)
    path.write_bytes(gzip.compress(LISTS[name]) if suffix else LISTS[name])
    _, rows = _import(workspace, path)
    assert [(row["url"], row["text"]) for row in rows] == [(URL, "" if name in ("plain.txt", "strings.json") else TEXT)]


def test_bad_rows_of_a_list_cost_only_themselves(workspace: Workspace, tmp_path: Path) -> None:
    """Each has a reason and the number of its line; bytes that are no UTF-8 are not guessed at."""
    data = f"url,text\n{URL},{TEXT}\nhttp://b.example/,caf".encode() + b"\xe9\none\na,b,c\n" + b"x" * 200_000
    path = tmp_path / "t.csv"
    path.write_bytes(data + f"\nhttp://c.example/,{TEXT}\n".encode() + f'"{"y" * 70_000}\n{"y" * 70_000}\n'.encode())
    report, rows = _import(workspace, path)
    assert [row["url"] for row in rows] == [URL, "http://c.example/"]
    assert report.files[0].rejected_rows == {
        "not_utf8": [3], "wrong_field_count": [4, 5], "row_too_long": [6], "bad_quotes": [8]
    }  # fmt: skip
    assert report.rejected["bad_quotes"] == 2
    cp1252 = ImportOptions(encoding="cp1252", language=False)
    assert "café" in [row["text"] for row in _import(workspace, path, options=cp1252)[1]]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("cut.csv.gz", gzip.compress(b"url\nhttp://x.example/\n" * 99, mtime=0)[:-9]),
        ("cut.json", b'["a", "b'),
        ("t.parquet", b"PAR1"),
    ],
)
def test_a_file_that_breaks_off_stops_the_import(workspace: Workspace, tmp_path: Path, name: str, data: bytes) -> None:
    """It is named; nothing becomes the current build."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DamagedFileError, match=name):
        _import(workspace, tmp_path / name)
    with pytest.raises(MissingError):
        current_build(workspace)


VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=12)


@settings(max_examples=25, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=8), st.sampled_from(["csv", "tsv", "json", "jsonl"]))
def test_every_text_survives_every_kind_of_list(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], kind: str
) -> None:
    """Quotes, delimiters, brackets and escapes in a text are part of it."""
    folder = tmp_path_factory.mktemp("list")
    rows = [{"url": f"http://site.example/{n}", "text": text} for n, text in enumerate(texts)]
    held = io.StringIO(newline="")
    if kind in ("csv", "tsv"):
        writer = csv.DictWriter(held, ["url", "text"], delimiter="," if kind == "csv" else "\t")
        writer.writeheader()
        writer.writerows(rows)
    else:
        held.write(json.dumps(rows) if kind == "json" else "".join(json.dumps(row) + "\n" for row in rows))
    path = folder / f"t.{kind}"
    path.write_text(held.getvalue(), "utf-8", newline="")
    _, found = _import(Workspace.create(folder / "w"), path)
    assert [(row["url"], row["text"]) for row in found] == [(row["url"], row["text"]) for row in rows]


PIECES = st.sampled_from(
    [
        b'"',
        b"'",
        b",",
        b"\t",
        b"\n",
        b"\r",
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b"\\",
        b"\x00",
        b"\xff",
        b"http://a.example/",
        b"url",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES | st.binary(max_size=4), max_size=25).map(b"".join), st.sampled_from(LIST_KINDS))
def test_any_bytes_are_rows_or_an_error_with_a_name(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, kind: str
) -> None:
    """No list, however broken, crashes the reader; what it rejects it counts."""
    path = tmp_path_factory.mktemp("bytes") / f"t.{kind}"
    path.write_bytes(data)
    counts: Counter[str] = Counter()
    try:
        with open_list(str(path), kind, Rejections(counts)) as opened:
            rows = list(opened.rows)
            assert all(len(values) == len(opened.names) for _, values in rows)
    except (DamagedFileError, FormatError):
        return
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n") + 1
    assert len(rows) + counts.total() <= max(lines, data.count(b",") + 1)


def test_names_tell_kinds() -> None:
    """Compressed or not, in any case; what tells nothing is not guessed."""
    assert [kind_of(name) for name in ("a.TXT", "b.csv.gz", "c.ndjson.xz", "d.tab", "e.bin", "gz")] == [
        "txt", "csv", "jsonl", "tsv", None, None
    ]  # fmt: skip
