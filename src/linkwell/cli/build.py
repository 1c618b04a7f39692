"""The command `build`: from web archives to links."""

from typing import Annotated

import msgspec
import typer

from linkwell.base.counts import counted, plural
from linkwell.cli.against import AgainstOption, find_against
from linkwell.cli.output import JsonOption, WorkspaceOption, emit, open_engine, open_workspace


def add_build_commands(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("build")(build)


def build(  # noqa: PLR0917 - one parameter for each option
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="WAT or WARC files, gzipped or not: paths, URLs, patterns, folders, or lists of them (.txt, .paths.gz, @LIST).",
        ),
    ],
    crawl: Annotated[
        str | None, typer.Option("--crawl", help="Name of the crawl. [default: as each archive says]", metavar="NAME")
    ] = None,
    well_known: Annotated[
        list[str] | None,
        typer.Option(
            "--well-known",
            help="WARC files read for robots.txt and its like only, such as Common Crawl's robotstxt files: named as SOURCE is.",
            metavar="FILES",
        ),
    ] = None,
    against: AgainstOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take image links with their texts out of web archives, with what their pages say about consent and licence.

    The same command goes on where a stopped one left off. Exit code 1: done, but a source was damaged or cut short.

    Example: linkwell build crawl/*.warc.wat.gz --crawl CC-MAIN-2024-22 --well-known 'robotstxt/*.warc.gz'
    """
    from linkwell.build import build as run_build

    opened = open_workspace(workspace)
    earlier = find_against(opened, against or ())
    report = run_build(
        opened, sources, crawl=crawl, engine=open_engine(opened), against=earlier, well_known=well_known or ()
    )
    summary = (
        f"{plural(report.pages, 'page')} in {plural(report.sources, 'archive')}, with {plural(report.images, 'image')}: "
        f"{plural(report.links, 'link')}, {plural(report.duplicates, 'duplicate')}, {sum(report.rejected.values()):,} rejected."
    )
    lines = [summary]
    if earlier:
        lines.append(f"Known already: {report.known:,}.")
    if report.rejected:
        lines.append(f"Rejected: {counted(report.rejected)}.")
    if report.well_known_files:
        lines.append(f"Files of hosts (robots.txt and its like): {report.well_known_files:,}.")
    elif well_known:
        lines.append("No robots.txt or its like is in the files given for them.")
    if report.signals:
        lines.append(f"Statements about consent: {counted(report.signals)}.")
    if not report.links:
        lines.append("No link: the current build stays the one it was.")
    if report.damaged:
        cut = {"truncated files": report.truncated_files} if report.truncated_files else {}
        lines.append(f"Damaged: {counted({**report.broken, **cut})}. The rest was read; fetch the damaged files again.")
    emit(msgspec.to_builtins(report), as_json, *lines)
    if report.damaged:
        raise typer.Exit(1)
