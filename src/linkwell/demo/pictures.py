"""Draws the demo's pictures: harmless, varied, the same for the same seed, and each with a PDQ hash far from all others."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance

from linkwell.demo.canvas import HUES, LIGHTS, Canvas
from linkwell.demo.scenes import SCENES

__all__ = ["COLOURS", "KINDS", "MOODS", "Picture", "draw", "encode", "near_copy"]

KINDS = tuple(SCENES)
"""What a picture can show."""
COLOURS = tuple(HUES)
"""Its main colour."""
MOODS = tuple(LIGHTS)
"""Its light."""

_SIZES = ((360, 270), (400, 300), (480, 320), (320, 400), (420, 420), (520, 340), (300, 380), (560, 315))
"""Width and height in pixels: small, so that a whole web of them is drawn in seconds."""

_PILLOW_FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF"}


@dataclass(frozen=True)
class Picture:
    """One picture to be drawn: everything about it follows from these values."""

    seed: int
    kind: str
    """One of `KINDS`."""
    colour: str
    """One of `COLOURS`."""
    mood: str
    """One of `MOODS`."""
    extension: str = "jpg"
    """How it is encoded: jpg, png, webp or gif."""


def draw(picture: Picture) -> Image.Image:
    """Draw a picture; the same values give the same pixels."""
    subject = KINDS.index(picture.kind)
    random = np.random.default_rng([picture.seed, subject])
    width, height = _SIZES[int(random.integers(len(_SIZES)))]
    canvas = Canvas(width, height, random, HUES[picture.colour] + float(random.uniform(-0.03, 0.03)), picture.mood)
    SCENES[picture.kind](canvas)
    return canvas.finish()


def encode(image: Image.Image, extension: str) -> bytes:
    """The file of a picture: `extension` is jpg, png, webp or gif."""
    file = io.BytesIO()
    if extension == "jpg":
        image.save(file, "JPEG", quality=88)
    elif extension == "webp":
        image.save(file, "WEBP", quality=85, method=2)
    else:
        image.quantize(64, dither=Image.Dither.NONE).save(file, _PILLOW_FORMATS[extension])
    return file.getvalue()


def near_copy(data: bytes) -> bytes:
    """The same picture to a person's eye in other bytes: a little smaller, a little brighter, saved again as JPEG."""
    with Image.open(io.BytesIO(data)) as image:
        picture = image.convert("RGB")
    size = (round(picture.width * 0.92), round(picture.height * 0.92))
    edited = ImageEnhance.Brightness(picture.resize(size, Image.Resampling.BICUBIC)).enhance(1.04)
    file = io.BytesIO()
    edited.save(file, "JPEG", quality=72)
    return file.getvalue()
