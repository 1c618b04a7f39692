"""Row counts that add up: rows in = rows out + rows left out, by public class.

The classes are chosen so that none of them singles out what must not be told apart. There is none for illegal entries: they are
`not_released` (with everything else that is held back unsaid) or go with `recalled_cells`.
"""

from collections.abc import Mapping

import msgspec

from linkwell.base.errors import ReconciliationError

REMOVED_CLASSES: Mapping[str, str] = {
    "recalled_cells": "rows of cells that were recalled; they never come back",
    "not_released": "rows of cells that are not released",
    "opt_out": "links whose owner opted out",
    "licence": "links taken out for their licence",
    "dead": "links that are dead",
    "recalled_links": "other links that were recalled openly",
    "duplicates": "new links to what is, or was, in the dataset under another link",
    "held_back": "new links too few for a cell of their own; they wait for the next release",
}
"""Why a row of the input is not in the output, as the manifest says it."""


class Reconciliation(msgspec.Struct, frozen=True):
    """The counts of one release: `input` = `output` + Σ `removed`."""

    input: int
    removed: dict[str, int]
    output: int


def reconcile(input_rows: int, removed: Mapping[str, int], output_rows: int) -> Reconciliation:
    """The counts, if they add up.

    Raises:
        ReconciliationError: they do not, or a class is not public.
    """
    unknown = sorted(set(removed) - set(REMOVED_CLASSES))
    if unknown:
        raise ReconciliationError(f"rows were removed under {', '.join(unknown)}, which is no public class")
    counts = {name: removed[name] for name in REMOVED_CLASSES if removed.get(name)}
    left = input_rows - sum(counts.values()) - output_rows
    if left or min([input_rows, output_rows, *counts.values()]) < 0:
        raise ReconciliationError(
            f"{input_rows} rows came in, {output_rows} go out, {sum(counts.values())} were removed: "
            f"{abs(left)} rows are {'missing' if left > 0 else 'too many'}",
            advice="Nothing was released. Run the same command again; if it stays so, this is a fault of Linkwell.",
        )
    return Reconciliation(input_rows, counts, output_rows)
