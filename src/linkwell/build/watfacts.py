"""What the compiled reader of WAT records takes and tells: its tables, as those see them that call it. Imports no numba."""

from collections.abc import Set as AbstractSet

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]

PADDING = 64
"""Bytes of 0 behind the last record, as some are looked at together."""

NO_RESPONSE, NOT_HTML, PAGE, SLOW = 0, 1, 2, 3
"""What a record is."""

STATUS, FIRST_ROW, LAST_ROW, OFFSET, SEEN_AT, STATES, IMAGES, NO_TEXT, NO_SRC, DATA_URL, TOO_SHORT = range(11)
"""Columns of what is told of a record; where `STATES` is not 0, the page's head has to be read."""
FACTS = 11

HAS_STATED, HAS_BASE, HAS_LICENCE, HAS_MORE = 1, 2, 4, 8
"""What `STATES` adds up: a header field or meta that may say something; a base; a link of the body that may be the licence; more than
`MAX_STATED` statements. Of a page with one of the last two nothing is written to `stated`."""
MAX_STATED = 50

HEADER_STATED, META_STATED, LINK_STATED, BASE_STATED = range(4)
"""Where a statement stands."""
STATED_FRAME = 64
"""Bytes that are written around the statements of a page, at most."""

MAX_IMAGES = 20_000
"""Of one record; one with more is slow."""

IMAGE_PLACES = 4
"""Numbers that are held of an image: where its address begins and ends, and where its caption does."""

STATED_AT = 12
PLACES = STATED_AT + 3 * MAX_STATED
"""Numbers that places in a record are found in, the last of them those of statements."""
FOUND = 10
"""Numbers that the members of an object are found in."""

SCRATCH = PLACES + FOUND + MAX_IMAGES * IMAGE_PLACES
"""Numbers to work with."""

RECORDS_AT_ONCE = 2_000
"""Records that are unpacked and read together, at most."""
BYTES_AT_ONCE = 1_000_000
"""When so many bytes of them are unpacked, they are read."""
LONGEST_BODY = 4_000_000
"""A longer record is read by itself."""
ROOM = BYTES_AT_ONCE + LONGEST_BODY
"""Bytes that records have at first; a record that does not fit gets more."""

LONGEST_HEADER = 16_000
"""Bytes of a record's header; a record with a longer one is unusual."""

MORE, ENOUGH, NO_ROOM, UNUSUAL = range(4)
"""Why unpacking stops: what is next is no whole member; there is enough for a batch; what is next does not fit; the record is unusual."""

USED, AT, RECORDS, SKIPPED, NEXT, UNUSUAL_AT, UNUSUAL_END = range(7)
"""Numbers that are told of unpacking."""
TOLD = 7

LONGEST_NAME = 40
"""Letters of a name in `Names`, at most one less."""


class Names:
    """Small-letter names of metas and header fields that say something, as the compiled code takes them: by length.

    Long ones and those that are no ASCII are not among them: all such names on a page may say something.
    """

    def __init__(self, names: AbstractSet[str]) -> None:
        by_length = sorted((each.encode() for each in names if each.isascii() and len(each) < LONGEST_NAME), key=len)
        self.letters = np.zeros((len(by_length), LONGEST_NAME), np.uint8)
        for row, name in enumerate(by_length):
            self.letters[row, : len(name)] = np.frombuffer(name, np.uint8)
        self.starts = np.searchsorted([len(each) for each in by_length], np.arange(LONGEST_NAME + 1)).astype(np.int64)
