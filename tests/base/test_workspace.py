"""Workspaces and their settings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from linkwell.base.errors import BusyError, FormatError, MissingError, MissingKeyError, SafetyError, UsageError
from linkwell.base.workspace import MASTER_KEY_VARIABLE, Workspace, folder_lock


def test_a_new_workspace_keeps_its_secrets_to_the_owner(workspace: Workspace) -> None:
    """Restricted folders are 0700 and the key 0600."""
    for folder in (workspace.ledger, workspace.lists, workspace.findings, workspace.keys, workspace.recalls):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert (workspace.keys / "master.key").stat().st_mode & 0o777 == 0o600


def test_making_it_twice_changes_nothing(workspace: Workspace) -> None:
    """`init` on a workspace keeps its key; another dataset's name is refused."""
    key = workspace.master_key()
    assert Workspace.create(workspace.root, "birds").master_key() == key
    with pytest.raises(UsageError, match="birds"):
        Workspace.create(workspace.root, "cats")


@pytest.mark.parametrize("name", ["", "../x", "A", "a/b", "a b", "x" * 65, "a..b", ".a"])
def test_a_name_that_is_unsafe_in_paths_is_refused(tmp_path: Path, name: str) -> None:
    """Dataset names reach paths and URLs."""
    with pytest.raises(UsageError):
        Workspace.create(tmp_path / "w", name)


def test_a_folder_that_is_none_says_how_to_make_one(tmp_path: Path) -> None:
    """The error names the folder and the command."""
    with pytest.raises(MissingError, match="linkwell init"):
        Workspace.open(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dataset = 3", "dataset"),
        ("[populate]\nconcurency = 3", "concurency"),
        ("[release]\ncell_min_rows = 'x'", "cell_min_rows"),
        ("dataset = ", "TOML"),
        ("[recall]\ntimestamp_days = 0", "timestamp_days"),
        ("[populate]\ntotal_deadline_seconds = -1.0", "total_deadline_seconds"),
        ("[populate]\njpeg_quality = 101", "jpeg_quality"),
    ],
)
def test_a_wrong_setting_is_named(workspace: Workspace, text: str, said: str) -> None:
    """A misspelt or mistyped setting is an error, not a default."""
    (workspace.root / "linkwell.toml").write_text(text)
    with pytest.raises(FormatError, match=said):
        Workspace.open(workspace.root)


def test_the_key_comes_from_the_environment_first(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable wins; a bad one is an error that does not show it."""
    monkeypatch.setenv(MASTER_KEY_VARIABLE, "ab" * 32)
    assert workspace.master_key() == bytes.fromhex("ab" * 32)
    monkeypatch.setenv(MASTER_KEY_VARIABLE, "5ecret")
    with pytest.raises(FormatError) as caught:
        workspace.master_key()
    assert "5ecret" not in str(caught.value)


def test_a_missing_key_says_what_is_lost(workspace: Workspace) -> None:
    """Without the key nothing restricted can be read, and the error says so."""
    (workspace.keys / "master.key").unlink()
    with pytest.raises(MissingKeyError, match=MASTER_KEY_VARIABLE):
        workspace.master_key()


def test_a_lock_is_exclusive_and_dies_with_its_process(tmp_path: Path) -> None:
    """A second holder is refused at once; a killed holder leaves no lock behind."""
    code = (
        "import sys, time; from pathlib import Path; from linkwell.base.workspace import folder_lock\n"
        "with folder_lock(Path(sys.argv[1]), 'x'):\n    print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, env=dict(os.environ))
    assert holder.stdout is not None
    with holder.stdout:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(BusyError), folder_lock(tmp_path, "x"):
            pass
        holder.kill()
        holder.wait()
    with folder_lock(tmp_path, "x"):
        pass


def test_the_master_key_may_come_from_a_command_or_a_file(tmp_path: Path) -> None:
    """Settings name a place of the key: nothing of it is kept in the workspace, and a command is run once in a process."""
    counted = tmp_path / "asked"
    key = "cd" * 32
    script = tmp_path / "give"
    script.write_text(f"#!/bin/sh\necho x >> {counted}\necho {key}\n")
    script.chmod(0o700)
    by_command = Workspace.create(tmp_path / "a", "birds", f'dataset = "birds"\n[keys]\nmaster = "command:{script}"\n')
    assert by_command.master_key() == by_command.master_key() == bytes.fromhex(key)
    assert counted.read_text().split() == ["x"]
    assert not list(by_command.keys.iterdir())
    by_file = Workspace.create(tmp_path / "b", "birds", 'dataset = "birds"\n[keys]\nmaster = "file:../key"\n')
    (tmp_path / "key").write_text(key)
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(SafetyError, match="others than its owner"):
        by_file.master_key()
    (tmp_path / "key").chmod(0o600)
    assert by_file.master_key() == bytes.fromhex(key)
    gone = Workspace.create(tmp_path / "c", "birds", 'dataset = "birds"\n[keys]\nmaster = "command:false"\n')
    with pytest.raises(MissingKeyError, match="the command that gives the secret failed"):
        gone.master_key()
