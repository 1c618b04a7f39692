"""The fast way through a WAT gives what the slow one gives, whatever the file holds."""

import gzip
import io
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.build.archives import gzipped, image, record, wat_pages, wat_record, wat_value
from tests.build.conftest import extract_file

from linkwell.build import members
from linkwell.build.members import Members
from linkwell.build.wat import _decode, _decode_quickly, read_wat_page  # the two ways that must agree

STRINGS = st.text(max_size=12) | st.sampled_from(
    [
        '"IMG@/src"',
        "}]",
        "{",
        "}",
        '"Links":[',
        '"Head":{',
        "a{b",
        "x}]},",
        "license",
        '\\"IMG@/src\\"',
        "},{",
        "\\",
        "]",
        ",",
    ]
)
LINKS = st.lists(
    st.fixed_dictionaries(
        {"path": st.sampled_from(["IMG@/src", "A@/href", "IMG@/srcset"]) | STRINGS},
        optional={"url": STRINGS, "alt": STRINGS, "rel": st.just("license") | STRINGS, "text": STRINGS},
    ),
    max_size=6,
)


@example([{"path": "IMG@/src", "alt": "}"}, {"url": "{", "path": "IMG@/src"}], {}, "")
@given(LINKS, st.dictionaries(STRINGS, STRINGS, max_size=3), STRINGS)
def test_links_cut_out_are_those_of_the_whole_record(
    links: list[dict[str, str]], headers: dict[str, str], base: str
) -> None:
    """With braces, quotes and key words inside strings: the same images and licences, or none, and the record is decoded whole."""
    value = wat_value(
        links=links, headers=headers or None, head={"Base": base, "Metas": [{"name": base, "content": "}]"}]}
    )
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    quick, whole = _decode_quickly(body), _decode(body)

    def told(found: Any) -> tuple[object, ...]:
        response = found.envelope.payload.response
        wanted = [each for each in response.html.links if each.path == "IMG@/src" or "icense" in each.rel]
        # The two kinds are taken apart later: only the order within each counts.
        wanted.sort(key=lambda each: each.path != "IMG@/src")
        head = response.html.head
        links = [(each.path, each.url, each.alt, each.rel) for each in wanted]
        return links, response.headers, head.base, [(each.name, each.content) for each in head.metas]

    assert quick is None or told(quick) == told(whole)


@given(st.binary(max_size=300), st.integers(0, 2))
def test_any_bytes_for_a_record(data: bytes, place: int) -> None:
    """A record of noise, or with noise inside, is counted as something; nothing is raised."""
    body = [
        data,
        b'{"HTTP-Response-Metadata" "Head":{ "Links":["IMG@/src"}]' + data,
        b'{"HTTP-Response-Metadata":' + data + b"}",
    ][place]
    counts: Counter[str] = Counter()
    read_wat_page(body, counts)
    assert sum(counts.values()) >= 1


def bodies(data: bytes) -> tuple[list[bytes], int | None]:
    """What the fast way reads of a file, and where it stops."""
    reading = Members(io.BytesIO(data))
    return [bytes(each) for each in reading], reading.stopped_at


def test_a_whole_file_is_read_to_its_end() -> None:
    """Every body, as it was written; a record of another type stops it at that record's offset."""
    records = wat_pages(50)
    found, stopped = bodies(gzipped(records))
    assert stopped is None
    assert [each for each in found if each.startswith(b"{")] == [
        each.partition(b"\r\n\r\n")[2][:-4] for each in records
    ]
    before = gzipped(records[:3])
    found, stopped = bodies(before + gzip.compress(record("response", "application/http", b"x")))
    assert (len(found), stopped) == (3, len(before))


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-5],
        lambda data: data + b"\0\0\0",
        lambda data: data + b"rubbish",
        lambda data: data[:2_000] + bytes([data[2_000] ^ 8]) + data[2_001:],
        lambda data: data[:-4] + b"\xff\xff\xff\xff",
        lambda data: data + gzip.compress(b"not a record"),
        lambda data: data + gzip.compress(wat_record(wat_value(links=[image("http://h/z.jpg")]))[:-2]),
        lambda data: gzip.compress(gzip.decompress(data)),
        lambda _data: b"",
        lambda _data: b"\x1f\x8b\x08",
    ],
)
def test_damage_is_left_to_the_slow_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Any) -> None:
    """Rows and counts are those of a reader that has no fast way."""
    path = tmp_path / "x.warc.wat.gz"
    path.write_bytes(damage(gzipped(wat_pages(40))))
    counts, table = extract_file(path, tmp_path / "fast")
    monkeypatch.setattr(members.Members, "__iter__", lambda _self: iter(()))
    slow_counts, slow_table = extract_file(path, tmp_path / "slow")
    assert table.to_pylist() == slow_table.to_pylist()
    assert counts == slow_counts


def test_magic_numbers_inside_members() -> None:
    """What looks like the start of a member within one is passed over."""
    chance = random.Random(1)
    noise = [b"{" + chance.randbytes(40_000) + members._MAGIC * 3 + b"}" for _ in range(3)]
    # Stored, not compressed, a member shows its content.
    data = b"".join(gzip.compress(record("metadata", "application/json", each), 0) for each in noise)
    assert data.count(members._MAGIC) >= 12
    assert bodies(data) == (noise, None)


@given(st.integers(1, 3_000), st.integers(0, 255))
def test_a_changed_byte_never_changes_a_row_unseen(place: int, value: int) -> None:
    """Of a file with one byte changed the fast way reads true bodies only."""
    data = bytearray(gzipped(wat_pages(8)))
    data[place % len(data)] = value
    true = set(bodies(gzipped(wat_pages(8)))[0])
    assert set(bodies(bytes(data))[0]) <= true


def test_a_zero_between_members_of_one_size_hides_none() -> None:
    """The size of the next member could be taken for that of the one before it, which then would be passed over."""
    records = wat_pages(3)
    packed = [gzip.compress(each) for each in records]
    assert len({len(each) for each in records}) == 1
    found, stopped = bodies(packed[0] + b"\0" + packed[1] + packed[2])
    assert (found, stopped) == ([], 0)
