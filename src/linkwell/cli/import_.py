"""The command `import`: other projects' tables and plain lists become a build."""

from typing import Annotated

import msgspec
import typer

from linkwell.base.counts import counted, plural
from linkwell.cli.against import AgainstOption, find_against
from linkwell.cli.output import JsonOption, WorkspaceOption, emit, open_engine, open_workspace


def add_import_commands(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("import")(import_)


def import_(  # noqa: PLR0917 - Typer declares options as arguments
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="Parquet files; lists as txt, csv, tsv, json or jsonl, compressed or not; URLs of these; or folders.",
        ),
    ],
    table_format: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="NAME",
            help=(
                "auto; laion400m (base LAION-2B too), laion, laion-md5, relaion, datacomp, coyo, cc2dataset, linkwell, other; "
                "or, for a list whose name does not tell, txt, csv, tsv, json, jsonl."
            ),
        ),
    ] = "auto",
    url_column: Annotated[
        str | None, typer.Option("--url-column", metavar="C", help="The column with the URL. [default: by its name]")
    ] = None,
    text_column: Annotated[
        str | None, typer.Option("--text-column", metavar="C", help="The column with the text. [default: by its name]")
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option("--encoding", metavar="E", help="Encoding of lists without a byte order mark. [default: utf-8]"),
    ] = None,
    crawl: Annotated[
        str, typer.Option("--crawl", metavar="NAME", help="What the links' column crawl is to say.")
    ] = "import",
    language: Annotated[
        bool, typer.Option("--language/--no-language", help="Detect the language of texts where no column tells it.")
    ] = True,
    against: AgainstOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import links from other projects' tables or from plain lists, as a build.

    LAION-400M, LAION-2B and 5B, Re-LAION, DataComp, COYO and cc2dataset are told by their columns, and what was recognised is said.
    What their pages state about consent is unknown, as these tables do not say it. Exit code 1: done, but some rows were no links.

    Example: linkwell import laion400m/*.parquet
    """
    from linkwell.build import ImportOptions, import_links

    opened = open_workspace(workspace)
    report = import_links(
        opened,
        files,
        options=ImportOptions(table_format, url_column, text_column, encoding, crawl, language),
        engine=open_engine(opened),
        against=find_against(opened, against or ()),
    )
    rejected = sum(report.rejected.values())
    summary = (
        f"{plural(report.rows, 'row')} in {plural(len(report.files), 'file')}: {plural(report.links, 'link')}, {plural(report.duplicates, 'duplicate')}, "
        f"{report.known:,} known already, {rejected:,} rejected."
    )
    lines = [summary]
    if rejected:
        lines.append(f"Rejected: {counted(report.rejected)}.")
    for file in report.files:
        read_as = ", ".join(f"{ours} from {theirs}" for ours, theirs in file.columns.items())
        lines += [f"{file.path}: {'; '.join(file.notes)}.", f"  {read_as}"]
        for reason, rows in file.rejected_rows.items():
            lines.append(f"  {reason}: row {', '.join(map(str, rows))}{' …' if len(rows) == 10 else ''}")  # noqa: PLR2004
    emit(msgspec.to_builtins(report), as_json, *lines)
    if rejected:
        raise typer.Exit(1)
