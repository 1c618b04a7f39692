"""The same pages read from their WARC and from their WAT."""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.build.conftest import extract_file, triples

pytestmark = pytest.mark.shared


def test_98_of_100_links_are_the_same_from_warc_and_wat(shared_data: Path, tmp_path: Path) -> None:
    """Both ways, over all pages that are given as both: every link, with the same file, offset, date and crawl as its evidence.

    One text differs: the WAT's extractor reads the gb2312 byte pair A1 A4 as U+30FB, the Encoding standard as U+00B7.
    """
    from_warc: dict[tuple[str, str], tuple[object, ...]] = {}
    from_wat: dict[tuple[str, str], tuple[object, ...]] = {}
    texts: list[set[tuple[str, str, str]]] = [set(), set()]
    # From srcset, which a WAT does not keep: the larger sizes of five pictures on one page.
    only_warc = re.compile(r"/(24px-Map|500px-Cast|140px-Escudo)|poweredby_mediawiki_176x62|wikimedia-button-2x")
    for name in ("resiliparse-warcfile", "whirlwind"):
        for number, (path, rows) in enumerate(
            ((f"cc/{name}.warc.gz", from_warc), (f"wat/{name}.warc.wat.gz", from_wat))
        ):
            counts, table = extract_file(shared_data / path, tmp_path / name / str(number))
            assert not [key for key in counts if key.startswith(("broken", "truncated"))]
            # A WAT knows no other captions.
            known = [not only_warc.search(str(url)) for url in table["url"].to_pylist()]
            table = table.filter(pc.and_(pc.equal(table["text_source"], pa.scalar("alt")), pa.array(known)))
            evidence = [
                table[column].to_pylist() for column in ("warc", "offset", "seen_at", "crawl", "train_ai", "license")
            ]
            for page, url, *rest in zip(
                table["page_url"].to_pylist(), table["url"].to_pylist(), *evidence, strict=True
            ):
                rows[page, url] = tuple(rest)
            texts[number].update(triples(table))
    assert len(from_warc) > 30
    both = from_warc.keys() & from_wat.keys()
    assert len(both) >= 0.98 * len(from_warc)
    assert len(both) >= 0.98 * len(from_wat)
    assert {key: from_warc[key] for key in both} == {key: from_wat[key] for key in both}
    page, url = "http://0760.jxtdw.com/area/sanxiang/", "http://img3.jxtdw.com/logo200/0760_logo.gif"
    assert texts[0] ^ texts[1] == {(page, url, "\N{MIDDLE DOT}中山"), (page, url, "\N{KATAKANA MIDDLE DOT}中山")}


def test_a_warc_whose_bodies_no_longer_fit_their_headers(shared_data: Path, tmp_path: Path) -> None:
    """books.toscrape.warc says chunked where nothing is: the page and its 20 captioned images are read all the same."""
    counts, table = extract_file(shared_data / "cc/books.toscrape.warc", tmp_path)
    assert counts["pages"] == 1
    assert table.num_rows == 20
    assert set(table["train_ai"].to_pylist()) == {"conditional"}
    assert not [key for key in counts if key.startswith(("broken", "truncated"))]


def test_a_crawl_with_addresses_in_angle_brackets(shared_data: Path, tmp_path: Path) -> None:
    """Archives of wget have `<http://…>` for a record's address: relative images resolve, and nothing is lost."""
    counts, table = extract_file(shared_data / "wat/localweb-handbook.warc.wat.gz", tmp_path)
    assert counts["images"] == 9_074 == table.num_rows + counts["duplicates"]
    assert all(str(url).startswith("http") for url in table["page_url"].unique().to_pylist())
