"""The join of 16-byte ids, where its shortcut is at its weakest: ids that share their first eight bytes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from linkwell.base.words import distinct, look_up

WORDS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 1, 2, 5, 2**64 - 1])), max_size=30)


@given(wanted=WORDS, there=WORDS)
def test_look_up_finds_what_is_there(wanted: list[tuple[int, int]], there: list[tuple[int, int]]) -> None:
    """A key is found if and only if it is there, at its own place, however many share its first word."""
    ordered = distinct(np.array(there, np.uint64).reshape(-1, 2))
    keys = np.array(wanted, np.uint64).reshape(-1, 2)
    place, found = look_up(keys, ordered)
    assert found.tolist() == [key in set(there) for key in wanted]
    assert all((ordered[p] == key).all() for p, key, f in zip(place, keys, found, strict=True) if f)
