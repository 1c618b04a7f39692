"""An archive that stands for the web: image responses of WARC files, found by URL and replayed through the same checks."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from fastwarc.warc import ArchiveIterator, WarcRecordType

from linkwell.base.errors import DamagedFileError, MissingError
from linkwell.base.ids import canonical_id
from linkwell.populate.content import decode_content
from linkwell.populate.failures import Failure
from linkwell.populate.transport import LARGE_BYTES, Headers, Hop, Reception, Target

_OK_FIRST, _OK_LAST = 200, 299
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}[ \t]*(?:;[^\r\n]*)?\r\n")


class _Place(NamedTuple):
    """Where a record is."""

    file: int
    offset: int


class Archive:
    """Responses by URL. The index holds a place for each URL; bodies are read from the file when asked for."""

    def __init__(self, files: Sequence[Path]) -> None:
        """Index the HTTP responses of WARC files, compressed or not; of one URL the first response counts.

        Raises:
            MissingError: a file is not there.
            DamagedFileError: a file is no WARC, or breaks off before its first record.
        """
        self._files = list(files)
        self._places: dict[bytes, _Place] = {}
        originals: dict[str, _Place] = {}
        for number, path in enumerate(self._files):
            self._index(number, path, originals)

    def __len__(self) -> int:
        return len(self._places)

    def _index(self, number: int, path: Path, originals: dict[str, _Place]) -> None:
        seen = 0
        try:
            with path.open("rb") as file:
                kinds = WarcRecordType.response | WarcRecordType.revisit
                for record in ArchiveIterator(file, record_types=kinds, parse_http=False):
                    seen += 1
                    key = canonical_id((record.headers.get("WARC-Target-URI") or "").strip("<>"))
                    if key is None:
                        continue
                    digest = record.headers.get("WARC-Payload-Digest")
                    place: _Place | None = _Place(number, record.stream_pos)
                    if record.record_type == WarcRecordType.revisit:
                        place = self._revisited(record.headers, originals)
                    elif digest:
                        originals.setdefault(digest, _Place(number, record.stream_pos))
                    if place is not None:
                        self._places.setdefault(key, place)
        except FileNotFoundError:
            raise MissingError("there is no such file", str(path)) from None
        except OSError as error:
            if not seen:
                raise DamagedFileError("this is no readable WARC file", str(path)) from error
            # The rest of a file cut short is lost; what came before it is served, what came after counts as not_in_archive.

    def _revisited(self, headers: "object", originals: dict[str, _Place]) -> _Place | None:
        """The response that a revisit record (WARC 1.1 §6.7) refers to, where it is in these files."""
        get: Callable[[str, str], str] = headers.get  # type: ignore[attr-defined] # FastWARC publishes no types
        refers = canonical_id(get("WARC-Refers-To-Target-URI", "").strip("<>"))
        if refers is not None and refers in self._places:
            return self._places[refers]
        return originals.get(get("WARC-Payload-Digest", ""))

    async def get(self, target: Target, reception: Reception, *, last: bool = False) -> Hop:  # noqa: ARG002 - no connections here
        """Answer from the archive; see `Transport.get`."""
        key = canonical_id(target.url)
        place = self._places.get(key) if key is not None else None
        if place is None:
            raise Failure("not_in_archive")
        with self._files[place.file].open("rb") as file:
            file.seek(place.offset)
            record = next(iter(ArchiveIterator(file, parse_http=True)), None)
            status = getattr(record.http_headers, "status_code", None) if record is not None else None
            if record is None or status is None:
                raise Failure("bad_http")
            headers = [(str(name), str(value)) for name, value in record.http_headers.items()]
            if not _OK_FIRST <= status <= _OK_LAST:
                return Hop(status, headers, None)
            reception.admit(headers)
            if record.content_length > LARGE_BYTES:
                await reception.enlarge(record.content_length, record.content_length)
            body = record.reader.read(reception.max_bytes + 65_536)
        return Hop(status, headers, _payload(body, headers, reception.max_bytes))


def _payload(body: bytes, headers: Headers, max_bytes: int) -> bytes:
    """The payload as a client would have it: transfer and content coding undone, cut at the declared length."""
    hop = Hop(0, headers, None)
    if "chunked" in (hop.header("transfer-encoding") or "").lower():
        body = _unchunked(body)
    else:
        declared = hop.header("content-length")
        if declared is not None and declared.strip().isdigit():
            length = int(declared)
            # Some writers store a coded body decoded, others leave a line break behind it.
            if len(body) < length and not hop.header("content-encoding"):
                raise Failure("truncated")
            if len(body) > length and not hop.header("content-encoding"):
                body = body[:length]
    if len(body) > max_bytes:
        raise Failure("too_large")
    coding = hop.header("content-encoding")
    if coding:
        try:
            return decode_content(body, coding, max_bytes)
        except Failure as failure:
            if failure.kind != "bad_encoding":
                raise
    return body


def _unchunked(body: bytes) -> bytes:
    """Undo chunked coding (RFC 9112 §7.1); a body that is not in chunks was stored decoded and is returned as it is."""
    pieces: list[bytes] = []
    position = 0
    while True:
        match = _CHUNK_SIZE.match(body, position)
        if match is None:
            return body
        size = int(match.group().split(b";")[0].strip(), 16)
        if size == 0:
            return b"".join(pieces)
        start = match.end()
        if body[start + size : start + size + 2] != b"\r\n":
            return body
        pieces.append(body[start : start + size])
        position = start + size + 2
