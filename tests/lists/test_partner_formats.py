"""The forms partner services and hotlines write: what loads, what is withdrawn, what is set aside. All entries are made up."""

import base64
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.lists.documents import (
    ncmec_deleted,
    ncmec_image,
    ncmec_page,
    stopncii_page,
    stopncii_record,
    threat,
)

from linkwell.base.errors import FormatError
from linkwell.base.settings import ListMapping
from linkwell.lists.formats import read_header, read_rows
from linkwell.lists.json_lists import _STOPNCII_TYPES
from linkwell.lists.kinds import PassedOver, Refused, Row, Value
from linkwell.lists.list_file import open_list_file

MD5, SHA1, PDQ = "01" * 16, "02" * 20, "03" * 32
CANARY = "canary0canary"


def _rows(
    tmp_path: Path, data: bytes | str, list_format: str | None = None, mapping: ListMapping | None = None
) -> list[Row]:
    path = tmp_path / "list"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    known = list_format or read_header(path).list_format
    assert known is not None
    with open_list_file(path) as (stream, _):
        return list(read_rows(stream, known, path, mapping))


def _value(kind: str, text: str) -> Value:
    return Value(kind, bytes.fromhex(text))


def _reasons(rows: list[Row]) -> list[tuple[int, str]]:
    return [(row.line_number, row.parsed.reason) for row in rows if isinstance(row.parsed, Refused | PassedOver)]


def test_ncmec_images_load_with_all_their_digests(tmp_path: Path) -> None:
    """MD5, SHA-1 and PDQ of images load; videos and fingerprints of other kinds are passed over; tombstones withdraw by id."""
    prints = (
        f"<md5>{MD5.upper()}</md5><sha1>{SHA1}</sha1><pdna>x</pdna><pdq>{PDQ}</pdq><videntifier rel='self' href='/x'/>"
    )
    videos = f"<videos><video><member id='1'/><id>v</id><fingerprints><md5>{MD5}</md5></fingerprints></video></videos>"
    page = ncmec_page(
        [ncmec_image("one", prints), ncmec_deleted("one"), ncmec_image("two", "<pdna>y</pdna>")], "/v2/x", videos
    )
    rows = _rows(tmp_path, page)
    assert rows[0].parsed == (_value("md5", MD5), _value("sha1", SHA1), _value("pdq", PDQ))
    assert rows[1].withdrawn
    assert rows[1].record == rows[0].record
    assert _reasons(rows) == [
        (3, "no fingerprint of a kind that is matched"),
        (4, "a video"),
        (4, "the document says that another page follows it"),
    ]


def test_an_id_belongs_to_its_member(tmp_path: Path) -> None:
    """Two members may give the same id; feedback names members too, and says nothing of whose the entry is."""
    prints = f"<md5>{MD5}</md5>"
    rows = _rows(
        tmp_path, ncmec_page([ncmec_image("1", prints, 1), ncmec_image("1", prints, 2), ncmec_deleted("1", 2)])
    )
    assert rows[0].record != rows[1].record
    assert rows[1].record == rows[2].record


def test_damage_in_xml_costs_what_is_damaged(tmp_path: Path) -> None:
    """A bad fingerprint is set aside and its neighbours load; a document that breaks off loads up to there and says so."""
    bad = ncmec_image("two", f"<md5>{CANARY}</md5><sha1>{SHA1}</sha1>")
    page = ncmec_page(
        [ncmec_image("one", f"<md5>{MD5}</md5>"), bad, f"<image><fingerprints><md5>{MD5}</md5></fingerprints></image>"]
    )
    rows = _rows(tmp_path, page)
    assert [row.parsed for row in rows if not isinstance(row.parsed, Refused)] == [
        (_value("md5", MD5),),
        (_value("sha1", SHA1),),
    ]
    assert _reasons(rows) == [(2, "not the 32 hex digits of a md5 signal"), (3, "no id of the entry or of its member")]
    cut = _rows(tmp_path, page[: page.index(b"two")], "ncmec-xml")
    assert cut[0].parsed == (_value("md5", MD5),)
    assert _reasons(cut) == [(2, "the document breaks off or is damaged here, and nothing after it was read")]


def test_xml_cannot_grow_or_reach_out(tmp_path: Path) -> None:
    """Document types and entities are refused: nothing is expanded, nothing is fetched."""
    page = ncmec_page([ncmec_image("one", f"<md5>{MD5}</md5>")])
    hostile = page.replace(b"<queryResult", b'<!DOCTYPE q [<!ENTITY a "aaaa">]><queryResult', 1)
    assert _reasons(_rows(tmp_path, hostile, "ncmec-xml")) == [
        (1, "the document breaks off or is damaged here, and nothing after it was read")
    ]


def test_stopncii_withdraws_by_status(tmp_path: Path) -> None:
    """It is `hashStatus` that withdraws, whatever the value says; other media are passed over."""
    records = [
        stopncii_record(PDQ),
        stopncii_record(PDQ, "Withdrawn"),
        stopncii_record(PDQ, "Deleted"),
        stopncii_record(MD5, kind="VideoMD5"),
        stopncii_record(CANARY),
        stopncii_record("http://a.example/x", kind="URL"),
        "text",
        {},
    ]
    rows = _rows(tmp_path, stopncii_page(records))
    assert [row.withdrawn for row in rows[:3]] == [False, True, True]
    assert rows[0].parsed == rows[1].parsed == (_value("pdq", PDQ),)
    assert _reasons(rows) == [
        (4, "of a signal type that is not matched"),
        (5, "not the 64 hex digits of a pdq signal"),
        (7, "not an entry of this form"),
        (8, "not an entry of this form"),
    ]
    assert set(_STOPNCII_TYPES.values()) == {"pdq", "url"}


def test_threat_updates_and_terrorist_content(tmp_path: Path) -> None:
    """ThreatExchange and Tech Against Terrorism name entries by id, and say themselves which are deleted."""
    entries = [
        threat(1, MD5),
        threat(2, PDQ, "HASH_PDQ"),
        threat(1, MD5, deleted=True),
        threat(3, "x", "HASH_VIDEO_MD5"),
    ]
    rows = _rows(tmp_path, json.dumps({"data": entries, "paging": {}}))
    assert [row.parsed for row in rows[:2]] == [(_value("md5", MD5),), (_value("pdq", PDQ),)]
    assert rows[2].withdrawn
    assert rows[2].record == rows[0].record
    assert _reasons(rows) == [(4, "of a signal type that is not matched")]
    gone = dict(threat(4, MD5))
    del gone["descriptors"]
    assert _rows(tmp_path, json.dumps({"data": [gone]}))[0].withdrawn
    harmless = {**threat(5, MD5), "descriptors": {"data": [{"status": "NON_MALICIOUS"}]}}
    assert _rows(tmp_path, json.dumps({"data": [harmless]}))[0].withdrawn
    results = [
        {"hash_digest": MD5, "algorithm": "MD5", "deleted": False, "id": 9, "file_type": "jpg"},
        {"hash_digest": MD5, "algorithm": "MD5", "deleted": True, "id": 9, "file_type": "jpg"},
        {"hash_digest": "0", "algorithm": "TMK", "deleted": False, "id": 10, "file_type": "mp4"},
    ]
    rows = _rows(tmp_path, json.dumps({"count": 3, "next": None, "checkpoint": "1,2", "results": results}))
    assert [row.withdrawn for row in rows] == [False, True, False]
    assert rows[0].record == rows[1].record


def test_arachnid_answers(tmp_path: Path) -> None:
    """Known media load, by base32 SHA-1 and SHA-256, with the media they are near to; what is not known is passed over."""
    sha1 = base64.b32encode(bytes.fromhex(SHA1)).decode()
    near = {"sha1_base32": sha1, "sha256_hex": "04" * 32, "classification": "csam"}
    known = {
        "size_bytes": 1,
        "sha1_base32": sha1,
        "sha256_hex": PDQ,
        "classification": "csam",
        "near_match_details": [near],
    }
    unknown = {"size_bytes": 1, "sha1_base32": sha1, "sha256_hex": PDQ, "classification": "no-known-match"}
    pdq = base64.b64encode(bytes.fromhex(PDQ)).decode()
    hashes = {
        "scanned_hashes": {pdq: {"classification": "csam", "match_type": "near", "near_match_details": near}, "x": None}
    }
    rows = _rows(tmp_path, "\n".join(json.dumps(one) for one in (known, unknown, hashes)))
    assert rows[0].parsed == (
        _value("sha1", SHA1),
        _value("sha256", PDQ),
        _value("sha1", SHA1),
        _value("sha256", "04" * 32),
    )
    assert rows[2].parsed == (_value("pdq", PDQ), _value("sha1", SHA1), _value("sha256", "04" * 32))
    assert _reasons(rows) == [(2, "says that it is no match")]


def test_entries_far_apart_and_several_pages(tmp_path: Path) -> None:
    """Pages one after another, gzip, entries alone, one a line or in an array, all read alike, however large the file is."""
    many = [stopncii_record(f"{number:064x}") for number in range(3_000)]
    pages = stopncii_page(many[:1_500]) + b"\n" + stopncii_page(many[1_500:])
    alone = "\n".join(json.dumps(record) for record in many)
    for data in (pages, gzip.compress(pages), json.dumps(many, indent=1), alone):
        rows = _rows(tmp_path, data, "stopncii-json")
        assert [row.line_number for row in rows] == list(range(1, 3_001))
        assert {row.parsed for row in rows} == {(_value("pdq", f"{number:064x}"),) for number in range(3_000)}


@given(
    st.lists(st.sampled_from(['{"a":', "nonsense", '{"hashValue": "x" "y"}', "1", "{}"]), max_size=4), st.integers(0, 3)
)
@settings(max_examples=60, deadline=None)
def test_an_entry_that_is_no_json_costs_itself(
    tmp_path_factory: pytest.TempPathFactory, junk: list[str], place: int
) -> None:
    """Entries before the damage load, and so do those behind it."""
    good = [json.dumps(stopncii_record(f"{number:064x}")) for number in range(6)]
    entries = [*good[:place], *junk, *good[place:]]
    text = '{"hashRecords": [' + ", ".join(entries) + "]}"
    rows = _rows(tmp_path_factory.getbasetemp(), text, "stopncii-json")
    loaded = {row.parsed for row in rows if not isinstance(row.parsed, Refused | PassedOver)}
    wanted = {(_value("pdq", f"{number:064x}"),) for number in range(6)}
    assert len(wanted - loaded) <= len([one for one in junk if one not in ("1", "{}")])
    assert loaded <= wanted
    assert {(_value("pdq", f"{number:064x}"),) for number in range(place)} <= loaded
    assert (_value("pdq", f"{5:064x}"),) in loaded
    assert not junk or _reasons(rows)


def test_a_json_document_that_breaks_off_says_so(tmp_path: Path) -> None:
    """What stands before the break loads."""
    page = stopncii_page([stopncii_record(PDQ), stopncii_record(PDQ)])
    rows = _rows(tmp_path, page[: page.rindex(b"hashValue")], "stopncii-json")
    assert rows[0].parsed == (_value("pdq", PDQ),)
    assert _reasons(rows)[0] == (2, "the document breaks off or is damaged here, and nothing after it was read")


def test_lines_of_the_pdq_tools(tmp_path: Path) -> None:
    """`hash,path` and `hash,quality,path`; a hash of low quality is set aside."""
    text = f"{PDQ},./a, b.jpg\n{PDQ},100,./b.jpg\n{PDQ},49,c.jpg\n{PDQ},999,d.jpg\n{MD5},e.jpg\n{PDQ}\n"
    rows = _rows(tmp_path, text)
    assert [row.line_number for row in rows if row.parsed == (_value("pdq", PDQ),)] == [1, 2, 6]
    assert _reasons(rows) == [
        (3, "a PDQ hash of a quality below 50"),
        (4, "a quality that is no number from 0 to 100"),
        (5, "not the 64 hex digits of a pdq signal"),
    ]


def test_details_and_variants_of_the_pdq_tools(tmp_path: Path) -> None:
    """Named fields, and eight dihedral hashes a line: the picture's own hash is read, and the quality wherever it stands."""
    other = ",".join([PDQ[::-1]] * 7)
    text = (
        f"hash={PDQ},norm=128,delta=0,quality=100,filename=a,quality=3.jpg\n"
        f"hash={PDQ},norm=128,delta=9,quality=49,filename=b.jpg\n"
        f"hash={PDQ},quality=101,filename=c.jpg\n"
        f"hash={PDQ},quality=-1,filename=d.jpg\n"
        f"hash={PDQ},xform=orig,filename=quality=1.jpg\n"
        f"{PDQ},{other},77,e, f.jpg\n"
        f"{PDQ},{other},12,g.jpg\n"
    )
    rows = _rows(tmp_path, text)
    assert [row.line_number for row in rows if row.parsed == (_value("pdq", PDQ),)] == [1, 5, 6]
    assert _reasons(rows) == [
        (2, "a PDQ hash of a quality below 50"),
        (3, "a quality that is no number from 0 to 100"),
        (4, "a quality that is no number from 0 to 100"),
        (7, "a PDQ hash of a quality below 50"),
    ]


def test_a_mapping_reads_any_csv(tmp_path: Path) -> None:
    """Several hashes a row in hex, base32 and base64, with ids, classes, withdrawals and expiry; what is bad costs its own field."""
    mapping = ListMapping(
        columns={"MD5": "md5", "sha-1": "sha1", "Address": "url"},
        record_column="Id",
        status_column="State",
        class_column="Cat",
        classes=("A", "B"),
        expires_column="Until",
        delimiter=";",
    )
    base64_md5 = base64.b64encode(bytes.fromhex(MD5)).decode()
    base32_sha1 = base64.b32encode(bytes.fromhex(SHA1)).decode()
    text = "\n".join(
        [
            "ID;MD5;SHA-1;Address;State;Cat;Until",
            f"1;{MD5};;;live;A;",
            f"2;{base64_md5};{base32_sha1};;live;b;2999-01-01",
            f"3;{CANARY};{SHA1};;live;A;",
            "1;;;;Withdrawn;A;",
            f"4;{MD5};;;live;C;",
            f"5;{MD5};;;live;A;soon",
            f"6;{MD5};;;live;A;2001-01-01",
            f";{MD5};;;live;A;",
            "7;;;;live;A;",
            "8;;;ftp://a.example/;live;A;",
            "9;;",
            '10;;;"http://a.example/;x";live;A;',
        ]
    )
    rows = _rows(tmp_path, text, "hotline", mapping)
    loaded = {row.line_number: row for row in rows if not isinstance(row.parsed, Refused | PassedOver)}
    assert loaded[2].parsed == (_value("md5", MD5),)
    assert loaded[3].parsed == (_value("md5", MD5), _value("sha1", SHA1))
    assert loaded[3].expires == 32_472_144_000
    assert loaded[4].parsed == (_value("sha1", SHA1),)
    assert loaded[5].withdrawn
    assert loaded[5].record == loaded[2].record
    assert [value.kind for value in loaded[13].parsed if isinstance(value, Value)] == ["link", "canonical"]
    assert _reasons(rows) == [
        (4, "not the 32 hex digits of a md5 signal"),
        (6, "of a class that the mapping leaves out"),
        (7, "an expiry that is no date (ISO 8601)"),
        (8, "expired before it was imported"),
        (9, "no record id"),
        (10, "no signal on the line"),
        (11, "not an http or https URL"),
        (12, "not as many columns as the header"),
    ]


def test_a_mapping_without_header_counts_columns(tmp_path: Path) -> None:
    """Columns are named by number; a type column says what a row holds; a column that is not there is an error without content."""
    mapping = ListMapping(type_column="1", value_column="2", header=False)
    assert _rows(tmp_path, f"md5,{MD5}\npdq,{PDQ}\n", "x", mapping)[1].parsed == (_value("pdq", PDQ),)
    with pytest.raises(FormatError, match="no column '3'") as error:
        _rows(tmp_path, f"md5,{CANARY}\n", "x", ListMapping(columns={"3": "md5"}, header=False))
    assert CANARY not in str(error.value)


@given(st.binary(max_size=300), st.sampled_from(["{", "[", "<queryResult><images>", ""]))
@settings(max_examples=200, deadline=None)
def test_no_bytes_break_a_reader_or_are_echoed(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, begin: str
) -> None:
    """Whatever a file holds, rows come out whose reasons are words of ours."""
    for list_format in ("ncmec-xml", "stopncii-json", "threatexchange-json", "tat-json", "arachnid-json"):
        for row in _rows(tmp_path_factory.getbasetemp(), begin.encode() + junk, list_format):
            if isinstance(row.parsed, Refused | PassedOver):
                assert row.parsed.reason.isascii()
                assert row.parsed.reason.isprintable()
