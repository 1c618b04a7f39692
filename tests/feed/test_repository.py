"""The feed as its owner writes it: keys, crashes, expiry."""

import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.feed.conftest import LONG_AGO, World

from linkwell.base.errors import (
    DamagedFileError,
    FormatError,
    MissingError,
    MissingKeyError,
    SignatureError,
    StorageError,
    UsageError,
)
from linkwell.base.workspace import Workspace
from linkwell.feed import (
    feed_state,
    init_feed,
    make_keys,
    publish_targets,
    published_targets,
    refresh_feed,
    sign_document,
    verify_document,
)


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_keys_are_private_and_made_once(workspace: Workspace) -> None:
    """Eight private files of mode 0600; a second call makes none; a lost half is not replaced by another key."""
    made = make_keys(workspace)
    assert len(made) == 8
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o600}
    before = {path: path.read_bytes() for path in made}
    made[0].unlink()
    assert make_keys(workspace) == []
    assert not made[0].exists()
    assert all(path.read_bytes() == before[path] for path in made[1:])


def test_any_two_of_three_keys_sign(world: World) -> None:
    """With one of the targets keys away the feed goes on; with two away it says which."""
    keys = world.workspace.keys
    for name in ("targets-1.pem", "root-3.pem"):
        (keys / name).unlink()
        publish_targets(world.workspace, {"x": name.encode()})
    world.client().refresh()
    (keys / "targets-3.pem").unlink()
    before = files_of(world.feed)
    with pytest.raises(MissingKeyError, match=r"targets-1\.pem, targets-3\.pem"):
        publish_targets(world.workspace, {"x": b"more"})
    world.client().refresh()
    assert before <= files_of(world.feed)
    refresh_feed(world.workspace)


def test_without_keys_or_feed_it_says_what_to_do(workspace: Workspace) -> None:
    """Each missing step names the command that makes up for it."""
    with pytest.raises(MissingKeyError, match="feed keys"):
        init_feed(workspace)
    make_keys(workspace)
    for act in (lambda: publish_targets(workspace, {}), lambda: refresh_feed(workspace)):
        with pytest.raises(MissingError, match="feed init"):
            act()
    assert feed_state(workspace)[0] == "note"


def test_a_key_others_can_read_or_that_is_none_is_refused(world: World) -> None:
    """Mode 0644 or rubbish in a key file stops the signing, and the message does not hold the key."""
    path = world.workspace.keys / "timestamp-1.pem"
    path.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        refresh_feed(world.workspace)
    path.chmod(0o600)
    path.write_text("rubbish")
    with pytest.raises(FormatError) as caught:
        refresh_feed(world.workspace)
    assert "rubbish" not in str(caught.value)


def test_keys_of_another_feed_do_not_sign(world: World, tmp_path: Path) -> None:
    """Key files that were made anew are told from those the root trusts."""
    other = Workspace.create(tmp_path / "other", "birds")
    make_keys(other)
    for number in (1, 2):
        name = f"targets-{number}.pem"
        (world.workspace.keys / name).write_bytes((other.keys / name).read_bytes())
    with pytest.raises(MissingKeyError, match="of another feed"):
        publish_targets(world.workspace, {"x": b""})


def test_init_and_publishing_the_same_again_change_nothing(world: World) -> None:
    """Neither a second init nor the same targets make a new version."""
    before = {name: (world.feed / name).read_bytes() for name in files_of(world.feed)}
    init_feed(world.workspace)
    publish_targets(world.workspace, {"a/one.json": b"one"}, remove=["unknown"])
    assert {name: (world.feed / name).read_bytes() for name in files_of(world.feed)} == before


@pytest.mark.parametrize("name", ["../up", "/root", "a//b", "a/../b", "", ".hidden", "a b", "a\\b"])
def test_names_that_could_leave_the_feed_are_refused(world: World, name: str) -> None:
    """A target's name is a plain relative path."""
    with pytest.raises(UsageError):
        publish_targets(world.workspace, {name: b""})


def test_refresh_renews_what_nears_its_end(world: World) -> None:
    """After eleven months root and targets are signed anew, and a client with the first root follows."""
    world.client().refresh()
    soon = datetime.now(UTC) + timedelta(days=330)
    until = refresh_feed(world.workspace, now=soon)
    assert until - soon.replace(microsecond=0) == timedelta(days=7)
    assert (world.metadata / "2.root.json").exists()
    client = world.client()
    client.refresh()
    assert client.read("a/one.json") == b"one"
    publish_targets(world.workspace, {"b": b"b"})
    world.client().refresh()


def test_doctor_sees_an_expired_feed(world: World) -> None:
    """An expired feed is wrong; a fresh one is ok."""
    assert feed_state(world.workspace)[0] == "ok"
    refresh_feed(world.workspace, now=LONG_AGO)
    assert feed_state(world.workspace)[0] == "wrong"


class Killed(BaseException):
    """Stands for kill -9: no handler of Exception sees it."""


def kill_at(monkeypatch: pytest.MonkeyPatch, step: int) -> Callable[[], int]:
    """Let the process die at its n-th durable rename, before it takes effect."""
    real = Path.replace
    count = 0

    def replace(self: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        if count == step:
            raise Killed
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    return lambda: count


def test_a_kill_at_any_step_leaves_the_old_feed_whole(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Killed before each of its renames in turn, the feed is the old one or the new one; the same call finishes it."""
    source = tmp_path / "big"
    for step in range(1, 20):
        source.write_bytes(f"part {step}".encode())
        before = published_targets(world.workspace)
        with monkeypatch.context() as patch:
            kill_at(patch, step)
            try:
                publish_targets(
                    world.workspace,
                    {"a/one.json": f"one {step}".encode(), "c": source},
                    remove=["two.bin"],
                    unlisted={f"data/birds/{step}.parquet": source},
                )
                finished = True
            except Killed:
                finished = False
        assert finished or published_targets(world.workspace) == before
        client = world.client()
        client.refresh()
        for name in client.targets():
            client.read(name)
        if finished:
            break
        publish_targets(
            world.workspace,
            {"a/one.json": f"one {step}".encode(), "c": source},
            remove=["two.bin"],
            unlisted={f"data/birds/{step}.parquet": source},
            remove_unlisted=[f"data/birds/{step - 1}.parquet"],
        )
        client.refresh()
        assert client.read("a/one.json") == f"one {step}".encode()
        assert not [name for name in files_of(world.feed) if name.endswith(".tmp")]
        assert len(list((world.feed / "targets").rglob("*.one.json"))) == 1
    assert step > 5


def test_a_full_disk_leaves_the_old_feed_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOSPC is a StorageError with advice, and clients go on."""

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="space"):
            publish_targets(world.workspace, {"x": b"x"})
    world.client().refresh()
    assert "x" not in published_targets(world.workspace)


def test_damaged_metadata_stops_the_owner_too(world: World) -> None:
    """The owner's commands do not build on metadata that does not read."""
    (world.metadata / "2.targets.json").write_bytes(b"{")
    with pytest.raises(DamagedFileError, match=r"2\.targets\.json"):
        publish_targets(world.workspace, {"x": b"x"})


def test_a_document_is_signed_as_what_it_is(world: World) -> None:
    """Detached signatures hold for the same bytes and the same type only."""
    signatures = sign_document(world.workspace, b"text", "application/a")
    verify_document(world.workspace, b"text", "application/a", signatures, "f")
    for document, kind, given in (
        (b"texT", "application/a", signatures),
        (b"text", "application/b", signatures),
        (b"text", "application/a", b"{}"),
        (b"text", "application/a", signatures.replace(b'"sig": "', b'"sig": "00')),
    ):
        with pytest.raises(SignatureError):
            verify_document(world.workspace, document, kind, given, "f")
