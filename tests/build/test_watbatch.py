"""Reading many records of a WAT at once gives what reading them one by one gives: rows, evidence, reservations and counters."""

import gzip
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.build.archives import gzipped, image, record, wat_pages, wat_record, wat_value
from tests.build.conftest import extract_file

from linkwell.base.settings import FilterSettings
from linkwell.build import extract as extraction
from linkwell.build import wat, watbatch
from linkwell.build.columns import LinkCollector
from linkwell.build.filters import NO_FILTERS
from linkwell.build.wat import read_wat_page
from linkwell.build.watbatch import WatBatch, WatRecords
from linkwell.build.watfacts import MAX_STATED

Told = tuple[dict[str, int], list[dict[str, Any]], list[Any], list[dict[str, Any]]]


def told(collector: LinkCollector) -> Told:
    counts = dict(collector.counts)
    return counts, collector.take_table().to_pylist(), collector.take_evidence(), collector.take_reserved().to_pylist()


def collector(filters: FilterSettings) -> LinkCollector:
    return LinkCollector(
        Counter(),
        max_text_characters=90,
        max_url_characters=60,
        detector=None,
        filters=filters,
        blocked_domains=frozenset(),
    )


def one_by_one(bodies: Sequence[bytes], filters: FilterSettings) -> Told:
    gathered = collector(filters)
    for body in bodies:
        page = read_wat_page(body, gathered.counts)
        if page is not None:
            gathered.add(page)
    return told(gathered)


def batch_of(bodies: Sequence[bytes], gathered: LinkCollector) -> WatBatch:
    return WatRecords(gathered.limits).put(bodies)


def at_once(bodies: Sequence[bytes], filters: FilterSettings) -> tuple[Told, int]:
    gathered = collector(filters)
    batch = batch_of(bodies, gathered)
    gathered.add_batch(batch)
    return told(gathered), sum(map(batch.is_slow, range(len(bodies))))


def agree(bodies: Sequence[bytes], filters: FilterSettings = NO_FILTERS) -> int:
    """Read the records both ways; returns how many were slow."""
    fast, slow = at_once(bodies, filters)
    assert fast == one_by_one(bodies, filters)
    return slow


def compact(value: object, *, ascii_only: bool = False) -> bytes:
    return json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":")).encode("utf-8", "surrogatepass")


TEXTS = st.text(max_size=12) | st.sampled_from(
    ["a bird", " a \u00a0 b\u3000c ", "}]", "{", '"IMG@/src"', '{"path":"IMG@/src"', '"Links":[', "a\\", '"', "\x85", "bird\n", "\U0001f600 x", "L\u0130", ""]
)  # fmt: skip
PIECES = [
    "/",
    "//",
    ".",
    "..",
    "%2e",
    "%20",
    "?",
    "#",
    ":",
    "a",
    "b.jpg",
    "x.GIF",
    " ",
    "\u00e9",
    "\\",
    "'",
    "|",
    "&",
    "@",
    "-",
    "\n",
]
PATHS = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)
HOSTS = st.sampled_from(
    ["h.example", "H.example", "1.2.3.4", "a--b.example", "xn--a.example", "h.example:8080", "h.example:80", "h.example:0", "h.example:99999",
     "-a.example", "a-.example", "a..example", "h.1a", "u@h.example", "localhost", ""]
)  # fmt: skip
ADDRESSES = (
    PATHS
    | st.builds("{}{}{}".format, st.sampled_from(["http://", "https://", "//", "HTTP://", "http:/", "data:", "javascript:"]), HOSTS, PATHS)
    | TEXTS
)  # fmt: skip
OTHER_VALUES: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.just([]) | st.just({"a": [1, {}]})
)
LINK: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"path": st.sampled_from(["IMG@/src", "IMG@/src", "A@/href", "IMG@/srcset"]) | TEXTS},
    optional={
        "url": ADDRESSES,
        "alt": TEXTS,
        "title": TEXTS | OTHER_VALUES,
        "rel": st.sampled_from(["license", "x License", "nofollow", "icense"]) | TEXTS,
        "type": TEXTS,
    },
)
META = st.fixed_dictionaries(
    {"content": st.sampled_from(["noai", "noindex", "1", "all"]) | TEXTS},
    optional={
        "name": st.sampled_from(["robots", "ROBOTS", "tdm-reservation", "viewport", "dc.rights", "to\u212aen"]) | TEXTS,
        "property": TEXTS,
        "http-equiv": st.sampled_from(["X-Robots-Tag", "refresh"]),
    },
)
HEAD = st.fixed_dictionaries(
    {},
    optional={
        "Metas": st.lists(META, max_size=3),
        "Base": ADDRESSES | st.lists(ADDRESSES, max_size=2),
        "Link": st.lists(LINK, max_size=2),
        "Scripts": st.lists(LINK, max_size=1),
        "Title": TEXTS | OTHER_VALUES,
    },
)
HEADERS = st.dictionaries(
    st.sampled_from(["Content-Type", "X-Robots-Tag", "x-robots-tag", "Link", "tdm-reservation"]) | TEXTS,
    st.sampled_from(["text/html", "noai", "1"]) | TEXTS | st.lists(TEXTS, max_size=2),
    max_size=2,
)
PAGES = st.sampled_from(["http://site.example/a/p.html?q", "<http://site.example:8080/a/p.html>", "https://site.example"]) | st.builds(
    "http://{}{}".format, HOSTS, PATHS
)  # fmt: skip


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A record as the extractor may write it: any strings, some members missing, sometimes in other orders, escaped or not."""
    value = wat_value(draw(PAGES), draw(st.lists(LINK, max_size=5)), headers=draw(HEADERS) or None, head=draw(HEAD))
    envelope = value["Envelope"]
    response = envelope["Payload-Metadata"]["HTTP-Response-Metadata"]
    change = draw(st.integers(0, 14))
    if change == 1:
        response["HTML-Metadata"] = dict(reversed(response["HTML-Metadata"].items()))
    elif change == 2:
        value = dict(reversed(value.items()))
    elif change == 3:
        envelope["WARC-Header-Metadata"]["WARC-Date"] = draw(
            st.sampled_from(["", "20240518015810", "2024-02-30T00:00:00Z", "x"])
        )
    elif change == 4:
        value["Container"]["Offset"] = draw(st.sampled_from([5, "x", "-3", " 7", 1.5, None]))
    elif change == 5:
        del envelope["WARC-Header-Metadata"]["WARC-Target-URI"]
    elif change == 6:
        envelope["Payload-Metadata"] = {"HTTP-Request-Metadata": {"HTTP-Response-Metadata": 1}}
    elif change == 7:
        del response["HTML-Metadata"]
    elif change == 8:
        response["HTML-Metadata"]["Further"] = [{"path": "IMG@/src", "url": "/f.jpg", "alt": "a further one"}]
        del response["HTML-Metadata"]["Links"]
    return compact(value, ascii_only=draw(st.booleans()))


IMAGES = [
    image("x/y.jpg", "a bird"),
    image("x/y.jpg", " a  bird "),
    image("//h.example/z.GIF", "a gif bird"),
    image("", "none"),
]


@example(
    [compact(wat_value(links=[{"path": "IMG@/src", "alt": "}]}", "url": "{"}])), compact(wat_value(links=IMAGES))], 0
)
@example([compact(wat_value(links=[*IMAGES, {"path": "A@/href", "url": "/l", "rel": "license"}]))], 1)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(bodies(), min_size=1, max_size=4), st.integers(0, 2))
def test_any_records(records: list[bytes], which: int) -> None:
    """With quotes, braces and key words inside strings, odd orders, bases, statements, relative and broken addresses."""
    agree(records, (NO_FILTERS, FilterSettings(), FilterSettings(printable_text=True, min_text_characters=2))[which])


@example(" ".join("abcdefghijklmnopqrstuvwxyz"))
@example("x" * 31 + " y")
@example("x" * 32 + "  y")
@example("x" * 31 + " \u00a0y ")
@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "a",
                "word",
                "sixteen letters.",
                " ",
                "  ",
                "\u00a0",
                "\u00e9",
                "\n",
                "\t",
                "\\",
                '"',
                "\x7f",
                "\U0001f600",
            ]
        ),
        max_size=40,
    ).map("".join)
)
def test_texts_of_any_length(text: str) -> None:
    """Folded 32 bytes at a time, as they are one by one; so are addresses copied."""
    links = [image("/a.jpg", text), image(f"/{text}", "a bird"), image("/b.jpg", f"{text} ")]
    agree([compact(wat_value(links=links)), compact(wat_value(links=links), ascii_only=True)])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(bodies(), st.integers(0, 5_000), st.integers(0, 255))
def test_a_changed_byte(body: bytes, place: int, value: int) -> None:
    """As long as the record is JSON, whatever it then says is read alike; else something is counted."""
    changed = bytearray(body)
    changed[place % len(body)] = value
    try:
        json.loads(changed)
    except (ValueError, RecursionError):
        fast, _slow = at_once([body, bytes(changed), body], NO_FILTERS)
        assert sum(fast[0].values()) >= 3
    else:
        agree([body, bytes(changed), body])


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=60), st.integers(0, 3_000), st.integers(0, 60))
def test_noise_is_read_to_its_end_and_not_further(noise: bytes, place: int, cut: int) -> None:
    """Bytes put in, and a record cut short: nothing is raised, its neighbours are read as ever, and each record is counted."""
    whole = compact(wat_value(links=IMAGES))
    broken = whole[: place % len(whole)] + noise + whole[place % len(whole) + cut :]
    gathered = collector(NO_FILTERS)
    gathered.add_batch(batch_of([whole, broken, whole, broken[: len(broken) // 2]], gathered))
    counts, rows, _evidence, _reserved = told(gathered)
    assert len(rows) >= 4
    assert counts["pages"] >= 2
    assert counts["pages"] + counts.get("broken_json", 0) + sum(counts.get(f"skipped_{each}", 0) for each in ("no_response", "not_html")) == 4  # fmt: skip


def test_what_is_usual_is_not_slow() -> None:
    """A record as Common Crawl has them is read at once, with its statements; only one that opts out is read by itself."""
    usual = compact(wat_value(links=IMAGES, head={"Metas": [{"name": "robots", "content": "all"}], "Base": "/b/"}))
    assert agree([usual] * 3) == 0
    assert agree([compact(wat_value(links=[image("\n", "\u0001")]))]) == 1


@pytest.mark.parametrize(
    "body",
    [
        b'{"Envelope":{"Payload-Metadata":{"HTTP-Response-Metadata":{}}},"Envelope":{}}',
        compact(wat_value(links=IMAGES)).replace(b'"alt"', b'"al\\u0074"'),
        compact(wat_value(links=IMAGES)).replace(b'"alt":"none"', b'"alt":"none","alt":"twice"'),
        compact(wat_value(links=IMAGES)).replace(b":", b": "),
        compact(wat_value(links=IMAGES)).replace(b"a bird", b"a \xff bird"),
        compact(wat_value(links=IMAGES)).replace(b"a bird", b"a \\ud800 bird"),
        compact(wat_value(links=IMAGES)).replace(b'"a bird"', b"5"),
        compact(wat_value(links=IMAGES)).replace(b'"Head":{}', b'"Head":{"deep":' + b"[" * 100 + b"]" * 100 + b"}"),
        compact(wat_value(links=IMAGES)).replace(b'"Links":', b'"Links":[],"Links":'),
    ],
)
def test_what_is_unusual_is_slow_and_read_alike(body: bytes) -> None:
    """Keys twice or escaped, white space, wrong types, broken UTF-8, depth."""
    assert agree([body]) == 1


def test_a_page_that_forbids_keeps_its_pictures_reserved() -> None:
    """Also those without a caption, among pages that forbid nothing."""
    forbids = wat_value("http://no.example/", [*IMAGES, image("/only.jpg", None)], headers={"X-Robots-Tag": "noai"})
    fast, _slow = at_once([compact(wat_value(links=IMAGES)), compact(forbids)], FilterSettings())
    assert fast[3]
    agree([compact(wat_value(links=IMAGES)), compact(forbids), compact(wat_value(links=IMAGES))], FilterSettings())


@pytest.mark.parametrize(
    "name", ["my-crawler", "a-crawler-with-a-very-long-name-that-fits-no-table", "\u00fcbercrawler"]
)
def test_crawlers_of_a_policy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A meta for a crawler that only the policy knows is read, whatever its name."""
    monkeypatch.setattr(wat, "SPEAKING_NAMES", {*wat.SPEAKING_NAMES, name})
    monkeypatch.setattr(watbatch, "SPEAKING_NAMES", wat.SPEAKING_NAMES)
    batch = batch_of(
        [compact(wat_value(links=IMAGES, head={"Metas": [{"name": name.upper(), "content": "noindex"}]}))],
        collector(NO_FILTERS),
    )
    assert batch.unusual() == [0]


@pytest.mark.parametrize("count", [1, MAX_STATED - 1, MAX_STATED, MAX_STATED + 1, 3 * MAX_STATED])
def test_pages_with_many_statements(count: int) -> None:
    """Of headers, metas, head links and bases, in any number, beside a page that states nothing and one with a licence in its body."""
    metas = [{"name": "robots", "content": f"max-snippet:{number}"} for number in range(count)]
    licences = [
        {"path": "LINK@/href", "rel": "license", "url": f"/licence/{number}", "type": "x"} for number in range(2)
    ]
    full = wat_value(
        links=IMAGES,
        head={"Metas": metas, "Base": ["/b/", "/c/"], "Link": licences},
        headers={"X-Robots-Tag": ["all", "noarchive"], "tdm-reservation": "0"},
    )
    body_licence = wat_value(links=[*IMAGES, {"path": "A@/href", "url": "/l", "rel": "license"}])
    agree([compact(full), compact(wat_value(links=IMAGES)), compact(body_licence), compact(full, ascii_only=True)])


@pytest.mark.parametrize("batched", [True, False])
def test_a_file_either_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batched: bool) -> None:  # noqa: FBT001 - a parameter
    """The crawl's name holds for the records behind it, and damage hands over to the reader that copes with it."""
    info = record("warcinfo", "application/warc-fields", b"isPartOf: CC-MAIN-2024-22\r\n")
    packed = gzipped([*wat_pages(3), info, *wat_pages(3), wat_record(b"{broken"), *wat_pages(2)])
    path = tmp_path / "x.warc.wat.gz"
    path.write_bytes(packed + gzip.compress(b"rubbish") + gzipped(wat_pages(4)))
    monkeypatch.setattr(extraction, "BATCHED_FROM_BYTES", 0 if batched else 1 << 40)
    counts, table = extract_file(path, tmp_path / "out")
    assert counts["pages"] == 12
    assert counts["links"] == table.num_rows == 36
    assert table["crawl"].to_pylist() == ["unknown"] * 9 + ["CC-MAIN-2024-22"] * 27
    assert [str(url) for url in table["url"].to_pylist()][:2] == [
        "http://site0.example/0-0.jpg",
        "http://site0.example/0-1.jpg",
    ]


def test_machine_code_is_made_anew_when_any_of_its_sources_changes() -> None:
    """All modules that `watscan` and `watunpack` import are named as its sources."""
    package = Path(watbatch.__file__).parent
    found, waiting = set(), ["watscan", "watunpack"]
    while waiting:
        name = waiting.pop()
        found.add(name)
        imported = re.findall(
            r"^from linkwell\.build\.(\w+) import", (package / f"{name}.py").read_text(), re.MULTILINE
        )
        waiting += set(imported) - found
    assert found == set(watbatch._SOURCES)


def test_a_large_file_is_read_without_numba() -> None:
    """Once the code was made, which the first call sees to, loading it imports llvmlite only."""
    watbatch.machine_code()
    code = "import sys; from linkwell.build import watbatch; watbatch.machine_code(); print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


@pytest.mark.shared
def test_real_files_both_ways(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same table and counters from five real files."""
    for path in sorted((shared_data / "wat").glob("*.wat.gz")):
        told = []
        for size in (0, 1 << 40):
            monkeypatch.setattr(extraction, "BATCHED_FROM_BYTES", size)
            told.append(extract_file(path, tmp_path / path.name / str(size)))
        assert told[0][0] == told[1][0]
        assert told[0][1].equals(told[1][1])
