"""Commands about hash lists: `lists import`, `update`, `fetch`, `show`, `note`, `forget`."""

import dataclasses
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from linkwell.base.counts import counted, plural
from linkwell.base.errors import MissingError, UsageError
from linkwell.base.workspace import Workspace
from linkwell.cli.output import JsonOption, WhoOption, WorkspaceOption, emit, emit_rows, open_workspace

if TYPE_CHECKING:
    from linkwell.lists import ImportReport, ListNotes

_NAMED_LINES = 20


def add_lists_commands(app: typer.Typer) -> None:
    """Add the group to the program."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        help="Import, update, show and forget hash lists (restricted, encrypted).",
    )
    group.command("import")(import_)
    group.command("update")(update)
    group.command("fetch")(fetch)
    group.command("show")(show)
    group.command("note")(note)
    group.command("forget")(forget)
    app.add_typer(group, name="lists")


_FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The list: text, CSV, XML or JSON, gzip or not.")]
_FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="signals, tx-csv, pdq-lines, ncmec-xml, stopncii-json, threatexchange-json, tat-json, arachnid-json; md5, sha1, "
        "sha256, pdq or url for bare signals; or a mapping under [lists.mappings] in linkwell.toml. "
        "[default: told from the first lines]",
    ),
]
_TermsOption = Annotated[
    str | None, typer.Option("--terms", metavar="TEXT", help="What the supplier asks: the agreement it came under.")
]
_ClassOption = Annotated[
    str | None, typer.Option("--classification", metavar="TEXT", help="What the supplier says the entries are.")
]
_ExpiresOption = Annotated[
    str | None,
    typer.Option(
        "--expires", metavar="DATE", help="The day (UTC) from which the list matches no longer; `never` lifts it."
    ),
]
_SyntheticOption = Annotated[
    bool | None,
    typer.Option("--synthetic/--real", help="Whether the list is made up. [default: what its header says]"),
]
_LogOption = Annotated[str | None, typer.Option("--as", metavar="WHO", help="Who you are, for the log.")]


def import_(  # noqa: PLR0917 - Typer passes by name
    file: _FileArgument,
    source: Annotated[str, typer.Option("--source", metavar="NAME", help="Who supplied it, in lower case.")],
    list_format: _FormatOption = None,
    synthetic: _SyntheticOption = None,
    terms: _TermsOption = None,
    classification: _ClassOption = None,
    expires: _ExpiresOption = None,
    who: _LogOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import a list of hashes or URLs, in place of an earlier one from the same source; stored encrypted.

    Terms, classification and expiry of that one hold on where no others are given; one that has expired asks for a new --expires.
    Rows that do not parse are set aside and named by their number; then the exit code is 1.

    Example: linkwell lists import hotline.csv --source hotline --terms "agreement of 3 May" --expires 2027-05-03
    """
    from linkwell.lists import import_list

    opened = open_workspace(workspace)
    notes = _notes(terms, classification, expires, synthetic)
    report = import_list(opened, file, source=source, list_format=list_format, notes=notes)
    _log(opened, "list imported", report, who)
    _tell(
        report,
        "Replaced" if report.replaced else "Imported",
        as_json,
        file,
        expired=_has_expired(opened, report.source),
    )


def update(  # noqa: PLR0917 - Typer passes by name
    file: _FileArgument,
    source: Annotated[str, typer.Option("--source", metavar="NAME", help="The list that is to change.")],
    list_format: _FormatOption = None,
    who: _LogOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a list: add what is new, put records in the place of earlier ones, take out what is withdrawn.

    Example: linkwell lists update changes.xml --source ncmec
    """
    from linkwell.lists import import_list

    opened = open_workspace(workspace)
    report = import_list(opened, file, source=source, list_format=list_format, update=True)
    _log(opened, "list updated", report, who)
    _tell(report, "Updated", as_json, file, expired=_has_expired(opened, report.source))


def fetch(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The exchange, under [lists.exchanges] in linkwell.toml.")
    ],
    *,
    again: Annotated[
        bool, typer.Option("--again", help="Fetch everything anew, in place of what is there once all is here.")
    ] = False,
    who: _LogOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch what changed in the list of an exchange (NCMEC, StopNCII, ThreatExchange); one that was cut off goes on.

    Nothing is fetched but by this command, from the address that linkwell.toml names.

    Example: linkwell lists fetch ncmec
    """
    from linkwell.cases import MACHINE, CaseBook
    from linkwell.lists import fetch_list, find_exchange, lists_generation

    opened = open_workspace(workspace)
    settings = find_exchange(opened, name)
    switch = "PRODUCTION" if settings.production else "TEST system"
    sys.stderr.write(f"{name}: {settings.kind}, {switch}\n")
    before = lists_generation(opened)
    book = CaseBook.open(opened)
    detail: dict[str, str | int] = {"source": settings.source or name, "production": int(settings.production)}
    try:
        report = fetch_list(opened, name, again=again)
        detail |= {**report.list.loaded, "withdrawn": report.list.withdrawn}
    finally:
        generation = lists_generation(opened)
        if generation != before:
            book.log("list fetched", who or MACHINE, None, {**detail, "generation": generation})
    _tell(
        report.list,
        f"Fetched {plural(report.pages, 'page')} ({switch}):",
        as_json,
        None,
        expired=_has_expired(opened, report.list.source),
    )


def _notes(terms: str | None, classification: str | None, expires: str | None, synthetic: bool | None) -> "ListNotes":
    from linkwell.lists import ListNotes

    when = None
    if expires is not None:
        try:
            when = _FAR if expires == "never" else datetime.fromisoformat(expires)
        except ValueError:
            raise UsageError(f"{expires!r} is no date", "--expires", "Give it as 2027-05-03, or say never.") from None
    return ListNotes(terms, classification, when.replace(tzinfo=when.tzinfo or UTC) if when else None, synthetic)


_FAR = datetime(9999, 12, 31, tzinfo=UTC)


def _log(workspace: Workspace, action: str, report: "ImportReport", who: str | None) -> None:
    from linkwell.cases import MACHINE, CaseBook
    from linkwell.lists import lists_generation

    detail: dict[str, str | int] = {"source": report.source, "replaced": int(report.replaced), **report.loaded}
    if report.withdrawn:
        detail["withdrawn"] = report.withdrawn
    detail["generation"] = lists_generation(workspace)
    CaseBook.open(workspace).log(action, who or MACHINE, None, detail)


def _has_expired(workspace: Workspace, source: str) -> bool:
    from linkwell.lists import show_lists

    return any(info.expired for info in show_lists(workspace) if info.source == source)


def _tell(report: "ImportReport", what: str, as_json: bool, file: Path | None, *, expired: bool) -> None:
    """Print what an import, update or fetch did; exits with 1 where rows were set aside."""
    if expired:
        sys.stderr.write(f"linkwell: the list of {report.source!r} has expired, so nothing of it is matched\n")
    lines = [
        f"{what} the list of {report.source!r}: {counted(report.loaded) or 'nothing new'}"
        + (f", {report.withdrawn:,} withdrawn" if report.withdrawn else "")
        + (f"; it holds {counted(report.entries) or 'nothing'}" if report.entries != report.loaded else "")
        + (" (synthetic)" if report.synthetic else "")
    ]
    if report.kept:
        known = {"terms": "its terms", "classification": "its classification", "expires": "its expiry"}
        lines.append(
            f"As before: {', '.join(known[name] for name in report.kept)}. Change that with: linkwell lists note"
        )
    if file is not None:
        lines.append(f"It is stored encrypted; {file} itself is not: keep it as its terms ask, or delete it.")
    if report.passed_over:
        lines.append(f"Passed over, as of no use here: {counted(report.passed_over)}")
    if report.rejected_count:
        lines.append(f"Set aside {plural(report.rejected_count, 'row')}: {counted(report.rejected_reasons)}")
        unit = "entry" if report.list_format.endswith(("-xml", "-json")) else "line"
        lines += [f"  {unit} {number}: {reason}" for number, reason in report.rejected[:_NAMED_LINES]]
        if report.rejected_count > _NAMED_LINES:
            lines.append("  … and more: --json names up to 1,000.")
        lines.append(
            "Correct them in the file and import it again." if file else "Tell the supplier; the rest is loaded."
        )
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
            "updated_at": info.updated_at and info.updated_at.isoformat(),
            "entries": info.counts if as_json else counted(info.counts),
            "set_aside": info.rejected_count,
            "synthetic": info.synthetic,
            "expires": _expiry(info.expires, expired=info.expired and not as_json),
            "classification": info.classification,
            "terms": info.terms,
            "format": info.list_format,
            "file": info.file_name,
            **({"expired": info.expired, "exchange": info.exchange} if as_json else {}),
        }
        for info in show_lists(open_workspace(workspace))
    ]
    emit_rows(rows, as_json, "lists", "No hash list is loaded: audits stop until one is. linkwell lists import FILE")


def _expiry(when: datetime | None, *, expired: bool) -> str | None:
    if when is None or when >= _FAR:
        return None
    return when.date().isoformat() + (" EXPIRED" if expired else "")


def note(  # noqa: PLR0917 - Typer passes by name
    source: Annotated[str, typer.Argument(metavar="NAME", help="The source of the list.")],
    terms: _TermsOption = None,
    classification: _ClassOption = None,
    expires: _ExpiresOption = None,
    synthetic: _SyntheticOption = None,
    who: _LogOption = None,
    second: Annotated[
        str | None, typer.Option("--second", metavar="WHO2", help="Who agrees that it ends sooner: another person.")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Note what is known of a list beside its entries: terms, classification, expiry.

    To let a list end sooner takes two people, as to forget it does.

    Example: linkwell lists note hotline --expires 2027-05-03 --as ada --second ben
    """
    from linkwell.cases import MACHINE, CaseBook, two_people
    from linkwell.lists import ListNotes, lists_generation, note_list, show_lists

    opened = open_workspace(workspace)
    notes = _notes(terms, classification, expires, synthetic)
    if notes == ListNotes():
        raise UsageError(
            "nothing to note is given", source, "Give --terms, --classification, --expires, --synthetic or --real."
        )
    before = next((info.expires for info in show_lists(opened) if info.source == source), None)
    detail: dict[str, str | int] = {"source": source}
    sooner = notes.expires is not None and notes.expires < (before or _FAR)
    if sooner or second is not None:
        who, second = two_people(who or "", second or "", source)
        detail["second"] = second
    note_list(opened, source, notes)
    detail["generation"] = lists_generation(opened)
    detail |= {"expires": notes.expires.isoformat()} if notes.expires else {}
    CaseBook.open(opened).log("list noted", who or MACHINE, None, detail)
    emit({"source": source}, as_json, f"Noted for the list of {source!r}.")


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
