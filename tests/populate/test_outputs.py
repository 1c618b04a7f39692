"""Every layout and every way to resize: whole, in img2dataset's form, the same bytes every time; boxes blurred before anything is written."""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.populate.conftest import draw, write_links
from tests.populate.hostile_server import ADDRESS, HostileServer

from linkwell.base.errors import FormatError, UsageError
from linkwell.base.ids import link_id
from linkwell.base.workspace import Workspace
from linkwell.engine import LocalEngine, SerialEngine
from linkwell.pictures import FORMATS, RESIZE_MODES
from linkwell.populate import PopulateOptions, PopulateReport, populate
from linkwell.populate.writer import OUTPUTS

SIZE = 64


@pytest.fixture(scope="module")
def gallery() -> Iterator[tuple[HostileServer, list[str]]]:
    """A server with five pictures, upright and lying, and one that is not there."""
    with HostileServer({f"/{n}.jpg": _lying(n) if n % 2 else draw(n) for n in range(5)}) as server:
        yield server, [server.url(f"/{n}.jpg", f"h{n % 2}.example") for n in range(6)]


def _lying(seed: int) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(draw(seed))).crop((0, 0, 160, 90)).save(out, "JPEG", quality=90)
    return out.getvalue()


def _options(server: HostileServer, **more: object) -> PopulateOptions:
    return PopulateOptions(resolve=server.pins, allow_net=(f"{ADDRESS}/32",), size=SIZE, **more)  # type: ignore[arg-type] # tests


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "linkwell.copy" and not path.name.endswith("_stats.json")
    }


def _images(folder: Path, output: str, form: str) -> dict[str, bytes]:
    """Images by key, wherever they stand."""
    if output == "webdataset":
        with tarfile.open(folder / "00000.tar") as tar:
            members = {name: tar.extractfile(name) for name in tar.getnames() if name.endswith(f".{form}")}
            return {name.partition(".")[0]: file.read() for name, file in members.items() if file is not None}
    if output == "files":
        return {path.stem: path.read_bytes() for path in (folder / "00000").glob(f"*.{form}")}
    rows = pq.read_table(folder / "00000.parquet").to_pylist()
    return {row["key"]: row[form] for row in rows if row[form] is not None}


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("way", list(zip(RESIZE_MODES, (*FORMATS, "jpg", "jpg"), strict=True)))
def test_two_runs_write_the_same_bytes(
    hurried: Workspace, tmp_path: Path, gallery: tuple[HostileServer, list[str]], output: str, way: tuple[str, str]
) -> None:
    """Every layout in every mode: twice the same files, and every image is there, of the size and format asked for."""
    server, urls = gallery
    resize, form = way
    links = write_links(tmp_path / "links.parquet", urls)
    options = _options(server, output=output, resize=resize, format=form)
    for name in ("one", "two"):
        populate(hurried, tmp_path / name, links=[links], engine=SerialEngine(), options=options)
    assert _files(tmp_path / "one") == _files(tmp_path / "two")
    images = _images(tmp_path / "one", output, form)
    assert len(images) == 5
    rows = {row["key"]: row for row in pq.read_table(tmp_path / "one" / "00000.parquet").to_pylist()}
    assert len(rows) == 6
    for key, image in images.items():
        opened = Image.open(io.BytesIO(image))
        assert opened.format == {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[form]
        assert opened.size == (rows[key]["width"], rows[key]["height"])
        side = {"keep_ratio": min, "keep_ratio_largest": max, "center_crop": min, "border": max}.get(resize)
        assert (
            opened.size == (rows[key]["original_width"], rows[key]["original_height"])
            if side is None
            else (side(opened.size) == SIZE)
        )


def test_picture_processes_give_the_same_bytes(
    hurried: Workspace, tmp_path: Path, gallery: tuple[HostileServer, list[str]]
) -> None:
    """Whether pictures are decoded here or in processes of their own, the copy is the same; so it is where originals are kept."""
    server, urls = gallery
    links = write_links(tmp_path / "links.parquet", urls)
    for number, options in enumerate((_options(server), _options(server, keep_original=True))):
        for name, engine in (("here", SerialEngine()), ("apart", LocalEngine(1))):
            populate(hurried, tmp_path / f"{name}{number}", links=[links], engine=engine, options=options)
        assert _files(tmp_path / f"here{number}") == _files(tmp_path / f"apart{number}")


def test_files_are_laid_out_as_img2dataset_does(
    hurried: Workspace, tmp_path: Path, gallery: tuple[HostileServer, list[str]]
) -> None:
    """A folder for each shard with image, text and metadata of every success; table and stats beside it."""
    server, urls = gallery
    links = write_links(tmp_path / "links.parquet", urls)
    populate(hurried, tmp_path / "copy", links=[links], engine=SerialEngine(), options=_options(server, output="files"))
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == [
        "00000",
        "00000.parquet",
        "00000_stats.json",
        "linkwell.copy",
    ]
    names = sorted(path.name for path in (tmp_path / "copy" / "00000").iterdir())
    assert names[:3] == ["0000000.jpg", "0000000.json", "0000000.txt"]
    assert len(names) == 15
    metadata = json.loads((tmp_path / "copy" / "00000" / "0000003.json").read_bytes())
    assert metadata["key"] == "0000003"
    assert metadata["url"] == urls[3]


def test_a_shorter_list_leaves_no_folder_behind(
    hurried: Workspace, tmp_path: Path, gallery: tuple[HostileServer, list[str]]
) -> None:
    """Made again from fewer links, a copy of loose files has none of the others; made again from changed ones, none of the old."""
    server, urls = gallery
    root = hurried.root
    (root / "linkwell.toml").write_text(
        (root / "linkwell.toml").read_text().replace("shard_rows = 100", "shard_rows = 2")
    )
    workspace = Workspace.open(root)
    options = _options(server, output="files")
    populate(
        workspace,
        tmp_path / "copy",
        links=[write_links(tmp_path / "a.parquet", urls)],
        engine=SerialEngine(),
        options=options,
    )
    assert (tmp_path / "copy" / "00002").is_dir()
    fewer = write_links(tmp_path / "b.parquet", urls[1:4])
    populate(workspace, tmp_path / "copy", links=[fewer], engine=SerialEngine(), options=options)
    assert not (tmp_path / "copy" / "00002").exists()
    kept = [json.loads(path.read_bytes())["url"] for path in sorted((tmp_path / "copy").glob("*/*.json"))]
    assert kept == urls[1:4]


def test_a_copy_keeps_its_layout(hurried: Workspace, tmp_path: Path, gallery: tuple[HostileServer, list[str]]) -> None:
    """Going on with another layout in the same folder is refused."""
    server, urls = gallery
    links = write_links(tmp_path / "links.parquet", urls[:1])
    populate(hurried, tmp_path / "copy", links=[links], engine=SerialEngine(), options=_options(server))
    with pytest.raises(UsageError, match="webdataset"):
        populate(
            hurried, tmp_path / "copy", links=[links], engine=SerialEngine(), options=_options(server, output="parquet")
        )


def _blurred(
    workspace: Workspace, tmp_path: Path, server: HostileServer, urls: list[str], **columns: object
) -> PopulateReport:
    pq.write_table(pa.table(columns), tmp_path / "boxes.parquet")
    links = write_links(tmp_path / "links.parquet", urls)
    options = _options(server, resize="no", format="png", boxes=tmp_path / "boxes.parquet")
    return populate(workspace, tmp_path / "copy", links=[links], engine=SerialEngine(), options=options)


@pytest.mark.parametrize("by", ["url", "link_id"])
def test_boxes_are_blurred(
    hurried: Workspace, tmp_path: Path, gallery: tuple[HostileServer, list[str]], by: str
) -> None:
    """Inside its box a picture is smooth; outside, and in pictures without a box, it is as it was."""
    server, urls = gallery
    keys = urls[:2] if by == "url" else [link_id(url) for url in urls[:2]]
    _blurred(hurried, tmp_path, server, urls[:3], **{by: keys, "bboxes": [[[0.0, 0.0, 0.5, 0.5]], []]})
    images = _images(tmp_path / "copy", "webdataset", "png")
    for key, seed in (("0000000", 0), ("0000002", 2)):
        plain = np.asarray(Image.open(io.BytesIO(draw(seed)))).astype(int)
        kept = np.asarray(Image.open(io.BytesIO(images[key]))).astype(int)
        changed = np.abs(plain - kept)
        assert (changed[:80, :80].mean() > 5) == (seed == 0)
        assert changed[130:, 130:].max() <= 2


def test_a_picture_whose_box_does_not_read_is_not_kept(
    hurried: Workspace, tmp_path: Path, gallery: tuple[HostileServer, list[str]]
) -> None:
    """A box beyond the picture is no box: the picture is refused by name, never written unblurred."""
    server, urls = gallery
    report = _blurred(hurried, tmp_path, server, urls[:2], url=urls[:1], boxes=[[[0.0, 0.0, 40.0, 50.0]]])
    assert (report.success, report.failed) == (1, {"bad_boxes": 1})


def test_a_table_that_is_none_of_boxes_stops_the_run(
    hurried: Workspace, tmp_path: Path, gallery: tuple[HostileServer, list[str]]
) -> None:
    """Before anything is fetched: a column is missing, a box has three sides; originals cannot be blurred."""
    server, urls = gallery
    with pytest.raises(FormatError, match="boxes"):
        _blurred(hurried, tmp_path, server, urls, url=urls[:1])
    with pytest.raises(FormatError, match="four"):
        _blurred(hurried, tmp_path, server, urls, url=urls[:1], boxes=[[[0.0, 0.0, 0.5]]])
    with pytest.raises(UsageError, match="original"):
        populate(
            hurried,
            tmp_path / "copy",
            links=[tmp_path / "links.parquet"],
            engine=SerialEngine(),
            options=_options(server, keep_original=True, boxes=tmp_path / "boxes.parquet"),
        )
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"resize": "stretch"}, "--resize"),
        ({"format": "gif"}, "--format"),
        ({"quality": 0}, "--quality"),
        ({"format": "png", "quality": 10}, "--quality"),
        ({"min_side_pixels": -1}, "--min-image-size"),
        ({"max_aspect_ratio": 0.5}, "--max-aspect-ratio"),
        ({"output": "tfrecord"}, "--output"),
    ],
)
def test_options_out_of_range_are_refused(
    hurried: Workspace, tmp_path: Path, gallery: tuple[HostileServer, list[str]], wrong: dict[str, object], where: str
) -> None:
    """By the name they have on the command line."""
    server, urls = gallery
    links = write_links(tmp_path / "links.parquet", urls)
    with pytest.raises(UsageError) as caught:
        populate(hurried, tmp_path / "copy", links=[links], engine=SerialEngine(), options=_options(server, **wrong))
    assert caught.value.where == where


def test_small_and_long_pictures_are_refused_by_name(
    hurried: Workspace, tmp_path: Path, gallery: tuple[HostileServer, list[str]]
) -> None:
    """With img2dataset's words; their digests are in the ledger nevertheless."""
    server, urls = gallery
    links = write_links(tmp_path / "links.parquet", urls[:2])
    report = populate(
        hurried, tmp_path / "a", links=[links], engine=SerialEngine(), options=_options(server, min_side_pixels=100)
    )
    assert report.failed == {"too_small": 1}
    rows = pq.read_table(tmp_path / "a" / "00000.parquet").to_pylist()
    assert rows[1]["error_message"] == "image too small"
    report = populate(
        hurried,
        tmp_path / "b",
        links=[links],
        engine=SerialEngine(),
        options=_options(server, keep_original=True, max_aspect_ratio=1.5),
    )
    assert report.failed == {"aspect_ratio": 1}
