"""Which character encoding a page is in, as the HTML standard decides, and its text as UTF-8, which is what the parser reads.

The order: a byte order mark, the `charset` of the Content-Type header, a `<meta>` within the first 1,024 bytes; then UTF-8 if
the bytes are valid UTF-8 (the standard lets a reader detect, and no other encoding yields valid UTF-8 by chance), then
windows-1252. Labels are those of the Encoding standard, so `iso-8859-1` means windows-1252.
"""

import codecs
import re
from typing import Any

import numpy as np

_PRESCAN_BYTES = 1024
_META_CHARSET = re.compile(rb"<meta\s[^>]{0,1000}?charset\s*=\s*[\"']?\s*([^\s\"'/>;]{1,40})", re.IGNORECASE)
_HEADER_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([^\s\"';,]{1,40})", re.IGNORECASE)
_COMMENT = re.compile(rb"<!--.*?(?:-->|$)", re.DOTALL)

# Labels of the Encoding standard whose meaning differs from Python's codec of that name, or that Python does not know.
_LABELS = {
    **dict.fromkeys(
        ("ascii", "us-ascii", "iso-8859-1", "iso8859-1", "iso88591", "iso_8859-1", "latin1", "l1", "cp819", "ibm819",
         "ansi_x3.4-1968", "x-cp1252", "windows-1252", "cp1252", "x-user-defined"),
        "cp1252",
    ),
    **dict.fromkeys(("iso-8859-9", "iso8859-9", "iso88599", "latin5", "l5", "windows-1254", "x-cp1254"), "cp1254"),
    **dict.fromkeys(("iso-8859-11", "iso8859-11", "tis-620", "dos-874", "windows-874"), "cp874"),
    **dict.fromkeys(("gb2312", "gbk", "gb_2312-80", "chinese", "csgb2312", "x-gbk", "gb18030"), "gb18030"),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "x-sjis", "ms_kanji", "windows-31j", "csshiftjis", "ms932"), "cp932"),
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987", "ksc5601", "korean", "windows-949", "cseuckr", "ksc_5601"), "cp949"),
    **dict.fromkeys(("big5", "big5-hkscs", "x-x-big5", "cn-big5", "csbig5"), "big5hkscs"),
    **dict.fromkeys(("utf-8", "utf8", "unicode-1-1-utf-8", "x-unicode20utf8", "unicode11utf8", "unicode20utf8"), "utf-8"),
    **dict.fromkeys(("utf-16", "utf-16le", "unicode", "ucs-2", "iso-10646-ucs-2", "csunicode"), "utf-16-le"),
    "utf-16be": "utf-16-be",
    "x-mac-roman": "mac-roman",
    "macintosh": "mac-roman",
    "x-mac-cyrillic": "mac-cyrillic",
    "iso-8859-8-i": "iso8859-8",
    "logical": "iso8859-8",
    "koi8": "koi8-r",
    "koi8-ru": "koi8-u",
    "x-euc-jp": "euc_jp",
    "x-cp1250": "cp1250",
    "x-cp1251": "cp1251",
}  # fmt: skip


def page_as_utf8(body: bytes, content_type: str | None) -> tuple[bytes, bool]:
    """The text of a page in UTF-8, and whether bytes had to be replaced because they are not in the encoding that was stated.

    Args:
        body: the page's bytes.
        content_type: the value of the Content-Type header, if there is one.
    """
    for mark, codec in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if body.startswith(mark):
            return _decoded(body[len(mark) :], codec)
    stated = _HEADER_CHARSET.search(content_type) if content_type else None
    codec_stated = (_codec(stated[1]) if stated else None) or _prescan(body[:_PRESCAN_BYTES])
    if codec_stated:
        return _decoded(body, codec_stated)
    if _is_utf8(body):
        return body, False
    # windows-1252 of the standard maps all bytes; Python's leaves five out.
    return _decoded(body, "cp1252")[0], False


def _prescan(head: bytes) -> str | None:
    for match in _META_CHARSET.finditer(_COMMENT.sub(b"", head)):
        if codec := _codec(match[1].decode("ascii", "replace")):
            # A page that can be read so far is not in UTF-16, whatever it says.
            return "utf-8" if codec.startswith("utf-16") else codec
    return None


def _codec(label: str) -> str | None:
    name = label.strip().lower()
    if name in _LABELS:
        return _LABELS[name]
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    # Python has codecs that are no character encodings (base64, zip, idna), which a page must not reach.
    is_text: bool = getattr(info, "_is_text_encoding", True)
    return info.name if is_text and info.name not in _NOT_OF_THE_WEB else None


_OVER_ASCII = frozenset(
    {
        *(f"cp{number}" for number in (866, 874, 932, 949, *range(1250, 1259))),
        *(f"iso8859-{number}" for number in (*range(2, 12), *range(13, 17))),
        *("koi8-r", "koi8-u", "mac-roman", "mac-cyrillic", "gb18030", "gbk", "big5hkscs", "euc_jp", "euc_kr"),
    }
)
"""Codecs of which every character is one byte of ASCII, or begins with another byte and ends at most one byte after the last such one."""
_LAST_OF_ASCII = 127
_FEW_AMONG = 8
_WORTH_PASSING_OVER = 500
"""Bytes of ASCII: a call of a codec costs as much as decoding so many."""

_NOT_OF_THE_WEB = frozenset(
    {"idna", "punycode", "raw-unicode-escape", "unicode-escape", "undefined", "utf-7", "mbcs", "oem"}
)


def _is_utf8(body: bytes) -> bool:
    if body.isascii():
        return True
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decoded(body: bytes, codec: str) -> tuple[bytes, bool]:
    if codec == "utf-8" and _is_utf8(body):
        return body, False
    try:
        return _as_utf8(body, codec), False
    except UnicodeDecodeError:
        return body.decode(codec, "replace").encode("utf-8", "ignore"), codec != "cp1252"


def _as_utf8(body: bytes, codec: str) -> bytes:
    """The text in UTF-8; of a page that is ASCII with few other letters only the parts around these go through the codec.

    Raises:
        UnicodeDecodeError: the bytes are not in the encoding.
    """
    if codec in _OVER_ASCII:
        if body.isascii():
            return body
        others = np.frombuffer(body, np.uint8) > _LAST_OF_ASCII
        if np.count_nonzero(others) * _FEW_AMONG <= len(body):
            return _around(body, np.flatnonzero(others), codec)
    # A codec may let half a surrogate pair through, which UTF-8 has not.
    return body.decode(codec).encode("utf-8", "ignore")


def _around(body: bytes, others: "np.ndarray[Any, np.dtype[np.intp]]", codec: str) -> bytes:
    """The text in UTF-8, given the places of the bytes that are not ASCII."""
    gaps = np.flatnonzero(np.diff(others) > _WORTH_PASSING_OVER)
    firsts, lasts = others[np.append(0, gaps + 1)].tolist(), others[np.append(gaps, -1)].tolist()
    pieces: list[bytes] = []
    done = 0
    for first, last in zip(firsts, lasts, strict=True):
        pieces += body[done:first], body[first : last + 2].decode(codec).encode("utf-8", "ignore")
        done = last + 2
    pieces.append(body[done:])
    return b"".join(pieces)
