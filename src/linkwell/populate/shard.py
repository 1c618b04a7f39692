"""One shard of links in, one shard of a copy out, with its part of the ledger, its findings and its evidence."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from linkwell.base.schema import USES
from linkwell.base.shards import storage_errors
from linkwell.engine import TaskContext, read_mark
from linkwell.ledger import Digests, ledger_table, write_ledger_part
from linkwell.lists import Finding, Match, write_findings
from linkwell.pictures import Box
from linkwell.populate.consent import Consent
from linkwell.populate.failures import Failure
from linkwell.populate.links import LINK_COLUMNS, column, read_links
from linkwell.populate.params import ShardParams
from linkwell.populate.previous import Previous, kept_rows
from linkwell.populate.runtime import Runtime, run_alone
from linkwell.populate.spool import InFile, Spool
from linkwell.populate.transport import Target, parse_target
from linkwell.populate.want import Outcome, RowWant
from linkwell.populate.writer import NOTHING, SUCCESS, ShardWriter
from linkwell.rights import EVIDENCE_SCHEMA, Evidence, evidence_table

_ROWS_AT_ONCE = 256

FETCHES_SCHEMA: pa.Schema = pa.schema(
    [
        pa.field(name, kind)
        for name, kind in (
            ("link_id", pa.binary(16)),
            ("failure", pa.string()),
            ("http_status", pa.int16()),
            ("final_url", pa.string()),
            ("attempts", pa.int16()),
            ("fetched_at", pa.timestamp("s", tz="UTC")),
        )
    ]
)
"""How each link was fetched: kept in the workspace, not in the copy, whose bytes must not depend on when it was made, and where the
URL that a redirect led to would outlive a recall of the link it is.
"""


def populate_shard(context: TaskContext) -> None:
    """Fetch the links of one shard and write it, with nothing else under way."""
    run_alone(context, Shard)


@dataclass(slots=True)
class _Waiting:
    """An outcome before its turn, and its image."""

    outcome: Outcome
    image: bytes | InFile | None = None


class Shard:
    """A shard that is open: its links wait to be fetched, and what comes of them is written in the order of the rows.

    Args:
        context: whose outputs are written.
        runtime: what all open shards share.
    """

    def __init__(self, context: TaskContext, runtime: Runtime) -> None:
        params = context.params(ShardParams)
        self.context = context
        self.runtime = runtime
        self.params = params
        to = Path(params.to)
        workspace = runtime.workspace
        part = f"{params.run}-{context.task.index:05d}-{context.task.key[:8]}.parquet"
        self._to = to
        self._ledger_path = context.output("ledger", workspace.ledger / part)
        self._findings_path = context.output("findings", workspace.findings / part)
        images = context.output("images", to / (f"{params.name}.tar" if params.output == "webdataset" else params.name))
        parquet = context.output("parquet", to / f"{params.name}.parquet")
        self._stats_path = context.output("stats", to / f"{params.name}_stats.json")
        self._evidence_path = context.output("evidence.parquet")
        self._fetches_path = context.output("fetches.parquet")
        self._hosts_path = context.output("hosts.json")
        self._links = read_links(params.links, LINK_COLUMNS)
        self.rows = self._links.num_rows
        self.ids: list[bytes] = column(self._links, "link_id")
        self._stack = ExitStack()
        with storage_errors(to):
            self._writer = self._stack.enter_context(ShardWriter(params.output, images, parquet, params.kept.format))
        self._spool = Spool(to, runtime.room)
        self._stack.callback(self._spool.close)
        self._ledger: list[tuple[bytes, datetime, Digests]] = []
        self._findings: list[Finding] = []
        self._evidence: list[Evidence] = []
        self._fetches: list[Mapping[str, object]] = []
        self._hosts: dict[str, Counter[str]] = {}
        self._counts: Counter[str] = Counter()
        self._waiting: dict[int, _Waiting] = {}
        self._next_row = 0
        self._keys = self._make_keys()
        self._shown = self._make_rows()
        self._started = time.time()
        mark = read_mark(context.folder / context.task.mark_name)
        self._previous = Previous(params, mark, context.folder, workspace.master_key()) if mark is not None else None
        self._again: frozenset[bytes] = frozenset()
        self._targets: list[Target | None] = [parse_target(url) for url in column(self._links, "url")]
        self._host_of_row = [target.host if target is not None else "" for target in self._targets]
        self.done: asyncio.Future[None] | None = None
        """Set when every row has its outcome."""

    def start(self) -> None:
        """Settle what needs no request, and let all others be fetched."""
        self.done = asyncio.get_running_loop().create_future()
        settled = self._settled()
        for row, outcome in settled.items():
            self._waiting[row] = _Waiting(outcome)
            self.runtime.settle()
        for row, target in enumerate(self._targets):
            if row not in settled and target is not None:
                self.runtime.fetcher.fetch(target, RowWant(self, row))
        self._targets = []
        self._write_ready()

    def _settled(self) -> dict[int, Outcome]:
        """The outcomes that are known without a request."""
        outcomes: dict[int, Outcome] = self._as_before()
        verdicts = {use: column(self._links, use) for use in self.params.respect}
        withheld = self.runtime.withheld
        for row, (identity, target) in enumerate(zip(self.ids, self._targets, strict=True)):
            if identity in withheld:
                outcomes[row] = Outcome(withheld=True)
            elif row in outcomes:
                continue
            elif target is None:
                outcomes[row] = Outcome(failure=Failure("bad_url"))
            elif refused := next((use for use in self.params.respect if verdicts[use][row] == "disallow"), None):
                message = f"not fetched: {refused} is disallowed by what the page states"
                outcomes[row] = Outcome(failure=Failure("opted_out", message))
        matcher = self.runtime.matcher
        if not matcher.empty:
            for row, match in matcher.match_links(self._links.select(["link_id", "url"])):
                self.find(row, match)
                outcomes[row] = Outcome(withheld=True)
        return outcomes

    def _as_before(self) -> dict[int, Outcome]:
        """Where the shard was made before: all rows but those that are asked for again."""
        previous = self._previous
        if previous is None:
            return {}
        outcomes = {}
        for row, key in enumerate(self._make_keys()):
            if key not in previous.failures:
                outcomes[row] = Outcome(withheld=True)
            elif not previous.asks_again(key):
                outcomes[row] = Outcome(as_before=True)
        self._again = frozenset(identity for row, identity in enumerate(self.ids) if row not in outcomes)
        self._findings += previous.findings()
        return outcomes

    def holds_what_was_expected(self, row: int, digests: Digests) -> bool:
        """Whether an image is the one whose digest was given."""
        expected = self.runtime.expected
        return expected is None or expected.fits(self.ids[row], digests)

    def consent(self, row: int) -> Consent:
        """The consent of one row, as far as its link says."""
        stated = {use: str(self._links[use][row].as_py()) for use in USES}
        return Consent(stated, self.params.respect, self.runtime.policy, self.runtime.agents)

    def boxes(self, row: int) -> Sequence[Box]:
        """What is to be blurred on the image of a row."""
        return self.runtime.boxes.of(self.ids[row]) if self.runtime.boxes is not None else ()

    def find(self, row: int, match: Match) -> None:
        """Record that a list has what a row is, or leads to."""
        self._findings.append(Finding.of(self.ids[row], match))

    def settle(self, row: int, outcome: Outcome) -> None:
        """Take an outcome; write all that are next in order, and keep the others for their turn."""
        examined = outcome.examined
        image: bytes | InFile | None = None
        if examined is not None:
            if outcome.withheld or examined.failure is None or examined.failure.kind != "not_an_image":
                self._ledger.append((self.ids[row], datetime.now(UTC), examined.digests))
            if examined.image is not None:
                if outcome.failure is None and not outcome.withheld and self.params.output != NOTHING:
                    with storage_errors(self._to):
                        image = self._spool.put(examined.image)
                examined.image = None
        self._waiting[row] = _Waiting(outcome, image)
        self.runtime.settle()
        self._write_ready()

    def _write_ready(self) -> None:
        with storage_errors(self._to):
            while (waiting := self._waiting.pop(self._next_row, None)) is not None:
                self._write(waiting)
                self._next_row += 1
        if self._next_row == self.rows and self.done is not None and not self.done.done():
            self.done.set_result(None)

    def _write(self, waiting: _Waiting) -> None:
        link = next(self._shown)
        key = next(self._keys)
        outcome = waiting.outcome
        self._count("links")
        if outcome.withheld:
            self._count("withheld")
            return
        if outcome.as_before:
            self._write_as_before(key)
            return
        image = self._spool.take(waiting.image) if waiting.image is not None else None
        failure, trace = outcome.failure, outcome.trace
        consent = outcome.consent
        verdicts: Mapping[str, object] = link if consent is None else consent.verdicts._asdict()
        done = outcome.examined if failure is None and self.params.output != NOTHING else None
        self._writer.add(
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
                "credit": link.get("credit"),  # a list from before there was the column has none
                **{use: verdicts[use] for use in USES},
                "language": link["language"],
                "failure": None if failure is None else failure.kind,
                "http_status": trace and trace.http_status,
                "attempts": trace.attempts if trace is not None else 0,
            },
            image,
            done.extension if done is not None else "jpg",
        )
        if consent is not None and consent.said:
            self._evidence += consent.evidence(outcome.seen_at)
        self._fetches.append(
            {
                "link_id": link["link_id"],
                "failure": None if failure is None else failure.kind,
                "http_status": trace and trace.http_status,
                "final_url": trace.url if trace is not None and trace.redirected else None,
                "attempts": trace.attempts if trace is not None else 0,
                "fetched_at": outcome.seen_at,
            }
        )
        self._tell(SUCCESS if failure is None else failure.kind)
        if image is not None:
            self._count("image_bytes", len(image))

    def _write_as_before(self, key: str) -> None:
        assert self._previous is not None  # noqa: S101 - outcomes are so only then
        row = self._previous.row(key)
        extension, image = self._previous.image(key) if row["failure"] is None else ("jpg", None)
        self._writer.add(row, image, extension)
        self._tell(row["failure"] or SUCCESS)
        if image is not None:
            self._count("image_bytes", len(image))

    def _tell(self, kind: str) -> None:
        """Count what became of the row that is written."""
        self._hosts.setdefault(self._host_of_row[self._next_row], Counter())[kind] += 1
        self._count(SUCCESS if kind == SUCCESS else f"failed:{kind}")

    def _count(self, name: str, number: int = 1) -> None:
        self._counts[name] += number
        self.runtime.tally[name] += number

    def _make_rows(self) -> Iterator[Mapping[str, object]]:
        for start in range(0, self.rows, _ROWS_AT_ONCE):
            yield from self._links.slice(start, _ROWS_AT_ONCE).to_pylist()

    def _make_keys(self) -> Iterator[str]:
        if not self.params.cell_keys:
            for number in range(self.rows):
                yield f"{self.params.first_key + number:0{self.params.key_digits}d}"
            return
        last, place = None, 0
        for cell in self._links["cell"].to_pylist():
            place = place + 1 if cell == last else 0
            last = cell
            yield f"{cell:08d}{place:05d}"

    def finish(self) -> None:
        """Write what is left, once every row is done; nothing is committed yet."""
        master_key = self.runtime.workspace.master_key()
        with storage_errors(self._to):
            self._stack.close()
            self._stats_path.write_bytes(self._writer.stats(self._started, time.time()))
        ledger, evidence, fetches = self._tables()
        if ledger.num_rows:
            write_ledger_part(self._ledger_path, ledger, master_key)
        if self._findings:
            write_findings(self._findings_path, self._findings, master_key)
            self.context.count("review")
        if evidence.num_rows:
            pq.write_table(evidence, self._evidence_path, compression="zstd")
        pq.write_table(fetches, self._fetches_path, compression="zstd")
        self._hosts_path.write_bytes(msgspec.json.encode(self._hosts))
        for name, number in self._counts.items():
            self.context.count(name, number)

    def _tables(self) -> tuple[pa.Table, pa.Table, pa.Table]:
        """Ledger, evidence and fetches: of this run, and of an earlier one as far as it is not overtaken."""
        ledger = ledger_table(self._ledger)
        evidence = evidence_table(self._evidence)
        fetches = pa.Table.from_pylist(self._fetches, FETCHES_SCHEMA)
        if self._previous is None:
            return ledger, evidence, fetches
        before = self._previous.ledger()
        if before is not None:
            ledger = pa.concat_tables([kept_rows(before, self._again), ledger])
        before = self._previous.table("evidence.parquet", EVIDENCE_SCHEMA)
        if before is not None:
            evidence = pa.concat_tables([before, evidence])
        before = self._previous.table("fetches.parquet", FETCHES_SCHEMA)
        if before is not None:
            fetches = pa.concat_tables([kept_rows(before, self._again), fetches])
        return ledger, evidence, fetches

    def abandon(self, error: BaseException) -> None:
        """Close everything, unfinished."""
        self._stack.__exit__(type(error), error, error.__traceback__)
        self.context.discard()
