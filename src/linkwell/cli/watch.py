"""The command `purge watch`: keep a copy in step with its feed."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from linkwell.base.counts import plural
from linkwell.base.errors import LinkwellError, UnavailableError
from linkwell.cli.output import JsonOption, emit
from linkwell.cli.purge import (
    AliasesOption,
    AllowNetOption,
    CopyArgument,
    DatasetOption,
    FeedOption,
    HashAllOption,
    InPlaceChoice,
    InPlaceOption,
    KeyOption,
    RootOption,
    StateOption,
    TablesOption,
    ThoroughOption,
    WorkersOption,
    purge_options,
    reach_lines,
)
from linkwell.cli.together import refuse_beside, typed

if TYPE_CHECKING:
    from linkwell.purge import Pass

_SECONDS = 3_600.0


def watch(  # noqa: PLR0917 - Typer declares options as arguments
    context: typer.Context,
    copy: CopyArgument,
    feed: FeedOption,
    root: RootOption = None,
    state: StateOption = None,
    dataset: DatasetOption = None,
    allow_net: AllowNetOption = None,
    aliases: AliasesOption = None,
    tables: TablesOption = None,
    key: KeyOption = None,
    workers: WorkersOption = 0,
    hash_all: HashAllOption = True,
    thorough: ThoroughOption = False,
    in_place: InPlaceOption = InPlaceChoice.AUTO,
    interval_seconds: Annotated[
        float, typer.Option("--interval", min=1.0, help="Seconds between two looks at the feed.", metavar="SECONDS")
    ] = _SECONDS,
    once: Annotated[bool, typer.Option("--once", help="Look once, purge if needed, and end: for a timer.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Purge a copy whenever its feed has something new. Deletes without asking, for whoever set it up has agreed.

    A feed that cannot be reached is tried again at the next look; a stale or unsigned one ends the command with exit code 3.

    Example: linkwell purge watch /data/birds --feed https://birds.example/feed --interval 3600
    """
    from linkwell.engine import LocalEngine
    from linkwell.purge import STATE_FOLDER, FeedAddress, watch_once

    if once:
        refuse_beside("--once", {"interval_seconds"}, typed(context))
    address = FeedAddress(feed, root, dataset, tuple(allow_net or ()))
    options = purge_options(aliases, tables, hash_all=hash_all, thorough=thorough, in_place=in_place)
    folder: Path = state or copy / STATE_FOLDER
    while True:
        try:
            done = watch_once(copy, address, state=folder, engine=LocalEngine(workers), key=key, options=options)
        except UnavailableError as error:
            if once:
                raise
            typer.echo(f"Not done, tried again in {interval_seconds:,.0f} s: {_first_line(error)}", err=True)
        else:
            _tell(done, as_json=as_json)
            if once:
                raise typer.Exit(_code(done))
        time.sleep(interval_seconds)


def _tell(done: "Pass", *, as_json: bool) -> None:
    """One line, or one JSON object, for each look."""
    if done.receipt is None:
        emit({"sequence": done.sequence, "purged": False}, as_json, f"In step with recall {done.sequence}.")
        return
    stated = done.receipt.statement
    emit(
        {
            "sequence": done.sequence,
            "purged": True,
            "complete": stated.complete,
            "rows_removed": stated.rows_removed,
            "unidentified": stated.unidentified,
            "problems": stated.problems,
        },
        as_json,
        f"Purged up to recall {done.sequence}: {plural(stated.rows_removed, 'row or sample', 'rows and samples')} removed.",
        *reach_lines(stated.unidentified, stated.unreached, stated.problems, stated.surroundings),
    )


def _code(done: "Pass") -> int:
    return int(
        done.receipt is not None and (not done.receipt.statement.complete or done.receipt.statement.unidentified > 0)
    )


def _first_line(error: LinkwellError) -> str:
    return str(error).splitlines()[0]
