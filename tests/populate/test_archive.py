"""An archive stands for the web: same checks, same copy."""

import gzip
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType
from tests.populate.conftest import draw, write_links

from linkwell.base.errors import DamagedFileError
from linkwell.base.workspace import Workspace
from linkwell.engine import SerialEngine
from linkwell.populate import PopulateOptions, populate


def _record(url: str, body: bytes, status: str = "200 OK", *headers: str, kind: str = "response", **warc: str) -> bytes:
    http = "\r\n".join([f"HTTP/1.1 {status}", *headers]).encode() + b"\r\n\r\n" + body
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in warc.items())
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\nWARC-Date: 2026-01-01T00:00:00Z\r\n"
        f"WARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-000000000000>\r\n{more}"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(http)}\r\n\r\n"
    )
    return gzip.compress(head.encode() + http + b"\r\n\r\n")


def _chunked(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A WARC with a picture in several codings, a redirect, a revisit, an opt-out and a dead link."""
    picture = draw(1)
    records = [
        _record("http://a.example/plain.jpg", picture, "200 OK", f"Content-Length: {len(picture)}", WARC_Payload_Digest="sha1:X"),
        _record("http://a.example/chunked.jpg", _chunked(picture), "200 OK", "Transfer-Encoding: chunked"),
        _record("http://a.example/unchunked.jpg", picture, "200 OK", "Transfer-Encoding: chunked"),
        _record("http://a.example/gzipped.jpg", gzip.compress(picture), "200 OK", "Content-Encoding: gzip"),
        _record("http://a.example/bomb.jpg", gzip.compress(bytes(10**7)), "200 OK", "Content-Encoding: gzip"),
        _record("http://a.example/moved.jpg", b"", "301 Moved Permanently", "Location: /plain.jpg"),
        _record("http://a.example/loop.jpg", b"", "301 Moved Permanently", "Location: /loop.jpg"),
        _record("http://a.example/file.jpg", b"", "301 Moved Permanently", "Location: file:///etc/passwd"),
        _record("http://a.example/same.jpg", b"", kind="revisit", WARC_Payload_Digest="sha1:X"),
        _record("http://a.example/gone.jpg", b"gone", "410 Gone"),
        _record("http://a.example/noai.jpg", picture, "200 OK", "X-Robots-Tag: noai"),
        _record("http://a.example/cut.jpg", picture[:99], "200 OK", f"Content-Length: {len(picture)}"),
    ]  # fmt: skip
    path = tmp_path / "crawl.warc.gz"
    path.write_bytes(b"".join(records))
    return path


def test_an_archive_is_replayed_through_the_same_checks(hurried: Workspace, tmp_path: Path, archive: Path) -> None:
    """Codings, redirects, revisits, statuses, caps and refusals of an archived response count as those of a live one."""
    expected = {
        "plain": None,
        "chunked": None,
        "unchunked": None,
        "gzipped": None,
        "bomb": "too_large",
        "moved": None,
        "loop": "too_many_redirects",
        "file": "redirect_refused",
        "same": None,
        "gone": "http_410",
        "noai": "opted_out",
        "cut": "truncated",
        "never-captured": "not_in_archive",
    }
    links = write_links(tmp_path / "links.parquet", [f"http://a.example/{name}.jpg" for name in expected])
    options = PopulateOptions(from_archive=(str(archive),))
    populate(hurried, tmp_path / "copy", links=[links], engine=SerialEngine(), options=options)
    rows = pq.read_table(tmp_path / "copy" / "00000.parquet").to_pylist()
    assert dict(zip(expected, [row["failure"] for row in rows], strict=True)) == expected
    assert len({row["sha256"] for row in rows if row["failure"] is None}) == 1


def test_what_is_no_archive_is_an_error(hurried: Workspace, tmp_path: Path) -> None:
    """A file that is no WARC stops the run; one that is cut short gives what it holds."""
    nonsense = tmp_path / "nonsense.warc.gz"
    nonsense.write_bytes(b"\x1f\x8b" + bytes(100))
    links = write_links(tmp_path / "links.parquet", ["http://a.example/plain.jpg"])
    with pytest.raises(DamagedFileError):
        populate(
            hurried,
            tmp_path / "copy",
            links=[links],
            engine=SerialEngine(),
            options=PopulateOptions(from_archive=(str(nonsense),)),
        )


def test_a_cut_archive_gives_what_it_holds(hurried: Workspace, tmp_path: Path, archive: Path) -> None:
    """A WARC that breaks off serves the records before the break."""
    archive.write_bytes(archive.read_bytes()[:-300])
    links = write_links(tmp_path / "links.parquet", ["http://a.example/plain.jpg", "http://a.example/cut.jpg"])
    options = PopulateOptions(from_archive=(str(archive),))
    report = populate(hurried, tmp_path / "copy", links=[links], engine=SerialEngine(), options=options)
    assert report.success == 1
    assert sum(report.failed.values()) == 1


@pytest.mark.shared
def test_a_real_archive_gives_its_twenty_pictures(hurried: Workspace, tmp_path: Path, shared_data: Path) -> None:
    """The crawl of books.toscrape.com is populated from itself, with no network."""
    path = shared_data / "cc" / "books.toscrape.warc"
    with path.open("rb") as file:
        urls = [
            record.headers["WARC-Target-URI"]
            for record in ArchiveIterator(file, record_types=WarcRecordType.response, parse_http=True)
            if (record.http_headers.get("Content-Type") or "").startswith("image/jpeg")
        ]
    links = write_links(tmp_path / "links.parquet", [url for url in urls if url])
    options = PopulateOptions(from_archive=(str(path),))
    report = populate(hurried, tmp_path / "copy", links=[links], engine=SerialEngine(), options=options)
    assert (report.success, report.failed) == (20, {})
