"""Rule 3, where one person holds a copy: nothing is deleted without a second look."""

from pathlib import Path

from typer.testing import CliRunner

from linkwell.base.errors import UsageError
from linkwell.cli import app


def test_purge_apply_deletes_only_after_a_yes(tmp_path: Path) -> None:
    """`purge apply --json` without --yes is refused before feed or copy are looked at: a script has to say it."""
    (tmp_path / "00000.tar").write_bytes(b"")
    result = CliRunner().invoke(app, ["purge", "apply", str(tmp_path), "--feed", str(tmp_path), "--json"])
    assert isinstance(result.exception, UsageError)
    assert "--yes" in str(result.exception)


def test_a_recall_needs_a_case_that_two_people_upheld() -> None:
    """There is no way to recall a link by naming it: `recall create` takes upheld cases and nothing else."""
    result = CliRunner().invoke(app, ["recall", "create", "--help"])
    arguments = [line for line in result.stdout.splitlines() if line.startswith("Usage")]
    assert arguments
    assert not any(word in result.stdout for word in ("--url", "--link", "--cell"))
    assert CliRunner().invoke(app, ["recall", "create", "http://a.example/x", "--as", "ana"]).exit_code != 0
