"""A shard as an earlier run left it, read again in its order, so that only what failed for a passing reason is asked for anew."""

import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from linkwell.base.errors import DamagedFileError
from linkwell.base.sealed import read_sealed
from linkwell.base.shards import open_parquet, read_tables
from linkwell.engine import Mark
from linkwell.ledger import read_ledger_part
from linkwell.lists import Finding
from linkwell.populate.failures import passes
from linkwell.populate.params import ShardParams
from linkwell.populate.writer import COPY_SCHEMA, NOTHING

_BATCH_ROWS = 256
_BESIDE = frozenset({"json", "txt"})
_Image = tuple[str, str, bytes]
"""Key, extension, bytes."""


class Previous:
    """What an earlier run made of a shard.

    Args:
        params: of the shard.
        mark: that it is done, with its outputs there.
        folder: where the mark stands.
        master_key: for what is sealed.

    Raises:
        DamagedFileError: the copy's files are not what was written.
    """

    def __init__(self, params: ShardParams, mark: Mark, folder: Path, master_key: bytes) -> None:
        self._outputs = {name: (folder / path).resolve() for name, path in mark.outputs.items()}
        self._params = params
        self._master_key = master_key
        self._parquet = self._outputs["parquet"]
        self.failures: dict[str, str | None] = {}
        """The failure of every row by its key, None for a success; a row that is not there was left out."""
        for table in read_tables([self._parquet], ["key", "failure"]):
            for row in table.to_pylist():
                self.failures[row["key"]] = row["failure"]
        self._rows = self._read_rows()
        self._images = self._read_images()

    def asks_again(self, key: str) -> bool:
        """Whether the row of a key failed for a reason that may have passed."""
        kind = self.failures.get(key)
        return kind is not None and passes(kind)

    def row(self, key: str) -> Mapping[str, Any]:
        """The row of a key; keys are asked for in order."""
        return next(row for row in self._rows if row["key"] == key)

    def image(self, key: str) -> tuple[str, bytes]:
        """Extension and bytes of the image of a key; keys are asked for in order.

        Raises:
            DamagedFileError: the copy has none.
        """
        for found, extension, data in self._images:
            if found == key:
                return extension, data
        raise DamagedFileError("an image is gone from the copy", str(self._parquet), "Populate into a new folder.")

    def ledger(self) -> pa.Table | None:
        """The rows of its part of the ledger."""
        path = self._outputs.get("ledger")
        return None if path is None else pa.concat_tables(read_ledger_part(path, self._master_key))

    def findings(self) -> list[Finding]:
        """Its findings."""
        path = self._outputs.get("findings")
        if path is None:
            return []
        return [Finding(**row) for table in read_sealed(path, self._master_key) for row in table.to_pylist()]

    def table(self, name: str, schema: pa.Schema) -> pa.Table | None:
        """An output that is a table of the run; parquet has no seconds, so times come back as what they were by the schema."""
        path = self._outputs.get(name)
        return None if path is None else pq.read_table(path).cast(schema)

    def _read_rows(self) -> Iterator[Mapping[str, Any]]:
        for table in read_tables([self._parquet], list(COPY_SCHEMA.names), _BATCH_ROWS):
            yield from table.to_pylist()

    def _read_images(self) -> Iterator[_Image]:
        if self._params.output == NOTHING:
            return iter(())
        if self._params.output == "parquet":
            return self._from_table()
        return self._from_tar() if self._params.output == "webdataset" else self._from_folder()

    def _from_table(self) -> Iterator[_Image]:
        form = self._params.kept.format
        with open_parquet(self._parquet) as file:
            for batch in file.iter_batches(_BATCH_ROWS, columns=["key", form]):
                for row in batch.to_pylist():
                    if row[form] is not None:
                        yield row["key"], form, row[form]

    def _from_tar(self) -> Iterator[_Image]:
        try:
            with tarfile.open(self._outputs["images"], "r:") as tar:
                for member in tar:
                    key, _, extension = member.name.partition(".")
                    if extension not in _BESIDE and (data := tar.extractfile(member)) is not None:
                        yield key, extension, data.read()
        except tarfile.TarError as error:
            advice = "Populate into a new folder."
            raise DamagedFileError("the tar does not read", str(self._outputs["images"]), advice) from error

    def _from_folder(self) -> Iterator[_Image]:
        for path in sorted(self._outputs["images"].iterdir()):
            extension = path.suffix.removeprefix(".")
            if extension not in _BESIDE:
                yield path.name.partition(".")[0], extension, path.read_bytes()


def kept_rows(table: pa.Table, again: frozenset[bytes]) -> pa.Table:
    """The rows of a table of links but those that were asked for again."""
    mask = [identity not in again for identity in table["link_id"].to_pylist()]
    return table.filter(pa.array(mask, pa.bool_()))
