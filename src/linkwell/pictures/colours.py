"""Colours by their ICC profile, to sRGB. What is sRGB already, or cannot be told, stays as it is."""

import io
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]

_MAX_PROFILE_BYTES: Final = 8_000_000
_SAME_WITHIN: Final = 3
"""Levels of 255. Profiles that move no colour further are sRGB in other words, rounded elsewhere, and are left alone."""
_SPACE: Final = slice(16, 20)
"""Where a profile's header names the colour space of the pixels (ICC.1:2022, 7.2.6)."""
_STEPS: Final = 9


def to_srgb(pixels: Pixels, profile: bytes) -> Pixels:
    """RGB pixels in sRGB, by what their profile says; unchanged where it is none for RGB or grey, or does not read."""
    if not profile or len(profile) > _MAX_PROFILE_BYTES:
        return pixels
    from PIL import ImageCms  # noqa: PLC0415 - most pictures have no profile

    space = profile[_SPACE]
    if space == b"RGB ":
        transform = _transform(profile, "RGB")
        if transform is not None:
            return np.asarray(ImageCms.applyTransform(Image.fromarray(pixels), transform))
    elif space == b"GRAY":
        transform = _transform(profile, "L")
        if transform is not None:
            grey = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0]))
            return np.asarray(ImageCms.applyTransform(grey, transform))
    return pixels


def cmyk_to_rgb(image: Image.Image, profile: bytes) -> Pixels:
    """A CMYK picture as sRGB pixels: by its profile, or by plain arithmetic where it has none that reads."""
    if profile[_SPACE] == b"CMYK" and len(profile) <= _MAX_PROFILE_BYTES:
        from PIL import ImageCms  # noqa: PLC0415 - as above

        transform = _transform(profile, "CMYK")
        if transform is not None:
            return np.asarray(ImageCms.applyTransform(image, transform))
    return np.asarray(image.convert("RGB"))


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> Any | None:
    """The way from a profile to sRGB, relative with black point; None where it changes nothing or does not read."""
    from PIL import ImageCms  # noqa: PLC0415 - as above

    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if mode == "CMYK":
            return transform
        sample = _sample(mode)
        moved = np.asarray(ImageCms.applyTransform(Image.fromarray(sample), transform), np.int16)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    plain = sample if mode == "RGB" else np.repeat(sample[:, :, None], 3, axis=2)
    return None if np.abs(moved - plain).max() <= _SAME_WITHIN else transform


def _sample(mode: str) -> Pixels:
    """Colours from all over the space, as a picture."""
    if mode == "L":
        return np.arange(256, dtype=np.uint8)[None, :]
    steps = np.linspace(0, 255, _STEPS).astype(np.uint8)
    return np.ascontiguousarray(np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(_STEPS, -1, 3))
