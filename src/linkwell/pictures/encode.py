"""Pictures to files: JPEG, PNG or WebP, the same bytes every time."""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg

from linkwell.pictures.failures import PictureFailure

Pixels = npt.NDArray[np.uint8]

_MAX_SIDE_PIXELS: Final = {"jpg": 65_535, "webp": 16_383, "png": 1_000_000}
_FLAGS: Final = {"webp": cv2.IMWRITE_WEBP_QUALITY, "png": cv2.IMWRITE_PNG_COMPRESSION}


def encode(pixels: Pixels, form: str, quality: int) -> bytes:
    """A file of a picture. JPEG is 4:2:0, as OpenCV's default and so img2dataset's.

    Args:
        pixels: RGB.
        form: `jpg`, `png` or `webp`.
        quality: 1-100; for png the compression level, 0-9.

    Raises:
        PictureFailure: `aspect_ratio` where a side is longer than the format can hold.
    """
    if max(pixels.shape[:2]) > _MAX_SIDE_PIXELS[form]:
        raise PictureFailure("aspect_ratio")
    if form == "jpg":
        encoded: bytes = simplejpeg.encode_jpeg(
            np.ascontiguousarray(pixels), quality=quality, colorspace="RGB", colorsubsampling="420"
        )
        return encoded
    done, packed = cv2.imencode(f".{form}", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [_FLAGS[form], quality])
    if not done:
        raise PictureFailure("decode_error")
    return packed.tobytes()
