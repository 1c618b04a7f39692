"""Files of rows dealt into buckets: what every exchange writes where shards are read, and reads back bucket by bucket.

One Arrow IPC file for each input; for each piece of the input that is dealt, one record batch for each bucket, empty or not. So the
batches of bucket b are every `buckets`-th from b on, and reading one bucket touches its pages only.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkwell.base.errors import DamagedFileError


class BucketWriter:
    """Deals rows into the buckets of one file."""

    def __init__(self, path: Path, schema: pa.Schema, buckets: int) -> None:
        """Open the file.

        Args:
            path: where; written in place, so give a task's output.
            schema: of the rows.
            buckets: how many there are.
        """
        self._schema = schema
        self._buckets = buckets
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._sink, schema)

    def deal(
        self,
        columns: "Sequence[pa.Array[pa.Scalar[pa.DataType]] | pa.ChunkedArray[pa.Scalar[pa.DataType]]]",
        bucket: npt.NDArray[np.int64],
    ) -> None:
        """Add rows.

        Args:
            columns: one for each field of the schema.
            bucket: the bucket of each row, 0 to `buckets` - 1; the rows of one bucket keep their order.
        """
        order = np.argsort(bucket, kind="stable")
        bounds = np.searchsorted(bucket[order], np.arange(self._buckets + 1))
        dealt = pa.table(list(columns), schema=self._schema).take(order).combine_chunks()
        for first, last in pairwise(bounds.tolist()):
            pieces = dealt.slice(first, last - first).to_batches()
            self._writer.write_batch(pieces[0] if pieces else pa.RecordBatch.from_pylist([], self._schema))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()
        self._sink.close()


def read_bucket(path: Path, bucket: int, buckets: int) -> list[pa.RecordBatch]:
    """The batches of one bucket, in the order they were dealt; mapped, not read.

    Raises:
        DamagedFileError: the file is cut short or changed.
    """
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
            return [reader.get_batch(number) for number in range(bucket, reader.num_record_batches, buckets)]
    except (pa.ArrowInvalid, OSError) as error:
        raise DamagedFileError("a file of the exchange is damaged", str(path), "Remove it and run again.") from error


def read_buckets(paths: Iterable[Path | str], bucket: int, buckets: int, schema: pa.Schema) -> pa.Table:
    """One bucket of many files, in their order.

    Raises:
        DamagedFileError: a file is cut short or changed.
    """
    batches = [batch for path in paths for batch in read_bucket(Path(path), bucket, buckets)]
    return pa.Table.from_batches(batches, schema)
