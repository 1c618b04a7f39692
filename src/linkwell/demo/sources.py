"""Where a demo's story takes place: on the web that it draws and serves itself, or in the user's own archive.

A place gives the archives to build from, how images are fetched, and, once the lab has its copy, which few pictures the
synthetic list names and which ones their maker wants out. These choices stay in memory and in the list's own file.
"""

import io
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from linkwell.base.errors import MissingError, UnavailableError
from linkwell.base.workspace import Workspace
from linkwell.demo.crawl import CrawlReport, crawl
from linkwell.demo.pictures import near_copy
from linkwell.demo.sites import Web, make_web
from linkwell.demo.web import ADDRESS, free_socket, serve
from linkwell.ledger import MATCHED_QUALITY, Digests, exact_digests, pdq_hash, read_ledger
from linkwell.populate import PopulateOptions

__all__ = ["Choice", "OwnArchive", "Place", "SmallWeb", "list_lines", "small_web", "unrelated_lines"]


@dataclass(frozen=True)
class Choice:
    """What the second list names, and which opt-outs come in. Restricted: kept in memory and in the list's file."""

    signals: Sequence[str]
    """Lines of the list: `signal_type signal`."""
    opted_out: Sequence[str]
    """URLs that their maker wants out."""


class Place(Protocol):
    """Where a story takes place."""

    @property
    def archives(self) -> tuple[str, ...]:
        """WARC files to build from."""

    @property
    def options(self) -> PopulateOptions:
        """How images are fetched."""

    def choose(self, workspace: Workspace, copy: Path) -> Choice:
        """Choose among the pictures that a populated copy has.

        Raises:
            UnavailableError: there are too few.
        """


@dataclass(frozen=True)
class SmallWeb:
    """The demo's own web, crawled and being served."""

    web: Web
    archive: Path
    crawled: CrawlReport

    @property
    def archives(self) -> tuple[str, ...]:
        """The crawl."""
        return (str(self.archive),)

    @property
    def options(self) -> PopulateOptions:
        """Every host on loopback; the host that is gone is pinned nowhere, and so resolves to nothing."""
        return PopulateOptions(
            resolve=tuple(f"{host}:{self.web.port}:{ADDRESS}" for host in self.web.hosts), allow_net=(f"{ADDRESS}/32",)
        )

    def choose(self, workspace: Workspace, copy: Path) -> Choice:  # noqa: ARG002 - the web is known
        """Neighbours on one site, as such finds are: one of them has a copy on another site. An artist of a third opts out."""
        trees = [p for p in self.web.pictures if p.host == "birds.example" and "/forest-" in p.url][3:8]
        free = [p for p in self.web.pictures if p.host == "galerie.example" and not p.opted_out]
        kinds = ("md5", "sha1", "sha256")
        signals = [_signal(kind, exact_digests(p.data)) for kind, p in zip(kinds, trees[2:], strict=True)]
        with Image.open(io.BytesIO(near_copy(trees[0].data))) as edited:
            pdq, _ = pdq_hash(np.asarray(edited.convert("RGB")))
        return Choice([*signals, f"pdq {pdq.hex()}", f"url {trees[1].url}"], [p.url for p in free[2:5]])


@contextmanager
def small_web(archive: Path) -> Iterator[SmallWeb]:
    """Draw, serve and crawl the demo's own web; it is served for the block."""
    with ExitStack() as stack:
        listener = free_socket()
        stack.callback(listener.close)
        web = make_web(listener.getsockname()[1])
        stack.enter_context(serve(web, listener))
        yield SmallWeb(web, archive, crawl(web.seeds, ADDRESS, archive))


@dataclass(frozen=True)
class OwnArchive:
    """Archives of the user's: their image responses stand for the web."""

    files: tuple[Path, ...]

    def __post_init__(self) -> None:
        for path in self.files:
            if not path.is_file():
                raise MissingError("there is no such file", str(path), "Name WARC files: linkwell demo --warc FILE")

    @property
    def archives(self) -> tuple[str, ...]:
        """The files."""
        return tuple(map(str, self.files))

    @property
    def options(self) -> PopulateOptions:
        """No network: only what the archive holds."""
        return PopulateOptions(from_archive=self.archives)

    def choose(self, workspace: Workspace, copy: Path) -> Choice:
        """Three neighbours of one cell in the middle, and one picture of another cell; their digests are in the ledger."""
        cells: dict[int, list[tuple[bytes, str]]] = {}
        for path in sorted(copy.glob("*.parquet")):
            for row in pq.read_table(path, columns=["cell", "link_id", "url", "status"]).to_pylist():
                if row["status"] == "success":
                    cells.setdefault(row["cell"], []).append((row["link_id"], row["url"]))
        full = sorted(cell for cell, rows in cells.items() if len(rows) >= _NEIGHBOURS)
        if not full or len(cells) == 1:
            raise UnavailableError(
                f"the archive gave {sum(map(len, cells.values()))} captioned images with their pictures, too few for the story",
                "--warc",
                "Give an archive that holds pages and their images: some ten pictures with alt texts are enough.",
            )
        middle = full[len(full) // 2]
        (first, _), (second, _), (_, third_url) = cells[middle][:_NEIGHBOURS]
        other = cells[next(cell for cell in sorted(cells) if cell != middle)]
        digests = _from_ledger(workspace, {first, second})
        signals = [_signal("sha1", digests[first]), f"url {third_url}"]
        if (pdq := digests[second].pdq) is not None and (digests[second].pdq_quality or 0) >= MATCHED_QUALITY:
            signals.append(f"pdq {_slightly_off(pdq).hex()}")
        return Choice(signals, [other[0][1]])


_NEIGHBOURS = 3


def _from_ledger(workspace: Workspace, link_ids: Collection[bytes]) -> dict[bytes, Digests]:
    columns = ["link_id", "byte_size", "md5", "sha1", "sha256", "pdq", "pdq_quality", "width", "height"]
    found: dict[bytes, Digests] = {}
    for table in read_ledger(workspace, columns):
        for row in table.to_pylist():
            link_id = row.pop("link_id")
            if link_id in link_ids:
                found[link_id] = Digests(**row)
    return found


def _slightly_off(pdq: bytes) -> bytes:
    """A PDQ hash eight bits away, as that of the same picture saved again might be."""
    return pdq[:8] + bytes(byte ^ 1 for byte in pdq[8:16]) + pdq[16:]


def _signal(kind: str, digests: Digests) -> str:
    value: bytes = getattr(digests, kind)
    return f"{kind} {value.hex()}"


def list_lines(choice: Choice) -> list[str]:
    """The lines of the second list, and one that does not parse."""
    made_by = "# Made by linkwell demo, from pictures that nobody has anything against."
    return ["# synthetic: true", made_by, *choice.signals, "md5 this-line-is-damaged"]


def unrelated_lines(count: int = 200) -> list[str]:
    """The lines of the first list: digests of nothing, so that the first audit finds nothing."""
    signals = (_signal("sha256", exact_digests(f"linkwell demo {number}".encode())) for number in range(count))
    return ["# synthetic: true", "# Made by linkwell demo. These are digests of no picture at all.", *signals]
