"""What is read from one page, in WAT and in WARC alike."""

import json
from typing import Any

import pyarrow as pa
import pytest
from tests.build.archives import gzipped, image, record, response_record, wat_pages, wat_record, wat_value
from tests.build.conftest import Extract, triples

from linkwell.base.ids import link_id
from linkwell.base.schema import LINK_SCHEMA
from linkwell.build import html

PAGE = "http://site.example/a/page.html"


def row(table: pa.Table, number: int = 0) -> dict[str, Any]:
    """One row as a dictionary."""
    return dict(table.slice(number, 1).to_pylist()[0])


def test_every_column_of_a_wat_row(extract: Extract) -> None:
    """All columns of the schema, each from its place."""
    counts, table = extract(
        [wat_record(wat_value(links=[image("x.jpg", " a \n red  bird ")], offset=99))], crawl="CC-TEST"
    )
    # Parquet has no seconds: they come back as milliseconds.
    assert table.cast(LINK_SCHEMA).schema.names == table.schema.names
    found = row(table)
    assert found.pop("seen_at").isoformat() == "2024-05-18T01:58:10+00:00"
    assert found == {
        "link_id": link_id("http://site.example/a/x.jpg"),
        "url": "http://site.example/a/x.jpg",
        "text": "a red bird",
        "text_source": "alt",
        "width": None,
        "height": None,
        "language": "und",
        "page_url": PAGE,
        "license": None,
        "license_scope": None,
        "credit": None,
        "train_ai": "unknown",
        "tdm": "unknown",
        "search": "unknown",
        "crawl": "CC-TEST",
        "warc": "crawl.warc.gz",
        "offset": 99,
        "similarity": None,
        "safety_bin": None,
        "cell": None,
    }
    assert counts == {"pages": 1, "images": 1, "links": 1, "bytes_read": counts["bytes_read"]}


def test_a_warc_row_has_its_own_file_offset_and_declared_size(extract: Extract) -> None:
    """Width and height as declared, the record's offset in the file, the file's name."""
    first = response_record(b"<p>no picture</p>", "http://other.example/")
    html = b"<html><img src=x.jpg alt='A &amp; B' width=320 height='240px'><img src=y.jpg alt=y width=100% height=-3></html>"
    _counts, table = extract([first, response_record(html)], "crawl-1.warc")
    assert [(row(table, n)["width"], row(table, n)["height"]) for n in (0, 1)] == [(320, 240), (None, None)]
    assert row(table)["text"] == "A & B"
    assert (row(table)["warc"], row(table)["offset"]) == ("crawl-1.warc", len(first))
    _counts, packed = extract(gzipped([first, response_record(html)]), "crawl-1.warc.gz")
    assert row(packed)["offset"] == len(gzipped([first]))


STATEMENTS = [
    ({"X-Robots-Tag": "noai"}, [], ("disallow", "unknown", "unknown")),
    ({"x-robots-tag": ["index", "noimageai"]}, [], ("disallow", "unknown", "allow")),
    ({"tdm-reservation": "1"}, [], ("disallow", "disallow", "unknown")),
    ({"TDM-Reservation": "maybe"}, [], ("unknown", "unknown", "unknown")),
    ({}, [("name", "robots", "noml, noindex")], ("disallow", "unknown", "disallow")),
    ({}, [("name", "googlebot", "noai")], ("conditional", "unknown", "unknown")),
    ({}, [("http-equiv", "X-Robots-Tag", "noai")], ("disallow", "unknown", "unknown")),
    ({}, [("name", "tdm-reservation", "0")], ("unknown", "allow", "unknown")),
    ({"X-Robots-Tag": "all"}, [("name", "ROBOTS", "NOAI")], ("disallow", "unknown", "allow")),
    ({"Content-Type": "text/html"}, [("name", "description", "noai")], ("unknown", "unknown", "unknown")),
]


@pytest.mark.parametrize(("headers", "metas", "verdicts"), STATEMENTS)
@pytest.mark.parametrize("kind", ["wat", "warc"])
def test_statements_become_verdicts(
    extract: Extract, kind: str, headers: dict[str, Any], metas: list[tuple[str, str, str]], verdicts: tuple[str, ...]
) -> None:
    """The same statements give the same verdicts from a WAT and from a WARC."""
    if kind == "wat":
        head = {"Metas": [{attribute: name, "content": content} for attribute, name, content in metas]}
        data = wat_record(wat_value(links=[image("x.jpg")], headers=headers, head=head))
    else:
        lines = [
            f"{name}: {each}"
            for name, value in headers.items()
            for each in ([value] if isinstance(value, str) else value)
        ]
        tags = "".join(f'<meta {attribute}="{name}" content="{content}">' for attribute, name, content in metas)
        html = f"<html><head>{tags}</head><img src=x.jpg alt=x>".encode()
        data = response_record(html, headers=["Content-Type: text/html", *lines])
    counts, table = extract(data, f"x.warc.{kind}" if kind == "wat" else "x.warc")
    found = row(table)
    assert (found["train_ai"], found["tdm"], found["search"]) == verdicts
    assert counts.get("signals_malformed", 0) == (2 if "maybe" in str(headers) else 0)


BY = "https://creativecommons.org/licenses/by/4.0/"


@pytest.mark.parametrize("kind", ["wat", "warc"])
@pytest.mark.parametrize(
    ("rel", "href", "licence"),
    [
        ("license", f"{BY}deed.en", BY),
        ("nofollow License", BY, BY),
        ("license", "/terms", "http://site.example/terms"),
        ("", BY, None),
        ("licensed", BY, None),
    ],
)
def test_licence_links(extract: Extract, kind: str, rel: str, href: str, licence: str | None) -> None:
    """A link counts as the licence when its rel says so; relative ones are resolved; a mere link to Creative Commons is none."""
    if kind == "wat":
        data = wat_record(wat_value(links=[image("x.jpg"), {"path": "A@/href", "url": href, "rel": rel}]))
    else:
        data = response_record(f'<img src=x.jpg alt=x><a rel="{rel}" href="{href}">l</a>'.encode())
    _counts, table = extract(data, "x.warc.wat" if kind == "wat" else "x.warc")
    assert (row(table)["license"], row(table)["license_scope"]) == (licence, "page" if licence else None)


def test_licences_in_the_head(extract: Extract) -> None:
    """A link element of the head, and a meta that names the licence."""
    for head in (
        {"Link": [{"path": "LINK@/href", "url": BY, "rel": "license"}]},
        {"Metas": [{"name": "dc.rights", "content": BY}]},
    ):
        _counts, table = extract([wat_record(wat_value(links=[image("x.jpg")], head=head))])
        assert row(table)["license"] == BY


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("/b/", "http://site.example/b/x.jpg"),
        ("http://other.example/c/d", "http://other.example/c/x.jpg"),
        ("//other.example", "http://other.example/x.jpg"),
        ("", "http://site.example/a/x.jpg"),
        ("data:text/plain,x", "http://site.example/a/x.jpg"),
        ("http://[bad", "http://site.example/a/x.jpg"),
    ],
)
def test_base(extract: Extract, base: str, url: str) -> None:
    """A page's base moves relative images, unless it is none that the standard takes."""
    _counts, table = extract([wat_record(wat_value(links=[image("x.jpg")], head={"Base": base}))])
    html = f'<html><head><base href="{base}"></head><img src="x.jpg" alt="a bird">'.encode()
    _counts, same = extract([response_record(html)], "x.warc")
    assert triples(table) == triples(same) == [(PAGE, url, "a bird")]


def test_the_same_image_twice_on_a_page_is_one_row(extract: Extract) -> None:
    """Same URL and text: a duplicate, counted; another text for the same URL is another row here."""
    links = [image("x.jpg", text) for text in ("a", "b", "a", "b", "a")]
    counts, table = extract([wat_record(wat_value(links=links))])
    assert table["text"].to_pylist() == ["a", "b"]
    assert counts["duplicates"] == 3


def test_other_records_are_passed_over(extract: Extract) -> None:
    """Requests, other metadata, text conversions, pictures and pages without images cost nothing and give nothing."""
    request: dict[str, Any] = {"Envelope": {"Payload-Metadata": {"HTTP-Request-Metadata": {}}}}
    records = [
        record("warcinfo", "application/warc-fields", b"isPartOf: CC-MAIN-2024-22\r\n"),
        record("request", "application/http; msgtype=request", b"GET / HTTP/1.1\r\n\r\n"),
        wat_record(json.dumps(request).encode()),
        record("metadata", "application/warc-fields", b"fetchTimeMs: 3\r\n"),
        record("conversion", "text/plain", b"text"),
        response_record(b"\xff\xd8\xff", headers=["Content-Type: image/jpeg"]),
        record("response", "text/dns", b"20240518\n"),
        response_record(b"<p>words</p>", headers=["content-type: Text/HTML; charset=x"]),
        *wat_pages(1, 1),
    ]
    counts, table = extract(records, "x.warc")
    assert table["crawl"].to_pylist() == ["CC-MAIN-2024-22"]
    assert {k: v for k, v in counts.items() if k != "bytes_read"} == {
        "skipped_no_response": 1,
        "skipped_metadata": 1,
        "skipped_not_html": 1,
        "skipped_no_http": 1,
        "pages": 2,
        "images": 1,
        "links": 1,
    }


def test_a_page_stored_as_a_resource_or_without_a_type(extract: Extract) -> None:
    """A resource record that is HTML, and a response that does not say its type but looks like HTML, are pages."""
    resource = record("resource", "text/html", b"<img src=r.jpg alt=r>", "http://r.example/")
    untyped = response_record(b"<!DOCTYPE html><img src=u.jpg alt=u>", "http://u.example/", headers=["Server: x"])
    unlike = response_record(b"GIF89a<img src=u.jpg alt=u>", "http://v.example/", headers=["Server: x"])
    _counts, table = extract([resource, untyped, unlike], "x.warc")
    assert table["url"].to_pylist() == ["http://r.example/r.jpg", "http://u.example/u.jpg"]


def test_languages(extract: Extract) -> None:
    """Sure answers in ISO 639-1, `und` for what is too short, no words, or nothing sure."""
    texts = ["Ein Vogel sitzt auf dem Dach des Hauses", "the quick brown fox jumps over the lazy dog", "IMG_1234", "ok", "⭐⭐⭐⭐", "Птица сидит на крыше дома"]  # fmt: skip
    _counts, table = extract(
        [wat_record(wat_value(links=[image(f"{n}.jpg", t) for n, t in enumerate(texts)]))], language=True
    )
    assert table["language"].to_pylist() == ["de", "en", "und", "und", "und", "ru"]


def test_equal_input_gives_equal_bytes(extract: Extract) -> None:
    """The same archive makes the same rows in the same order, language included."""
    records = wat_pages(30)
    assert extract(records, language=True)[1].equals(extract(records, language=True)[1])


def test_pages_parsed_together_keep_their_order_and_the_crawl_they_stand_behind(
    extract: Extract, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages wait until there are enough; what names the crawl, and a page of a WAT, are not overtaken by them, nor overtake them."""

    def page(number: int) -> bytes:
        text = f"<img src={number}.jpg alt='bird {number}'>" if number % 3 else "<img>"
        return response_record(text.encode(), f"http://site{number}.example/")

    records = [
        *map(page, range(1, 8)),
        record("metadata", "application/warc-fields", b"fetchTimeMs: 5\r\n"),
        wat_record(wat_value("http://wat.example/", [image("w.jpg", "bird of a WAT")])),
        *map(page, range(8, 11)),
        record("warcinfo", "application/warc-fields", b"isPartOf: CC-MAIN-2024-22\r\n"),
        *map(page, range(11, 17)),
    ]
    numbers = [number for number in range(1, 17) if number % 3]
    texts = [f"bird {number}" for number in numbers]
    texts.insert([number > 7 for number in numbers].index(True), "bird of a WAT")
    crawls = ["unknown" if number < 11 else "CC-MAIN-2024-22" for number in numbers]
    crawls.insert(0, "unknown")
    for pages, size in ((2, 10**9), (50, 100), (50, 10**9)):
        monkeypatch.setattr(html, "_HELD_PAGES", pages)
        monkeypatch.setattr(html, "_HELD_BYTES", size)
        counts, table = extract(records, "pages.warc")
        assert (table["text"].to_pylist(), table["crawl"].to_pylist()) == (texts, crawls)
        assert counts["pages"] == len(range(1, 17)) + 1
