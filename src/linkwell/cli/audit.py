"""The command `audit`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from linkwell.base.workspace import Workspace
from linkwell.cli.output import JsonOption, WorkspaceOption, counted, emit, open_engine, open_workspace


def add_audit_commands(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("audit")(audit)


def audit(
    release: Annotated[
        str | None, typer.Option("--release", metavar="V", help="Audit this release. [default: the current build]")
    ] = None,
    workspace: WorkspaceOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Compare every link with the hash lists: its URL, and the digests the ledger has of its image. Nothing is downloaded.

    What is found opens cases, whose entries are quarantined at once; two people decide. Exits with 1 when something was found.

    Example: linkwell audit --release v1
    """
    from linkwell.audit import UNCHECKED_REASONS
    from linkwell.audit import audit as run_audit
    from linkwell.cases import MACHINE, CaseBook, resolve_reports
    from linkwell.lists import read_findings

    opened = open_workspace(workspace)
    book = CaseBook.open(opened)
    book.check_lists(opened)
    links, label = _links(opened, release)
    engine = open_engine(opened)
    report = run_audit(opened, links=links, label=label, engine=engine)
    numbers = book.open_from_findings(read_findings(opened))
    meant = resolve_reports(opened, links, engine)
    counts = {"checked": report.checked, **report.findings, **report.unchecked}
    book.log("audit", MACHINE, None, {"label": label, **counts})
    result = asdict(report) | {"label": label, "cases": numbers, "reported_links": meant, "record": str(report.record)}
    found = counted(report.findings) or "nothing"
    lines = [f"{label}: {report.checked:,} links against {', '.join(report.lists)}: {found} found."]
    lines += [f"  not checked in full: {n:,} ({UNCHECKED_REASONS[reason]})" for reason, n in report.unchecked.items()]
    if numbers:
        lines.append(f"New cases: {', '.join(map(str, numbers))}. See them with: linkwell cases list")
    emit(result, as_json, *lines)
    if report.findings:
        raise typer.Exit(1)


def _links(workspace: Workspace, release: str | None) -> tuple[list[Path], str]:
    if release is not None:
        from linkwell.release import open_release

        opened = open_release(workspace, release)
        return list(opened.parts), f"release-{opened.version}"
    from linkwell.build import current_build

    build = current_build(workspace)
    return list(build.links), f"build-{build.name}"
