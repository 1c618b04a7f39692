"""Populate with `lists.edited_pictures`: a listed picture that was framed is found when it is fetched, and its looks are kept nowhere."""

import asyncio
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from tests.populate.conftest import draw, write_links
from tests.populate.hostile_server import HostileServer

from linkwell.base.ids import link_id
from linkwell.base.workspace import Workspace
from linkwell.engine import SerialEngine
from linkwell.ledger import pdq_hash
from linkwell.lists import Match, Matcher, import_list, load_matcher, read_findings
from linkwell.pictures import Kept, Pictures
from linkwell.populate import PopulateOptions, populate
from linkwell.populate.examine import Examined, examine, examine_apart

_KEPT = Kept(size=64, max_pixels=10**7)


def _listed() -> bytes:
    with Image.open(io.BytesIO(draw(4, 320))) as image:
        return pdq_hash(np.asarray(image.convert("RGB"), np.uint8))[0]


@pytest.fixture
def workspace(hurried: Workspace, tmp_path: Path) -> Workspace:
    """One that has a list with the picture's hash."""
    path = tmp_path / "list.txt"
    path.write_text(f"# synthetic\npdq {_listed().hex()}\n")
    import_list(hurried, path, source="synthetic")
    return hurried


def _framed() -> bytes:
    out = io.BytesIO()
    with Image.open(io.BytesIO(draw(4, 320))) as image:
        ImageOps.expand(image.convert("RGB"), 40, "black").save(out, "JPEG", quality=90)
    return out.getvalue()


@pytest.mark.parametrize("keep_original", [False, True])
def test_a_framed_picture_is_found_when_asked_for(workspace: Workspace, *, keep_original: bool) -> None:
    """Here and in a picture process: with its looks nothing is kept of it but its own digests; without, it passes."""
    matcher, body = load_matcher(workspace), _framed()
    plain = Kept(size=64, max_pixels=10**7, keep_original=keep_original)
    looking = Kept(size=64, max_pixels=10**7, keep_original=keep_original, looks=True)
    unmatched = examine(body, plain, Matcher.of(())).digests.pdq

    async def apart(kept: Kept) -> Examined:
        pictures = Pictures(1, 30.0)
        try:
            return await examine_apart(pictures, body, kept, matcher)
        finally:
            await pictures.close()

    expected: tuple[Match, ...]
    for kept, expected in ((plain, ()), (looking, (Match("synthetic", "pdq"),))):
        for examined in (examine(body, kept, matcher), asyncio.run(apart(kept))):
            assert examined.matches == expected
            assert (examined.image is None) == bool(expected)
            assert examined.digests.pdq == unmatched


def test_looks_of_low_quality_are_not_matched(workspace: Workspace) -> None:
    """A look matches under the same conditions as the picture itself."""
    matcher = load_matcher(workspace)
    digests = examine(draw(9), _KEPT, Matcher.of(())).digests
    assert matcher.match_digests(digests, [(_listed(), 49)]) == []
    assert matcher.match_digests(digests, [(_listed(), 50)]) == [Match("synthetic", "pdq")]


@pytest.mark.parametrize("asked", [False, True])
def test_the_setting_decides(
    workspace: Workspace, server: HostileServer, options: PopulateOptions, tmp_path: Path, *, asked: bool
) -> None:
    """A run withholds the framed picture and records the match where the settings say so."""
    settings = workspace.root / "linkwell.toml"
    settings.write_text(settings.read_text() + f"[lists]\nedited_pictures = {str(asked).lower()}\n")
    reopened = Workspace.open(workspace.root)
    server.pictures["/framed.jpg"] = _framed()
    urls = [server.url("/framed.jpg"), server.url("/good.jpg")]
    links = write_links(tmp_path / "links.parquet", urls)
    report = populate(reopened, tmp_path / "copy", links=[links], engine=SerialEngine(), options=options)
    assert report.success == (1 if asked else 2)
    assert [finding.link_id for finding in read_findings(reopened)] == ([link_id(urls[0])] if asked else [])
