"""Which cells leave together with those that hold a suspected entry, so that which were hit cannot be told. Values in, values out.

A *cover* is a set of cells: the hit ones, the neighbours of thin ones, and padding. Padding is drawn under a secret of the workspace
(whoever could draw again would know what is padding), from the same look-alike blocks as the hits, as many from each as it has hits:
somebody who knows where such entries tend to be must not tell padding by that. A cover is drawn once and kept (`partition.py`): what
a release leaves out and what a recall names later are then the same cells, whose intersection says nothing.
"""

import hmac
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from linkwell.release.cells import Int64s

BLOCK_CELLS = 64
"""A block has at least so many cells, where there are so many; a block of one look has up to four times as many."""
BIN_BLOCK_CELLS = 16
"""A block that begins with a safety bin has at least so many: nobody takes a cell of another bin for the one that was hit."""
_DRAW = b"linkwell:padding:3\0"


def merged_groups(cell_rows: Mapping[int, int], min_rows: int) -> dict[int, tuple[int, ...]]:
    """Cells grouped so that what goes together has at least `min_rows` rows.

    A cell that open recalls have thinned out goes together with its neighbours in number, which are its look-alikes. The
    groups are a function of public row counts alone: whichever cell of a group is hit, the same cells go.

    Args:
        cell_rows: rows of every cell that is still in a release.
        min_rows: the fewest rows of a group; where all cells together have fewer, all are one group.

    Returns:
        for every cell, the cells of its group.
    """
    groups: list[list[int]] = []
    rows = min_rows
    for cell in sorted(cell_rows):
        if rows >= min_rows:
            groups.append([])
            rows = 0
        groups[-1].append(cell)
        rows += cell_rows[cell]
    if rows < min_rows and len(groups) > 1:
        last = groups.pop()
        groups[-1].extend(last)
    return {cell: tuple(group) for group in groups for cell in group}


def block_starts(looks: Int64s, bins: Int64s, first_cell: int) -> tuple[int, ...]:
    """Divide new cells into blocks of look-alikes, each a run of cells.

    Args:
        looks: of each cell, in order, what its first row looks like at first (`profile.LOOK_BITS`).
        bins: of each cell the safety bin in that; a bin of `BIN_BLOCK_CELLS` begins a block, the cells of small ones before it join the block before.
        first_cell: the number of the first.

    Returns:
        the first cell of each block.
    """
    starts: list[int] = []
    count = len(looks)
    for cell in range(count):
        length = cell - starts[-1] if starts else 0
        left = count - cell
        if not starts:
            starts.append(cell)
        elif bins[cell] != bins[cell - 1] and left >= BIN_BLOCK_CELLS:
            if length >= BIN_BLOCK_CELLS:
                starts.append(cell)
            elif len(starts) > 1:
                starts[-1] = cell
        elif min(left, length) >= BLOCK_CELLS and (looks[cell] != looks[cell - 1] or length >= 4 * BLOCK_CELLS):
            starts.append(cell)
    return tuple(first_cell + start for start in starts)


def draw_cover(
    hit_cells: Collection[int],
    cell_rows: Mapping[int, int],
    blocks: Sequence[int],
    *,
    min_rows: int,
    batch_cells: int,
    padding_per_hit: int,
    seed: bytes,
    taken: Collection[int] = (),
    like: Iterable[int] = (),
) -> list[int]:
    """The cells that leave with the hit ones.

    Args:
        hit_cells: cells that hold a suspected entry; all in `cell_rows`.
        cell_rows: rows of every cell that is still in a release.
        blocks: the first cells of the look-alike blocks, ascending.
        min_rows: see `merged_groups`.
        batch_cells: the count is padded to a multiple of this, as far as there are cells.
        padding_per_hit: at least so many padding cells for each hit one.
        seed: secret randomness, see `cover_seed`. The order it draws in does not depend on the hits.
        taken: cells that are no padding: they belong to other covers.
        like: where there is no hit, padding is drawn from the blocks of these cells.

    Returns:
        sorted cells; where nothing is hit, padding alone.
    """
    groups = merged_groups(cell_rows, min_rows)
    chosen = {cell for hit in hit_cells for cell in groups[hit]}
    whole = max(len(chosen) * (1 + padding_per_hit), 1)
    wanted = -(-whole // batch_cells) * batch_cells
    free = _free_groups(groups, blocks, chosen | set(taken), seed)
    for block, quota in _quotas(hit_cells or like, blocks, wanted - len(chosen)):
        _take(free, block, quota, chosen)
    # What the blocks of the hits do not have comes from the nearest that have some, at last in the secret order.
    near = sorted({_block(cell, blocks) for cell in hit_cells or like})
    for block in sorted(free, key=lambda each: (min((abs(each - b) for b in near), default=0), each)):
        if near:
            _take(free, block, wanted - len(chosen), chosen)
    for group in sorted((g for groups in free.values() for g in groups), key=lambda g: _draw(seed, g[0])):
        if len(group) <= wanted - len(chosen):
            chosen.update(group)
    return sorted(chosen)


def cover_seed(master_key: bytes, dataset: str, number: int) -> bytes:
    """The secret randomness of the cover of that number, the same whenever it is drawn again.

    It must be secret: whoever can draw again knows which cells of a batch are padding, and so which ones are not.
    """
    return hmac.digest(master_key, _DRAW + f"{dataset}\0{number}".encode(), "sha256")


def _free_groups(
    groups: Mapping[int, tuple[int, ...]], blocks: Sequence[int], used: Collection[int], seed: bytes
) -> dict[int, list[tuple[int, ...]]]:
    """Groups that may pad, by block, in the secret order, the next one last."""
    # Groups of thin cells pad like any other: if only single cells did, a group in a batch would be a hit.
    free: dict[int, list[tuple[int, ...]]] = {}
    for cell in sorted(groups, key=lambda cell: _draw(seed, cell), reverse=True):
        group = groups[cell]
        if cell == group[0] and not any(each in used for each in group):
            free.setdefault(_block(cell, blocks), []).append(group)
    return free


def _quotas(cells: Iterable[int], blocks: Sequence[int], wanted: int) -> list[tuple[int, int]]:
    """How many padding cells to take from each block: in the proportion of its cells, largest remainders first."""
    weights = Counter(_block(cell, blocks) for cell in cells)
    total = sum(weights.values())
    if not total:
        return []
    quotas = {block: wanted * weight // total for block, weight in weights.items()}
    rest = wanted - sum(quotas.values())
    for block in sorted(weights, key=lambda block: (-(wanted * weights[block] % total), block))[:rest]:
        quotas[block] += 1
    return sorted(quotas.items())


def _take(free: dict[int, list[tuple[int, ...]]], block: int, quota: int, chosen: set[int]) -> None:
    """Move groups of one block into `chosen`, up to `quota` cells; those that are too large stay."""
    left = []
    groups = free.get(block, [])
    while groups and quota > 0:
        group = groups.pop()
        if len(group) > quota:
            left.append(group)
            continue
        chosen.update(group)
        quota -= len(group)
    groups.extend(reversed(left))


def _block(cell: int, blocks: Sequence[int]) -> int:
    return bisect_right(blocks, cell)


def _draw(seed: bytes, cell: int) -> bytes:
    return hmac.digest(seed, cell.to_bytes(4, "big"), "sha256")
