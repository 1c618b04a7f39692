"""Ground rule 6: an audit that cannot check stops; it never looks like a pass."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.audit.conftest import World, digests_of, url_of, world

from linkwell.audit import audit, find_audit
from linkwell.base.errors import DamagedFileError, LinkwellError, NoHashListError
from linkwell.engine import Engine, SerialEngine
from linkwell.lists import ListNotes, forget_list, note_list, read_findings

__all__ = ["world"]

Damage = Callable[[Path], object]


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _flip_early(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, Damage] = {
    "a bit in the middle": _flip,
    "a bit at the beginning": _flip_early,
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "empty": lambda path: path.write_bytes(b""),
    "something else": lambda path: path.write_bytes(b"PAR1" + b"x" * 100 + b"PAR1"),
}


@pytest.fixture
def shards(world: World) -> list[Path]:
    """Two links, one of them bad, fetched and listed."""
    world.fetched(("bad", digests_of("bad")), ("good", digests_of("good")))
    return world.shards(["bad", "good"])


def test_without_a_list(world: World, shards: list[Path], engine: Engine) -> None:
    """No list: the audit stops, says so, and leaves no record."""
    with pytest.raises(NoHashListError, match="no hash list"):
        audit(world.workspace, links=shards, label="test", engine=engine)
    assert find_audit(world.workspace, shards) is None


def test_after_the_last_list_was_forgotten(world: World, shards: list[Path], engine: Engine) -> None:
    """Nor does an index of no lists, or the record of an earlier audit, pass for a list."""
    world.listed([f"md5 {digests_of('bad').md5.hex()}"])
    audit(world.workspace, links=shards, label="test", engine=engine)
    forget_list(world.workspace, "synthetic")
    with pytest.raises(NoHashListError):
        audit(world.workspace, links=shards, label="test", engine=engine)
    assert find_audit(world.workspace, shards) is None


def test_after_the_last_list_expired(world: World, shards: list[Path], engine: Engine) -> None:
    """It says which, since to import another list is not what helps."""
    world.listed([f"md5 {digests_of('bad').md5.hex()}"])
    note_list(world.workspace, "synthetic", ListNotes(expires=datetime(2020, 1, 1, tzinfo=UTC)))
    with pytest.raises(NoHashListError, match=r"synthetic: every hash list has expired"):
        audit(world.workspace, links=shards, label="test", engine=engine)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_with_a_damaged_ledger(world: World, shards: list[Path], damage: Damage) -> None:
    """A part of the ledger that does not read stops the audit: its rows are not passed over."""
    world.listed([f"md5 {digests_of('bad').md5.hex()}"])
    world.fetched(("other", digests_of("other")), part="run-1")
    damage(world.workspace.ledger / "run-1.parquet")
    with pytest.raises(DamagedFileError) as raised:
        audit(world.workspace, links=shards, label="test", engine=SerialEngine())
    assert "run-1.parquet" in str(raised.value)
    _nothing_passed(world, shards)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_with_a_damaged_list(world: World, shards: list[Path], damage: Damage) -> None:
    """Any file of the lists that does not read stops the audit, be it one list of several."""
    world.listed([f"md5 {digests_of('bad').md5.hex()}"], source="one")
    world.listed([f"sha1 {'0' * 40}"], source="two")
    for path in sorted(world.workspace.lists.glob("*.parquet")):
        whole = path.read_bytes()
        damage(path)
        with pytest.raises(DamagedFileError):
            audit(world.workspace, links=shards, label="test", engine=SerialEngine())
        path.write_bytes(whole)
    _nothing_passed(world, shards)


def test_with_a_lost_list(world: World, shards: list[Path], engine: Engine) -> None:
    """Any file of the lists that is gone stops the audit."""
    world.listed([f"md5 {digests_of('bad').md5.hex()}"])
    for path in sorted(world.workspace.lists.glob("*.parquet")):
        whole = path.read_bytes()
        path.unlink()
        with pytest.raises(LinkwellError):
            audit(world.workspace, links=shards, label="test", engine=engine)
        path.write_bytes(whole)
    _nothing_passed(world, shards)


def test_with_another_key(
    world: World,
    shards: list[Path],
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a key that opens neither lists nor ledger, nothing is audited."""
    world.listed([f"md5 {digests_of('bad').md5.hex()}"])
    monkeypatch.setenv("LINKWELL_MASTER_KEY", "ab" * 32)
    with pytest.raises(DamagedFileError):
        audit(world.workspace, links=shards, label="test", engine=engine)


def test_with_something_else_in_the_ledger(world: World, shards: list[Path], engine: Engine) -> None:
    """A file in the ledger's folder that is no part of a ledger stops the audit."""
    world.listed([f"md5 {digests_of('bad').md5.hex()}"])
    (world.workspace.ledger / "links.parquet").write_bytes(shards[0].read_bytes())
    with pytest.raises(DamagedFileError, match=r"links\.parquet"):
        audit(world.workspace, links=shards, label="test", engine=engine)


def test_with_a_damaged_shard(world: World, shards: list[Path], engine: Engine) -> None:
    """Links that do not read are not audited, and not skipped."""
    world.listed([f"md5 {digests_of('bad').md5.hex()}"])
    shards[0].write_bytes(shards[0].read_bytes()[:-30])
    with pytest.raises(DamagedFileError):
        audit(world.workspace, links=shards, label="test", engine=engine)


def test_lists_that_change_meanwhile(
    world: World,
    shards: list[Path],
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A list imported while an audit runs makes it say so; it is no audit against either state."""
    from linkwell.audit import run  # noqa: PLC0415 - the inside, to be between two of its steps

    world.listed([f"md5 {digests_of('bad').md5.hex()}"])
    real = run._run

    def import_meanwhile(*args: object, **options: object) -> object:
        result = real(*args, **options)  # type: ignore[arg-type] # passed through
        world.listed([f"url {url_of('good')}"], source="second")
        return result

    monkeypatch.setattr(run, "_run", import_meanwhile)
    with pytest.raises(LinkwellError, match="changed while"):
        audit(world.workspace, links=shards, label="test", engine=engine)
    assert find_audit(world.workspace, shards) is None


def _nothing_passed(world: World, shards: list[Path]) -> None:
    """There is no record and no finding; once mended, the same audit finds what is there."""
    assert find_audit(world.workspace, shards) is None
    assert list(read_findings(world.workspace)) == []
