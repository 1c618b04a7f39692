"""Commands about cases and their log: `cases list|show|report|propose|approve`, `log verify`."""

import contextlib
import json
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from linkwell.base.counts import plural
from linkwell.base.errors import DamagedFileError, FormatError, MissingError
from linkwell.base.workspace import Workspace
from linkwell.cli.output import JsonOption, WhoOption, WorkspaceOption, emit, emit_rows, open_engine, open_workspace
from linkwell.cli.together import require

if TYPE_CHECKING:
    from linkwell.cases import Case

cases_app = typer.Typer(no_args_is_help=True, help="Take reports and decide: two people, a clock, a log.")
log_app = typer.Typer(no_args_is_help=True, help="Check the log.")

CaseArgument = Annotated[int, typer.Argument(metavar="CASE", help="Number of the case.")]


class Decision(StrEnum):
    """What can be proposed."""

    takedown = "takedown"
    reject = "reject"
    hold = "hold"


class ReportKind(StrEnum):
    """What a report can be about."""

    illegal = "illegal"
    intimate = "intimate"
    privacy = "privacy"
    opt_out = "opt-out"
    licence = "licence"
    dead = "dead"


def add_cases_commands(app: typer.Typer) -> None:
    """Add the commands to the program."""
    for name, command in (
        ("list", list_cases),
        ("show", show),
        ("report", report),
        ("propose", propose),
        ("approve", approve),
    ):
        cases_app.command(name)(command)
    log_app.command("verify")(verify)
    app.add_typer(cases_app, name="cases")
    app.add_typer(log_app, name="log")


def list_cases(
    workspace: WorkspaceOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Decided cases too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the cases that wait for a decision, with their clocks. No entry is named: entries are counted.

    Example: linkwell cases list --all
    """
    from linkwell.cases import CaseBook

    found = CaseBook.open(open_workspace(workspace)).cases()
    shown = [case for case in found if everything or case.state in ("open", "proposed", "held")]
    rows = [_row(case) if as_json else _short_row(case) for case in shown]
    emit_rows(rows, as_json, "cases", "No case waits for a decision." if not everything else "There are no cases.")


def show(  # noqa: PLR0917 - Typer passes by name
    case: CaseArgument,
    workspace: WorkspaceOption = None,
    entries: Annotated[
        bool,
        typer.Option(
            "--entries", help="Show the link ids too (needs --as and --second; that you looked goes into the log)."
        ),
    ] = False,
    who: Annotated[str | None, typer.Option("--as", metavar="WHO", help="Who you are, for the log.")] = None,
    second: Annotated[
        str | None, typer.Option("--second", metavar="WHO2", help="Who agrees to --entries: another person.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show one case: counts and dates; link ids only when asked for, and then it is logged. Never a URL or a text.

    Example: linkwell cases show 3
    """
    from linkwell.cases import CaseBook

    if entries and (who is None or second is None):
        raise typer.BadParameter("--entries needs --as WHO and --second WHO2: both stand in the log")
    require("--as", "--entries", given=who, there=entries)
    require("--second", "--entries", given=second, there=entries)
    book = CaseBook.open(open_workspace(workspace))
    row = _row(book.case(case))
    ids = [link.hex() for link in book.entries(case, who, second)] if entries and who and second else []
    result = {**row, "link_ids": ids} if entries else row
    emit(result, as_json, *(f"{name:12} {'' if value is None else value}" for name, value in row.items()), *ids)


def report(
    urls: Annotated[list[str] | None, typer.Argument(metavar="URL", help="What is reported.")] = None,
    *,
    kind: Annotated[ReportKind, typer.Option("--kind", help="What it is about; sets the clock.")],
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", metavar="FILE", help="A file with more URLs, one a line; '-' is standard input.", allow_dash=True
        ),
    ] = None,
    covered: Annotated[
        bool | None,
        typer.Option(
            "--covered/--exact",
            help="Whether a takedown leaves with its whole cell and no reason, or alone with its reason. [default: by kind]",
        ),
    ] = None,
    who: Annotated[
        str | None, typer.Option("--as", metavar="WHO", help="Who on the staff takes it in. Not who reports it.")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in a report about URLs; they are quarantined at once, and two people decide.

    Nothing is fetched or looked up, and the answer is the same whether the dataset has the URL or not.

    Example: linkwell cases report https://site.example/photo.jpg --kind opt-out
    """
    from linkwell.cases import CaseBook

    book = CaseBook.open(open_workspace(workspace))
    number = book.report([*(urls or []), *_lines(file)], kind=kind.value, who=who, covered=covered)
    case = book.case(number)
    emit(
        {"case": number, "kind": case.kind, "due_at": case.due_at.isoformat()},
        as_json,
        f"Taken in as case {number} ({case.kind}). A decision is due by {case.due_at:%Y-%m-%d %H:%M} UTC.",
    )


def propose(
    case: CaseArgument,
    decision: Annotated[Decision, typer.Argument(metavar="DECISION", help="What should be done.")],
    *,
    who: WhoOption,
    replace: Annotated[bool, typer.Option("--replace", help="Put this in the place of an open proposal.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose a decision about a case; somebody else has to approve it.

    takedown: the entries leave the next release, and a recall names them. reject: nothing is wrong, they are served again.
    hold: they stay in quarantine and nothing more happens, until somebody proposes anew.

    Example: linkwell cases propose 3 takedown --as ada
    """
    from linkwell.cases import CaseBook

    book = CaseBook.open(open_workspace(workspace))
    book.propose(case, decision.value, who, replace=replace)
    emit(_row(book.case(case)), as_json, f"Case {case}: {decision.value} is proposed. Somebody else has to approve it.")


def approve(case: CaseArgument, who: WhoOption, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Approve what somebody else proposed; this decides the case.

    Before a takedown of reported URLs, the links of the current build and of every release that the URLs mean, in whatever
    form they were typed, are added to the case.

    Example: linkwell cases approve 3 --as grace
    """
    from linkwell.cases import CaseBook, resolve_reports

    opened = open_workspace(workspace)
    book = CaseBook.open(opened)
    before = book.case(case)
    if before.source == "report" and before.decision == "takedown" and before.state == "proposed":
        resolve_reports(opened, _all_links(opened), open_engine(opened))
    book.approve(case, who)
    decided = book.case(case)
    then = {
        "upheld": "Its entries leave the next release: linkwell recall create makes the recall that names them.",
        "rejected": "Its entries are out of quarantine.",
        "held": "Its entries stay in quarantine.",
    }
    emit(_row(decided), as_json, f"Case {case} is {decided.state}. {then[decided.state]}")


def verify(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Prove that the log only grew: every hash, its end, the database's guards, the cases against it, the heads that releases name.

    Example: linkwell log verify
    """
    from linkwell.cases import CaseBook

    opened = open_workspace(workspace)
    result = CaseBook.open(opened).verify_log(_released_heads(opened))
    emit(
        {"holds": True, **asdict(result)},
        as_json,
        f"The log holds: {plural(result.entries, 'entry', 'entries')} about {plural(result.cases, 'case')}, {result.anchors} of its heads in releases.",
        f"Head: {result.head}",
    )


def _row(case: "Case") -> dict[str, object]:
    return {
        "case": case.number,
        "kind": case.kind,
        "state": case.state,
        "entries": case.entry_count,
        "source": case.source,
        "covered": case.covered,
        "opened": f"{case.opened_at:%Y-%m-%d %H:%M}",
        "due": f"{case.due_at:%Y-%m-%d %H:%M}",
        "overdue": case.overdue(datetime.now(UTC)),
        "decision": case.decision,
        "proposed_by": case.proposed_by,
        "approved_by": case.approved_by,
    }


def _short_row(case: "Case") -> dict[str, object]:
    """What fits a terminal."""
    people = " + ".join(name for name in (case.proposed_by, case.approved_by) if name)
    return {
        "case": case.number,
        "kind": case.kind,
        "state": case.state,
        "entries": case.entry_count,
        "source": case.source,
        "due (UTC)": f"{case.due_at:%Y-%m-%d %H:%M}{' overdue' if case.overdue(datetime.now(UTC)) else ''}",
        "decision": f"{case.decision} by {people}" if case.decision else None,
    }


def _lines(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        text = typer.get_text_stream("stdin").read() if str(file) == "-" else file.read_text("utf-8")
    except (FileNotFoundError, IsADirectoryError):
        raise MissingError("there is no such file", str(file)) from None
    except UnicodeDecodeError:
        raise FormatError("this is not UTF-8", str(file), "Save it as UTF-8, one URL a line.") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def _all_links(workspace: Workspace) -> list[Path]:
    """Link shards of the current build and of every release that is there."""
    from linkwell.build import current_build
    from linkwell.release import list_releases, open_release

    paths: list[Path] = []
    with contextlib.suppress(MissingError):
        paths += current_build(workspace).links
    for release in list_releases(workspace):
        paths += open_release(workspace, release.version).parts
    return paths


def _released_heads(workspace: Workspace) -> set[str]:
    """Heads of the log that manifests of releases name: they were made public, so the chain cannot go back on them."""
    heads = set()
    for path in sorted(workspace.releases.glob("*/manifest.json")):
        try:
            head = json.loads(path.read_text("utf-8")).get("log_head")
        except (ValueError, AttributeError):
            raise DamagedFileError("this is no manifest", str(path), "Restore it, or reissue the release.") from None
        if head:
            heads.add(str(head))
    return heads
