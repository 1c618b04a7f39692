"""What was derived from a release, as far as somebody told: copies, embeddings, models, and what was made from those.

Kept in the workspace as one JSON file. An entry says who holds it, so that a recall can name whom it touches; nothing in it says
what is in a sample.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

import msgspec

from linkwell.base.errors import FormatError, MissingError, UsageError
from linkwell.base.shards import write_bytes
from linkwell.base.workspace import Workspace, check_name
from linkwell.recall.batch import Batch

LINEAGE_FORMAT = "linkwell-lineage-1"
LINEAGE_FILE = "lineage.json"
Kind = Literal["copy", "embedding", "index", "model", "dataset"]
_REVISION = re.compile(r"-r\d+$")
LINEAGE_KINDS: tuple[str, ...] = get_args(Kind)


class Derived(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that was derived: from a release, or from another derived thing."""

    name: str
    kind: Kind
    dataset: str
    sources: tuple[str, ...]
    """Versions of releases, and names of other entries."""
    holder: str = ""
    """Who holds it; empty for ourselves."""
    contact: str = ""
    place: str = ""
    """Where it is: a path or an address of the holder's."""
    sequence: int = 0
    """The newest recall that was applied to it, as far as a receipt or its holder says."""
    added: str = ""
    added_by: str = ""


def recall_touches(workspace: Workspace, batch: Batch) -> list[Derived]:
    """What was derived from the releases that a recall is about, and has not had it applied as far as is recorded."""
    versions = [_REVISION.sub("", release) for release in batch.releases]
    return Lineage.open(workspace).affected(versions, batch.sequence)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    entries: list[Derived]


class Lineage:
    """The entries of a workspace, by name."""

    def __init__(self, path: Path, entries: Iterable[Derived]) -> None:
        self._path = path
        self._entries = {entry.name: entry for entry in entries}

    @classmethod
    def open(cls, workspace: Workspace) -> "Lineage":
        """Read the entries; there are none at first.

        Raises:
            FormatError: the file does not read.
        """
        path = workspace.root / LINEAGE_FILE
        try:
            read = msgspec.json.decode(path.read_bytes(), type=_File)
        except FileNotFoundError:
            return cls(path, ())
        except msgspec.DecodeError as error:
            raise FormatError(f"this is no record of lineage: {error}", str(path), "Restore it.") from error
        if read.format != LINEAGE_FORMAT:
            raise FormatError("the format of this record is not known here", str(path), "Install a newer Linkwell.")
        return cls(path, read.entries)

    @property
    def entries(self) -> list[Derived]:
        """All, by name."""
        return [self._entries[name] for name in sorted(self._entries)]

    def add(self, entry: Derived, releases: Iterable[str]) -> Derived:
        """Record something derived, or what is new about it.

        Args:
            entry: what.
            releases: the versions that there are.

        Raises:
            UsageError: a name is not usable, or a source is neither a release nor an entry, or leads back to itself.
        """
        check_name(entry.name, "derived thing")
        known = set(releases)
        if not entry.sources:
            raise UsageError(
                "nothing says what this was derived from", advice="Name a release or another entry with --from."
            )
        for source in entry.sources:
            if source not in known and source not in self._entries:
                raise UsageError(
                    f"{source!r} is neither a release nor recorded here",
                    advice=f"Releases: {', '.join(sorted(known)) or 'none'}; linkwell lineage list shows the rest.",
                )
            if source == entry.name or entry.name in self._ancestors(source):
                raise UsageError(f"{entry.name!r} would be derived from itself")
        entry = msgspec.structs.replace(entry, added=entry.added or datetime.now(UTC).isoformat(timespec="seconds"))
        self._entries[entry.name] = entry
        self._store()
        return entry

    def forget(self, name: str) -> None:
        """Remove an entry: what it names is gone.

        Raises:
            MissingError: there is none of that name.
            UsageError: something else was derived from it.
        """
        if name not in self._entries:
            raise MissingError("there is no such entry", name, "linkwell lineage list shows what there is.")
        above = [entry.name for entry in self.entries if name in entry.sources]
        if above:
            raise UsageError(f"{', '.join(above)} was derived from it", name, "Forget that first.")
        del self._entries[name]
        self._store()

    def affected(self, releases: Iterable[str], sequence: int | None = None) -> list[Derived]:
        """Everything that comes from any of some releases, directly or through other entries.

        Args:
            releases: versions.
            sequence: number of a recall: leaves out what it was applied to already.
        """
        wanted = set(releases)
        return [
            entry
            for entry in self.entries
            if (sequence is None or entry.sequence < sequence) and self._ancestors(entry.name) & wanted
        ]

    def _ancestors(self, name: str) -> set[str]:
        found: set[str] = set()
        todo = [name]
        while todo:
            entry = self._entries.get(todo.pop())
            for source in entry.sources if entry else ():
                if source not in found:
                    found.add(source)
                    todo.append(source)
        return found

    def _store(self) -> None:
        data = msgspec.json.encode(_File(LINEAGE_FORMAT, self.entries))
        write_bytes(self._path, msgspec.json.format(data, indent=1) + b"\n", mode=0o600)
