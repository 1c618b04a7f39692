"""The command `audit`, and those about what an audit came to: `audit sample`, `sampled`, `report`, `expand`, `check`, `live`."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from linkwell.base.counts import counted, plural
from linkwell.base.errors import UsageError
from linkwell.base.workspace import Workspace
from linkwell.cli.output import JsonOption, WhoOption, WorkspaceOption, emit, open_engine, open_workspace
from linkwell.cli.together import require, typed


def add_audit_commands(app: typer.Typer) -> None:
    """Add the group to the program."""
    group = typer.Typer(rich_markup_mode=None, invoke_without_command=True, callback=audit)
    group.command("sample")(sample)
    group.command("sampled")(sampled)
    group.command("report")(report)
    group.command("expand")(expand)
    group.command("check")(check)
    group.command("live")(live)
    app.add_typer(group, name="audit")


_ReleaseOption = Annotated[
    str | None,
    typer.Option("--release", metavar="V", help="The links of this release. [default: of the current build]"),
]


def audit(
    context: typer.Context,
    release: _ReleaseOption = None,
    *,
    privacy_cases: Annotated[
        bool, typer.Option("--privacy-cases", help="Open a case for links whose text holds personal data, too.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare every link with the hash lists: its URL, and the digests the ledger has of its image. Nothing is downloaded.

    What is found opens cases, whose entries are quarantined at once; two people decide. Exits with 1 when something was found.
    Personal data in captions and URL paths is counted, and opens a case with --privacy-cases.

    Example: linkwell audit --release v1
    """
    if context.invoked_subcommand is not None:
        if before := list(typed(context).values()):
            name = f"audit {context.invoked_subcommand}"
            raise UsageError(
                "this has no effect here", ", ".join(before), f"Give it after the command: linkwell {name} …"
            )
        return
    from linkwell.audit import UNCHECKED_REASONS
    from linkwell.audit import audit as run_audit
    from linkwell.cases import MACHINE, CaseBook, resolve_reports
    from linkwell.lists import PRIVACY, read_findings

    opened = open_workspace(workspace)
    book = CaseBook.open(opened)
    book.check_lists(opened)
    links, label = _links(opened, release)
    engine = open_engine(opened)
    done = run_audit(opened, links=links, label=label, engine=engine)
    numbers = book.open_from_findings(read_findings(opened), privacy=privacy_cases)
    meant = resolve_reports(opened, links, engine)
    counts = {"checked": done.checked, **done.findings, **done.unchecked}
    book.log("audit", MACHINE, None, {"label": label, **counts})
    result = asdict(done) | {
        "label": label,
        "cases": numbers,
        "reported_links": meant,
        "record": str(done.record),
    }
    found = counted(done.findings) or "nothing"
    lines = [f"{label}: {plural(done.checked, 'link')} against {', '.join(done.lists)}: {found} found."]
    lines += [f"  not checked in full: {n:,} ({UNCHECKED_REASONS[reason]})" for reason, n in done.unchecked.items()]
    if numbers:
        lines.append(f"New cases: {', '.join(map(str, numbers))}. See them with: linkwell cases list")
    elif done.findings.keys() - {PRIVACY}:
        lines.append("No new case: what was found has one already. See it with: linkwell cases list --all")
    personal = done.findings.get(PRIVACY, 0)
    if personal and not privacy_cases:
        lines.append(
            f"Personal data stands in the text of {plural(personal, 'link')}. To open a case for that: --privacy-cases."
        )
    emit(result, as_json, *lines)
    if done.findings.keys() - {PRIVACY} or (personal and privacy_cases):
        raise typer.Exit(1)


def sample(
    size: Annotated[int, typer.Argument(metavar="N", help="How many links to draw.")],
    to: Annotated[Path, typer.Argument(metavar="FILE", help="The CSV to write: number, link id, URL.")],
    release: _ReleaseOption = None,
    workspace: WorkspaceOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Draw a random sample of the audited links without a finding, to be verified by somebody who may look.

    Example: linkwell audit sample 3000 sample.csv --release v1
    """
    from linkwell.audit import draw_sample

    opened = open_workspace(workspace)
    links, label = _links(opened, release)
    drawn = draw_sample(opened, links, label, size, to)
    emit(
        msgspec.to_builtins(drawn),
        as_json,
        f"Drew {drawn.drawn:,} of {plural(drawn.population, 'link')} without a finding into {to}.",
        "Have them verified by somebody who may look, then: linkwell audit sampled --found K --as WHO",
    )


def sampled(
    found: Annotated[int, typer.Option("--found", metavar="K", help="How many of them should not be there.")],
    who: WhoOption,
    unverified: Annotated[
        int, typer.Option("--unverified", metavar="U", help="How many could not be looked at: dead links, refusals.")
    ] = 0,
    release: _ReleaseOption = None,
    workspace: WorkspaceOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Write down what came of the newest sample; what was found in it has to be reported as well: linkwell cases report.

    Example: linkwell audit sampled --found 0 --unverified 412 --as ada
    """
    from linkwell.audit import enter_sample
    from linkwell.cases import CaseBook

    opened = open_workspace(workspace)
    _, label = _links(opened, release)
    entered = enter_sample(opened, label, found=found, unverified=unverified, who=who)
    CaseBook.open(opened).log(
        "sample entered", who, None, {"label": label, "drawn": entered.drawn, "found": found, "unverified": unverified}
    )
    emit(msgspec.to_builtins(entered), as_json, "Entered. What it says of the rest: linkwell audit report")


def expand(
    context: typer.Context,
    embeddings: Annotated[
        list[Path] | None,
        typer.Option(
            "--embeddings", metavar="DIR", help="A folder with img_emb/*.npy and metadata/*.parquet. Repeatable."
        ),
    ] = None,
    neighbours: Annotated[
        int,
        typer.Option(
            "--neighbours", min=1, metavar="N", help="Propose at most so many neighbours of each upheld link."
        ),
    ] = 20,
    min_similarity: Annotated[
        float,
        typer.Option("--min-similarity", min=-1, max=1, metavar="COSINE", help="From where on a link is a neighbour."),
    ] = 0.9,
    workspace: WorkspaceOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Propose links that are like those of upheld cases: the same bytes, a near look, near in meaning.

    They open a case, are quarantined, and wait for two people, as a look-alike of a list does. Exits with 1 when there are any.

    Example: linkwell audit expand --embeddings embeddings/
    """
    given = typed(context)
    for name in ("neighbours", "min_similarity"):
        require(given.get(name, ""), "--embeddings", given=name in given, there=embeddings)
    from linkwell.audit import expand as run_expand
    from linkwell.cases import MACHINE, CaseBook
    from linkwell.lists import read_findings

    opened = open_workspace(workspace)
    book = CaseBook.open(opened)
    seeds = {takedown.link_id for takedown in book.takedowns()}
    done = run_expand(
        opened,
        seeds,
        "upheld",
        embeddings=embeddings or (),
        neighbours=neighbours,
        min_similarity=min_similarity,
    )
    numbers = book.open_from_findings(read_findings(opened))
    book.log("expansion", MACHINE, None, {"seeds": done.seeds, **done.proposed})
    lines = [
        f"From {plural(done.seeds, 'link')} of upheld cases ({done.with_ledger:,} in the ledger, {done.with_embedding:,} embedded): "
        + (counted(done.proposed) or "nothing like them")
        + "."
    ]
    if numbers:
        lines.append(f"New cases: {', '.join(map(str, numbers))}. See them with: linkwell cases list")
    emit(asdict(done) | {"cases": numbers}, as_json, *lines)
    if done.proposed:
        raise typer.Exit(1)


def check(
    by: Annotated[
        str, typer.Option("--by", metavar="NAME", help="The checker, under [audit.checkers] in linkwell.toml.")
    ],
    who: WhoOption,
    release: _ReleaseOption = None,
    workspace: WorkspaceOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Ask an authorised matcher about the findings of the newest audit that ask: look-alikes, and what an expansion proposed.

    A hash goes out, or a URL where the settings allow that; a verdict comes back, and nothing else is kept. It decides nothing.

    Example: linkwell audit check --by shield --as ada
    """
    from linkwell.audit import audit_findings, check_links, find_checker, questions_about
    from linkwell.cases import CaseBook
    from linkwell.lists import PROPOSED, read_findings

    opened = open_workspace(workspace)
    settings = find_checker(opened, by)
    switch = "PRODUCTION" if settings.production else "TEST system"
    sys.stderr.write(f"{by}: {settings.kind}, {switch}\n")
    links, label = _links(opened, release)
    asking = {one.link_id for one in audit_findings(opened, label) if one.finding_class == "perceptual"}
    asking |= {one.link_id for one in read_findings(opened) if one.finding_class == PROPOSED}
    questions = questions_about(opened, asking, links, with_urls=settings.send_urls)
    book = CaseBook.open(opened)
    # Before anything is sent: what left this house stands in the log, whatever comes of it.
    book.log("check begun", who, None, {"checker": by, "production": int(settings.production), "links": len(questions)})
    done = check_links(opened, by, questions, label)
    book.log("check done", who, None, {"checker": by, **done.verdicts})
    lines = [f"{by} ({switch}) was asked about {plural(done.asked, 'link')}: {counted(done.verdicts) or 'nothing'}."]
    if done.not_asked:
        lines.append(f"Not asked: {done.not_asked:,} without a hash, whose URL may not be sent (send_urls).")
    emit(asdict(done), as_json, *lines)


def live(  # noqa: PLR0917 - Typer passes by name
    limit: Annotated[int, typer.Argument(metavar="N", min=1, help="At most so many links.")],
    ground: Annotated[
        str,
        typer.Option("--authorised-by", metavar="TEXT", help="On what ground this is allowed; it stands in the log."),
    ],
    who: WhoOption,
    second: Annotated[str, typer.Option("--second", metavar="WHO2", help="Who agrees: another person.")],
    release: _ReleaseOption = None,
    allow_net: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-net",
            metavar="CIDR",
            help="A network that may be reached although it is not public, as 10.0.0.0/8. Repeatable.",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Look live at links that were never fetched: hashed in memory, matched, dropped; their digests stay. Off by default.

    The settings have to allow it (audit.live), and two people stand in the log, with the ground, before the first request.

    Example: linkwell audit live 1000 --authorised-by "licence of 3 May" --as ada --second ben
    """
    from linkwell.audit import check_live, require_live
    from linkwell.cases import CaseBook, two_people
    from linkwell.lists import read_findings

    opened = open_workspace(workspace)
    require_live(opened)
    who, second = two_people(who, second, "audit live")
    links, label = _links(opened, release)
    book = CaseBook.open(opened)
    book.check_lists(opened)
    book.log("live check authorised", who, None, {"second": second, "ground": ground, "label": label, "limit": limit})
    done = check_live(
        opened,
        links,
        label,
        limit=limit,
        engine=open_engine(opened),
        withhold=book.quarantined(),
        allow_net=tuple(allow_net or ()),
    )
    if done is None:
        emit({"links": 0}, as_json, "Every link has an entry in the ledger.")
        return
    numbers = book.open_from_findings(read_findings(opened))
    counts = {"links": done.links, "hashed": done.success, "matched": done.withheld, **done.failed}
    book.log("live check done", who, None, {"label": label, **counts})
    lost = f"{sum(done.failed.values()):,} not to be had" + (f" ({counted(done.failed)})" if done.failed else "")
    seen = f"{done.success:,} hashed and dropped, {done.withheld:,} matched or listed by URL"
    lines = [f"{plural(done.links, 'link')} looked at: {seen}, {lost}.", "Run linkwell audit to count them in."]
    if numbers:
        lines.append(f"New cases: {', '.join(map(str, numbers))}. See them with: linkwell cases list")
    emit(counts | {"cases": numbers}, as_json, *lines)
    if numbers:
        raise typer.Exit(1)


def report(
    release: _ReleaseOption = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Write it as a page with charts, too.")
    ] = None,
    copies: Annotated[
        list[Path] | None,
        typer.Option(
            "--copy", metavar="DIR", help="A populated copy: its tables tell which links were dead. Repeatable."
        ),
    ] = None,
    confidence: Annotated[
        float,
        typer.Option(
            "--confidence", min=0.5, max=0.999999, metavar="SHARE", help="How sure the bound on what may be left is."
        ),
    ] = 0.99,
    workspace: WorkspaceOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Tell what the newest audit compared and by which means, what it could not, and what may be left. Counts only.

    Example: linkwell audit report --release v1 --to report.html
    """
    from linkwell.audit import report_lines, residual_risk, write_report_page

    opened = open_workspace(workspace)
    _, label = _links(opened, release)
    risk = residual_risk(opened, label, copies or (), confidence)
    lines = report_lines(risk)
    if to is not None:
        write_report_page(risk, to)
        lines.append(f"With charts: {to}")
    emit(asdict(risk) | {"chance": asdict(risk.chance) | {"expected": risk.chance.expected}}, as_json, *lines)


def _links(workspace: Workspace, release: str | None) -> tuple[list[Path], str]:
    if release is not None:
        from linkwell.release import open_release

        opened = open_release(workspace, release)
        return list(opened.parts), f"release-{opened.version}"
    from linkwell.build import current_build

    build = current_build(workspace)
    return list(build.links), f"build-{build.name}"
