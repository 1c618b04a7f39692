"""From a picture to what is kept: sizes of every mode, boxes with nothing sharp inside, colours as their profile means them."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from tests.populate.conftest import draw

from linkwell.pictures import Kept, PictureFailure, look, render
from linkwell.pictures.blur import blur, check_boxes
from linkwell.pictures.resize import fit, scale, scaled_size

_SHARE = st.floats(0, 1)


def _checks(side: int) -> "np.typing.NDArray[np.uint8]":
    """Black and white pixels in turns: the sharpest there is."""
    board = np.indices((side, side)).sum(axis=0) % 2 * 255
    return np.repeat(board[:, :, None], 3, axis=2).astype(np.uint8)


def test_inside_a_box_nothing_sharp_is_left() -> None:
    """A checkerboard is grey all over its box, up to the edge, and untouched far from it."""
    pixels = _checks(200)
    blurred = blur(pixels, [(0.25, 0.25, 0.5, 0.5)])
    inside = blurred[50:100, 50:100].astype(int)
    assert inside.max() - inside.min() <= 2
    assert (blurred[150:, 150:] == pixels[150:, 150:]).all()
    assert (pixels == _checks(200)).all()


@given(st.lists(st.tuples(_SHARE, _SHARE, _SHARE, _SHARE), max_size=4), st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_any_box_is_blurred_or_refused(boxes: list[tuple[float, float, float, float]], height: int, width: int) -> None:
    """Also of no area, beyond the edge when it grows, on pictures of a pixel."""
    pixels = np.full((height, width, 3), 77, np.uint8)
    turned = any(left > right or top > bottom for left, top, right, bottom in boxes)
    if turned:
        with pytest.raises(PictureFailure, match="bad_boxes"):
            check_boxes(boxes)
        return
    check_boxes(boxes)
    assert np.abs(blur(pixels, boxes).astype(int) - 77).max() <= 1


@pytest.mark.parametrize("box", [(0.5, 0.1, 0.4, 0.2), (0.0, 0.0, 1.1, 1.0), (-0.1, 0, 1, 1), (float("nan"), 0, 1, 1)])
def test_what_is_no_box_is_refused(box: tuple[float, float, float, float]) -> None:
    """Turned round, in pixels instead of shares, not a number."""
    with pytest.raises(PictureFailure, match="bad_boxes"):
        check_boxes([box])


@given(
    st.integers(1, 400),
    st.integers(1, 400),
    st.integers(1, 300),
    st.sampled_from(["keep_ratio", "keep_ratio_largest", "center_crop", "border"]),
    st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_every_mode_gives_its_size(width: int, height: int, size: int, mode: str, only_if_bigger: bool) -> None:  # noqa: FBT001
    """Squares for center_crop and border, the named side for the others, and nothing at all for what is small enough."""
    kept = Kept(size=size, resize=mode, only_if_bigger=only_if_bigger, max_pixels=10**7)
    wanted = scaled_size(width, height, kept)
    side = min if mode in ("keep_ratio", "center_crop") else max
    assert (wanted is None) == (only_if_bigger and side(width, height) <= size)
    if wanted is None or wanted[0] * wanted[1] > 10**6:
        return
    made = fit(scale(np.zeros((height, width, 3), np.uint8), *wanted, 10**7), kept)
    if mode in ("center_crop", "border"):
        assert made.shape[:2] == (size, size)
    else:
        assert side(made.shape[:2]) == size


def test_white_surrounds_a_picture_with_a_border() -> None:
    """In the middle the picture, above and below it white."""
    pixels = np.zeros((50, 100, 3), np.uint8)
    made = fit(
        scale(pixels, *(scaled_size(100, 50, Kept(size=64, resize="border")) or (0, 0)), 10**6),
        Kept(size=64, resize="border"),
    )
    assert (made[:15] == 255).all()
    assert (made[17:47] == 0).all()
    assert (made[49:] == 255).all()


def _exchanged_profile() -> bytes:
    """SRGB's profile with red and blue exchanged: what it says of a colour is plain to see."""
    data = bytearray(_srgb())
    count = int.from_bytes(data[128:132])
    for place in range(132, 132 + 12 * count, 12):
        name = bytes(data[place : place + 4])
        if name in (b"rXYZ", b"bXYZ"):
            data[place : place + 4] = b"bXYZ" if name == b"rXYZ" else b"rXYZ"
    return bytes(data)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_colours_are_what_the_profile_says(form: str) -> None:
    """With red and blue exchanged by its profile, a red picture is blue; by sRGB's own it stays red. The hash is of the plain pixels."""
    red = Image.new("RGB", (64, 64), (200, 20, 30))
    hashes = []
    for profile, colour in ((_exchanged_profile(), (30, 20, 200)), (_srgb(), (200, 20, 30))):
        out = io.BytesIO()
        red.save(out, form, icc_profile=profile, quality=95)
        seen, picture = look(out.getvalue(), Kept(resize="no", format="png", quality=1))
        assert picture is not None
        made = np.asarray(Image.open(io.BytesIO(render(picture, Kept(resize="no", format="png", quality=1))[1])))
        assert np.abs(made.mean(axis=(0, 1)) - colour).max() < 12
        hashes.append(seen.pdq)
    assert hashes[0] == hashes[1]


def _srgb() -> bytes:
    profile: bytes = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile


def test_a_profile_that_does_not_read_costs_nothing() -> None:
    """Garbage in place of a colour profile leaves the colours alone."""
    out, plain = io.BytesIO(), io.BytesIO()
    image = Image.open(io.BytesIO(draw(1))).convert("RGB")
    image.save(out, "PNG", icc_profile=b"\0" * 12 + b"mntrRGB XYZ " + b"\xff" * 200)
    image.save(plain, "PNG")
    made = []
    for data in (out.getvalue(), plain.getvalue()):
        _, picture = look(data, Kept())
        assert picture is not None
        made.append(render(picture, Kept())[1])
    assert made[0] == made[1]
