"""The copy: img2dataset's layout, the same bytes every time, whole shards or none."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import webdataset
from hypothesis import given
from hypothesis import strategies as st
from tests.populate.conftest import draw, write_links
from tests.populate.hostile_server import ADDRESS, HostileServer

from linkwell.base.errors import MissingError, StorageError, UsageError
from linkwell.base.ids import link_id
from linkwell.base.workspace import Workspace
from linkwell.engine import LocalEngine, SerialEngine
from linkwell.ledger import exact_digests, read_ledger
from linkwell.pictures.decode import decode
from linkwell.populate import PopulateOptions, PopulateReport, TarWriter, populate, read_copy_info
from linkwell.populate.writer import tar_header

IMG2DATASET_COLUMNS = [
    "caption",
    "url",
    "key",
    "status",
    "error_message",
    "width",
    "height",
    "original_width",
    "original_height",
    "exif",
    "sha256",
]
IMG2DATASET_STATS = [
    "count",
    "successes",
    "failed_to_download",
    "failed_to_resize",
    "duration",
    "start_time",
    "end_time",
    "status_dict",
]


@pytest.fixture
def gallery(server: HostileServer) -> list[str]:
    """URLs of twelve pictures, one of them dead, on three hosts."""
    server.pictures.update({f"/{n}.jpg": draw(n) for n in range(11)})
    return [server.url(f"/{n}.jpg", f"h{n % 3}.example") for n in range(12)]


def _run(workspace: Workspace, to: Path, links: Path, options: PopulateOptions, **more: object) -> PopulateReport:
    return populate(workspace, to, links=[links], engine=SerialEngine(), options=options, **more)  # type: ignore[arg-type] # tests


def _files(folder: Path) -> Mapping[str, bytes]:
    """Every file of a copy but what holds times."""
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.name != "linkwell.copy" and not path.name.endswith("_stats.json")
    }


def test_layout_is_img2datasets(
    hurried: Workspace, tmp_path: Path, gallery: list[str], options: PopulateOptions
) -> None:
    """Names, members, columns, keys, statuses and stats are those of img2dataset; rows stand in the order of the links."""
    links = write_links(tmp_path / "links.parquet", gallery)
    report = _run(hurried, tmp_path / "copy", links, options)
    assert (report.links, report.success, report.failed) == (12, 11, {"http_404": 1})
    table = pq.read_table(tmp_path / "copy" / "00000.parquet")
    assert table.column_names[: len(IMG2DATASET_COLUMNS)] == IMG2DATASET_COLUMNS
    rows = table.to_pylist()
    assert [row["url"] for row in rows] == gallery
    assert [row["key"] for row in rows] == [f"{n:07d}" for n in range(12)]
    assert rows[11]["status"] == "failed_to_download"
    assert rows[11]["error_message"] == "HTTP Error 404: Not Found"
    assert rows[11]["width"] is None
    assert rows[3]["sha256"] == exact_digests(draw(3)).sha256.hex()
    assert (rows[3]["width"], rows[3]["original_width"]) == (256, 160)
    stats = json.loads((tmp_path / "copy" / "00000_stats.json").read_bytes())
    assert list(stats) == IMG2DATASET_STATS
    assert stats["count"] == 12
    assert stats["status_dict"] == {"success": 11, "HTTP Error 404: Not Found": 1}
    with tarfile.open(tmp_path / "copy" / "00000.tar") as tar:
        members = tar.getmembers()
    assert [m.name for m in members[:4]] == ["0000000.jpg", "0000000.json", "0000000.txt", "0000001.jpg"]
    assert {(m.mtime, m.mode, m.uname) for m in members} == {(0, 0o444, "linkwell")}


def test_webdataset_opens_the_copy(
    hurried: Workspace, tmp_path: Path, gallery: list[str], options: PopulateOptions
) -> None:
    """A training pipeline reads image, text and metadata of every success."""
    links = write_links(tmp_path / "links.parquet", gallery)
    _run(hurried, tmp_path / "copy", links, options)
    samples = list(webdataset.WebDataset(str(tmp_path / "copy" / "00000.tar"), shardshuffle=False))
    assert len(samples) == 11
    for sample in samples:
        metadata = json.loads(sample["json"])
        assert metadata["key"] == sample["__key__"]
        assert sample["txt"].decode() == metadata["caption"]
        picture = decode(sample["jpg"], max_pixels=10**7, min_side=None)
        assert (picture.width, picture.height) == (metadata["width"], metadata["height"])


def test_cells_make_the_keys_of_a_release(
    hurried: Workspace, tmp_path: Path, gallery: list[str], options: PopulateOptions
) -> None:
    """The key of a sample of a release is its cell and its place in it, so that a tar can be purged by name alone."""
    cells = [7] * 5 + [3] * 7
    links = write_links(tmp_path / "links.parquet", gallery, cell=cells)
    _run(hurried, tmp_path / "copy", links, options, release="v1", revision=2)
    rows = pq.read_table(tmp_path / "copy" / "00000.parquet").to_pylist()
    assert [row["key"] for row in rows] == [f"0000000700{n:03d}" for n in range(5)] + [
        f"0000000300{n:03d}" for n in range(7)
    ]
    info = read_copy_info(tmp_path / "copy")
    assert info is not None
    assert (info.release, info.revision, info.kind) == ("v1", 2, "webdataset")


def test_same_responses_give_the_same_bytes(
    hurried: Workspace, tmp_path: Path, gallery: list[str], options: PopulateOptions
) -> None:
    """Two copies of the same links are the same files, whatever order the answers came in."""
    links = write_links(tmp_path / "links.parquet", gallery)
    _run(hurried, tmp_path / "one", links, options)
    _run(hurried, tmp_path / "two", links, options)
    assert _files(tmp_path / "one") == _files(tmp_path / "two")


def test_order_survives_the_spool(
    hurried: Workspace, tmp_path: Path, gallery: list[str], options: PopulateOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images that wait for their turn on disk come back as those that wait in memory."""
    links = write_links(tmp_path / "links.parquet", gallery)
    _run(hurried, tmp_path / "one", links, options)
    monkeypatch.setattr("linkwell.populate.spool._MEMORY_BYTES", 0)
    _run(hurried, tmp_path / "two", links, options)
    assert _files(tmp_path / "one") == _files(tmp_path / "two")


def test_originals_are_kept_as_they_are(
    hurried: Workspace, tmp_path: Path, server: HostileServer, options: PopulateOptions
) -> None:
    """With `keep_original` the bytes served are the bytes stored, under the extension of their format."""
    server.pictures["/p.png"] = draw(5, form="PNG")
    links = write_links(tmp_path / "links.parquet", [server.url("/good.jpg"), server.url("/p.png")])
    kept = PopulateOptions(resolve=options.resolve, allow_net=options.allow_net, keep_original=True)
    _run(hurried, tmp_path / "copy", links, kept)
    with tarfile.open(tmp_path / "copy" / "00000.tar") as tar:
        first, second = tar.extractfile("0000000.jpg"), tar.extractfile("0000001.png")
        assert first is not None
        assert second is not None
        assert first.read() == server.pictures["/good.jpg"]
        assert second.read() == server.pictures["/p.png"]


def test_the_ledger_has_every_image(
    hurried: Workspace, tmp_path: Path, gallery: list[str], options: PopulateOptions
) -> None:
    """Digests and PDQ of everything fetched are in the ledger, by link id."""
    links = write_links(tmp_path / "links.parquet", gallery)
    _run(hurried, tmp_path / "copy", links, options)
    rows = [row for table in read_ledger(hurried) for row in table.to_pylist()]
    assert {row["link_id"] for row in rows} == {link_id(url) for url in gallery[:11]}
    by_id = {row["link_id"]: row for row in rows}
    row = by_id[link_id(gallery[4])]
    assert row["md5"] == exact_digests(draw(4)).md5
    assert len(row["pdq"]) == 32
    assert (row["width"], row["height"]) == (160, 160)


def test_refusals_are_obeyed_unless_told_otherwise(
    hurried: Workspace, tmp_path: Path, server: HostileServer, options: PopulateOptions
) -> None:
    """What page or image response disallow is not kept, and not even asked for where the page says so; `none` lifts it."""
    urls = [server.url("/good.jpg"), server.url("/good.jpg?2"), server.url("/opted-out"), server.url("/reserved")]
    server.pictures["/good.jpg?2"] = server.pictures["/good.jpg"]
    links = write_links(tmp_path / "links.parquet", urls, train_ai=["disallow", "allow", "unknown", "unknown"])
    report = _run(hurried, tmp_path / "copy", links, options)
    assert (report.success, report.failed) == (1, {"opted_out": 3})
    assert server.requests["/good.jpg"] == 0
    rows = pq.read_table(tmp_path / "copy" / "00000.parquet").to_pylist()
    assert rows[0]["error_message"] == "not fetched: train_ai is disallowed by what the page states"
    assert rows[2]["error_message"] == "Use of image disallowed by X-Robots-Tag directive"
    assert rows[2]["train_ai"] == "disallow"
    lifted = PopulateOptions(resolve=options.resolve, allow_net=options.allow_net, respect=())
    assert _run(hurried, tmp_path / "lifted", links, lifted).success == 4


def test_withheld_links_are_neither_fetched_nor_named(
    hurried: Workspace, tmp_path: Path, gallery: list[str], options: PopulateOptions, server: HostileServer
) -> None:
    """A link that is left out has no row, no request and no name in task list, mark or copy; nor is it reached by a redirect."""
    urls = [*gallery, server.url("/to-other-host", "h9.example")]
    hidden = {link_id(gallery[2]), link_id(server.url("/good.jpg", "b.example"))}
    links = write_links(tmp_path / "links.parquet", urls)
    report = _run(hurried, tmp_path / "copy", links, options, withhold=hidden)
    assert report.withheld == 2
    assert (server.requests["/2.jpg"], server.requests["/good.jpg"]) == (0, 0)
    written = [path for path in (*hurried.root.rglob("*"), *(tmp_path / "copy").rglob("*")) if path.is_file()]
    for path in written:
        data = path.read_bytes()
        for each in hidden:
            assert each not in data
            assert each.hex().encode() not in data


def test_a_link_withheld_later_leaves_the_copy(
    hurried: Workspace, tmp_path: Path, gallery: list[str], options: PopulateOptions
) -> None:
    """When more is left out, the same command makes the shards it concerns again; the ledger keeps what was fetched."""
    links = write_links(tmp_path / "links.parquet", gallery)
    _run(hurried, tmp_path / "copy", links, options)
    report = _run(hurried, tmp_path / "copy", links, options, withhold={link_id(gallery[2])})
    assert (report.success, report.withheld) == (10, 1)
    assert gallery[2] not in pq.read_table(tmp_path / "copy" / "00000.parquet")["url"].to_pylist()
    ids = {value for table in read_ledger(hurried) for value in table["link_id"].to_pylist()}
    assert link_id(gallery[2]) in ids


def test_a_finished_copy_is_not_fetched_again(
    hurried: Workspace, tmp_path: Path, gallery: list[str], options: PopulateOptions, server: HostileServer
) -> None:
    """The same command over a whole copy asks nobody anything and reports the same."""
    links = write_links(tmp_path / "links.parquet", gallery)
    first = _run(hurried, tmp_path / "copy", links, options)
    asked = server.requests.total()
    second = _run(hurried, tmp_path / "copy", links, options)
    assert server.requests.total() == asked
    assert (second.success, second.failed) == (first.success, first.failed)


def test_another_folder_is_left_alone(
    hurried: Workspace, tmp_path: Path, gallery: list[str], options: PopulateOptions
) -> None:
    """A folder with other files, or a copy of another release, is not written into."""
    links = write_links(tmp_path / "links.parquet", gallery, cell=[1] * 12)
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        _run(hurried, other, links, options)
    _run(hurried, tmp_path / "copy", links, options, release="v1", revision=1)
    with pytest.raises(UsageError, match="holds a copy"):
        _run(hurried, tmp_path / "copy", links, options, release="v2", revision=1)


def test_bad_options_are_errors(hurried: Workspace, tmp_path: Path) -> None:
    """A mistyped option stops before anything is written."""
    links = write_links(tmp_path / "links.parquet", ["http://a.example/a.jpg"])
    for options in (
        PopulateOptions(resize="stretch"),
        PopulateOptions(size=0),
        PopulateOptions(respect=("everything",)),
    ):
        with pytest.raises(UsageError):
            _run(hurried, tmp_path / "copy", links, options)
    with pytest.raises(MissingError):
        _run(hurried, tmp_path / "copy", links, PopulateOptions(from_archive=(str(tmp_path / "no.warc"),)))
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("after", [0, 4, 20])
def test_a_full_disk_leaves_nothing_half_written(  # noqa: PLR0917 - fixtures
    hurried: Workspace,
    tmp_path: Path,
    gallery: list[str],
    options: PopulateOptions,
    monkeypatch: pytest.MonkeyPatch,
    after: int,
) -> None:
    """ENOSPC is a clear error that names the folder; the same command finishes once there is room."""
    links = write_links(tmp_path / "links.parquet", gallery)
    _run(hurried, tmp_path / "whole", links, options)
    real = TarWriter.add
    calls = iter(range(1_000))

    def full(self: TarWriter, name: str, data: bytes) -> None:
        if next(calls) >= after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(self, name, data)

    with monkeypatch.context() as patch:
        patch.setattr(TarWriter, "add", full)
        with pytest.raises(StorageError, match="No space left"):
            _run(hurried, tmp_path / "copy", links, options)
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["linkwell.copy"]
    assert not list(hurried.ledger.glob(".*"))
    _run(hurried, tmp_path / "copy", links, options)
    assert _files(tmp_path / "copy") == _files(tmp_path / "whole")


KILLED = """
import sys
from pathlib import Path
from linkwell.base.workspace import Workspace
from linkwell.engine import LocalEngine
from linkwell.populate import PopulateOptions, populate
root, to, links, pin, net = sys.argv[1:]
populate(Workspace.open(Path(root)), Path(to), links=[Path(links)], engine=LocalEngine(2),
         options=PopulateOptions(resolve=(pin,), allow_net=(net,)))
"""


def _asked(server: HostileServer) -> int:
    return len(server.requests)


@pytest.mark.slow
def test_killed_at_any_moment_the_same_command_finishes(tmp_path: Path, server: HostileServer) -> None:
    """SIGKILL at random moments; the finished copy is byte for byte an undisturbed run's."""
    server.pictures.update({f"/{n}.jpg": draw(n) for n in range(60)})
    server.delay_seconds = 0.1
    workspace = Workspace.create(
        tmp_path / "workspace", "birds", 'dataset = "birds"\n[populate]\nshard_rows = 6\nconcurrency = 4\n'
    )
    urls = [server.url(f"/{n}.jpg", f"h{n % 3}.example") for n in range(60)]
    links = write_links(tmp_path / "links.parquet", urls)
    net = f"{ADDRESS}/32"
    options = PopulateOptions(resolve=server.pins, allow_net=(net,))
    populate(workspace, tmp_path / "whole", links=[links], engine=LocalEngine(2), options=options)
    server.requests.clear()
    copy = tmp_path / "copy"
    command = [sys.executable, "-c", KILLED, str(workspace.root), str(copy), str(links), *server.pins, net]
    generator = random.Random(7)
    for finished in (0, 3, 6):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
        while process.poll() is None and _asked(server) <= 6 * finished:
            time.sleep(0.005)
        time.sleep(0.2 * generator.random())
        assert process.poll() is None, "it was to be killed at work"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert len(list(copy.glob("*_stats.json"))) < 10
        for path in copy.glob("*.tar"):
            with tarfile.open(path) as tar:
                assert len(tar.getmembers()) == 18  # a whole shard or none
    populate(workspace, copy, links=[links], engine=LocalEngine(2), options=options)
    assert _files(copy) == _files(tmp_path / "whole")
    for folder in (copy, workspace.ledger, workspace.findings):
        assert not [path for path in folder.iterdir() if path.name.endswith(".tmp")]


def test_shards_of_an_earlier_list_do_not_stay(tmp_path: Path, gallery: list[str], options: PopulateOptions) -> None:
    """When the list of links has become shorter, the shards beyond its end leave the copy."""
    workspace = Workspace.create(
        tmp_path / "workspace", "birds", 'dataset = "birds"\n[populate]\nshard_rows = 4\nretries = 0\n'
    )
    _run(workspace, tmp_path / "copy", write_links(tmp_path / "links.parquet", gallery), options)
    assert (tmp_path / "copy" / "00002.tar").exists()
    _run(workspace, tmp_path / "copy", write_links(tmp_path / "fewer.parquet", gallery[:5]), options)
    assert sorted(_files(tmp_path / "copy")) == ["00000.parquet", "00000.tar", "00001.parquet", "00001.tar"]
    assert not (tmp_path / "copy" / "00002_stats.json").exists()


@given(st.from_regex(r"[0-9]{7,13}\.(jpg|json|txt|webp)", fullmatch=True), st.integers(0, 50_000_000))
def test_tar_headers_are_those_of_the_standard_library(name: str, size: int) -> None:
    """Our quicker header is bit for bit the one that tarfile writes."""
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.uname, member.gname = size, 0o444, "linkwell", "linkwell"
    assert tar_header(name, size) == member.tobuf(tarfile.USTAR_FORMAT)
