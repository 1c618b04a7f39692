"""Commands about the feed: `feed keys`, `feed init`, `feed refresh`."""

import typer

from linkwell.cli.output import JsonOption, WorkspaceOption, emit, open_workspace


def add_feed_commands(app: typer.Typer) -> None:
    """Add the group to the program."""
    group = typer.Typer(no_args_is_help=True, help="Make and renew the signed feed that holders of copies follow.")
    group.command("keys")(make_keys)
    group.command("init")(init)
    group.command("refresh")(refresh)
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
        f"Made {len(made)} keys in {opened.keys}" if made else f"All keys are there, in {opened.keys}",
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
