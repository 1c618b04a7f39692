"""Whether every part of the ledger is still there.

A ledger is a folder of encrypted parts; each part opens or does not, but a part that is gone leaves no gap to be seen, and its
links would pass for never fetched. The done-marks of every populate say what it wrote, so they are asked.
"""

from pathlib import Path

import msgspec

from linkwell.base.errors import DamagedFileError
from linkwell.base.workspace import Workspace

_RESTRICTED = ("ledger", "findings")


class _Written(msgspec.Struct):
    """What is needed of a done-mark: the files by name, relative to its folder, and their sizes."""

    outputs: dict[str, str]
    output_bytes: dict[str, int]


def require_parts(workspace: Workspace) -> None:
    """Stop where a part of the ledger or of the findings that a populate wrote is gone, or has another size.

    Raises:
        DamagedFileError: so it is; the part is named. Nothing is audited or released against half a ledger.
    """
    for mark in sorted((workspace.root / "populate").glob("*/[0-9]*.json")):
        try:
            written = msgspec.json.decode(mark.read_bytes(), type=_Written)
        except (msgspec.DecodeError, FileNotFoundError):
            continue  # not a mark, or one that a populate beside us replaces: such a task is done again
        for name in _RESTRICTED:
            if name in written.outputs:
                # By its name alone: the workspace may have been moved since.
                _require(getattr(workspace, name) / Path(written.outputs[name]).name, written.output_bytes.get(name))


def _require(path: Path, size: int | None) -> None:
    try:
        if path.stat().st_size == size:
            return
        problem = "this part is not the one that populate wrote"
    except FileNotFoundError:
        problem = "this part is gone, and with it what was fetched there"
    raise DamagedFileError(
        problem,
        str(path),
        "Restore it from its backup. If a populate is at work, wait for its end.",
    )
