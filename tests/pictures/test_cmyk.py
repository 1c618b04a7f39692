"""Pictures for the press: CMYK, with a profile of our own making that says plainly which colour each ink is."""

import io
import struct
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from linkwell.pictures import Kept, look, render
from linkwell.pictures.decode import decode

Lab = tuple[float, float, float]

INKS: dict[tuple[int, ...], Lab] = {
    (0, 0, 0, 0): (100, 0, 0),
    (1, 0, 0, 0): (62, -38, 32),  # what stands in the place of cyan is a green, so that no arithmetic gives it
    (0, 1, 0, 0): (55, 20, -45),
    (0, 0, 1, 0): (80, 10, 55),
    (0, 1, 1, 0): (45, 50, 30),
    (0, 0, 0, 1): (12, 0, 0),
}
"""Inks that are printed in full → the colour they make, CIELAB under D50."""


def _profile() -> bytes:
    """A printer's profile (ICC.1:2001, version 2): one 8-bit table from CMYK to Lab, with the corners of the cube only."""
    corners = [INKS.get(corner, (20.0, 0.0, 0.0)) for corner in product((0, 1), repeat=4)]
    grid = bytes(round(value) for L, a, b in corners for value in (L * 2.55, a + 128, b + 128))
    identity = struct.pack(">9i", *(65_536 * (row == column) for row in range(3) for column in range(3)))
    straight = bytes(range(256))
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + identity + straight * 4 + grid + straight * 3
    name = b"inks of a test\0"
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(name)) + name + bytes(12 + 67),
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"wtpt": b"XYZ " + bytes(4) + struct.pack(">3i", 63_190, 65_536, 54_061),
        b"A2B0": table,
    }
    directory, body = struct.pack(">I", len(tags)), b""
    for tag, data in tags.items():
        directory += tag + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(
        ">I4s4s4s4s4s", 132 + 12 * len(tags) + len(body), bytes(4), b"\2\x20\0\0", b"prtr", b"CMYK", b"Lab "
    )
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63_190, 65_536, 54_061)
    return head.ljust(128, b"\0") + directory + body


def _srgb(lab: Lab) -> npt.NDArray[np.float64]:
    """CIELAB under D50 → sRGB, 0-255 (CIE 15, IEC 61966-2-1, with Bradford's adaptation to D65)."""
    y = (lab[0] + 16) / 116
    steps = np.array([y + lab[1] / 500, y, y - lab[2] / 200])
    xyz = np.where(steps > 6 / 29, steps**3, 3 * (6 / 29) ** 2 * (steps - 4 / 29)) * (0.96422, 1.0, 0.82521)
    to_linear = np.array(
        [
            [3.1338561, -1.6168667, -0.4906146],
            [-0.9787684, 1.9161415, 0.0334540],
            [0.0719453, -0.2289914, 1.4052427],
        ]
    )
    linear = np.clip(to_linear @ xyz, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def _printed(profile: bytes | None) -> bytes:
    """A CMYK JPEG with one field for each mixture of inks."""
    image = Image.new("CMYK", (32 * len(INKS), 32))
    for place, inks in enumerate(INKS):
        image.paste(tuple(255 * ink for ink in inks), (32 * place, 0, 32 * place + 32, 32))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=95, **({"icc_profile": profile} if profile else {}))
    return out.getvalue()


def _fields(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """The colour in the middle of each field."""
    return np.array([pixels[8:24, 32 * n + 8 : 32 * n + 24].mean(axis=(0, 1)) for n in range(len(INKS))])


def test_a_cmyk_jpeg_has_the_colours_of_its_profile() -> None:
    """Each ink is the sRGB of what the profile says it is, by the formulas of the standards; not what arithmetic makes of it."""
    wanted = np.array([_srgb(lab) for lab in INKS.values()])
    found = _fields(decode(_printed(_profile()), max_pixels=10**6, min_side=None).pixels)
    assert np.abs(found - wanted).max() < 6, (found, wanted)
    plain = _fields(decode(_printed(None), max_pixels=10**6, min_side=None).pixels)
    assert np.abs(plain[1] - (0, 255, 255)).max() < 12
    assert np.abs(plain - wanted).max() > 60


def test_it_is_kept_in_srgb_without_its_profile() -> None:
    """What is written has the converted colours, and no profile that would convert them once more."""
    kept = Kept(resize="no", format="png", quality=1)
    _, picture = look(_printed(_profile()), kept)
    assert picture is not None
    made = Image.open(io.BytesIO(render(picture, kept)[1]))
    assert "icc_profile" not in made.info
    assert np.abs(_fields(np.asarray(made)) - [_srgb(lab) for lab in INKS.values()]).max() < 6


@pytest.mark.parametrize("end", [128, 200, 1_000])
def test_a_profile_that_is_cut_short_leaves_plain_arithmetic(end: int) -> None:
    """The picture decodes all the same."""
    broken, plain = (decode(_printed(p), max_pixels=10**6, min_side=None).pixels for p in (_profile()[:end], None))
    assert (broken == plain).all()
