"""What an audit could see and what it could not: means, lists, overlaps, a bound on what is left. Counts alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import pyarrow.parquet as pq

from linkwell.audit.bound import upper_count, upper_share
from linkwell.audit.chance import ChanceOfMatch, chance_of_match
from linkwell.audit.record import AuditRecord, find_record
from linkwell.audit.run import audit_findings
from linkwell.audit.sample import Sample, read_sample
from linkwell.audit.scan import LOW_QUALITY, NO_LEDGER_ENTRY, UNDECODABLE
from linkwell.base.shards import open_parquet
from linkwell.base.workspace import Workspace
from linkwell.lists import PRIVACY, ListInfo, show_lists

CONFIDENCE = 0.99
"""One repetition in a hundred may exceed the bound. With 0.95, every other set of a hundred would have more than five that do."""


@dataclass(frozen=True)
class ListLine:
    """What one list came to."""

    source: str
    synthetic: bool
    entries: dict[str, int]
    findings: dict[str, int]
    """Links by class of finding."""


@dataclass(frozen=True)
class Bound:
    """What a random sample says of what is left."""

    population: int
    """Links the audit found nothing about."""
    drawn: int
    verified: int
    found: int
    share: float
    """Not exceeded with the confidence, if those that could not be verified are like the others."""
    count: int
    """The same as a number of links."""
    worst_count: int
    """The same, if all that could not be verified were what should not be there."""
    confidence: float


@dataclass(frozen=True)
class ResidualRisk:
    """What `audit report` tells."""

    label: str
    at: str
    checked: int
    means: dict[str, int]
    """Links compared by each means."""
    unchecked: dict[str, int]
    """Links that could not be compared in full, by reason."""
    failures: dict[str, int]
    """Links that a copy asked for in vain, by class of failure: dead links among them."""
    findings: dict[str, int]
    lists: list[ListLine]
    overlaps: list[tuple[str, str, int]]
    """Pairs of lists and how many links both name."""
    several: dict[int, int]
    """Links by how many lists name them."""
    bound: Bound | None
    """None where no sample was drawn and looked at."""
    chance: ChanceOfMatch


def residual_risk(
    workspace: Workspace, label: str, copies: Sequence[Path] = (), confidence: float = CONFIDENCE
) -> ResidualRisk:
    """Gather what is known of the newest audit of a label.

    Args:
        workspace: whose audit.
        label: of the audit.
        copies: populated copies, whose tables tell which links were asked for in vain.
        confidence: of the bound, above 0 and below 1.

    Raises:
        MissingError: there is no such audit.
        DamagedFileError: a record, a finding, a list or a table of a copy does not read.
    """
    record = find_record(workspace, label)
    infos = {info.source: info for info in show_lists(workspace)}
    of_link: dict[bytes, set[str]] = {}
    by_list: dict[str, Counter[str]] = {name: Counter() for name in record.lists}
    for finding in audit_findings(workspace, label):
        if finding.finding_class != PRIVACY:
            by_list.setdefault(finding.source, Counter())[finding.finding_class] += 1
            of_link.setdefault(finding.link_id, set()).add(finding.source)
    pairs = Counter(pair for sources in of_link.values() for pair in combinations(sorted(sources), 2))
    means = _means(record, infos)
    return ResidualRisk(
        label=label,
        at=record.at,
        checked=record.checked,
        means=means,
        unchecked=record.unchecked,
        failures=_failures(copies),
        findings=record.findings,
        lists=[_line(name, infos.get(name), counts) for name, counts in sorted(by_list.items())],
        overlaps=[(one, other, count) for (one, other), count in sorted(pairs.items())],
        several=dict(sorted(Counter(len(sources) for sources in of_link.values()).items())),
        bound=bound_of(read_sample(workspace, label), record, confidence),
        chance=chance_of_match(
            workspace, listed=sum(info.counts.get("pdq", 0) for info in infos.values()), compared=means.get("pdq", 0)
        ),
    )


def bound_of(sample: Sample | None, record: AuditRecord, confidence: float) -> Bound | None:
    """The bound of a sample; None where it is of other links, or nobody has said what is in it."""
    if sample is None or sample.found is None or sample.links != record.links or not sample.verified:
        return None
    worst = sample.found + sample.unverified
    whole = sample.verified >= sample.population
    return Bound(
        population=sample.population,
        drawn=sample.drawn,
        verified=sample.verified,
        found=sample.found,
        share=sample.found / sample.verified if whole else upper_share(sample.found, sample.verified, confidence),
        count=upper_count(sample.found, sample.verified, sample.population, confidence),
        worst_count=upper_count(worst, sample.drawn, sample.population, confidence),
        confidence=confidence,
    )


def _means(record: AuditRecord, infos: dict[str, ListInfo]) -> dict[str, int]:
    """Links that each means looked at; a means without an entry in any list looked at none."""
    listed = Counter[str]()
    for info in infos.values():
        listed.update(info.counts)
    fetched = record.checked - record.unchecked.get(NO_LEDGER_ENTRY, 0)
    seen = fetched - record.unchecked.get(UNDECODABLE, 0) - record.unchecked.get(LOW_QUALITY, 0)
    reach = {"url": record.checked, "md5": fetched, "sha1": fetched, "sha256": fetched, "pdq": seen}
    return {name: reach[name] if listed[name] else 0 for name in reach}


def _line(name: str, info: ListInfo | None, counts: Counter[str]) -> ListLine:
    if info is None:
        return ListLine(name, synthetic=False, entries={}, findings=dict(counts))
    return ListLine(name, info.synthetic, info.counts, dict(counts))


def _failures(copies: Sequence[Path]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for copy in copies:
        for path in sorted(copy.glob("*.parquet")):
            with open_parquet(path) as file:
                counts += _column_counts(file)
    return dict(counts.most_common())


def _column_counts(file: pq.ParquetFile) -> Counter[str]:
    counts: Counter[str] = Counter()
    if "failure" in file.schema_arrow.names:
        for batch in file.iter_batches(columns=["failure"]):
            counts.update(value for value in batch.column(0).to_pylist() if value is not None)
    return counts
