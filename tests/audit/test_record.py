"""That an audit happened, of which links, against which lists."""

import json
import os
import signal
import stat
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.audit.conftest import World, digests_of, url_of

from linkwell.audit import audit, find_audit
from linkwell.base.errors import DamagedFileError, MissingError, UsageError
from linkwell.base.ids import link_ids
from linkwell.engine import Engine
from linkwell.lists import forget_list, read_findings


def test_an_audit_is_found_by_its_links(world: World, engine: Engine) -> None:
    """The record of exactly these shards is found, in whatever order they are named; of others there is none."""
    shards = world.shards(["one"], ["two"])
    world.listed([f"md5 {'0' * 32}"])
    assert find_audit(world.workspace, shards) is None
    audit(world.workspace, links=shards, label="test", engine=engine)
    record = find_audit(world.workspace, shards[::-1])
    assert record is not None
    assert (record.label, record.checked, record.lists) == ("test", 2, ("synthetic",))
    assert find_audit(world.workspace, shards[:1]) is None


def test_the_newest_audit_counts(world: World, engine: Engine) -> None:
    """Of several audits of the same links the newest is found."""
    shards = world.shards(["one"])
    world.listed([f"md5 {'0' * 32}"])
    for label in ("b", "c", "a"):
        audit(world.workspace, links=shards, label=label, engine=engine)
    record = find_audit(world.workspace, shards)
    assert record is not None
    assert record.label == "a"


def test_changed_links_were_not_audited(world: World, engine: Engine) -> None:
    """A shard that has other rows since, as many as before, makes the audit count for nothing."""
    shards = world.shards(["one", "two"])
    world.listed([f"md5 {'0' * 32}"])
    audit(world.workspace, links=shards, label="test", engine=engine)
    urls = [url_of("one"), url_of("new")]
    pq.write_table(pa.table({"link_id": link_ids(urls), "url": pa.array(urls)}), shards[0])
    assert find_audit(world.workspace, shards) is None


def test_new_lists_make_an_audit_old(world: World, engine: Engine) -> None:
    """A list imported, replaced or forgotten after an audit makes it count for nothing, until it is done again."""
    shards = world.shards(["one"])
    world.listed([f"md5 {'0' * 32}"])
    audit(world.workspace, links=shards, label="test", engine=engine)
    world.listed([f"md5 {'1' * 32}"], source="second")
    assert find_audit(world.workspace, shards) is None
    audit(world.workspace, links=shards, label="test", engine=engine)
    assert find_audit(world.workspace, shards) is not None
    forget_list(world.workspace, "second")
    assert find_audit(world.workspace, shards) is None


def test_the_record_is_private_and_counts_only(world: World, engine: Engine) -> None:
    """The record holds counts and names of lists: no URL, no id, no listed hash; and nobody else may read it."""
    bad = digests_of("bad")
    shards = world.shards(["bad"])
    world.fetched(("bad", bad))
    world.listed([f"md5 {bad.md5.hex()}"])
    path = audit(world.workspace, links=shards, label="test", engine=engine).record
    text = path.read_text()
    assert json.loads(text)["findings"] == {"exact": 1}
    assert not any(value in text for value in ("a.example", bad.md5.hex(), bad.sha256.hex()))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [p.name for p in path.parent.iterdir() if p.suffix != ".lock"] == ["test.json"]


def test_no_restricted_value_in_the_clear(world: World, engine: Engine) -> None:
    """What an audit leaves in the workspace has no listed hash and no id of a suspected link in the clear, in any byte."""
    bad = digests_of("bad")
    shards = world.shards(["bad", "good"])
    world.fetched(("bad", bad), ("good", digests_of("good")))
    world.listed([f"md5 {bad.md5.hex()}"])
    audit(world.workspace, links=shards, label="test", engine=engine)
    (finding,) = read_findings(world.workspace)
    for path in world.workspace.root.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            for value in (bad.md5, finding.link_id):
                assert value not in data, path
                assert value.hex().encode() not in data, path


@pytest.mark.parametrize("content", [b"", b"[]", b'{"label":"x"}', b"\xff"])
def test_a_damaged_record(world: World, engine: Engine, content: bytes) -> None:
    """A record that does not read is an error, not an audit that did not happen."""
    shards = world.shards(["one"])
    world.listed([f"md5 {'0' * 32}"])
    audit(world.workspace, links=shards, label="test", engine=engine).record.write_bytes(content)
    with pytest.raises(DamagedFileError):
        find_audit(world.workspace, shards)


def test_names_that_are_none(world: World, engine: Engine) -> None:
    """A label that would leave the folder is refused."""
    world.listed([f"md5 {'0' * 32}"])
    with pytest.raises(UsageError):
        audit(world.workspace, links=world.shards(["one"]), label="../x", engine=engine)


def test_links_that_are_not_there(world: World, engine: Engine) -> None:
    """Without links, or with a shard that is gone, there is no audit and no record."""
    world.listed([f"md5 {'0' * 32}"])
    shards = world.shards(["one"])
    with pytest.raises(MissingError):
        audit(world.workspace, links=[], label="test", engine=engine)
    with pytest.raises(MissingError):
        audit(world.workspace, links=[*shards, world.folder / "gone.parquet"], label="test", engine=engine)
    assert find_audit(world.workspace, shards) is None


def test_kill_9_and_go_on(world: World, engine: Engine) -> None:
    """An audit killed by SIGKILL while it joins leaves no record and no half findings; the same audit then finishes."""
    names = [f"n{i}" for i in range(40)]
    shards = world.shards(names)
    world.fetched(*((name, digests_of(name)) for name in names))
    world.listed([f"md5 {digests_of(name).md5.hex()}" for name in names[:10]])
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from linkwell.base.workspace import Workspace; from linkwell.engine import SerialEngine\n"
        "from linkwell import audit; from linkwell.audit import scan\n"
        "done = []\n"
        "def join(context, real=scan.join):\n"
        "    real(context); done.append(1)\n"
        "    if len(done) == 3: os.kill(os.getpid(), signal.SIGKILL)\n"
        "scan.join = join\n"
        "audit.audit(Workspace.open(Path(sys.argv[1])), links=[Path(sys.argv[2])], label='test',"
        " engine=SerialEngine(), bucket_rows=5)\n"
    )
    arguments = [sys.executable, "-c", code, str(world.workspace.root), str(shards[0])]
    process = subprocess.run(arguments, check=False, env=dict(os.environ))
    assert process.returncode == -signal.SIGKILL
    assert find_audit(world.workspace, shards) is None
    report = audit(world.workspace, links=shards, label="test", engine=engine, bucket_rows=5)
    assert report.findings == {"exact": 10}
    assert len(list(read_findings(world.workspace))) == 10
    assert not [path for path in world.workspace.findings.iterdir() if path.name.endswith(".tmp")]
