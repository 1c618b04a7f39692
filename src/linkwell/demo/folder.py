"""The demo's output folder: made fresh each time, and never at the cost of somebody's own files."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from linkwell.base.errors import UsageError
from linkwell.base.shards import storage_errors, write_bytes

__all__ = ["DemoFolder", "fresh_folder"]

MARKER_FILE = "linkwell-demo.json"
_FORMAT = "linkwell-demo-1"


@dataclass(frozen=True)
class DemoFolder:
    """Where the demo's things are."""

    root: Path

    @property
    def archive(self) -> Path:
        """The crawl of the demo's web."""
        return self.root / "crawl" / "demo.warc.gz"

    @property
    def workspace(self) -> Path:
        """The maintainer's workspace."""
        return self.root / "workspace"

    @property
    def first_list(self) -> Path:
        """The synthetic hash list of the first audit."""
        return self.root / "lists" / "list-a.txt"

    @property
    def second_list(self) -> Path:
        """The synthetic hash list that arrives later."""
        return self.root / "lists" / "list-b.txt"

    @property
    def copy(self) -> Path:
        """The lab's populated copy."""
        return self.root / "lab" / "copy"

    @property
    def lab_state(self) -> Path:
        """What the lab remembers of the feed, its key and its receipts."""
        return self.root / "lab" / "state"

    @property
    def report(self) -> Path:
        """The report."""
        return self.root / "report.html"


def fresh_folder(root: Path) -> DemoFolder:
    """An empty folder for a demo; an earlier demo there is removed, anything else is left alone.

    Raises:
        UsageError: there is something there that is no demo of ours.
        StorageError: it cannot be written.
    """
    root = root.absolute()
    if root.is_symlink() or (root.exists() and not root.is_dir()):
        raise UsageError("this is no folder", str(root), "Name another place: linkwell demo DIR")
    if root.exists() and any(root.iterdir()):
        if not _is_demo(root):
            raise UsageError(
                "this folder holds something that is no earlier demo",
                str(root),
                "Name an empty or new folder: linkwell demo DIR",
            )
        # The marker goes last: an interrupted removal leaves a folder that is still known as a demo.
        with storage_errors(root):
            for path in root.iterdir():
                if path.name == MARKER_FILE:
                    continue
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
    with storage_errors(root):
        root.mkdir(parents=True, exist_ok=True)
    write_bytes(root / MARKER_FILE, json.dumps({"format": _FORMAT}).encode() + b"\n")
    return DemoFolder(root)


def _is_demo(root: Path) -> bool:
    try:
        marker = json.loads((root / MARKER_FILE).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(marker, dict) and marker.get("format") == _FORMAT
