"""What a copy consists of: units that can be purged, and what is there besides."""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import msgspec

from linkwell.base.errors import FormatError, MissingError, UsageError
from linkwell.purge.kinds import DATA_SUFFIXES, find_units
from linkwell.purge.surroundings import VERSION_CONTROL
from linkwell.purge.unit import Listing, TableQuery, Unit, suffix_of

STATE_FOLDER = ".linkwell"
"""Inside a copy: the feed's trusted state, receipts, the key. Nothing in it names a sample that went."""
COPY_FILE = "linkwell.copy"
JOURNAL_FILE = "linkwell.purge"
_MANIFEST_FILE, _MANIFEST_FORMAT = "manifest.json", "linkwell-release-"

_LARGE_BYTES = 4_000_000_000
_LEFTOVER = re.compile(r"\..+\.\d+\.tmp(\.wal)?")
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")


class CopyFile(msgspec.Struct, frozen=True):
    """`linkwell.copy`: what a copy of ours was made from. `release` is None for one made from a build."""

    format: str
    dataset: str
    kind: str
    release: str | None = None
    revision: int | None = None
    created: str | None = None


@dataclass(frozen=True)
class Copy:
    """A copy's contents."""

    root: Path
    description: CopyFile | None
    units: tuple[Unit, ...]
    leftovers: tuple[Path, ...]
    """Temporary files of killed runs; they may hold anything and go."""
    unreached: dict[str, int]
    """What a purge here does not reach: kinds of file by suffix, links, folders of version control."""

    problems: dict[str, str] = field(default_factory=dict)
    """Symbolic links to files or folders elsewhere: they are part of the copy to whoever reads it, and are not purged here."""

    @property
    def keys_name_cells(self) -> bool:
        """Whether samples are keyed `{cell:08d}{row:05d}`: a copy that Linkwell made from a release."""
        return self.description is not None and self.description.release is not None

    @property
    def made_from_build(self) -> bool:
        """Whether Linkwell made it from a build: recalls are about releases, and never name what left before the first."""
        return self.description is not None and self.description.release is None

    @cached_property
    def large(self) -> bool:
        """Whether it has so many tar archives that machine code, which takes seconds to make, makes up for it."""
        tars = (name for unit in self.units for name in unit.files if suffix_of(name) == ".tar")
        return sum((self.root / name).stat().st_size for name in tars) >= _LARGE_BYTES

    @property
    def kind(self) -> str:
        """`webdataset`, `parquet`, `files` and so on, joined by `+`, or `none`."""
        return "+".join(sorted({unit.kind for unit in self.units})) or "none"


def open_copy(
    root: Path, tables: Sequence[TableQuery] = (), waiting: Collection[str] = (), *, state: Path | None = None
) -> Copy:
    """Look through a copy's folder.

    Args:
        root: the folder.
        tables: tables of databases in it that are part of the copy.
        waiting: temporary files that are not left over, but wait to take their place.
        state: the holder's own folder, where it is another than `.linkwell`: it is no part of the copy, wherever it is.

    Raises:
        MissingError: there is no such folder.
        FormatError: its `linkwell.copy` does not read.
    """
    if not root.is_dir():
        raise MissingError("there is no such folder", str(root), "Name the folder that holds the copy.")
    files: set[str] = set()
    leftovers: list[Path] = []
    unreached: Counter[str] = Counter()
    problems: dict[str, str] = {}
    own = {(root / STATE_FOLDER).absolute(), *([state.absolute()] if state else [])}
    for path in _walk(root, own, unreached, problems):
        if path.is_symlink():
            unreached["symbolic links"] += 1
            if path.suffix.lower() in DATA_SUFFIXES:
                _note_link(path, root, problems)
        elif _LEFTOVER.fullmatch(path.name):
            if path.relative_to(root).as_posix() not in waiting:
                leftovers.append(path)
        else:
            files.add(path.relative_to(root).as_posix())
    units, others = find_units(Listing(root, frozenset(files), tuple(tables)))
    for name in others - {COPY_FILE, JOURNAL_FILE}:
        suffix = Path(name).suffix.lower()
        unreached[f"{suffix} files" if _SUFFIX.fullmatch(suffix) else "files of other kinds"] += 1
    return Copy(
        root,
        _description(root / COPY_FILE),
        tuple(units),
        tuple(sorted(leftovers)),
        dict(sorted(unreached.items())),
        problems,
    )


def dataset_of(root: Path) -> str | None:
    """The dataset a copy says it is of; None where it says nothing.

    Raises:
        MissingError: there is no such folder.
        FormatError: its `linkwell.copy` does not read.
    """
    if not root.is_dir():
        raise MissingError("there is no such folder", str(root), "Name the folder that holds the copy.")
    description = _description(root / COPY_FILE)
    return description.dataset if description else None


def check_state_folder(state: Path) -> None:
    """Refuse a state folder in a copy that is a symbolic link: whoever made the copy would choose where files are written and removed.

    Raises:
        UsageError: it is one.
    """
    if state.name == STATE_FOLDER and state.is_symlink():
        raise UsageError(
            "this folder is a symbolic link", str(state), "Remove it, or name another folder with --state."
        )


def _note_link(path: Path, root: Path, problems: dict[str, str]) -> None:
    """Note a link out of the copy; what it leads to inside is dealt with under its own name."""
    if not path.resolve().is_relative_to(root.resolve()):
        problems[path.relative_to(root).as_posix()] = (
            "this is a symbolic link out of the copy: purge what it leads to by itself, or remove the link"
        )


def _walk(root: Path, own: Collection[Path], unreached: Counter[str], problems: dict[str, str]) -> Iterator[Path]:
    for folder, folders, names in os.walk(root, followlinks=False, onerror=_refuse):
        here = Path(folder)
        for name in list(folders):
            if (here / name).absolute() in own:
                folders.remove(name)
            elif name in VERSION_CONTROL:
                unreached[f"{name} folders"] += 1
                folders.remove(name)
            elif (here / name).is_symlink():
                unreached["symbolic links"] += 1
                _note_link(here / name, root, problems)
        for name in names:
            yield here / name


def _refuse(error: OSError) -> None:
    raise MissingError(
        f"this folder cannot be read: {error.strerror}", str(error.filename), "It may hold recalled samples."
    ) from error


def _description(path: Path) -> CopyFile | None:
    """What a copy says it is, or the manifest of a release that was got into the folder."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=CopyFile)
    except FileNotFoundError:
        pass
    except msgspec.DecodeError as error:
        raise FormatError(f"this does not describe a copy: {error}", str(path)) from error
    try:
        manifest = msgspec.json.decode((path.parent / _MANIFEST_FILE).read_bytes(), type=_Manifest)
    except (FileNotFoundError, msgspec.DecodeError):  # many a project has a file of that name
        return None
    if not manifest.format.startswith(_MANIFEST_FORMAT):
        return None
    return CopyFile(manifest.format, manifest.dataset, "release", manifest.version, manifest.revision)


class _Manifest(msgspec.Struct, frozen=True):
    """Of a release's manifest, what says which it is."""

    format: str
    dataset: str
    version: str
    revision: int
