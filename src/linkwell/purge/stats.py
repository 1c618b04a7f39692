"""`_stats.json` beside a shard, counted anew after rows went (keys as img2dataset writes them, peers.md 5.3)."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from linkwell.base.errors import DamagedFileError
from linkwell.purge.parquet import count_statuses

STATS_SUFFIX = "_stats.json"

_SUCCESS = "success"
_MAX_ROWS = 100_000_000
"""More than a shard can hold: stats that say so were not counted."""
_ADVICE = "Restore the file or delete it; the samples beside it are not touched before it reads."


def recounted(path: Path, statuses: Mapping[tuple[str, str], int]) -> bytes | None:
    """The stats for the rows that are left.

    Args:
        path: the stats file.
        statuses: (status, error message) → rows that are left.

    Returns:
        the new bytes, or None where nothing in them changes. Times and keys not known here stay.

    Raises:
        DamagedFileError: the file does not read.
    """
    try:
        old = dict(json.loads(path.read_bytes()))
    except (ValueError, TypeError, RecursionError):
        raise DamagedFileError("these stats do not read", str(path), _ADVICE) from None
    by_status: dict[str, int] = {}
    messages: dict[str, int] = {}
    for (status, message), count in statuses.items():
        by_status[status] = by_status.get(status, 0) + count
        label = _SUCCESS if status == _SUCCESS else message or status
        messages[label] = messages.get(label, 0) + count
    new = dict(old)
    for key, value in old.items():
        if key == "count":
            new[key] = sum(by_status.values())
        elif key == "successes":
            new[key] = by_status.get(_SUCCESS, 0)
        elif key.startswith("failed_to_"):
            new[key] = by_status.get(key, 0)
        elif key == "status_dict" and isinstance(value, dict):
            order = [*(k for k in value if k in messages), *sorted(k for k in messages if k not in value)]
            new[key] = {k: messages[k] for k in order}
    if new == old:
        return None
    return json.dumps(new, indent=4).encode()


def without_samples(path: Path, samples_left: int) -> dict[tuple[str, str], int]:
    """What `recounted` takes where there is no parquet to count in: failures as the stats have them, successes as left.

    Raises:
        DamagedFileError: the file does not read.
    """
    try:
        old = json.loads(path.read_bytes())
        messages = {str(k): int(v) for k, v in old.get("status_dict", {}).items() if k != _SUCCESS}
        failed = {k: int(v) for k, v in old.items() if k.startswith("failed_to_")}
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError):
        raise DamagedFileError("these stats do not read", str(path), _ADVICE) from None
    if max(sum(messages.values()), sum(failed.values())) > _MAX_ROWS:
        raise DamagedFileError("these stats count more rows than a shard can hold", str(path), _ADVICE)
    statuses = {(_SUCCESS, ""): samples_left} if samples_left else {}
    spread = [status for status, count in failed.items() for _ in range(count)]
    for message, count in messages.items():
        for _ in range(count):
            pair = (spread.pop() if spread else "failed_to_download", message)
            statuses[pair] = statuses.get(pair, 0) + 1
    return statuses


def new_stats(
    path: Path, parquet: Path | None, rows_left: npt.NDArray[np.bool_] | None, samples_left: int | None
) -> bytes | None:
    """The stats of a shard after rows and samples went, or None where nothing in them changes.

    Args:
        path: the stats.
        parquet: the table beside them, where there is one.
        rows_left: which of its rows stay.
        samples_left: samples that stay, where there is no table to count in.

    Raises:
        DamagedFileError: a file does not read.
    """
    statuses = None
    if parquet is not None and rows_left is not None:
        statuses = count_statuses(parquet, rows_left)
        samples_left = int(rows_left.sum())
    return recounted(path, statuses if statuses is not None else without_samples(path, samples_left or 0))
