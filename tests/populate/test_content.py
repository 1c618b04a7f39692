"""Content codings that nobody asked for: undone piece by piece, never beyond a cap."""

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkwell.populate.content import FREE_BYTES, MAX_RATIO, ContentDecoder, decode_content
from linkwell.populate.failures import Failure


def _raw(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


_CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": _raw,
    "identity": bytes,
    "gzip, deflate": lambda data: zlib.compress(gzip.compress(data)),
    "identity, gzip , gzip": lambda data: gzip.compress(gzip.compress(data)),
}


def _in_pieces(body: bytes, coding: str, size: int, max_bytes: int = 10**6, *, cuts: bool = False) -> bytes:
    decoder = ContentDecoder(coding, max_bytes, cuts=cuts)
    decoded = b"".join(
        part for start in range(0, len(body), size) for part in decoder.decode(body[start : start + size])
    )
    decoder.finish()
    return decoded


@given(st.binary(max_size=2_000), st.sampled_from(sorted(_CODINGS)), st.integers(1, 700), st.integers(0, 40))
def test_any_coding_in_pieces_of_any_size(data: bytes, coding: str, size: int, times: int) -> None:
    """What was coded comes back, however it is cut into pieces; a piece of it is `truncated`, unless it may be cut."""
    data *= times
    coded = _CODINGS[coding](data)
    assert _in_pieces(coded, coding, size) == decode_content(coded, coding, 10**6) == data
    if coding != "identity":
        with pytest.raises(Failure, match="truncated"):
            _in_pieces(coded[:-1] if coding != "Deflate" else coded[: len(coded) // 2], coding, size)
        assert data.startswith(_in_pieces(coded[:-9], coding, size, cuts=True))
    if data:
        with pytest.raises(Failure, match="too_large"):
            _in_pieces(coded if coding != "identity" else gzip.compress(data), "gzip" if coding == "identity" else coding, size, len(data) - 1)  # fmt: skip
        assert _in_pieces(gzip.compress(data), "gzip", size, len(data) - 1, cuts=True) == data[:-1]


@given(st.binary(min_size=3, max_size=200), st.sampled_from(["gzip", "deflate"]))
def test_what_is_no_coding_has_a_name(data: bytes, coding: str) -> None:
    """Whatever comes is undone or refused by name."""
    try:
        decode_content(data, coding, 10**6)
    except Failure as failure:
        assert failure.kind in ("bad_encoding", "truncated", "too_large")  # noqa: PT017 - no exception is right, too


def test_an_unknown_coding_is_refused() -> None:
    """Before a byte of it is read."""
    with pytest.raises(Failure, match="bad_encoding"):
        ContentDecoder("br", 10)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "gzip, gzip"])
def test_a_bomb_is_given_up_early(coding: str) -> None:
    """A body that grows more than pictures do is refused long before the cap; no piece on the way is large."""
    bomb = (
        _CODINGS[coding](bytes(50_000_000)) if coding in _CODINGS else gzip.compress(gzip.compress(bytes(50_000_000)))
    )
    decoder, made = ContentDecoder(coding, 10**9), 0
    with pytest.raises(Failure, match="too_large"):  # noqa: PT012 - what came before it is counted
        for start in range(0, len(bomb), 1_000):
            for part in decoder.decode(bomb[start : start + 1_000]):
                assert len(part) <= 1 << 18
                made += len(part)
    assert made <= max(FREE_BYTES, MAX_RATIO * 50_000)
