"""Links that were never fetched, looked at live: fetched into memory, hashed, matched, dropped. Off by default.

Nothing of an image is written anywhere, whether it matches or not: its digests go into the ledger, a match into the findings, an
outcome into a table that goes when the run is over. Maintainers have no general licence to download for verification (docs/lists.md):
the settings have to allow it, and two people who give the ground for it stand in the log before the first request.
"""

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from linkwell.audit.record import audits_folder, no_lists
from linkwell.base.errors import SafetyError
from linkwell.base.ids import LINK_ID_BYTES, binary_array
from linkwell.base.shards import atomic_path, read_tables
from linkwell.base.workspace import Workspace, check_name
from linkwell.engine import Engine
from linkwell.ledger import read_ledger
from linkwell.lists import load_matcher
from linkwell.populate import PopulateOptions, PopulateReport, populate

_ROWS_AT_ONCE = 1_000_000
"""Links whose entries are looked for in one pass over the ledger."""


def require_live(workspace: Workspace) -> None:
    """Stop where the settings do not allow to look live, or there is no list to look for.

    Raises:
        SafetyError: so it is.
    """
    if not workspace.settings.audit.live:
        raise SafetyError(
            "live checks are switched off",
            "audit.live",
            "Nobody has a general licence to download for verification. Set live = true once your counsel says that you may.",
        )
    if load_matcher(workspace).empty:
        raise no_lists(workspace)


def check_live(
    workspace: Workspace,
    links: Sequence[Path],
    label: str,
    *,
    limit: int,
    engine: Engine,
    withhold: Collection[bytes] = (),
    allow_net: tuple[str, ...] = (),
) -> PopulateReport | None:
    """Fetch links without a ledger entry into memory, enter their digests and matches, and drop them.

    A run that is killed leaves a folder of outcomes, no image; the next goes on without what it entered.

    Args:
        workspace: whose lists and ledger.
        links: shards of a build or a release.
        label: of the audit.
        limit: at most so many links, the first ones; they and what the ledger has of them fit into memory.
        engine: what fetches.
        withhold: links not to fetch: those in quarantine.
        allow_net: networks that may be connected to although they are private, in CIDR notation.

    Returns:
        What became of them; None where every link has an entry.

    Raises:
        SafetyError: `require_live` says no.
        DamagedFileError: a shard or a part of the ledger does not read.
    """
    require_live(workspace)
    folder = audits_folder(workspace) / f".live-{check_name(label, 'audit')}"
    audits_folder(workspace).mkdir(mode=0o700, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)  # of a killed run: its table names what it asked for
    chosen = _never_fetched(workspace, links, limit, set(withhold))
    if chosen is None:
        return None
    folder.mkdir(mode=0o700)
    try:
        shard = folder / "links.parquet"
        with atomic_path(shard) as temporary:
            pq.write_table(chosen, temporary)
        options = PopulateOptions(output="none", keep_original=True, respect=(), allow_net=allow_net)
        return populate(
            workspace, folder / "outcomes", links=[shard], engine=engine, options=options, withhold=withhold
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _never_fetched(workspace: Workspace, links: Sequence[Path], limit: int, withhold: set[bytes]) -> pa.Table | None:
    """The first links without an entry in the ledger."""
    chosen: list[pa.Table] = []
    room = limit
    for table in read_tables(links, batch_rows=_ROWS_AT_ONCE):
        known = _known(workspace, table["link_id"])
        fresh = [
            row for row, link in enumerate(table["link_id"].to_pylist()) if link not in known and link not in withhold
        ][:room]
        chosen.append(table.take(fresh))
        room -= len(fresh)
        if not room:
            break
    found = pa.concat_tables(chosen) if chosen else None
    return found if found is not None and found.num_rows else None


def _known(workspace: Workspace, ids: pa.ChunkedArray) -> set[bytes]:  # type: ignore[type-arg] # not subscriptable at run time
    """Which of some link ids are in the ledger."""
    wanted = binary_array([bytes(one or b"") for one in ids.to_pylist()], LINK_ID_BYTES)
    return {
        bytes(link or b"")
        for table in read_ledger(workspace, ["link_id"])
        for link in table.filter(pc.is_in(table["link_id"], value_set=wanted))["link_id"].to_pylist()
    }
