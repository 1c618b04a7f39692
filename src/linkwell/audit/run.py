"""An audit: every link and every digest of the ledger against every hash list, in bounded memory."""

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from linkwell.audit.record import (
    AuditRecord,
    audits_folder,
    links_fingerprint,
    lists_state,
    no_lists,
    record_path,
    write_record,
)
from linkwell.audit.scan import (
    FINDINGS,
    HITS,
    KEYS,
    PERSONAL,
    UNCHECKED_REASONS,
    JoinParams,
    ScanLedgerParams,
    ScanLinksParams,
)
from linkwell.base.errors import BusyError, MissingError
from linkwell.base.shards import open_parquet, storage_errors
from linkwell.base.workspace import Workspace
from linkwell.engine import Engine, StageResult, local_input, run_stage, task
from linkwell.ledger import require_parts
from linkwell.lists import FINDING_CLASSES, PRIVACY, Finding, read_findings, shared_matcher

_LEDGER_TASK_BYTES = 64 * 1024 * 1024
_LEDGER_ROW_BYTES = 100  # at least so many bytes of digests a row, which do not compress


@dataclass(frozen=True)
class AuditReport:
    """What an audit found: counts alone; the findings themselves are stored encrypted."""

    checked: int
    """Distinct links looked at."""
    findings: dict[str, int]
    """Links by class: exact, perceptual, url, privacy; classes without any are left out."""
    unchecked: dict[str, int]
    """Links that could not be compared in full, by reason; see `UNCHECKED_REASONS`."""
    lists: tuple[str, ...]
    """Names of the lists that were compared with."""
    seconds: float
    record: Path


def audit(
    workspace: Workspace,
    *,
    links: Sequence[Path],
    label: str,
    engine: Engine,
    bucket_rows: int = 2_000_000,
) -> AuditReport:
    """Compare links with the hash lists: their URLs, and the digests the ledger has of their images.

    Findings are stored in the workspace, in the place of those of an earlier audit of the same label, and the counts in
    `audits/<label>.json`. Ledger rows of other links are passed over. A killed audit goes on where it was.

    Args:
        workspace: whose lists and ledger.
        links: shards of links, of a build or a release.
        label: names the audit; lower-case letters, digits, dot, dash, underscore.
        engine: what runs the work.
        bucket_rows: link ids that are joined at a time; sets the memory of the join, about 100 bytes each.

    Raises:
        NoHashListError: there is no list.
        SafetyError: a list fails its self-test.
        DamagedFileError: a shard, a list or a part of the ledger does not read, or is gone. Nothing is skipped.
        MissingError: there are no links.
        BusyError: another audit runs, or the lists changed meanwhile.
    """
    started = time.monotonic()
    if not links:
        raise MissingError("there are no links to audit", advice="Make some with: linkwell build SOURCE")
    record_path(workspace, label)
    with shared_matcher(workspace) as matcher, workspace.lock("audit"):  # the processes that scan use it, too
        if matcher.empty:
            raise no_lists(workspace)
        state = lists_state(workspace)
        require_parts(workspace)
        folder = audits_folder(workspace) / f".{label}"
        with storage_errors(folder):
            audits_folder(workspace).mkdir(mode=0o700, exist_ok=True)
        fingerprint = links_fingerprint(links)
        scanned, joined = _run(
            workspace, links, label, state=state, folder=folder, engine=engine, bucket_rows=bucket_rows
        )
        if lists_state(workspace) != state or links_fingerprint(links) != fingerprint:
            raise BusyError("the hash lists or the links changed while the audit ran", label, "Run it again.")
        _remove_other_findings(workspace, label, [*joined.outputs(FINDINGS), *scanned.outputs(PERSONAL)])
        counts = joined.counts()
        counts[f"finding {PRIVACY}"] = scanned.counts()[f"finding {PRIVACY}"]
        found = {name: counts[f"finding {name}"] for name in FINDING_CLASSES if counts[f"finding {name}"]}
        record = AuditRecord(
            label=label,
            at=datetime.now(UTC).isoformat(timespec="microseconds"),
            links=fingerprint,
            checked=counts["checked"],
            findings=found,
            unchecked={reason: counts[reason] for reason in UNCHECKED_REASONS if counts[reason]},
            lists=tuple(sorted(matcher.lists)),
            lists_state=state,
            seconds=round(time.monotonic() - started, 3),
        )
        write_record(workspace, record)
        shutil.rmtree(folder)
    return AuditReport(
        record.checked, record.findings, record.unchecked, record.lists, record.seconds, record_path(workspace, label)
    )


def _run(
    workspace: Workspace,
    links: Sequence[Path],
    label: str,
    *,
    state: str,
    folder: Path,
    engine: Engine,
    bucket_rows: int,
) -> tuple[StageResult, StageResult]:
    """What came of the links, and of the join."""
    root = str(workspace.root)
    ledger = sorted(workspace.ledger.glob("*.parquet"))
    rows = 0
    for shard in links:
        with open_parquet(shard) as file:
            rows += file.metadata.num_rows
    rows = max(rows, sum(path.stat().st_size for path in ledger) // _LEDGER_ROW_BYTES)
    buckets = max(1, -(-rows // bucket_rows))
    link_tasks = [
        task(
            "audit links",
            index,
            "linkwell.audit.scan:scan_links",
            ScanLinksParams(root, state, str(shard), buckets, _personal_path(workspace, label, index)),
            (local_input(shard),),
        )
        for index, shard in enumerate(links)
    ]
    ledger_tasks = [
        task(
            "audit ledger",
            index,
            "linkwell.audit.scan:scan_ledger",
            ScanLedgerParams(root, state, tuple(map(str, parts)), buckets),
            tuple(map(local_input, parts)),
        )
        for index, parts in enumerate(_groups(ledger))
    ]
    of_links = run_stage(link_tasks, folder / "links", engine, sweep_folders=[workspace.findings])
    of_ledger = run_stage(ledger_tasks, folder / "ledger", engine, unit="tasks")
    link_keys, ledger_keys = of_links.outputs(KEYS), of_ledger.outputs(KEYS)
    hits = of_links.outputs(HITS) + of_ledger.outputs(HITS)
    inputs = tuple(map(local_input, [*link_keys, *ledger_keys, *hits]))
    join_tasks = [
        task(
            "audit join",
            bucket,
            "linkwell.audit.scan:join",
            JoinParams(
                root,
                tuple(map(str, link_keys)),
                tuple(map(str, ledger_keys)),
                tuple(map(str, hits)),
                bucket,
                buckets,
                str(workspace.findings / f"audit-{label}-{bucket:05d}.parquet"),
            ),
            inputs,
        )
        for bucket in range(buckets)
    ]
    joined = run_stage(join_tasks, folder / "join", engine, unit="buckets", sweep_folders=[workspace.findings])
    return of_links, joined


def _personal_path(workspace: Workspace, label: str, index: int) -> str:
    """Where findings of personal data in one shard stand; nowhere where they are not looked for."""
    if not workspace.settings.audit.personal_data:
        return ""
    return str(workspace.findings / f"audit-{label}-p{index:05d}.parquet")


def _groups(paths: Sequence[Path]) -> list[list[Path]]:
    """Parts of the ledger in groups of some tens of megabytes: populate writes many small ones."""
    groups: list[list[Path]] = []
    room = 0
    for path in paths:
        size = path.stat().st_size
        if not groups or size > room:
            groups.append([])
            room = _LEDGER_TASK_BYTES
        groups[-1].append(path)
        room -= size
    return groups


def findings_of(workspace: Workspace, label: str) -> list[Path]:
    """The files of findings of an audit, of personal data among them."""
    number = "[0-9]" * 5
    patterns = (f"audit-{label}-{number}.parquet", f"audit-{label}-p{number}.parquet")
    return sorted(path for pattern in patterns for path in workspace.findings.glob(pattern))


def audit_findings(workspace: Workspace, label: str) -> Iterator[Finding]:
    """The findings of an audit.

    Raises:
        DamagedFileError: a file of them does not open.
    """
    return read_findings(workspace, findings_of(workspace, label))


def _remove_other_findings(workspace: Workspace, label: str, kept: list[Path]) -> None:
    """Remove findings of an earlier audit of this label that this one did not find again."""
    for path in findings_of(workspace, label):
        if path.resolve() not in kept:
            path.unlink()
