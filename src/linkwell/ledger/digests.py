"""The digests of one image: of its bytes as served, and of its picture once decoded."""

import dataclasses
import hashlib

import numpy as np
import numpy.typing as npt

from linkwell.ledger.pdq import pdq_hash


@dataclasses.dataclass(frozen=True, slots=True)
class Digests:
    """What the ledger keeps of one image. The digests are restricted: its `repr` shows none of them."""

    byte_size: int
    """Bytes of the image as served."""
    md5: bytes = dataclasses.field(repr=False)
    sha1: bytes = dataclasses.field(repr=False)
    sha256: bytes = dataclasses.field(repr=False)
    pdq: bytes | None = dataclasses.field(default=None, repr=False)
    """32 bytes; None where the picture does not decode."""
    pdq_quality: int | None = None
    """0-100; None where the picture does not decode."""
    width: int | None = None
    """Pixels of the original image; None where they are not known."""
    height: int | None = None

    def with_picture(self, pixels: npt.NDArray[np.uint8], width: int, height: int) -> "Digests":
        """These digests with the PDQ hash of the decoded picture.

        Args:
            pixels: the picture, luma or RGB, at full size or scaled down by the decoder.
            width: pixels of the original image.
            height: pixels of the original image.
        """
        pdq, quality = pdq_hash(pixels, width, height)
        return dataclasses.replace(self, pdq=pdq, pdq_quality=quality, width=width, height=height)


def exact_digests(data: bytes | bytearray | memoryview) -> Digests:
    """Size, MD5, SHA-1 and SHA-256 of an image's bytes, without PDQ.

    >>> exact_digests(b"").byte_size
    0
    """
    return Digests(
        byte_size=len(data),
        md5=hashlib.md5(data, usedforsecurity=False).digest(),
        sha1=hashlib.sha1(data, usedforsecurity=False).digest(),
        sha256=hashlib.sha256(data).digest(),
    )
