"""From the bytes of one response to what is kept of it: digests, matches, and the image as it goes into the copy.

Everything here happens in memory. The digests are compared with the hash lists before anything is resized; what matches leaves
nothing but its digests and the match (ground rule 1).
"""

import dataclasses
from dataclasses import dataclass

import cv2

from linkwell.base.errors import SafetyError
from linkwell.ledger import Digests, exact_digests
from linkwell.lists import Match, Matcher
from linkwell.populate.decode import PDQ_MIN_SIDE_PIXELS, Picture, decode, encode_jpeg, read_header, resize, sniff
from linkwell.populate.failures import Failure


@dataclass(frozen=True)
class Kept:
    """How an image is kept."""

    size: int
    """Pixels of the shorter side, for `keep_ratio`."""
    resize: str
    """`keep_ratio` or `no`."""
    keep_original: bool
    """Whether the bytes are stored as they came."""
    quality: int
    max_pixels: int
    pdq: bool = True
    """Whether pictures are hashed by PDQ."""

    @property
    def header_only(self) -> bool:
        """Whether no picture is decoded: only the header is read where the original is kept and not hashed by PDQ."""
        return self.keep_original and not self.pdq


@dataclass(frozen=True)
class Examined:
    """What one image came to. `image` is None where it failed or matched; `matches` then says so."""

    digests: Digests
    matches: tuple[Match, ...] = ()
    failure: Failure | None = None
    image: bytes | None = dataclasses.field(default=None, repr=False)
    extension: str = "jpg"
    width: int | None = None
    height: int | None = None
    exif: dict[str, str] = dataclasses.field(default_factory=dict)


def examine(body: bytes, kept: Kept, matcher: Matcher) -> Examined:
    """Digest, match, and make the image as it is kept.

    Raises:
        SafetyError: the lists hold PDQ hashes and none is to be made: what they name could pass.
    """
    if matcher.needs_pdq and not kept.pdq:
        raise SafetyError("the hash lists hold PDQ hashes, and this run makes none", "populate", "Run it with PDQ.")
    digests = exact_digests(body)
    picture: Picture | None = None
    failure: Failure | None = None
    try:
        if kept.header_only:
            picture = read_header(body, max_pixels=kept.max_pixels)
        else:
            picture = decode(body, max_pixels=kept.max_pixels, min_side=_min_side(kept), luma=kept.keep_original)
        if kept.pdq:
            digests = digests.with_picture(picture.pixels, picture.width, picture.height)
        else:
            digests = dataclasses.replace(digests, width=picture.width, height=picture.height)
    except Failure as error:
        failure = error
    except (cv2.error, MemoryError):
        failure = Failure("decode_error")
    matches = () if matcher.empty else tuple(matcher.match_digests(digests))
    if matches or picture is None:
        return Examined(digests, matches, failure)
    try:
        return _keep(body, picture, digests, kept)
    except Failure as error:
        return Examined(digests, failure=error)
    except (cv2.error, MemoryError):
        return Examined(digests, failure=Failure("decode_error"))


def _min_side(kept: Kept) -> int | None:
    if kept.resize == "no" and not kept.keep_original:
        return None
    return PDQ_MIN_SIDE_PIXELS if kept.keep_original else max(kept.size, PDQ_MIN_SIDE_PIXELS)


def _keep(body: bytes, picture: Picture, digests: Digests, kept: Kept) -> Examined:
    if kept.keep_original:
        return Examined(
            digests,
            image=body,
            extension=sniff(body) or "bin",
            width=picture.width,
            height=picture.height,
            exif=picture.exif,
        )
    pixels = picture.pixels if kept.resize == "no" else resize(picture, kept.size, kept.max_pixels)
    height, width = pixels.shape[:2]
    return Examined(digests, image=encode_jpeg(pixels, kept.quality), width=width, height=height, exif=picture.exif)
