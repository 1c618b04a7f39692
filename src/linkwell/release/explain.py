"""How the cells of a release came out: how large they are, how much alike their rows are, and how shards mix hosts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkwell.base.shards import read_tables
from linkwell.release.profile import domain_hashes
from linkwell.release.store import Release

Int64s = npt.NDArray[np.int64]

QUANTILES = (0, 10, 50, 90, 100)
"""Of the cells or shards, in hundredths: the least, the tenth, the middle, the ninetieth, the most."""


@dataclass(frozen=True)
class CellsReport:
    """Distributions over the cells of a release; each has one value for each of `QUANTILES`."""

    cells: int
    rows: int
    shards: int
    min_rows: int
    """k, when the cells were made."""
    below_min: int
    """Cells that have fewer rows now: open recalls took some."""
    rows_in_cell: tuple[float, ...]
    domains_in_cell: tuple[float, ...]
    same_bin: tuple[float, ...]
    """Of the rows of a cell, the share with its most frequent safety bin."""
    same_language: tuple[float, ...]
    """The same for languages."""
    domains_in_shard: tuple[float, ...]
    cells_in_shard: tuple[float, ...]


def explain_cells(release: Release) -> CellsReport:
    """Look at the public columns of every row, part by part.

    Raises:
        DamagedFileError: a part does not read.
    """
    rows: list[Int64s] = []
    domains: list[Int64s] = []
    bins: list[npt.NDArray[np.float64]] = []
    languages: list[npt.NDArray[np.float64]] = []
    of_shards: list[int] = []
    for path in release.parts:
        table = pa.concat_tables(read_tables([path], ["cell", "url", "language", "safety_bin"]))
        _, cell, counts = np.unique(table["cell"].to_numpy(), return_inverse=True, return_counts=True)
        domain = domain_hashes(table["url"])
        rows.append(counts.astype(np.int64))
        _, numbers = np.unique(domain, return_inverse=True)
        pairs = np.unique(cell * (int(numbers.max(initial=0)) + 1) + numbers)
        domains.append(np.bincount(pairs // (int(numbers.max(initial=0)) + 1), minlength=len(counts)))
        bins.append(_largest_share(cell, _codes(table["safety_bin"]), counts))
        languages.append(_largest_share(cell, _codes(table["language"]), counts))
        of_shards.append(len(np.unique(domain)))
    sizes = np.concatenate([np.zeros(0, np.int64), *rows])
    return CellsReport(
        cells=release.cells,
        rows=release.rows,
        shards=len(release.parts),
        min_rows=release.manifest.cell_min_rows,
        below_min=int((sizes < release.manifest.cell_min_rows).sum()),
        rows_in_cell=_quantiles([sizes]),
        domains_in_cell=_quantiles(domains),
        same_bin=_quantiles(bins),
        same_language=_quantiles(languages),
        domains_in_shard=_quantiles([np.array(of_shards)]),
        cells_in_shard=_quantiles([np.array([len(part.cells) for part in release.manifest.parts])]),
    )


def _codes(column: "pa.ChunkedArray[pa.Scalar[pa.DataType]]") -> Int64s:
    """A number for each value, null among them."""
    values: list[object] = list(column.cast(pa.string()).to_pylist())
    _, codes = np.unique(np.array([str(value) for value in values]), return_inverse=True)
    return codes.astype(np.int64)


def _largest_share(cell: Int64s, values: Int64s, counts: Int64s) -> npt.NDArray[np.float64]:
    """Of each cell the share of its most frequent value."""
    width = int(values.max(initial=0)) + 1
    pairs, times = np.unique(cell * width + values, return_counts=True)
    most = np.zeros(len(counts), np.int64)
    np.maximum.at(most, pairs // width, times)
    share: npt.NDArray[np.float64] = most / counts
    return share


def _quantiles(pieces: Sequence[npt.NDArray[np.generic]]) -> tuple[float, ...]:
    whole = np.concatenate([np.zeros(0), *pieces])
    if not len(whole):
        return (0.0,) * len(QUANTILES)
    return tuple(round(float(value), 4) for value in np.percentile(whole, QUANTILES))
