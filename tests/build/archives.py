"""Archives made for tests: WAT records as ia-web-commons writes them, WARC responses, by record gzipped or not."""

import gzip
import json
from collections.abc import Sequence
from typing import Any

DATE = "2024-05-18T01:58:10Z"


def record(kind: str, content_type: str, body: bytes, uri: str = "", length: int | None = -1) -> bytes:
    """One WARC record; `length` -1: the right one, None: no such header."""
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Date: {DATE}\r\nContent-Type: {content_type}\r\n"
    if uri:
        head += f"WARC-Target-URI: {uri}\r\n"
    if length is not None:
        head += f"Content-Length: {len(body) if length < 0 else length}\r\n"
    return head.encode() + b"\r\n" + body + b"\r\n\r\n"


def image(src: str, alt: str | None = "a bird") -> dict[str, str]:
    """An image link of a WAT."""
    return {"path": "IMG@/src", "url": src, **({} if alt is None else {"alt": alt})}


def wat_value(
    page: str = "http://site.example/a/page.html",
    links: Sequence[dict[str, str]] = (),
    *,
    headers: dict[str, Any] | None = None,
    head: dict[str, Any] | None = None,
    offset: int = 7,
) -> dict[str, Any]:
    """The JSON of one response's metadata record."""
    html = {"Head": head or {}, "Links": list(links)}
    return {
        "Container": {"Filename": "crawl.warc.gz", "Compressed": True, "Offset": str(offset)},
        "Envelope": {
            "Payload-Metadata": {
                "Actual-Content-Type": "application/http; msgtype=response",
                "HTTP-Response-Metadata": {
                    "Response-Message": {"Status": "200"},
                    "Headers": headers or {"Content-Type": "text/html"},
                    "HTML-Metadata": html,
                },
            },
            "WARC-Header-Metadata": {"WARC-Type": "response", "WARC-Date": DATE, "WARC-Target-URI": page},
        },
    }


def wat_record(value: dict[str, Any] | bytes) -> bytes:
    """A metadata record around JSON."""
    body = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return record("metadata", "application/json", body, "http://site.example/")


def wat_pages(count: int, images: int = 3) -> list[bytes]:
    """Records of pages with images that are all different."""
    return [
        wat_record(
            wat_value(
                f"http://site{page}.example/p.html",
                [image(f"/{page}-{number}.jpg", f"bird {page} {number}") for number in range(images)],
                offset=page,
            )
        )
        for page in range(count)
    ]


def response_record(
    html: bytes, uri: str = "http://site.example/a/page.html", headers: Sequence[str] = ("Content-Type: text/html",)
) -> bytes:
    """An HTTP response record."""
    payload = b"HTTP/1.1 200 OK\r\n" + b"".join(f"{line}\r\n".encode() for line in headers) + b"\r\n" + html
    return record("response", "application/http; msgtype=response", payload, uri)


def gzipped(records: Sequence[bytes]) -> bytes:
    """Records as members of their own, as archives are."""
    return b"".join(gzip.compress(each, mtime=0) for each in records)
