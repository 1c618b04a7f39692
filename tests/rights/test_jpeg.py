"""What of a JPEG is searched for statements: all but its coded pixels."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkwell.base.jpeg import outside_scan, segments
from linkwell.rights import embedded_signals

_PACKET = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/" plus:DataMining="http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


@pytest.fixture(params=[False, True], ids=["baseline", "progressive"])
def photo(request: pytest.FixtureRequest) -> bytes:
    """A JPEG of noise, whose coded pixels hold every byte."""
    pixels = np.random.default_rng(3).integers(0, 256, (120, 160, 3), np.uint8)
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_PROGRESSIVE, int(request.param)])[1].tobytes()


def _segment(payload: bytes) -> bytes:
    return b"\xff\xe1" + (len(payload) + 2).to_bytes(2, "big") + payload


def test_pixels_are_left_out_and_nothing_else(photo: bytes) -> None:
    left = outside_scan(photo)
    assert len(left) < len(photo) / 4
    assert left.endswith(b"\xff\xd9")
    assert photo.startswith(left[:-2])


def test_statements_before_and_behind_the_pixels_are_found(photo: bytes) -> None:
    before = photo[:2] + _segment(b"http://ns.adobe.com/xap/1.0/\0" + _PACKET) + photo[2:]
    second = photo + before
    for data in (before, photo + _PACKET, second):
        assert {signal.verdict for signal in embedded_signals(data)} == {"disallow"}
    assert not embedded_signals(photo)


@given(st.binary(max_size=300))
def test_of_anything_it_keeps_all_or_a_beginning_and_an_end(data: bytes) -> None:
    for whole in (data, b"\xff\xd8" + data):
        left = outside_scan(whole)
        assert left == whole or any(
            left == whole[:cut] + whole[len(whole) - len(left) + cut :] for cut in range(len(left))
        )
        assert all(2 <= start < end for _marker, start, end in segments(whole))
