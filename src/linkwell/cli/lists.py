"""Commands about hash lists: `lists import`, `lists show`, `lists forget`."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from linkwell.base.errors import MissingError
from linkwell.cli.output import JsonOption, WhoOption, WorkspaceOption, counted, emit, emit_rows, open_workspace

_NAMED_LINES = 20


def add_lists_commands(app: typer.Typer) -> None:
    """Add the group to the program."""
    group = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None, help="Import, show and forget hash lists (restricted, encrypted)."
    )
    group.command("import")(import_)
    group.command("show")(show)
    group.command("forget")(forget)
    app.add_typer(group, name="lists")


def import_(  # noqa: PLR0917 - Typer passes by name
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The list: text or CSV, gzip or not.")],
    source: Annotated[str, typer.Option("--source", metavar="NAME", help="Who supplied it, in lower case.")],
    list_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="signals (lines `signal_type signal`), tx-csv, or md5, sha1, sha256, pdq or url for bare signals. "
            "[default: told from the first lines]",
        ),
    ] = None,
    synthetic: Annotated[
        bool | None,
        typer.Option("--synthetic/--real", help="Whether the list is made up. [default: what its header says]"),
    ] = None,
    who: Annotated[str | None, typer.Option("--as", metavar="WHO", help="Who you are, for the log.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import a list of hashes or URLs, in place of an earlier one from the same source; stored encrypted.

    Rows that do not parse are set aside and named by line number; then the exit code is 1.

    Example: linkwell lists import hotline.csv --source hotline
    """
    from linkwell.cases import MACHINE, CaseBook
    from linkwell.lists import import_list, lists_generation

    opened = open_workspace(workspace)
    report = import_list(opened, file, source=source, list_format=list_format, synthetic=synthetic)
    detail: dict[str, str | int] = {"source": source, "replaced": int(report.replaced), **report.loaded}
    detail["generation"] = lists_generation(opened)
    CaseBook.open(opened).log("list imported", who or MACHINE, None, detail)
    lines = [
        f"{'Replaced' if report.replaced else 'Imported'} the list of {source!r}: {counted(report.loaded)}"
        + (" (synthetic)" if report.synthetic else ""),
        f"It is stored encrypted; {file} itself is not: keep it as its terms ask, or delete it.",
    ]
    if report.rejected_count:
        lines.append(f"Set aside {report.rejected_count:,} rows: {counted(report.rejected_reasons)}")
        lines += [f"  line {number}: {reason}" for number, reason in report.rejected[:_NAMED_LINES]]
        if report.rejected_count > _NAMED_LINES:
            lines.append("  … and more: --json names up to 1,000.")
        lines.append("Correct them in the file and import it again.")
    result = dataclasses.asdict(report)
    result["rejected_rows"] = [{"line": number, "reason": reason} for number, reason in result.pop("rejected")]
    result["format"] = result.pop("list_format")
    result["rejected"] = result.pop("rejected_reasons")
    emit(result, as_json, *lines)
    if report.rejected_count:
        raise typer.Exit(1)


def show(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Show the lists of the workspace: source, date, counts; never an entry.

    Example: linkwell lists show
    """
    from linkwell.lists import show_lists

    rows: list[dict[str, object]] = [
        {
            "source": info.source,
            "imported_at": info.imported_at.isoformat(),
            "entries": info.counts if as_json else counted(info.counts),
            "set_aside": info.rejected_count,
            "synthetic": info.synthetic,
            "format": info.list_format,
            "file": info.file_name,
        }
        for info in show_lists(open_workspace(workspace))
    ]
    emit_rows(rows, as_json, "lists", "No hash list is loaded: audits stop until one is. linkwell lists import FILE")


def forget(
    source: Annotated[str, typer.Argument(metavar="NAME", help="The source whose list goes.")],
    who: WhoOption,
    second: Annotated[str, typer.Option("--second", metavar="WHO2", help="Who agrees: another person.")],
    *,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget a list entirely, as the end of its terms asks; findings made with it stay. It takes two people, whom the log names.

    Example: linkwell lists forget hotline --as ada --second ben
    """
    from linkwell.cases import CaseBook, two_people
    from linkwell.lists import forget_list, lists_generation, show_lists

    opened = open_workspace(workspace)
    who, second = two_people(who, second, source)
    if source not in {info.source for info in show_lists(opened)}:
        raise MissingError(f"there is no list of {source!r}", "hash lists", "linkwell lists show names them.")
    # Before the list goes, with the generation that will be: killed in between, everything stops until it is forgotten.
    detail: dict[str, str | int] = {"source": source, "second": second, "generation": lists_generation(opened) + 1}
    CaseBook.open(opened).log("list forgotten", who, None, detail)
    forget_list(opened, source)
    emit({"forgotten": source}, as_json, f"The list of {source!r} is gone.")
