"""What the header of an image file says: format, size, Exif. Read without decoding a pixel, and bounded in what is read."""

import io
from typing import Final

import simplejpeg
from PIL import Image

from linkwell.base.jpeg import scan_start
from linkwell.pictures.failures import PictureFailure
from linkwell.pictures.kept import ImageBytes, Kept, Look, sniff

# Sizes are checked against our own bound right after the header is read; Pillow's warning about the same would only repeat it.
Image.MAX_IMAGE_PIXELS = None

ORIENTATION: Final = 0x0112
"""The Exif tag that says which side is up."""
SWAPPING: Final = frozenset({5, 6, 7, 8})
"""Orientations that exchange width and height."""
HEAD_BYTES: Final = 65_536
"""Exif and colour profile are looked for so far into a JPEG, and before its pixels: what stands behind them is of another picture."""
_EXIF_NAMES: Final = {
    0x010F: "Image Make",
    0x0110: "Image Model",
    0x0112: "Image Orientation",
    0x0131: "Image Software",
    0x0132: "Image DateTime",
    0x013B: "Image Artist",
    0x8298: "Image Copyright",
}
PILLOW_FORMATS: Final = {
    "png": "PNG",
    "gif": "GIF",
    "webp": "WEBP",
    "bmp": "BMP",
    "tif": "TIFF",
    "avif": "AVIF",
    "ico": "ICO",
    "jpg": "JPEG",
}
"""The one decoder of Pillow that may read each format."""


def look_at_header(data: bytes, kept: Kept) -> Look:
    """What the header says, for an original that is kept without being decoded; a damage further on is not seen."""
    try:
        width, height, exif = read_header(data, max_pixels=kept.max_pixels)
    except PictureFailure as failure:
        return Look(failure.kind)
    return Look(None, width, height, exif=exif)


def read_header(data: bytes, *, max_pixels: int) -> tuple[int, int, dict[str, str]]:
    """Width and height, upright, and the Exif fields that are kept.

    Raises:
        PictureFailure: as for `decode`, as far as the header shows it.
    """
    kind = sniff(data)
    if kind is None:
        raise PictureFailure("not_an_image")
    if kind not in PILLOW_FORMATS:
        raise PictureFailure("unsupported_format")
    exif: dict[int, object]
    if kind == "jpg":
        try:
            height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=False)
        except (ValueError, KeyError):
            raise PictureFailure("decode_error") from None
        exif = read_exif(data)
    else:
        try:
            with Image.open(io.BytesIO(data), formats=[PILLOW_FORMATS[kind]]) as image:
                width, height = image.size
                exif = dict(image.getexif())
        except Exception:  # noqa: BLE001 - a parser fed with hostile bytes raises anything; the outcome is named
            raise PictureFailure("decode_error") from None
    check_size(width, height, max_pixels)
    if exif.get(ORIENTATION) in SWAPPING:
        width, height = height, width
    return width, height, exif_text(exif)


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Refuse a size before anything of it is decoded.

    Raises:
        PictureFailure: `decode_error` where there is none, `too_many_pixels` where it is too large.
    """
    if width < 1 or height < 1:
        raise PictureFailure("decode_error")
    if width * height > max_pixels:
        raise PictureFailure("too_many_pixels")


def read_exif(data: ImageBytes) -> dict[int, object]:
    """The first Exif directory of a JPEG; empty where there is none or it does not read."""
    start = data.find(b"Exif\0\0", 0, scan_start(data, HEAD_BYTES))
    if start < 0:
        return {}
    exif = Image.Exif()
    try:
        exif.load(data[start : start + 6 + HEAD_BYTES])
        return dict(exif)
    except Exception:  # noqa: BLE001 - hostile bytes again; a picture is not lost for its Exif
        return {}


def exif_text(exif: dict[int, object]) -> dict[str, str]:
    """The Exif fields that a copy keeps, by the names exifread gives them: camera, date, artist, copyright; never a place."""
    kept = {}
    for tag, name in _EXIF_NAMES.items():
        if tag in exif:
            text = str(exif[tag]).strip("\0 ")[:500]
            kept[name] = text.encode("utf-8", "replace").decode()
    return kept
