"""From the bytes of an image to a picture, all in memory.

The size is read from the header and refused there, before a pixel is decoded. JPEG goes through libjpeg-turbo with scaled
decoding, everything else through Pillow with only the decoders named here. A picture is 8-bit RGB, upright (Exif orientation
applied), transparency laid on white; its colour profile comes with it.
"""

import io
from dataclasses import dataclass
from typing import IO, Final, cast

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, ImageOps

from linkwell.base.jpeg import scan_start
from linkwell.pictures.colours import cmyk_to_rgb
from linkwell.pictures.failures import PictureFailure
from linkwell.pictures.header import HEAD_BYTES, ORIENTATION, PILLOW_FORMATS, SWAPPING, check_size, exif_text, read_exif
from linkwell.pictures.kept import ImageBytes, sniff

Pixels = npt.NDArray[np.uint8]

# Sizes are checked against our own bound right after the header is read; Pillow's warning about the same would only repeat it.
Image.MAX_IMAGE_PIXELS = None

PDQ_MIN_SIDE_PIXELS: Final = 256
"""What scaled JPEG decoding keeps at least on the shorter side: at 200 pixels the PDQ hash is within 6 bits of the whole picture's in 99 of
100, whatever the scale (the table in docs/performance.md, from benchmarks/pdq.py)."""

_PROFILE_MARK = b"ICC_PROFILE\0"


@dataclass(frozen=True)
class Picture:
    """A decoded picture. `width` and `height` are those of the original, upright; `pixels` may be a scaled decode of it.

    Pixels are RGB, or luma alone where that was asked for and the format has it.
    """

    pixels: Pixels
    width: int
    height: int
    exif: dict[str, str]
    profile: bytes = b""
    """The ICC profile that says what the pixels mean; empty where they are sRGB, or nothing is said."""


def decode(data: ImageBytes, *, max_pixels: int, min_side: int | None, luma: bool = False) -> Picture:
    """Decode the first picture of an image file.

    Args:
        data: the file.
        max_pixels: refused above this many, from the header.
        min_side: pixels a scaled decode must keep on the shorter side; None: never scale.
        luma: only the luma is wanted, as for a PDQ hash: half the work for a JPEG, which stores it by itself.

    Raises:
        PictureFailure: `not_an_image`, `unsupported_format`, `too_many_pixels`, `decode_error` or `truncated_image`.
    """
    kind = sniff(data)
    if kind is None:
        raise PictureFailure("not_an_image")
    if kind not in PILLOW_FORMATS:
        raise PictureFailure("unsupported_format")
    if kind == "jpg":
        picture = _decode_jpeg(data, max_pixels, min_side, "GRAY" if luma else "RGB")
        if picture is not None:
            return picture
    return _decode_pillow(data, PILLOW_FORMATS[kind], max_pixels)


def _decode_jpeg(data: ImageBytes, max_pixels: int, min_side: int | None, mode: str) -> Picture | None:
    """Decode a JPEG; None where it is of a kind (CMYK, YCCK) that Pillow converts better."""
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):  # it looks an unknown colour space up in a table
        return None
    check_size(width, height, max_pixels)
    if space in ("CMYK", "YCCK"):
        return None
    exif = read_exif(data)
    factor = 1 if min_side is None else _scale_factor(min(width, height), min_side)
    # Sides rounded up, as the decoder rounds them: it takes the smallest scale that keeps both.
    at_least = {"min_height": -(-height // factor), "min_width": -(-width // factor)} if factor > 1 else {}
    try:
        pixels = simplejpeg.decode_jpeg(data, mode, **at_least)
    except ValueError as error:
        if "remature end" in str(error):
            raise PictureFailure("truncated_image") from None
        try:
            # What browsers show in spite of a flaw is kept, as every peer does.
            pixels = simplejpeg.decode_jpeg(data, mode, strict=False, **at_least)
        except (ValueError, KeyError):
            raise PictureFailure("decode_error") from None
    if mode == "GRAY":
        pixels = pixels[:, :, 0]
    orientation = exif.get(ORIENTATION)
    if orientation in range(2, 9):
        pixels = _upright(pixels, int(str(orientation)))
        if orientation in SWAPPING:
            width, height = height, width
    return Picture(pixels, width, height, exif_text(exif), _jpeg_profile(data) if mode == "RGB" else b"")


def _jpeg_profile(data: ImageBytes) -> bytes:
    """The ICC profile of a JPEG, put together from its segments; empty where there is none."""
    if data.find(_PROFILE_MARK, 0, scan_start(data, HEAD_BYTES)) < 0:
        return b""
    try:
        with Image.open(_opened(data), formats=["JPEG"]) as image:
            return image.info.get("icc_profile") or b""
    except Exception:  # noqa: BLE001 - hostile bytes again; a picture is not lost for its profile
        return b""


def _scale_factor(side: int, min_side: int) -> int:
    """The largest of 8, 4, 2 that `side` divided by it keeps `min_side`, else 1.

    libjpeg-turbo has fast code for these alone: decoding to 6/8 takes longer than to 8/8.
    """
    return next((factor for factor in (8, 4, 2) if side >= factor * min_side), 1)


def _decode_pillow(data: ImageBytes, name: str, max_pixels: int) -> Picture:
    try:
        with Image.open(_opened(data), formats=[name]) as image:
            check_size(image.width, image.height, max_pixels)
            exif = dict(image.getexif())
            image.load()
            profile: bytes = image.info.get("icc_profile") or b""
            upright = ImageOps.exif_transpose(image)
            if upright.mode == "CMYK":
                pixels, profile = cmyk_to_rgb(upright, profile), b""
            else:
                pixels = _rgb(upright)
            return Picture(pixels, upright.width, upright.height, exif_text(exif), profile)
    except PictureFailure:
        raise
    except Exception as error:  # noqa: BLE001 - a decoder fed with hostile bytes raises anything; the outcome is named
        kind = "truncated_image" if "truncated" in str(error) else "decode_error"
        raise PictureFailure(kind) from None


def _opened(data: ImageBytes) -> IO[bytes]:
    """An image file as Pillow reads it; what is mapped is read where it is."""
    if isinstance(data, bytes):
        return io.BytesIO(data)
    data.seek(0)
    return cast(IO[bytes], data)


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
    if orientation in SWAPPING:
        pixels = pixels.swapaxes(0, 1)  # now 5 is done
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
