"""How an image is to be kept, and what became of one: the plain values that go to a picture process and come back."""

import mmap
from typing import Final

import msgspec

from linkwell.pictures.failures import PictureFailure

RESIZE_MODES: Final = ("keep_ratio", "keep_ratio_largest", "center_crop", "border", "no")
"""img2dataset's names: shorter side at the size; longer side; shorter side and the middle square; longer side and white to a square."""
FORMATS: Final = ("jpg", "png", "webp")
"""What pictures are encoded as."""

ImageBytes = bytes | mmap.mmap
"""An image file: in memory, or mapped from an anonymous file that is sealed."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom as shares of width and height of the upright picture, 0 to 1."""


class Kept(msgspec.Struct, frozen=True):
    """How images are kept."""

    size: int = 256
    """Pixels of the side that `resize` names."""
    resize: str = "keep_ratio"
    """One of `RESIZE_MODES`."""
    only_if_bigger: bool = False
    """Whether pictures whose side is not above `size` stay as they are."""
    keep_original: bool = False
    """Whether the bytes are stored as they came."""
    format: str = "jpg"
    """One of `FORMATS`."""
    quality: int = 95
    """1-100 for jpg and webp; for png the compression level, 0-9."""
    max_pixels: int = 89_478_485
    """Refused above, from the header."""
    min_side_pixels: int = 0
    """Refused where the shorter side of the original is below."""
    max_aspect_ratio: float = 0.0
    """Refused where the longer side of the original is more than this many times the shorter; 0: no limit."""
    pdq: bool = True
    """Whether pictures are hashed by PDQ."""
    looks: bool = False
    """Whether their other looks are hashed, too; see `ledger.pdq_looks`."""

    @property
    def header_only(self) -> bool:
        """Whether no picture is decoded: only the header is read where the original is kept and not hashed by PDQ."""
        return self.keep_original and not self.pdq


class Look(msgspec.Struct, frozen=True):
    """What looking at an image found: its size, its hash, and why it is no picture where it is none."""

    failure: str | None = None
    width: int | None = None
    """Pixels of the original, upright."""
    height: int | None = None
    pdq: bytes | None = None
    pdq_quality: int | None = None
    looks: tuple[tuple[bytes, int], ...] = ()
    """PDQ hashes and qualities of its other looks, to be matched and forgotten."""
    exif: dict[str, str] = {}

    def __repr__(self) -> str:
        """Without the hash, which is restricted."""
        return f"Look({self.failure}, {self.width} x {self.height})"


class Rendering(msgspec.Struct, frozen=True):
    """What an image came to as it is kept; the bytes go beside it."""

    failure: str | None = None
    extension: str = "jpg"
    width: int | None = None
    """Pixels of the image as kept."""
    height: int | None = None


def sniff(data: ImageBytes) -> str | None:
    """The format the first bytes say: a name as in file names (`jpg`), or None where they are no image known here.

    >>> sniff(b"GIF89a")
    'gif'
    """
    head = data[:16]
    for magic, name in _MAGICS:
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return "avif" if head[8:12] in (b"avif", b"avis") else "heic" if head[8:12] in _HEIC_BRANDS else None
    return None


def keep_original(data: ImageBytes, seen: Look, kept: Kept) -> Rendering:
    """An original as it is kept: refused by its shape, or as it came."""
    width, height = seen.width or 0, seen.height or 0
    try:
        check_shape(width, height, kept)
    except PictureFailure as failure:
        return Rendering(failure.kind)
    return Rendering(None, sniff(data) or "bin", width, height)


def check_shape(width: int, height: int, kept: Kept) -> None:
    """Refuse what is too small or too long.

    Raises:
        PictureFailure: `too_small` or `aspect_ratio`.
    """
    shorter, longer = sorted((width, height))
    if shorter < kept.min_side_pixels:
        raise PictureFailure("too_small")
    if kept.max_aspect_ratio and longer > kept.max_aspect_ratio * shorter:
        raise PictureFailure("aspect_ratio")


_MAGICS = (
    (b"\xff\xd8\xff", "jpg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
    (b"II*\0", "tif"),
    (b"MM\0*", "tif"),
    (b"II+\0", "tif"),
    (b"MM\0+", "tif"),
    (b"\0\0\1\0", "ico"),
    (b"8BPS", "psd"),
    (b"\0\0\0\x0cjP  ", "jp2"),
    (b"\xff\x0a", "jxl"),
    (b"\0\0\0\x0cJXL ", "jxl"),
)
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"mif1", b"msf1"})
