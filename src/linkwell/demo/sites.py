"""Builds the demo's web in memory: every page and picture as the answer a server gives."""

import multiprocessing
import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import jinja2

from linkwell.demo.captions import caption
from linkwell.demo.pictures import Picture, draw, encode
from linkwell.demo.plan import ATTIC, GONE, MIRROR, SITES, PlannedPicture, Site, plan_pictures

__all__ = ["SLOW_SECONDS", "Answer", "PlacedPicture", "Web", "make_web"]

SLOW_SECONDS = 12.0
"""How long a slow answer takes: longer than the demo's deadlines."""

_MEDIA_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif"}
_HUGE_SIDE_PIXELS = 50_000


@dataclass(frozen=True)
class Answer:
    """What a server says to one request."""

    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/html; charset=utf-8"),)
    status: int = 200
    delay_seconds: float = 0.0
    endless: bool = False
    """The body is repeated until the client hangs up."""


@dataclass(frozen=True)
class PlacedPicture:
    """A picture on the web: where it is, and its bytes, which nobody but the web's server and the demo's list writer sees."""

    host: str
    url: str
    data: bytes
    opted_out: bool
    """Whether its own answer, or its page, says something against use."""
    slow: bool = False


@dataclass(frozen=True)
class Web:
    """A whole small web: answers by host and path."""

    port: int
    answers: Mapping[str, Mapping[str, Answer]]
    pictures: tuple[PlacedPicture, ...]

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that answer."""
        return tuple(self.answers)

    @property
    def seeds(self) -> tuple[str, ...]:
        """The URLs a crawl starts at: every site's index."""
        return tuple(f"http://{host}:{self.port}/" for host in self.answers)

    @property
    def page_count(self) -> int:
        """HTML pages."""
        return sum(_is_page(answer) for answers in self.answers.values() for answer in answers.values())


def _is_page(answer: Answer) -> bool:
    return answer.status == 200 and dict(answer.headers).get("Content-Type", "").startswith("text/html")  # noqa: PLR2004


def make_web(port: int) -> Web:
    """Draw the pictures and build the pages of the web that is served on `port`; the same port gives the same web."""
    planned = plan_pictures()
    bodies = _draw_all([p.picture for p in planned])
    answers: dict[str, dict[str, Answer]] = {site.host: {} for site in SITES}
    placed: list[PlacedPicture] = []
    for plan, data in zip(planned, bodies, strict=True):
        answer = _picture_answer(plan, data)
        answers[plan.site.host][plan.path] = answer
        url = f"http://{plan.site.host}:{port}{plan.path}"
        marked = any(plan.number % marks.every == 0 for marks in plan.site.marks)
        placed.append(PlacedPicture(plan.site.host, url, data, marked, answer.delay_seconds >= SLOW_SECONDS))
    for site in SITES:
        answers[site.host]["/robots.txt"] = Answer(
            b"User-agent: *\nDisallow: /private/\n", (("Content-Type", "text/plain"),)
        )
    page_of = jinja2.Environment(
        loader=jinja2.PackageLoader("linkwell.demo", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
    ).get_template("page.html.j2")
    for site in SITES:
        own = [p for p in planned if p.site is site]
        for path, page in _pages(site, own, planned, port):
            answers[site.host][path] = Answer(
                page_of.render(page.context(site)).encode(),
                (("Content-Type", "text/html; charset=utf-8"), *page.headers),
            )
    answers[MIRROR].update(_mirror_copies(planned, bodies))
    answers[ATTIC].update(_broken_answers(port))
    lento = answers["lento.example"]
    lento["/p/5.html"] = Answer(lento["/p/5.html"].body, delay_seconds=SLOW_SECONDS)
    return Web(port, answers, tuple(placed))


def _draw_one(picture: Picture) -> bytes:
    return encode(draw(picture), picture.extension)


def _draw_all(pictures: Sequence[Picture]) -> list[bytes]:
    """Draw in as many processes as there are cores."""
    workers = os.cpu_count() or 1
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("forkserver")) as pool:
        return list(pool.map(_draw_one, pictures, chunksize=16))


def _picture_answer(plan: PlannedPicture, data: bytes) -> Answer:
    stated = [h for marks in plan.site.marks if plan.number % marks.every == 0 for h in marks.image_headers]
    slow = bool(plan.site.slow_every) and plan.number % plan.site.slow_every == 0
    headers = (("Content-Type", _MEDIA_TYPES[plan.picture.extension]), *stated)
    quick = 0.05 if plan.site.slow_every else 0.0
    return Answer(data, headers, delay_seconds=SLOW_SECONDS if slow else quick)


@dataclass(frozen=True)
class _Image:
    src: str
    alt: str | None
    width: int | None = None


@dataclass(frozen=True)
class _Page:
    title: str
    images: Sequence[_Image]
    links: Sequence[str]
    headers: tuple[tuple[str, str], ...] = ()
    metas: tuple[tuple[str, str], ...] = ()
    licence: str | None = None
    base: str | None = None

    def context(self, site: Site) -> dict[str, object]:
        return {"site": site, **{name: getattr(self, name) for name in self.__dataclass_fields__}}


def _pages(
    site: Site, own: Sequence[PlannedPicture], everything: Sequence[PlannedPicture], port: int
) -> Iterator[tuple[str, _Page]]:
    """A site's pages by path: the index with a few pictures, then one page for each number."""
    paths = [f"/p/{number}.html" for number in range(1, site.page_count + 1)]
    if site.host == MIRROR:
        yield from _mirror_pages(site, everything, port, paths)
        return
    links = [*paths, "/private/notes.html"]
    base = "/img/" if site.source == "base" else None
    yield "/", _Page(site.title, [_image(site, plan, port) for plan in own[:4]], links, base=base)
    yield "/private/notes.html", _Page(site.title, [_Image("/img/private.jpg", "not to be crawled")], [])
    broken = _broken_images(port) if site.host == ATTIC else []
    for number, path in enumerate(paths, start=1):
        plans = [own[number - 1]]
        if number % 3 == 0:
            plans.append(own[site.page_count + number // 3 - 1])
        images = [_image(site, plan, port) for plan in plans]
        if number % 5 == 0:  # shown again on a later page: the same URL twice in the build
            images.append(_image(site, own[number - 2], port))
        images += broken[(number - 1) * 2 : number * 2]
        stated = [marks for marks in site.marks if number % marks.every == 0]
        yield (
            path,
            _Page(
                f"{site.title} {number}",
                images,
                ["/", paths[number % len(paths)]],
                headers=tuple(h for marks in stated for h in marks.headers),
                metas=tuple(m for marks in stated for m in marks.metas),
                licence=site.licence if number % 2 == 0 else None,
                base=base,
            ),
        )


def _image(site: Site, plan: PlannedPicture, port: int) -> _Image:
    name = plan.path.rpartition("/")[2]
    source = {
        "root": plan.path,
        "relative": f"../img/{name}",
        "base": name,
        "absolute": f"http://{site.host}:{port}{plan.path}",
        "scheme": f"//{site.host}:{port}{plan.path}",
    }[site.source]
    return _Image(source, caption(plan.picture, site.language), 320 if plan.number % 3 == 0 else None)


def _mirrored(everything: Sequence[PlannedPicture]) -> list[tuple[int, PlannedPicture]]:
    """Every fifth picture of the sites that are quick, with its place in the plan."""
    quick = [(i, p) for i, p in enumerate(everything) if not p.site.slow_every and p.site.host != ATTIC]
    return quick[::5]


def _mirror_pages(
    site: Site, everything: Sequence[PlannedPicture], port: int, paths: Sequence[str]
) -> Iterator[tuple[str, _Page]]:
    """Pages that show other sites' pictures: half under the mirror's own address, half from the site they hang on."""
    yield "/", _Page(site.title, [], paths)
    mirrored = _mirrored(everything)
    for number, path in enumerate(paths, start=1):
        images = []
        for place, plan in mirrored[(number - 1) * 3 : number * 3]:
            own = place % 2 == 0
            src = f"/copies/{place}.{plan.picture.extension}" if own else f"http://{plan.site.host}:{port}{plan.path}"
            images.append(_Image(src, caption(plan.picture, site.language)))
        yield path, _Page(f"{site.title} {number}", images, ["/"])


def _mirror_copies(everything: Sequence[PlannedPicture], bodies: Sequence[bytes]) -> dict[str, Answer]:
    return {
        f"/copies/{place}.{plan.picture.extension}": Answer(
            bodies[place], (("Content-Type", _MEDIA_TYPES[plan.picture.extension]),)
        )
        for place, plan in _mirrored(everything)
        if place % 2 == 0
    }


def _broken_images(port: int) -> list[_Image]:
    """The attic's images that end badly, each in another way, and some that a build does not take."""
    here = f"http://{ATTIC}:{port}"
    return [
        _Image("/img/never-was.jpg", "A picture that was never there"),
        _Image("/img/was-here.jpg", "A picture that was taken down by its owner"),
        _Image(f"http://{GONE}:{port}/harbour.jpg", "A picture on a host that is gone"),
        _Image(f"http://{GONE}:{port}/lighthouse.jpg", "Another picture on a host that is gone"),
        _Image("/img/page-instead.jpg", "A web page where a picture should be"),
        _Image("/img/endless.jpg", "A picture that never ends"),
        _Image("/img/wall.png", "A wall of fifty thousand by fifty thousand pixels"),
        _Image("/img/inside.jpg", "A picture that leads to an address inside the machine"),
        _Image("/img/loop.jpg", "A picture that leads to itself"),
        _Image("/img/cut.jpg", "A picture that is cut short"),
        _Image("/img/locked.jpg", "A picture behind a lock"),
        _Image("/img/trouble.jpg", "A picture on a server in trouble"),
        _Image("data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=", "A picture inside the page"),
        _Image("/img/vase-001.gif", ""),
        _Image("/img/vase-002.gif", "   "),
        _Image("/img/vase-003.gif", None),
        _Image("http://[not-an-address]/a.jpg", "A picture whose address no parser takes"),
        _Image("", "A picture with an empty address"),
        _Image("/img/moved.jpg", "A picture that moved next door"),
        _Image(f"{here}/img/moved.jpg", "A picture that moved next door"),
    ]


def _broken_answers(port: int) -> dict[str, Answer]:
    picture = (("Content-Type", "image/jpeg"),)

    def moved(to: str) -> Answer:
        return Answer(b"", (("Location", to),), status=302)

    return {
        "/img/was-here.jpg": Answer(b"gone", status=410),
        "/img/page-instead.jpg": Answer(b"<!doctype html><title>Please log in</title>"),
        "/img/endless.jpg": Answer(b"\xff\xd8\xff\xe0" + b"\0" * 65_532, picture, endless=True),
        "/img/wall.png": Answer(_huge_png(), (("Content-Type", "image/png"),)),
        "/img/inside.jpg": moved("http://169.254.169.254/latest/meta-data/"),
        "/img/loop.jpg": moved(f"http://{ATTIC}:{port}/img/loop.jpg"),
        "/img/cut.jpg": Answer(b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01", picture),
        "/img/locked.jpg": Answer(b"no", status=403),
        "/img/trouble.jpg": Answer(b"later", status=503),
        "/img/moved.jpg": moved("/img/vase-004.gif"),
    }


def _huge_png() -> bytes:
    """A PNG whose header claims 50,000 by 50,000 pixels, and that holds none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", _HUGE_SIDE_PIXELS, _HUGE_SIDE_PIXELS, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    )
