"""From the bytes of a response to a picture and its resized copy, all in memory.

The size is read from the header and refused there, before a pixel is decoded. JPEG goes through libjpeg-turbo with scaled
decoding, everything else through Pillow with only the decoders named here. A picture is 8-bit RGB, upright (Exif orientation
applied), transparency laid on white.
"""

import io
import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, ImageOps

from linkwell.populate.failures import Failure

Pixels = npt.NDArray[np.uint8]

# Sizes are checked against our own bound right after the header is read; Pillow's warning about the same would only repeat it.
Image.MAX_IMAGE_PIXELS = None

PDQ_MIN_SIDE_PIXELS: Final = 512
"""Scaled JPEG decoding keeps at least this on the shorter side, so that the PDQ hash hardly differs from the full picture's."""

_ORIENTATION = 0x0112
_SWAPPING = frozenset({5, 6, 7, 8})
_MAX_JPEG_SIDE_PIXELS = 65_535
_EXIF_SEARCH_BYTES = 65_536
_QUICK_PIXELS = 1_000_000
_QUICK_BYTES = 500_000
_TWO_STEP_SIDE_PIXELS = 4_096
"""Longest side resized in two steps: for larger ones the intermediate picture would take too much memory."""
_EXIF_NAMES: Final = {
    0x010F: "Image Make",
    0x0110: "Image Model",
    0x0112: "Image Orientation",
    0x0131: "Image Software",
    0x0132: "Image DateTime",
    0x013B: "Image Artist",
    0x8298: "Image Copyright",
}
_PILLOW_FORMATS: Final = {
    "png": "PNG",
    "gif": "GIF",
    "webp": "WEBP",
    "bmp": "BMP",
    "tif": "TIFF",
    "avif": "AVIF",
    "ico": "ICO",
    "jpg": "JPEG",
}


@dataclass(frozen=True)
class Picture:
    """A decoded picture. `width` and `height` are those of the original, upright; `pixels` may be a scaled decode of it.

    Pixels are RGB, or luma alone where that was asked for and the format has it.
    """

    pixels: Pixels
    width: int
    height: int
    exif: dict[str, str]


def sniff(data: bytes) -> str | None:
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


def decode(data: bytes, *, max_pixels: int, min_side: int | None, luma: bool = False) -> Picture:
    """Decode the first picture of an image file.

    Args:
        data: the file.
        max_pixels: refused above this many, from the header.
        min_side: pixels a scaled decode must keep on the shorter side; None: never scale.
        luma: only the luma is wanted, as for a PDQ hash: half the work for a JPEG, which stores it by itself.

    Raises:
        Failure: `not_an_image`, `unsupported_format`, `too_many_pixels`, `decode_error` or `truncated_image`.
    """
    kind = sniff(data)
    if kind is None:
        raise Failure("not_an_image")
    if kind not in _PILLOW_FORMATS:
        raise Failure("unsupported_format")
    if kind == "jpg":
        picture = _decode_jpeg(data, max_pixels, min_side, "GRAY" if luma else "RGB")
        if picture is not None:
            return picture
    return _decode_pillow(data, _PILLOW_FORMATS[kind], max_pixels)


def is_quick(data: bytes) -> bool:
    """Whether decoding takes a few milliseconds only, as the header says: a JPEG of at most a megapixel."""
    if len(data) > _QUICK_BYTES or sniff(data) != "jpg":
        return False
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):
        return False
    return bool(width * height <= _QUICK_PIXELS)


def read_header(data: bytes, *, max_pixels: int) -> Picture:
    """What the header of an image file says; `pixels` is empty, and a damage further on is not seen.

    Raises:
        Failure: as for `decode`, as far as the header shows it.
    """
    kind = sniff(data)
    if kind is None:
        raise Failure("not_an_image")
    if kind not in _PILLOW_FORMATS:
        raise Failure("unsupported_format")
    exif: dict[int, object]
    if kind == "jpg":
        try:
            height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=False)
        except (ValueError, KeyError):
            raise Failure("decode_error") from None
        exif = _read_exif(data)
    else:
        try:
            with Image.open(io.BytesIO(data), formats=[_PILLOW_FORMATS[kind]]) as image:
                width, height = image.size
                exif = dict(image.getexif())
        except Exception:  # noqa: BLE001 - a parser fed with hostile bytes raises anything; the outcome is named
            raise Failure("decode_error") from None
    _check_size(width, height, max_pixels)
    if exif.get(_ORIENTATION) in _SWAPPING:
        width, height = height, width
    return Picture(np.empty((0, 0), np.uint8), width, height, _exif_text(exif))


def _decode_jpeg(data: bytes, max_pixels: int, min_side: int | None, mode: str) -> Picture | None:
    """Decode a JPEG; None where it is of a kind (CMYK, YCCK) that Pillow converts better."""
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):  # it looks an unknown colour space up in a table
        return None
    _check_size(width, height, max_pixels)
    if space in ("CMYK", "YCCK"):
        return None
    exif = _read_exif(data)
    factor = 1 if min_side is None else _scale_factor(min(width, height), min_side)
    # Sides rounded up, as the decoder rounds them: it takes the smallest scale that keeps both.
    at_least = {"min_height": -(-height // factor), "min_width": -(-width // factor)} if factor > 1 else {}
    try:
        pixels = simplejpeg.decode_jpeg(data, mode, **at_least)
    except ValueError as error:
        if "remature end" in str(error):
            raise Failure("truncated_image") from None
        try:
            # What browsers show in spite of a flaw is kept, as every peer does.
            pixels = simplejpeg.decode_jpeg(data, mode, strict=False, **at_least)
        except (ValueError, KeyError):
            raise Failure("decode_error") from None
    if mode == "GRAY":
        pixels = pixels[:, :, 0]
    orientation = exif.get(_ORIENTATION)
    if orientation in range(2, 9):
        pixels = _upright(pixels, int(str(orientation)))
        if orientation in _SWAPPING:
            width, height = height, width
    return Picture(pixels, width, height, _exif_text(exif))


def _scale_factor(side: int, min_side: int) -> int:
    """The largest of 8, 4, 2 that `side` divided by it keeps `min_side`, else 1.

    libjpeg-turbo has fast code for these alone: decoding to 6/8 takes longer than to 8/8.
    """
    return next((factor for factor in (8, 4, 2) if side >= factor * min_side), 1)


def _decode_pillow(data: bytes, name: str, max_pixels: int) -> Picture:
    try:
        with Image.open(io.BytesIO(data), formats=[name]) as image:
            _check_size(image.width, image.height, max_pixels)
            exif = dict(image.getexif())
            image.load()
            upright = ImageOps.exif_transpose(image)
            return Picture(_rgb(upright), upright.width, upright.height, _exif_text(exif))
    except Failure:
        raise
    except Exception as error:  # noqa: BLE001 - a decoder fed with hostile bytes raises anything; the outcome is named
        kind = "truncated_image" if "truncated" in str(error) else "decode_error"
        raise Failure(kind) from None


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width < 1 or height < 1:
        raise Failure("decode_error")
    if width * height > max_pixels:
        raise Failure("too_many_pixels")


def _rgb(image: Image.Image) -> Pixels:
    """Pixels of any Pillow mode as 8-bit RGB, transparency on white."""
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        values = np.nan_to_num(np.asarray(image, np.float64))
        top = max(float(values.max(initial=1.0)), 1.0)
        image = Image.fromarray(np.clip(values * (255.0 / top), 0, 255).astype(np.uint8))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        white.alpha_composite(layer)
        image = white
    return np.asarray(image.convert("RGB"))


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Apply an Exif orientation, 2 to 8 (Exif 2.32, tag 274)."""
    if orientation in _SWAPPING:
        pixels = pixels.swapaxes(0, 1)  # now 5 is done
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _read_exif(data: bytes) -> dict[int, object]:
    """The first Exif directory of a JPEG; empty where there is none or it does not read."""
    start = data.find(b"Exif\0\0", 0, _EXIF_SEARCH_BYTES)
    if start < 0:
        return {}
    exif = Image.Exif()
    try:
        exif.load(data[start : start + 6 + _EXIF_SEARCH_BYTES])
        return dict(exif)
    except Exception:  # noqa: BLE001 - hostile bytes again; a picture is not lost for its Exif
        return {}


def _exif_text(exif: dict[int, object]) -> dict[str, str]:
    """The Exif fields that a copy keeps, by the names exifread gives them: camera, date, artist, copyright; never a place."""
    kept = {}
    for tag, name in _EXIF_NAMES.items():
        if tag in exif:
            text = str(exif[tag]).strip("\0 ")[:500]
            kept[name] = text.encode("utf-8", "replace").decode()
    return kept


def keep_ratio_size(width: int, height: int, size: int) -> tuple[int, int]:
    """Width and height with the shorter side at `size`, as img2dataset's `keep_ratio` rounds them.

    >>> keep_ratio_size(640, 480, 256)
    (341, 256)
    """
    scale = size / min(width, height)
    return max(1, math.floor(width * scale + 0.5)), max(1, math.floor(height * scale + 0.5))


def resize(picture: Picture, size: int, max_pixels: int) -> Pixels:
    """The picture with its shorter side at `size`: averages of areas down, Lanczos up, as img2dataset does by default.

    Below half the size INTER_AREA is exact. Between that and the full size it is slow, and the same average is made of two
    quick steps: linear to twice the size wanted, then each 2 x 2 pixels to one. On the photos the two differ by 51 dB PSNR.

    Raises:
        Failure: `aspect_ratio` where the result would be larger than allowed.
    """
    width, height = keep_ratio_size(picture.width, picture.height, size)
    if width * height > max_pixels or max(width, height) > _MAX_JPEG_SIDE_PIXELS:
        raise Failure("aspect_ratio")
    have_height, have_width = picture.pixels.shape[:2]
    if (have_width, have_height) == (width, height):
        return picture.pixels
    pixels = picture.pixels
    shorter = min(have_width, have_height)
    if size < shorter < 2 * size and max(width, height) <= _TWO_STEP_SIDE_PIXELS:
        pixels = np.asarray(cv2.resize(pixels, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR), np.uint8)
    way = cv2.INTER_AREA if shorter > size else cv2.INTER_LANCZOS4
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=way), np.uint8)


def encode_jpeg(pixels: Pixels, quality: int) -> bytes:
    """A JPEG, 4:2:0 as OpenCV's default and so img2dataset's.

    Raises:
        Failure: `aspect_ratio` where a side is longer than a JPEG can be.
    """
    if max(pixels.shape[:2]) > _MAX_JPEG_SIDE_PIXELS:
        raise Failure("aspect_ratio")
    encoded: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(pixels), quality=quality, colorspace="RGB", colorsubsampling="420"
    )
    return encoded
