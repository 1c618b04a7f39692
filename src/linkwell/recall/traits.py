"""What an attacker sees of a row: its cell, domain, safety bin, language and the words of its caption, each as a number.

Domains, languages and words are put into a fixed number of slots by a public hash, so that counts over any number of rows have a bounded
size; two that share a slot blur each other a little. Nothing restricted is here: all of it stood in a public release.
"""

from dataclasses import dataclass
from typing import Any

import mmh3
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from linkwell.release import domain_hashes

DOMAIN_SLOTS = 1 << 20
LANGUAGE_SLOTS = 1 << 10
WORD_SLOTS = 1 << 18
BINS = 11
"""None, and 0 to 9."""
COLUMNS = ("cell", "url", "text", "language", "safety_bin")

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Traits:
    """The traits of some rows, by row."""

    cell: Int64s
    domain: Int64s
    safety_bin: Int64s
    """0 where there is none, else one more than the bin."""
    language: Int64s
    words: Int64s
    """Of all rows, one after the other."""
    word_counts: Int64s

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.cell)

    def only(self, chosen: npt.NDArray[np.bool_]) -> "Traits":
        """Some of the rows, in their order."""
        return Traits(
            cell=self.cell[chosen],
            domain=self.domain[chosen],
            safety_bin=self.safety_bin[chosen],
            language=self.language[chosen],
            words=self.words[np.repeat(chosen, self.word_counts)],
            word_counts=self.word_counts[chosen],
        )

    def word_rows(self) -> Int64s:
        """The row of each word."""
        return np.repeat(np.arange(self.rows), self.word_counts)


def traits_of(table: pa.Table) -> Traits:
    """The traits of the rows of a table with `COLUMNS`."""
    texts = _filled(table["text"].cast(pa.string()), "").combine_chunks()
    words: Any = pc.utf8_split_whitespace(pc.utf8_lower(texts))
    filled = _filled(table["safety_bin"], -1).to_numpy()
    return Traits(
        cell=table["cell"].to_numpy().astype(np.int64),
        domain=(domain_hashes(table["url"]) % np.uint64(DOMAIN_SLOTS)).astype(np.int64),
        safety_bin=np.clip(filled.astype(np.int64) + 1, 0, BINS - 1),
        language=_slots(table["language"].combine_chunks(), LANGUAGE_SLOTS),
        words=_slots(words.flatten(), WORD_SLOTS),
        word_counts=np.asarray(pc.list_value_length(words)).astype(np.int64),
    )


def joined(pieces: list[Traits]) -> Traits:
    """Some rows after others."""
    names = ("cell", "domain", "safety_bin", "language", "words", "word_counts")
    return Traits(
        **{name: np.concatenate([np.zeros(0, np.int64), *(getattr(each, name) for each in pieces)]) for name in names}
    )


def _filled(column: Any, nothing: str | int) -> Any:
    """A column with `nothing` in the place of nulls; the stubs do not know plain values."""
    return pc.fill_null(column, nothing)


def _slots(column: "pa.Array[pa.Scalar[pa.DataType]]", slots: int) -> Int64s:
    """The slot of each text; each distinct one is hashed once."""
    encoded: Any = pc.dictionary_encode(column.cast(pa.string()), null_encoding="encode")
    texts = encoded.dictionary.to_pylist()
    found = np.fromiter((mmh3.hash(str(text or ""), signed=False) % slots for text in texts), np.int64, len(texts))
    return found[np.asarray(encoded.indices)] if len(texts) else np.zeros(len(column), np.int64)
