"""Pictures of every format decode as they look, or are refused by a name; sizes are refused before they are decoded."""

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from tests.populate.conftest import draw

from linkwell.pictures import Kept, PictureFailure, sniff
from linkwell.pictures.decode import Picture, decode
from linkwell.pictures.encode import encode
from linkwell.pictures.header import read_header
from linkwell.pictures.resize import scale, scaled_size
from linkwell.populate import MESSAGES

PIXELS = 20_000_000


def _png(width: int, height: int) -> bytes:
    """A PNG that claims to be of a size, and has next to no data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def _saved(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def _resized(picture: Picture) -> "np.typing.NDArray[np.uint8]":
    return scale(picture.pixels, *(scaled_size(picture.width, picture.height, Kept()) or (0, 0)), PIXELS)


def _kind(data: bytes, max_pixels: int = PIXELS) -> str | None:
    try:
        decode(data, max_pixels=max_pixels, min_side=512)
    except PictureFailure as failure:
        return failure.kind
    return None


def test_a_dimension_bomb_is_refused_from_its_header() -> None:
    """A 50,000 x 50,000 PNG costs no memory."""
    tracemalloc.start()
    assert _kind(_png(50_000, 50_000)) == "too_many_pixels"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"])
def test_formats_decode_to_what_was_drawn(form: str) -> None:
    """Every format gives the picture back, within what its coding loses."""
    drawn = Image.open(io.BytesIO(draw(3, form="PNG"))).convert("RGB")
    picture = decode(_saved(drawn, form), max_pixels=PIXELS, min_side=512)
    assert (picture.width, picture.height) == drawn.size
    difference = np.abs(picture.pixels.astype(int) - np.asarray(drawn).astype(int)).mean()
    assert difference < (12 if form == "GIF" else 4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(orientation: int) -> None:
    """A JPEG with an Exif orientation comes out as Pillow turns it, through both ways of decoding."""
    image = Image.new("RGB", (64, 32), "white")
    image.paste((255, 0, 0), (0, 0, 16, 16))
    image.paste((0, 0, 255), (48, 16, 64, 32))
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(_saved(image, "PNG", exif=exif))))
    for form in ("JPEG", "PNG"):
        picture = decode(_saved(image, form, exif=exif, quality=95), max_pixels=PIXELS, min_side=None)
        assert (picture.width, picture.height) == upright.size
        assert picture.pixels.shape[:2] == (upright.height, upright.width)
        assert np.abs(picture.pixels.astype(int) - np.asarray(upright).astype(int)).mean() < 8


def test_the_exif_of_a_second_picture_turns_nothing() -> None:
    """What is appended to a JPEG has its own Exif, which says nothing of the first; before the pixels it is found wherever it stands."""
    exif = Image.Exif()
    exif[0x0112] = 6
    first, second = _saved(Image.new("RGB", (64, 32)), "JPEG"), _saved(Image.new("RGB", (64, 32)), "JPEG", exif=exif)
    comment = b"\xff\xfe\x00\x06\xff\xda\xff\xd9"
    for data, size in (
        (first + second, (64, 32)),
        (second + first, (32, 64)),
        (second[:2] + comment + second[2:], (32, 64)),
    ):
        picture = decode(data, max_pixels=PIXELS, min_side=None)
        assert (picture.width, picture.height) == size == read_header(data, max_pixels=PIXELS)[:2]


def test_transparency_is_laid_on_white() -> None:
    """What shows through is white, whatever colour hides beneath."""
    clear = Image.new("RGBA", (8, 8), (200, 0, 0, 0))
    assert (decode(_saved(clear, "PNG"), max_pixels=PIXELS, min_side=None).pixels == 255).all()
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([0, 0, 0] * 256)
    data = _saved(palette, "GIF", transparency=0)
    assert (decode(data, max_pixels=PIXELS, min_side=None).pixels == 255).all()


def test_cmyk_jpeg_has_its_colours() -> None:
    """A CMYK JPEG is converted, not shown as something else."""
    red = Image.new("RGB", (32, 32), (220, 30, 30)).convert("CMYK")
    pixels = decode(_saved(red, "JPEG"), max_pixels=PIXELS, min_side=None).pixels
    assert np.abs(pixels.mean(axis=(0, 1)) - (220, 30, 30)).max() < 12


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    """A 16-bit grey picture keeps its shades."""
    values = np.linspace(0, 65_535, 64).astype(np.uint16).reshape(8, 8)
    pixels = decode(_saved(Image.fromarray(values), "PNG"), max_pixels=PIXELS, min_side=None).pixels
    assert np.abs(pixels[..., 0].astype(int) - (values >> 8)).max() <= 1


def test_a_jpeg_that_ends_early_is_named() -> None:
    """Half a JPEG is no picture with a grey half."""
    assert _kind(draw(1)[:-2_000]) == "truncated_image"


def test_a_hair_is_not_blown_up() -> None:
    """A picture of 1 x 20,000 pixels does not become 256 x 5,120,000."""
    picture = decode(_saved(Image.new("RGB", (20_000, 1)), "PNG"), max_pixels=PIXELS, min_side=None)
    with pytest.raises(PictureFailure, match="aspect_ratio"):
        _resized(picture)


def test_scaled_decoding_gives_nearly_the_full_picture() -> None:
    """Shrinking while decoding changes the resized picture no more than JPEG itself does."""
    data = draw(5, side=1_500)
    full = _resized(decode(data, max_pixels=PIXELS, min_side=None))
    scaled = _resized(decode(data, max_pixels=PIXELS, min_side=512))
    assert np.abs(full.astype(int) - scaled.astype(int)).mean() < 2


@given(st.integers(1, 5_000), st.integers(1, 5_000), st.integers(1, 1_000))
def test_keep_ratio_sets_the_shorter_side(width: int, height: int, size: int) -> None:
    """The shorter side is exactly the size, and the sides keep their order."""
    new_width, new_height = scaled_size(width, height, Kept(size=size)) or (0, 0)
    assert min(new_width, new_height) == size
    assert (new_width >= new_height) == (width >= height) or new_width == new_height


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0"])
)
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_decoded_or_refused_by_name(body: bytes, magic: bytes) -> None:
    """Whatever the bytes, the outcome is a picture or a class with a message."""
    kind = _kind(magic + body)
    assert kind is None or kind in MESSAGES


@given(st.integers(0, 5_000), st.integers(0, 255), st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "TIFF"]))
@settings(max_examples=100, deadline=None)
def test_a_flipped_byte_is_survived(position: int, value: int, form: str) -> None:
    """One changed byte anywhere gives a picture or a class with a message."""
    data = bytearray(draw(2, side=32, form=form))
    data[position % len(data)] = value
    kind = _kind(bytes(data))
    assert kind is None or kind in MESSAGES


@pytest.mark.shared
def test_every_file_of_the_wild_is_decoded_or_refused_by_name(shared_data: Path) -> None:
    """Real files of nine formats and fuzzed ones that crash careless decoders."""
    outcomes: dict[str, int] = {}
    for path in sorted(p for p in (shared_data / "formats").rglob("*") if p.is_file()):
        data = path.read_bytes()
        kind = _kind(data)
        assert kind is None or kind in MESSAGES, path
        outcomes[kind or "decoded"] = outcomes.get(kind or "decoded", 0) + 1
        if kind is None:
            picture = decode(data, max_pixels=PIXELS, min_side=512)
            assert picture.pixels.shape[2] == 3
            assert len(encode(picture.pixels, "jpg", 95)) > 100
    assert outcomes["decoded"] >= 40
    assert sniff(b"") is None
