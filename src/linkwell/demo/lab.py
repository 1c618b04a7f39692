"""The steps of the lab that holds a copy, and of somebody who looks at that copy afterwards."""

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

from linkwell.base.counts import plural
from linkwell.base.errors import SafetyError
from linkwell.demo.cycle import VERSION, Cycle
from linkwell.demo.leftovers import look_for, traces_of
from linkwell.demo.telling import counted
from linkwell.populate import populate
from linkwell.purge import (
    RECEIPTS_FOLDER,
    apply,
    feed_facts,
    fingerprint,
    open_feed,
    plan,
    read_receipt,
    receipts_in,
    verify,
)
from linkwell.recall import Recalled, load_recalled
from linkwell.release import open_release

_FEED = "lab/copy --feed workspace/feed --state lab/state"
_NEVER = "This must never happen: please report it."


def fetch_pictures(cycle: Cycle) -> None:
    """Populate a copy from the release."""
    options = (
        " --from-archive FILE" if cycle.place.options.from_archive else " --resolve HOST:PORT:ADDRESS… --allow-net CIDR"
    )
    command = f"linkwell populate lab/copy --release {VERSION}{options}"
    with cycle.tell.step("A lab fetches the pictures", command) as notes:
        made = open_release(cycle.workspace, VERSION)
        report = populate(
            cycle.workspace,
            cycle.folder.copy,
            links=made.parts,
            engine=cycle.engine,
            options=cycle.place.options,
            withhold=cycle.book.quarantined(),
            release=VERSION,
            revision=made.revision,
        )
        cycle.outcome.populated = report
        notes.say(
            f"{plural(report.success, 'picture')} of {plural(report.links, 'link')}, {report.images_per_second:.0f} a second."
        )
        if report.failed:
            notes.say(f"Not fetched: {counted(report.failed)}.")
        notes.say("What each picture hashes to went into the ledger, so that a later list needs no link opened.")


def ask_what_goes(cycle: Cycle) -> None:
    """Read the feed, and plan the purge."""
    command = f"linkwell purge plan {_FEED} --root workspace/feed/metadata/1.root.json"
    with cycle.tell.step("The lab asks what must go", command) as notes:
        root = cycle.workspace.feed / "metadata" / "1.root.json"
        client = open_feed(str(cycle.workspace.feed), cycle.folder.lab_state, root=root)
        cycle.recalled = load_recalled(client, cycle.outcome.dataset)
        cycle.traces = traces_of(cycle.folder.copy, cycle.recalled.link_ids)
        found = plan(cycle.folder.copy, cycle.recalled)
        cycle.outcome.planned = found
        cycle.outcome.copy_rows_before, cycle.outcome.pictures_before = _counts(cycle.folder.copy)
        cycle.outcome.copy_removed = _recalled_rows(cycle.folder.copy, cycle.recalled)
        notes.say(
            f"The feed's signatures hold. {plural(len(found.files), 'file')} would be rewritten, {found.untouched:,} kept as before."
        )


def purge_copy(cycle: Cycle) -> None:
    """Apply the recalls, read the receipt, verify."""
    command = f"linkwell purge apply {_FEED} && linkwell purge verify {_FEED}"
    with cycle.tell.step("The lab purges its copy", command) as notes:
        copy, state, outcome = cycle.folder.copy, cycle.folder.lab_state, cycle.outcome
        facts = feed_facts(state, cycle.recalled)
        made = apply(copy, cycle.recalled, engine=cycle.engine, state=state, feed=facts)
        receipt = read_receipt(receipts_in(state / RECEIPTS_FOLDER)[-1], fingerprint(made.public_key))
        report = verify(copy, cycle.recalled, receipt)
        outcome.receipt, outcome.verified = receipt, report
        outcome.copy_rows_after, outcome.pictures_after = _counts(copy)
        rows = plural(outcome.copy_rows_before - outcome.copy_rows_after, "row")
        pictures = plural(outcome.pictures_before - outcome.pictures_after, "picture")
        if not (report.clean and report.untouched and receipt.statement.complete):
            raise SafetyError("the purged copy does not verify", str(copy), _NEVER)
        notes.say(f"{rows} and {pictures} removed. The receipt is signed, and every file is what it says.")


def look_again(cycle: Cycle) -> None:
    """Scan the copy and the release for what was recalled, by other means than the purge's."""
    with cycle.tell.step("Somebody else looks", "(every byte is read, by none of the purge's own code)") as notes:
        copy = look_for(cycle.traces, cycle.folder.copy)
        parts = look_for(cycle.traces, cycle.workspace.releases / VERSION / "parts")
        cycle.outcome.looked, cycle.outcome.looked_release = copy, parts
        cycle.outcome.traced_rows = cycle.traces.rows
        if copy.hits or parts.hits:
            raise SafetyError("something recalled is left", str(cycle.folder.root), _NEVER)
        notes.say(
            f"URLs, texts, keys, ids and digests of {plural(cycle.traces.rows, 'recalled row')}: "
            f"none is left in {plural(copy.files, 'file')} of the copy ({copy.bytes / 1e6:.1f} MB), nor in the reissued release."
        )


def _recalled_rows(copy: Path, recalled: Recalled) -> dict[str, int]:
    """Rows of a copy that are recalled, by public class."""
    counts: Counter[str] = Counter()
    for path in copy.glob("*.parquet"):
        for row in pq.read_table(path, columns=["cell", "link_id"]).to_pylist():
            if row["cell"] in recalled.cells:
                counts["recalled_cells"] += 1
            elif reason := recalled.reasons.get(row["link_id"]):
                counts[reason.replace("-", "_")] += 1
    return dict(counts)


def _counts(copy: Path) -> tuple[int, int]:
    """Rows of a copy, and rows that have a picture."""
    statuses = [pq.read_table(path, columns=["status"])["status"].to_pylist() for path in copy.glob("*.parquet")]
    return sum(map(len, statuses)), sum(status == "success" for table in statuses for status in table)
