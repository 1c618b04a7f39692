"""Filters: each rule over one link, and the one over the whole build."""

from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.build.archives import gzipped, image, response_record, wat_record, wat_value

from linkwell.base.errors import FormatError, MissingError
from linkwell.base.settings import FilterSettings
from linkwell.base.workspace import Workspace
from linkwell.build import build, current_build
from linkwell.build.filters import (
    NO_FILTERS,
    blocked_domain,
    blocked_extension,
    declared_too_small,
    read_domains,
    rules,
    text_not_printable,
)
from linkwell.engine import Engine


def configured(folder: Path, filters: str) -> Workspace:
    """A workspace with these filters."""
    return Workspace.create(folder, "birds", f'dataset = "birds"\n[build.filters]\n{filters}\n')


def built(workspace: Workspace, source: Path, engine: Engine) -> tuple[dict[str, int], set[str]]:
    """What was rejected, and the ends of the URLs that were kept."""
    report = build(workspace, [str(source)], crawl="T", engine=engine)
    tables = [pq.read_table(path) for path in current_build(workspace).links]
    return report.rejected, {str(url).rsplit("/", 1)[1] for table in tables for url in table["url"].to_pylist()}


PICTURES = [
    image("a.jpg", "a red bird"),
    image("b.jpg", "bird"),
    image("c.SVG?x=1", "a drawn bird"),
    image("d.gif#top", "a moving bird"),
    image("e.jpg?next=x.gif", "no moving bird"),
    image("data:image/gif;base64,R0", "inside the page"),
    image("javascript:alert(1)", "a program"),
    image("https://cdn.ads.example/f.jpg", "a bird for sale"),
    image("g.jpg", "a bird \ufffd of the north"),
]


def test_the_defaults_are_laions(engine: Engine, tmp_path: Path) -> None:
    """Captions under five characters, SVG and GIF by the path's end, data: and javascript: go; each is counted under its name."""
    source = tmp_path / "s.warc.wat"
    source.write_bytes(wat_record(wat_value(links=PICTURES)))
    rejected, kept = built(Workspace.create(tmp_path / "w", "birds"), source, engine)
    assert rejected == {"data_url": 1, "extension": 2, "not_http": 1, "text_too_short": 1}
    assert kept == {"a.jpg", "e.jpg?next=x.gif", "f.jpg", "g.jpg"}


def test_every_rule_can_be_switched(engine: Engine, tmp_path: Path) -> None:
    """Off by 0 and an empty list; on, the others reject under their names; a list of domains is part of the build's name."""
    source = tmp_path / "s.warc.wat"
    source.write_bytes(wat_record(wat_value(links=PICTURES)))
    off = configured(tmp_path / "off", "min_text_characters = 0\nblocked_extensions = []")
    rejected, kept = built(off, source, engine)
    assert rejected == {"data_url": 1, "not_http": 1}
    assert len(kept) == 7
    filters = (
        'max_text_characters = 16\nprintable_text = true\nblocked_domains = "domains.txt"\nmin_text_characters = 0'
    )
    on = configured(tmp_path / "on", filters)
    with pytest.raises(MissingError, match=r"domains\.txt"):
        built(on, source, engine)
    domains = on.root / "domains.txt"
    domains.write_text("# advertisers\n0.0.0.0 ADS.example\n")
    rejected, kept = built(on, source, engine)
    assert rejected == {"data_url": 1, "extension": 2, "domain": 1, "not_http": 1, "text_too_long": 1}
    name = current_build(on).name
    domains.write_text("other.example\n")
    assert "f.jpg" not in kept
    built(on, source, engine)
    assert current_build(on).name != name


def test_declared_size(engine: Engine, tmp_path: Path) -> None:
    """A WARC's pictures that declare a small side go; those that declare none stay."""
    source = tmp_path / "s.warc.gz"
    html = b"<img src=a.jpg alt='a red bird' width=16><img src=b.jpg alt='a blue bird' width=99 height=99><img src=c.jpg alt='any bird'>"
    source.write_bytes(gzipped([response_record(html)]))
    rejected, kept = built(configured(tmp_path / "w", "min_side_pixels = 32"), source, engine)
    assert (rejected, kept) == ({"too_small": 1}, {"b.jpg", "c.jpg"})


def test_boilerplate_captions_go_from_the_whole_build(engine: Engine, tmp_path: Path) -> None:
    """Counted by pages over all archives, in any case; twice on one page is once; nothing of the stages is left."""
    for number in range(3):
        pages = [
            wat_value(
                f"http://s{number}-{page}.example/",
                [
                    image(f"/{number}-{page}.jpg", "Our Logo" if page else "our logo"),
                    image(f"/{number}-{page}-own.jpg", f"bird {number} {page}"),
                    *[image(f"/{number}-{page}-{n}-twice.jpg", f"same page {number} {page}") for n in range(6)],
                ],
            )
            for page in range(2)
        ]
        (tmp_path / f"{number}.warc.wat.gz").write_bytes(gzipped([wat_record(page) for page in pages]))
    workspace = configured(tmp_path / "w", "max_text_pages = 5")
    rejected, kept = built(workspace, tmp_path, engine)
    assert rejected == {"boilerplate_text": 6}
    assert len(kept) == 6 + 36
    assert not list(workspace.builds.glob("*/caption*"))
    rejected, _ = built(configured(tmp_path / "w6", "max_text_pages = 6"), tmp_path, engine)
    assert rejected == {}


def test_single_rules() -> None:
    """The edges of each."""
    assert blocked_domain("https://user@A.ads.example.:8080/x", frozenset({"ads.example"}))
    assert not blocked_domain("https://badads.example/x", frozenset({"ads.example"}))
    assert not blocked_domain("http://[::1", frozenset({"ads.example"}))
    assert blocked_extension("http://h/a.GIF", (".gif",))
    assert not blocked_extension("http://h/agif/x", (".gif",))
    assert text_not_printable("a\u200eb")
    assert not text_not_printable("ein Vögelchen 🐦 日本")
    assert declared_too_small(None, 3, 4)
    assert not declared_too_small(None, None, 4)
    assert rules(NO_FILTERS, frozenset()) == []


@pytest.mark.parametrize("line", ["http://ads.example/x", "a" * 300, "ä" * 80])
def test_a_line_that_is_no_domain_is_an_error(tmp_path: Path, line: str) -> None:
    """Named by file and line, so that no block is missed in silence."""
    path = tmp_path / "domains.txt"
    path.write_text(f"good.example\n{line}\n")
    with pytest.raises(FormatError, match="line 2"):
        read_domains(path)


@given(st.text(), st.text())
def test_no_text_or_url_breaks_a_rule(url: str, text: str) -> None:
    """All rules answer for anything."""
    everything = FilterSettings(min_text_characters=3, max_text_characters=9, printable_text=True)
    for _name, rule in rules(everything, frozenset({"a.example"})):
        assert rule(url, text) in {True, False}
    assert msgspec.json.decode(msgspec.json.encode(everything), type=FilterSettings) == everything
