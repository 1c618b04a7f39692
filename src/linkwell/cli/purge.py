"""Commands about purging copies: `purge plan|apply|verify`; `purge watch` stands in `watch.py`."""

import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from linkwell.base.counts import plural
from linkwell.base.errors import SignatureError, UsageError
from linkwell.cli.output import JsonOption, emit

if TYPE_CHECKING:
    from linkwell.purge import FeedFacts, PurgeOptions
    from linkwell.recall import Recalled


class InPlaceChoice(StrEnum):
    """When files are changed where they stand."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


CopyArgument = Annotated[Path, typer.Argument(metavar="COPY", help="The folder that holds the copy.")]
FeedOption = Annotated[
    str, typer.Option("--feed", help="The feed: a folder, file:// or http(s):// URL.", metavar="URL")
]
RootOption = Annotated[
    Path | None,
    typer.Option("--root", help="The root file you got from the feed's owner; needed the first time.", metavar="FILE"),
]
StateOption = Annotated[
    Path | None,
    typer.Option(
        "--state", help="Folder for trusted state, key and receipts. [default: COPY/.linkwell]", metavar="DIR"
    ),
]
DatasetOption = Annotated[
    str | None,
    typer.Option("--dataset", metavar="NAME", help="Which dataset of the feed. [default: what the copy says]"),
]
AllowNetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-net",
        help="A network that may be reached although it is not public, as 10.0.0.0/8. Repeatable.",
        metavar="CIDR",
    ),
]

AliasesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--aliases",
        help="Parquet, or a folder of it, with URLs or link ids beside the ids other projects use. Repeatable.",
        metavar="FILE",
    ),
]
TablesOption = Annotated[
    Path | None,
    typer.Option("--tables", help="TOML that names tables of databases in the copy.", metavar="FILE"),
]
KeyOption = Annotated[
    Path | None,
    typer.Option(
        "--key", metavar="PEM", help="Ed25519 key to sign the receipt. [default: one of its own, made at first use]"
    ),
]
WorkersOption = Annotated[int, typer.Option("--workers", min=0, metavar="N", help="Processes; 0 is one for each core.")]
HashAllOption = Annotated[
    bool,
    typer.Option(
        "--hash-all/--hash-rewritten",
        help="Take the SHA-256 of every file for the receipt, or, far quicker, only of those that are rewritten: "
        "a later edit of another that keeps its size then goes unnoticed.",
    ),
]
ThoroughOption = Annotated[
    bool, typer.Option("--thorough", help="Look at every statement of identity, also where another has answered.")
]
InPlaceOption = Annotated[
    InPlaceChoice,
    typer.Option("--in-place", help="Whether tars are changed where they stand; auto: where the disk is short."),
]


def add_purge_commands(app: typer.Typer, **more: Callable[..., None]) -> None:
    """Add the commands to the program, and those of other modules to their group."""
    group = typer.Typer(no_args_is_help=True, help="Take what was recalled out of a copy, and prove it.")
    group.command("plan")(plan_)
    group.command("apply")(apply_)
    group.command("verify")(verify_)
    for name, command in more.items():
        group.command(name)(command)
    app.add_typer(group, name="purge")


def plan_(  # noqa: PLR0917 - Typer declares options as arguments
    copy: CopyArgument,
    feed: FeedOption,
    root: RootOption = None,
    state: StateOption = None,
    dataset: DatasetOption = None,
    allow_net: AllowNetOption = None,
    aliases: AliasesOption = None,
    tables: TablesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what would go from a copy, file by file. Changes nothing in it; exit code 1 when something must go.

    Example: linkwell purge plan /data/birds --feed https://birds.example/feed --root 1.root.json
    """
    from linkwell.purge import plan, read_tables

    recalled, _facts = _load(copy, feed, root=root, state=state, dataset=dataset, allow_net=allow_net)
    found = plan(copy, recalled, aliases=aliases or (), tables=read_tables(tables) if tables else (), state=state)
    lines = [f"{f.name}: {f.removed:,} of {f.rows:,} go" for f in found.files if f.rows]
    lines.append(
        f"{plural(len(found.files), 'file')} would be rewritten, {found.untouched:,} kept as before; "
        f"recalls up to {found.sequence} of {found.dataset}"
    )
    if found.files:
        lines.append(
            f"Free disk needed while it runs: {found.disk_bytes_needed / 1e6:,.1f} MB, of {found.free_bytes / 1e6:,.1f} MB"
        )
    if found.leftovers:
        lines.append(f"{plural(found.leftovers, 'temporary file')} of killed runs would be deleted")
    if found.unfinished:
        lines.append("A purge was begun and not finished: run linkwell purge apply again.")
    lines += reach_lines(found.unidentified, found.unreached, found.problems, found.surroundings)
    lines += [_FROM_BUILD] if found.made_from_build else []
    emit(
        {
            "kind": found.kind,
            "dataset": found.dataset,
            "sequence": found.sequence,
            "files": [{"name": f.name, "rows": f.rows, "removed": f.removed, "bytes": f.bytes} for f in found.files],
            "removed": found.removed,
            "untouched": found.untouched,
            "leftovers": found.leftovers,
            "unfinished": found.unfinished,
            "disk_bytes_needed": found.disk_bytes_needed,
            "free_bytes": found.free_bytes,
            "surroundings": list(found.surroundings),
            "unidentified": found.unidentified,
            "unreached": found.unreached,
            "problems": found.problems,
            "made_from_build": found.made_from_build,
        },
        as_json,
        *lines,
    )
    if found.something_to_do:
        raise typer.Exit(1)


def apply_(  # noqa: PLR0917 - same
    copy: CopyArgument,
    feed: FeedOption,
    root: RootOption = None,
    state: StateOption = None,
    dataset: DatasetOption = None,
    allow_net: AllowNetOption = None,
    aliases: AliasesOption = None,
    tables: TablesOption = None,
    key: KeyOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before deleting.")] = False,
    workers: WorkersOption = 0,
    hash_all: HashAllOption = True,
    thorough: ThoroughOption = False,
    in_place: InPlaceOption = InPlaceChoice.AUTO,
    as_json: JsonOption = False,
) -> None:
    """Delete everything recalled from a copy and write a signed receipt. It cannot be undone.

    Shows what will go and asks first, unless told --yes. Killed half-way, the same command finishes.

    Example: linkwell purge apply /data/birds --feed https://birds.example/feed --yes
    """
    from linkwell.engine import LocalEngine
    from linkwell.purge import RECEIPTS_FOLDER, STATE_FOLDER, apply, plan, receipts_in

    if as_json and not yes:
        raise UsageError("--json cannot ask", advice="Give --yes as well.")
    recalled, facts = _load(copy, feed, root=root, state=state, dataset=dataset, allow_net=allow_net)
    options = purge_options(aliases, tables, hash_all=hash_all, thorough=thorough, in_place=in_place)
    if not yes:
        found = plan(copy, recalled, aliases=options.aliases, tables=options.tables, state=state)
        if found.files:
            _ask(
                f"{plural(found.removed, 'row or sample', 'rows and samples')} in {plural(len(found.files), 'file')} of {copy} will be deleted for good."
            )
    folder = state or copy / STATE_FOLDER
    receipt = apply(copy, recalled, engine=LocalEngine(workers), key=key, state=state, feed=facts, options=options)
    stated = receipt.statement
    where = receipts_in(folder / RECEIPTS_FOLDER)[-1]
    rewritten = sum(f.rewritten for f in stated.files)
    emit(
        {
            "complete": stated.complete,
            "rows_removed": stated.rows_removed,
            "files_rewritten": rewritten,
            "files": len(stated.files),
            "sequence": stated.feed.sequence,
            "receipt": str(where),
            "fingerprint": receipt.fingerprint,
            "unidentified": stated.unidentified,
            "unreached": stated.unreached,
            "problems": stated.problems,
            "surroundings": stated.surroundings,
        },
        as_json,
        f"{plural(stated.rows_removed, 'row or sample', 'rows and samples')} removed; {rewritten:,} of {plural(len(stated.files), 'file')} rewritten",
        f"Receipt: {where}",
        f"Signed by the key with the fingerprint {receipt.fingerprint}",
        *reach_lines(stated.unidentified, stated.unreached, stated.problems, stated.surroundings),
        f"Not reached by any purge of a folder: {stated.not_reached}",
    )
    if not stated.complete or stated.unidentified:
        raise typer.Exit(1)


def verify_(  # noqa: PLR0917 - same
    copy: CopyArgument,
    feed: FeedOption,
    receipt: Annotated[
        Path | None,
        typer.Option("--receipt", metavar="FILE", help="The receipt. [default: the newest in the state folder]"),
    ] = None,
    fingerprint: Annotated[
        str | None,
        typer.Option("--fingerprint", metavar="HEX", help="Fingerprint of the key that must have signed the receipt."),
    ] = None,
    root: RootOption = None,
    state: StateOption = None,
    dataset: DatasetOption = None,
    allow_net: AllowNetOption = None,
    aliases: AliasesOption = None,
    tables: TablesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look through a copy again, and compare every file with the receipt.

    Exit code 1 when something recalled is left, or files came that cannot be looked into; 3 when a file, the feed or the receipt is not
    what was signed.

    Example: linkwell purge verify /data/birds --feed https://birds.example/feed
    """
    from linkwell.purge import RECEIPTS_FOLDER, STATE_FOLDER, read_receipt, read_tables, receipts_in, verify

    folder = state or copy / STATE_FOLDER
    known = receipts_in(folder / RECEIPTS_FOLDER)
    path = receipt or (known[-1] if known else None)
    read = read_receipt(path, fingerprint) if path else None
    recalled, _facts = _load(copy, feed, root=root, state=state, dataset=dataset, allow_net=allow_net)
    report = verify(
        copy, recalled, read, aliases=aliases or (), tables=read_tables(tables) if tables else (), state=state
    )
    lines = [
        f"{name}: {plural(count, 'recalled row or sample is', 'recalled rows and samples are')} left"
        for name, count in report.left.items()
    ]
    lines += [f"{name}: not what the receipt says" for name in report.edited]
    lines += [f"{name}: not in the receipt" for name in report.added]
    if report.unknown:
        lines.append(
            f"New since the receipt, and not to be looked into here: {_kinds(report.unknown)}. See to them, then run linkwell purge apply again."
        )
    if report.leftovers or report.unfinished:
        lines.append("A purge was begun and not finished: run linkwell purge apply again.")
    if report.newer_recalls:
        lines.append(f"{plural(report.newer_recalls, 'recall is', 'recalls are')} newer than the receipt")
    lines += reach_lines(report.unidentified, report.unreached, report.problems)
    lines += [_FROM_BUILD] if report.made_from_build else []
    if read is None:
        lines.append("There is no receipt: the files were compared with nothing.")
    if read is not None and read.statement.hashed == "rewritten":
        lines.append("Files that were not rewritten were compared by size, as apply was told --hash-rewritten.")
    if report.clean:
        lines.append(f"Nothing recalled is left in {plural(report.files, 'file')} (recalls up to {recalled.sequence}).")
    emit(
        {
            "clean": report.clean,
            "untouched": report.untouched,
            "files": report.files,
            "left": report.left,
            "edited": list(report.edited),
            "added": list(report.added),
            "unknown": report.unknown,
            "leftovers": report.leftovers,
            "unfinished": report.unfinished,
            "newer_recalls": report.newer_recalls,
            "sequence": recalled.sequence,
            "receipt": str(path) if path else None,
            "fingerprint": read.fingerprint if read else None,
            "complete": read.statement.complete if read else None,
            "unidentified": report.unidentified,
            "unreached": report.unreached,
            "problems": report.problems,
            "made_from_build": report.made_from_build,
        },
        as_json,
        *lines,
    )
    if not report.untouched:
        raise SignatureError(
            "the copy is not what its receipt says",
            str(copy),
            "If you changed it on purpose, run linkwell purge apply again for a new receipt.",
        )
    if not report.clean or report.unidentified or report.unknown or read is None or not read.statement.complete:
        raise typer.Exit(1)


def _ask(what: str) -> None:
    """Go on only where somebody says yes.

    Raises:
        UsageError: nobody is there to answer.
        typer.Exit: the answer is no: code 1, since what was recalled is still there.
    """
    typer.echo(what)
    try:
        agreed = typer.confirm("Delete them?")
    except typer.Abort as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise
        raise UsageError(
            "nobody answered, so nothing was changed", advice="Give --yes where nobody can answer."
        ) from None
    if not agreed:
        typer.echo("Nothing was changed.")
        raise typer.Exit(1)


def _load(
    copy: Path,
    feed: str,
    *,
    root: Path | None,
    state: Path | None,
    dataset: str | None,
    allow_net: list[str] | None,
) -> "tuple[Recalled, FeedFacts]":
    """What the feed says now, read through its signatures."""
    from linkwell.purge import STATE_FOLDER, dataset_of, feed_facts, open_feed
    from linkwell.recall import load_recalled

    named = dataset or dataset_of(copy)
    folder = state or copy / STATE_FOLDER
    client = open_feed(feed, folder, root=root, allow_net=allow_net or ())
    recalled = load_recalled(client, named)
    return recalled, feed_facts(folder, recalled)


_FROM_BUILD = (
    "This copy was made from a build. Recalls are about releases: what was taken down before the first one is in none of them. "
    "Run linkwell populate on it again to leave that out."
)


def purge_options(
    aliases: "list[Path] | None",
    tables: "Path | None",
    *,
    hash_all: bool,
    thorough: bool,
    in_place: InPlaceChoice,
) -> "PurgeOptions":
    """The options of `apply` and `watch`."""
    from linkwell.purge import PurgeOptions, read_tables

    named = read_tables(tables) if tables else ()
    return PurgeOptions(tuple(aliases or ()), named, hash_all, thorough, in_place.value)


def reach_lines(
    unidentified: int, unreached: Mapping[str, int], problems: Mapping[str, str], surroundings: Sequence[str] = ()
) -> list[str]:
    """What was not dealt with, and what lies around the copy."""
    lines = [f"{name}: {problem}" for name, problem in problems.items()]
    if unidentified:
        one = "sample or row has nothing that says which link it is"
        lines.append(plural(unidentified, one, "samples or rows have nothing that says which link they are"))
    if unreached:
        lines.append(f"In the folder, and not reached: {_kinds(unreached)}")
    lines += [f"Around the copy: {sentence}" for sentence in surroundings]
    return lines


def _kinds(counts: Mapping[str, int]) -> str:
    """Counts of what has its name in the plural: `1 .h5 file, 2 symbolic links`."""
    one = {kind: re.sub(r"(file|link|folder)s", r"\1", kind, count=1) for kind in counts}
    return ", ".join(plural(count, one[kind], kind) for kind, count in counts.items())
