"""Commands about what was derived from releases: `lineage add|list|affected|forget`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from linkwell.base.errors import UsageError
from linkwell.cli.output import JsonOption, WhoOption, WorkspaceOption, emit, emit_rows, open_workspace
from linkwell.cli.together import require

if TYPE_CHECKING:
    from linkwell.recall import Derived

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="What it is called.")]


def add_lineage_commands(app: typer.Typer) -> None:
    """Add the commands to the program."""
    group = typer.Typer(
        no_args_is_help=True, help="Record what was derived from releases, so that a recall can name it."
    )
    group.command("add")(add)
    group.command("list")(list_)
    group.command("affected")(affected)
    group.command("forget")(forget)
    app.add_typer(group, name="lineage")


def add(  # noqa: PLR0917 - Typer declares options as arguments
    name: NameArgument,
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="copy, embedding, index, model or dataset.")],
    source: Annotated[
        list[str], typer.Option("--from", metavar="SOURCE", help="A release, or another entry. Repeatable.")
    ],
    who: WhoOption,
    holder: Annotated[str, typer.Option("--holder", metavar="NAME", help="Who holds it. [default: ourselves]")] = "",
    contact: Annotated[str, typer.Option("--contact", metavar="TEXT", help="How the holder is reached.")] = "",
    place: Annotated[str, typer.Option("--place", metavar="TEXT", help="Where it is.")] = "",
    receipt: Annotated[
        Path | None, typer.Option("--receipt", metavar="FILE", help="Receipt of the last purge of it.")
    ] = None,
    fingerprint: Annotated[
        str | None,
        typer.Option("--fingerprint", metavar="HEX", help="Fingerprint of the key that must have signed the receipt."),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record something that was derived from a release: a copy, embeddings, an index, a model, another dataset.

    Give it again with the receipt of a purge, and recalls up to that one touch it no more.

    Example: linkwell lineage add lab-copy --kind copy --from v1 --holder "Lab of Birds" --as ada
    """
    from linkwell.purge import read_receipt
    from linkwell.recall import LINEAGE_KINDS, Derived, Lineage
    from linkwell.release import list_releases

    require("--fingerprint", "--receipt", given=fingerprint, there=receipt)
    if kind not in LINEAGE_KINDS:
        raise UsageError(f"{kind!r} is no kind of derived thing", advice=f"One of: {', '.join(LINEAGE_KINDS)}.")
    opened = open_workspace(workspace)
    sequence = 0
    if receipt is not None:
        stated = read_receipt(receipt, fingerprint).statement
        if stated.dataset != opened.settings.dataset or not stated.complete:
            raise UsageError(
                "this receipt is of another dataset, or says that the purge was not complete", str(receipt)
            )
        sequence = stated.feed.sequence
    versions = [release.version for release in list_releases(opened)]
    entry = Derived(
        name,
        kind,  # type: ignore[arg-type] # it is one of them
        opened.settings.dataset,
        tuple(source),
        holder,
        contact,
        place,
        sequence,
        added_by=who,
    )
    with opened.lock("lineage"):
        added = Lineage.open(opened).add(entry, versions)
    emit(_row(added), as_json, f"Recorded: {kind} {name}, from {', '.join(source)}, recalls up to {sequence} applied")


def list_(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List what was derived from releases.

    Example: linkwell lineage list
    """
    from linkwell.recall import Lineage

    entries = Lineage.open(open_workspace(workspace)).entries
    emit_rows([_row(entry) for entry in entries], as_json, "derived", "Nothing is recorded.")


def affected(
    sequence: Annotated[int, typer.Argument(metavar="N", help="Number of the recall.")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what a recall touches: derived from a release it is about, and not known to have it applied.

    Exit code 1 when there is something.

    Example: linkwell lineage affected 3
    """
    from linkwell.recall import recall_touches, show_recall

    opened = open_workspace(workspace)
    rows = [_row(entry) for entry in recall_touches(opened, show_recall(opened, sequence))]
    emit_rows(rows, as_json, "affected", "Nothing that is recorded.")
    if rows:
        raise typer.Exit(1)


def forget(name: NameArgument, who: WhoOption, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Remove an entry, because what it names is no more.

    Example: linkwell lineage forget lab-copy --as ada
    """
    from linkwell.recall import Lineage

    opened = open_workspace(workspace)
    with opened.lock("lineage"):
        Lineage.open(opened).forget(name)
    emit({"forgotten": name, "by": who}, as_json, f"Forgotten: {name}")


def _row(entry: "Derived") -> dict[str, object]:
    return {
        "name": entry.name,
        "kind": entry.kind,
        "from": ", ".join(entry.sources),
        "holder": entry.holder,
        "contact": entry.contact,
        "place": entry.place,
        "applied": entry.sequence,
        "added": entry.added,
    }
