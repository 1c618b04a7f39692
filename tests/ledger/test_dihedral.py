"""Hashes of turned pictures, from the hash alone, beside those of the turned pictures themselves."""

from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pdqhash
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkwell.ledger import VARIANTS, dihedral_hashes, pdq_hash

_Pixels = npt.NDArray[np.uint8]

_TURNS: Mapping[str, Callable[[_Pixels], _Pixels]] = {
    "original": lambda picture: picture,
    "mirrored": lambda picture: picture[:, ::-1],
    "flipped": lambda picture: picture[::-1],
    "turned 180": lambda picture: picture[::-1, ::-1],
    "transposed": lambda picture: picture.T,
    "turned 90": lambda picture: np.rot90(picture, 1),
    "turned 270": lambda picture: np.rot90(picture, 3),
    "transversed": lambda picture: picture[::-1, ::-1].T,
}


def _distances(picture: _Pixels) -> list[int]:
    """For each variant, how far the hash made from the hash is from that of the turned picture."""
    own, _ = pdq_hash(picture)
    made = dihedral_hashes(np.frombuffer(own, np.uint8)[None])[:, 0]
    real = [pdq_hash(np.ascontiguousarray(_TURNS[name](picture)))[0] for name in VARIANTS]
    return [
        int(np.bitwise_count(one ^ np.frombuffer(other, np.uint8)).sum()) for one, other in zip(made, real, strict=True)
    ]


def test_made_hashes_are_near_those_of_turned_pictures() -> None:
    """On pictures of smooth random shapes: the transposed one is the very hash, the others are within 31 bits but for few, and no variant is mistaken."""
    near = []
    for seed in range(20):
        chance = np.random.default_rng(seed)
        rough = chance.integers(0, 256, (24, 24), np.uint8)
        picture = cv2.resize(rough, (512, 512), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
        distances = _distances(picture)
        assert distances[VARIANTS.index("original")] == 0
        assert distances[VARIANTS.index("transposed")] <= 2
        near += [distance <= 31 for distance in distances]
        apart = dihedral_hashes(np.frombuffer(pdq_hash(picture)[0], np.uint8)[None])[:, 0]
        assert min(int(np.bitwise_count(apart[0] ^ other).sum()) for other in apart[1:]) > 60
    assert np.mean(near) > 0.97


def test_the_eight_are_those_of_the_reference() -> None:
    """What the reference calls rot90, rot180, rot270, flipx, flipy, flipp and flipm, in its order, each by our name."""
    order = ("original", "turned 90", "turned 180", "turned 270", "flipped", "mirrored", "transposed", "transversed")
    rough = np.random.default_rng(3).integers(0, 256, (24, 24, 3), np.uint8)
    picture = np.asarray(cv2.resize(rough, (512, 400), interpolation=cv2.INTER_CUBIC), np.uint8)
    theirs = np.packbits(np.array(pdqhash.compute_dihedral(picture)[0], np.uint8), axis=1)
    ours = dihedral_hashes(np.frombuffer(pdq_hash(picture)[0], np.uint8)[None])[:, 0]
    distances = np.bitwise_count(theirs[:, None] ^ ours[None]).sum(axis=2)
    assert [VARIANTS[place] for place in distances.argmin(axis=1)] == list(order)
    assert distances.min(axis=1).max() <= 31


@pytest.mark.shared
def test_photos_are_found_turned(shared_data: Path) -> None:
    """Real photographs, in each of the eight ways: at least 98 of 100 are within 31 bits."""
    paths = sorted((shared_data / "photos").rglob("*.jpg"))[:60]
    near = []
    for path in paths:
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert picture is not None
        near += [distance <= 31 for distance in _distances(picture.astype(np.uint8))]
    assert np.mean(near) >= 0.98


@given(st.binary(min_size=32, max_size=32))
def test_variants_are_a_group(value: bytes) -> None:
    """Mirroring or turning half round twice, or by a quarter four times, gives the hash again; variants of variants are variants."""
    start = np.frombuffer(value, np.uint8)[None]

    def apply(hashes: npt.NDArray[np.uint8], name: str) -> npt.NDArray[np.uint8]:
        return np.asarray(dihedral_hashes(hashes)[VARIANTS.index(name)], np.uint8)

    for name in ("mirrored", "flipped", "turned 180", "transposed", "transversed"):
        assert (apply(apply(start, name), name) == start).all()
    quarter = start
    for _ in range(4):
        quarter = apply(quarter, "turned 90")
    assert (quarter == start).all()
    assert (apply(apply(start, "turned 90"), "turned 270") == start).all()
    assert (apply(apply(start, "turned 90"), "turned 90") == apply(start, "turned 180")).all()
    all_of_all = {row.tobytes() for one in dihedral_hashes(start)[:, 0] for row in dihedral_hashes(one[None])[:, 0]}
    assert all_of_all == {row.tobytes() for row in dihedral_hashes(start)[:, 0]}


def test_many_at_once_are_those_one_by_one() -> None:
    """Shapes: (8, count, 32), none included."""
    hashes = np.random.default_rng(1).integers(0, 256, (5, 32), np.uint8)
    together = dihedral_hashes(hashes)
    assert together.shape == (8, 5, 32)
    assert (together == np.concatenate([dihedral_hashes(one[None]) for one in hashes], axis=1)).all()
    assert dihedral_hashes(hashes[:0]).shape == (8, 0, 32)
