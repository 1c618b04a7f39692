"""How deep the elements of a page are nested, before a parser is let at it.

The time a parser takes grows with the square of the number of open elements: a page of 200,000 unclosed `<div>` keeps it busy
for minutes. Browsers stop at 512 levels; a page is read here up to where it has `MAX_DEPTH`.
"""

import re
from collections import Counter
from typing import Any

import numpy as np

MAX_DEPTH = 2_000
"""Open elements at one place of a page."""

_FEW_TAGS = 3_000
"""So many tags cost nothing, however they are nested."""

_TAG = re.compile(rb"<(/?)([a-z][^\s/>]{0,30})", re.IGNORECASE)

_VOID = b"area base br col embed hr img input link meta param source track wbr"
_CLOSED_BY_THE_NEXT = b"p li dt dd option optgroup tr td th tbody thead tfoot colgroup"
_ONLY_ONE = b"html head body"
_NEVER_DEEP = frozenset(b" ".join((_VOID, _CLOSED_BY_THE_NEXT, _ONLY_ONE)).split())
"""Elements that nest in no other of their kind."""

_NEVER_DEEP_PAIRS = np.zeros(1 << 16, np.bool_)
"""For two letters, small, the first times 256 plus the second: whether they are one of `_NEVER_DEEP`."""
_NEVER_DEEP_PAIRS[[name[0] << 8 | name[1] for name in _NEVER_DEEP if len(name) == 2]] = True  # noqa: PLR2004 - the letters
_ENDS_A_NAME = np.isin(np.arange(256), list(b" \t\n\r\f\v/>"))
_SMALL = np.uint8(ord("a") - ord("A"))
"""The bit that makes a letter small."""
_MANY_TAGS = 200_000
"""More are not looked at all at once, for the memory that takes."""


def depth_end(html: bytes) -> int:
    """The offset up to which a page is at most `MAX_DEPTH` levels deep; its length for nearly every page.

    Counts opened less closed elements of each name, so that closing what is not open hides nothing. Linear in the page.

    >>> page = b"<div></b>" * 5_000
    >>> depth_end(page) == 2_000 * len(b"<div></b>")
    True
    """
    if len(html) <= _FEW_TAGS * len(b"<b>"):
        return len(html)
    codes = np.frombuffer(html, np.uint8)
    tags = np.count_nonzero(codes == ord("<"))
    if tags <= _FEW_TAGS or (tags <= _MANY_TAGS and _may_nest(codes) <= MAX_DEPTH):
        return len(html)
    return _walked(html)


def _may_nest(codes: "np.ndarray[Any, np.dtype[np.uint8]]") -> int:
    """No fewer than the tags that open an element not in `_NEVER_DEEP`; of those that do not, the short names are left out."""
    names = np.flatnonzero(codes == ord("<")) + 1
    last = len(codes) - 1
    first = codes[np.minimum(names, last)] | _SMALL
    opens = (first >= ord("a")) & (first <= ord("z"))
    names, first = names[opens], first[opens]
    second, third = codes[np.minimum(names + 1, last)], codes[np.minimum(names + 2, last)]
    pairs = first.astype(np.uint16) << 8 | (second | _SMALL)
    never = (_NEVER_DEEP_PAIRS[pairs] & _ENDS_A_NAME[third]) | ((first == ord("p")) & _ENDS_A_NAME[second])
    return len(names) - int(np.count_nonzero(never))


def _walked(html: bytes) -> int:
    """What `depth_end` gives, tag by tag, which takes longer than parsing the page does."""
    opened: Counter[bytes] = Counter()
    depth = 0
    for tag in _TAG.finditer(html):
        name = tag[2].lower()
        if name in _NEVER_DEEP:
            continue
        if not tag[1]:
            if depth == MAX_DEPTH:
                return tag.start()
            opened[name] += 1
            depth += 1
        elif opened[name]:
            opened[name] -= 1
            depth -= 1
    return len(html)
