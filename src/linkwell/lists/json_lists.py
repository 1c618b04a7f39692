"""Lists in JSON: what the interfaces of StopNCII, ThreatExchange, Tech Against Terrorism and Project Arachnid answer.

Each is a page with an array of entries, several pages one after another, or the entries alone, one after another or in an array.
They are read entry by entry in bounded memory; an entry that is no JSON costs itself, and reading goes on at the next.

stopncii-json         `hashRecords` of `FetchHashes`; a hash whose `hashStatus` is Withdrawn or Deleted is withdrawn
threatexchange-json   `data` of `threat_updates`; `should_delete`, or no descriptor left, withdraws
tat-json              `results` of the hash list v2; `deleted` withdraws
arachnid-json         what Shield answered for media, URLs and PDQ hashes: the known media among them
"""

import codecs
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import IO, NamedTuple

from linkwell.lists.kinds import PassedOver, Refused, Row, Value, parse_encoded, parse_signal, record_key

_PIECE_BYTES = 1 << 18
_MAX_ENTRY_CHARACTERS = 1 << 20
_NOT_JSON = Refused("not JSON")
_NO_OBJECT = Refused("not an entry of this form")
_NO_ID = Refused("no id of the entry")
_CUT_SHORT = Refused("the document breaks off or is damaged here, and nothing after it was read")
_OTHER_TYPE = PassedOver("of a signal type that is not matched")
_NO_MATCH = PassedOver("says that it is no match")
_NEXT_ENTRY = re.compile(r"(?:\}\s*,?|\n)\s*(?=\{)")
_SPACE = re.compile(r"[\s,\ufeff]*")


class JsonForm(NamedTuple):
    """How one service writes its entries."""

    array: str
    """The key of the array of entries; empty where there is none."""
    mark: str
    """A key that tells the form."""
    parse: Callable[[int, Mapping[str, object]], list[Row]]


def _text(entry: Mapping[str, object], key: str) -> str:
    value = entry.get(key)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _signal(name: str | None, text: str) -> tuple[Value, ...] | Refused | PassedOver:
    if name is None:
        return _OTHER_TYPE
    return parse_signal(name.encode(), text.encode("utf-8", "replace"))


_STOPNCII_TYPES = {"ImagePDQ": "pdq", "URL": "url"}
_STOPNCII_WITHDRAWN = {"withdrawn", "deleted"}


def stopncii_rows(number: int, entry: Mapping[str, object]) -> list[Row]:
    """A hash record: its status counts, not its value, as some clients have it."""
    if "signalType" not in entry or "hashValue" not in entry:
        return [Row(number, _NO_OBJECT)]
    withdrawn = _text(entry, "hashStatus").lower() in _STOPNCII_WITHDRAWN
    parsed = _signal(_STOPNCII_TYPES.get(_text(entry, "signalType")), _text(entry, "hashValue"))
    return [Row(number, parsed, withdrawn=withdrawn)]


_THREAT_TYPES = {
    "HASH_MD5": "md5",
    "HASH_SHA1": "sha1",
    "HASH_SHA256": "sha256",
    "HASH_PDQ": "pdq",
    "URI": "url",
    "RAW_URI": "url",
}


def threat_rows(number: int, entry: Mapping[str, object]) -> list[Row]:
    """An update of `threat_updates`: keyed by the indicator's id."""
    identity = _text(entry, "id")
    if not identity:
        return [Row(number, _NO_ID)]
    record = record_key("threat", identity)
    descriptors = entry.get("descriptors")
    opinions = descriptors.get("data") if isinstance(descriptors, dict) else None
    if entry.get("should_delete") is True or not opinions:
        return [Row(number, (), record, withdrawn=True)]
    if isinstance(opinions, list) and all(
        isinstance(one, dict) and one.get("status") == "NON_MALICIOUS" for one in opinions
    ):
        return [Row(number, (), record, withdrawn=True)]
    parsed = _signal(_THREAT_TYPES.get(_text(entry, "type")), _text(entry, "indicator"))
    return [Row(number, parsed, record)]


_TAT_TYPES = {"MD5": "md5", "SHA1": "sha1", "SHA256": "sha256", "PDQ": "pdq"}


def tat_rows(number: int, entry: Mapping[str, object]) -> list[Row]:
    """An entry of the Tech Against Terrorism hash list, keyed by its id."""
    identity = _text(entry, "id")
    if not identity:
        return [Row(number, _NO_ID)]
    record = record_key("tat", identity)
    if entry.get("deleted") is True:
        return [Row(number, (), record, withdrawn=True)]
    return [Row(number, _signal(_TAT_TYPES.get(_text(entry, "algorithm")), _text(entry, "hash_digest")), record)]


_KNOWN_MEDIA = {"csam", "harmful-abusive-material"}


def arachnid_rows(number: int, entry: Mapping[str, object]) -> list[Row]:
    """An answer of Shield: digests of known media, those that were asked about and those that they are near to."""
    hashes = entry.get("scanned_hashes")
    if isinstance(hashes, dict):
        rows = [row for text, answer in hashes.items() for row in _arachnid_pdq(number, str(text), answer)]
        return rows or [Row(number, _NO_MATCH)]
    if "classification" not in entry:
        return [Row(number, _NO_OBJECT)]
    return _rows_of(number, _arachnid_values(entry))


def _arachnid_pdq(number: int, text: str, answer: object) -> list[Row]:
    if not isinstance(answer, dict) or answer.get("classification") not in _KNOWN_MEDIA:
        return []
    return _rows_of(number, [parse_encoded("pdq", text.encode("utf-8", "replace")), *_arachnid_values(answer)])


def _arachnid_values(answer: Mapping[str, object]) -> list[tuple[Value, ...] | Refused | PassedOver]:
    near = answer.get("near_match_details")
    found: list[tuple[Value, ...] | Refused | PassedOver] = []
    for media in [answer, *(near if isinstance(near, list) else [near])]:
        if isinstance(media, dict) and media.get("classification") in _KNOWN_MEDIA:
            for key, algorithm in (("sha1_base32", "sha1"), ("sha256_hex", "sha256")):
                if _text(media, key):
                    found.append(parse_encoded(algorithm, _text(media, key).encode("utf-8", "replace")))
    return found or [_NO_MATCH]


def _rows_of(number: int, parsed: list[tuple[Value, ...] | Refused | PassedOver]) -> list[Row]:
    values = tuple(value for one in parsed if not isinstance(one, Refused | PassedOver) for value in one)
    others = [Row(number, one) for one in parsed if isinstance(one, Refused)]
    if not values and not others:
        return [Row(number, _NO_MATCH)]
    return [*([Row(number, values)] if values else []), *others]


_FORMS = {
    "stopncii-json": JsonForm("hashRecords", "hashValue", stopncii_rows),
    "threatexchange-json": JsonForm("data", "indicator", threat_rows),
    "tat-json": JsonForm("results", "hash_digest", tat_rows),
    "arachnid-json": JsonForm("", "sha256_hex", arachnid_rows),
}
JSON_FORMATS = tuple(_FORMS)


def told_by_json(begin: bytes) -> str | None:
    """The form of a JSON document, by how it begins; None where no key tells it.

    >>> told_by_json(b'{"count": 0, "hashRecords": []}')
    'stopncii-json'
    """
    marks = {form.mark: name for name, form in _FORMS.items()} | {
        "hashRecords": "stopncii-json",
        "scanned_hashes": "arachnid-json",
    }
    found = {mark: begin.find(b'"%s"' % mark.encode()) for mark in marks}
    there = [(place, mark) for mark, place in found.items() if place >= 0]
    return marks[min(there)[1]] if there else None


def json_rows(stream: IO[bytes], list_format: str) -> Iterator[Row]:
    """The entries of a file, numbered from 1."""
    form = _FORMS[list_format]
    for number, entry in enumerate(_entries(_Text(stream), form.array), 1):
        if isinstance(entry, Refused):
            yield Row(number, entry)
        elif isinstance(entry, dict):
            yield from form.parse(number, entry)
        else:
            yield Row(number, _NO_OBJECT)


def page_rows(list_format: str, entries: list[object]) -> list[Row]:
    """The rows of the entries of one page, numbered from 1."""
    parse = _FORMS[list_format].parse
    return [
        row
        for number, entry in enumerate(entries, 1)
        for row in (parse(number, entry) if isinstance(entry, dict) else [Row(number, _NO_OBJECT)])
    ]


class _Text:
    """The text of a file, of which a window is held."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.window = ""
        self.ended = False

    def more(self) -> bool:
        """Read on; False at the end."""
        piece = self._stream.read(_PIECE_BYTES)
        self.ended = not piece
        self.window += self._decoder.decode(piece, final=self.ended)
        return not self.ended

    def drop(self, characters: int) -> None:
        """Let go of what was read."""
        self.window = self.window[characters:]

    def skip_space(self) -> bool:
        """Drop space and commas; False where nothing follows."""
        while True:
            match = _SPACE.match(self.window)
            self.drop(match.end() if match else 0)
            if self.window or not self.more():
                return bool(self.window)


def _entries(text: _Text, array: str) -> Iterator[object]:
    """The entries: those of every array of that key, or of the document itself where there is none."""
    text.more()
    text.skip_space()
    if text.window.startswith("["):
        text.drop(1)
        yield from _array(text)
        return
    opening = re.compile(rf'"{array}"\s*:\s*\[') if array else None
    if opening is None or not opening.search(text.window):
        yield from _sequence(text)
        return
    while True:
        match = opening.search(text.window)
        if match:
            text.drop(match.end())
            yield from _array(text)
        elif not text.ended:
            text.drop(max(0, len(text.window) - 2 * len(array) - 16))
            text.more()
        else:
            return


def _array(text: _Text) -> Iterator[object]:
    """The entries up to the bracket that closes."""
    while text.skip_space():
        if text.window.startswith("]"):
            text.drop(1)
            return
        entry = _entry(text)
        yield entry
        if entry is _CUT_SHORT:
            return
    yield _CUT_SHORT


def _sequence(text: _Text) -> Iterator[object]:
    while text.skip_space():
        yield _entry(text)


def _entry(text: _Text) -> object:
    """The next entry; one that does not read is dropped up to the one after it."""
    decoder = json.JSONDecoder()
    while True:
        try:
            entry, end = decoder.raw_decode(text.window)
        except (ValueError, RecursionError):
            if not text.ended and len(text.window) < _MAX_ENTRY_CHARACTERS and text.more():
                continue
        else:
            if end < len(text.window) or text.ended or not text.more():
                text.drop(end)
                return entry
            continue
        break
    following = _NEXT_ENTRY.search(text.window)
    if following is None and text.ended:
        text.drop(len(text.window))
        return _CUT_SHORT
    text.drop(following.end() if following else len(text.window) - 1)
    return _NOT_JSON
