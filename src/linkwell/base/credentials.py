"""Secrets that settings name and do not hold: `env:NAME`, `file:PATH` or `command:LINE`."""

import os
import re
import shlex
import stat
import subprocess
from pathlib import Path

from linkwell.base.errors import MissingKeyError, SafetyError, UsageError

_COMMAND_SECONDS = 60


def read_credential(reference: str, where: str, root: Path) -> str:
    """The secret a setting names, without white space around it.

    Args:
        reference: `env:NAME`, `file:PATH` (relative to the workspace) or `command:LINE`, whose first line of output it is; the
            line is split as a shell would, and run without one.
        where: the setting, for errors. What the secret is, or the command printed, is in none.
        root: the workspace's folder.

    Raises:
        UsageError: the reference is of no such form.
        MissingKeyError: there is nothing there.
        SafetyError: others can read the file.
    """
    kind, _, rest = reference.partition(":")
    if kind not in ("env", "file", "command") or not rest.strip():
        raise UsageError("this names no place of a secret", where, "Give env:NAME, file:PATH or command:LINE.")
    secret = {"env": _from_environment, "file": _from_file, "command": _from_command}[kind](rest.strip(), where, root)
    if not secret.strip():
        raise MissingKeyError("the secret is not there, or empty", where, _advice(kind, rest.strip(), root))
    return secret.strip()


def _advice(kind: str, name: str, root: Path) -> str:
    """How to give the secret; a command line may hold more than its name, and is not shown."""
    if kind == "env":
        if not _VARIABLE.fullmatch(name):
            return "After env: stands the variable to set. It is not repeated here: it does not look like a name, and may be the secret."
        return f"The setting names the environment variable {name}: set it for this command."
    if kind == "file":
        return f"The setting names the file {root / Path(name).expanduser()}: write the secret into it, mode 0600."
    return "The command that the setting names printed nothing: run it by hand to see why."


_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
"""Names as environments have them; what does not look like one may be the secret, put in the wrong place."""


def _from_environment(name: str, _where: str, _root: Path) -> str:
    return os.environ.get(name, "")


def _from_file(name: str, where: str, root: Path) -> str:
    path = root / Path(name).expanduser()
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SafetyError("others than its owner can read this file", where, f"chmod 600 {path}")
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""


def _from_command(line: str, where: str, root: Path) -> str:
    try:
        done = subprocess.run(
            shlex.split(line),
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            cwd=root,
            timeout=_COMMAND_SECONDS,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        raise MissingKeyError("the command that gives the secret failed", where, "Run it by hand to see why.") from None
    return done.stdout.decode("utf-8", "replace").partition("\n")[0]
