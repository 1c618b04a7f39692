"""The demo's web behaves as the web does: links, headers, redirects, trouble; and its crawl is a real archive."""

import asyncio
from collections import Counter
from pathlib import Path

import aiohttp
import can_ada
import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType
from selectolax.lexbor import LexborHTMLParser

from linkwell.base.errors import UnavailableError
from linkwell.demo import web
from linkwell.demo.crawl import CrawlLimits, crawl
from linkwell.demo.plan import ATTIC, GONE, SITES
from linkwell.demo.sites import Web, make_web


async def _get(world: Web, host: str, path: str) -> tuple[int, dict[str, str], bytes]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"http://{web.ADDRESS}:{world.port}{path}", headers={"Host": f"{host}:{world.port}"}, allow_redirects=False
        ) as response,
    ):
        return response.status, dict(response.headers), await response.content.read(200_000)


def get(world: Web, host: str, path: str) -> tuple[int, dict[str, str], bytes]:
    """Ask the demo's web as a client would."""
    return asyncio.run(_get(world, host, path))


@pytest.fixture(scope="module")
def archive(world: Web, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A crawl of the whole web."""
    path = tmp_path_factory.mktemp("crawl") / "crawl.warc.gz"
    crawl(world.seeds, web.ADDRESS, path)
    return path


def test_the_web_is_large_and_varied_enough(world: Web) -> None:
    """Some ten sites, over three hundred pages, several hundred pictures, seven languages and more."""
    assert len(world.hosts) >= 10
    assert world.page_count >= 300
    assert len({p.url for p in world.pictures}) >= 300
    assert len({site.language for site in SITES}) >= 7


def test_the_same_port_gives_the_same_web(world: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page and answer is the same each time (that pictures are is tested with them, and takes long)."""
    monkeypatch.setattr("linkwell.demo.sites._draw_all", lambda _: [p.data for p in world.pictures])
    assert make_web(world.port) == world


def test_answers_go_by_host_and_path(world: Web) -> None:
    """One port, many hosts; a path of one is not a path of the other, and unknown hosts have nothing."""
    status, headers, body = get(world, "birds.example", "/img/forest-001.jpg")
    assert (status, headers["Content-Type"], body[:2]) == (200, "image/jpeg", b"\xff\xd8")
    assert get(world, "atlas.example", "/img/forest-001.jpg")[0] == 404
    assert get(world, "nowhere.example", "/")[0] == 404


def test_trouble_is_served_as_trouble(world: Web) -> None:
    """Statuses, redirects to where no client may go, an endless body, a page in a picture's place."""
    assert get(world, ATTIC, "/img/was-here.jpg")[0] == 410
    assert get(world, ATTIC, "/img/never-was.jpg")[0] == 404
    assert get(world, ATTIC, "/img/inside.jpg")[1]["Location"].startswith("http://169.254.169.254/")
    assert get(world, ATTIC, "/img/page-instead.jpg")[1]["Content-Type"].startswith("text/html")
    endless = get(world, ATTIC, "/img/endless.jpg")
    assert "Content-Length" not in endless[1]


def test_opt_outs_of_every_kind_are_there(world: Web) -> None:
    """Each form that a build reads stands on some page, and one on the answer of a picture itself."""
    pages = [a for answers in world.answers.values() for a in answers.values()]
    stated = {(name.lower(), value) for answer in pages for name, value in answer.headers}
    html = b"".join(a.body for a in pages if b"<html" in a.body)
    assert {("x-robots-tag", "noai, noimageai"), ("tdm-reservation", "1"), ("x-robots-tag", "otherbot: noai")} <= stated
    for mark in (b'content="noai"', b"noimageai", b'content="noml"', b'name="tdm-reservation" content="1"'):
        assert mark in html
    assert get(world, "costa.example", "/img/hills-005.jpg")[1]["X-Robots-Tag"] == "noimageai"


def test_the_crawl_reads_back_with_another_reader(world: Web, archive: Path) -> None:
    """Every record has valid digests; there is one warcinfo, and a request beside each response, with its HTTP headers."""
    kinds: Counter[str] = Counter()
    pages = {}
    with archive.open("rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.any_type, parse_http=False):
            assert record.verify_block_digest()
            kinds[record.headers["WARC-Type"]] += 1
            if record.record_type == WarcRecordType.response:
                record.parse_http()
                assert record.http_headers is not None
                assert record.http_headers.status_code == 200
                assert record.reader is not None
                pages[record.headers["WARC-Target-URI"]] = record.reader.read()
    assert kinds["warcinfo"] == 1
    assert kinds["request"] == kinds["response"] == len(pages) >= 300
    for url, body in pages.items():
        parsed = can_ada.parse(url)
        assert world.answers[parsed.hostname][parsed.pathname].body == body


def test_the_crawl_obeys_robots_txt_and_its_deadline(world: Web, tmp_path: Path) -> None:
    """What robots.txt forbids is not asked for, and a slow page is left out and counted."""
    report = crawl([f"http://lento.example:{world.port}/"], web.ADDRESS, tmp_path / "c.warc.gz", CrawlLimits())
    assert report.failed == {"robots": 1, "slow": 1}
    text = b"".join(_bodies(tmp_path / "c.warc.gz"))
    assert b"not to be crawled" not in text


def test_the_crawl_is_the_same_every_time(world: Web, tmp_path: Path) -> None:
    """The same web gives the same pages in the same order."""
    seeds = world.seeds[:2]
    crawl(seeds, web.ADDRESS, tmp_path / "a.warc.gz")
    crawl(seeds, web.ADDRESS, tmp_path / "b.warc.gz")
    assert _bodies(tmp_path / "a.warc.gz") == _bodies(tmp_path / "b.warc.gz")


def _bodies(path: Path) -> list[bytes]:
    bodies = []
    with path.open("rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response):
            assert record.reader is not None
            bodies.append(record.reader.read())
    return bodies


def test_pages_hold_what_makes_building_hard(archive: Path) -> None:
    """Relative addresses under a base element, addresses without scheme, data: URLs, blank and missing alts, dead hosts."""
    sources, alts, bases = [], [], 0
    for body in _bodies(archive):
        tree = LexborHTMLParser(body)
        bases += bool(tree.css("base[href]"))
        for image in tree.css("img"):
            sources.append(image.attributes.get("src") or "")
            alts.append(image.attributes.get("alt"))
    assert bases > 20
    assert any(s.startswith("//") for s in sources)
    assert any(s.startswith("../") for s in sources)
    assert any(s.startswith("data:") for s in sources)
    assert any(GONE in s for s in sources)
    assert None in alts
    assert "" in alts


def test_a_crawl_never_leaves_its_hosts(world: Web, tmp_path: Path) -> None:
    """A host that is not among the seeds is not resolved, whatever the seeds' pages link to."""
    report = crawl(["http://elsewhere.example:1/"], web.ADDRESS, tmp_path / "c.warc.gz")
    assert report.pages == 0
    assert report.failed == {"robots": 1}


def test_a_busy_port_gives_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ports are taken in order; when all are taken the error says what to do."""
    first = web.free_socket()
    second = web.free_socket()
    assert first.getsockname()[1] < second.getsockname()[1]
    monkeypatch.setattr(web, "FIRST_PORT", first.getsockname()[1])
    monkeypatch.setattr(web, "_PORT_COUNT", 1)
    with pytest.raises(UnavailableError, match="no port is free"):
        web.free_socket()
    first.close()
    second.close()
