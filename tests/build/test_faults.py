"""Damaged archives: what is not damaged is read, what is is counted under a name."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.build.archives import gzipped, image, record, response_record, wat_pages, wat_record, wat_value
from tests.build.conftest import Extract, extract_file, triples


def pages_of(table: object) -> set[str]:
    return {page for page, _url, _text in triples(table)}  # type: ignore[arg-type] # a pyarrow table


def test_a_whole_archive_counts_no_damage(extract: Extract) -> None:
    """Gzipped by record, gzipped as a whole and not gzipped, the same rows come out and nothing is counted."""
    records = wat_pages(20)
    outcomes = [
        extract(gzipped(records), "a.warc.wat.gz"),
        extract(gzip.compress(b"".join(records)), "b.warc.wat.gz"),
        extract(records, "c.warc.wat"),
    ]
    for counts, table in outcomes:
        assert counts["links"] == table.num_rows == 60
        assert not [name for name in counts if name.startswith(("broken", "truncated"))]
        assert triples(table) == triples(outcomes[0][1])


@pytest.mark.parametrize("keep", [0.35, 0.6, 0.999])
def test_a_truncated_gzip_keeps_what_comes_before(extract: Extract, keep: float) -> None:
    """The records before the cut are read; the file is counted as truncated."""
    records = wat_pages(20)
    data = gzipped(records)
    cut = int(len(data) * keep)
    whole, end = 0, 0
    for each in records:
        end += len(gzip.compress(each, mtime=0))
        whole += end <= cut
    counts, table = extract(data[:cut], "x.warc.wat.gz")
    assert counts["truncated_files"] == 1
    assert len(pages_of(table)) >= whole


@pytest.mark.parametrize("gz", [False, True])
def test_a_truncated_archive_of_one_piece(extract: Extract, *, gz: bool) -> None:
    """An archive without members of its own records is found cut as well."""
    data = b"".join(wat_pages(20))
    cut = gzip.compress(data)[:-100] if gz else data[: len(data) // 2]
    counts, table = extract(cut, "x.warc.wat.gz" if gz else "x.warc.wat")
    assert counts["truncated_files"] == 1
    assert table.num_rows >= 24


def test_damage_in_the_middle_costs_one_record(extract: Extract) -> None:
    """Bytes overwritten in one member: that record is gone, all others are read."""
    members = [gzip.compress(each, mtime=0) for each in wat_pages(20)]
    members[9] = members[9][:40] + b"\x00\xff" * 20 + members[9][80:]
    counts, table = extract(b"".join(members), "x.warc.wat.gz")
    assert counts["broken_gzip"] == 1
    assert len(pages_of(table)) == 19
    assert "truncated_files" not in counts


def test_a_checksum_that_does_not_hold_is_damage(extract: Extract) -> None:
    """A member whose CRC is wrong is left out and counted."""
    members = [bytearray(gzip.compress(each, mtime=0)) for each in wat_pages(6)]
    members[2][-8] ^= 0xFF
    counts, table = extract(b"".join(members), "x.warc.wat.gz")
    assert counts["broken_gzip"] == 1
    assert len(pages_of(table)) >= 5


@pytest.mark.parametrize("gz", [False, True])
def test_a_record_without_length_costs_itself(extract: Extract, *, gz: bool) -> None:
    """Reading goes on at the next record."""
    records = wat_pages(10)
    body = json.dumps(wat_value("http://lost.example/", [image("/x.jpg")])).encode()
    records.insert(4, record("metadata", "application/json", body, "http://lost.example/", length=None))
    counts, table = extract(gzipped(records) if gz else records, "x.warc.wat.gz" if gz else "x.warc.wat")
    assert counts["broken_no_length"] == 1
    assert len(pages_of(table)) == 10


@pytest.mark.parametrize("gz", [False, True])
@pytest.mark.parametrize("length", [20, 100_000, 10_000_000_000])
def test_a_wrong_length_costs_itself(extract: Extract, length: int, *, gz: bool) -> None:
    """Too short or too long: the records that it would swallow are read all the same."""
    records = wat_pages(10)
    body = json.dumps(wat_value("http://lost.example/", [image("/x.jpg")])).encode()
    records.insert(4, record("metadata", "application/json", body, "http://lost.example/", length=length))
    counts, table = extract(gzipped(records) if gz else records, "x.warc.wat.gz" if gz else "x.warc.wat")
    assert sum(n for name, n in counts.items() if name.startswith("broken")) >= 1
    assert len(pages_of(table) - {"http://lost.example/"}) == 10


def test_a_record_of_broken_json_costs_itself(extract: Extract) -> None:
    """It is counted; its neighbours are read."""
    records = wat_pages(4)
    whole = json.dumps(wat_value("http://lost.example/", [image("/x.jpg")])).encode()
    records.insert(2, wat_record(whole[:-40]))
    counts, table = extract(records)
    assert counts["broken_json"] == 1
    assert len(pages_of(table)) == 4


def test_a_record_in_a_wrong_charset_is_read_with_replacements(extract: Extract) -> None:
    """Bytes that are no UTF-8 become U+FFFD; the page is counted."""
    body = (
        json.dumps(wat_value(links=[image("/x.jpg", "caf%%"), image("/y.jpg", "tea")])).encode().replace(b"%%", b"\xe9")
    )
    counts, table = extract([wat_record(body)])
    assert counts["wrong_charset"] == 1
    assert table["text"].to_pylist() == ["caf\ufffd", "tea"]


def test_unusual_types_and_lone_surrogates_are_read(extract: Extract) -> None:
    """Numbers where strings stand, lists of bases, nulls, half a surrogate pair, a raw control character: all as far as they go."""
    odd: list[Any] = [
        image("x.jpg"),
        {"path": "IMG@/src", "url": 5, "alt": None},
        {"path": "IMG@/src", "url": "7.jpg", "alt": 7},
    ]
    value = wat_value(links=odd)
    envelope = value["Envelope"]["Payload-Metadata"]["HTTP-Response-Metadata"]
    envelope["HTML-Metadata"]["Head"] = {"Base": ["/b/", "/c/"]}
    body = json.dumps(value).encode().replace(b"a bird", b"a \\ud83d bird\x01")
    counts, table = extract([wat_record(body)])
    assert triples(table) == [
        ("http://site.example/a/page.html", "http://site.example/b/x.jpg", "a \ufffd bird\x01"),
        ("http://site.example/a/page.html", "http://site.example/b/7.jpg", "7"),
    ]
    assert counts["rejected_no_text"] == 1


def test_a_text_of_a_megabyte_is_cut_and_an_endless_url_rejected(extract: Extract) -> None:
    """The text is cut at the setting and counted; a URL longer than the setting is no link."""
    links = [image("/a.jpg", "word " * 200_000), image("/" + "a" * 1_000_000, "long"), image("/b.jpg", "x")]
    counts, table = extract([wat_record(wat_value(links=links))])
    assert counts["texts_cut"] == 1
    assert counts["rejected_url_too_long"] == 1
    assert [len(str(text)) for text in table["text"].to_pylist()] == [1_999, 1]


def test_impossible_urls_have_a_name(extract: Extract) -> None:
    """Each image that can be no link is counted under its reason, and all add up."""
    links = [
        image("http://[::1/x.jpg"), image("http://a b/x.jpg"), image("data:image/gif;base64,R0"), image(" DATA:,x"), image(""),
        image("ftp://h.example/x"), image("blob:http://h.example/1"), image("/y.jpg", " \u3000\n"), image("/y.jpg", None), image("/ok.jpg"),
    ]  # fmt: skip
    counts, table = extract([wat_record(wat_value(links=links))])
    assert {name: n for name, n in counts.items() if name.startswith("rejected")} == {
        "rejected_bad_url": 2,
        "rejected_data_url": 2,
        "rejected_no_src": 1,
        "rejected_not_http": 2,
        "rejected_no_text": 2,
    }
    assert counts["images"] == 10
    assert table["url"].to_pylist() == ["http://site.example/ok.jpg"]


@pytest.mark.parametrize("data", [b"", b"hello " * 5_000, b"\x1f\x8b\x08", gzip.compress(b"no archive")])
def test_a_file_that_is_no_archive_is_counted(extract: Extract, data: bytes) -> None:
    """Nothing is read, nothing raises."""
    counts, table = extract(data, "x.warc.gz")
    assert table.num_rows == 0
    assert counts["broken_not_an_archive"] == 1


def test_garbage_after_the_last_record_is_counted(extract: Extract) -> None:
    """All records are read."""
    counts, table = extract(gzipped(wat_pages(5)) + b"garbage" * 100, "x.warc.wat.gz")
    assert table.num_rows == 15
    assert counts["broken_gzip"] == 1


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_damage_ends_in_counts(tmp_path: Path, data: st.DataObject) -> None:
    """Bytes overwritten, cut out or put in anywhere, in archives of both kinds: the task ends, with rows from the pages there were."""
    records = wat_pages(6, 1) + [
        response_record(f'<img src="/w{n}.jpg" alt="w">'.encode(), f"http://w{n}.example/") for n in range(4)
    ]
    archive = bytearray(gzipped(records) if data.draw(st.booleans()) else b"".join(records))
    noise = random.Random(data.draw(st.integers(0, 1_000)))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(archive) - 1))
        size = data.draw(st.integers(0, 300))
        archive[place : place + data.draw(st.sampled_from([0, size]))] = noise.randbytes(size)
    path = tmp_path / "fuzzed.warc.gz"
    path.write_bytes(archive)
    counts, table = extract_file(path, tmp_path / "fuzz")
    assert table.num_rows == counts.get("links", 0) <= len(records)
