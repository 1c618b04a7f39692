"""The program as scripts and strangers meet it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from linkwell import cli
from linkwell.cli import app
from linkwell.cli.output import emit_rows

LINKWELL = str(Path(sys.executable).with_name("linkwell"))


def _run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LINKWELL, *arguments], capture_output=True, text=True, cwd=cwd, check=False)


def _commands(command: object, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], object]]:
    children = getattr(command, "commands", None)
    if children is None:
        return [(path, command)]
    alone = [(path, command)] if path and getattr(command, "invoke_without_command", False) else []
    return alone + [leaf for name, child in children.items() for leaf in _commands(child, (*path, name))]


COMMANDS = _commands(get_command(app))


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(path) for path, _ in COMMANDS])
def test_every_command_explains_itself(path: tuple[str, ...], command: object) -> None:
    """Help is sentences, ends with an example of this very command, and every option says what it does."""
    help_text = getattr(command, "help", "") or ""
    assert f"Example: linkwell {' '.join(path)}" in help_text
    assert help_text[0].isupper()
    names = {name for p in getattr(command, "params", []) for name in p.opts}
    assert "--json" in names
    for parameter in getattr(command, "params", []):
        assert getattr(parameter, "help", None), f"{path}: {parameter.name} has no help"


def test_a_table_keeps_every_value_whole_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """In a file or a pipe no value is cut or folded to fit a width that is not there."""
    row: dict[str, object] = {f"column{n}": f"{n}-a-long-value-without-a-break" for n in range(8)}
    emit_rows([row, row], as_json=False, name="rows", empty="")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].split() == list(row.values())


def test_the_fixed_commands_are_there() -> None:
    """Scripts rely on these names."""
    there = {" ".join(path) for path, _ in COMMANDS}
    assert there >= {
        "init",
        "build",
        "populate",
        "lists import",
        "lists show",
        "lists forget",
        "audit",
        "cases list",
        "cases show",
        "cases propose",
        "cases approve",
        "cases report",
        "log verify",
        "release create",
        "release verify",
        "release publish",
        "release withdraw",
        "release list",
        "feed keys",
        "feed init",
        "feed refresh",
        "recall create",
        "recall publish",
        "recall list",
        "recall show",
        "purge plan",
        "purge apply",
        "purge verify",
        "demo",
        "doctor",
        "worker",
    }


@pytest.mark.parametrize("arguments", [[], ["nope"], ["init"], ["init", "--nope"], ["worker", "x", "--task", "y"]])
def test_wrong_usage_is_exit_code_two_without_a_traceback(arguments: list[str]) -> None:
    """And says what is right."""
    result = _run(*arguments)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_it_runs_as_a_module_too() -> None:
    """Where the script is not on the path."""
    result = subprocess.run([sys.executable, "-m", "linkwell", "--version"], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("linkwell ")


def test_a_command_that_is_stopped_says_how_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C is exit code 130, as shells have it, with a word about the next step."""

    def stopped(*, standalone_mode: bool) -> object:
        return stopping(args=[], standalone_mode=standalone_mode)

    stopping = typer.Typer(pretty_exceptions_enable=False)

    @stopping.command()
    def wait() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "app", stopped)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as raised:
        cli.main()
    assert raised.value.code == 130
    assert capsys.readouterr().err == "linkwell: stopped. The same command goes on where this one was.\n"


def test_what_cannot_be_done_is_exit_code_three_with_advice(tmp_path: Path) -> None:
    """The message names the folder and the next step."""
    result = _run("lists", "show", cwd=tmp_path)
    assert result.returncode == 3
    assert "linkwell init" in result.stderr


def test_the_workspace_is_named_before_or_after_the_command_or_by_the_environment(tmp_path: Path) -> None:
    """All spellings mean the same."""
    assert _run("init", "w", "--dataset", "birds", cwd=tmp_path).returncode == 0
    for arguments in (["-w", "w", "lists", "show", "--json"], ["lists", "show", "-w", "w", "--json"]):
        result = _run(*arguments, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        assert json.loads(result.stdout) == {"lists": []}
