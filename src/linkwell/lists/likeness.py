"""Which of many PDQ hashes are near one of some others, where neither is a list: for what is like something confirmed."""

import numpy as np
import numpy.typing as npt

from linkwell.lists.columns import Rows
from linkwell.lists.indexes import PDQ, Index, build_index


class Likeness:
    """Some PDQ hashes, and the question which others are within the distance that matches."""

    def __init__(self, hashes: Rows) -> None:
        """Index the hashes, shape (hashes, 32)."""
        self._index: Index | None = build_index(PDQ, hashes, np.zeros(len(hashes), np.uint16)) if len(hashes) else None

    def near(self, others: Rows) -> npt.NDArray[np.bool_]:
        """For each of the others, shape (hashes, 32), whether it is near one of them."""
        hits = np.zeros((1, len(others)), np.bool_)
        if self._index is not None and len(others):
            self._index.mark(np.ascontiguousarray(others), hits)
        return np.asarray(hits[0], np.bool_)
