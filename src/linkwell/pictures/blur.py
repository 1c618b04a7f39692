"""Faces made unrecognisable: boxes of a picture blurred, as in ImageNet's obfuscated version (Yang et al. 2022).

A box grows by a tenth of its longer side all round, and is blurred with a Gaussian of a tenth of the longest side of all boxes.
Nothing inside a grown box keeps a share of the sharp picture; only outside of it does the blur fade.
"""

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from linkwell.pictures.failures import PictureFailure
from linkwell.pictures.kept import Box

Pixels = npt.NDArray[np.uint8]

_GROW: Final = 0.1
_SIGMA: Final = 0.1
_REACH_SIGMAS: Final = 4
"""How far a Gaussian is felt: what is further away from every box is not touched."""
_MIN_SIGMA_PIXELS: Final = 1.0


def check_boxes(boxes: Sequence[Box]) -> None:
    """Refuse what are no boxes: a face that cannot be found cannot be blurred, and the picture is not kept.

    Raises:
        PictureFailure: `bad_boxes`.
    """
    for box in boxes:
        if not all(math.isfinite(value) for value in box) or box[0] > box[2] or box[1] > box[3]:
            raise PictureFailure("bad_boxes")
        if max(box) > 1 or min(box) < 0:
            raise PictureFailure("bad_boxes")


def blur(pixels: Pixels, boxes: Sequence[Box]) -> Pixels:
    """The picture with its boxes blurred.

    Args:
        pixels: RGB.
        boxes: as shares of the sides; see `check_boxes`.
    """
    if not boxes:
        return pixels
    height, width = pixels.shape[:2]
    grown = []
    longest = 0.0
    for left, top, right, bottom in boxes:
        side = max((right - left) * width, (bottom - top) * height)
        longest = max(longest, side)
        by = _GROW * side
        grown.append(
            (
                max(0, math.floor(left * width - by)),
                max(0, math.floor(top * height - by)),
                min(width, math.ceil(right * width + by)),
                min(height, math.ceil(bottom * height + by)),
            )
        )
    sigma = max(_SIGMA * longest, _MIN_SIGMA_PIXELS)
    reach = math.ceil(_REACH_SIGMAS * sigma)
    x0, y0 = max(0, min(b[0] for b in grown) - reach), max(0, min(b[1] for b in grown) - reach)
    x1, y1 = min(width, max(b[2] for b in grown) + reach), min(height, max(b[3] for b in grown) + reach)
    part = pixels[y0:y1, x0:x1]
    mask = np.zeros(part.shape[:2], np.float32)
    for left, top, right, bottom in grown:
        mask[top - y0 : bottom - y0, left - x0 : right - x0] = 1
    share = np.maximum(mask, cv2.GaussianBlur(mask, (0, 0), sigma))[:, :, None]
    soft = np.asarray(cv2.GaussianBlur(part, (0, 0), sigma), np.float32)
    blurred = pixels.copy()
    blurred[y0:y1, x0:x1] = np.rint(part * (1 - share) + soft * share).astype(np.uint8)
    return blurred
