"""What stands on the demo's web: twelve sites, their languages, subjects, licences and opt-outs."""

from dataclasses import dataclass

import numpy as np

from linkwell.demo.pictures import COLOURS, KINDS, MOODS, Picture

CC = "https://creativecommons.org/"


@dataclass(frozen=True)
class Marks:
    """What some of a site's pages state about use: header lines, metas (name, content), header lines of the images."""

    headers: tuple[tuple[str, str], ...] = ()
    metas: tuple[tuple[str, str], ...] = ()
    image_headers: tuple[tuple[str, str], ...] = ()
    every: int = 2
    """On every so-many-th page."""


@dataclass(frozen=True)
class Site:
    """One site of the demo's web."""

    host: str
    title: str
    language: str
    kinds: tuple[str, ...]
    page_count: int = 27
    """Pages with pictures, besides the index."""
    extension: str = "jpg"
    licence: str | None = None
    """Licence URL, on every second page."""
    licence_how: str = "link"
    """`link`: a rel=license link in the head; `anchor`: one in the text."""
    marks: tuple[Marks, ...] = ()
    source: str = "root"
    """How the pages write their pictures' addresses: `root` (/img/…), `relative` (../img/…), `base` (with a base element),
    `absolute`, or `scheme` (//host/…)."""
    slow_every: int = 0
    """Every so-many-th picture is answered after the demo's deadline; 0 for none."""


SITES = (
    Site("birds.example", "Birds of the demo woods", "en", ("bird", "forest"), licence=CC + "licenses/by/4.0/"),
    Site(
        "atlas.example",
        "The paper atlas",
        "en",
        ("map", "hills"),
        extension="png",
        licence=CC + "publicdomain/zero/1.0/",
        source="base",
    ),
    Site(
        "galerie.example",
        "Galerie am Hafen",
        "de",
        ("abstract", "vase"),
        marks=(Marks(headers=(("X-Robots-Tag", "noai, noimageai"),)),),
    ),
    Site(
        "photos.example",
        "Carnet de photos",
        "fr",
        ("house", "sea"),
        source="relative",
        marks=(
            Marks(metas=(("robots", "noai"),), every=4),
            Marks(metas=(("robots", "index, noimageai"),), every=5),
        ),
    ),
    Site(
        "museo.example",
        "Museo de la demostración",
        "es",
        ("vase", "flowers"),
        licence=CC + "licenses/by-sa/4.0/",
        licence_how="anchor",
        marks=(
            Marks(metas=(("tdm-reservation", "1"), ("tdm-policy", "https://museo.example/policy.json")), every=3),
            Marks(metas=(("tdm-reservation", "0"),), every=4),
        ),
    ),
    Site(
        "hana.example",
        "花の庭",
        "ja",
        ("flowers", "hills"),
        extension="webp",
        marks=(Marks(headers=(("tdm-reservation", "1"),), every=3),),
    ),
    Site(
        "gorod.example",
        "Город и дома",
        "ru",
        ("city", "house"),
        source="scheme",
        marks=(
            Marks(metas=(("robots", "noml"),), every=3),
            Marks(headers=(("X-Robots-Tag", "otherbot: noai"),), every=4),
            Marks(headers=(("X-Robots-Tag", "unavailable_after: 25 Jun 2042 15:00:00 PST, NoAI"),), every=7),
        ),
    ),
    Site("hadiqa.example", "الحديقة", "ar", ("flowers", "sea"), licence=CC + "licenses/by-nc/4.0/", source="absolute"),
    Site(
        "costa.example",
        "Disegni della costa",
        "it",
        ("sea", "hills"),
        marks=(Marks(image_headers=(("X-Robots-Tag", "noimageai"),), every=5),),
    ),
    Site("lento.example", "A casa lenta", "pt", ("house", "forest"), slow_every=9),
    Site("mirror.example", "The mirror", "en", ("bird", "map"), page_count=30),
    Site("attic.example", "The attic of broken things", "en", ("vase",), page_count=12, extension="gif"),
)
"""The demo's web. `mirror.example` shows other sites' pictures, and has copies of some; `attic.example` holds what goes wrong."""

MIRROR = "mirror.example"
ATTIC = "attic.example"
GONE = "gone.example"
"""A host that other pages name and that resolves nowhere (RFC 6761: no name under .example does)."""


@dataclass(frozen=True)
class PlannedPicture:
    """A picture and where it hangs."""

    picture: Picture
    site: Site
    number: int
    """1 is the first of its site."""

    @property
    def path(self) -> str:
        """The picture's path on its host."""
        return f"/img/{self.picture.kind}-{self.number:03d}.{self.picture.extension}"


def plan_pictures() -> list[PlannedPicture]:
    """Every picture of the web, in the order of sites and pages: one for each page, and a second on every third."""
    planned: list[PlannedPicture] = []
    for site in SITES:
        if site.host == MIRROR:
            continue
        for number in range(1, site.page_count + site.page_count // 3 + 1):
            seed = len(planned) + 1
            chance = np.random.default_rng([seed, len(KINDS)])
            picture = Picture(
                seed=seed,
                kind=site.kinds[number % len(site.kinds)],
                colour=str(chance.choice(COLOURS)),
                mood=str(chance.choice(MOODS)),
                extension=site.extension if number % 4 == 0 or site.extension == "gif" else "jpg",
            )
            planned.append(PlannedPicture(picture, site, number))
    return planned
