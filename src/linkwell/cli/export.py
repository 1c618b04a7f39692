"""The commands `export` and `credit`: links in others' columns, and who is to be named for them."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from linkwell.base.counts import plural
from linkwell.base.workspace import Workspace
from linkwell.cli.output import JsonOption, WorkspaceOption, emit, open_engine, open_workspace


def add_export_commands(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("export")(export)
    app.command("credit")(credit)


ReleaseOption = Annotated[
    str | None, typer.Option("--release", metavar="V", help="The release. [default: the current build]")
]


def _links_of(workspace: Workspace, release: str | None) -> tuple[list[Path], set[bytes], str]:
    """Shards, what is left out of them, and what they are: a release is whole, a build is without what waits for a decision."""
    if release is not None:
        from linkwell.release import open_release

        found = open_release(workspace, release)
        return list(found.parts), set(), f"release {found.version} revision {found.revision}"
    from linkwell.build import current_build
    from linkwell.cases import CaseBook, resolve_reports
    from linkwell.recall import recalled_links

    build = current_build(workspace)
    resolve_reports(workspace, build.links, open_engine(workspace))
    return list(build.links), CaseBook.open(workspace).quarantined() | recalled_links(workspace), f"build {build.name}"


def export(
    to: Annotated[
        Path, typer.Argument(metavar="TO", help="The folder for the parquet files: new, or of an earlier export.")
    ],
    kind: Annotated[
        str, typer.Option("--as", metavar="KIND", help="Whose columns: laion (joined), datacomp or img2dataset.")
    ],
    release: ReleaseOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a release, or the current build, as parquet in LAION's, DataComp's or img2dataset's columns.

    A release is written as it is published; of a build, what is quarantined or recalled is left out. No content digest is in it.

    Example: linkwell export --as laion exports/birds --release v1
    """
    from linkwell.build import export_links

    opened = open_workspace(workspace)
    links, withhold, source = _links_of(opened, release)
    report = export_links(
        opened, to, links=links, kind=kind, engine=open_engine(opened), withhold=withhold, source=source
    )
    emit(
        {"to": str(to), "source": source, **msgspec.to_builtins(report)},
        as_json,
        f"{plural(report.rows, 'link')} of {source} written to {to}, {plural(report.files, 'file')}; left out: {report.left_out:,}.",
        f"Columns: {', '.join(report.columns)}.",
    )


def credit(  # noqa: PLR0917 - Typer declares options as arguments
    to: Annotated[Path, typer.Argument(metavar="TO", help="The file to write.")],
    urls: Annotated[
        list[str] | None,
        typer.Argument(metavar="URL", help="Only these links, by their URLs as stored. [default: all]"),
    ] = None,
    release: ReleaseOption = None,
    output: Annotated[str, typer.Option("--as", metavar="FORMAT", help="text, csv or json.")] = "text",
    grouped: Annotated[
        bool, typer.Option("--grouped", help="One entry for each site, name and licence, with the number of links.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write who is to be named for links: page, site, name and licence, as far as they were stated.

    Exit code 1: done, but some of the URLs named are not there.

    Example: linkwell credit CREDITS.csv --release v1 --as csv
    """
    from linkwell.base.ids import link_id
    from linkwell.build import write_credit

    opened = open_workspace(workspace)
    links, withhold, source = _links_of(opened, release)
    report = write_credit(
        to,
        links=links,
        output=output,
        wanted={link_id(url) for url in urls} if urls else None,
        withhold=withhold,
        grouped=grouped,
    )
    missing = [f"Not there: {report.missing:,}."] if report.missing else []
    emit(
        {"to": str(to), "source": source, **msgspec.to_builtins(report)},
        as_json,
        f"{plural(report.entries, 'entry', 'entries')} for {plural(report.links, 'link')} of {source} written to {to}; "
        f"somebody is named for {report.named:,}, a licence is stated for {report.licensed:,}.",
        *missing,
    )
    if report.missing:
        raise typer.Exit(1)
