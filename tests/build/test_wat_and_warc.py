"""The same pages read from their WARC and from their WAT."""

from pathlib import Path
from urllib.parse import urljoin

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType
from selectolax.lexbor import LexborHTMLParser
from tests.build.conftest import extract_file, triples

pytestmark = pytest.mark.shared


def only_in_srcset(warc: Path) -> set[tuple[str, str]]:
    """Page and URL of what some `srcset` of a page names and no `src` does: read off the pages themselves."""
    found: set[tuple[str, str]] = set()
    with warc.open("rb") as file:
        for record in ArchiveIterator(file, WarcRecordType.response, parse_http=True):
            if not (record.http_content_type or "").startswith("text/html"):
                continue
            page = str(record.headers.get("WARC-Target-URI"))
            tree = LexborHTMLParser(record.reader.read())
            sources = {urljoin(page, node.attributes.get("src") or "") for node in tree.css("[src]")}
            for node in tree.css("[srcset]"):
                for candidate in (node.attributes.get("srcset") or "").split(","):
                    url = urljoin(page, (candidate.split() or [""])[0])
                    if url not in sources:
                        found.add((page, url))
    return found


def test_98_of_100_links_are_the_same_from_warc_and_wat(shared_data: Path, tmp_path: Path) -> None:
    """Both ways, over all pages that are given as both: every link, with the same file, offset, date and crawl as its evidence.

    One text differs: the WAT's extractor reads the gb2312 byte pair A1 A4 as U+30FB, the Encoding standard as U+00B7.
    """
    from_warc: dict[tuple[str, str], tuple[object, ...]] = {}
    from_wat: dict[tuple[str, str], tuple[object, ...]] = {}
    texts: list[set[tuple[str, str, str]]] = [set(), set()]
    for name in ("resiliparse-warcfile", "whirlwind"):
        only_warc = only_in_srcset(shared_data / f"cc/{name}.warc.gz")
        for number, (path, rows) in enumerate(
            ((f"cc/{name}.warc.gz", from_warc), (f"wat/{name}.warc.wat.gz", from_wat))
        ):
            counts, table = extract_file(shared_data / path, tmp_path / name / str(number))
            assert not [key for key in counts if key.startswith(("broken", "truncated"))]
            # A WAT knows no other captions, and no other sizes of a picture than its src.
            pairs = zip(table["page_url"].to_pylist(), table["url"].to_pylist(), strict=True)
            known = [pair not in only_warc for pair in pairs]
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
