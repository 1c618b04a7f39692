"""How commands speak: a table or sentences for people, one JSON object for machines, errors on standard error."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from linkwell.base.workspace import SETTINGS_FILE, Workspace
from linkwell.engine import Engine, LocalEngine

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        envvar="LINKWELL_WORKSPACE",
        metavar="DIR",
        help="The workspace's folder. [default: the current folder]",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on standard output.")]
WhoOption = Annotated[str, typer.Option("--as", help="Who you are: the name that stands in the log.", metavar="WHO")]

_ANY_WIDTH = 100_000
"""Columns of a console that is a file or a pipe; a table takes what it needs of them."""

_fallback: list[Path] = []


def set_workspace(path: Path | None) -> None:
    """Remember `linkwell -w DIR`, for commands that are not given their own."""
    _fallback[:] = [path] if path else []


def open_workspace(path: Path | None) -> Workspace:
    """The workspace a command works in: its own option, the program's, or the current folder."""
    return Workspace.open(path or (_fallback[0] if _fallback else Path()))


def find_workspace(path: Path | None) -> Workspace | None:
    """The workspace a command works in, or None where the current folder is none and no other was named."""
    named = path or (_fallback[0] if _fallback else None)
    if named is None and not (Path() / SETTINGS_FILE).exists():
        return None
    return open_workspace(path)


def open_engine(workspace: Workspace, workers: int | None = None) -> Engine:
    """The engine the settings name."""
    settings = workspace.settings.engine
    return LocalEngine(settings.workers if workers is None else workers, settings.max_attempts)


def emit(result: Mapping[str, object], as_json: bool, *lines: str) -> None:
    """Print a command's result: the object as JSON, or the lines for people."""
    if as_json:
        typer.echo(json.dumps(result, ensure_ascii=False, default=str))
    else:
        for line in lines:
            typer.echo(line)


def emit_rows(rows: list[dict[str, object]], as_json: bool, name: str, empty: str) -> None:
    """Print rows of equal keys: as `{name: [...]}` in JSON, or as a table; `empty` is said when there are none."""
    if as_json:
        typer.echo(json.dumps({name: rows}, ensure_ascii=False, default=str))
        return
    if not rows:
        typer.echo(empty)
        return
    table = Table(box=None, pad_edge=False)
    for column in rows[0]:
        table.add_column(column)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    if not sys.stdout.isatty():
        # Rich takes a pipe for a terminal of 80 columns, and cuts and folds what scripts and diffs are to read.
        Console(width=_ANY_WIDTH).print(table)
        return
    Console(soft_wrap=True).print(table)
