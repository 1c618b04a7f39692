"""The images of many WAT records at once, compiled: from the JSON's bytes to resolved URLs and folded texts, without an object for any.

What is read is what `wat.read_wat_page` and `columns.LinkCollector.add` would have read; anything unusual makes a record `SLOW`, which
is then theirs. A page that may state something is told as such, and what it states is read by them too.
"""

from typing import Final

import numpy as np

from linkwell.base.compiled import bytes_at, numbers_at, part
from linkwell.build.jsonscan import AT_ONCE, copy_string, fold_string
from linkwell.build.plainurls import base_of, host_end, is_plain_path, is_plain_rest, scheme_end
from linkwell.build.watfacts import (
    BASE_STATED,
    DATA_URL,
    FACTS,
    FIRST_ROW,
    FOUND,
    HAS_BASE,
    HAS_LICENCE,
    HAS_MORE,
    HEADER_STATED,
    IMAGE_PLACES,
    IMAGES,
    LAST_ROW,
    LINK_STATED,
    LONGEST_NAME,
    MAX_IMAGES,
    META_STATED,
    NO_RESPONSE,
    NO_SRC,
    NO_TEXT,
    NOT_HTML,
    OFFSET,
    PAGE,
    PLACES,
    SEEN_AT,
    SLOW,
    STATED_AT,
    STATES,
    STATUS,
    TOO_SHORT,
    Bytes,
    Numbers,
)
from linkwell.build.watwalk import (
    DATE_AT,
    FILENAME_AT,
    IS_HTML,
    IS_RESPONSE,
    LINKS_COUNT,
    OFFSET_VALUE,
    STATED_COUNT,
    STATES_AT,
    TARGET_AT,
    digits,
    walk,
)

_BAD: Final = -1
_BACKSLASH, _NEWLINE = 92, 10
_COMMA: Final = 44
_DATA = np.frombuffer(b"data:", np.uint8)

_HEADERS, _METAS, _LINKS, _BASE, _NO_BASE, _STATED_END = (
    np.frombuffer(each, np.uint8)
    for each in (b'{"headers":{', b'},"metas":[', b'],"links":[', b'],"base":', b'""', b"},")
)


@part
def _seconds(data: Bytes, first: int, last: int) -> int:
    """Seconds since 1970 of a date as `2024-05-18T01:58:10Z`, or -1: it is written in another way, or is no date."""
    if last - first != 20:
        return _BAD
    for place, sign in ((4, 45), (7, 45), (10, 84), (13, 58), (16, 58), (19, 90)):
        if data[first + place] != sign:
            return _BAD
    year, month, day = (
        digits(data, first, first + 4),
        digits(data, first + 5, first + 7),
        digits(data, first + 8, first + 10),
    )
    hour, minute = digits(data, first + 11, first + 13), digits(data, first + 14, first + 16)
    second = digits(data, first + 17, first + 19)
    if year < 1970 or not 1 <= month <= 12 or not 1 <= day <= 28 + 3 * (month != 2):
        return _BAD
    if (month in (4, 6, 9, 11) and day > 30) or min(hour, minute, second) < 0 or hour > 23 or max(minute, second) > 59:
        return _BAD
    # Days by the civil calendar, years starting in March.
    years = year - (month <= 2)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days = years * 365 + years // 4 - years // 100 + years // 400 + day_of_year - 719468
    return ((days * 24 + hour) * 60 + minute) * 60 + second


@part
def _has_control(out: Bytes, first: int, last: int) -> bool:
    """Whether there is a control character of ASCII, such as a line end."""
    found = False
    for place in range(first, last):
        found |= out[place] < 32
    return found


@part
def _is_data(out: Bytes, first: int, last: int) -> bool:
    """Whether an address is a picture inside the page."""
    if last - first < 5:
        return False
    for place in range(5):
        byte = out[first + place]
        if 65 <= byte <= 90:
            byte |= np.uint8(32)
        if byte != _DATA[place]:
            return False
    return True


@part
def _resolved(
    urls: Bytes, first: int, last: int, pages: Bytes, page: int, base: tuple[int, int, int], max_url: int
) -> int:
    """Make the address at `first` in `urls` absolute where it stands; returns where it ends, or -1: it is to be asked."""
    if last - first > max_url or urls[first] == _NEWLINE:
        return _BAD
    slashes = scheme_end(urls, first, last)
    if slashes >= 0:
        host = host_end(urls, slashes + 2, last)
        return last if host >= 0 and is_plain_rest(urls, host, last) else _BAD
    if base[0] < 0 or urls[first] == 63:
        return _BAD
    if urls[first] == 47:
        if first + 1 < last and urls[first + 1] == 47:
            kept = base[0] - page
            host = host_end(urls, first + 2, last)
            if host < 0 or not is_plain_path(urls, host, last, 58):
                return _BAD
        else:
            kept = base[1] - page
            if not is_plain_path(urls, first, last, 58):
                return _BAD
    else:
        kept = base[2] - page
        if not is_plain_path(urls, first, last, 0):
            return _BAD
    if last - first + kept > max_url:
        return _BAD
    for place in range(last - 1, first - 1, -1):
        urls[place + kept] = urls[place]
    for place in range(kept):
        urls[first + place] = pages[page + place]
    return last + kept


@part
def _put_word(out: Bytes, to: int, word: Bytes) -> int:
    for place in range(len(word)):
        out[to + place] = word[place]
    return to + len(word)


@part
def _put_statements(data: Bytes, places: Numbers, out: Bytes, to: int) -> int:
    """Write what a page states as the JSON of `wat.Stated`, with a comma behind; returns where it ends."""
    to = _put_word(out, to, _HEADERS)
    for kind in range(HEADER_STATED, BASE_STATED + 1):
        if kind == META_STATED:
            to = _put_word(out, to, _METAS)
        elif kind == LINK_STATED:
            to = _put_word(out, to, _LINKS)
        elif kind == BASE_STATED:
            to = _put_word(out, to, _BASE)
        some = False
        for number in range(places[STATED_COUNT]):
            at = STATED_AT + 3 * number
            if places[at] != kind:
                continue
            if some:
                out[to] = _COMMA
                to += 1
            some = True
            for place in range(places[at + 1], places[at + 2]):
                out[to] = data[place]
                to += 1
        if kind == BASE_STATED and not some:
            to = _put_word(out, to, _NO_BASE)
    return _put_word(out, to, _STATED_END)


@part
def _scan(
    data: Bytes,
    bodies: Numbers,
    letters: Bytes,
    starts: Numbers,
    min_text: int,
    max_text: int,
    max_url: int,
    facts: Numbers,
    pages: Bytes,
    files: Bytes,
    urls: Bytes,
    texts: Bytes,
    asked: Bytes,
    stated: Bytes,
    ends: Numbers,
    places: Numbers,
    found: Numbers,
    images: Numbers,
) -> int:
    page_to = file_to = url_to = text_to = stated_to = row = 0
    for record in range(len(bodies) // 2):
        fact = record * FACTS
        for place in range(FACTS):
            facts[fact + place] = 0
        facts[fact + FIRST_ROW] = facts[fact + LAST_ROW] = row
        first_page, first_file, first_url, first_text = page_to, file_to, url_to, text_to
        status = SLOW
        if walk(data, bodies[2 * record], bodies[2 * record + 1], letters, starts, places, found, images):
            if not places[IS_RESPONSE]:
                status = NO_RESPONSE
            elif not places[IS_HTML]:
                status = NOT_HTML
            else:
                status = PAGE
        if status == PAGE and places[LINKS_COUNT]:
            facts[fact + SEEN_AT] = _seconds(data, places[DATE_AT], places[DATE_AT + 1])
            facts[fact + OFFSET] = places[OFFSET_VALUE]
            facts[fact + STATES] = places[STATES_AT]
            facts[fact + IMAGES] = places[LINKS_COUNT]
            target, target_end = places[TARGET_AT], places[TARGET_AT + 1]
            has_escapes = False
            for place in range(target, target_end):
                if data[place] == _BACKSLASH:
                    has_escapes = True
            if target_end - target >= 2 and data[target] == 60 and data[target_end - 1] == 62:
                target, target_end = target + 1, target_end - 1
            if facts[fact + SEEN_AT] < 0 or has_escapes:
                status = SLOW
            else:
                page_to = copy_string(data, target, target_end, pages, page_to)
                file_to = copy_string(data, places[FILENAME_AT], places[FILENAME_AT + 1], files, file_to)
                if _has_control(pages, first_page, page_to) or _has_control(files, first_file, file_to):
                    status = SLOW
        if status == PAGE:
            base = (_BAD, _BAD, _BAD)
            if not places[STATES_AT] & HAS_BASE:
                base = base_of(pages, first_page, page_to)
            room = len(urls) - (page_to - first_page) - 2 * AT_ONCE
            for number in range(places[LINKS_COUNT]):
                image = number * IMAGE_PLACES
                url, url_end, alt, alt_end = images[image], images[image + 1], images[image + 2], images[image + 3]
                if url_to + url_end - url > room or row == len(asked):
                    status = SLOW
                    break
                text_end, characters = fold_string(data, alt, alt_end, texts, text_to)
                url_last = copy_string(data, url, url_end, urls, url_to)
                if _has_control(urls, url_to, url_last) or characters > max_text:
                    status = SLOW
                    break
                at = url_to
                while at < url_last and urls[at] == 32:
                    at += 1
                if characters < max(min_text, 1) and (characters or scheme_end(urls, url_to, url_last) >= 0):
                    facts[fact + (TOO_SHORT if characters else NO_TEXT)] += 1
                elif at == url_last:
                    facts[fact + NO_SRC] += 1
                elif _is_data(urls, at, url_last):
                    facts[fact + DATA_URL] += 1
                elif not characters:
                    facts[fact + NO_TEXT] += 1
                else:
                    final = _resolved(urls, url_to, url_last, pages, first_page, base, max_url)
                    asked[row] = final < 0
                    row += 1
                    url_to = url_last if final < 0 else final
                    urls[url_to] = _NEWLINE
                    url_to += 1
                    texts[text_end] = _NEWLINE
                    text_to = text_end + 1
            facts[fact + LAST_ROW] = row
        if status != PAGE:
            page_to, file_to, url_to, text_to = first_page, first_file, first_url, first_text
            row = facts[fact + LAST_ROW] = facts[fact + FIRST_ROW]
        elif facts[fact + STATES] and not facts[fact + STATES] & (HAS_LICENCE | HAS_MORE):
            stated_to = _put_statements(data, places, stated, stated_to)
        facts[fact + STATUS] = status
        pages[page_to] = _NEWLINE
        files[file_to] = _NEWLINE
        page_to += 1
        file_to += 1
    ends[0], ends[1], ends[2], ends[3], ends[4] = page_to, file_to, url_to, text_to, stated_to
    return row


def scan_at(
    data: int,
    data_bytes: int,
    bodies: int,
    records: int,
    letters: int,
    names: int,
    starts: int,
    min_text: int,
    max_text: int,
    max_url: int,
    facts: int,
    strings: int,
    strings_bytes: int,
    urls: int,
    urls_bytes: int,
    asked: int,
    rows: int,
    ends: int,
    scratch: int,
) -> int:
    """Read the records whose bodies are `data[first:last]`; returns how many rows there are.

    A row is an image with a caption that is long enough, and an address that is neither empty nor `data:`. Strings are UTF-8, with a
    line end behind each, of which none holds one. All arrays are given as addresses.

    Args:
        data: bytes, with the bodies in their order.
        data_bytes: how many.
        bodies: numbers (records, 2), where each begins and ends.
        records: how many.
        letters: `Names.letters`.
        names: how many.
        starts: `Names.starts`.
        min_text: characters that a text has at least.
        max_text: a record with a longer one is slow.
        max_url: an address longer than that is asked about.
        facts: numbers (records, FACTS), filled.
        strings: bytes (4, strings_bytes), filled with the address of each record of status PAGE, of others an empty string; the name of
            the file that such a record describes a part of; the text of each row; and the statements of pages whose `STATES` has neither
            `HAS_LICENCE` nor `HAS_MORE`, as JSON of `wat.Stated`, a comma behind each.
        strings_bytes: room for each of the four; as much as `data`, and `STATED_FRAME` for each record, is enough.
        urls: bytes, filled with the URL of each row, or its address as it stands where `asked`.
        urls_bytes: room for them; a record that it does not hold is slow.
        asked: bytes (rows), filled with 1 where the URL has to be resolved by a parser.
        rows: room for them; a record with more is slow.
        ends: numbers (5), filled with how much of addresses of records, files, URLs, texts and statements there is.
        scratch: numbers (`watfacts.SCRATCH`), to work with.
    """
    return _scan(
        bytes_at(data, data_bytes),
        numbers_at(bodies, 2 * records),
        bytes_at(letters, names * LONGEST_NAME),
        numbers_at(starts, LONGEST_NAME + 1),
        min_text,
        max_text,
        max_url,
        numbers_at(facts, records * FACTS),
        bytes_at(strings, strings_bytes),
        bytes_at(strings + strings_bytes, strings_bytes),
        bytes_at(urls, urls_bytes),
        bytes_at(strings + 2 * strings_bytes, strings_bytes),
        bytes_at(asked, rows),
        bytes_at(strings + 3 * strings_bytes, strings_bytes),
        numbers_at(ends, 5),
        numbers_at(scratch, PLACES),
        numbers_at(scratch + 8 * PLACES, FOUND),
        numbers_at(scratch + 8 * (PLACES + FOUND), MAX_IMAGES * IMAGE_PLACES),
    )
