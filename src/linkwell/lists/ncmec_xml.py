"""NCMEC Hash Sharing v2: XML pages of images and videos with their fingerprints, and tombstones of those that were deleted.

Unlike the client of python-threatexchange, MD5 and SHA-1 of images load too, which is what most of the list is matched by.
"""

from collections.abc import Iterator
from typing import IO

from linkwell.base.safe_xml import XmlRefusedError, XmlStream
from linkwell.lists.kinds import SIGNAL_NAMES, PassedOver, Refused, Row, Value, parse_signal, record_key

BROKEN_OFF = Refused("the document breaks off or is damaged here, and nothing after it was read")
MORE_PAGES = PassedOver("the document says that another page follows it")

_PIECE_BYTES = 1 << 16
_MAX_TEXT_CHARACTERS = 4_096
_MAX_DEPTH = 32
_NO_ID = Refused("no id of the entry or of its member")
_VIDEO = PassedOver("a video")
_NOTHING_USABLE = PassedOver("no fingerprint of a kind that is matched")
_ENTRIES = {"image", "video", "deletedImage", "deletedVideo"}


def ncmec_rows(stream: IO[bytes]) -> Iterator[Row]:
    """The entries of one page, or of several one after another in `pages` of their own; tombstones are withdrawn rows."""
    reading = NcmecReading()
    try:
        while piece := stream.read(_PIECE_BYTES):
            reading.feed(piece)
            yield from reading.take()
        reading.feed(b"", last=True)
    except XmlRefusedError:
        yield from reading.take()
        yield Row(reading.entries + 1, BROKEN_OFF)
        return
    yield from reading.take()
    if reading.next_page:
        yield Row(reading.entries, MORE_PAGES)


class NcmecReading:
    """Reads a page piece by piece."""

    def __init__(self) -> None:
        self._stream = XmlStream(start=self._start, end=self._end, characters=self._characters)
        self._rows: list[Row] = []
        self._path: list[str] = []
        self._text: list[str] = []
        self._length = 0
        self._member = ""
        self._id = ""
        self._found: list[tuple[str, str]] = []
        self.entries = 0
        """Entries that were read."""
        self.next_page = ""
        """Where the next page is, as the page says it; empty on the last."""
        self.root = ""
        """The name of the outermost element."""

    def feed(self, piece: bytes, *, last: bool = False) -> None:
        """Parse the next piece.

        Raises:
            XmlRefusedError: it is not well-formed, or has a document type.
        """
        self._stream.feed(piece.lstrip() if not self.root and not self._path else piece, last=last)

    def take(self) -> list[Row]:
        """The rows read since the last time."""
        rows, self._rows = self._rows, []
        return rows

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(" ")[2]
        if not self._path:
            self.root = local
        self._path.append(local)
        if len(self._path) > _MAX_DEPTH:
            raise XmlRefusedError
        self._text, self._length = [], 0
        if local in _ENTRIES:
            self._member, self._id, self._found = "", "", []
        elif local == "member" and self._inside_entry():
            self._member = attributes.get("id", "")

    def _characters(self, text: str) -> None:
        self._length += len(text)
        if self._length <= _MAX_TEXT_CHARACTERS:
            self._text.append(text)

    def _end(self, name: str) -> None:
        local = name.rpartition(" ")[2]
        text = "".join(self._text).strip()
        self._text, self._length = [], 0
        self._path.pop()
        if local in _ENTRIES:
            self.entries += 1
            self._rows += self._entry(local)
        elif local == "id" and self._inside_entry():
            self._id = text
        elif local == "next" and self._path[-1:] == ["paging"]:
            self.next_page = text
        elif self._path[-1:] == ["fingerprints"]:
            self._found.append((local, text))

    def _inside_entry(self) -> bool:
        """Whether the element is a child of an entry: members stand in the feedback, too."""
        inner = self._path[:-1] if self._path and self._path[-1] == "member" else self._path
        return bool(inner) and inner[-1] in _ENTRIES

    def _entry(self, tag: str) -> list[Row]:
        number = self.entries
        if tag in ("video", "deletedVideo"):
            return [Row(number, _VIDEO)]
        if not self._id or not self._member:
            return [Row(number, _NO_ID)]
        record = record_key(self._member, self._id)
        if tag == "deletedImage":
            return [Row(number, (), record, withdrawn=True)]
        values: list[Value] = []
        refused: list[Row] = []
        for name, text in self._found:
            if name.lower().encode() not in SIGNAL_NAMES:
                continue  # photodna, videntifier and the like: nothing here could match them
            parsed = parse_signal(name.encode(), text.encode("utf-8", "replace"))
            if isinstance(parsed, Refused | PassedOver):
                refused.append(Row(number, parsed))
            else:
                values += parsed
        if values:
            return [Row(number, tuple(values), record), *refused]
        return refused or [Row(number, _NOTHING_USABLE)]
