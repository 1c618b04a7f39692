"""Bodies as crawlers store them, and their text."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkwell.build import charset
from linkwell.build.body import unpack_body
from linkwell.build.charset import page_as_utf8

HTML = b"<html><img src=a.jpg alt=a></html>" * 20
MAX = 1_000_000


def chunked(body: bytes, size: int = 50) -> bytes:
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(f"{len(p):x};ext=1\r\n".encode() + p + b"\r\n" for p in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("raw", "transfer", "content"),
    [
        (HTML, "", ""),
        (HTML, "chunked", ""),
        (chunked(HTML), "Chunked", ""),
        (HTML, "", "gzip"),
        (gzip.compress(HTML), "", "GZIP"),
        (zlib.compress(HTML), "", "deflate"),
        (zlib.compress(HTML, wbits=-15), "", "deflate"),
        (chunked(gzip.compress(HTML)), "chunked", "gzip"),
        (gzip.compress(HTML), "chunked", "gzip"),
        (HTML, "chunked", "gzip, br"),
        (HTML, "identity", "identity"),
    ],
)
def test_headers_are_hints_and_the_bytes_decide(raw: bytes, transfer: str, content: str) -> None:
    """Chunked and compressed, or already unpacked with the headers left: the same page."""
    assert unpack_body(raw, transfer, content, MAX) == HTML


def test_a_cut_body_gives_what_came() -> None:
    """The end of a chunked or compressed body is missing: what there is, is read."""
    assert HTML.startswith(unpack_body(chunked(HTML)[:-200], "chunked", "", MAX)[:-10])
    assert len(unpack_body(gzip.compress(HTML)[:-12], "", "gzip", MAX)) > 100


def test_a_bomb_is_bounded() -> None:
    """However much a body unpacks to, at most the bound comes out."""
    assert len(unpack_body(gzip.compress(bytes(50_000_000)), "", "gzip", MAX)) == MAX


@given(
    st.binary(max_size=300), st.sampled_from(["", "chunked"]), st.sampled_from(["", "gzip", "deflate", "br", "x, gzip"])
)
def test_any_body_unpacks_to_something(raw: bytes, transfer: str, content: str) -> None:
    """No bytes raise."""
    assert len(unpack_body(raw, transfer, content, 500)) <= 500


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("café".encode(), "text/html; charset=utf-8", "café"),
        ("café".encode("cp1252"), "text/html; charset=ISO-8859-1", "café"),
        (b"\x80 5", "text/html; charset=latin1", "€ 5"),
        ("日本".encode("shift_jis"), 'text/html; charset="Shift_JIS"', "日本"),
        (b'<meta charset="gb2312">' + "中·".encode("gb18030"), None, '<meta charset="gb2312">中·'),
        (
            b'<meta http-equiv=content-type content="text/html; charset=windows-1251">' + "мир".encode("cp1251"),
            "text/html",
            '<meta http-equiv=content-type content="text/html; charset=windows-1251">мир',
        ),
        (b"<!--<meta charset=koi8-r>-->" + "é".encode(), None, "<!--<meta charset=koi8-r>-->é"),
        (b"<meta charset=utf-16>" + "é".encode(), None, "<meta charset=utf-16>é"),
        (b"\xef\xbb\xbf" + "é".encode(), "text/html; charset=latin1", "é"),
        (b"\xff\xfe" + "é".encode("utf-16-le"), "text/html", "é"),
        ("é".encode(), None, "é"),
        (b"\xe9t\xe9", None, "été"),
        (b"\xe9t\xe9", "text/html; charset=zip", "été"),
        (b"\xe9t\xe9", "text/html; charset=unknown-8bit", "été"),
    ],
)
def test_the_charset_is_what_the_html_standard_says(body: bytes, content_type: str | None, text: str) -> None:
    """Byte order mark, header, meta in the first kilobyte, UTF-8 if it is, else windows-1252; by the labels of the web."""
    assert page_as_utf8(body, content_type) == (text.encode(), False)


def test_bytes_not_in_the_stated_charset_are_replaced_and_told() -> None:
    """A page that says UTF-8 and is not."""
    assert page_as_utf8(b"caf\xe9", "text/html; charset=utf-8") == ("caf\ufffd".encode(), True)


@given(st.binary(max_size=1500), st.one_of(st.none(), st.text(max_size=60)))
def test_any_bytes_decode(body: bytes, content_type: str | None) -> None:
    """No page and no header raise."""
    for prefix in (b"", b"<meta charset="):
        html, _replaced = page_as_utf8(prefix + body, content_type)
        assert html.decode("utf-8").encode() == html


@given(
    st.sampled_from(sorted(charset._OVER_ASCII)),
    st.lists(st.one_of(st.binary(max_size=6), st.text(max_size=4), st.integers(0, 40)), max_size=12),
)
def test_decoding_around_the_letters_changes_nothing(codec: str, parts: list[bytes | str | int]) -> None:
    """Of a page with few letters beyond ASCII only these are decoded: what comes out, and what raises, is the same."""
    pieces = (part.encode(codec, "replace") if isinstance(part, str) else part for part in parts)
    body = b"".join(b"a" * piece if isinstance(piece, int) else piece for piece in pieces)

    def outcome() -> bytes | str:
        try:
            return charset._as_utf8(body, codec)
        except UnicodeDecodeError:
            return "not in this encoding"

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(charset, "_OVER_ASCII", frozenset())
        whole = outcome()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(charset, "_FEW_AMONG", 0)
        patched.setattr(charset, "_WORTH_PASSING_OVER", 3)
        assert outcome() == whole
