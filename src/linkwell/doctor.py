"""What is installed, missing or misconfigured, and what to do about it. Reads; changes nothing."""

import importlib.metadata
import os
import re
import resource
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from linkwell.base.counts import plural
from linkwell.base.errors import LinkwellError
from linkwell.base.sealed import read_sealed
from linkwell.base.workspace import MASTER_KEY_VARIABLE, Workspace

State = Literal["ok", "note", "wrong"]

_MIN_PYTHON = (3, 11)
_MIN_OPEN_FILES = 1024
_MIN_FREE_BYTES = 2_000_000_000
_OTHERS = 0o077


@dataclass(frozen=True)
class Check:
    """One thing looked at: `ok`, a `note` worth knowing, or `wrong`: something a step will stop at."""

    name: str
    state: State
    said: str
    advice: str = ""


def examine(workspace: Workspace | None) -> list[Check]:
    """Every check: of this machine, and of a workspace where there is one."""
    checks = list(_machine())
    if workspace is not None:
        checks.extend(_workspace(workspace))
    return checks


def _machine() -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= _MIN_PYTHON
    yield Check("python", "ok" if good else "wrong", version, "" if good else "Linkwell needs Python 3.11 or newer.")
    yield from _libraries()
    yield _formats()
    files, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield Check(
        "open files",
        "ok" if files >= _MIN_OPEN_FILES else "wrong",
        f"{files} allowed",
        "" if files >= _MIN_OPEN_FILES else "Raise it before populating: ulimit -n 4096",
    )
    cores = len(os.sched_getaffinity(0))
    yield Check("cores", "ok", f"{cores}: as many worker processes by default")


def _libraries() -> Iterator[Check]:
    """Every requirement of the installed package, against the version that is there."""
    missing, versions = [], []
    for line in importlib.metadata.requires("linkwell") or []:
        if "extra ==" in line:
            continue
        match = re.match(r"([A-Za-z0-9._-]+)", line)
        assert match is not None  # noqa: S101 - metadata names every requirement
        name = match[1]
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Check(
            "libraries", "wrong", f"missing: {', '.join(missing)}", "Install again: make test, or pip install -e ."
        )
    else:
        yield Check("libraries", "ok", ", ".join(versions))


def _formats() -> Check:
    """Image formats that Pillow decodes here, beyond those it always does."""
    from PIL import features  # noqa: PLC0415 - only this check needs it

    there = [name for name in ("jpg", "webp", "avif") if features.check(name)]
    lacking = {"jpg", "webp", "avif"} - set(there)
    if lacking:
        return Check("image formats", "note", f"no {', '.join(sorted(lacking))}", "Those images will count as failed.")
    return Check("image formats", "ok", "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF")


def _workspace(workspace: Workspace) -> Iterator[Check]:
    yield Check("workspace", "ok", f"{workspace.root}, dataset {workspace.settings.dataset!r}")
    free = shutil.disk_usage(workspace.root).free
    yield Check(
        "disk",
        "ok" if free > _MIN_FREE_BYTES else "note",
        f"{free / 1e9:.1f} GB free",
        "" if free > _MIN_FREE_BYTES else "A populated copy takes about 10 GB for a million links at 256 pixels.",
    )
    yield _attempt("master key", lambda: _key(workspace))
    yield from _permissions(workspace)
    yield _attempt("ledger", lambda: _sealed(workspace, workspace.ledger, "no image has been fetched yet"))
    yield _attempt("hash lists", lambda: _lists(workspace))
    yield _attempt("log", lambda: _log(workspace))
    yield _attempt("feed", lambda: _feed(workspace))


def _attempt(name: str, look: Callable[[], tuple[State, str, str]]) -> Check:
    """A check that reports the error of the thing it looks at instead of stopping at it."""
    try:
        return Check(name, *look())
    except LinkwellError as error:
        return Check(
            name, "wrong", f"{error.where}: {error.problem}" if error.where else error.problem, error.advice or ""
        )


def _key(workspace: Workspace) -> tuple[State, str, str]:
    workspace.master_key()
    named = workspace.settings.keys.master.partition(":")[0]
    source = f"by {named}, as the settings say" if named else "in keys/master.key"
    if MASTER_KEY_VARIABLE in os.environ:
        source = f"from {MASTER_KEY_VARIABLE}"
    return "ok", source, "Keep a copy of it apart from the workspace."


def _permissions(workspace: Workspace) -> Iterator[Check]:
    """Restricted folders and files must be closed to others."""
    restricted = [workspace.ledger, workspace.lists, workspace.findings, workspace.keys]
    paths = [p for folder in restricted if folder.exists() for p in (folder, *folder.rglob("*"))]
    if workspace.cases.exists():
        paths.append(workspace.cases)
    open_to_others = [
        p for p in paths if stat.S_IMODE(p.stat().st_mode) & _OTHERS and not _behind_closed_door(p, restricted)
    ]
    if open_to_others:
        names = ", ".join(str(p.relative_to(workspace.root)) for p in open_to_others[:5])
        yield Check("permissions", "wrong", f"open to others: {names}", "chmod -R go-rwx them.")
    else:
        yield Check("permissions", "ok", "restricted folders are closed to others")


def _behind_closed_door(path: Path, folders: list[Path]) -> bool:
    """Whether a folder of the restricted ones above `path` is itself closed, which closes what is in it."""
    return any(f in path.parents and not stat.S_IMODE(f.stat().st_mode) & _OTHERS for f in folders)


def _sealed(workspace: Workspace, folder: Path, empty: str) -> tuple[State, str, str]:
    parts = sorted(folder.glob("*.parquet"))
    rows = sum(t.num_rows for part in parts for t in read_sealed(part, workspace.master_key(), columns=["link_id"]))
    if not parts:
        return "note", empty, "linkwell populate fills it."
    return "ok", f"{plural(rows, 'row')} in {plural(len(parts), 'part')}, all open", ""


def _lists(workspace: Workspace) -> tuple[State, str, str]:
    from linkwell.lists import load_matcher, show_lists  # noqa: PLC0415 - only with a workspace

    lists = show_lists(workspace)
    if not lists:
        return "note", "none", "An audit needs one: linkwell lists import FILE --source NAME"
    load_matcher(workspace)
    return "ok", f"{len(lists)} loaded, canaries found", ""


def _log(workspace: Workspace) -> tuple[State, str, str]:
    from linkwell.cases import CaseBook  # noqa: PLC0415

    if not workspace.cases.exists():
        return "note", "no case and no log yet", ""
    report = CaseBook.open(workspace).verify_log()
    return "ok", f"{plural(report.entries, 'entry', 'entries')}, chain whole", ""


def _feed(workspace: Workspace) -> tuple[State, str, str]:
    """Read the workspace's own feed as a stranger would who was given its first root."""
    from linkwell.feed import FeedClient, has_feed  # noqa: PLC0415

    if not has_feed(workspace):
        return "note", "none", "A release is published in one: linkwell feed keys, then linkwell feed init"
    with tempfile.TemporaryDirectory() as state:
        root = workspace.feed / "metadata" / "1.root.json"
        client = FeedClient.open(str(workspace.feed), state=Path(state), trusted_root=root)
        client.refresh()
        return "ok", f"signed and fresh, {plural(len(client.targets()), 'file')} listed", ""
