"""The command `demo`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from linkwell.base.counts import plural
from linkwell.cli.output import JsonOption, emit


def add_demo_commands(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("demo")(demo)


def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder for it all; an earlier demo there is replaced.")
    ] = Path("linkwell-demo"),
    warc: Annotated[
        list[Path] | None,
        typer.Option("--warc", metavar="FILE", help="Start from this archive instead; no network is used. Repeatable."),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=0, metavar="N", help="Processes; 0 is one for each core.")
    ] = 0,
    *,
    as_json: JsonOption = False,
) -> None:
    """Tell the whole story on a small web of its own: from a crawl to a purged copy, with a report to look at.

    The web is drawn here and served on loopback, and hash lists in it are synthetic. Every step names the command that does the same. With --warc it starts from your own archive,
    whose image responses stand for the web, and no network is used.

    Example: linkwell demo
    """
    from linkwell.demo import run_demo
    from linkwell.engine import LocalEngine

    def speak(line: str, role: str = "text") -> None:
        if not as_json:
            typer.secho(line, bold=role == "title", dim=role == "command")

    speak(f"The story of a dataset, told in {folder}. Two people keep it, ana and ben; a lab holds a copy.")
    speak(
        "Below each step stands the command for it, as one types it in there with LINKWELL_WORKSPACE=workspace." + "\n"
    )
    result = run_demo(folder, LocalEngine(workers), archives=warc or (), speak=speak)
    emit(
        asdict(result),
        as_json,
        f"In short: {plural(result.links, 'link')} built, {plural(result.populated, 'picture')} fetched, {plural(result.recalled_rows, 'row')} recalled and "
        f"purged in whole cells or with their reason, {result.left} left; {result.release} has {plural(result.released_rows, 'link')}.",
        f"Told in {result.seconds:.0f} s. Cells have {plural(result.cell_min_rows, 'row')} or more here, 1,000 by default; hash lists are synthetic.",
        f"Report: {result.report}",
        f"Go on from here, for example: linkwell -w {result.workspace} cases list",
    )
