"""An opt-out reaches a picture wherever it stands, also from a page where the picture is no link."""

from pathlib import Path

import pytest
from tests.e2e.archive import Site, write_warc

from linkwell.base.shards import read_tables
from linkwell.base.workspace import Workspace
from linkwell.build import build, current_build
from linkwell.engine import Engine

_PICTURE = "http://artist.example/heron.jpg"
_CAPTION = "a grey heron in the reeds"


def _build(workspace: Workspace, tmp_path: Path, engine: Engine, *sites: Site) -> tuple[list[str], dict[str, int]]:
    """URLs and training verdicts of what is built, and what was rejected."""
    archives = [
        str(write_warc(tmp_path / f"{number}.warc.gz", site.responses)) for number, site in enumerate(sites, start=1)
    ]
    report = build(workspace, archives, crawl=None, engine=engine)
    found = [
        f"{row['url']} {row['train_ai']}"
        for table in read_tables(current_build(workspace).links, ["url", "train_ai"])
        for row in table.to_pylist()
    ]
    return found, report.rejected


def _artist(caption: str, head: str = "", **headers: str) -> Site:
    site = Site("artist.example")
    site.page("index", [("heron.jpg", caption), ("other.jpg", "another picture, with a caption")], head, **headers)
    return site


def _elsewhere(host: str = "blog.example") -> Site:
    site = Site(host)
    site.page("post", [(_PICTURE, _CAPTION), ("own.jpg", "a picture of the blog itself")])
    return site


@pytest.mark.parametrize("caption", ["", "  ", "fish"])
@pytest.mark.parametrize("artist_first", [True, False])
def test_an_opt_out_beside_a_missing_or_short_caption_keeps_the_picture_out(
    workspace: Workspace, tmp_path: Path, engine: Engine, caption: str, *, artist_first: bool
) -> None:
    """Another page shows it with a caption and without a statement: it is left out, under a reason of its own."""
    sites = [_artist(caption, '<meta name="robots" content="noai">'), _elsewhere()]
    found, rejected = _build(workspace, tmp_path, engine, *(sites if artist_first else reversed(sites)))
    assert not any(each.startswith(_PICTURE) for each in found)
    assert "http://blog.example/own.jpg unknown" in found
    assert "http://artist.example/other.jpg disallow" in found
    assert rejected["opted_out_elsewhere"] == 1


def test_a_header_is_an_opt_out_too(workspace: Workspace, tmp_path: Path, engine: Engine) -> None:
    """Whatever the statement's place."""
    found, _ = _build(workspace, tmp_path, engine, _artist("", tdm_reservation="1"), _elsewhere())
    assert not any(each.startswith(_PICTURE) for each in found)


def test_without_an_opt_out_nothing_is_kept_out(workspace: Workspace, tmp_path: Path, engine: Engine) -> None:
    """A page that states nothing, or about search only, overrules no other."""
    sites = [_artist(""), _elsewhere(), _artist("", '<meta name="robots" content="noindex">')]
    found, rejected = _build(workspace, tmp_path, engine, *sites)
    assert f"{_PICTURE} unknown" in found
    assert "opted_out_elsewhere" not in rejected


def test_a_link_that_is_opted_out_itself_stays_with_its_caption(
    workspace: Workspace, tmp_path: Path, engine: Engine
) -> None:
    """Two pages of the artist opt out, one with a caption: the list keeps the link and its verdict."""
    second = Site("artist.example")
    second.page("gallery", [("heron.jpg", _CAPTION)], '<meta name="robots" content="noai">')
    first = _artist("", '<meta name="robots" content="noai">')
    found, rejected = _build(workspace, tmp_path, engine, first, second, _elsewhere())
    assert f"{_PICTURE} disallow" in found
    assert "opted_out_elsewhere" not in rejected
