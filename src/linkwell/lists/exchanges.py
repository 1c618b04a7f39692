"""What the exchanges speak: a page of changes after another, and where to go on.

Each client is an asynchronous stream of pages. The checkpoint of a page is where a fetch that is cut off goes on; it never holds
credentials. Why not those of python-threatexchange: see docs/decisions.md.
"""

import base64
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from linkwell.base.errors import PartnerError, UsageError
from linkwell.base.partner import MalformedAnswer, Partner
from linkwell.base.safe_xml import XmlRefusedError
from linkwell.base.settings import ExchangeSettings
from linkwell.lists.json_lists import page_rows
from linkwell.lists.kinds import Row
from linkwell.lists.ncmec_xml import NcmecReading

Checkpoint = dict[str, str]
"""Where to go on; empty at the beginning."""


@dataclass(frozen=True)
class Page:
    """One page of changes. Restricted."""

    rows: list[Row] = field(repr=False)
    checkpoint: Checkpoint = field(repr=False)


Client = Callable[[Partner, ExchangeSettings, str, Checkpoint], AsyncIterator[Page]]
"""(connection, settings, credentials, checkpoint) → pages"""


def request_headers(settings: ExchangeSettings, credentials: str, name: str) -> dict[str, str]:
    """The headers that carry the credentials.

    Raises:
        UsageError: they are not of the form the kind needs.
    """
    first, colon, second = credentials.partition(":")
    if settings.kind == "ncmec":
        if not colon:
            raise UsageError("the credentials are not `user:password`", f"{name}.credentials")
        return {"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()}
    if settings.kind == "stopncii":
        if not colon:
            raise UsageError("the credentials are not `subscription-key:function-key`", f"{name}.credentials")
        return {"Ocp-Apim-Subscription-Key": first, "x-functions-key": second}
    return {}


P = TypeVar("P", bound=msgspec.Struct)


def _json_reader(form: type[P]) -> Callable[[bytes], P]:
    def read(body: bytes) -> P:
        try:
            return msgspec.json.decode(body, type=form)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise MalformedAnswer from None

    return read


_RESTARTED = (400, 404, 410)
"""How a service answers to a page token that it no longer knows."""

_NCMEC_TIME = "%Y-%m-%dT%H:%M:%SZ"
_NCMEC_BEGIN = "1970-01-01T00:00:00Z"
_NCMEC_PAGE_HOURS = 11
"""The address of a next page lives about twelve hours."""
_NCMEC_OVERLAP = timedelta(hours=1)
"""Fetched twice, so that a clock that is off loses nothing."""


async def ncmec_pages(
    partner: Partner, settings: ExchangeSettings, _credentials: str, checkpoint: Checkpoint
) -> AsyncIterator[Page]:
    """NCMEC Hash Sharing v2, `GET /v2/entries?from=…&to=…`, then whatever `paging/next` says, below the same address.

    Entries come in no order of time: only the end of all pages moves the beginning of the next range.
    """
    del settings
    begin, end = checkpoint.get("from", _NCMEC_BEGIN), checkpoint.get("to", "")
    following = checkpoint.get("next", "")
    if time.time() - float(checkpoint.get("next_at", "0")) > _NCMEC_PAGE_HOURS * 3600:
        following = ""
    resumed = bool(following)
    if not following:
        end = datetime.now(UTC).strftime(_NCMEC_TIME)
    while True:
        params = None if following else {"from": begin, "to": end}
        try:
            reading, rows = await partner.ask(following or "/v2/entries", _read_ncmec, params=params)
        except PartnerError as error:
            if not resumed or error.status not in _RESTARTED:
                raise
            following, end, resumed = "", datetime.now(UTC).strftime(_NCMEC_TIME), False
            continue
        resumed = False
        following = reading.next_page
        if following:
            yield Page(rows, {"from": begin, "to": end, "next": following, "next_at": str(int(time.time()))})
        else:
            moved = datetime.strptime(end, _NCMEC_TIME).replace(tzinfo=UTC) - _NCMEC_OVERLAP
            yield Page(rows, {"from": max(begin, moved.strftime(_NCMEC_TIME))})
            return


def _read_ncmec(body: bytes) -> tuple[NcmecReading, list[Row]]:
    reading = NcmecReading()
    try:
        reading.feed(body, last=True)
    except XmlRefusedError:
        raise MalformedAnswer from None
    following = reading.next_page
    if reading.root != "queryResult" or (following and not following.startswith("/v2/entries")):
        raise MalformedAnswer
    return reading, reading.take()


class _StopnciiPage(msgspec.Struct):
    hash_records: list[object] = msgspec.field(name="hashRecords")
    more: bool = msgspec.field(name="hasMoreRecords")
    following: int = msgspec.field(name="nextSetTimestamp")
    token: str | None = msgspec.field(name="nextPageToken", default=None)


_STOPNCII_BEGIN = "10"
_STOPNCII_MAX_ROWS = 800


async def stopncii_pages(
    partner: Partner, settings: ExchangeSettings, _credentials: str, checkpoint: Checkpoint
) -> AsyncIterator[Page]:
    """StopNCII v1, `GET /FetchHashes`; `nextSetTimestamp` of the last page begins the next fetch."""
    start, token = checkpoint.get("start", _STOPNCII_BEGIN), checkpoint.get("token", "")
    resumed = bool(token)
    while True:
        params = {"startTimestamp": start, "pageSize": str(min(settings.page_rows, _STOPNCII_MAX_ROWS))}
        try:
            page = await partner.ask(
                "/FetchHashes", _json_reader(_StopnciiPage), params=params | ({"nextPageToken": token} if token else {})
            )
        except PartnerError as error:
            if not resumed or error.status not in _RESTARTED:
                raise
            token, resumed = "", False
            continue
        resumed = False
        rows = page_rows("stopncii-json", page.hash_records)
        if page.more and page.token and page.token != token:
            token = page.token
            yield Page(rows, {"start": start, "token": token})
        else:
            yield Page(rows, {"start": str(max(int(start), page.following))})
            return


class _Cursors(msgspec.Struct):
    after: str = ""


class _Paging(msgspec.Struct):
    cursors: _Cursors = msgspec.field(default_factory=_Cursors)
    next: str = ""


class _ThreatPage(msgspec.Struct):
    data: list[object]
    paging: _Paging = msgspec.field(default_factory=_Paging)


_THREAT_FIELDS = "id,indicator,type,last_updated,should_delete,descriptors{id,owner,status,tags}"
_THREAT_TYPES = "HASH_MD5,HASH_SHA1,HASH_SHA256,HASH_PDQ,URI,RAW_URI"
_THREAT_MAX_ROWS = 1_000
_THREAT_KEPT_DAYS = 85
"""`threat_updates` tells of deletions for 90 days: whoever comes later misses some."""


async def threat_pages(
    partner: Partner, settings: ExchangeSettings, credentials: str, checkpoint: Checkpoint
) -> AsyncIterator[Page]:
    """ThreatExchange, `GET /GROUP/threat_updates/`, in order of `last_updated`.

    The address of the next page that is answered carries the token: only its cursor is taken, and asked of our own address.
    """
    start, after = int(checkpoint.get("start", "0")), checkpoint.get("after", "")
    newest = max(start, int(checkpoint.get("newest", "0")))
    resumed = bool(after)
    while True:
        params = {
            "access_token": credentials,
            "start_time": str(start),
            "limit": str(min(settings.page_rows, _THREAT_MAX_ROWS)),
            "fields": _THREAT_FIELDS,
            "types": _THREAT_TYPES,
        }
        try:
            page = await partner.ask(
                f"/{settings.group}/threat_updates/",
                _json_reader(_ThreatPage),
                params=params | ({"after": after} if after else {}),
            )
        except PartnerError as error:
            if not resumed or error.status not in _RESTARTED:
                raise
            after, resumed = "", False
            continue
        resumed = False
        newest = max([newest, *(_updated(entry) for entry in page.data)])
        rows = page_rows("threatexchange-json", page.data)
        following = _cursor(page.paging)
        if following and following != after:
            after = following
            yield Page(rows, {"start": str(start), "after": after, "newest": str(newest), "at": _now()})
        else:
            yield Page(rows, {"start": str(newest), "at": _now()})
            return


def stale(settings: ExchangeSettings, checkpoint: Checkpoint) -> bool:
    """Whether a list was left alone for so long that deletions were missed."""
    if settings.kind != "threatexchange" or "at" not in checkpoint:
        return False
    return datetime.now(UTC) - datetime.fromisoformat(checkpoint["at"]) > timedelta(days=_THREAT_KEPT_DAYS)


def _updated(entry: object) -> int:
    value = entry.get("last_updated") if isinstance(entry, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value < time.time() + 86_400 else 0


def _cursor(paging: _Paging) -> str:
    if not paging.next:
        return ""
    return paging.cursors.after or next(iter(parse_qs(urlsplit(paging.next).query).get("after", [""])))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


CLIENTS: Mapping[str, tuple[str, Client]] = {
    "ncmec": ("ncmec-xml", ncmec_pages),
    "stopncii": ("stopncii-json", stopncii_pages),
    "threatexchange": ("threatexchange-json", threat_pages),
}
"""By kind of exchange: the form of its list, and its client."""
