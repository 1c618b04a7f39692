"""The tasks of an audit: look at links, look at the ledger, join the two by link id.

Links and ledger are both far larger than memory, and neither is sorted. Both are dealt into buckets by the first bytes of the
link id, as 17 bytes a row; each bucket is then joined alone. Hits against the lists are few: they go along as small encrypted
files, and the join keeps those whose link is among the links that are audited.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkwell.audit.personal import match_texts
from linkwell.audit.record import no_lists
from linkwell.base.errors import DamagedFileError
from linkwell.base.schema import LEDGER_SCHEMA
from linkwell.base.sealed import read_sealed
from linkwell.base.shards import open_parquet, read_tables
from linkwell.base.words import Words, distinct, look_up, stack, starts, words_of
from linkwell.base.workspace import Workspace
from linkwell.engine import TaskContext
from linkwell.lists import PRIVACY, Finding, Match, Matcher, load_matcher, write_findings

HITS = "hits.parquet"
KEYS = "keys.arrow"
FINDINGS = "findings.parquet"
PERSONAL = "personal.parquet"

NO_LEDGER_ENTRY = "no_ledger_entry"
UNDECODABLE = "undecodable"
LOW_QUALITY = "low_pdq_quality"

UNCHECKED_REASONS = {
    NO_LEDGER_ENTRY: "never fetched: nothing but its URL could be compared",
    UNDECODABLE: "fetched, but no picture came of it: URL and digests were compared, not its look",
    LOW_QUALITY: "too flat a picture for a PDQ hash to say anything: URL and digests were compared, not its look",
}
"""Why a link was not compared in full."""

_LEDGER = pa.schema([LEDGER_SCHEMA.field(name) for name in ("link_id", "md5", "sha1", "sha256", "pdq", "pdq_quality")])
_HAS_PDQ, _HAS_QUALITY = np.uint8(1), np.uint8(2)
_KEYS_SCHEMA = pa.schema([("high", pa.uint64()), ("low", pa.uint64()), ("flags", pa.uint8())])
_EXACT, _PERCEPTUAL = "exact", "perceptual"
MATCHED_CLASSES = (_EXACT, _PERCEPTUAL, "url")
"""What a match with a list comes to."""


class ScanLinksParams(msgspec.Struct, frozen=True):
    """Parameters of `scan_links`."""

    workspace: str
    lists_state: str
    shard: str
    buckets: int
    personal: str = ""
    """Where findings of personal data in its texts are to stand; empty to look for none."""


class ScanLedgerParams(msgspec.Struct, frozen=True):
    """Parameters of `scan_ledger`: some of the ledger's parts."""

    workspace: str
    lists_state: str
    parts: tuple[str, ...]
    buckets: int


class JoinParams(msgspec.Struct, frozen=True):
    """Parameters of `join`: all that the two scans wrote, and the bucket to join."""

    workspace: str
    link_keys: tuple[str, ...]
    ledger_keys: tuple[str, ...]
    hits: tuple[str, ...]
    bucket: int
    buckets: int
    findings: str
    """Where the findings of this bucket are to stand."""


@lru_cache(maxsize=1)
def _matcher(workspace: str, lists_state: str) -> Matcher:  # noqa: ARG001 - another state is another matcher
    """The lists, loaded once in a process; loading tests them on their canaries.

    Raises:
        NoHashListError: there is none.
        SafetyError: a canary was missed.
    """
    opened = Workspace.open(Path(workspace))
    matcher = load_matcher(opened)
    if matcher.empty:
        raise no_lists(opened)
    return matcher


def scan_links(context: TaskContext) -> None:
    """Match the URLs of one shard, look for personal data in its texts, and deal its link ids into buckets."""
    params = context.params(ScanLinksParams)
    matcher = _matcher(params.workspace, params.lists_state)
    hits, words, personal = [], [], []
    for table in read_tables([Path(params.shard)], _columns(Path(params.shard))):
        hits += _findings(table, matcher.match_links(table))
        if params.personal:
            personal += _findings(table, match_texts(table))
        words.append(words_of(table["link_id"]))
        context.count("rows", table.num_rows)
    keys = stack(words)
    _write_keys(context.output(KEYS), keys, np.zeros(len(keys), np.uint8), params.buckets)
    _write_hits(context, hits, params.workspace)
    if personal:
        links = _distinct_findings(personal)
        context.count(f"finding {PRIVACY}", len(links))
        key = Workspace.open(Path(params.workspace)).master_key()
        write_findings(context.output(PERSONAL, Path(params.personal)), links, key)


def _columns(shard: Path) -> list[str]:
    """What is read of a shard; lists that were never captioned have no text."""
    with open_parquet(shard) as file:
        return [name for name in ("link_id", "url", "text") if name in file.schema_arrow.names]


def scan_ledger(context: TaskContext) -> None:
    """Match the digests of some parts of the ledger, and deal their link ids, with what is known of each, into buckets."""
    params = context.params(ScanLedgerParams)
    matcher = _matcher(params.workspace, params.lists_state)
    master_key = Workspace.open(Path(params.workspace)).master_key()
    hits, words, flags = [], [], []
    for part in params.parts:
        for table in _read_ledger_part(Path(part), master_key):
            hits += _findings(table, matcher.match_ledger(table))
            words.append(words_of(table["link_id"]))
            has_pdq = table["pdq"].is_valid().to_numpy().astype(np.uint8)
            quality = table["pdq_quality"].to_numpy().astype(np.float64)  # null: NaN, which is no quality
            flags.append(
                has_pdq * _HAS_PDQ | (has_pdq & (quality >= matcher.min_pdq_quality)).astype(np.uint8) * _HAS_QUALITY
            )
            context.count("rows", table.num_rows)
    keys = stack(words)
    _write_keys(context.output(KEYS), keys, np.concatenate(flags) if flags else np.zeros(0, np.uint8), params.buckets)
    _write_hits(context, hits, params.workspace)


def join(context: TaskContext) -> None:
    """Count what was checked in one bucket, and write the findings whose link is among the links of the bucket."""
    params = context.params(JoinParams)
    workspace = Workspace.open(Path(params.workspace))
    links, _ = _read_keys(params.link_keys, params.bucket)
    links = distinct(links)
    ledger, flags = _read_keys(params.ledger_keys, params.bucket)
    order = np.lexsort((ledger[:, 1], ledger[:, 0]))
    ledger, flags = ledger[order], flags[order]
    first = np.flatnonzero(starts(ledger))
    known = ledger[first]
    best = np.bitwise_or.reduceat(flags, first) if len(first) else flags
    place, found = look_up(links, known)
    of_link = best[place[found]]
    context.count("checked", len(links))
    context.count(NO_LEDGER_ENTRY, int((~found).sum()))
    context.count(UNDECODABLE, int((of_link & _HAS_PDQ == 0).sum()))
    context.count(LOW_QUALITY, int((of_link == _HAS_PDQ).sum()))
    findings = _distinct_findings(
        finding
        for path in params.hits
        for finding in _read_hits(Path(path), workspace.master_key(), params.bucket, params.buckets, links)
    )
    for finding_class in MATCHED_CLASSES:
        number = len({finding.link_id for finding in findings if finding.finding_class == finding_class})
        context.counts[f"finding {finding_class}"] = number
    if findings:
        write_findings(context.output(FINDINGS, Path(params.findings)), findings, workspace.master_key())


def _findings(table: pa.Table, matches: Iterable[tuple[int, Match]]) -> list[Finding]:
    column = table["link_id"]
    return [Finding.of(column[row].as_py(), match) for row, match in matches]


def _write_hits(context: TaskContext, hits: list[Finding], workspace: str) -> None:
    if hits:
        key = Workspace.open(Path(workspace)).master_key()
        write_findings(context.output(HITS), _distinct_findings(hits), key)


def _distinct_findings(findings: Iterable[Finding]) -> list[Finding]:
    """One finding for each link, list and class, in a fixed order; a look-alike is dropped where the list has the thing itself."""
    chosen: dict[tuple[bytes, str, str], Finding] = {}
    for finding in sorted(findings, key=_finding_order):
        chosen.setdefault((finding.link_id, finding.source, finding.finding_class), finding)
    return [
        finding
        for (link, source, finding_class), finding in chosen.items()
        if finding_class != _PERCEPTUAL or (link, source, _EXACT) not in chosen
    ]


def _finding_order(finding: Finding) -> tuple[bytes, str, str, str]:
    return finding.link_id, finding.source, finding.finding_class, finding.algorithm


def _read_hits(path: Path, master_key: bytes, bucket: int, buckets: int, links: Words) -> Iterator[Finding]:
    for table in read_sealed(path, master_key):
        words = words_of(table["link_id"])
        mine = np.flatnonzero(words[:, 0] % np.uint64(buckets) == np.uint64(bucket))
        _, found = look_up(words[mine], links)
        for row in table.take(mine[found]).to_pylist():
            yield Finding(row["link_id"], row["finding_class"], row["source"], row["algorithm"])


def _read_ledger_part(path: Path, master_key: bytes) -> Iterator[pa.Table]:
    """The columns of one part that are matched.

    Raises:
        DamagedFileError: it does not open, or is no part of a ledger.
    """
    for table in read_sealed(path, master_key, list(_LEDGER.names)):
        try:
            yield table.select(_LEDGER.names).cast(_LEDGER)
        except (KeyError, pa.ArrowException):
            raise DamagedFileError(
                "this file does not have the columns of a ledger",
                str(path),
                "Restore it, or move it away: only ledger parts belong in this folder.",
            ) from None


def _write_keys(path: Path, keys: Words, flags: npt.NDArray[np.uint8], buckets: int) -> None:
    """Write keys with their flags, one record batch for each bucket."""
    bucket = (keys[:, 0] % np.uint64(buckets)).astype(np.int64)
    order = np.argsort(bucket, kind="stable")
    bounds = np.searchsorted(bucket[order], np.arange(buckets + 1))
    keys, flags = keys[order], flags[order]
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, _KEYS_SCHEMA) as writer:
        for number in range(buckets):
            rows = slice(bounds[number], bounds[number + 1])
            columns = [pa.array(keys[rows, 0]), pa.array(keys[rows, 1]), pa.array(flags[rows])]
            writer.write_batch(pa.record_batch(columns, schema=_KEYS_SCHEMA))


def _read_keys(paths: Iterable[str], bucket: int) -> tuple[Words, npt.NDArray[np.uint8]]:
    words, flags = [], []
    for path in paths:
        try:
            with pa.memory_map(path) as source, pa.ipc.open_file(source) as reader:
                batch = reader.get_batch(bucket)
                words.append(np.column_stack([batch["high"].to_numpy(), batch["low"].to_numpy()]))
                flags.append(batch["flags"].to_numpy().copy())
        except (pa.ArrowInvalid, OSError) as error:
            raise DamagedFileError("a file of the audit is damaged", path, "Remove it and run again.") from error
    return stack(words), np.concatenate(flags) if flags else np.zeros(0, np.uint8)
