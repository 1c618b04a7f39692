"""Pages nested without end, and archives that hold nothing."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.build.conftest import extract_file
from tests.e2e.archive import Response, Site, write_warc

from linkwell.base.workspace import Workspace
from linkwell.build import build, current_build, depth, extract
from linkwell.engine import Engine


def test_a_page_nested_without_end_is_read_up_to_a_depth(tmp_path: Path, workspace: Workspace, engine: Engine) -> None:
    """A parser would take minutes over it; what stands before the depth is read, and the page is counted as cut."""
    html = '<img src="a.jpg" alt="before the depths">' + "<div></b>" * 200_000 + '<img src="b.jpg" alt="too deep">'
    site = Site("deep.example")
    site.responses.append(Response("http://deep.example/", html.encode(), "text/html"))
    archive = write_warc(tmp_path / "deep.warc.gz", site.responses)
    report = build(workspace, [str(archive)], crawl=None, engine=engine)
    assert (report.links, report.pages_cut) == (1, 1)


PIECES = [
    "<div>",
    "</div>",
    "<b",
    "</b>",
    "<B x=1>",
    "<p>",
    "<P>",
    "<li>",
    "<lis>",
    "<br/>",
    "<br",
    "<",
    ">",
    "</",
    "é",
    "<ol<li>",
    "/",
]


@given(st.lists(st.sampled_from(PIECES), max_size=40), st.integers(1, 6))
def test_what_spares_the_walk_through_the_tags_changes_nothing(pieces: list[str], limit: int) -> None:
    """A page with too few tags that can nest is not walked through; if it were, it would not be cut."""
    html = "".join(pieces).encode()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(depth, "MAX_DEPTH", limit)
        patched.setattr(depth, "_FEW_TAGS", 0)
        walked = depth._walked(html)
        assert depth.depth_end(html) == walked
        assert walked == len(html) or html.count(b"<", 0, walked) >= limit


def test_an_archive_without_links_does_not_become_the_current_build(
    tmp_path: Path, workspace: Workspace, engine: Engine
) -> None:
    """The build before it stays."""
    site = Site("site.example")
    site.page("index", [("a.jpg", "a caption of some length")])
    build(workspace, [str(write_warc(tmp_path / "a.warc.gz", site.responses))], crawl=None, engine=engine)
    before = current_build(workspace).name
    (tmp_path / "b.warc").write_bytes(b"this is no archive")
    assert build(workspace, [str(tmp_path / "b.warc")], crawl=None, engine=engine).links == 0
    assert current_build(workspace).name == before


def test_pages_need_no_machine_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads a large WAT takes longer to load than a thousand pages to read: a WARC does without it."""
    site = Site("site.example")
    site.page("index", [("a.jpg", "a caption of some length")])
    archive = write_warc(tmp_path / "a.warc.gz", site.responses)
    monkeypatch.setattr(extract, "BATCHED_FROM_BYTES", 0)
    monkeypatch.setitem(sys.modules, "linkwell.build.watbatch", None)
    counts, table = extract_file(archive, tmp_path / "out")
    assert (counts["pages"], table.num_rows) == (1, 1)
