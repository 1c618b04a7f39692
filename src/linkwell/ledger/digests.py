"""The digests of one image: of its bytes as served, and of its picture once decoded."""

import dataclasses
import hashlib
from collections.abc import Iterable

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
    return piecewise_digests((data,))


def piecewise_digests(pieces: Iterable[bytes | bytearray | memoryview]) -> Digests:
    """The same of an image that comes in pieces.

    >>> piecewise_digests([b"a", b"b"]) == exact_digests(b"ab")
    True
    """
    size = 0
    md5, sha1, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha1(usedforsecurity=False), hashlib.sha256()
    for piece in pieces:
        size += len(piece)
        for each in (md5, sha1, sha256):
            each.update(piece)
    return Digests(byte_size=size, md5=md5.digest(), sha1=sha1.digest(), sha256=sha256.digest())
