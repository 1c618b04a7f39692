"""Keys are replaced: clients follow, and whoever holds an old key can do nothing with it."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner
from tests.feed.conftest import World
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from linkwell.base.errors import MissingError, MissingKeyError, SignatureError, StaleFeedError, UsageError
from linkwell.base.shards import write_bytes
from linkwell.feed import (
    SignedDocument,
    make_key,
    publish_targets,
    refresh_feed,
    rotate_keys,
    sign_document,
    sign_pending,
    verify_document,
)
from linkwell.feed import keys as feed_keys

TYPE = "application/vnd.linkwell.test+json"


def _stolen(world: World, name: str) -> CryptoSigner:
    """The private key that a thief copied before it was replaced."""
    return feed_keys.load_private(world.workspace.keys / name)


@pytest.mark.parametrize(
    ("role", "numbers"),
    [("root", [1]), ("root", [2, 3]), ("targets", [2]), ("targets", [1, 2, 3]), ("snapshot", [1]), ("timestamp", [1])],
)
def test_clients_follow_a_replaced_key(world: World, role: str, numbers: list[int]) -> None:
    known, fresh = world.client("known"), world.client("fresh")
    known.refresh()
    before = {path.name: path.read_bytes() for path in world.workspace.keys.glob("*.pem")}
    rotation = rotate_keys(world.workspace, role, numbers)
    assert rotation.done
    assert rotation.version == 2
    for client in (known, fresh):
        client.refresh()
        assert client.read("a/one.json") == b"one"
    after = {path.name: path.read_bytes() for path in world.workspace.keys.glob("*.pem")}
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {f"{role}-{number}{half}.pem" for number in numbers for half in ("", ".pub")}
    assert after.keys() == before.keys(), "nothing of the change is left"
    publish_targets(world.workspace, {"a/one.json": b"another"})
    known.refresh()
    assert known.read("a/one.json") == b"another"


def _sign_with(metadata: Metadata[Timestamp] | Metadata[Targets], *signers: CryptoSigner) -> bytes:
    metadata.signatures.clear()
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes()


def test_a_revoked_timestamp_key_signs_nothing_any_more(world: World) -> None:
    thief = _stolen(world, "timestamp-1.pem")
    rotate_keys(world.workspace, "timestamp", [1])
    client = world.client()
    client.refresh()
    path = world.metadata / "timestamp.json"
    forged = Metadata[Timestamp].from_file(str(path))
    forged.signed.version += 1
    forged.signed.expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=900)
    path.write_bytes(_sign_with(forged, thief))
    with pytest.raises(SignatureError):
        client.refresh()
    with pytest.raises(SignatureError):
        world.client("fresh").refresh()


def test_revoked_targets_keys_release_nothing_even_with_the_machine_keys(world: World) -> None:
    thieves = [_stolen(world, "targets-1.pem"), _stolen(world, "targets-2.pem")]
    rotate_keys(world.workspace, "targets", [1, 2])
    client = world.client()
    client.refresh()
    machine = [_stolen(world, "snapshot-1.pem"), _stolen(world, "timestamp-1.pem")]
    newest = max(int(path.name.split(".")[0]) for path in world.metadata.glob("*.targets.json"))
    targets = Metadata[Targets].from_file(str(world.metadata / f"{newest}.targets.json"))
    targets.signed.version += 1
    targets.signed.targets.clear()
    data = _sign_with(targets, *thieves)
    (world.metadata / f"{newest + 1}.targets.json").write_bytes(data)
    timestamp = Metadata[Timestamp].from_file(str(world.metadata / "timestamp.json"))
    version = timestamp.signed.snapshot_meta.version
    snapshot = Metadata[Snapshot].from_file(str(world.metadata / f"{version}.snapshot.json"))
    snapshot.signed.version += 1
    snapshot.signed.meta["targets.json"] = type(timestamp.signed.snapshot_meta).from_data(newest + 1, data, ["sha256"])
    snapshot.signatures.clear()
    snapshot.sign(machine[0], append=True)
    (world.metadata / f"{version + 1}.snapshot.json").write_bytes(snapshot.to_bytes())
    timestamp.signed.version += 1
    timestamp.signed.snapshot_meta = type(timestamp.signed.snapshot_meta).from_data(
        version + 1, snapshot.to_bytes(), ["sha256"]
    )
    (world.metadata / "timestamp.json").write_bytes(_sign_with(timestamp, machine[1]))
    with pytest.raises(SignatureError):
        client.refresh()


def test_one_stolen_root_key_makes_no_root(world: World) -> None:
    client = world.client()
    client.refresh()
    thief = CryptoSigner.generate_ed25519()
    root = Metadata[Root].from_file(str(world.metadata / "1.root.json"))
    root.signed.version = 2
    root.signed.add_key(thief.public_key, "timestamp")
    root.signatures.clear()
    root.sign(_stolen(world, "root-1.pem"), append=True)
    root.sign(thief, append=True)
    (world.metadata / "2.root.json").write_bytes(root.to_bytes())
    with pytest.raises(SignatureError):
        client.refresh()


def test_a_feed_from_before_the_change_is_refused_afterwards(world: World) -> None:
    client = world.client()
    old = world.save("old")
    rotate_keys(world.workspace, "timestamp", [1])
    client.refresh()
    shutil.rmtree(world.feed)
    shutil.copytree(old, world.feed)
    with pytest.raises((SignatureError, StaleFeedError)):
        client.refresh()


def test_a_fork_is_noticed_by_who_has_seen_the_other_branch(world: World) -> None:
    """Two feeds with the same keys and version numbers: whoever saw one holds to its hashes, and the other has no such file."""
    fork = world.save("fork")
    publish_targets(world.workspace, {"b.json": b"for most"})
    client = world.client()
    client.refresh()
    shutil.rmtree(world.feed)
    shutil.copytree(fork, world.feed)
    publish_targets(world.workspace, {"b.json": b"for one victim"})
    client.refresh()
    with pytest.raises(MissingError):
        client.read("b.json")


def test_root_keys_that_lie_elsewhere_sign_there(world: World, tmp_path: Path) -> None:
    safe = tmp_path / "safe"
    safe.mkdir()
    for number in (2, 3):
        shutil.move(world.workspace.keys / f"root-{number}.pem", safe)
    public = make_key(safe / "targets-2.pem")
    client = world.client()
    client.refresh()
    waiting = rotate_keys(world.workspace, "targets", [2], public=public)
    assert not waiting.done
    assert waiting.missing == 1
    assert waiting.pending is not None
    client.refresh()
    assert sign_pending(waiting.pending, safe / "root-3.pem") == 2
    with pytest.raises(UsageError, match="no say"):
        sign_pending(waiting.pending, safe / "targets-2.pem")
    with pytest.raises(UsageError, match="another change"):
        rotate_keys(world.workspace, "snapshot", [1])
    assert rotate_keys(world.workspace, "targets", [2], public=public).done
    client.refresh()
    assert not (world.workspace.keys / "targets-2.pem").exists(), (
        "the old private half is gone, the new one is elsewhere"
    )
    publish_targets(world.workspace, {"a/one.json": b"by 1 and 3"})
    client.refresh()
    assert client.read("a/one.json") == b"by 1 and 3"


def test_lost_targets_keys_are_replaced_although_they_cannot_sign(world: World) -> None:
    for number in (1, 2):
        (world.workspace.keys / f"targets-{number}.pem").unlink()
    client = world.client()
    client.refresh()
    with pytest.raises(MissingKeyError):
        publish_targets(world.workspace, {"a/one.json": b"two"})
    rotate_keys(world.workspace, "targets", [1, 2])
    publish_targets(world.workspace, {"a/one.json": b"two"})
    client.refresh()
    assert client.read("a/one.json") == b"two"


def test_documents_are_signed_anew(world: World, tmp_path: Path) -> None:
    document, signatures = tmp_path / "d.json", tmp_path / "d.sig.json"
    document.write_bytes(b"{}")
    signatures.write_bytes(sign_document(world.workspace, b"{}", TYPE))
    rotate_keys(world.workspace, "targets", [1, 2], documents=[SignedDocument(document, signatures, TYPE)])
    verify_document(world.workspace, b"{}", TYPE, signatures.read_bytes(), "d")
    document.write_bytes(b"edited")
    with pytest.raises(SignatureError):
        rotate_keys(world.workspace, "targets", [3], documents=[SignedDocument(document, signatures, TYPE)])
    world.client().refresh()


@pytest.mark.parametrize("role", ["root", "targets", "timestamp"])
def test_cut_off_at_any_write_it_goes_on_and_clients_never_stop(
    world: World, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails the n-th write of a file, for every n, then gives the command again."""

    class CutOffError(Exception):
        pass

    for cut in range(40):
        left = [cut]

        def failing(path: Path, data: bytes, mode: int = 0o644, left: list[int] = left) -> None:
            if not left[0]:
                raise CutOffError
            left[0] -= 1
            write_bytes(path, data, mode=mode)

        client = world.client(f"state-{cut}")
        client.refresh()
        with monkeypatch.context() as patch:
            for module in ("keys", "metadata", "rotation"):
                patch.setattr(f"linkwell.feed.{module}.write_bytes", failing)
            try:
                rotate_keys(world.workspace, role, [1])
            except CutOffError:
                pass
            else:
                break
        client.refresh()
        assert client.read("a/one.json") == b"one"
        assert rotate_keys(world.workspace, role, [1]).done
        client.refresh()
        world.client(f"fresh-{cut}").refresh()
        refresh_feed(world.workspace)
    else:
        pytest.fail("it never came to its end")
    assert cut > 3


@pytest.mark.parametrize(("role", "numbers"), [("mirror", [1]), ("targets", [4]), ("targets", [0]), ("targets", [])])
def test_keys_that_are_none_are_refused(world: World, role: str, numbers: list[int]) -> None:
    with pytest.raises(UsageError):
        rotate_keys(world.workspace, role, numbers)


def test_no_key_is_overwritten(tmp_path: Path) -> None:
    make_key(tmp_path / "root-2.pem")
    kept = (tmp_path / "root-2.pem").read_bytes()
    with pytest.raises(UsageError, match="never overwritten"):
        make_key(tmp_path / "root-2.pem")
    assert (tmp_path / "root-2.pem").read_bytes() == kept
    with pytest.raises(UsageError, match="ends with"):
        make_key(tmp_path / "root-2.key")
