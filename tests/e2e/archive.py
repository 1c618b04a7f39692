"""A small web archive made by hand: pages with captioned pictures, and the pictures themselves, as WARC records."""

import gzip
import io
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter


@dataclass(frozen=True)
class Response:
    """One captured HTTP response."""

    url: str
    body: bytes
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()
    status: str = "200 OK"


@dataclass
class Site:
    """Pages and pictures under one host."""

    host: str
    responses: list[Response] = field(default_factory=list)

    def picture(self, name: str, seed: int) -> tuple[str, bytes]:
        """Add a picture of its own; returns its URL and bytes."""
        url = f"http://{self.host}/{name}.jpg"
        data = draw(seed)
        self.responses.append(Response(url, data, "image/jpeg"))
        return url, data

    def page(self, name: str, pictures: Iterable[tuple[str, str]], head: str = "", **headers: str) -> str:
        """Add a page that shows pictures (source, caption); returns its URL."""
        url = f"http://{self.host}/{name}.html"
        shown = "".join(f'<p><img src="{source}" alt="{caption}"></p>' for source, caption in pictures)
        html = f"<!doctype html><html><head><title>{name}</title>{head}</head><body>{shown}</body></html>"
        extra = tuple((key.replace("_", "-"), value) for key, value in headers.items())
        self.responses.append(Response(url, html.encode(), "text/html; charset=utf-8", extra))
        return url


def draw(seed: int, side: int = 160) -> bytes:
    """A JPEG with enough structure for a perceptual hash of good quality; another seed gives another picture."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).resize(
        (side, side), Image.Resampling.BICUBIC
    )
    out = io.BytesIO()
    coarse.filter(ImageFilter.GaussianBlur(1)).save(out, "JPEG", quality=90)
    return out.getvalue()


def write_warc(path: Path, responses: Iterable[Response]) -> Path:
    """Write response records, one gzip member each, as crawlers do."""
    with path.open("wb") as file:
        for response in responses:
            file.write(gzip.compress(_record(response), mtime=0))
    return path


def _record(response: Response) -> bytes:
    lines = [f"HTTP/1.1 {response.status}", f"Content-Type: {response.content_type}"]
    lines += [f"{name}: {value}" for name, value in response.headers]
    lines.append(f"Content-Length: {len(response.body)}")
    http = "\r\n".join(lines).encode() + b"\r\n\r\n" + response.body
    header = (
        "WARC/1.0\r\nWARC-Type: response\r\n"
        f"WARC-Record-ID: <urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, response.url)}>\r\n"
        f"WARC-Target-URI: {response.url}\r\nWARC-Date: 2026-10-01T12:00:00Z\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(http)}\r\n\r\n"
    )
    return header.encode() + http + b"\r\n\r\n"
