"""Digests that images are expected to have, by link: a table of strangers' making, kept as arrays."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from linkwell.base.errors import FormatError
from linkwell.base.ids import LINK_ID_BYTES, link_id
from linkwell.base.shards import open_parquet, read_tables
from linkwell.ledger import Digests

ALGORITHMS = {"sha256": 32, "sha1": 20, "md5": 16}
"""Columns that are looked for, the strongest first, and bytes of a digest."""


class ExpectedDigests:
    """Digests of one kind by link id: 16 bytes and the digest for each."""

    def __init__(self, algorithm: str, ids: npt.NDArray[np.bytes_], digests: npt.NDArray[np.uint8]) -> None:
        """Take the ids, sorted, as `S16`, and the digests, of shape (links, bytes)."""
        self._algorithm = algorithm
        self._ids = ids
        self._digests = digests

    def fits(self, identity: bytes, digests: Digests) -> bool:
        """Whether an image has the digest that was given for its link; true where none was. One of several given is enough."""
        first, last = (int(np.searchsorted(self._ids, np.bytes_(identity), side)) for side in ("left", "right"))
        found: bytes = getattr(digests, self._algorithm)
        return first == last or any(row.tobytes() == found for row in self._digests[first:last])


def read_expected(path: Path) -> ExpectedDigests:
    """Read a parquet file with `link_id` or `url`, and `sha256`, `sha1` or `md5` as hex or bytes; empty values are passed over.

    Raises:
        MissingError: there is no such file.
        DamagedFileError: it is not parquet.
        FormatError: it lacks the columns, or holds something that is no such digest.
    """
    return _read(path, path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=1)
def _read(path: Path, stamp: int) -> ExpectedDigests:  # noqa: ARG001 - the stamp is the cache's
    with open_parquet(path) as file:
        names = file.schema_arrow.names
    of = next((name for name in ("link_id", "url", "URL") if name in names), None)
    algorithm = next((name for name in ALGORITHMS if name in names), None)
    if of is None or algorithm is None:
        raise FormatError(f"it needs a column link_id or url, and one of {', '.join(ALGORITHMS)}", str(path))
    width = ALGORITHMS[algorithm]
    ids = bytearray()
    digests = bytearray()
    row = 0
    for table in read_tables([path], [of, algorithm]):
        for key, value in zip(table[of].to_pylist(), table[algorithm].to_pylist(), strict=True):
            row += 1
            if key is None or value is None or value == "":
                continue
            try:
                digest = bytes.fromhex(value) if isinstance(value, str) else bytes(value)
            except (ValueError, TypeError):
                digest = b""
            identity = link_id(key) if isinstance(key, str) else bytes(key)
            if len(digest) != width or len(identity) != LINK_ID_BYTES:
                raise FormatError(f"row {row} has no {algorithm}, or no link", str(path), "Mend or remove the row.")
            ids += identity
            digests += digest
    all_ids = np.frombuffer(bytes(ids), f"S{LINK_ID_BYTES}")
    order = np.argsort(all_ids, kind="stable")
    return ExpectedDigests(algorithm, all_ids[order], np.frombuffer(bytes(digests), np.uint8).reshape(-1, width)[order])
