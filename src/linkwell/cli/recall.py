"""Commands about recalls: `recall measure|create|publish|list|show|holders|urgent`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from linkwell.base.counts import plural
from linkwell.cli.output import JsonOption, WhoOption, WorkspaceOption, emit, emit_rows, open_engine, open_workspace
from linkwell.cli.together import require


def add_recall_commands(app: typer.Typer) -> None:
    """Add the commands to the program."""
    group = typer.Typer(no_args_is_help=True, help="Recall what was taken down: batches, signed, in the feed.")
    group.command("measure")(measure)
    group.command("create")(create)
    group.command("publish")(publish)
    group.command("list")(list_)
    group.command("show")(show)
    group.command("holders")(holders)
    group.command("urgent")(urgent)
    app.add_typer(group, name="recall")


def measure(
    chart: Annotated[
        Path | None, typer.Option("--chart", metavar="FILE", help="Write a picture of it, SVG, to this file.")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what the next covered batch would tell an attacker. Nothing is made, and nothing of it is for the public.

    The leak meter plays somebody who holds every release and every batch and ranks what leaves: by host, score, caption, over time and so
    on. Of as many guesses as there are entries, the share that is right must stay under recall.max_attacker_precision. Exit code 1: it
    does not.

    Example: linkwell recall measure --chart leak.svg
    """
    from linkwell.base.shards import write_bytes
    from linkwell.recall import leak_chart, measure_next, outside_view

    opened = open_workspace(workspace)
    report, waits = measure_next(opened)
    if report is None:
        emit(
            {"planned": False, "waits_until": waits.isoformat() if waits else None},
            as_json,
            f"The next covered batch may come on {waits}." if waits else "Nothing is to be recalled under cover.",
        )
        return
    bound = opened.settings.recall.max_attacker_precision
    if chart is not None:
        write_bytes(chart, leak_chart(report, bound).encode())
    passes = report.worst.precision <= bound
    outside = outside_view(report.cells, opened.settings.recall)
    told = [f"at most {plural(outside.most_hit_cells, 'of its cells is', 'of its cells are')} hit"]
    told += ["its size says that something is"] * outside.size_tells + [
        "its coming says that something is"
    ] * outside.day_tells
    emit(
        {
            "planned": True,
            "passes": passes,
            "bound": bound,
            "hits": report.hits,
            "removed": report.removed,
            "cells": report.cells,
            "rows": report.rows,
            "attacks": {attack.name: attack.precision for attack in report.attacks},
            "cell_precision": report.cell_precision,
            "size_and_day": asdict(outside),
        },
        as_json,
        f"The next covered batch takes {report.removed:,} of {plural(report.rows, 'row')}, in {plural(report.cells, 'cell')}.",
        f"An attacker who names {report.hits:,} of them would be right in",
        *(f"  {attack.precision:8.4%}  by {attack.name}" for attack in report.attacks),
        f"From outside: {'; '.join(told)}.",
        f"The bound is {bound:.1%}: the batch {'may go out' if passes else 'is refused'}.",
        *([f"Chart: {chart}"] if chart is not None else []),
    )
    if not passes:
        raise typer.Exit(1)


def create(
    who: WhoOption,
    override: Annotated[
        str | None,
        typer.Option(
            "--override",
            metavar="REASON",
            help="Make a batch that the leak meter refuses; the reason stands in the log.",
        ),
    ] = None,
    second: Annotated[
        str | None, typer.Option("--second", metavar="WHO2", help="Who agrees to --override: another person.")
    ] = None,
    workspace: WorkspaceOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Put upheld takedowns into recall batches, and reissue every release without them.

    Entries that must not be pointed at leave with their whole cell, padded with cells that nobody can tell from them, and
    without a reason; opt-outs, licence and dead links leave one by one, with the reason. The leak meter must let the batch pass
    (linkwell recall measure). Nothing is published yet.

    Example: linkwell recall create --as ada
    """
    from linkwell.base.errors import UsageError
    from linkwell.recall import Override, create_recall, list_recalls, read_state

    if (override is None) != (second is None):
        raise UsageError("--override and --second go together", "recall create", "Say why, and who agrees.")
    opened = open_workspace(workspace)
    agreed = Override(override, second) if override is not None and second is not None else None
    info = create_recall(opened, engine=open_engine(opened), who=who, override=agreed)
    lines = [
        f"Recall {b.sequence}: {b.kind}, {plural(b.cell_count, 'cell')}, {plural(b.row_count, 'link')}"
        for b in info.batches
    ] or ["Nothing new to recall."]
    if info.reissued:
        lines.append(f"Reissued: {', '.join(info.reissued)}")
    if info.without_release:
        lines.append(
            f"{plural(info.without_release, 'upheld entry is', 'upheld entries are')} in no release: for that there is nothing to publish."
        )
    if info.short_of_padding:
        lines.append("Too few cells are left to pad the batch in full.")
    if info.leak is not None and info.leak.hits:
        bound = opened.settings.recall.max_attacker_precision
        lines.append(
            f"Leak meter: an attacker is right in {info.leak.worst.precision:.2%} at best; the bound is {bound:.1%}."
        )
    if info.waits_until is not None:
        lines.append(f"Covered takedowns wait for the batch of {info.waits_until}; until then they are in quarantine.")
    made = {b.sequence for b in info.batches}
    waiting = [b.sequence for b in list_recalls(opened) if b.sequence > read_state(opened).published]
    if waiting and not made:
        # A run that was stopped after it had made them, or one that was never published: "nothing new" is not the whole truth.
        lines.append(f"Not published yet: recall {', '.join(map(str, waiting))}.")
    if waiting or info.reissued:
        lines.append("Publish it with: linkwell recall publish --as WHO")
    emit(
        {
            "batches": [_row(b) for b in info.batches],
            "unpublished": waiting,
            "reissued": list(info.reissued),
            "without_release": info.without_release,
            "short_of_padding": info.short_of_padding,
            "waits_until": info.waits_until.isoformat() if info.waits_until else None,
        },
        as_json,
        *lines,
    )


def publish(who: WhoOption, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Publish recall batches and the reissued releases in one signed step.

    Example: linkwell recall publish --as ada
    """
    from linkwell.recall import publish_recall

    published = publish_recall(open_workspace(workspace), who)
    emit(
        {"published": [_row(b) for b in published.batches], "releases": list(published.releases)},
        as_json,
        f"Published recalls: {', '.join(str(b.sequence) for b in published.batches) or 'none that were not there'}",
        f"Releases in the feed: {', '.join(published.releases) or 'none'}",
    )


def list_(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the recalls of this workspace.

    Example: linkwell recall list
    """
    from linkwell.recall import list_recalls, read_state

    opened = open_workspace(workspace)
    published = read_state(opened).published
    rows = [_row(b) | {"published": b.sequence <= published} for b in list_recalls(opened)]
    emit_rows(rows, as_json, "recalls", "There are no recalls.")


def show(
    sequence: Annotated[int, typer.Argument(metavar="N", help="Number of the recall.")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one recall: what goes, from which releases, and the reasons where there are any.

    Example: linkwell recall show 1
    """
    from linkwell.recall import read_state, recall_details, recall_touches, record_id

    opened = open_workspace(workspace)
    details = recall_details(opened, sequence)
    batch = details.batch
    touched = recall_touches(opened, batch)
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in details.reasons.items())
    emit(
        _row(batch)
        | {
            "id": record_id(batch),
            "published": batch.sequence <= read_state(opened).published,
            "releases": batch.releases,
            "previous": batch.previous,
            "sha256": details.sha256,
            "reasons": details.reasons,
            "cell_numbers": list(details.cells),
            "touches": [entry.name for entry in touched],
        },
        as_json,
        f"Recall {batch.sequence} of {batch.dataset}, issued {batch.issued}: {batch.kind}",
        f"{record_id(batch)}, {'in the feed' if batch.sequence <= read_state(opened).published else 'not published yet'}",
        f"{plural(batch.cell_count, 'cell')}, {plural(batch.row_count, 'link')}, from {', '.join(batch.releases)}",
        f"Reasons: {reasons}" if reasons else "No reason is given for the cells of a covered recall.",
        f"SHA-256 of batch.json: {details.sha256}",
        *(f"Touches the {e.kind} {e.name}{f' of {e.holder}' if e.holder else ''}: not applied yet" for e in touched),
    )


def holders(
    add: Annotated[
        str | None, typer.Option("--add", metavar="NAME=KEY", help="Name a holder with his public age key.")
    ] = None,
    remove: Annotated[
        str | None, typer.Option("--remove", metavar="NAME", help="Send this holder nothing more.")
    ] = None,
    who: Annotated[str | None, typer.Option("--as", metavar="WHO", help="Who you are; needed for a change.")] = None,
    second: Annotated[str | None, typer.Option("--second", metavar="WHO2", help="Who agrees: another person.")] = None,
    workspace: WorkspaceOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show or change who is told of urgent takedowns exactly. A change takes two people and stands in the log.

    Example: linkwell recall holders --add lab=age1… --as ada --second ben
    """
    from linkwell.base.errors import UsageError
    from linkwell.recall import add_holder, list_holders, remove_holder

    opened = open_workspace(workspace)
    change = add is not None or remove is not None
    require("--as", "--add or --remove", given=who, there=change)
    require("--second", "--add or --remove", given=second, there=change)
    if change:
        if who is None or second is None:
            raise UsageError("a change takes two people", "recall holders", "Give --as WHO and --second WHO2.")
        if remove is not None:
            remove_holder(opened, remove, who=who, second=second)
        if add is not None:
            name, equals, key = add.partition("=")
            if not equals:
                raise UsageError("this is not NAME=KEY", "--add", "Example: --add lab=age1…")
            add_holder(opened, name, key, who=who, second=second)
    rows: list[dict[str, object]] = [{"name": each.name, "key": each.age_key} for each in list_holders(opened)]
    emit_rows(rows, as_json, "holders", "Nobody is named as a holder.")


def urgent(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Gets one file for each holder: NAME.age.")],
    who: WhoOption,
    second: Annotated[str, typer.Option("--second", metavar="WHO2", help="Who agrees: another person.")],
    to: Annotated[
        list[str] | None,
        typer.Option("--to", metavar="NAME", help="A holder to tell. Repeatable. [default: all]"),
    ] = None,
    workspace: WorkspaceOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Write the exact ids of upheld covered takedowns, encrypted to each named holder (age). It stands in the log.

    For holders who are bound by an agreement, before the next batch comes. Send each file to its holder, who opens it with: age -d -i KEY

    Example: linkwell recall urgent out --as ada --second ben
    """
    from linkwell.recall import write_urgent

    paths, entries = write_urgent(open_workspace(workspace), folder, to or (), who=who, second=second)
    emit(
        {"files": [str(path) for path in paths], "entries": entries},
        as_json,
        *(f"{path}: {plural(entries, 'entry', 'entries')}" for path in paths),
        "Each opens with its holder's key only. Delete them once they are sent."
        if paths
        else "Nothing to tell: no upheld covered entry is in a release. No file was written.",
    )


def _row(batch: object) -> dict[str, object]:
    from linkwell.recall import Batch

    assert isinstance(batch, Batch)  # noqa: S101 - narrows for the type checker without importing it at start
    return {
        "sequence": batch.sequence,
        "kind": batch.kind,
        "issued": batch.issued,
        "cells": batch.cell_count,
        "links": batch.row_count,
    }
