"""The links that are left out, as workers are told of them: a sealed file, and a tag that says nothing to others.

Which links are quarantined or recalled is restricted (ground rule 8). The task list, which is plain text, therefore holds for
each shard only a keyed hash of those of its own links that are left out. It changes when they change, so that the shard is made
again, and differs from shard to shard, so that it does not tell which shards have none.
"""

import hashlib
import hmac
from collections.abc import Collection, Iterable
from functools import lru_cache
from pathlib import Path

import pyarrow as pa

from linkwell.base.ids import LINK_ID_BYTES, binary_array
from linkwell.base.sealed import read_sealed, write_sealed

FILE = "withheld.parquet"


def write_withheld(folder: Path, ids: Collection[bytes], master_key: bytes) -> None:
    """Seal the ids of all links to leave out into the folder of a run."""
    write_sealed(folder / FILE, pa.table({"link_id": binary_array(sorted(ids), LINK_ID_BYTES)}), master_key)


def read_withheld(folder: Path, master_key: bytes) -> frozenset[bytes]:
    """The ids again.

    Raises:
        DamagedFileError: the file was changed, or sealed under another key.
        MissingError: it is not there.
    """
    path = folder / FILE
    stamp = path.stat().st_mtime_ns if path.exists() else 0
    return _read(path, stamp, master_key)


@lru_cache(maxsize=1)
def _read(path: Path, stamp: int, master_key: bytes) -> frozenset[bytes]:  # noqa: ARG001 - the stamp is the cache's
    ids: set[bytes] = set()
    for table in read_sealed(path, master_key):
        ids.update(value for value in table["link_id"].to_pylist() if value is not None)
    return frozenset(ids)


def withheld_tag(index: int, ids: Iterable[bytes], master_key: bytes) -> str:
    """32 hex digits for the left-out links of shard `index`: a keyed hash, equal only for equal ids and index."""
    code = hmac.new(master_key, b"linkwell:withheld:1\0" + index.to_bytes(8, "big"), hashlib.sha256)
    for each in sorted(set(ids)):
        code.update(each)
    return code.hexdigest()[:32]
