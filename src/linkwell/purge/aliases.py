"""Foreign ids of recalled links, from tables that connect them: an older list, or the tables of the copy itself."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from linkwell.base.errors import DamagedFileError, LinkwellError, UsageError
from linkwell.base.ids import LINK_ID_BYTES, cc2dataset_uid, laion_hash
from linkwell.base.schema import FOREIGN_ALIASES
from linkwell.base.shards import open_parquet
from linkwell.purge.arrow import schema_of
from linkwell.purge.match import Aliases, IdentityColumns, Wanted, identity_columns, key_id, plain, raw_id, row_hits
from linkwell.purge.shard import PARQUET_SUFFIXES
from linkwell.purge.unit import Unit, suffix_of

_TABLES = frozenset({"parquet", "embeddings", "datasets"})
_BATCH_ROWS = 131_072
_ADVICE = "Give tables that have a URL or a link id beside the other ids."


def read_aliases(paths: Iterable[Path], wanted: Wanted, *, ours: bool = False, needed: bool = True) -> Aliases:
    """The foreign ids that tables give to recalled links.

    LAION's `hash` and cc2dataset's `uid` are computed where URL and text are there; `uid`, `hash`, `sha256`, `md5` and `key`
    are taken as they stand. Only recalled rows are kept in memory.

    Args:
        paths: parquet files, or folders of them.
        wanted: what is recalled.
        ours: the tables are of a copy that Linkwell made from a release.
        needed: a table that says nothing of links is an error; else it is passed over.

    Raises:
        UsageError: a table has neither URL nor link id.
        DamagedFileError: a table does not read.
    """
    found = _Collected()
    for path in paths:
        files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
        if not files:
            raise UsageError("there is no parquet file here", str(path), _ADVICE)
        for each in files:
            _read(each, wanted, found, ours=ours, needed=needed)
    return found.aliases()


def needs_aliases(root: Path, unit: Unit, *, ours: bool) -> bool:
    """Whether something in a unit can only be told by the ids of other projects. A table that does not read is met again later."""
    if unit.kind == "uids":
        return True
    if unit.kind not in _TABLES:
        return False
    for name in unit.files:
        try:
            if suffix_of(name) == ".arrow":
                schema = schema_of(root / name)
            elif suffix_of(name) in PARQUET_SUFFIXES:
                with open_parquet(root / name) as file:
                    schema = file.schema_arrow
            else:
                continue
        except LinkwellError:
            continue
        columns = identity_columns(schema, ours=ours)
        if not columns.direct and columns.cell is None and columns.names:
            return True
    return False


class _Collected:
    """Ids so far."""

    def __init__(self) -> None:
        self.uids: set[bytes] = set()
        self.hashes: set[int] = set()
        self.digests: set[bytes] = set()
        self.keys: set[bytes] = set()

    def aliases(self) -> Aliases:
        return Aliases(
            np.array(sorted(self.uids), dtype="S16"),
            np.array(sorted(self.hashes), dtype=np.int64),
            np.array(sorted(self.digests), dtype="S32"),
            np.array(sorted(self.keys), dtype="S16"),
        )


def _read(path: Path, wanted: Wanted, found: _Collected, *, ours: bool, needed: bool) -> None:
    with open_parquet(path) as file:
        columns = identity_columns(file.schema_arrow, ours=ours)
        if not columns.direct:
            if needed:
                raise UsageError("this table has neither a URL nor a link id", str(path), _ADVICE)
            return
        text = _named(file.schema_arrow, FOREIGN_ALIASES["text"])
        names = [*columns.names, *([text] if text else [])]
        try:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=names, use_threads=False):
                table = pa.Table.from_batches([batch])
                hits = row_hits(table, columns, wanted, str(path), ours=ours)
                if hits.any():
                    _collect(table.filter(pa.array(hits)), columns, text, found)
        except (pa.ArrowException, OSError) as error:
            raise DamagedFileError("this parquet file is damaged", str(path)) from error


def _collect(table: pa.Table, columns: IdentityColumns, text: str | None, found: _Collected) -> None:
    """Add the foreign ids of some rows."""
    if columns.url and text:
        pairs = zip(plain(table[columns.url]), plain(table[text]), strict=True)
        for url, caption in pairs:
            found.hashes.add(laion_hash(url, caption))
            found.uids.add(bytes.fromhex(cc2dataset_uid(url or "", caption or "")))
    if columns.uid:
        found.uids.update(_sixteen(plain(table[columns.uid])))
    if columns.hash:
        values = plain(table[columns.hash])
        found.hashes.update(value for value in values if isinstance(value, int))
        found.uids.update(_sixteen(values))
    if columns.digest:
        found.digests.update(raw for value in plain(table[columns.digest]) if (raw := raw_id(value)))
    if columns.key:
        found.keys.update(key_id(key) for key in plain(table[columns.key]) if isinstance(key, str))


def _sixteen(values: Iterable[Any]) -> set[bytes]:
    return {raw for value in values if len(raw := raw_id(value)) == LINK_ID_BYTES}


def _named(schema: pa.Schema, aliases: Iterable[str]) -> str | None:
    names = {name.lower(): name for name in reversed(schema.names)}
    return next((names[alias] for alias in aliases if alias in names), None)
