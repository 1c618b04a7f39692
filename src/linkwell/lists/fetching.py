"""Fetch a list from an exchange: page by page, in place of what changed, going on where the last fetch was cut off."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from linkwell.base.credentials import read_credential
from linkwell.base.errors import MissingError, UsageError
from linkwell.base.partner import Access, Partner
from linkwell.base.progress import meter
from linkwell.base.settings import ExchangeSettings
from linkwell.base.workspace import Workspace, check_name
from linkwell.lists.exchanges import CLIENTS, Checkpoint, request_headers, stale
from linkwell.lists.importing import ImportReport, changing, finished, report_of
from linkwell.lists.loading import Loading
from linkwell.lists.storage import ListIndex, ListRecord, read_index, write_index

_COMMIT_ROWS = 100_000
_COMMIT_SECONDS = 120.0


@dataclass(frozen=True)
class FetchReport:
    """What a fetch did."""

    exchange: str
    production: bool
    """Whether it was the real service, and not a test system."""
    pages: int
    list: ImportReport


def fetch_list(workspace: Workspace, name: str, *, again: bool = False) -> FetchReport:
    """Fetch what changed in the list of an exchange since the last time.

    What was fetched is kept when a page fails: the error comes after it is written, and the next fetch goes on there.

    Args:
        workspace: whose lists; its settings say where the exchange is.
        name: of the exchange, under `lists.exchanges`.
        again: fetch everything anew, in place of what is there once all is here.

    Raises:
        MissingError: there is no such exchange.
        UsageError: its settings are not right, or the list is too old to be gone on with.
        MissingKeyError, SafetyError: its credentials are not there, or others can read them.
        PartnerError: it refuses, or does not answer as it should.
        BusyError: an import is at work.
    """
    settings = find_exchange(workspace, name)
    where = f"lists.exchanges.{name}"
    source = check_name(settings.source or name, "source")
    credentials = read_credential(settings.credentials, f"{where}.credentials", workspace.root)
    access = Access(
        name=where,
        url=settings.url.rstrip("/"),
        headers=request_headers(settings, credentials, where),
        timeout_seconds=settings.timeout_seconds,
        max_attempts=settings.max_attempts,
        backoff_seconds=settings.backoff_seconds,
        ca_file=workspace.root / settings.ca_file if settings.ca_file else None,
    )
    if settings.kind == "threatexchange" and not settings.group.isdigit():
        raise UsageError("the privacy group is not a number", f"{where}.group")
    with changing(workspace) as index:
        fetching = _Fetching(workspace, index, name, source, settings, again=again)
        try:
            asyncio.run(fetching.run(access, credentials))
        except BaseException:
            if not fetching.at_once:
                fetching.commit()
            raise
        fetching.commit()
    return FetchReport(name, settings.production, fetching.pages, fetching.report())


def find_exchange(workspace: Workspace, name: str) -> ExchangeSettings:
    """The settings of an exchange.

    Raises:
        MissingError: there is none of this name.
    """
    exchanges = workspace.settings.lists.exchanges
    if name not in exchanges:
        known = ", ".join(exchanges) or "there is none"
        raise MissingError(
            f"there is no exchange {name!r} (known: {known})",
            "linkwell.toml",
            f"Say where it is under [lists.exchanges.{name}]: docs/lists.md shows how.",
        )
    return exchanges[name]


class _Fetching:
    """One fetch: the list as it was, what came since, and where it stands."""

    def __init__(
        self,
        workspace: Workspace,
        index: ListIndex,
        name: str,
        source: str,
        settings: ExchangeSettings,
        *,
        again: bool,
    ) -> None:
        self._workspace = workspace
        self._settings = settings
        list_format, self._client = CLIENTS[settings.kind]
        before = index.find(source)
        if before is not None and before.exchange != name:
            raise UsageError(
                f"there is a list of {source!r} that does not come from here",
                f"lists.exchanges.{name}",
                "Give the exchange another source, or forget that list.",
            )
        self.checkpoint: Checkpoint = (
            msgspec.json.decode(before.checkpoint, type=Checkpoint)
            if before and before.checkpoint and not again
            else {}
        )
        if stale(settings, self.checkpoint):
            raise UsageError(
                "this list was left alone for so long that the exchange no longer tells what was deleted",
                f"lists.exchanges.{name}",
                f"Fetch it anew: linkwell lists fetch {name} --again",
            )
        now = datetime.now(UTC).replace(microsecond=0)
        self._record = before or ListRecord(
            source=source,
            imported_at=now,
            file_name="",
            list_format=list_format,
            synthetic=not settings.production,
            counts={},
            rejected_count=0,
            parts=(),
            exchange=name,
        )
        parts = () if again or before is None else before.parts
        self._loading = Loading(workspace, f"{source}-{index.generation + 1}", parts)
        self.at_once = again and before is not None
        """Whether nothing may be written before everything is here: it takes the place of a whole list."""
        self._committed: Checkpoint | None = self.checkpoint if before else None
        self._rows = 0
        self.pages = 0

    async def run(self, access: Access, credentials: str) -> None:
        """Fetch all pages, and write what came from time to time."""
        since = time.monotonic()
        async with Partner(access) as partner:
            pages = self._client(partner, self._settings, credentials, self.checkpoint)
            with meter(f"fetch {self._record.source}", None, "rows") as progress:
                async for page in pages:
                    self._loading.add(page.rows)
                    self.checkpoint = page.checkpoint
                    self.pages += 1
                    self._rows += len(page.rows)
                    progress.advance(len(page.rows))
                    due = self._rows >= _COMMIT_ROWS or time.monotonic() - since >= _COMMIT_SECONDS
                    if due and not self.at_once:
                        self.commit()
                        since = time.monotonic()

    def commit(self) -> None:
        """Write what came, and where to go on."""
        if not self.pages or (not self._rows and self.checkpoint == self._committed):
            return
        self._loading.flush()
        now = datetime.now(UTC).replace(microsecond=0)
        record = msgspec.structs.replace(
            self._record, updated_at=now, checkpoint=msgspec.json.encode(self.checkpoint).decode()
        )
        self._record = finished(record, self._loading)
        write_index(self._workspace, read_index(self._workspace).with_list(self._record))
        self._committed, self._rows = self.checkpoint, 0

    def report(self) -> ImportReport:
        """What came."""
        return report_of(self._record, self._loading, replaced=False)
