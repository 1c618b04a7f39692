"""Other looks of a picture: what was done to it is undone on trial, and the hash of the original is among those that come of it."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from linkwell.ledger import MATCHED_DISTANCE, MOST_LOOKS, pdq_hash, pdq_looks

_Pixels = npt.NDArray[np.uint8]


def _drawn(height: int = 300, width: int = 240, seed: int = 1) -> _Pixels:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _nearest(edited: _Pixels, original: _Pixels) -> int:
    """Distance of the nearest of an edit's other looks to the original."""
    own = int.from_bytes(pdq_hash(original)[0])
    return min((int.from_bytes(pdq) ^ own).bit_count() for pdq, _ in pdq_looks(np.ascontiguousarray(edited)))


def _framed(picture: _Pixels, rows: int, columns: int, colour: tuple[int, int, int]) -> _Pixels:
    return np.asarray(
        cv2.copyMakeBorder(picture, rows, rows, columns, columns, cv2.BORDER_CONSTANT, value=colour), np.uint8
    )


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (240, 20, 90)])
@pytest.mark.parametrize(("rows", "columns"), [(60, 0), (0, 80), (24, 24), (5, 5), (90, 40)])
def test_bars_of_one_colour_are_taken_off(rows: int, columns: int, colour: tuple[int, int, int]) -> None:
    """Letterboxes, pillars and frames: the picture within is found where its own hash no longer is."""
    picture = _drawn()
    edited = _framed(picture, rows, columns, colour)
    assert _nearest(edited, picture) <= 12
    packed = cv2.imencode(".jpg", edited, [cv2.IMWRITE_JPEG_QUALITY, 50])[1]
    assert _nearest(np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8), picture) <= MATCHED_DISTANCE


def test_a_picture_on_a_page_is_found() -> None:
    """Ground with lines of writing above, below and beside the picture."""
    picture = _drawn(400, 400)
    page = np.full((900, 700, 3), 250, np.uint8)
    page[250:650, 150:550] = picture
    for row in (60, 90, 120, 760, 790, 820):
        cv2.putText(page, "some words of a page", (60, row), 0, 0.8, (20, 20, 20), 1)
    assert _nearest(page, picture) <= MATCHED_DISTANCE


@pytest.mark.parametrize("share", [0.03, 0.05, 0.07])
def test_a_cut_picture_is_continued(share: float) -> None:
    """Some percent cut away around the middle of a smooth picture, or of a wide frame of its own blur."""
    found = []
    for seed in range(10):
        picture = _drawn(400, 400, seed)
        margin = round(400 * share / 2)
        found.append(_nearest(picture[margin : 400 - margin, margin : 400 - margin], picture) <= MATCHED_DISTANCE)
    assert sum(found) >= 9


@pytest.mark.parametrize("degrees", [-5, -2, 2, 4])
def test_a_tilted_picture_is_turned_back(degrees: int) -> None:
    """Some degrees, with black corners."""
    picture = _drawn(400, 300)
    matrix = cv2.getRotationMatrix2D((149.5, 199.5), degrees, 1)
    tilted = np.asarray(cv2.warpAffine(picture, matrix, (300, 400)), np.uint8)
    assert _nearest(tilted, picture) <= MATCHED_DISTANCE


def test_the_scale_and_the_channels_do_not_matter() -> None:
    """Looks of a scaled decode, of luma and of a large picture are those of the whole, but for few bits."""
    picture = _framed(_drawn(900, 700), 100, 0, (0, 0, 0))
    whole = [pdq for pdq, _ in pdq_looks(picture)]
    luma = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
    half = np.asarray(cv2.resize(luma, (350, 550), interpolation=cv2.INTER_AREA), np.uint8)
    for other in (pdq_looks(luma), pdq_looks(half, 700, 1_100)):
        assert len(other) == len(whole)
        distances = [
            (int.from_bytes(pdq) ^ int.from_bytes(one)).bit_count() for (pdq, _), one in zip(other, whole, strict=True)
        ]
        assert np.median(distances) <= 4
        assert max(distances) <= 16


@pytest.mark.parametrize("shape", [(1, 1), (5, 900), (31, 31), (32, 32), (33, 1_000, 3), (64, 64), (100, 100, 3)])
@pytest.mark.parametrize("value", [0, 255, None])
def test_any_shape_has_its_looks(shape: tuple[int, ...], value: int | None) -> None:
    """Blank pictures and tiny ones raise nothing, and blank ones are of no quality."""
    chance = np.random.default_rng(5)
    picture = np.full(shape, value, np.uint8) if value is not None else chance.integers(0, 256, shape, np.uint8)
    looks = pdq_looks(picture)
    assert len(looks) <= MOST_LOOKS
    assert (len(looks) > 0) == (min(shape[:2]) >= 32)
    if value is not None:
        assert all(quality == 0 for _, quality in looks)


@pytest.mark.shared
def test_photos_are_found_edited(shared_data: Path) -> None:
    """Real photographs, letterboxed or framed by a tenth: at least nine of ten, and none is taken for another."""
    pictures = [cv2.imread(str(path)) for path in sorted((shared_data / "photos").rglob("*.jpg"))[:240:8]]
    originals = [np.asarray(picture, np.uint8) for picture in pictures if picture is not None]
    listed = np.frombuffer(b"".join(pdq_hash(picture)[0] for picture in originals), np.uint8).reshape(-1, 32)
    for rows, columns in ((0, 150), (40, 40)):
        right = 0
        for number, picture in enumerate(originals):
            looks = pdq_looks(_framed(picture, rows, columns, (0, 0, 0)))
            hashes = np.frombuffer(b"".join(pdq for pdq, _ in looks), np.uint8).reshape(-1, 1, 32)
            near = (np.bitwise_count(hashes ^ listed).sum(axis=2) <= MATCHED_DISTANCE).any(axis=0)
            right += bool(near[number])
            assert near.sum() <= 1 or not near[number]
            assert not near[np.arange(len(near)) != number].any()
        assert right >= 0.9 * len(originals)
