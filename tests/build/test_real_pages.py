"""The links of 990 real pages, against an independent reader: standard library only, RFC 3986 resolution."""

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

import pytest
from tests.build.conftest import extract_file, triples

pytestmark = pytest.mark.shared

Triple = tuple[str, str, str]


def metadata_records(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON of every metadata record, by splitting the unpacked file at its lengths."""
    data = gzip.decompress(path.read_bytes())
    position = 0
    while position < len(data):
        head, _, _ = data[position : position + 10_000].partition(b"\r\n\r\n")
        length = re.search(rb"\r\nContent-Length: (\d+)", head)
        assert length is not None
        start = position + len(head) + 4
        position = start + int(length[1]) + 4
        if b"WARC-Type: metadata" in head:
            yield json.loads(data[start : position - 4])


def independent_triples(path: Path) -> dict[Triple, tuple[str, str]]:
    """Distinct (page, URL, text) of images whose src is neither empty nor data: and whose alt is not blank; each with src and base."""
    found: dict[Triple, tuple[str, str]] = {}
    for value in metadata_records(path):
        envelope = value["Envelope"]
        response = envelope["Payload-Metadata"].get("HTTP-Response-Metadata", {})
        html = response.get("HTML-Metadata", {})
        page = envelope["WARC-Header-Metadata"].get("WARC-Target-URI", "")
        base = urljoin(page, html.get("Head", {}).get("Base", ""))
        for link in html.get("Links", []):
            if link.get("path") == "IMG@/src":
                src, text = link.get("url", "").strip(), " ".join(link.get("alt", "").split())
                if src and text and not src.lower().startswith("data:"):
                    found.setdefault((page, urljoin(base, src), text), (src, base))
    return found


def normal(url: str) -> tuple[str, ...]:
    """A URL without percent-encoding and empty fragment, in which the URL standard's serialisation and urllib's differ."""
    parts = urlsplit(url)
    host = (parts.hostname or "").encode("idna").decode()
    return parts.scheme, host, str(parts.port), unquote(parts.path), unquote(parts.query), unquote(parts.fragment)


def why(ours: Triple | None, triple: Triple, src: str, base: str) -> str:  # noqa: PLR0911 - one line for each reason
    """The one reason why a row of the independent reader is not among ours as it stands."""
    _page, url, text = triple
    absolute = src.startswith(("http://", "https://"))
    if not absolute and not base.startswith(("http://", "https://")):
        return "relative, on a page whose address is no URL: nothing to fetch"
    if not url.startswith(("http://", "https://")):
        return "another scheme: nothing to fetch"
    if not urlsplit(url).hostname:
        return "no host: no parser of the URL standard accepts it"
    if ours is None:
        return "unexplained"
    if len(text) > 2_000 and ours[1] == url:
        return "text cut at 2,000 characters"
    if ours[1].endswith("#") and ours[1] == f"{url}#":
        return "empty fragment: urllib drops it"
    if absolute:
        return "unexplained"
    if urlsplit(base).path.startswith("//"):
        return "empty first segment in the path: urllib drops it"
    if urlsplit(base).netloc != urlsplit(ours[1]).netloc == urlsplit(base).netloc.lower():
        return "host in lower case"
    return (
        "percent-encoded by the URL standard" if quote(url, safe="%/:=&?~#+!$,;'@()*[]|") == ours[1] else "unexplained"
    )


def test_all_9463_triples_are_found_and_every_difference_is_explained(shared_data: Path, tmp_path: Path) -> None:
    """Each row of the independent reader is one of ours, or differs for one of a few reasons; and no row of ours is without one of its."""
    path = shared_data / "wat/realpages-trafilatura.warc.wat.gz"
    independent = independent_triples(path)
    assert len(independent) == 9_463
    counts, table = extract_file(path, tmp_path)
    ours = set(triples(table))
    assert len(ours) == table.num_rows == counts["links"]

    left_over = ours - independent.keys()
    by_page_and_text: dict[tuple[str, str], list[Triple]] = {}
    for triple in left_over:
        by_page_and_text.setdefault((triple[0], triple[2]), []).append(triple)
    reasons: Counter[str] = Counter()
    for triple, (src, base) in sorted(independent.items()):
        if triple in ours:
            reasons["the same"] += 1
            continue
        page, url, text = triple
        candidates = by_page_and_text.get((page, text[:2_000].rstrip()), [])
        # An empty first segment is the one difference that `normal` leaves.
        spellings = {normal(url), normal(url.replace("sonnenenergie.de/", "sonnenenergie.de//"))}
        match = next((each for each in candidates if normal(each[1]) in spellings), None)
        reason = why(match, triple, src, base)
        reasons[reason] += 1
        if match is not None:
            left_over.discard(match)
    assert reasons == {
        "the same": 9_226,
        "relative, on a page whose address is no URL: nothing to fetch": 133,
        "percent-encoded by the URL standard": 50,
        "empty fragment: urllib drops it": 29,
        "no host: no parser of the URL standard accepts it": 11,
        "empty first segment in the path: urllib drops it": 7,
        "host in lower case": 4,
        "another scheme: nothing to fetch": 2,
        "text cut at 2,000 characters": 1,
    }
    assert not left_over
