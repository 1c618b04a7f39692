"""Pictures of HTML pages that a WAT does not know, their captions, licences and credits."""

import json
import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.build.archives import response_record

from linkwell.build.html import fill_page
from linkwell.build.page import Page
from linkwell.build.pictures import image_objects, largest

Extract = Callable[..., tuple[dict[str, int], pa.Table]]
BASE = "http://site.example/a/"


def page_of(html: str) -> Page:
    """The page that a text makes."""
    page = Page(BASE, "", "w", 0, None, [])
    fill_page(page, html.encode())
    return page


def found(html: str) -> list[tuple[str, str, str]]:
    """Address, caption and its source of every captioned picture of a page."""
    page = page_of(html)
    assert page.text_sources is not None
    rows = zip(page.images, page.text_sources, strict=True)
    return [(each.url, " ".join(each.alt.split()), source) for each, source in rows if each.alt.strip()]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<img src=a alt=bird title=t>", [("a", "bird", "alt")]),
        ("<img src=a alt=' ' title='a bird'>", [("a", "a bird", "title")]),
        ("<img src=a aria-label='a bird'>", [("a", "a bird", "aria-label")]),
        (
            "<figure><a><img src=a title=t></a><figcaption>A <b>red</b> bird</figcaption></figure><img src=b>",
            [("a", "A red bird", "figcaption")],
        ),
        ("<img src=spacer data-src=real alt=bird>", [("spacer", "bird", "alt"), ("real", "bird", "alt")]),
        ("<img data-original=real alt=bird>", [("", "bird", "alt"), ("real", "bird", "alt")]),
        ("<img src=s srcset='m 2x, l 3x, s' alt=bird>", [("s", "bird", "alt"), ("l", "bird", "alt")]),
        ("<img src=s data-srcset='m 200w, l,x.jpg 900w' alt=bird>", [("s", "bird", "alt"), ("l,x.jpg", "bird", "alt")]),
        (
            "<picture><source srcset='p1 1x, p2 2x'><source srcset=q><img src=s alt=bird></picture>",
            [("s", "bird", "alt"), ("p2", "bird", "alt")],
        ),
        (
            "<meta property=og:image content=o><meta property=og:image:alt content='a bird'><meta property=og:image content=n>",
            [("o", "a bird", "og:image:alt")],
        ),
        (
            '<script type="application/ld+json">[{"@type":["schema:ImageObject"],"url":"j","caption":"a bird"}]</script>',
            [("j", "a bird", "json-ld")],
        ),
        ('<script type="application/ld+json">{"@type":"ImageObject",</script><img src=a alt=b>', [("a", "b", "alt")]),
        ('<script>{"@type":"ImageObject","contentUrl":"j","caption":"a bird"}</script>', []),
    ],
)
def test_where_address_and_caption_come_from(html: str, expected: list[tuple[str, str, str]]) -> None:
    """Each way a page names a picture, and which caption wins."""
    assert found(html) == expected


@pytest.mark.parametrize(
    ("srcset", "expected"),
    [
        ("a.jpg", "a.jpg"),
        ("a.jpg, b.jpg 2x", "b.jpg"),
        ("a 100w, b 50w", "a"),
        ("a 1x, b 1x", "a"),
        ("a,b c", "a,b"),
        ("data:image/gif;base64,R0lG 1x, b 2x", "b"),
        ("a (x, y) 5x, b 2x", "a"),
        (" , ,", None),
        ("", None),
        (None, None),
    ],
)
def test_the_largest_candidate_of_a_srcset(srcset: str | None, expected: str | None) -> None:
    """Widths and densities as the HTML standard splits them: commas belong to an address unless they end it."""
    assert largest(srcset) == expected


def test_licence_and_credit_of_an_image(extract: Extract) -> None:
    """JSON-LD's hold for the picture, wherever it stands on the page; the page's licence for the others; who is named, by rank."""
    statements: list[dict[str, Any]] = [
        {
            "contentUrl": "/a/1.jpg",
            "license": "http://creativecommons.org/licenses/by/4.0/deed.en",
            "creditText": "Ana Li",
        },
        {"contentUrl": "/a/2.jpg", "creator": [{"@type": "Person", "name": "Bo"}, "Co"], "copyrightNotice": "(c) D"},
        {"contentUrl": "/a/3.jpg", "copyrightNotice": "(c) D", "acquireLicensePage": "/buy"},
        {
            "url": "5.jpg",
            "name": "a fifth bird",
            "license": {"@id": "https://creativecommons.org/publicdomain/zero/1.0/"},
        },
    ]
    ld = json.dumps([{"@type": "ImageObject", **each} for each in statements])
    images = "".join(f"<img src={n}.jpg alt='bird {n}'>" for n in range(1, 5))
    html = f"<link rel=license href=/terms>{images}<script type=application/ld+json>{ld}</script>"
    _counts, table = extract([response_record(html.encode())], "c.warc")
    rows = {row["url"].rsplit("/", 1)[1]: row for row in table.to_pylist()}
    by, zero = "https://creativecommons.org/licenses/by/4.0/", "https://creativecommons.org/publicdomain/zero/1.0/"
    assert {name: (row["license"], row["license_scope"], row["credit"]) for name, row in rows.items()} == {
        "1.jpg": (by, "image", "Ana Li"),
        "2.jpg": ("http://site.example/terms", "page", "Bo, Co"),
        "3.jpg": ("http://site.example/buy", "image", "(c) D"),
        "4.jpg": ("http://site.example/terms", "page", None),
        "5.jpg": (zero, "image", None),
    }
    assert {row["text_source"] for name, row in rows.items() if name != "5.jpg"} == {"alt"}
    assert rows["5.jpg"]["text_source"] == "json-ld"


@given(st.text(alphabet=" ,()1x2w.ab\t\n", max_size=200))
def test_any_srcset_reads(srcset: str) -> None:
    """An answer stands in the attribute, and is no descriptor's rest."""
    answer = largest(srcset)
    assert answer is None or (answer in srcset and not set(answer) & set(" \t\n"))


@pytest.mark.parametrize(
    "hostile", ["a" + " " * 30_000 + "(", "a (" * 10_000, "," * 30_000, "a," * 20_000, "a" * 30_000]
)
def test_hostile_srcsets_take_no_time(hostile: str) -> None:
    """No quadratic search: a limit of ten seconds where the good case takes a millisecond."""
    started = time.process_time()
    largest(hostile)
    assert time.process_time() - started < 10


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=9)
    | st.just("ImageObject"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["@type", "@graph", "url", "contentUrl", "license", "creator", "name", "caption", "width", "x"]
            ),
            inner,
            max_size=6,
        )
    ),
)


@given(_json)
def test_any_json_ld_reads(value: object) -> None:
    """Whatever types stand where: no crash, and every object of the type is found."""
    page_of(f'<script type="application/ld+json">{json.dumps(value)}</script> ImageObject')
    flat = json.dumps(value)
    if '"@type": "ImageObject"' in flat:
        assert list(image_objects(value))


@given(st.text(max_size=300), st.binary(max_size=200))
def test_any_page_reads(text: str, data: bytes) -> None:
    """Any text around and inside markup makes a page, without an exception."""
    page_of(
        f"<figure><img srcset='{text}' data-src='{text}'>{text}<figcaption>{data!r}{text}</figure>og:image<meta property=og:image content='{text}'>"
    )


def test_an_element_that_two_rules_could_mean_is_looked_at_once() -> None:
    """`rel=license` on a picture, a meta or a script is nothing, and does not make them two."""
    page = page_of(
        "<img rel=license src=a alt=bird><meta rel=license name=robots content=noai><p rel=license href=p>"
        "<a rel='x LICENSE' href=l></a>"
    )
    assert [(each.url, each.alt) for each in page.images] == [("a", "bird")]
    assert (page.metas, page.licences) == ([("robots", "noai")], ["l"])
