"""Members unpacked by machine code are those that `Members` tells, whatever the file holds."""

import gzip
import io
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.build.archives import gzipped, image, record, wat_pages, wat_record, wat_value
from tests.build.conftest import extract_file

from linkwell.build import extract as extraction
from linkwell.build import watfile
from linkwell.build.members import Members
from linkwell.build.watbatch import WatBatch
from linkwell.build.watfacts import LONGEST_BODY, RECORDS_AT_ONCE
from linkwell.build.watfile import Unusual, WatFile

LIMITS = (1, 2000, 2000)
LONGEST_INFO = 8_000


def by_machine_code(data: bytes, longest_info: int = LONGEST_INFO) -> tuple[list[bytes], int | None]:
    """Every body that begins with a brace, and where reading stops."""
    wat = WatFile(io.BytesIO(data), LIMITS, longest_info)
    found = []
    for each in wat:
        if isinstance(each, WatBatch):
            found += [each._records.body(number) for number in range(len(each.facts))]
        else:
            found.append(bytes(each.body))
    return [each for each in found if each.startswith(b"{")], wat.stopped_at


def by_members(data: bytes) -> tuple[list[bytes], int | None]:
    reading = Members(io.BytesIO(data))
    return [bytes(each) for each in reading if each.startswith(b"{")], reading.stopped_at


def agree(data: bytes) -> list[bytes]:
    found, stopped_at = by_machine_code(data)
    expected, stops_at = by_members(data)
    if stops_at is None:
        assert (found, stopped_at) == (expected, None)
    else:
        # Members looks ahead to the next member: it may stop one earlier.
        assert stopped_at is not None
        assert stopped_at >= stops_at
        assert found[: len(expected)] == expected
    return found


def metadata(body: bytes) -> bytes:
    return record("metadata", "application/json", body)


INFO = b'{"Envelope":{"Payload-Metadata":{"WARC-Info-Metadata":{"isPartOf":"CC-MAIN-2024-22"}}}}'


def test_libdeflate_shows_its_functions() -> None:
    """The wheel of `deflate` has them inside; where it did not, large files would be read record by record."""
    assert watfile.can_read()


def test_without_libdeflate_a_file_is_read_record_by_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The links are the same."""
    path = tmp_path / "x.warc.wat.gz"
    path.write_bytes(gzipped(wat_pages(20)))
    monkeypatch.setattr(extraction, "BATCHED_FROM_BYTES", 0)
    counts, table = extract_file(path, tmp_path / "fast")
    monkeypatch.setattr(watfile, "can_read", lambda: False)
    assert extract_file(path, tmp_path / "slow")[0] == counts
    assert extract_file(path, tmp_path / "slow2")[1].equals(table)


def test_what_describes_a_warcinfo_is_told_apart() -> None:
    """So that the crawl's name holds for what is behind it; not where it is not asked for."""
    records = [*wat_pages(2), metadata(INFO), *wat_pages(2), metadata(b'{"' + b"x" * LONGEST_INFO + INFO[1:])]
    wat = WatFile(io.BytesIO(gzipped(records)), LIMITS, LONGEST_INFO)
    told = [bytes(each.body) if isinstance(each, Unusual) else len(each.facts) for each in wat]
    assert told == [2, INFO, 3]
    assert agree(gzipped(records))[2] == INFO
    assert [
        len(each.facts) for each in WatFile(io.BytesIO(gzipped(records)), LIMITS, 0) if isinstance(each, WatBatch)
    ] == [6]


@pytest.mark.parametrize("place", range(40))
def test_a_warcinfo_is_found_at_any_place(place: int) -> None:
    """Whatever part of 32 bytes it stands in, and at the very end."""
    body = b"{" + b" " * place + b'"WARC-Info-Metadata"'
    (found,) = WatFile(io.BytesIO(gzip.compress(metadata(body))), LIMITS, LONGEST_INFO)
    assert isinstance(found, Unusual)
    (found,) = WatFile(io.BytesIO(gzip.compress(metadata(body[:-1]))), LIMITS, LONGEST_INFO)
    assert isinstance(found, WatBatch)


@pytest.mark.parametrize(
    "headers",
    [
        b"WARC/1.0\r\nWARC-Type: metadata\r\nContent-Length: 2\r\n\r\n",
        b"WARC/1.1\r\nContent-Length: 2\r\nWARC-Type: metadata\r\nX: y\r\n\r\n",
        b"WARC/1.0\r\nWARC-Type: metadata\r\nContent-Length: 02\r\n\r\n",
        b"WARC/1.0\r\nWARC-Type: metadata\r\nContent-Length: 2 \r\n\r\n",
        b"WARC/1.0\r\nWARC-Type: metadata\r\nContent-Length: 3\r\n\r\n",
        b"WARC/1.0\r\nWARC-Type: metadata\r\n\r\n",
        b"WARC/1.0\r\nWARC-Type: metadata\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
        b"WARC/1.0\r\nWARC-Type: metadata\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"WARC/1.0\nWARC-Type: metadata\nContent-Length: 2\n\n",
        b"WARC/1.0\r\nWARC-Type: metadata\r\nX: " + b"y" * 20_000 + b"\r\nContent-Length: 2\r\n\r\n",
        b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.0\r\nWARC-Type: metadata\r\nContent-Length: 2\r\n\r\n",
        b"",
    ],
)
def test_headers(headers: bytes) -> None:
    """Usual ones, unusual ones, and those that are none."""
    agree(gzip.compress(metadata(b"{}")) + gzip.compress(headers + b"{}\r\n\r\n") + gzip.compress(metadata(b"{1}")))


@pytest.mark.parametrize("size", [0, 1, LONGEST_BODY - 1, LONGEST_BODY, LONGEST_BODY + 1, 6_000_000, 33_000_000])
def test_records_of_any_size(size: int) -> None:
    """Long ones are read by themselves, too long ones stop it; their neighbours are read as ever."""
    long = b"{" + b" " * (size - 1) if size else b""
    found = agree(gzipped([*wat_pages(3), metadata(long), *wat_pages(3)]))
    assert len(found) == (3 if size > 32_000_000 else 6 + (size > 0))


def test_many_small_records_and_what_is_no_json() -> None:
    """More than are read at once."""
    records = [metadata(b"{%d}" % number) for number in range(2 * RECORDS_AT_ONCE + 5)]
    records[7] = metadata(b"[7]")
    packed = gzipped(records)
    assert len(agree(packed)) == len(records) - 1
    wat = WatFile(io.BytesIO(packed), LIMITS, 0)
    assert [len(each.facts) for each in wat if isinstance(each, WatBatch)] == [RECORDS_AT_ONCE, RECORDS_AT_ONCE, 4]
    assert wat.skipped == 1


def test_members_longer_than_a_piece_and_magic_numbers_inside() -> None:
    """Stored, not compressed, a member shows its content."""
    noise = random.Random(1)
    bodies = [b"{" + noise.randbytes(1_500_000) + b"\x1f\x8b\x08" * 3 + b"}" for _ in range(3)]
    assert agree(b"".join(gzip.compress(metadata(each), 0) for each in bodies)) == bodies


PAGES = gzipped(wat_pages(8))


@example(b"", 0, 0)
@example(b"\0\0\0", len(PAGES), 0)
@example(b"\0", PAGES.index(b"\x1f\x8b\x08", 1_000) - 2, 0)
@example(b"\0", PAGES.index(b"\x1f\x8b\x08", 1_000) - 1, 2)
@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=40), st.integers(0, len(PAGES)), st.integers(0, 60))
def test_any_damage(noise: bytes, place: int, cut: int) -> None:
    """Bytes put in or left out: never a body that was not written."""
    found = agree(PAGES[:place] + noise + PAGES[place + cut :])
    assert set(found) <= set(by_members(PAGES)[0])


def _damaged() -> Sequence[bytes]:
    data = gzipped(wat_pages(40))
    return [
        data[:-5],
        data + b"\0\0\0",
        data + b"rubbish",
        data[:2_000] + bytes([data[2_000] ^ 8]) + data[2_001:],
        data[:-4] + b"\xff\xff\xff\xff",
        data + gzip.compress(b"not a record"),
        data + gzip.compress(b"not a record") + data,
        data + b"rubbish" + data,
        data + gzip.compress(wat_record(wat_value(links=[image("http://h/z.jpg")]))[:-2]),
        gzip.compress(gzip.decompress(data)),
        b"",
        b"\x1f\x8b\x08",
    ]


@pytest.mark.parametrize("number", range(12))
def test_damage_is_left_to_the_slow_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Rows and counts are those of a reader that has no fast way."""
    path = tmp_path / "x.warc.wat.gz"
    path.write_bytes(_damaged()[number])
    monkeypatch.setattr(extraction, "BATCHED_FROM_BYTES", 0)
    counts, table = extract_file(path, tmp_path / "fast")
    monkeypatch.setattr(extraction, "BATCHED_FROM_BYTES", 1 << 40)
    monkeypatch.setattr(Members, "__iter__", lambda _self: iter(()))
    slow_counts, slow_table = extract_file(path, tmp_path / "slow")
    assert table.to_pylist() == slow_table.to_pylist()
    assert counts == slow_counts
