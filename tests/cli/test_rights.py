"""`linkwell rights`: why a link has its verdicts, and under which policy."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.build.archives import record, response_record
from typer.testing import CliRunner

from linkwell.base.workspace import Workspace
from linkwell.build import build, current_build
from linkwell.cli import app
from linkwell.engine import Engine
from linkwell.rights import DEFAULT_POLICY

URL = "https://img.example/heron.jpg"


@pytest.fixture
def built(workspace: Workspace, engine: Engine, tmp_path: Path) -> Workspace:
    """A build of one link whose page and whose host say no."""
    page = f'<meta name="robots" content="noimageai"><img src="{URL}" alt="a grey heron">'.encode()
    robots = b"HTTP/1.1 200 OK\r\n\r\nUser-agent: CCBot\nDisallow: /\n"
    archive = tmp_path / "crawl.warc"
    archive.write_bytes(
        response_record(page, "https://page.example/birds")
        + record("response", "application/http; msgtype=response", robots, "https://img.example/robots.txt")
    )
    build(workspace, [str(archive)], crawl="TEST", engine=engine)
    return workspace


def test_explain_says_what_where_and_when(built: Workspace) -> None:
    """Each statement in words, with its raw form, its URL and its date; the verdicts and the policy's hash."""
    result = CliRunner().invoke(app, ["rights", "explain", URL, "-w", str(built.root)])
    assert result.exit_code == 0, result.output
    for words in (
        "Training AI on it is not allowed.",
        "a robots meta of the page does not allow training AI on it",
        "robots: noimageai",
        "robots.txt, by keeping a crawler out, does not allow training AI on it",
        "User-agent: ccbot: Disallow: /",
        "https://img.example/robots.txt, seen 2024-05-18T01:58:10+00:00",
        "https://page.example/birds",
        DEFAULT_POLICY.sha256,
    ):
        assert words in result.output


def test_explain_in_json(built: Workspace) -> None:
    """One object with verdicts, statements and policy."""
    result = CliRunner().invoke(app, ["rights", "explain", URL, "-w", str(built.root), "--json"])
    told = json.loads(result.output)
    assert told["verdicts"] == {"train_ai": "disallow", "tdm": "unknown", "search": "unknown"}
    assert {each["kind"] for each in told["statements"]} == {"robots-meta", "robots.txt"}
    assert told["policy"] == {"name": DEFAULT_POLICY.name, "sha256": DEFAULT_POLICY.sha256}
    assert told["policy_changed_since_build"] is False


def test_a_changed_policy_is_said(built: Workspace) -> None:
    """Verdicts of the build were made under another policy than the one now: explain says so."""
    (built.root / "rights.toml").write_text('name = "mine"\n[agents]\ntraining = ["CCBot"]\n')
    result = CliRunner().invoke(app, ["rights", "explain", URL, "-w", str(built.root), "--json"])
    assert json.loads(result.output)["policy_changed_since_build"] is True


def test_a_link_that_is_not_there(built: Workspace) -> None:
    """No guess, an error that says so."""
    result = CliRunner().invoke(app, ["rights", "explain", "https://img.example/none.jpg", "-w", str(built.root)])
    assert result.exit_code != 0
    assert "no such link" in str(result.exception)


def test_policy_shows_what_is_in_force(workspace: Workspace) -> None:
    """Name, hash and crawlers."""
    result = CliRunner().invoke(app, ["rights", "policy", "-w", str(workspace.root)])
    assert result.exit_code == 0
    assert DEFAULT_POLICY.sha256 in result.output
    assert "GPTBot" in result.output


def test_a_release_is_explained_by_the_build_it_came_from(
    built: Workspace, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later build of other pages does not take the evidence of a release's links away; a build that is gone is said to be."""
    first = current_build(built)
    parts = SimpleNamespace(parts=first.links)
    monkeypatch.setattr("linkwell.release.open_release", lambda _workspace, _version: parts)
    later = tmp_path / "later.warc"
    later.write_bytes(response_record(f'<img src="{URL}" alt="a heron">'.encode(), "https://other.example/"))
    build(built, [str(later)], crawl="LATER", engine=engine)
    command = ["rights", "explain", URL, "--release", "v1", "-w", str(built.root)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert f"in release v1, from build {first.name}" in result.output
    assert "a robots meta of the page does not allow training AI on it" in result.output
    assert "User-agent: ccbot: Disallow: /" in result.output
    (built.builds / first.name / "build.json").unlink()
    result = CliRunner().invoke(app, command)
    assert "from a build that is not here" in result.output
    assert "with the statements behind the verdicts, is not in this workspace" in result.output
    assert "Training AI on it is not allowed." in result.output


def test_the_policy_that_is_named_can_be_copied(workspace: Workspace) -> None:
    """The default is a file of the package; its copy in the workspace takes its place and has the same hash."""
    shown = [json.loads(_policy(workspace))]
    Path(workspace.root / "rights.toml").write_bytes(Path(shown[0]["file"]).read_bytes())
    shown.append(json.loads(_policy(workspace)))
    assert [each["own"] for each in shown] == [False, True]
    assert shown[0]["sha256"] == shown[1]["sha256"]
    assert shown[1]["file"] == str(workspace.root / "rights.toml")


def _policy(workspace: Workspace) -> str:
    return CliRunner().invoke(app, ["rights", "policy", "--json", "-w", str(workspace.root)]).stdout
