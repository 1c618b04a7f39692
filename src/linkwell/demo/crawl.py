"""A small, polite crawler for the demo's own web, and for no other: it connects to one loopback port and writes a real WARC."""

import asyncio
import gzip
import io
import socket
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Self
from urllib.robotparser import RobotFileParser

import aiohttp
import can_ada
from aiohttp.abc import AbstractResolver, ResolveResult
from fastwarc.warc import WarcRecord, WarcRecordType
from selectolax.lexbor import LexborHTMLParser

from linkwell.base.shards import atomic_path

__all__ = ["CrawlReport", "crawl"]

USER_AGENT = "linkwell-demo-crawler/0.1"
_MAX_PAGE_BYTES = 1_000_000
_HTTP_OK = 200


@dataclass(frozen=True)
class CrawlLimits:
    """How far and how fast a crawl goes."""

    max_pages: int = 2_000
    per_host_concurrency: int = 2
    deadline_seconds: float = 3.0
    """For one page, from first byte sent to last received."""


@dataclass
class CrawlReport:
    """What a crawl did."""

    pages: int = 0
    hosts: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    """Pages not stored, by reason."""
    seconds: float = 0.0


class _WarcFile:
    """Writes records, each its own gzip member, as the standard asks (WARC 1.1, annex D)."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def add(self, kind: WarcRecordType, body: bytes, *, content_type: str, url: str | None = None) -> None:
        record = WarcRecord()
        record.init_headers(record_type=kind, record_urn=_record_urn(kind, url))
        record.headers["Content-Type"] = content_type
        if url is not None:
            record.headers["WARC-Target-URI"] = url
        record.set_bytes_content(body)
        plain = io.BytesIO()
        record.write(plain, checksum_data=True)
        self._stream.write(gzip.compress(plain.getvalue(), 6, mtime=0))


def _record_urn(kind: WarcRecordType, url: str | None) -> bytes:
    """The record's id: the same page crawled again is the same record, so that the same web gives the same archive."""
    return f"uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{kind} {url}')}".encode()


class _OneAddress(AbstractResolver):
    """Resolves the hosts of the demo's web to its loopback address, and nothing else to anything."""

    def __init__(self, hosts: Sequence[str], address: str) -> None:
        self._hosts = frozenset(hosts)
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if host not in self._hosts:
            raise OSError(f"{host} is not part of this web")
        result = ResolveResult(
            hostname=host, host=self._address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST
        )
        return [result]

    async def close(self) -> None:
        pass


def crawl(seeds: Sequence[str], address: str, to: Path, limits: CrawlLimits | None = None) -> CrawlReport:
    """Crawl from the seeds along links, within the seeds' hosts, into a WARC of pages (not images) with one gzip member a record.

    robots.txt is obeyed; a page that is slow, too large or no HTML is counted and left out.

    Args:
        seeds: URLs to start at; their hosts are all this crawl ever asks.
        address: the loopback address that every host is served on.
        to: the WARC, `.warc.gz`; written whole or not at all.
        limits: how far and how fast.
    """
    report = CrawlReport()
    started = time.monotonic()
    with atomic_path(to) as temporary, temporary.open("wb") as stream:
        warc = _WarcFile(stream)
        info = f"software: {USER_AGENT}\r\nformat: WARC File Format 1.1\r\nrobots: obey\r\n"
        warc.add(WarcRecordType.warcinfo, info.encode(), content_type="application/warc-fields")
        asyncio.run(_Crawl(seeds, address, limits or CrawlLimits(), warc, report).run())
    report.seconds = time.monotonic() - started
    return report


class _Crawl:
    def __init__(
        self, seeds: Sequence[str], address: str, limits: CrawlLimits, warc: _WarcFile, report: CrawlReport
    ) -> None:
        self._limits = limits
        self._warc = warc
        self._report = report
        self._origins = {can_ada.parse(seed).origin: seed for seed in seeds}
        self._hosts = [can_ada.parse(seed).hostname for seed in seeds]
        self._address = address

    async def run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=self._limits.deadline_seconds)
        headers = {"User-Agent": USER_AGENT, "Accept": "text/html", "Accept-Encoding": "identity"}
        connector = aiohttp.TCPConnector(resolver=_OneAddress(self._hosts, self._address), use_dns_cache=False)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:
            # Hosts side by side; the pages of one host in order, so that the same web gives the same crawl.
            found = await asyncio.gather(
                *(_HostCrawl(session, origin, seed, self._limits).run() for origin, seed in self._origins.items())
            )
        for host in found:
            self._report.hosts += bool(host.pages)
            self._report.pages += len(host.pages)
            self._report.failed.update(host.failed)
            for page in host.pages:
                self._warc.add(
                    WarcRecordType.request, page.request, content_type="application/http; msgtype=request", url=page.url
                )
                self._warc.add(
                    WarcRecordType.response,
                    page.response,
                    content_type="application/http; msgtype=response",
                    url=page.url,
                )


@dataclass(frozen=True)
class _Page:
    url: str
    request: bytes
    response: bytes


class _HostCrawl:
    """One host: breadth first, a few pages at a time."""

    def __init__(self, session: aiohttp.ClientSession, origin: str, seed: str, limits: CrawlLimits) -> None:
        self._session = session
        self._origin = origin
        self._limits = limits
        self._seed = seed
        self.pages: list[_Page] = []
        self.failed: Counter[str] = Counter()

    async def run(self) -> Self:
        robots = await self._robots()
        seen = {self._seed}
        wave = [self._seed]
        while wave and len(self.pages) < self._limits.max_pages:
            allowed = [url for url in wave if robots.can_fetch(USER_AGENT, url)]
            self.failed.update(robots=len(wave) - len(allowed))
            wave = []
            step = self._limits.per_host_concurrency
            for start in range(0, len(allowed), step):
                found = await asyncio.gather(*(self._page(url) for url in allowed[start : start + step]))
                for links in found:
                    fresh = [link for link in dict.fromkeys(links) if link not in seen]
                    seen.update(fresh)
                    wave += fresh
        self.failed = +self.failed
        return self

    async def _robots(self) -> RobotFileParser:
        robots = RobotFileParser()
        try:
            async with self._session.get(f"{self._origin}/robots.txt") as response:
                text = await response.text() if response.status == _HTTP_OK else ""
            robots.parse(text.splitlines())
        except (aiohttp.ClientError, TimeoutError, OSError, UnicodeDecodeError):
            robots.parse(["User-agent: *", "Disallow: /"])  # RFC 9309, 2.3.1.4: unreachable means nothing is allowed
        return robots

    async def _page(self, url: str) -> list[str]:
        """Fetch and keep a page; the pages it links to on the same host."""
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                body = await response.content.read(_MAX_PAGE_BYTES + 1)
                while len(body) <= _MAX_PAGE_BYTES and (more := await response.content.read(_MAX_PAGE_BYTES)):
                    body += more
                status_line = f"HTTP/1.1 {response.status} {response.reason}"
                headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers]
                asked = [*response.request_info.headers.items()]
                content_type = response.content_type
        except TimeoutError:
            self.failed["slow"] += 1
            return []
        except (aiohttp.ClientError, OSError):
            self.failed["unreachable"] += 1
            return []
        if response.status != _HTTP_OK or content_type != "text/html" or len(body) > _MAX_PAGE_BYTES:
            self.failed["not a page"] += 1
            return []
        path = url.removeprefix(self._origin)
        request = _head(f"GET {path} HTTP/1.1", asked)
        self.pages.append(_Page(url, request, _head(status_line, headers) + body))
        return self._links(url, body)

    def _links(self, url: str, body: bytes) -> list[str]:
        page = can_ada.parse(url)
        links = []
        for anchor in LexborHTMLParser(body).css("nav a[href]"):
            target = page + (anchor.attributes["href"] or "")
            target.hash = ""
            if target.origin == self._origin:
                links.append(target.href)
        return links


def _head(first_line: str, headers: Sequence[tuple[str, str]]) -> bytes:
    lines = [first_line, *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
