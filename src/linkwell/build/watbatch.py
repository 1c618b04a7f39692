"""Records of a WAT read many at a time by `watscan`, for large files: what it tells, as Python's values.

Machine code is loaded first (50 MB; once on a machine it is made, some 15 seconds), so this is imported for large files only. The
usual way, `wat.read_wat_page` and `LinkCollector.add`, stays the rule of what is right, and reads what is slow.
"""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from linkwell.base.machine_code import Function, functions_of
from linkwell.build import watfacts
from linkwell.build.page import Page
from linkwell.build.wat import SPEAKING_NAMES, page_of, read_stated, read_wat_page, read_wat_statements
from linkwell.build.watfacts import (
    FIRST_ROW,
    HAS_LICENCE,
    HAS_MORE,
    LAST_ROW,
    NO_RESPONSE,
    NOT_HTML,
    OFFSET,
    PAGE,
    SEEN_AT,
    SLOW,
    STATES,
    STATUS,
    Bytes,
    Numbers,
)

_LEAST_BYTES_OF_ROW = 32
_REJECTED = (
    ("rejected_no_text", watfacts.NO_TEXT),
    ("rejected_no_src", watfacts.NO_SRC),
    ("rejected_data_url", watfacts.DATA_URL),
    ("rejected_text_too_short", watfacts.TOO_SHORT),
    ("images", watfacts.IMAGES),
)

_SOURCES = ("jsonscan", "plainurls", "watfacts", "watscan", "watunpack", "watwalk")
"""Modules that the machine code is made from."""


def _make() -> dict[str, Function]:
    from linkwell.build.watscan import scan_at  # noqa: PLC0415 - numba
    from linkwell.build.watunpack import unpack_at  # noqa: PLC0415 - as above

    return {"scan": scan_at, "unpack": unpack_at}


@cache
def machine_code() -> dict[str, Function]:
    """The compiled functions, by name: `scan` is `watscan.scan_at`, `unpack` is `watunpack.unpack_at`."""
    here = Path(__file__)
    return functions_of("wat", [here.with_name(f"{each}.py") for each in _SOURCES], _make)


class WatRecords:
    """Bodies of records that are read together, in memory that is used again for those after them.

    Args:
        limits: the fewest and the most characters of a text, and the most of a URL.
    """

    def __init__(self, limits: tuple[int, int, int]) -> None:
        self._limits = limits
        self._names = watfacts.Names(SPEAKING_NAMES)
        self._scan = machine_code()["scan"]
        self.bodies: Numbers = np.empty((watfacts.RECORDS_AT_ONCE, 2), np.int64)
        self._scratch: Numbers = np.empty(watfacts.SCRATCH, np.int64)
        self._ends: Numbers = np.empty(5, np.int64)
        self.make_room(watfacts.ROOM)

    def make_room(self, room: int) -> None:
        """Have room for so many bytes of records; what is there is lost. Memory that is not filled is not taken."""
        self.room = room
        size = room + watfacts.RECORDS_AT_ONCE * watfacts.STATED_FRAME
        self.data: Bytes = np.empty(room + watfacts.PADDING, np.uint8)
        self._strings: Bytes = np.empty((4, size), np.uint8)
        self._urls: Bytes = np.empty(2 * size, np.uint8)
        self._asked: Bytes = np.empty(size // _LEAST_BYTES_OF_ROW, np.uint8)

    def put(self, bodies: Sequence[bytes | bytearray]) -> "WatBatch":
        """Read these bodies, which must fit."""
        ends = np.cumsum([len(each) for each in bodies])
        self.bodies[: len(bodies), 1] = ends
        self.bodies[: len(bodies), 0] = [0, *ends[:-1]]
        self.data[: ends[-1]] = np.frombuffer(b"".join(bodies), np.uint8)
        return self.read(len(bodies), int(ends[-1]))

    def read(self, records: int, end: int) -> "WatBatch":
        """Read the first so many of `bodies`, which end before `end` in `data`. What is told of them holds until others are there."""
        self.data[end : end + watfacts.PADDING] = 0
        facts: Numbers = np.empty((records, watfacts.FACTS), np.int64)
        rows = self._scan(
            self.data.ctypes.data,
            end,
            self.bodies.ctypes.data,
            records,
            self._names.letters.ctypes.data,
            len(self._names.letters),
            self._names.starts.ctypes.data,
            *self._limits,
            facts.ctypes.data,
            self._strings.ctypes.data,
            self._strings.shape[1],
            self._urls.ctypes.data,
            len(self._urls),
            self._asked.ctypes.data,
            len(self._asked),
            self._ends.ctypes.data,
            self._scratch.ctypes.data,
        )
        filled = (*self._strings[:2], self._urls, *self._strings[2:])
        *lines, stated = (letters[:end].tobytes() for letters, end in zip(filled, self._ends.tolist(), strict=True))
        return WatBatch(self, facts, [each.decode().split("\n") for each in lines], self._asked[:rows], stated)

    def body(self, record: int) -> bytes:
        """The body of one record."""
        first, last = self.bodies[record].tolist()
        return self.data[first:last].tobytes()


class WatBatch:
    """What was read of some records.

    `facts` is `watscan`'s table; `page_urls` and `warcs` are by record; `urls`, `texts` and `asked` by row, where an asked URL is the
    address as it stands in the page.
    """

    def __init__(
        self, records: WatRecords, facts: Numbers, strings: list[list[str]], asked: Bytes, stated: bytes
    ) -> None:
        self._records = records
        states = facts[:, STATES]
        told = np.flatnonzero((facts[:, STATUS] == PAGE) & (states != 0) & (states & (HAS_LICENCE | HAS_MORE) == 0))
        self._stated = dict(zip(told.tolist(), read_stated(stated), strict=True))
        self.facts = facts
        self.page_urls, self.warcs, self.urls, self.texts = strings
        self.asked = asked

    def count(self, counts: Counter[str], first: int, last: int) -> None:
        """Add to the counters what records `first` to `last` are, other than slow ones, and which of their images are no rows."""
        facts = self.facts[first:last]
        what = np.bincount(facts[:, STATUS], minlength=SLOW + 1).tolist()
        of_pages = facts[facts[:, STATUS] == PAGE].sum(axis=0).tolist()
        counted = [
            ("skipped_no_response", what[NO_RESPONSE]),
            ("skipped_not_html", what[NOT_HTML]),
            ("pages", what[PAGE]),
            *((name, of_pages[column]) for name, column in _REJECTED),
        ]
        for name, number in counted:
            if number:
                counts[name] += number

    def unusual(self) -> list[int]:
        """Records that are slow, and pages with images whose head has to be read."""
        found: list[int] = np.flatnonzero((self.facts[:, STATUS] == SLOW) | (self.facts[:, STATES] != 0)).tolist()
        return found

    def is_slow(self, record: int) -> bool:
        """Whether nothing is told of a record."""
        return bool(self.facts[record, STATUS] == SLOW)

    def read_slowly(self, record: int, counts: Counter[str]) -> Page | None:
        """The page of one record, in the usual way."""
        return read_wat_page(self._records.body(record), counts)

    def read_statements(self, record: int) -> Page | None:
        """The page of one record without its images, or None where that cannot be told."""
        stated = self._stated.get(record)
        if stated is not None:
            offset, seen_at = self.facts[record, [OFFSET, SEEN_AT]].tolist()
            return page_of(stated, self.page_urls[record], self.warcs[record], offset, seen_at)
        licences = bool(self.facts[record, STATES] & HAS_LICENCE)
        return read_wat_statements(self._records.body(record), licences=licences)

    def rows(self, first: int, last: int) -> tuple[int, int]:
        """The first row of records `first` to `last`, and the one behind their last."""
        return int(self.facts[first, FIRST_ROW]), int(self.facts[last - 1, LAST_ROW])

    def row_counts(self, first: int, last: int) -> Numbers:
        """How many rows each of records `first` to `last` has."""
        counts: Numbers = self.facts[first:last, LAST_ROW] - self.facts[first:last, FIRST_ROW]
        return counts

    def places(self, first: int, last: int) -> tuple[list[int], list[int]]:
        """Offsets, and dates in seconds since 1970, of records `first` to `last`."""
        return self.facts[first:last, OFFSET].tolist(), self.facts[first:last, SEEN_AT].tolist()
