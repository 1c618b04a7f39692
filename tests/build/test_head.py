"""Header fields of records, read once."""

import io

import pytest
from fastwarc.warc import ArchiveIterator
from tests.build.archives import record, response_record

from linkwell.build.head import Head, read_head

HTTP = "application/http; msgtype=response"


def head_of(data: bytes) -> Head:
    """The head of the one record."""
    return read_head(next(iter(ArchiveIterator(io.BytesIO(data), parse_http=False))))


def test_fields_are_told_apart_whatever_their_case_and_order() -> None:
    """Of several content types the first holds, codings add up, statements are kept as they came."""
    long_name = "X-Robots-Tag" + " " * 60
    head = head_of(
        response_record(
            b"",
            headers=(
                "CONTENT-TYPE: text/html",
                "content-type: image/png",
                "Server: x",
                "Transfer-encoding: gzip",
                "X-ROBOTS-Tag: noai",
                "transfer-Encoding: chunked",
                "link: <l>",
                f"{long_name}: noimageai",
            ),
        )
    )
    assert (head.url, head.is_http, head.content_type) == ("http://site.example/a/page.html", True, HTTP)
    assert head.first("content-type") == "text/html"
    assert head.joined("transfer-encoding") == "gzip, chunked"
    assert (head.first("content-encoding"), head.joined("content-encoding")) == (None, "")
    assert [(name.strip().lower(), value) for name, value in head.statements] == [
        ("x-robots-tag", "noai"),
        ("link", "<l>"),
        ("x-robots-tag", "noimageai"),
    ]


@pytest.mark.parametrize(
    ("kind", "content_type", "is_http"),
    [("response", HTTP, True), ("response", "text/dns", False), ("resource", "text/html", False)],
)
def test_only_responses_are_read_as_http(kind: str, content_type: str, is_http: bool) -> None:  # noqa: FBT001 - a case
    """What holds no HTTP is left as it is."""
    head = head_of(
        record(kind, content_type, b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", "http://a.example/")
    )
    assert (head.is_http, head.first("content-type")) == (is_http, "text/html" if is_http else None)
