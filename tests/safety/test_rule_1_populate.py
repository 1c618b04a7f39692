"""Ground rule 1, at populate: no pixel of a suspected entry is ever stored, shown or sent; no line names it."""

import hashlib
import io
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.populate.conftest import HURRIED, draw, write_links
from tests.populate.hostile_server import ADDRESS, HostileServer

from linkwell.base.ids import link_id
from linkwell.base.workspace import Workspace
from linkwell.engine import SerialEngine
from linkwell.ledger import exact_digests, read_ledger
from linkwell.lists import import_list, load_matcher, read_findings
from linkwell.pictures import Kept
from linkwell.pictures.decode import decode
from linkwell.populate import PopulateOptions, PopulateReport, populate
from linkwell.populate.examine import examine

_kept_copies: list[Path] = []


def _keep_a_copy(event: str, arguments: tuple[object, ...]) -> None:
    """Before any file is renamed or removed, keep a copy of it: nothing that was ever written escapes the search."""
    if _kept_copies and event in ("os.remove", "os.rename"):
        path = Path(str(arguments[0]))
        if path.is_file() and _kept_copies[0] not in path.parents:
            count = len(list(_kept_copies[0].iterdir()))
            shutil.copyfile(path, _kept_copies[0] / f"{count}-{path.name}")


sys.addaudithook(_keep_a_copy)


@pytest.fixture
def graveyard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a copy of every file that was ever renamed, removed, or had no name."""
    folder = tmp_path / "graveyard"
    folder.mkdir()

    def named(**_: object) -> object:
        return (folder / f"spool-{len(list(folder.iterdir()))}").open("w+b")

    monkeypatch.setattr("linkwell.populate.spool._MEMORY_BYTES", 0)
    monkeypatch.setattr("linkwell.populate.spool.tempfile.TemporaryFile", named)
    _kept_copies.append(folder)
    yield folder
    _kept_copies.clear()


@pytest.fixture
def server() -> Iterator[HostileServer]:
    """A server that has one picture that the list knows by its URL."""
    with HostileServer({"/good.jpg": draw(1)}) as running:
        yield running


NAMES = ("exact", "similar", "listed-url", "behind-a-redirect")


class Story:
    """A populate over good pictures and suspected ones, of which lists know bytes, looks or URL."""

    def __init__(self, tmp_path: Path, server: HostileServer) -> None:
        self.workspace = Workspace.create(tmp_path / "workspace", "birds", HURRIED)
        self.copy = tmp_path / "copy"
        self.server = server
        self.urls = {name: server.url(f"/{name}.jpg", f"{name}.example") for name in NAMES}
        self.urls["behind-a-redirect"] = server.url("/to-other-host", "behind-a-redirect.example")
        self.pictures = {name: draw(100 + number) for number, name in enumerate(NAMES)}
        server.pictures.update({f"/{name}.jpg": data for name, data in self.pictures.items()})
        server.pictures.update({f"/{n}.jpg": draw(n) for n in range(6)})
        server.delays["/0.jpg"] = 0.4  # the first row comes last, so that all others have to wait for their turn
        seen = decode(self._again(self.pictures["similar"]), max_pixels=10**8, min_side=512)
        similar = exact_digests(b"").with_picture(seen.pixels, seen.width, seen.height)
        assert similar.pdq is not None
        listed = tmp_path.with_name(f"{tmp_path.name}-list.txt")  # outside what is searched
        listed.write_text(
            "# synthetic\n"
            f"sha1 {hashlib.sha1(self.pictures['exact']).hexdigest()}\n"
            f"pdq {similar.pdq.hex()}\n"
            f"url {self.urls['listed-url']}\n"
            f"url {server.url('/good.jpg', 'b.example')}\n"
        )
        import_list(self.workspace, listed, source="org-a")
        self.good = [server.url(f"/{n}.jpg") for n in range(6)]
        order = [self.good[0], *self.urls.values(), *self.good[1:]]
        texts = {url: f"words of {name}" for name, url in self.urls.items()}
        self.links = write_links(
            tmp_path / "links.parquet", order, text=[texts.get(url, "good words") for url in order]
        )

    @staticmethod
    def _again(data: bytes) -> bytes:
        """The same picture in other bytes."""
        out = io.BytesIO()
        Image.open(io.BytesIO(data)).save(out, "JPEG", quality=60)
        return out.getvalue()

    def populate(self) -> PopulateReport:
        """Fetch everything."""
        options = PopulateOptions(resolve=self.server.pins, allow_net=(f"{ADDRESS}/32",))
        return populate(self.workspace, self.copy, links=[self.links], engine=SerialEngine(), options=options)

    def needles(self) -> Iterator[bytes]:
        """What must be nowhere: pieces of the pictures as served and as they would be kept, digests, URLs, texts."""
        matcher = load_matcher(Workspace.create(self.workspace.root.parent / "no-lists", "birds"))
        for name, url in self.urls.items():
            yield url.encode()
            yield f"words of {name}".encode()
            data = self.pictures[name]
            kept = examine(data, Kept(max_pixels=10**8), matcher)
            assert kept.image is not None
            for blob in (data, kept.image):
                yield from (blob[start : start + 48] for start in (len(blob) // 3, len(blob) // 2, len(blob) - 60))
            for digest in (kept.digests.md5, kept.digests.sha1, kept.digests.sha256, kept.digests.pdq or b""):
                yield digest
                yield digest.hex().encode()
            yield link_id(url)
            yield link_id(url).hex().encode()


def test_matched_pictures_reach_no_file_and_no_line(
    tmp_path: Path,
    server: HostileServer,
    graveyard: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Of pictures that lists know by bytes, looks or URL, no byte, URL, text, digest or id is in any file ever written or any line."""
    caplog.set_level(0)
    story = Story(tmp_path, server)
    report = story.populate()
    assert (report.success, report.withheld, report.failed, report.review) == (6, 4, {}, True)
    assert server.requests["/listed-url.jpg"] == 0
    assert server.requests["/good.jpg"] == 0
    assert server.requests["/exact.jpg"] == 1
    assert any(path.name.startswith("spool") for path in graveyard.iterdir())
    assert any(path.name.endswith(".tmp") for path in graveyard.iterdir())
    out, err = capfd.readouterr()
    said = (out + err + caplog.text).encode()
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path != story.links]
    assert len(files) > 10
    contents = {path: path.read_bytes() for path in files}
    for needle in story.needles():
        assert needle not in said
        for path, data in contents.items():
            assert needle not in data, path
    for path in files:  # and behind parquet's compression
        if (
            path.parent in (story.copy, graveyard)
            and b"parquet" in path.name.encode()
            and path.read_bytes()[:4] == b"PAR1"
        ):
            shown = str(pq.read_table(path).to_pylist())
            assert not [url for url in story.urls.values() if url in shown]


def test_matched_pictures_are_found_and_in_the_ledger(tmp_path: Path, server: HostileServer) -> None:
    """What is dropped is not forgotten: findings of each class, sealed, and the digests in the ledger."""
    story = Story(tmp_path, server)
    story.populate()
    found = {(finding.link_id, finding.finding_class) for finding in read_findings(story.workspace)}
    assert found == {
        (link_id(story.urls["exact"]), "exact"),
        (link_id(story.urls["similar"]), "perceptual"),
        (link_id(story.urls["listed-url"]), "url"),
        (link_id(story.urls["behind-a-redirect"]), "url"),
    }
    ids = {value for table in read_ledger(story.workspace, ["link_id"]) for value in table["link_id"].to_pylist()}
    assert link_id(story.urls["exact"]) in ids
    assert link_id(story.urls["listed-url"]) not in ids
