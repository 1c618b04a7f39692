"""Commands about recalls: `recall create|publish|list|show`."""

from typing import Annotated

import typer

from linkwell.cli.output import JsonOption, WhoOption, WorkspaceOption, emit, emit_rows, open_engine, open_workspace


def add_recall_commands(app: typer.Typer) -> None:
    """Add the commands to the program."""
    group = typer.Typer(no_args_is_help=True, help="Recall what was taken down: batches, signed, in the feed.")
    group.command("create")(create)
    group.command("publish")(publish)
    group.command("list")(list_)
    group.command("show")(show)
    app.add_typer(group, name="recall")


def create(who: WhoOption, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Put upheld takedowns into recall batches, and reissue every release without them.

    Entries that must not be pointed at leave with their whole cell, padded with cells that nobody can tell from them, and
    without a reason; opt-outs, licence and dead links leave one by one, with the reason. Nothing is published yet.

    Example: linkwell recall create --as ada
    """
    from linkwell.recall import create_recall, list_recalls, read_state

    opened = open_workspace(workspace)
    info = create_recall(opened, engine=open_engine(opened), who=who)
    lines = [f"Recall {b.sequence}: {b.kind}, {b.cell_count:,} cells, {b.row_count:,} links" for b in info.batches] or [
        "Nothing new to recall."
    ]
    if info.reissued:
        lines.append(f"Reissued: {', '.join(info.reissued)}")
    if info.without_release:
        lines.append(
            f"{info.without_release:,} upheld entries are in no release, so there is nothing to publish for them."
        )
    if info.short_of_padding:
        lines.append("Too few cells are left to pad the batch in full.")
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
    from linkwell.recall import recall_details

    opened = open_workspace(workspace)
    details = recall_details(opened, sequence)
    batch = details.batch
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in details.reasons.items())
    emit(
        _row(batch)
        | {
            "releases": batch.releases,
            "previous": batch.previous,
            "sha256": details.sha256,
            "reasons": details.reasons,
            "cell_numbers": list(details.cells),
        },
        as_json,
        f"Recall {batch.sequence} of {batch.dataset}, issued {batch.issued}: {batch.kind}",
        f"{batch.cell_count:,} cells, {batch.row_count:,} links, from {', '.join(batch.releases)}",
        f"Reasons: {reasons}" if reasons else "No reason is given for the cells of a covered recall.",
        f"SHA-256 of batch.json: {details.sha256}",
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
