"""Records of a WAT read many at a time by `watscan`, for large files: what it tells, as Python's values.

Machine code is loaded first (50 MB; once on a machine it is made, some 15 seconds), so this is imported for large files only. The
usual way, `wat.read_wat_page` and `LinkCollector.add`, stays the rule of what is right, and reads what is slow.
"""

from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np

from linkwell.base.machine_code import Function, functions_of
from linkwell.build import watfacts
from linkwell.build.page import Page
from linkwell.build.wat import SPEAKING_NAMES, read_wat_page, read_wat_statements
from linkwell.build.watfacts import (
    FIRST_ROW,
    HAS_LICENCE,
    LAST_ROW,
    NO_RESPONSE,
    NOT_HTML,
    OFFSET,
    PAGE,
    SEEN_AT,
    SLOW,
    STATES,
    STATUS,
    Numbers,
)

_BATCH_BYTES = 500_000
_BATCH_RECORDS = 2_000
_ROOM = 1 << 16
_LEAST_BYTES_OF_ROW = 32
_REJECTED = (
    ("rejected_no_text", watfacts.NO_TEXT),
    ("rejected_no_src", watfacts.NO_SRC),
    ("rejected_data_url", watfacts.DATA_URL),
    ("rejected_text_too_short", watfacts.TOO_SHORT),
    ("images", watfacts.IMAGES),
)

_SOURCES = ("jsonscan", "plainurls", "watfacts", "watscan", "watwalk")
"""Modules that the machine code is made from, besides `compiled`."""


def _make() -> dict[str, Function]:
    from linkwell.build.watscan import scan_at  # noqa: PLC0415 - numba

    return {"scan": scan_at}


@cache
def _scan() -> Function:
    here = Path(__file__)
    compiled = here.parents[1] / "base" / "compiled.py"
    return functions_of("wat", [compiled, *(here.with_name(f"{each}.py") for each in _SOURCES)], _make)["scan"]


class WatBatch:
    """What was read of some records.

    `facts` is `watscan`'s table; `page_urls` and `warcs` are by record; `urls`, `texts` and `asked` by row, where an asked URL is the
    address as it stands in the page.
    """

    def __init__(self, bodies: list[bytes | bytearray], names: watfacts.Names, limits: tuple[int, int, int]) -> None:
        self._bodies = bodies
        data = np.frombuffer(b"".join([*bodies, bytes(watfacts.PADDING)]), np.uint8)
        places = np.zeros(len(bodies) + 1, np.int64)
        np.cumsum([len(each) for each in bodies], out=places[1:])
        self.facts: Numbers = np.empty((len(bodies), watfacts.FACTS), np.int64)
        size = len(data) + len(bodies)
        strings = np.empty((3, size), np.uint8)
        urls = np.empty(2 * size + _ROOM, np.uint8)
        asked = np.empty(size // _LEAST_BYTES_OF_ROW + 1, np.uint8)
        ends = np.empty(4, np.int64)
        scratch = np.empty(watfacts.SCRATCH, np.int64)
        rows = _scan()(
            data.ctypes.data,
            len(data),
            places.ctypes.data,
            len(bodies),
            names.letters.ctypes.data,
            len(names.letters),
            names.starts.ctypes.data,
            *limits,
            self.facts.ctypes.data,
            strings.ctypes.data,
            size,
            urls.ctypes.data,
            len(urls),
            asked.ctypes.data,
            len(asked),
            ends.ctypes.data,
            scratch.ctypes.data,
        )
        self.page_urls, self.warcs, self.urls, self.texts = (
            letters[:end].tobytes().decode().split("\n")
            for letters, end in zip((strings[0], strings[1], urls, strings[2]), ends.tolist(), strict=True)
        )
        self.asked = asked[:rows]

    def count(self, counts: Counter[str], first: int, last: int) -> None:
        """Add to the counters what records `first` to `last` are, other than slow ones, and which of their images are no rows."""
        facts = self.facts[first:last]
        is_page = facts[:, STATUS] == PAGE
        counted = [
            ("skipped_no_response", int((facts[:, STATUS] == NO_RESPONSE).sum())),
            ("skipped_not_html", int((facts[:, STATUS] == NOT_HTML).sum())),
            ("pages", int(is_page.sum())),
            *((name, int(facts[is_page, column].sum())) for name, column in _REJECTED),
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
        return read_wat_page(self._bodies[record], counts)

    def read_statements(self, record: int) -> Page | None:
        """The page of one record without its images, or None where that cannot be told."""
        licences = bool(self.facts[record, STATES] & HAS_LICENCE)
        return read_wat_statements(self._bodies[record], licences=licences)

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


class WatGatherer:
    """Gathers bodies of records until there are enough for a batch."""

    def __init__(self, min_text_characters: int, max_text_characters: int, max_url_characters: int) -> None:
        self._limits = (min_text_characters, max_text_characters, max_url_characters)
        self._names = watfacts.Names(SPEAKING_NAMES)
        self._bodies: list[bytes | bytearray] = []
        self._bytes = 0

    def add(self, body: bytes | bytearray) -> bool:
        """Add a record; whether there are enough now."""
        self._bodies.append(body)
        self._bytes += len(body)
        return self._bytes >= _BATCH_BYTES or len(self._bodies) >= _BATCH_RECORDS

    def take(self) -> WatBatch | None:
        """What was gathered, read; None where there is nothing."""
        if not self._bodies:
            return None
        bodies, self._bodies, self._bytes = self._bodies, [], 0
        return WatBatch(bodies, self._names, self._limits)
