"""Lineage: what was derived from releases, and what a recall touches."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from linkwell.base.errors import FormatError, LinkwellError, MissingError, UsageError
from linkwell.base.workspace import Workspace
from linkwell.cli import app
from linkwell.recall import Derived, Lineage
from linkwell.recall.batch import BATCH_FILE, LINKS_SCHEMA, batch_files, batch_path

RELEASES = ["v1", "v2"]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "w", "birds")


def derived(name: str, *sources: str, kind: Any = "copy", sequence: int = 0) -> Derived:
    return Derived(name, kind, "birds", sources, sequence=sequence)


def test_what_a_recall_touches_is_found_through_other_entries(workspace: Workspace) -> None:
    """A model trained on embeddings of a copy of v1 comes from v1; what has the recall applied does not count."""
    for entry in (
        derived("copy-a", "v1"),
        derived("emb-a", "copy-a", kind="embedding"),
        derived("model-a", "emb-a", kind="model"),
        derived("copy-b", "v2"),
        derived("both", "v2", "copy-a", kind="dataset"),
        derived("purged", "v1", sequence=3),
    ):
        Lineage.open(workspace).add(entry, RELEASES)
    lineage = Lineage.open(workspace)
    assert [e.name for e in lineage.affected(["v1"], 3)] == ["both", "copy-a", "emb-a", "model-a"]
    assert [e.name for e in lineage.affected(["v1"], 4)] == ["both", "copy-a", "emb-a", "model-a", "purged"]
    assert [e.name for e in lineage.affected(["v2"])] == ["both", "copy-b"]


def test_sources_must_be_known_and_no_circle(workspace: Workspace) -> None:
    """A source that nobody recorded, none at all, or a thing derived from itself is refused."""
    lineage = Lineage.open(workspace)
    lineage.add(derived("a", "v1"), RELEASES)
    lineage.add(derived("b", "a"), RELEASES)
    for bad in (derived("c", "v9"), derived("c"), derived("a", "b"), derived("a", "a"), derived("../c", "v1")):
        with pytest.raises(UsageError):
            lineage.add(bad, RELEASES)
    with pytest.raises(UsageError, match="b was derived"):
        lineage.forget("a")
    lineage.forget("b")
    lineage.forget("a")
    with pytest.raises(MissingError):
        lineage.forget("a")
    assert Lineage.open(workspace).entries == []


def test_a_record_that_does_not_read_is_an_error(workspace: Workspace) -> None:
    """It is never taken for an empty one."""
    (workspace.root / "lineage.json").write_text("[]")
    with pytest.raises(FormatError):
        Lineage.open(workspace)


def run(workspace: Workspace, *arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [*arguments, "-w", str(workspace.root), "--json"])
    if isinstance(result.exception, LinkwellError):
        raise result.exception
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_commands(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """`lineage add` and `affected`; `recall show` names what a recall touches."""
    files = batch_files(
        dataset="birds",
        sequence=1,
        issued="2026-01-01",
        partition_sha256="00" * 32,
        releases=["v1-r2"],
        previous="",
        cells=[2],
        links=LINKS_SCHEMA.empty_table(),
    )
    folder = batch_path(workspace.recalls, 1)
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    assert (folder / BATCH_FILE).exists()
    with pytest.raises(UsageError, match="neither a release"):
        run(workspace, "lineage", "add", "lab", "--kind", "copy", "--from", "v1", "--as", "ada")
    Lineage.open(workspace).add(derived("lab", "v1"), RELEASES)
    run(
        workspace, "lineage", "add", "vectors", "--kind", "embedding", "--from", "lab", "--as", "ada", "--holder", "Lab"
    )
    with pytest.raises(UsageError, match="no kind"):
        run(workspace, "lineage", "add", "x", "--kind", "poem", "--from", "lab", "--as", "ada")
    assert [e["name"] for e in run(workspace, "lineage", "affected", "1", code=1)["affected"]] == ["lab", "vectors"]
    assert run(workspace, "recall", "show", "1")["touches"] == ["lab", "vectors"]
    run(workspace, "lineage", "forget", "vectors", "--as", "ada")
    assert [e["name"] for e in run(workspace, "lineage", "list")["derived"]] == ["lab"]
