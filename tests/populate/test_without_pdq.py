"""Copies made without PDQ: what is left out, and when that is refused."""

import subprocess
import sys

import pytest
from tests.populate.conftest import draw

from linkwell.base.errors import SafetyError
from linkwell.lists import Matcher
from linkwell.pictures import Kept, PictureFailure
from linkwell.pictures.decode import decode
from linkwell.pictures.header import read_header
from linkwell.populate.examine import examine

_HEADER_ONLY = Kept(keep_original=True, max_pixels=10**7, pdq=False)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_the_header_says_what_decoding_says(form: str) -> None:
    """Without PDQ the original is kept with the size a decode finds, its exact digests, and no PDQ hash."""
    data = draw(7, form=form)
    whole = decode(data, max_pixels=10**7, min_side=None)
    examined = examine(data, _HEADER_ONLY, Matcher.of(()))
    assert (examined.width, examined.height) == (whole.width, whole.height)
    assert examined.image == data
    assert examined.digests.pdq is None
    assert len(examined.digests.sha256) == 32


def test_a_bomb_is_refused_from_the_header() -> None:
    """Reading the header alone still refuses too many pixels and what is no image."""
    with pytest.raises(PictureFailure) as caught:
        read_header(draw(7), max_pixels=100)
    assert caught.value.kind == "too_many_pixels"
    with pytest.raises(PictureFailure) as caught:
        read_header(b"<html>", max_pixels=100)
    assert caught.value.kind == "not_an_image"


def test_pdq_lists_need_pdq() -> None:
    """A picture is never kept unhashed while a list holds PDQ hashes."""
    matcher = Matcher.of(())
    matcher.needs_pdq = True
    with pytest.raises(SafetyError, match="PDQ"):
        examine(draw(7), _HEADER_ONLY, matcher)


def test_originals_are_kept_without_loading_a_decoder() -> None:
    """Where headers are all that is read, the process that has network and keys never holds the libraries that decode."""
    program = """
import sys
from linkwell.lists import Matcher
from linkwell.pictures import Kept
from linkwell.populate.examine import examine
kept = Kept(keep_original=True, pdq=False)
assert examine(sys.stdin.buffer.read(), kept, Matcher.of(())).image
assert not {"cv2", "linkwell.pictures.decode"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], input=draw(7), check=True)
