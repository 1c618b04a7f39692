"""One WAT record from its first brace to its last, compiled: where its wanted strings are, and whether its page may state something.

The members are those of `wat._Record`. What is unusual (see `jsonscan`), what stands there twice, and what is of another type than
Common Crawl's extractor writes make a record one that is not told of.
"""

from typing import Final

import numpy as np

from linkwell.base.compiled import part
from linkwell.build.jsonscan import (
    AT_ONCE,
    byte_at,
    code_of,
    equals,
    holds,
    key_code,
    number_end,
    plain_end,
    string_end,
    until_word,
    value_end,
    word_at,
)
from linkwell.build.watfacts import (
    BASE_STATED,
    HAS_BASE,
    HAS_LICENCE,
    HAS_MORE,
    HAS_STATED,
    HEADER_STATED,
    IMAGE_PLACES,
    LINK_STATED,
    LONGEST_NAME,
    MAX_STATED,
    META_STATED,
    STATED_AT,
    Bytes,
    Numbers,
)

_BAD: Final = -1
_QUOTE, _BACKSLASH, _COMMA, _OPEN, _CLOSE, _OPEN_LIST, _CLOSE_LIST, _COLON, _AT_SIGN = (
    34,
    92,
    44,
    123,
    125,
    91,
    93,
    58,
    64,
)


def _word(text: bytes) -> Bytes:
    return np.frombuffer(text, np.uint8)


_ENVELOPE, _CONTAINER = _word(b"Envelope"), _word(b"Container")
_PAYLOAD, _WARC = _word(b"Payload-Metadata"), _word(b"WARC-Header-Metadata")
_RESPONSE, _HEADERS, _HTML = _word(b"HTTP-Response-Metadata"), _word(b"Headers"), _word(b"HTML-Metadata")
_HEAD, _LINKS, _METAS, _LINK, _BASE = (_word(each) for each in (b"Head", b"Links", b"Metas", b"Link", b"Base"))
_TARGET, _DATE, _FILENAME, _OFFSET = (
    _word(each) for each in (b"WARC-Target-URI", b"WARC-Date", b"Filename", b"Offset")
)
_HTTP_EQUIV = _word(b"http-equiv")
_HTTP_EQUIV_CODE = 1
_OF_LINK = np.array([code_of(each) for each in (b"path", b"url", b"alt", b"rel", b"type")], np.int64)
_OF_META = np.array([*(code_of(each) for each in (b"name", b"property", b"content")), _HTTP_EQUIV_CODE], np.int64)
_IMAGE_WORD = _word(b'"IMG@/src"')
# The start of an image's object, of 18 letters, as three words; and where in it the sign is.
_IMAGE = np.array([code_of(each) for each in (b'{"path":', b'"IMG@/sr', b'MG@/src"')], np.int64)
_IMAGE_SIGN = 12
_LICENCE, _REL_KEY = _word(b"icense"), _word(b'"rel":')

# Where things stand in a record: pairs of first and last, -1 where there is none.
TARGET_AT, DATE_AT, FILENAME_AT, LINKS_COUNT, IS_RESPONSE, IS_HTML, STATES_AT, OFFSET_VALUE, STATED_COUNT = (
    0, 2, 4, 6, 7, 8, 9, 10, 11,
)  # fmt: skip


@part
def _says(data: Bytes, first: int, last: int, letters: Bytes, starts: Numbers) -> bool:
    """Whether a name, in any case, may be one of those that say something; an unusual one may."""
    for place in range(first, min(last, first + 6 * LONGEST_NAME)):
        if data[place] >= 128 or data[place] == _BACKSLASH:
            return True
    length = last - first
    if length >= LONGEST_NAME:
        return True
    for row in range(starts[length], starts[length + 1]):
        place = 0
        while place < length:
            byte = data[first + place]
            if 65 <= byte <= 90:
                byte |= np.uint8(32)
            if byte != letters[row * LONGEST_NAME + place]:
                break
            place += 1
        if place == length:
            return True
    return False


@part
def _member(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """Of the member whose brace or comma is at `at`: where its key ends, and its value starts; -1 where that is unusual."""
    if at + 1 >= end or data[at + 1] != _QUOTE:
        return _BAD, _BAD
    last = plain_end(data, at + 2, end)
    if last < 0 or last + 2 >= end or data[last + 1] != _COLON:
        return _BAD, _BAD
    return last, last + 2


@part
def _after(data: Bytes, at: int, end: int, closing: int) -> bool:
    """Whether behind a value at `at` comes a comma or the end of what it is in."""
    return 0 <= at < end and (data[at] == _COMMA or data[at] == closing)


@part
def _text_end(data: Bytes, at: int, end: int) -> int:
    """Where the string whose opening quote is at `at` has its closing one."""
    return string_end(data, at + 1, end) if data[at] == _QUOTE else _BAD


@part
def _strings(data: Bytes, at: int, end: int, keys: Numbers, found: Numbers) -> int:
    """Read an object that starts at `at`: where the string values of these keys begin and end, -1 twice where a key is not there.

    Returns where the object ends. That a value of another key has any type is usual; of one of these, it must be a string.
    """
    for place in range(2 * len(keys)):
        found[place] = _BAD
    if data[at] != _OPEN or at + 1 >= end:
        return _BAD
    if data[at + 1] == _CLOSE:
        return at + 2
    return _more_strings(data, at, end, keys, found)


@part
def _more_strings(data: Bytes, at: int, end: int, keys: Numbers, found: Numbers) -> int:
    """As `_strings`, from the brace or comma before a member on."""
    while True:
        last, value = _member(data, at, end)
        if last < 0:
            return _BAD
        code = key_code(data, at + 2, last)
        if code == 0 and equals(data, at + 2, last, _HTTP_EQUIV):
            code = _HTTP_EQUIV_CODE
        known = _BAD
        for number in range(len(keys)):
            if code == keys[number]:
                known = number
        if known >= 0 and (found[2 * known] >= 0 or data[value] != _QUOTE):
            return _BAD
        if data[value] == _QUOTE:
            close = string_end(data, value + 1, end)
            if close < 0:
                return _BAD
            if known >= 0:
                found[2 * known], found[2 * known + 1] = value + 1, close
            at = close + 1
        else:
            at = value_end(data, value, end)
        if not _after(data, at, end, _CLOSE):
            return _BAD
        if data[at] == _CLOSE:
            return at + 1


@part
def _note(kind: int, first: int, last: int, places: Numbers) -> None:
    """Note that these bytes state something, or may."""
    count = places[STATED_COUNT]
    places[STATES_AT] |= HAS_BASE if kind == BASE_STATED else HAS_STATED
    if count == MAX_STATED:
        places[STATES_AT] |= HAS_MORE
        return
    at = STATED_AT + 3 * count
    places[at], places[at + 1], places[at + 2] = kind, first, last
    places[STATED_COUNT] = count + 1


@part
def _list_of_strings(data: Bytes, at: int, end: int) -> int:
    """Where a string, or a list of strings, ends."""
    if data[at] == _QUOTE:
        close = string_end(data, at + 1, end)
        return close + 1 if close >= 0 else _BAD
    if data[at] != _OPEN_LIST or at + 1 >= end:
        return _BAD
    if data[at + 1] == _CLOSE_LIST:
        return at + 2
    while True:
        if at + 1 >= end:
            return _BAD
        close = _text_end(data, at + 1, end)
        if close < 0 or not _after(data, close + 1, end, _CLOSE_LIST):
            return _BAD
        at = close + 1
        if data[at] == _CLOSE_LIST:
            return at + 1


@part
def _headers(data: Bytes, at: int, end: int, letters: Bytes, starts: Numbers, places: Numbers) -> int:
    """Read the header fields: whether one says something."""
    if data[at] != _OPEN or at + 1 >= end:
        return _BAD
    if data[at + 1] == _CLOSE:
        return at + 2
    while True:
        last, value = _member(data, at, end)
        if last < 0:
            return _BAD
        key = at + 1
        at = _list_of_strings(data, value, end)
        if not _after(data, at, end, _CLOSE):
            return _BAD
        if _says(data, key + 1, last, letters, starts):
            _note(HEADER_STATED, key, at, places)
        if data[at] == _CLOSE:
            return at + 1


@part
def _metas(data: Bytes, at: int, end: int, letters: Bytes, starts: Numbers, places: Numbers, found: Numbers) -> int:
    """Read the metas of a head: whether one says something."""
    if data[at] != _OPEN_LIST or at + 1 >= end:
        return _BAD
    if data[at + 1] == _CLOSE_LIST:
        return at + 2
    while True:
        if at + 1 >= end:
            return _BAD
        first = at + 1
        at = _strings(data, first, end, _OF_META, found)
        if not _after(data, at, end, _CLOSE_LIST):
            return _BAD
        says = False
        for number in (0, 1, 3):
            if found[2 * number] >= 0 and _says(data, found[2 * number], found[2 * number + 1], letters, starts):
                says = True
        if says:
            _note(META_STATED, first, at, places)
        if data[at] == _CLOSE_LIST:
            return at + 1


@part
def _is_rel(data: Bytes, at: int) -> bool:
    """Whether the string around `at` is the value of a `rel`; one with an escaped quote before that may be."""
    while data[at] != _QUOTE:
        at -= 1
    return data[at - 1] == _BACKSLASH or equals(data, at - len(_REL_KEY), at, _REL_KEY)


@part
def _links(data: Bytes, at: int, end: int, places: Numbers, found: Numbers, images: Numbers) -> int:
    """Read the list of links: where the URLs and alts of its images are, and whether one may be the licence.

    Links are nine tenths of a record, and most are not wanted: those that are not are not looked at, nor is it checked that they are
    JSON. The word is searched for between quotes that are not escaped: those are the quotes of a string. The list is taken to end at the
    last place of the record that can end one; if it did not, the rest of the record does not fit.
    """
    count = 0
    if data[at] != _OPEN_LIST or at + 1 >= end:
        return _BAD
    if data[at + 1] == _CLOSE_LIST:
        return at + 2
    close = end - 1
    while close > at and not (data[close] == _CLOSE_LIST and data[close - 1] == _CLOSE):
        close -= 1
    at += 1
    while at < close:
        clear = until_word(data, at)
        at += clear
        if clear == AT_ONCE:
            continue
        if at >= close:
            break
        if data[at] == _AT_SIGN:
            if word_at(data, at - _IMAGE_SIGN + 10) != _IMAGE[2]:
                at += 1
                continue
            first = at - _IMAGE_SIGN
            if word_at(data, first) != _IMAGE[0] or word_at(data, first + 8) != _IMAGE[1]:
                # Between other braces, or with white space, it is an image too.
                if equals(data, at - 4, at + 6, _IMAGE_WORD) and data[at - 5] != _BACKSLASH:
                    return _BAD
                at += 1
                continue
            for place in range(2, 2 * len(_OF_LINK)):
                found[place] = _BAD
            found[0], found[1] = first + 9, first + 17
            at = first + 18
            if data[at] == _CLOSE:
                at += 1
            elif data[at] == _COMMA:
                at = _more_strings(data, at, close, _OF_LINK, found)
            else:
                return _BAD
            if at < 0 or (count + 1) * IMAGE_PLACES > len(images) or not (data[at] == _COMMA or at == close):
                return _BAD
            for place in range(IMAGE_PLACES):
                images[count * IMAGE_PLACES + place] = found[2 + place]
            count += 1
            if found[6] >= 0 and holds(data, found[6], found[7], _LICENCE):
                places[STATES_AT] |= HAS_LICENCE
        else:
            if equals(data, at, at + len(_LICENCE), _LICENCE) and _is_rel(data, at):
                places[STATES_AT] |= HAS_LICENCE
            at += 1
    places[LINKS_COUNT] = count
    return close + 1


@part
def _head_links(data: Bytes, at: int, end: int, places: Numbers, found: Numbers) -> int:
    """Read the links of the head: whether one may be the licence; a `rel` with escapes may."""
    if data[at] != _OPEN_LIST or at + 1 >= end:
        return _BAD
    if data[at + 1] == _CLOSE_LIST:
        return at + 2
    while True:
        if at + 1 >= end:
            return _BAD
        first = at + 1
        at = _strings(data, first, end, _OF_LINK, found)
        if not _after(data, at, end, _CLOSE_LIST):
            return _BAD
        if found[6] >= 0 and (plain_end(data, found[6], end) != found[7] or holds(data, found[6], found[7], _LICENCE)):
            _note(LINK_STATED, first, at, places)
        if data[at] == _CLOSE_LIST:
            return at + 1


@part
def digits(data: Bytes, first: int, last: int) -> int:
    """The number that these digits are, or -1."""
    if last == first or last - first > 18:
        return _BAD
    number = 0
    for place in range(first, last):
        if data[place] < 48 or data[place] > 57:
            return _BAD
        number = number * 10 + byte_at(data, place) - 48
    return number


@part
def _offset(data: Bytes, at: int, end: int, places: Numbers) -> int:
    """Read the offset of a record, a number or a string of digits; returns where the value ends."""
    if data[at] == _QUOTE:
        close = _text_end(data, at, end)
        places[OFFSET_VALUE] = digits(data, at + 1, close) if close >= 0 else _BAD
        return close + 1 if places[OFFSET_VALUE] >= 0 else _BAD
    close = number_end(data, at, end)
    places[OFFSET_VALUE] = digits(data, at, close) if close >= 0 else _BAD
    return close if places[OFFSET_VALUE] >= 0 else _BAD


@part
def _warc_header(data: Bytes, at: int, end: int, places: Numbers) -> int:
    """Read the header of the record that this one describes: its address and date; returns where the object ends."""
    if data[at] != _OPEN or at + 1 >= end:
        return _BAD
    if data[at + 1] == _CLOSE:
        return at + 2
    while True:
        last, value = _member(data, at, end)
        if last < 0:
            return _BAD
        known = _BAD
        if equals(data, at + 2, last, _TARGET):
            known = TARGET_AT
        elif equals(data, at + 2, last, _DATE):
            known = DATE_AT
        if known >= 0 and (places[known] >= 0 or data[value] != _QUOTE):
            return _BAD
        at = value_end(data, value, end)
        if not _after(data, at, end, _CLOSE):
            return _BAD
        if known >= 0:
            places[known], places[known + 1] = value + 1, at - 1
        if data[at] == _CLOSE:
            return at + 1


# The objects on the way to what is wanted.
_LINKS_BIT, _INNER_BITS = 16, 10
_IN_ROOT, _IN_CONTAINER, _IN_ENVELOPE, _IN_PAYLOAD, _IN_RESPONSE, _IN_HTML, _IN_HEAD = range(7)
_STATES = 8


@part
def _inner(state: int, data: Bytes, first: int, last: int) -> int:
    """The object on the way that the value of this key is, or -1."""
    if state == _IN_ROOT:
        if equals(data, first, last, _ENVELOPE):
            return _IN_ENVELOPE
        return _IN_CONTAINER if equals(data, first, last, _CONTAINER) else _BAD
    if state == _IN_ENVELOPE:
        return _IN_PAYLOAD if equals(data, first, last, _PAYLOAD) else _BAD
    if state == _IN_PAYLOAD:
        return _IN_RESPONSE if equals(data, first, last, _RESPONSE) else _BAD
    if state == _IN_RESPONSE:
        return _IN_HTML if equals(data, first, last, _HTML) else _BAD
    if state == _IN_HTML:
        return _IN_HEAD if equals(data, first, last, _HEAD) else _BAD
    return _BAD


@part
def _read_member(
    state: int,
    data: Bytes,
    first: int,
    last: int,
    end: int,
    letters: Bytes,
    starts: Numbers,
    places: Numbers,
    found: Numbers,
    images: Numbers,
) -> tuple[int, int]:
    """Read the value of one key: which wanted one it was (0: none; each a bit of its own), and where the value ends."""
    at = last + 2
    if state == _IN_CONTAINER:
        if equals(data, first, last, _FILENAME):
            close = _text_end(data, at, end)
            places[FILENAME_AT], places[FILENAME_AT + 1] = at + 1, close
            return 1, close + 1 if close >= 0 else _BAD
        if equals(data, first, last, _OFFSET):
            return 2, _offset(data, at, end, places)
    elif state == _IN_ENVELOPE:
        if equals(data, first, last, _WARC):
            return 4, _warc_header(data, at, end, places)
    elif state == _IN_RESPONSE:
        if equals(data, first, last, _HEADERS):
            return 8, _headers(data, at, end, letters, starts, places)
    elif state == _IN_HTML:
        if equals(data, first, last, _LINKS):
            return _LINKS_BIT, _links(data, at, end, places, found, images)
    elif state == _IN_HEAD:
        if equals(data, first, last, _METAS):
            return 32, _metas(data, at, end, letters, starts, places, found)
        if equals(data, first, last, _LINK):
            return 64, _head_links(data, at, end, places, found)
        if equals(data, first, last, _BASE):
            close = _list_of_strings(data, at, end)
            _note(BASE_STATED, at, close, places)
            return 128, close
    return 0, value_end(data, at, end)


@part
def walk(
    data: Bytes, at: int, end: int, letters: Bytes, starts: Numbers, places: Numbers, found: Numbers, images: Numbers
) -> bool:
    """Read one record from its first brace to its last: whether it is as usual; then `places` and `images` are filled."""
    for place in range(STATED_AT):
        places[place] = _BAD
    places[STATED_COUNT] = 0
    places[LINKS_COUNT] = places[IS_RESPONSE] = places[IS_HTML] = places[STATES_AT] = 0
    # The objects around, the innermost lowest, each a digit.
    around = 0
    depth = 0
    state = _IN_ROOT
    known = 0
    if at >= end or data[at] != _OPEN:
        return False
    while True:
        # At the brace that opens an object, or the comma between two of its members.
        if at + 1 >= end:
            return False
        if data[at] == _OPEN and data[at + 1] == _CLOSE:
            at += 1
        else:
            last, value = _member(data, at, end)
            if last < 0:
                return False
            inner = _inner(state, data, at + 2, last)
            if inner >= 0:
                if data[value] != _OPEN or known & (1 << (_INNER_BITS + inner)):
                    return False
                known |= 1 << (_INNER_BITS + inner)
                if inner == _IN_RESPONSE:
                    places[IS_RESPONSE] = 1
                elif inner == _IN_HTML:
                    places[IS_HTML] = 1
                around = around * _STATES + state
                depth += 1
                state = inner
                at = value
                continue
            bit, at = _read_member(state, data, at + 2, last, end, letters, starts, places, found, images)
            if at < 0 or at >= end or known & bit:
                return False
            known |= bit
            if bit == _LINKS_BIT and not known & (1 << (_INNER_BITS + _IN_HEAD)):
                return False
        while data[at] == _CLOSE:
            at += 1
            if depth == 0:
                return at == end
            depth -= 1
            state = around % _STATES
            around //= _STATES
            if at >= end:
                return False
        if data[at] != _COMMA:
            return False
