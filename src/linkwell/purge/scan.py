"""One shard of a copy: what in it is recalled. Plan, apply and verify all look through these eyes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from linkwell.purge.inventory import Shard
from linkwell.purge.match import Wanted
from linkwell.purge.parquet import ParquetScan, scan_parquet
from linkwell.purge.webdataset import TarScan, base_key, scan_tar


@dataclass(frozen=True)
class ShardScan:
    """What is recalled in the tar and in the parquet of one shard."""

    shard: Shard
    tar: TarScan | None
    parquet: ParquetScan | None

    @property
    def hit(self) -> bool:
        """Whether anything has to go."""
        return bool((self.tar and self.tar.hit_keys) or (self.parquet and self.parquet.hit_count))

    @property
    def unidentified(self) -> int:
        """Samples or rows of which nothing says which link they are."""
        if self.tar is None:
            return self.parquet.rows if self.parquet and not self.parquet.identified else 0
        listed = set(self.parquet.keys or ()) if self.parquet and self.parquet.identified else set()
        return sum(
            key not in self.tar.told_keys and key not in self.tar.hit_keys and base_key(key) not in listed
            for key in self.tar.samples
        )


def scan_shard(root: Path, shard: Shard, wanted: Wanted, *, ours: bool) -> ShardScan:
    """Find what is recalled in a shard. A sample found in one of its files goes from all of them.

    Args:
        root: the copy.
        shard: the files.
        wanted: what is recalled.
        ours: the copy is Linkwell's, made from a release: keys and the column `cell` name cells.

    Raises:
        DamagedFileError: a file does not read.
    """
    parquet = tar = None
    if shard.parquet:
        parquet = scan_parquet(root / shard.parquet, wanted, ours=ours, with_keys=shard.tar is not None)
    if shard.tar:
        listed = frozenset[str]()
        if parquet and parquet.keys is not None:
            listed = frozenset(
                key for key, hit in zip(parquet.keys, parquet.hits.tolist(), strict=True) if hit and key is not None
            )
        tar = scan_tar(root / shard.tar, wanted, keys_name_cells=ours, listed_hits=listed)
        if parquet and parquet.keys is not None and tar.hit_keys:
            gone = pa.array(sorted({base_key(key) for key in tar.hit_keys}), pa.string())
            also = np.asarray(pc.is_in(pa.array(parquet.keys, pa.string()), value_set=gone))
            parquet = ParquetScan(parquet.rows, parquet.hits | also, parquet.keys, parquet.identified)
    return ShardScan(shard, tar, parquet)
