"""How many look-alikes PDQ is expected to name by chance: a model, with its assumptions, and what it rests on.

If hashes were 256 coins, two of them would be within 31 bits once in 10^36. Bits of real pictures hang together, so the spread of the
distance between unrelated pictures is wider than that of 256 coins: as wide as that of fewer. Daugman ("How iris recognition works",
IEEE TCSVT 14, 2004) takes the number of coins that have the mean and the spread that are seen, n = m(1 - m) / s², and their tail:
P(X <= n * 31 / 256). Mean and spread come from pairs of one's own ledger; pairs within 31 bits are left out, since they may be one picture.
The model is for pictures that have nothing to do with each other. Blank pages, logos on white and screens of text are alike without
being the same, and are the false matches that people will meet.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkwell.audit.bound import tail
from linkwell.base.sealed import read_sealed
from linkwell.base.workspace import Workspace
from linkwell.ledger import MATCHED_DISTANCE, PDQ_BYTES

MAX_HASHES = 2_000
_MIN_HASHES = 30
_BITS = 8 * PDQ_BYTES


@dataclass(frozen=True)
class ChanceOfMatch:
    """What PDQ is expected to name by chance."""

    hashes: int
    """Hashes of the ledger that the model rests on; 0 where there are too few, and then there is no chance to tell."""
    mean_distance: float
    """Bits between two of them, on average."""
    deviation: float
    """Standard deviation of that."""
    coins: float
    """Independent bits with that mean and deviation."""
    chance: float
    """That two unrelated pictures are within 31 bits."""
    listed: int
    """PDQ hashes of the lists."""
    compared: int
    """Links whose PDQ hash was compared with them."""

    @property
    def expected(self) -> float:
        """False matches expected among all pairs."""
        return self.chance * self.listed * self.compared


def chance_of_match(workspace: Workspace, *, listed: int, compared: int) -> ChanceOfMatch:
    """Work out the model from the ledger.

    Raises:
        DamagedFileError: a part of the ledger does not open.
    """
    hashes = _some_hashes(workspace)
    if len(hashes) < _MIN_HASHES:
        return ChanceOfMatch(0, 0.0, 0.0, 0.0, 0.0, listed, compared)
    distances = pair_distances(hashes)
    distances = distances[distances > MATCHED_DISTANCE]
    mean, deviation = float(distances.mean()), float(distances.std())
    coins, chance = model(mean, deviation)
    return ChanceOfMatch(len(hashes), mean, deviation, coins, chance, listed, compared)


def model(mean: float, deviation: float) -> tuple[float, float]:
    """The number of coins with that mean and deviation (in bits of 256), and the chance that they fall within 31 of 256.

    >>> coins, chance = model(128, 8)
    >>> round(coins), chance < 1e-35
    (256, True)
    """
    share = mean / _BITS
    if not 0 < share < 1 or deviation <= 0:
        return 0.0, 1.0
    coins = share * (1 - share) / (deviation / _BITS) ** 2
    return coins, tail(int(coins * MATCHED_DISTANCE / _BITS), max(1, round(coins)), share)


def pair_distances(hashes: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Distances in bits of all pairs of hashes, shape (hashes, 32)."""
    words = np.ascontiguousarray(hashes).view(np.uint64)
    found = [
        np.bitwise_count(words[row + 1 :] ^ words[row]).sum(axis=1, dtype=np.int64) for row in range(len(words) - 1)
    ]
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _some_hashes(workspace: Workspace) -> npt.NDArray[np.uint8]:
    """Distinct hashes of good quality, from parts all over the ledger."""
    paths = sorted(workspace.ledger.glob("*.parquet"))
    step = max(1, len(paths) // 20)
    found: set[bytes] = set()
    key = workspace.master_key() if paths else b""
    for path in paths[::step]:
        here = 0
        for table in read_sealed(path, key, ["pdq", "pdq_quality"]):
            for pdq, quality in zip(table["pdq"].to_pylist(), table["pdq_quality"].to_pylist(), strict=True):
                if pdq is not None and (quality or 0) >= workspace.settings.lists.min_pdq_quality and pdq not in found:
                    found.add(pdq)
                    here += 1
            if here >= MAX_HASHES // min(20, len(paths)):
                break
    kept = sorted(found)[:MAX_HASHES]
    return np.frombuffer(b"".join(kept), np.uint8).reshape(len(kept), PDQ_BYTES)
