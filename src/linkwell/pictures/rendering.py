"""From the bytes of one image to its hash, and then to the image as it goes into a copy: two steps, so that lists decide between.

Everything here happens in memory. It runs in a picture process, or in the caller's own.
"""

from collections.abc import Sequence

import cv2

from linkwell.ledger import pdq_hash, pdq_looks
from linkwell.pictures.blur import blur, check_boxes
from linkwell.pictures.colours import to_srgb
from linkwell.pictures.decode import PDQ_MIN_SIDE_PIXELS, Picture, decode
from linkwell.pictures.encode import encode
from linkwell.pictures.failures import PictureFailure
from linkwell.pictures.kept import Box, ImageBytes, Kept, Look, Rendering, check_shape
from linkwell.pictures.resize import fit, scale, scaled_size


def look(data: ImageBytes, kept: Kept) -> tuple[Look, Picture | None]:
    """Decode an image and hash it; the picture is None where it failed.

    Where the original is kept only its luma is decoded, for the hash.
    """
    try:
        picture = decode(data, max_pixels=kept.max_pixels, min_side=_min_side(kept), luma=kept.keep_original)
        pdq, quality = pdq_hash(picture.pixels, picture.width, picture.height) if kept.pdq else (None, None)
        looks = tuple(pdq_looks(picture.pixels, picture.width, picture.height)) if kept.pdq and kept.looks else ()
    except PictureFailure as failure:
        return Look(failure.kind), None
    except (cv2.error, MemoryError):
        return Look("decode_error"), None
    return Look(None, picture.width, picture.height, pdq, quality, looks, picture.exif), picture


def render(picture: Picture, kept: Kept, boxes: Sequence[Box] = ()) -> tuple[Rendering, bytes]:
    """The image as it is kept, and its bytes; empty where it failed.

    Args:
        picture: what `look` made of them.
        kept: how it is kept.
        boxes: what is blurred, of the upright picture.
    """
    try:
        check_shape(picture.width, picture.height, kept)
        check_boxes(boxes)
        wanted = scaled_size(picture.width, picture.height, kept)
        # A scaled decode is never smaller than what is wanted, and is the full size where nothing is.
        pixels = scale(picture.pixels, *wanted, kept.max_pixels) if wanted else picture.pixels
        pixels = blur(to_srgb(pixels, picture.profile), boxes)
        if wanted:
            pixels = fit(pixels, kept)
        height, width = pixels.shape[:2]
        return Rendering(None, kept.format, width, height), encode(pixels, kept.format, kept.quality)
    except PictureFailure as failure:
        return Rendering(failure.kind), b""
    except (cv2.error, MemoryError):
        return Rendering("decode_error"), b""


def _min_side(kept: Kept) -> int | None:
    """What a scaled decode must keep on the shorter side: twice what is wanted, so that the resized picture is as sharp."""
    if kept.keep_original:
        return PDQ_MIN_SIDE_PIXELS
    if kept.resize == "no":
        return None
    return max(2 * kept.size, PDQ_MIN_SIDE_PIXELS)
