"""Which links of a dataset the reported URLs mean: a URL is often typed in another form than the one that was stored.

A report stores two ids of each URL and looks nothing up. This stage reads the links once, computes the canonical id of each
and keeps those that were reported. It runs inside, where decisions are taken and releases are made (`cases approve`, `audit`,
`release create`), never in answer to a report, so that nobody outside learns from it.
"""

import hmac
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pyarrow as pa

from linkwell.base.ids import binary_array, canonical_id
from linkwell.base.sealed import read_sealed, write_sealed_file
from linkwell.base.shards import read_tables
from linkwell.base.workspace import Workspace
from linkwell.cases.book import CaseBook
from linkwell.engine import Engine, TaskContext, local_input, run_stage, task

_OUTPUT = "resolved.parquet"


class ResolveParams(msgspec.Struct, frozen=True):
    """Parameters of `resolve_shard`. `reported` stands for the set of reported URLs, under a keyed hash."""

    workspace: str
    shard: str
    reported: str


def resolve_reports(workspace: Workspace, links: Sequence[Path], engine: Engine) -> int:
    """Find the links that reported URLs mean and add them to their cases; from then on they are quarantined too.

    Args:
        workspace: whose cases.
        links: shards of a build or a release.
        engine: what runs the work, a task for each shard.

    Returns:
        How many links are new.

    Raises:
        DamagedFileError: a shard does not read.
    """
    book = CaseBook.open(workspace)
    reported = book.reported()
    if not reported:
        return 0
    state = hmac.new(workspace.master_key(), b"linkwell:reported:1\0", "sha256")
    for key in sorted(reported):
        state.update(key)
    tasks = [
        task(
            "match reports",
            index,
            "linkwell.cases.resolve:resolve_shard",
            ResolveParams(str(workspace.root), str(shard), state.hexdigest()),
            (local_input(shard),),
        )
        for index, shard in enumerate(links)
    ]
    with workspace.lock("resolve"):
        found = run_stage(tasks, workspace.findings / "reports", engine).outputs(_OUTPUT)
        return book.add_resolved(_pairs(found, workspace.master_key(), reported))


def resolve_shard(context: TaskContext) -> None:
    """Write the link ids of one shard whose canonical id was reported, encrypted; no file where there are none."""
    params = context.params(ResolveParams)
    workspace = Workspace.open(Path(params.workspace))
    reported = CaseBook.open(workspace).reported()
    link_ids: list[bytes] = []
    canonical_ids: list[bytes] = []
    for table in read_tables([Path(params.shard)], ["link_id", "url"]):
        for row, url in enumerate(table["url"].to_pylist()):
            key = canonical_id(str(url))
            if key is not None and key in reported:
                link_ids.append(table["link_id"][row].as_py())
                canonical_ids.append(key)
    if link_ids:
        matched = pa.table({"link_id": binary_array(link_ids, 16), "canonical_id": binary_array(canonical_ids, 16)})
        write_sealed_file(context.output(_OUTPUT), matched, workspace.master_key())


def _pairs(found: list[Path], master_key: bytes, reported: dict[bytes, list[int]]) -> Iterator[tuple[int, bytes]]:
    for path in found:
        for table in read_sealed(path, master_key):
            for row in table.to_pylist():
                for number in reported.get(row["canonical_id"], []):
                    yield number, row["link_id"]
