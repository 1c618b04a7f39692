"""Keys of samples, as numbers and as bytes."""

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from linkwell.purge.match import cell_of_key
from linkwell.purge.parquet import ParquetScan
from linkwell.purge.samplekeys import FILLER, SampleRuns, sample_keys

digits = st.integers(1, 18).flatmap(lambda n: st.lists(st.text("0123456789", min_size=n, max_size=n), min_size=1))
others = st.lists(st.text("0a./", min_size=1, max_size=20).map(lambda key: key.strip("/") or "a"), min_size=1)


@settings(deadline=None)
@given(
    keys=st.one_of(digits, digits, others),
    copies=st.integers(1, 3),
    beside=st.tuples(st.sampled_from(["", "", "7/"]), st.sampled_from([[], [], [FILLER]])),
    data=st.data(),
)
def test_runs_are_the_same_however_keys_are_compared(
    keys: list[str],
    copies: int,
    beside: tuple[str, list[str]],
    data: st.DataObject,
) -> None:
    """Samples, cells and matches are those of a plain reading of the names."""
    folder, more = beside
    names = [f"{folder}{key}.{n}" for key in keys for n in range(copies)] + more
    encoded = np.array([name.encode() for name in names], dtype=np.bytes_)
    runs = SampleRuns.of(encoded, np.ones(len(names), dtype=bool))
    plain = [key.decode() for key in sample_keys(encoded).tolist()]
    expected = [key for n, key in enumerate(plain) if n == 0 or plain[n - 1] != key]
    base = [key.rpartition("/")[2] for key in expected]
    everything = np.ones(len(expected), dtype=bool)
    named = np.array([key != "" for key in expected])
    assert [base[run] for run in runs.of_member.tolist()] == [key.rpartition("/")[2] for key in plain]
    assert [key.decode() for key in runs.names_of(everything)] == base
    assert (runs.named == named).all()
    assert runs.count(runs.named) == len(set(expected) - {""})
    assert list(runs.cells().tolist()) == [cell_of_key(key) for key in base]
    listed = data.draw(st.lists(st.sampled_from([*base, "00", "123456789", "x"]).filter(bool)))
    known = runs.among(np.array([key.encode() for key in listed], dtype=np.bytes_))
    assert known.tolist() == [key in listed for key in base]


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.text("ab\u00e9", min_size=1, max_size=3), st.text("0", min_size=3, max_size=3)))
)
def test_keys_of_rows_are_those_of_the_column(keys: list[str | None]) -> None:
    """Whether or not all are of one length; rows without a key have none."""
    column: Any = pa.chunked_array([pa.array(keys[:2], pa.string()), pa.array(keys[2:], pa.string())])
    chosen = np.array([n % 3 != 0 for n in range(len(keys))], dtype=bool)
    scan = ParquetScan(len(keys), chosen, column, chosen, identified=True)
    expected = [key.encode() for key, is_chosen in zip(keys, chosen, strict=True) if is_chosen and key is not None]
    assert scan.keys_of(chosen).tolist() == expected
