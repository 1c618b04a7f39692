"""The program `linkwell`: one thin command per act, each opening a workspace, calling one package, printing the result."""

import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from linkwell import __version__
from linkwell.base.errors import LinkwellError
from linkwell.cli.audit import add_audit_commands
from linkwell.cli.build import add_build_commands
from linkwell.cli.cases import add_cases_commands
from linkwell.cli.demo import add_demo_commands
from linkwell.cli.export import add_export_commands
from linkwell.cli.feed import add_feed_commands
from linkwell.cli.import_ import add_import_commands
from linkwell.cli.lineage import add_lineage_commands
from linkwell.cli.lists import add_lists_commands
from linkwell.cli.output import set_workspace
from linkwell.cli.populate import add_populate_commands
from linkwell.cli.purge import add_purge_commands
from linkwell.cli.recall import add_recall_commands
from linkwell.cli.release import add_release_commands
from linkwell.cli.rights import add_rights_commands
from linkwell.cli.watch import watch
from linkwell.cli.workspace import add_workspace_commands

__all__ = ["app", "main"]

_STOPPED = 130
"""Exit code of a command that was stopped: 128 and the number of SIGINT, as shells have it."""
_STOPPED_WORDS = "linkwell: stopped. The same command goes on where this one was.\n"

app = typer.Typer(
    name="linkwell",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Keep a link dataset: build, populate, audit, take reports, release, recall, purge.\n\n"
    "To see it all at work: linkwell demo. To begin: linkwell init DIR. What is missing: linkwell doctor.\n\n"
    "Exit codes: 0 done, 1 done but something needs you, 2 wrong usage, 3 could not be done, 130 stopped.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"linkwell {__version__}")
        raise typer.Exit


@app.callback()
def program(
    workspace: Annotated[
        Path | None,
        typer.Option(
            "--workspace",
            "-w",
            metavar="DIR",
            help="The workspace's folder. [default: $LINKWELL_WORKSPACE or the current folder]",
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback answers
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Remember the workspace for the command that follows."""
    set_workspace(workspace)


add_workspace_commands(app)
add_recall_commands(app)
add_purge_commands(app, watch=watch)
add_build_commands(app)
add_import_commands(app)
add_export_commands(app)
add_lists_commands(app)
add_lineage_commands(app)
add_populate_commands(app)
add_audit_commands(app)
add_cases_commands(app)
add_feed_commands(app)
add_release_commands(app)
add_rights_commands(app)
add_demo_commands(app)


def _crash(error: BaseException) -> str:
    """What is said of an error nobody foresaw: its kinds and places, and no text of it (ground rule 8).

    A library's message may quote the value it stumbled on: a hash of a list, a URL. `LINKWELL_TRACEBACK=1` shows it all.
    """
    if os.environ.get("LINKWELL_TRACEBACK") == "1":
        return "".join(traceback.format_exception(error))
    places = [f"  {f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)]
    return "\n".join(
        [
            *places,
            f"linkwell: an error nobody foresaw: {type(error).__name__}",
            "Report it with the lines above. Its text is left out, since it may hold what must not be shown;",
            "LINKWELL_TRACEBACK=1 shows it to you.",
            "",
        ]
    )


def main() -> None:
    """Run the program. Exit codes: 0 done, 1 done but something needs you, 2 wrong usage, 3 could not be done, 130 stopped."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill stops as Ctrl-C does
    # A crash of a library must not leave lists and ledger on the disk as a core file; processes made here inherit it.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    os.umask(os.umask(0) | 0o022)  # nobody else writes to what is made here, whatever the shell allows
    try:
        code = app(standalone_mode=False)
        if code == _STOPPED:  # Typer's answer to Ctrl-C
            sys.stderr.write(_STOPPED_WORDS)
    except typer.Exit as stop:
        code = stop.exit_code
    except TyperException as error:
        show: Callable[[], object] = getattr(error, "show", partial(sys.stderr.write, f"linkwell: {error}\n"))
        show()
        code = error.exit_code
    except LinkwellError as error:
        sys.stderr.write(f"linkwell: {error}" + "\n")
        code = error.exit_code
    except Exception as error:  # noqa: BLE001 - the last resort; without the texts, which may hold a restricted value
        sys.stderr.write(_crash(error))
        code = LinkwellError.exit_code
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write(_STOPPED_WORDS)
        code = _STOPPED
    sys.exit(code if isinstance(code, int) else 0)
