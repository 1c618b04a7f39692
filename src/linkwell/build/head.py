"""The header fields of a record that holds an HTTP response, or a resource: read once, for whoever looks at the record."""

from functools import lru_cache

import msgspec
from fastwarc.warc import WarcRecord, WarcRecordType

from linkwell.rights import HEADER_NAMES, well_known_kind

_HTTP = "application/http"
_LOOKED_AT = frozenset({"content-type", "content-encoding", "transfer-encoding", "location"})
_LONGEST_REMEMBERED = 50


class Head(msgspec.Struct, gc=False):
    """What stands before a body.

    `is_http` says whether it was read as an HTTP response; `fields` are its fields that a reader of pages or of well-known files looks
    at, names in small letters. `statements` are those that may hold a signal (`rights.HEADER_NAMES`), as they came.
    """

    url: str
    date: str
    content_type: str | None
    """Of the record, not of what it holds."""
    is_http: bool
    fields: list[tuple[str, str]]
    statements: list[tuple[str, str]]

    def first(self, name: str) -> str | None:
        """The value of the first of the fields with that name."""
        for each, value in self.fields:
            if each == name:
                return value
        return None

    def joined(self, name: str) -> str:
        """The values of all fields with that name as the one they mean; empty where there is none."""
        return ", ".join([value for each, value in self.fields if each == name])


def read_head(record: WarcRecord) -> Head:
    """The head of a response or resource record, after which the record is at its body.

    Raises:
        OSError: the archive is damaged here.
    """
    # A look-up in FastWARC's fields costs as much as all of them as tuples. Of several with one name its answer is the first.
    warc = {name.lower(): value for name, value in reversed(record.headers.to_tuples())}
    url, content_type = warc.get("warc-target-uri", ""), warc.get("content-type")
    head = Head(url, warc.get("warc-date", ""), content_type, is_http=False, fields=[], statements=[])
    if record.record_type != WarcRecordType.response or (
        not (content_type or "").startswith(_HTTP) and well_known_kind(url.strip("<>")) is None
    ):
        return head
    # Chunks and compression are undone by us: FastWARC takes a header that no longer holds for damage of the file.
    record.parse_http(auto_decode="none", strict_mode=False)
    http = record.http_headers
    if http is None:
        return head
    head.is_http = True
    for each in http.to_tuples():
        name = _remembered(each[0]) if len(each[0]) <= _LONGEST_REMEMBERED else _looked_at(each[0])
        if name in HEADER_NAMES:
            head.statements.append(each)
        elif name:
            head.fields.append((name, each[1]))
    return head


def _looked_at(name: str) -> str:
    """The name in small letters of a field that is looked at, else nothing."""
    folded = name.strip().lower()
    return folded if folded in HEADER_NAMES or name.lower() in _LOOKED_AT else ""


_remembered = lru_cache(maxsize=1_000)(_looked_at)
