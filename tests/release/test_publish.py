"""Releases checked, published, withdrawn; and the attacker who edits them."""

import json
from pathlib import Path

import pytest
from tests.release.conftest import SetBuild, some_urls
from tests.release.test_create import make, rows_of, uphold
from typer.testing import CliRunner

from linkwell.base.errors import (
    LinkwellError,
    MissingError,
    MissingKeyError,
    SafetyError,
    SignatureError,
    TwoPersonError,
    UsageError,
)
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook
from linkwell.cli import app
from linkwell.engine import Engine
from linkwell.feed import FeedClient, published_targets
from linkwell.release import (
    current_release,
    list_releases,
    open_release,
    publish_release,
    reissue,
    verify_release,
    withdraw_release,
)


@pytest.fixture
def v1(workspace: Workspace, engine: Engine, set_build: SetBuild) -> Path:
    """A release of 60 links; its folder."""
    set_build(some_urls(60))
    return make(workspace, "v1", engine).folder


def test_one_byte_anywhere_is_noticed(workspace: Workspace, v1: Path) -> None:
    """For every file of a release, at several places: verify names the file."""
    for path in sorted(p for p in v1.rglob("*") if p.is_file() and p.name != "state.json"):
        data = path.read_bytes()
        for place in {0, len(data) // 3, len(data) // 2, len(data) - 3}:
            changed = bytearray(data)
            changed[place] ^= 4
            path.write_bytes(changed)
            with pytest.raises(LinkwellError) as caught:
                verify_release(workspace, "v1")
            named = "manifest.json" if path.name.endswith(".sig.json") else path.name
            assert named in str(caught.value)
        path.write_bytes(data[:-1])
        with pytest.raises(LinkwellError):
            verify_release(workspace, "v1")
        path.write_bytes(data)
    verify_release(workspace, "v1")


def test_a_missing_part_or_signature_is_noticed(workspace: Workspace, v1: Path) -> None:
    """Files that are gone are named."""
    for path in (next((v1 / "parts").iterdir()), v1 / "manifest-r1.sig.json"):
        data = path.read_bytes()
        path.unlink()
        with pytest.raises(SignatureError):
            verify_release(workspace, "v1")
        path.write_bytes(data)


def test_a_manifest_of_another_release_does_not_pass(
    workspace: Workspace, engine: Engine, v1: Path, set_build: SetBuild
) -> None:
    """A rightly signed manifest in the wrong folder is refused; so is one signed by one key."""
    make(workspace, "v2", engine)
    for name in ("manifest.json", "manifest-r1.sig.json"):
        (v1 / name).write_bytes((workspace.releases / "v2" / name).read_bytes())
    with pytest.raises(SignatureError, match="another release"):
        open_release(workspace, "v1")
    path = workspace.releases / "v2" / "manifest-r1.sig.json"
    document = json.loads(path.read_bytes())
    document["signatures"] = document["signatures"][:1] * 2
    path.write_text(json.dumps(document))
    with pytest.raises(SignatureError, match="signed by 2"):
        open_release(workspace, "v2")


def test_a_holder_gets_the_whole_release_through_the_feed(workspace: Workspace, v1: Path, tmp_path: Path) -> None:
    """From the trusted root to the last byte: manifest as a target, parts by hash and size."""
    publish_release(workspace, "v1", "ada")
    assert list_releases(workspace)[0].status == "published"
    client = FeedClient.open(str(workspace.feed), tmp_path / "s", trusted_root=workspace.feed / "metadata/1.root.json")
    client.refresh()
    manifest = json.loads(client.read("releases/birds/v1/manifest.json"))
    for part in manifest["parts"]:
        got = client.fetch_unlisted(part["path"], part["sha256"], part["bytes"], tmp_path / part["sha256"])
        assert got.read_bytes() == (v1 / "parts" / f"{part['sha256']}.parquet").read_bytes()
    edited = workspace.feed / manifest["parts"][0]["path"]
    data = edited.read_bytes()
    edited.unlink()
    edited.write_bytes(data[:-1] + b"?")
    part = manifest["parts"][0]
    with pytest.raises(SignatureError):
        client.fetch_unlisted(part["path"], part["sha256"], part["bytes"], tmp_path / "again")
    publish_release(workspace, "v1", "ada")
    assert edited.read_bytes() == data


def test_an_edited_release_is_not_published(workspace: Workspace, v1: Path) -> None:
    """What does not verify does not reach the feed."""
    path = next((v1 / "parts").iterdir())
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(SignatureError):
        publish_release(workspace, "v1", "ada")
    assert published_targets(workspace) == {}


def test_publishing_needs_keys_and_leaves_no_half(workspace: Workspace, v1: Path) -> None:
    """Without the timestamp key the release stays unpublished, here and in the feed."""
    (workspace.keys / "timestamp-1.pem").unlink()
    with pytest.raises(MissingKeyError, match="timestamp"):
        publish_release(workspace, "v1", "ada")
    assert list_releases(workspace)[0].status == "created"
    assert published_targets(workspace) == {}


def test_quarantine_after_release_stops_publication(workspace: Workspace, v1: Path) -> None:
    """An entry that is suspected since: verify counts it, publish refuses; neither says which."""
    book = CaseBook.open(workspace)
    url = some_urls(60)[5]
    book.report([url], kind="illegal", who="ada")
    assert verify_release(workspace, "v1").quarantined == 1
    with pytest.raises(SafetyError) as caught:
        publish_release(workspace, "v1", "ada")
    assert url not in str(caught.value)


def test_withdrawing_takes_two_people_and_gives_no_reason(workspace: Workspace, v1: Path, engine: Engine) -> None:
    """Manifest and parts leave the feed, a note with version and date stays; the reason is in the log only."""
    with pytest.raises(UsageError, match="never published"):
        withdraw_release(workspace, "v1", "r", "ada", "ben")
    publish_release(workspace, "v1", "ada")
    for second in ("ada", " ADA "):
        with pytest.raises(TwoPersonError):
            withdraw_release(workspace, "v1", "r", "ada", second)
    with pytest.raises(UsageError, match="reason"):
        withdraw_release(workspace, "v1", " ", "ada", "ben")
    withdraw_release(workspace, "v1", "secret cause", "ada", "ben")
    assert sorted(published_targets(workspace)) == [f"releases/birds/v1/withdrawn.{each}" for each in ("html", "json")]
    assert not list((workspace.feed / "data").rglob("*.parquet"))
    everything = b"".join(p.read_bytes() for p in workspace.feed.rglob("*") if p.is_file())
    assert b"secret" not in everything
    with pytest.raises(MissingError):
        current_release(workspace)
    reissue(workspace, removed_cells=[0], removed_links=[], engine=engine)
    assert not list((workspace.feed / "data").rglob("*.parquet"))
    publish_release(workspace, "v1", "ada")
    assert not [name for name in published_targets(workspace) if "withdrawn" in name]
    CaseBook.open(workspace).verify_log()


def test_withdrawing_one_release_keeps_the_parts_of_another(
    workspace: Workspace, v1: Path, engine: Engine, tmp_path: Path
) -> None:
    """Two versions share parts; the one that stays is whole."""
    make(workspace, "v2", engine)
    publish_release(workspace, "v1", "ada")
    publish_release(workspace, "v2", "ada")
    withdraw_release(workspace, "v1", "r", "ada", "ben")
    assert current_release(workspace).version == "v2"
    for part in open_release(workspace, "v2").manifest.parts:
        assert (workspace.feed / part.path).is_file()


def test_a_covered_takedown_after_a_release_costs_the_whole_cell(
    workspace: Workspace, v1: Path, engine: Engine, set_build: SetBuild
) -> None:
    """The next release leaves out every row of the cell, under a class that does not say why; a rejected case brings it back whole."""
    rows = rows_of(open_release(workspace, "v1"))
    url = some_urls(60)[8]
    book = CaseBook.open(workspace)
    number = book.report([url], kind="illegal", who="ada")
    second = make(workspace, "v2", engine)
    expected = {u for u, cell in rows.items() if cell != rows[url]}
    assert set(rows_of(second)) == expected
    assert second.manifest.reconciliation.removed == {"not_released": 60 - len(expected)}
    book.propose(number, "reject", "ada")
    book.approve(number, "ben")
    assert rows_of(make(workspace, "v3", engine)) == rows


def test_rows_tied_to_a_suspect_leave_the_first_release_with_it(
    workspace: Workspace, engine: Engine, set_build: SetBuild
) -> None:
    """Another spelling of a suspected URL is not released either."""
    urls = [*some_urls(60), some_urls(60)[4] + "#x"]
    set_build(urls)
    CaseBook.open(workspace).report([urls[4]], kind="illegal", who="ada")
    release = make(workspace, "v1", engine)
    assert not {urls[4], urls[-1]} & set(rows_of(release))
    assert release.manifest.reconciliation.removed["not_released"] >= 10


def test_the_commands_speak_json_and_exit_codes(workspace: Workspace, v1: Path) -> None:
    """verify, publish, list, withdraw: one object on standard output, 0 when done, 1 when something must leave."""
    runner = CliRunner()
    base = ["-w", str(workspace.root), "--json"]
    result = runner.invoke(app, ["release", "verify", "v1", *base])
    assert (result.exit_code, json.loads(result.output)["rows"]) == (0, 60)
    result = runner.invoke(app, ["release", "publish", "v1", "--as", "ada", *base])
    assert json.loads(result.output)["status"] == "published"
    result = runner.invoke(app, ["release", "list", *base])
    assert [r["version"] for r in json.loads(result.output)["releases"]] == ["v1"]
    result = runner.invoke(app, ["feed", "refresh", *base])
    assert "expires" in json.loads(result.output)
    uphold(workspace, some_urls(60)[:1], "illegal")
    result = runner.invoke(app, ["release", "verify", "v1", *base])
    assert (result.exit_code, json.loads(result.output)["quarantined"]) == (1, 1)
    result = runner.invoke(app, ["release", "withdraw", "v1", "--as", "ada", "--second", "ben", "--reason", "r", *base])
    assert json.loads(result.output)["status"] == "withdrawn"
