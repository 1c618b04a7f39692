"""The task of populate: one shard of links in, one shard of a copy out, with its part of the ledger and its findings."""

import asyncio
import dataclasses
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from linkwell.base.errors import SafetyError
from linkwell.base.ids import canonical_id, link_id
from linkwell.base.settings import PopulateSettings
from linkwell.base.shards import storage_errors
from linkwell.base.workspace import Workspace
from linkwell.engine import TaskContext
from linkwell.ledger import Digests, ledger_table, write_ledger_part
from linkwell.lists import Finding, Match, Matcher, write_findings
from linkwell.populate.boxes import read_boxes
from linkwell.populate.examine import Examined, examine, examine_apart
from linkwell.populate.failures import Failure
from linkwell.populate.fetch import Headers, parse_target
from linkwell.populate.layout import read_layout
from linkwell.populate.links import LINK_COLUMNS, column, read_links
from linkwell.populate.params import ShardParams
from linkwell.populate.runtime import Access, Runtime, current_matcher, runtime
from linkwell.populate.schedule import HostSchedule
from linkwell.populate.withheld import read_withheld
from linkwell.populate.writer import SUCCESS, ShardWriter
from linkwell.rights import TRAINING_AGENTS, Signal, Verdicts, combine, header_signals

_LARGE_AT_ONCE = 8
_MEMORY_BYTES = 64_000_000
_ROWS_AT_ONCE = 1_024
_STATED_IN = frozenset({"x-robots-tag", "tdm-reservation"})


@dataclass
class Outcome:
    """What became of one link. With `withheld`, nothing of it is written to the copy."""

    withheld: bool = False
    failure: Failure | None = None
    examined: Examined | None = None
    verdicts: Verdicts | None = None
    held: bool = False
    """Whether its image waits in memory for its turn."""
    spooled: tuple[int, int] | None = None
    """Offset and size of its image in the spool file, where it waits there."""


class _Withheld(Exception):  # noqa: N818 - an outcome
    """A redirect leads to a link that is left out."""


def populate_shard(context: TaskContext) -> None:
    """Fetch the links of one shard and write it."""
    params = context.params(ShardParams)
    workspace = Workspace.open(Path(params.workspace))
    settings = workspace.settings.populate
    master_key = workspace.master_key()
    to = Path(params.to)
    part = f"{params.run}-{context.task.index:05d}-{context.task.key[:8]}.parquet"
    ledger = context.output("ledger", workspace.ledger / part)
    findings = context.output("findings", workspace.findings / part)
    images = context.output("images", to / (f"{params.name}.tar" if params.output == "webdataset" else params.name))
    parquet = context.output("parquet", to / f"{params.name}.parquet")
    stats = context.output("stats", to / f"{params.name}_stats.json")
    access = Access(params.allow_net, params.resolve, params.from_archive)
    layout = read_layout(context.folder)
    process = runtime(access, settings, 0 if params.kept.header_only else layout.picture_processes)
    start = time.time()
    with storage_errors(to), ShardWriter(params.output, images, parquet, params.kept.format) as writer:
        run = _ShardRun(
            params=params,
            settings=settings,
            withheld=read_withheld(context.folder, master_key),
            matcher=current_matcher(workspace),
            process=process,
            writer=writer,
            per_host=max(1, settings.per_host_concurrency // layout.fetchers),
        )
        with run.spool:
            process.run(run.run())
    with storage_errors(to):
        stats.write_bytes(writer.stats(start, time.time()))
    if run.ledger:
        write_ledger_part(ledger, ledger_table(run.ledger), master_key)
    if run.findings:
        write_findings(findings, run.findings, master_key)
        context.count("review")
    for name, number in run.counts.items():
        context.count(name, number)


class _ShardRun:
    """The fetching of one shard: rows are dealt to workers, outcomes are written in the order of the rows."""

    def __init__(
        self,
        *,
        params: ShardParams,
        settings: PopulateSettings,
        withheld: frozenset[bytes],
        matcher: Matcher,
        process: Runtime,
        writer: ShardWriter,
        per_host: int,
    ) -> None:
        self.params = params
        self.settings = settings
        self.withheld = withheld
        self.matcher = matcher
        self.process = process
        self.writer = writer
        self.kept = params.kept
        self.boxes = read_boxes(Path(params.boxes)) if params.boxes is not None else None
        self.links = read_links(params.links, LINK_COLUMNS)
        self.ids: list[bytes] = column(self.links, "link_id")
        self.urls: list[str] = column(self.links, "url")
        self.ledger: list[tuple[bytes, datetime, Digests]] = []
        self.findings: list[Finding] = []
        self.counts: dict[str, int] = {}
        self.agents = (settings.user_agent.split("/")[0].lower(), *TRAINING_AGENTS)
        self.outcomes: dict[int, Outcome] = {}
        self.next_row = 0
        self.held_bytes = 0
        # Images that are done before their turn wait here; the file has no name, so that nothing of it outlives the process.
        self.spool: BinaryIO = tempfile.TemporaryFile(dir=params.to)  # noqa: SIM115 - the caller's with
        self.large = asyncio.Semaphore(_LARGE_AT_ONCE)
        self.keys = self._keys()
        self.rows = self._rows()
        hosts = self._settle_without_fetching()
        self.schedule = HostSchedule(hosts, per_host)

    def _settle_without_fetching(self) -> list[str | None]:
        """Decide the links that need no request; returns the host of every other, None for those."""
        hosts: list[str | None] = []
        verdicts = {use: column(self.links, use) for use in self.params.respect}
        for row, (identity, url) in enumerate(zip(self.ids, self.urls, strict=True)):
            target = parse_target(url)
            hosts.append(target.host if target is not None else None)
            refused = [use for use in self.params.respect if verdicts[use][row] == "disallow"]
            if identity in self.withheld:
                self.outcomes[row] = Outcome(withheld=True)
            elif target is None:
                self.outcomes[row] = Outcome(failure=Failure("bad_url"))
            elif refused:
                message = f"not fetched: {refused[0]} is disallowed by what the page states"
                self.outcomes[row] = Outcome(failure=Failure("opted_out", message))
        for row, match in [] if self.matcher.empty else self.matcher.match_links(self.links.select(["link_id", "url"])):
            self._find(row, match)
            self.outcomes[row] = Outcome(withheld=True)
        for row in self.outcomes:
            hosts[row] = None
        return hosts

    async def run(self) -> None:
        """Fetch everything; whatever error stops one worker stops all."""
        self._write_ready()
        workers = [asyncio.ensure_future(self._work()) for _ in range(min(self.settings.concurrency, len(self.ids)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self) -> None:
        while (taken := await self.schedule.take()) is not None:
            row, host = taken
            reception = _Reception(self, row, host)
            try:
                outcome = await self._fetch(row, reception)
            finally:
                reception.release()
            self._settle(row, outcome)

    async def _fetch(self, row: int, reception: "_Reception") -> Outcome:
        try:
            hop = await self.process.fetcher.fetch(self.urls[row], reception)
            body = hop.body or b""
            del hop
            examined = await self._examine(row, body)
        except _Withheld:
            return Outcome(withheld=True)
        except Failure as failure:
            return Outcome(failure=failure, verdicts=reception.verdicts)
        except SafetyError:
            raise
        except Exception as error:  # noqa: BLE001 - one odd link must not stop millions; it is counted, and its text never shown
            return Outcome(failure=Failure("unexpected", f"unexpected {type(error).__name__}"))
        return Outcome(
            withheld=bool(examined.matches),
            failure=examined.failure,
            examined=examined,
            verdicts=reception.verdicts,
        )

    async def _examine(self, row: int, body: bytes) -> Examined:
        boxes = self.boxes.of(self.ids[row]) if self.boxes is not None else ()
        if self.process.pictures is None:
            return examine(body, self.kept, self.matcher, boxes)
        return await examine_apart(self.process.pictures, body, self.kept, self.matcher, boxes)

    def _settle(self, row: int, outcome: Outcome) -> None:
        """Take an outcome; write all that are next in order, and keep the others for their turn."""
        examined = outcome.examined
        if examined is not None:
            if examined.matches or examined.failure is None or examined.failure.kind != "not_an_image":
                self.ledger.append((self.ids[row], datetime.now(UTC), examined.digests))
            for match in examined.matches:
                self._find(row, match)
            if examined.image is not None and row != self.next_row:
                self._hold(outcome, examined, len(examined.image))
        self.outcomes[row] = outcome
        self._write_ready()

    def _hold(self, outcome: Outcome, examined: Examined, size: int) -> None:
        """Keep an image for its turn: in memory, or in the spool file where much is waiting already."""
        if examined.image is None or self.held_bytes + size <= _MEMORY_BYTES:
            outcome.held = True
            self.held_bytes += size
            return
        outcome.spooled = (self.spool.seek(0, os.SEEK_END), size)
        self.spool.write(examined.image)
        outcome.examined = dataclasses.replace(examined, image=None)

    def _write_ready(self) -> None:
        while (outcome := self.outcomes.pop(self.next_row, None)) is not None:
            self._write(outcome)
            self.next_row += 1

    def _write(self, outcome: Outcome) -> None:
        link = next(self.rows)
        key = next(self.keys)
        self._count("links")
        if outcome.withheld:
            self._count("withheld")
            return
        failure, examined = outcome.failure, outcome.examined
        image = examined.image if examined is not None else None
        if outcome.spooled is not None:
            offset, size = outcome.spooled
            self.spool.seek(offset)
            image = self.spool.read(size)
        elif image is not None and outcome.held:
            self.held_bytes -= len(image)
        verdicts = outcome.verdicts or Verdicts(*(str(link[use]) for use in Verdicts._fields))
        done = examined if failure is None else None
        self.writer.add(
            {
                "caption": link["text"],
                "url": link["url"],
                "key": key,
                "status": SUCCESS if failure is None else failure.status,
                "error_message": None if failure is None else failure.message,
                "width": done and done.width,
                "height": done and done.height,
                "original_width": done and done.digests.width,
                "original_height": done and done.digests.height,
                "exif": done and msgspec.json.encode(done.exif).decode(),
                "sha256": done and done.digests.sha256.hex(),
                "link_id": link["link_id"],
                "cell": link["cell"],
                "page_url": link["page_url"],
                "license": link["license"],
                "license_scope": link["license_scope"],
                "train_ai": verdicts.train_ai,
                "tdm": verdicts.tdm,
                "search": verdicts.search,
                "language": link["language"],
                "failure": None if failure is None else failure.kind,
            },
            image if failure is None else None,
            done.extension if done is not None else "jpg",
        )
        self._count(SUCCESS if failure is None else f"failed:{failure.kind}")
        if image is not None:
            self._count("image_bytes", len(image))

    def _rows(self) -> Iterator[Mapping[str, object]]:
        for start in range(0, self.links.num_rows, _ROWS_AT_ONCE):
            yield from self.links.slice(start, _ROWS_AT_ONCE).to_pylist()

    def _keys(self) -> Iterator[str]:
        if not self.params.cell_keys:
            for number in range(self.links.num_rows):
                yield f"{self.params.first_key + number:0{self.params.key_digits}d}"
            return
        last, place = None, 0
        for cell in self.links["cell"].to_pylist():
            place = place + 1 if cell == last else 0
            last = cell
            yield f"{cell:08d}{place:05d}"

    def _find(self, row: int, match: Match) -> None:
        self.findings.append(Finding.of(self.ids[row], match))

    def _count(self, name: str, number: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + number

    def check_hop(self, row: int, url: str) -> None:
        """Stop at a redirect to a link that is left out or listed.

        Raises:
            _Withheld: it is one.
        """
        identity = link_id(url)
        if identity in self.withheld:
            raise _Withheld
        if not self.matcher.empty:
            matches = self.matcher.match_link(identity, canonical_id(url))
            for match in matches:
                self._find(row, match)
            if matches:
                raise _Withheld


@dataclass
class _Reception:
    """What one link allows its fetch: the slot of its host, a place for a large body, and a look at headers and redirects."""

    run: _ShardRun
    row: int
    host: str | None
    verdicts: Verdicts | None = None
    large: bool = False

    def admit(self, headers: Headers) -> None:
        """Read the statements of the image response; refuse the body where they disallow what is respected."""
        if not any(name.lower() in _STATED_IN for name, _ in headers):
            return
        signals = header_signals(headers, scope="image", user_agents=self.run.agents)
        stated = {use: self.run.links[use][self.row].as_py() for use in Verdicts._fields}
        signals += [Signal("link", "page", use, verdict, "") for use, verdict in stated.items() if verdict != "unknown"]
        self.verdicts = combine(signals)
        if any(getattr(self.verdicts, use) == "disallow" for use in self.run.params.respect):
            raise Failure("opted_out")

    def check_hop(self, url: str) -> None:
        """Look at a redirect."""
        self.run.check_hop(self.row, url)

    async def move(self, host: str) -> None:
        """Give back the slot held, then wait for one of `host`: never hold two, or two workers wait for each other for ever."""
        if self.host == host:
            return
        if self.host is not None:
            self.run.schedule.give_back(self.host)
            self.host = None
        await self.run.schedule.acquire(host)
        self.host = host

    async def enlarge(self) -> None:
        """Wait for one of the places for large bodies."""
        if not self.large:
            await self.run.large.acquire()
            self.large = True

    def release(self) -> None:
        """Give everything back."""
        if self.large:
            self.run.large.release()
            self.large = False
        if self.host is not None:
            self.run.schedule.give_back(self.host)
            self.host = None
