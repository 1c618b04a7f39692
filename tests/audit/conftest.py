"""What tests of the audit share: a small synthetic world of links, their ledger, and lists that name some of them."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from linkwell.base.ids import link_id, link_ids
from linkwell.base.workspace import Workspace
from linkwell.ledger import Digests, exact_digests, ledger_table, write_ledger_part
from linkwell.lists import import_list

SEEN = datetime(2026, 1, 1, tzinfo=UTC)


def url_of(name: str) -> str:
    """The URL of a link in this world."""
    return f"https://a.example/{name}.jpg"


def digests_of(name: str, *, quality: int | None = 100) -> Digests:
    """Made-up digests of a made-up image: its PDQ hash is random, so no two are near; quality None: it did not decode."""
    pdq = hashlib.sha256(b"pdq of " + name.encode()).digest()
    return replace(exact_digests(b"image " + name.encode()), pdq=None if quality is None else pdq, pdq_quality=quality)


@dataclass
class World:
    """A workspace whose links, ledger and lists a test makes up."""

    workspace: Workspace
    folder: Path

    def shards(self, *names: Sequence[str]) -> list[Path]:
        """One shard of links for each group of names."""
        paths = []
        for number, group in enumerate(names):
            path = self.folder / f"links-{number}.parquet"
            urls = [url_of(name) for name in group]
            pq.write_table(pa.table({"link_id": link_ids(urls), "url": pa.array(urls, pa.string())}), path)
            paths.append(path)
        return paths

    def fetched(self, *images: tuple[str, Digests], part: str = "run-0") -> Path:
        """A part of the ledger: what was fetched for which name."""
        path = self.workspace.ledger / f"{part}.parquet"
        table = ledger_table([(link_id(url_of(name)), SEEN, digests) for name, digests in images])
        write_ledger_part(path, table, self.workspace.master_key())
        return path

    def listed(self, lines: Iterable[str], source: str = "synthetic") -> None:
        """Import a synthetic list."""
        path = self.folder / f"{source}.txt"
        path.write_text("# synthetic\n" + "".join(line + "\n" for line in lines))
        import_list(self.workspace, path, source=source)


@pytest.fixture
def world(workspace: Workspace, tmp_path: Path) -> World:
    """An empty world."""
    return World(workspace, tmp_path)


@pytest.fixture
def near() -> Callable[[bytes, int], bytes]:
    """A PDQ hash at exactly that distance from another."""

    def flip(pdq: bytes, bits: int) -> bytes:
        return (int.from_bytes(pdq, "big") ^ ((1 << bits) - 1)).to_bytes(32, "big")

    return flip
