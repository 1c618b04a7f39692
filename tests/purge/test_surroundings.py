"""What a purge cannot reach around a copy is found and said, without the name of a file in it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from linkwell.base.errors import DamagedFileError
from linkwell.engine import Engine
from linkwell.purge import PurgeOptions, apply, plan, verify
from linkwell.purge.note import Note, note_path, read_note, write_note
from linkwell.purge.surroundings import surroundings
from linkwell.purge.unit import Unit

MOUNTS = """22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 0:40 / /data rw - {kind} {source} rw
31 22 0:41 / /data2 rw - ext4 /dev/sdb1 rw
32 22 0:42 / /with\\040space rw - zfs tank rw
"""


@pytest.mark.parametrize(
    ("place", "kind", "source", "said"),
    [
        ("/data/x", "btrfs", "/dev/sdc1", "btrfs"),
        ("/data/x", "zfs", "tank/data", "zfs list"),
        ("/data/x", "nfs4", "host:/export", "server"),
        ("/data/x", "ext4", "/dev/mapper/vg-data", "lvs"),
        ("/data/x", "ext4", "/dev/sdc1", ""),
        ("/data2/x", "btrfs", "/dev/sdc1", ""),
        ("/with space/x", "ext4", "/dev/sdc1", "zfs list"),
    ],
)
def test_snapshots_by_the_kind_of_mount(tmp_path: Path, place: str, kind: str, source: str, said: str) -> None:
    """The mount with the longest path that holds the copy decides."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS.format(kind=kind, source=source))
    found = " ".join(surroundings(Path(place), mounts=mounts, processes=tmp_path / "none"))
    assert said in found if said else not found


def test_version_control_above_and_open_files(tmp_path: Path) -> None:
    """A repository around the copy, and a process that has a file of it open."""
    copy = tmp_path / "repository" / "copy"
    copy.mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    (copy / "secret-name.tar").write_bytes(b"x")
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; f = open(sys.argv[1]); print('ready', flush=True); sys.stdin.read()",
            str(copy / "secret-name.tar"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        said = " ".join(surroundings(copy, mounts=tmp_path / "none"))
    finally:
        holder.communicate()
    assert ".git" in said
    if Path("/proc/self/fd").is_dir():
        assert "a process has files of the copy open" in said
    assert "secret-name" not in said


def test_a_note_from_a_stranger_leads_nowhere(tmp_path: Path) -> None:
    """A copy may bring a state folder: its notes name no file outside of the copy, and none but a temporary one is put in place."""
    unit = Unit("webdataset", ("00000.tar",))
    path = note_path(tmp_path / "run", unit)
    for note in (
        Note("x", [], deletes=["../victim"]),
        Note("x", [], deletes=["/etc/passwd"]),
        Note("x", [], moves=[("../.victim.1.tmp", "../victim")]),
        Note("x", [], moves=[("mine.txt", "00000.tar")]),
        Note("x", [], moves=[(".a.1.tmp", "sub/a")]),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_note(path, note)
        with pytest.raises(DamagedFileError):
            read_note(path)


def test_in_place_needs_no_second_copy_of_a_tar(maker: Any, rows_of: Any, recalled: Any, engine: Engine) -> None:
    """The tar keeps its size and its place on the disk; its samples are gone and the receipt counts them."""
    rows = rows_of([1, 2, 3], 12)
    maker.shard("00000", rows, ours=True)
    maker.describe()
    before = (maker.root / "00000.tar").stat()
    gone = recalled([2], rows, links=[rows[0]])
    planned = plan(maker.root, gone)
    receipt = apply(maker.root, gone, engine=engine, options=PurgeOptions(in_place="always"))
    after = (maker.root / "00000.tar").stat()
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size)
    data = (maker.root / "00000.tar").read_bytes()
    assert not any(r.url.encode() in data or r.cell_key.encode() in data for r in rows if r.cell == 2)
    assert receipt.statement.rows_removed == planned.removed
    assert verify(maker.root, gone, receipt).clean
    assert verify(maker.root, gone, receipt).untouched
    exchanged = apply(
        maker.root, recalled([2, 3], rows, links=[rows[0]]), engine=engine, options=PurgeOptions(in_place="never")
    )
    assert exchanged.statement.complete
    assert (maker.root / "00000.tar").stat().st_ino != before.st_ino
