"""What lies around a copy that no purge of its folder reaches: version control, snapshots of the file system, open files."""

import os
import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
PROCESSES = Path("/proc")

VERSION_CONTROL = frozenset({".git", ".hg", ".svn", ".dvc", ".snapshots", ".snapshot", ".zfs"})
_SNAPSHOTS = {
    "btrfs": "btrfs keeps old blocks in its snapshots: look with btrfs subvolume list -s",
    "zfs": "ZFS keeps old blocks in its snapshots: look with zfs list -t snapshot",
    "bcachefs": "bcachefs keeps old blocks in its snapshots",
    "overlay": "an overlay keeps the old file in the layer below: purge that one too",
    "nfs": "the server of this network file system may keep snapshots: ask who runs it",
    "nfs4": "the server of this network file system may keep snapshots: ask who runs it",
    "cifs": "the server of this network file system may keep shadow copies: ask who runs it",
    "ceph": "Ceph keeps old blocks in its snapshots: look into the .snap folders",
    "lustre": "Lustre may keep snapshots: ask who runs it",
}
_ESCAPE = re.compile(r"\\([0-7]{3})")


def surroundings(copy: Path, *, mounts: Path = MOUNTS, processes: Path = PROCESSES) -> list[str]:
    """Sentences about what keeps, or may keep, old bytes of a copy; nothing that names a file in it.

    Args:
        copy: the copy's folder.
        mounts: the kernel's list of mounts (proc(5), mountinfo); nothing is said of them where it is not there.
        processes: the kernel's folder of processes; only those of one's own can be looked at.
    """
    found: list[str] = []
    place = copy.resolve()
    for folder in (place, *place.parents):
        found.extend(
            f"{name} in {folder}: old versions may be in its history"
            for name in sorted(VERSION_CONTROL)
            if (folder / name).exists()
        )
    kind, source = _mount_of(place, mounts)
    if kind in _SNAPSHOTS:
        found.append(_SNAPSHOTS[kind])
    if source.startswith(("/dev/mapper/", "/dev/dm-")):
        found.append("the disk is a mapped device, of which there may be snapshots: look with lvs")
    holders = _holders(place, processes)
    if holders:
        count = "a process has" if holders == 1 else f"{holders:,} processes have"
        found.append(f"{count} files of the copy open: what they have open stays on the disk until they close it")
    return found


def _mount_of(place: Path, mounts: Path) -> tuple[str, str]:
    """Kind and source of the mount that a path is on; empty where that is not known."""
    best, found = "", ("", "")
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return found
    for line in lines:
        left, _, right = line.partition(" - ")
        fields, kinds = left.split(" "), right.split(" ")
        if len(fields) < 5 or len(kinds) < 2:  # noqa: PLR2004 - as mountinfo has them
            continue
        point = _ESCAPE.sub(lambda match: chr(int(match[1], 8)), fields[4])
        if len(point) >= len(best) and place.is_relative_to(point):
            best, found = point, (kinds[0], kinds[1])
    return found


def _holders(place: Path, processes: Path) -> int:
    """How many other processes have a file below `place` open, as far as one may see."""
    inside = str(place) + os.sep
    count = 0
    try:
        listed = [entry for entry in os.scandir(processes) if entry.name.isdigit() and int(entry.name) != os.getpid()]
    except OSError:
        return 0
    for entry in listed:
        try:
            count += any(str(link.readlink()).startswith(inside) for link in Path(entry.path, "fd").iterdir())
        except OSError:
            continue
    return count
