"""Commands about releases: `release create`, `verify`, `publish`, `withdraw`, `list`; `get`, for who has only the feed."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from linkwell.base.counts import counted, plural
from linkwell.cli.output import (
    JsonOption,
    WhoOption,
    WorkspaceOption,
    emit,
    emit_rows,
    open_engine,
    open_workspace,
)
from linkwell.cli.purge import AllowNetOption, FeedOption, RootOption

if TYPE_CHECKING:
    from linkwell.release import ReleaseInfo

VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", help="The release's version, such as v1.")]


def add_release_commands(app: typer.Typer) -> None:
    """Add the group to the program."""
    group = typer.Typer(no_args_is_help=True, help="Make, check, publish and withdraw releases of the dataset.")
    group.command("create")(create)
    group.command("verify")(verify)
    group.command("explain-cells")(explain)
    group.command("publish")(publish)
    group.command("withdraw")(withdraw)
    group.command("list")(list_all)
    group.command("get")(get)
    app.add_typer(group, name="release")


def create(
    version: VersionArgument,
    who: WhoOption,
    without_audit: Annotated[
        str | None,
        typer.Option(
            "--without-audit",
            metavar="REASON",
            help="Release links that were not audited; the reason stands in the manifest and in the log.",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a release of the current build: cut into cells, without what was taken down, signed. It is not public yet.

    Entries in quarantine are left out with their whole cell, so that nothing points at them. Exit code 1: made, with a warning.

    Example: linkwell release create v1 --as ada
    """
    from linkwell.release import create_release

    opened = open_workspace(workspace)
    info = create_release(opened, version, engine=open_engine(opened), without_audit=without_audit, who=who)
    emit(
        _row(info) | {"removed": info.removed, "warnings": list(info.warnings)},
        as_json,
        f"Release {info.version}: {plural(info.rows, 'link')} in {plural(info.cells, 'cell')} and {plural(info.parts, 'part')}",
        f"Left out: {counted(info.removed) or 'nothing'}",
        *(f"Warning: {warning}" for warning in info.warnings),
        f"Publish it with: linkwell release publish {info.version} --as WHO",
    )
    if info.warnings:
        raise typer.Exit(1)


def verify(version: VersionArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Check a release: signatures, every byte of its parts, counts, cells. Exit code 1: it holds, but something must leave it.

    Example: linkwell release verify v1
    """
    from linkwell.release import verify_release

    report = verify_release(open_workspace(workspace), version)
    lines = [
        f"Release {report.version}, revision {report.revision}, holds: {plural(report.parts, 'part')}, {plural(report.rows, 'link')}"
    ]
    if report.quarantined:
        lines.append(
            f"{plural(report.quarantined, 'of its entries is', 'of its entries are')} in quarantine: decide the cases, then recall."
        )
    if report.recalled_cells:
        lines.append(
            f"{plural(report.recalled_cells, 'of its cells is', 'of its cells are')} recalled and still here: give linkwell recall create again."
        )
    emit(asdict(report), as_json, *lines)
    if not report.is_clean:
        raise typer.Exit(1)


def explain(version: VersionArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Show how the cells of a release came out: their sizes, how much alike their rows are, how shards mix hosts.

    Rows of a cell are what hides an entry that leaves with it: many rows, of the same safety bin and language, of several domains.

    Example: linkwell release explain-cells v1
    """
    from linkwell.release import QUANTILES, explain_cells, open_release

    report = explain_cells(open_release(open_workspace(workspace), version))
    rows = {
        "rows in a cell": report.rows_in_cell,
        "domains in a cell": report.domains_in_cell,
        "same safety bin": report.same_bin,
        "same language": report.same_language,
        "cells in a shard": report.cells_in_shard,
        "domains in a shard": report.domains_in_shard,
    }
    names = ["least" if q == 0 else "most" if q == 100 else f"{q} %" for q in QUANTILES]  # noqa: PLR2004 - per cent
    lines = [
        f"{plural(report.cells, 'cell')} of {plural(report.rows, 'row')} in {plural(report.shards, 'shard')}; k is {report.min_rows:,}"
    ]
    lines.append(" " * 20 + "".join(f"{name:>10}" for name in names))
    for name, values in rows.items():
        lines.append(
            f"{name:<20}"
            + "".join(f"{value:>10,.2f}" if name[:4] == "same" else f"{value:>10,.0f}" for value in values)
        )
    if report.below_min:
        lines.append(
            f"Cells with fewer than k rows now: {report.below_min:,}. A covered recall takes them with their neighbours."
        )
    emit(asdict(report), as_json, *lines)


def publish(
    version: VersionArgument, who: WhoOption, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """Put a release into the feed, where everybody can get it. Its parts are checked first.

    Example: linkwell release publish v1 --as ada
    """
    from linkwell.release import publish_release

    opened = open_workspace(workspace)
    info = publish_release(opened, version, who)
    emit(_row(info), as_json, f"Release {info.version}, revision {info.revision}, is in the feed: {opened.feed}")


def withdraw(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="The release's version, or `all`.")],
    who: WhoOption,
    second: Annotated[str, typer.Option("--second", metavar="WHO2", help="Who agrees: another person.")],
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; it stands in the log and nowhere else.")
    ],
    *,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a release offline at once. A note with version and date stays in the feed; it can be published again.

    Example: linkwell release withdraw v1 --as ada --second ben --reason "under review"
    """
    from linkwell.release import withdraw_all, withdraw_release

    opened = open_workspace(workspace)
    if version == "all":
        gone = withdraw_all(opened, reason, who, second)
    else:
        gone = [withdraw_release(opened, version, reason, who, second)]
    emit(
        {"releases": [_row(info) for info in gone]} if version == "all" else _row(gone[0]),
        as_json,
        f"Out of the feed: {', '.join(info.version for info in gone)}.",
        "Copies that others hold are not: those follow recalls.",
    )


def list_all(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the releases, the oldest first.

    Example: linkwell release list
    """
    from linkwell.release import list_releases

    rows = [_row(info) for info in list_releases(open_workspace(workspace))]
    emit_rows(rows, as_json, "releases", "No release yet. Make one with: linkwell release create v1 --as WHO")


def get(
    folder: Annotated[Path, typer.Argument(metavar="TO", help="Where the release goes.")],
    feed: FeedOption,
    version: Annotated[
        str | None, typer.Option("--release", "--version", metavar="V", help="Which release. [default: the newest]")
    ] = None,
    *,
    dataset: Annotated[
        str | None, typer.Option("--dataset", metavar="NAME", help="Which dataset, where the feed has several.")
    ] = None,
    root: RootOption = None,
    allow_net: AllowNetOption = None,
    connections: Annotated[
        int, typer.Option("--connections", metavar="N", help="Parts in flight at once, 1 to 16.")
    ] = 4,
    as_json: JsonOption = False,
) -> None:
    """Get a release from a feed, every part checked; needs no workspace. Given again, it goes on, or takes a new revision.

    Example: linkwell release get birds --feed https://birds.example/feed --root 1.root.json
    """
    from linkwell.release import get_release

    report = get_release(
        feed,
        folder,
        version=version,
        dataset=dataset,
        trusted_root=root,
        allow_net=allow_net or (),
        connections=connections,
    )
    emit(
        asdict(report),
        as_json,
        f"Release {report.version} of {report.dataset}, revision {report.revision}: {plural(report.rows, 'link')} in {folder}",
        f"Fetched {report.fetched:,} of {plural(report.parts, 'part')}, {report.fetched_bytes / 1e6:,.1f} MB; removed {report.removed:,}.",
    )


def _row(info: "ReleaseInfo") -> dict[str, object]:
    return {
        "version": info.version,
        "revision": info.revision,
        "status": info.status,
        "rows": info.rows,
        "cells": info.cells,
        "parts": info.parts,
        "created": info.created,
    }
