"""The demo's pictures are harmless drawings, the same every time, and all different to a perceptual hash."""

import io

import numpy as np
import pytest
from PIL import Image

from linkwell.demo.captions import caption, languages
from linkwell.demo.pictures import COLOURS, KINDS, MOODS, Picture, draw, encode, near_copy
from linkwell.demo.plan import plan_pictures
from linkwell.ledger import pdq_hash

PDQ_MATCH_BITS = 31
PDQ_MIN_QUALITY = 50


def _bits(data: bytes) -> tuple["np.typing.NDArray[np.uint8]", int]:
    with Image.open(io.BytesIO(data)) as image:
        pdq, quality = pdq_hash(np.asarray(image.convert("RGB")))
    return np.unpackbits(np.frombuffer(pdq, np.uint8)), quality


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_picture_is_drawn_every_time(kind: str) -> None:
    """The same values give the same bytes; another seed gives others."""
    picture = Picture(7, kind, "blue", "morning")
    assert encode(draw(picture), "jpg") == encode(draw(picture), "jpg")
    assert encode(draw(picture), "jpg") != encode(draw(Picture(8, kind, "blue", "morning")), "jpg")


def test_pictures_are_far_apart_and_well_hashed() -> None:
    """Two pictures never match by PDQ, and every hash has the quality that matching asks for."""
    sample = [plan.picture for plan in plan_pictures()[::4]]
    hashes = [_bits(encode(draw(picture), picture.extension)) for picture in sample]
    bits = np.array([h for h, _ in hashes], dtype=np.int32)
    distances = (bits[:, None, :] != bits[None, :, :]).sum(axis=2) + 999 * np.eye(len(bits), dtype=np.int32)
    assert distances.min() > PDQ_MATCH_BITS
    assert min(quality for _, quality in hashes) >= PDQ_MIN_QUALITY


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "gif"])
def test_an_edited_picture_is_other_bytes_and_still_matches(kind: str, extension: str) -> None:
    """A near copy shares no digest and is within the distance that asks a person."""
    data = encode(draw(Picture(3, kind, "green", "noon")), extension)
    edited = near_copy(data)
    assert edited != data
    assert int((_bits(edited)[0] != _bits(data)[0]).sum()) <= PDQ_MATCH_BITS


def test_every_picture_can_be_said_in_every_language() -> None:
    """No subject, colour or light lacks its words, and at least five languages and three scripts are there."""
    assert {"en", "de", "fr", "es", "ja", "ru", "ar"} <= set(languages())
    for language in languages():
        said = {
            caption(Picture(seed, kind, colour, mood), language)
            for seed in (0, 1)
            for kind in KINDS
            for colour in COLOURS
            for mood in MOODS
        }
        assert len(said) == 2 * len(KINDS) * len(COLOURS) * len(MOODS)
