"""Commands about the feed: `feed keys`, `init`, `refresh`, and the ceremonies `make-key`, `rotate` and `sign`."""

from pathlib import Path
from typing import Annotated

import typer

from linkwell.base.counts import plural
from linkwell.cli.output import JsonOption, WorkspaceOption, emit, open_workspace


def add_feed_commands(app: typer.Typer) -> None:
    """Add the group to the program."""
    group = typer.Typer(no_args_is_help=True, help="Make and renew the signed feed that holders of copies follow.")
    group.command("keys")(make_keys)
    group.command("init")(init)
    group.command("refresh")(refresh)
    group.command("make-key")(make_key)
    group.command("rotate")(rotate)
    group.command("sign")(sign)
    app.add_typer(group, name="feed")


def make_keys(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Make the keys that are not there: three each for root and targets, one each for snapshot and timestamp.

    Give the three to three people: two of them must sign. Keys that are there are kept.

    Example: linkwell feed keys
    """
    from linkwell.feed import make_keys as make

    opened = open_workspace(workspace)
    made = make(opened)
    emit(
        {"made": [path.name for path in made], "folder": str(opened.keys)},
        as_json,
        f"Made {plural(len(made), 'key')} in {opened.keys}" if made else f"All keys are there, in {opened.keys}",
        "Keep them secret and backed up; root and targets keys best on two machines or in two safes.",
    )


def init(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Sign the first root of the feed, which clients are given by a way they trust.

    Example: linkwell feed init
    """
    from linkwell.feed import init_feed

    opened = open_workspace(workspace)
    root = init_feed(opened)
    emit(
        {"feed": str(opened.feed), "root": str(root)},
        as_json,
        f"Feed in {opened.feed}: serve this folder as it is, with any web server.",
        f"Give {root} to those who follow it; they start with --root.",
    )


def refresh(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Sign the feed anew, so that clients go on trusting it; run this from a timer, well before it expires.

    Example: linkwell feed refresh
    """
    from linkwell.feed import refresh_feed

    until = refresh_feed(open_workspace(workspace))
    emit(
        {"expires": until.isoformat()},
        as_json,
        f"The feed is good until {until:%Y-%m-%d %H:%M} UTC; refresh it before then.",
    )


def make_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private half goes, such as targets-2.pem.")],
    as_json: JsonOption = False,
) -> None:
    """Make one key on the machine of its holder, who keeps the private half and sends the public half.

    Example: linkwell feed make-key targets-2.pem
    """
    from linkwell.feed import make_key as make

    public = make(file)
    emit(
        {"private": str(file), "public": str(public)},
        as_json,
        f"Made {file}: keep it secret and backed up.",
        f"Send {public} to the keeper of the feed, who gives: linkwell feed rotate ROLE N --public {public.name}",
    )


def rotate(
    role: Annotated[str, typer.Argument(metavar="ROLE", help="root, targets, snapshot or timestamp.")],
    numbers: Annotated[list[int], typer.Argument(metavar="N", help="Which of the role's keys, from 1.")],
    public: Annotated[
        Path | None,
        typer.Option("--public", metavar="FILE", help="Public half of a key whose holder made it elsewhere."),
    ] = None,
    *,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put new keys in the place of lost, stolen or retired ones; clients follow by themselves. The old ones count no more.

    Two of the root keys must sign. Where they lie elsewhere, a file to sign is left: exit code 1.

    Example: linkwell feed rotate targets 2
    """
    from linkwell.feed import rotate_keys
    from linkwell.release import signed_documents

    opened = open_workspace(workspace)
    done = rotate_keys(opened, role, numbers, public=public, documents=signed_documents(opened))
    found = {"root": done.version, "done": done.done, "missing": done.missing, "file": str(done.pending or "")}
    if done.done:
        emit(
            found,
            as_json,
            f"Root {done.version} stands: clients take it at their next look. The old keys are of no use.",
        )
        return
    emit(
        found,
        as_json,
        f"Signatures of root keys still needed: {done.missing}, on {done.pending}",
        "Their holders sign it with: linkwell feed sign root.to-sign.json --key root-2.pem",
        "Put it back in its place and give this command again.",
    )
    raise typer.Exit(1)


def sign(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file that feed rotate left.")],
    key: Annotated[Path, typer.Option("--key", metavar="PEM", help="Private half of a root key.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Sign a new root with a root key that lies elsewhere. Needs no workspace.

    Example: linkwell feed sign root.to-sign.json --key root-2.pem
    """
    from linkwell.feed import sign_pending

    signatures = sign_pending(file, key)
    emit({"signatures": signatures}, as_json, f"Signed; the file has {plural(signatures, 'signature')}. Send it back.")
