"""Image bytes of strangers to pictures as a copy keeps them: decoded, hashed, blurred, resized, encoded, in processes of their own."""

from typing import TYPE_CHECKING

from linkwell.base.faces import face_of

if TYPE_CHECKING:
    from linkwell.pictures.failures import PictureFailure
    from linkwell.pictures.header import look_at_header
    from linkwell.pictures.kept import FORMATS, RESIZE_MODES, Box, Kept, Look, Rendering, keep_original, sniff
    from linkwell.pictures.pool import Pictures
    from linkwell.pictures.rendering import look, render

# Whoever hands pictures to other processes loads no decoder, and those processes load no event loop.
__getattr__ = face_of(
    __name__,
    {
        "failures": ("PictureFailure",),
        "header": ("look_at_header",),
        "kept": ("FORMATS", "RESIZE_MODES", "Box", "Kept", "Look", "Rendering", "keep_original", "sniff"),
        "pool": ("Pictures",),
        "rendering": ("look", "render"),
    },
)

__all__ = [
    "FORMATS",
    "RESIZE_MODES",
    "Box",
    "Kept",
    "Look",
    "PictureFailure",
    "Pictures",
    "Rendering",
    "keep_original",
    "look",
    "look_at_header",
    "render",
    "sniff",
]
