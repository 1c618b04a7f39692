"""Signals and what they come to: one verdict for each use.

The rule is the one published rule for combining statements of different protocols (AIPREF vocabulary, section 7.1), with the
two verdicts it does not know put where they lose nothing: any `disallow` wins, else any `conditional`; a malformed statement
gives `unknown`, which an `allow` does not lift, because what could not be read may have been a reservation; else any `allow`;
nothing stated is `unknown`. The policy may count what is malformed as a reservation, and may keep a page's statements from
covering its images.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkwell.base.schema import USES
from linkwell.rights.policy import DEFAULT_POLICY, Policy

MAX_EVIDENCE_CHARACTERS = 500
"""A raw statement is kept up to here."""

RESTRICTION_COLUMNS = USES
"""The columns `restriction_rank` reads."""


class Signal(msgspec.Struct, frozen=True):
    """One machine-readable statement about one use, with its evidence.

    `kind` is the mechanism (`x-robots-tag`, `robots.txt`, `tdm-reservation-meta`, …: see `explain.KINDS`), `scope` is `page`
    or `image`, `use` is one of `schema.USES`, `verdict` one of `schema.VERDICTS` (`unknown`: stated, but malformed), and
    `evidence` the raw statement, at most `MAX_EVIDENCE_CHARACTERS`.
    """

    kind: str
    scope: str
    use: str
    verdict: str
    evidence: str


class Verdicts(NamedTuple):
    """One verdict for each use, each of `schema.VERDICTS`."""

    train_ai: str = "unknown"
    tdm: str = "unknown"
    search: str = "unknown"


UNSTATED = Verdicts()
"""What nothing at all comes to."""

STRENGTH = {"disallow": 4, "conditional": 3, "unknown": 2, "allow": 1}
"""Of statements that meet: the highest wins. `unknown` is one that does not read; 0 would be none at all."""


def strongest(signals: Iterable[Signal], policy: Policy = DEFAULT_POLICY) -> dict[str, str]:
    """The verdict for each use that anything is stated about; `unknown` is then what does not read."""
    found: dict[str, str] = {}
    malformed = policy.malformed
    pages_count = policy.pages_cover_images
    for signal in signals:
        if not pages_count and signal.scope == "page":
            continue
        verdict = malformed if signal.verdict == "unknown" else signal.verdict
        held = found.get(signal.use)
        if held is None or STRENGTH[verdict] > STRENGTH[held]:
            found[signal.use] = verdict
    return found


def combine(signals: Iterable[Signal], policy: Policy = DEFAULT_POLICY) -> Verdicts:
    """The verdict for each use: the strongest statement wins, in the order disallow, conditional, malformed, allow."""
    found = strongest(signals, policy)
    return Verdicts(**found) if found else UNSTATED


_RANK = {"disallow": 2, "conditional": 1, "unknown": 0, "allow": 0}
_WEIGHT = {"train_ai": 9, "tdm": 3, "search": 1}


def restriction_rank(table: pa.Table) -> npt.NDArray[np.int8]:
    """How restricted each row is, for `engine.deduplicate`: an opt-out is never lost to a duplicate without one.

    Lexicographic over training, mining, search, with disallow above conditional above the rest; so a row that disallows
    training outranks one that disallows only search. 0 to 26.

    Args:
        table: rows with the columns `RESTRICTION_COLUMNS`.
    """
    total = np.zeros(table.num_rows, np.int8)
    for name, weight in _WEIGHT.items():
        column = table[name].combine_chunks()
        if not isinstance(column, pa.DictionaryArray):
            column = column.dictionary_encode()
        ranks = np.array([_RANK.get(str(value), 0) for value in column.dictionary.to_pylist()] or [0], np.int8)
        total += np.int8(weight) * ranks[column.indices.to_numpy(zero_copy_only=False)]
    return total
