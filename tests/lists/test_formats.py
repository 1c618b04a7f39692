"""Reading hash lists: every form, and what is set aside. All entries are made up."""

import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkwell.base.errors import DamagedFileError, FormatError, MissingError
from linkwell.base.ids import canonical_id, link_id
from linkwell.lists.formats import LIST_FORMATS, read_header, read_rows
from linkwell.lists.kinds import Parsed, Refused, Value
from linkwell.lists.list_file import MAX_LINE_BYTES, open_list_file

_MD5 = "0123456789abcdef0123456789abcdef"
_SHA1 = _MD5 + "01234567"
_SHA256 = _MD5 * 2
_URL = "http://pictures.example/a.jpg"


def _read(path: Path, list_format: str) -> list[tuple[int, Parsed]]:
    with open_list_file(path) as (stream, _):
        return [(row.line_number, row.parsed) for row in read_rows(stream, list_format, path)]


def _read_text(tmp_path: Path, text: str | bytes, list_format: str) -> list[tuple[int, Parsed]]:
    path = tmp_path / "list"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return _read(path, list_format)


def _value(kind: str, text: str) -> tuple[Value, ...]:
    return (Value(kind, bytes.fromhex(text)),)


_URL_VALUES = (Value("link", link_id(_URL)), Value("canonical", canonical_id(_URL) or b""))


def test_signal_lines(tmp_path: Path) -> None:
    """Each signal type loads from `signal_type signal`; names and hex in any case, tabs and CRLF are fine."""
    text = (
        "\ufeff# synthetic\n\n"
        f"md5 {_MD5}\r\nSHA1\t{_SHA1.upper()}\nsha-256   {_SHA256}  \n  pdq {_SHA256}\n# remark\nurl {_URL}"
    )
    assert _read_text(tmp_path, text, "signals") == [
        (3, _value("md5", _MD5)),
        (4, _value("sha1", _SHA1)),
        (5, _value("sha256", _SHA256)),
        (6, _value("pdq", _SHA256)),
        (8, _URL_VALUES),
    ]


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("md5", _MD5, _value("md5", _MD5)),
        ("sha1", _SHA1, _value("sha1", _SHA1)),
        ("sha256", _SHA256, _value("sha256", _SHA256)),
        ("pdq", _SHA256, _value("pdq", _SHA256)),
        ("url", _URL, _URL_VALUES),
    ],
)
def test_bare_signals(tmp_path: Path, name: str, text: str, values: tuple[Value, ...]) -> None:
    """With the form named, each line is one bare signal."""
    assert _read_text(tmp_path, f"{text}\n{text}\n", name) == [(1, values), (2, values)]


def test_tx_csv(tmp_path: Path) -> None:
    """The CSV of `tx dataset -P --csv`: columns in any order, quoted fields, opinions that say it is no match left out."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["collab", "signal_type", "signal_str", "category", "tags"])
    writer.writerow(["Sample, with comma", "md5", _MD5, "POSITIVE_CLASS", "a b"])
    writer.writerow(["Sample", "pdq", _SHA256, "NEGATIVE_CLASS", ""])
    writer.writerow(["Sample", "raw_text", 'two\nlines and a "quote"', "POSITIVE_CLASS", ""])
    writer.writerow(["Sample", "url", _URL, "INVESTIGATION_SEED", ""])
    writer.writerow(["Sample", "video_md5", _MD5, "POSITIVE_CLASS", ""])
    rows = _read_text(tmp_path, out.getvalue(), "tx-csv")
    assert [row[0] for row in rows] == [2, 3, 4, 6, 7]
    assert rows[0][1] == _value("md5", _MD5)
    assert rows[3][1] == _URL_VALUES
    reasons = [row[1].reason for row in rows if isinstance(row[1], Refused)]
    assert reasons == [
        "its category says that it is no match",
        "unsupported signal type raw_text",
        "unsupported signal type video_md5",
    ]
    swapped = f"signal_type,signal_str,collab,category,tags\nmd5,{_MD5},c,,\n"
    assert _read_text(tmp_path, swapped, "tx-csv") == [(2, _value("md5", _MD5))]


def test_csv_needs_its_header(tmp_path: Path) -> None:
    """CSV whose first row names no signal columns is refused as a whole, with advice, not read by guess."""
    with pytest.raises(FormatError, match="signal_type"):
        _read_text(tmp_path, f"md5,{_MD5},c,,\n", "tx-csv")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("md5 " + _MD5[:-1], "not the 32 hex digits of a md5 signal"),
        ("md5 " + _MD5[:-1] + "g", "not the 32 hex digits of a md5 signal"),
        ("md5 " + _MD5[:15] + " " + _MD5[:16], "not the 32 hex digits of a md5 signal"),
        ("sha1 " + _MD5, "not the 40 hex digits of a sha1 signal"),
        ("pdq " + _MD5, "not the 64 hex digits of a pdq signal"),
        ("md5", "no signal on the line"),
        ("url ftp://pictures.example/a.jpg", "not an http or https URL"),
        ("url pictures.example/a.jpg", "not an http or https URL"),
        (b"url http://pictures.example/\xff", "not UTF-8"),
        ("vpdq " + _MD5, "unsupported signal type vpdq"),
        (_MD5, "unknown signal type"),
        ("md5 " + "0" * MAX_LINE_BYTES, f"line longer than {MAX_LINE_BYTES} bytes"),
        (b"\x00\x01\x02", "unknown signal type"),
    ],
)
def test_bad_lines_are_set_aside(tmp_path: Path, line: str | bytes, reason: str) -> None:
    """A line that does not parse is set aside with its number and reason, and the lines around it load."""
    raw = line if isinstance(line, bytes) else line.encode()
    good = f"md5 {_MD5}\n".encode()
    assert _read_text(tmp_path, good + raw + b"\n" + good, "signals") == [
        (1, _value("md5", _MD5)),
        (2, Refused(reason)),
        (3, _value("md5", _MD5)),
    ]


_junk = st.binary(max_size=80).map(lambda raw: raw.replace(b"\n", b"").strip())
_csv_junk = st.text(alphabet="\",ab'# \x00é", max_size=30).map(lambda text: text.replace("\n", "").strip().encode())


@given(st.lists(st.one_of(st.none(), _junk), max_size=30))
@settings(max_examples=150, deadline=None)
def test_junk_never_hides_good_lines(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes | None]) -> None:
    """Whatever stands between them, good lines all load, with the right numbers; every other line is set aside or empty."""
    path = tmp_path_factory.getbasetemp() / "signals.txt"
    good = f"md5 {_MD5}".encode()
    path.write_bytes(b"\n".join([good, *(good if line is None else line for line in lines)]))
    rows = dict(_read(path, "signals"))
    assert rows[1] == _value("md5", _MD5)
    for number, line in enumerate(lines, 2):
        if line is None:
            assert rows[number] == _value("md5", _MD5)
        elif not line or line.startswith(b"#"):
            assert number not in rows
        else:
            assert isinstance(rows[number], Refused)


@given(st.lists(st.one_of(st.none(), st.just(b"quoted"), _csv_junk), max_size=30))
@settings(max_examples=300, deadline=None)
def test_a_stray_quote_swallows_no_row(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes | None]) -> None:
    """In a CSV, a quote that does not close costs its own line; the good rows after it, quoted or not, all load."""
    path = tmp_path_factory.getbasetemp() / "list.csv"
    plain = f"c,md5,{_MD5},POSITIVE_CLASS,t".encode()
    quoted = f'"c, d",md5,"{_MD5}",POSITIVE_CLASS,"a ""b"""'.encode()
    body = [plain if line is None else quoted if line == b"quoted" else line for line in lines]
    path.write_bytes(b"\n".join([b"collab,signal_type,signal_str,category,tags", *body]))
    rows = dict(_read(path, "tx-csv"))
    for number, line in enumerate(body, 2):
        if line in (plain, quoted):
            assert rows[number] == _value("md5", _MD5)


@given(st.binary(max_size=400), st.sampled_from(LIST_FORMATS))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_rows_or_a_named_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, list_format: str
) -> None:
    """No content makes the reader fail but by a named error."""
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(data)
    try:
        read_header(path)
        numbers = [number for number, _ in _read(path, list_format)]
    except (FormatError, DamagedFileError):
        return
    assert numbers == sorted(numbers)


@pytest.mark.parametrize(
    ("text", "list_format", "synthetic"),
    [
        (f"# synthetic\nmd5 {_MD5}\n", "signals", True),
        (f"# source: nobody\n## Synthetic: true\n\nmd5 {_MD5}\n", "signals", True),
        (f"# synthetic: no\nmd5 {_MD5}\n", "signals", False),
        (f"md5 {_MD5}\n# synthetic\n", "signals", False),
        (f"# not synthetic\nmd5 {_MD5}\n", "signals", False),
        ("garbage\nmd5 x\n", "signals", False),
        ("# synthetic\ncollab,signal_type,signal_str\n", "tx-csv", True),
        ('"signal_type","signal_str","collab","category","tags"\n', "tx-csv", False),
        (f"{_MD5}\n", None, False),
        ("", None, False),
    ],
)
def test_the_header_tells(tmp_path: Path, text: str, list_format: str | None, *, synthetic: bool) -> None:
    """The form is told from the first row that decides it, `synthetic` only from the comments before the first row."""
    path = tmp_path / "list"
    path.write_text(text)
    assert read_header(path) == (list_format, synthetic)


def test_gzip_is_read_and_damage_named(tmp_path: Path) -> None:
    """A gzip list reads like any other; one cut short is an error, not a shorter list."""
    path = tmp_path / "list.gz"
    data = gzip.compress(b"".join(b"md5 %032x\n" % number for number in range(5_000)))
    path.write_bytes(data)
    assert len(_read(path, "signals")) == 5_000
    path.write_bytes(data[:-20])
    with pytest.raises(DamagedFileError, match="cut short"):
        _read(path, "signals")
    path.write_bytes(data[:2_000] + bytes(50) + data[2_050:])
    with pytest.raises(DamagedFileError, match="damaged"):
        _read(path, "signals")


def test_files_that_are_none(tmp_path: Path) -> None:
    """A missing file, a folder and UTF-16 are named for what they are."""
    with pytest.raises(MissingError):
        read_header(tmp_path / "nothing")
    with pytest.raises(MissingError):
        read_header(tmp_path)
    path = tmp_path / "wide"
    path.write_bytes(f"md5 {_MD5}\n".encode("utf-16"))
    with pytest.raises(FormatError, match="UTF-16"):
        read_header(path)
