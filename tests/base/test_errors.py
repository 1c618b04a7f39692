"""Errors."""

import pickle

import pytest

from linkwell.base import errors
from linkwell.base.errors import LinkwellError


def _all(kind: type[LinkwellError]) -> list[type[LinkwellError]]:
    return [kind, *(c for child in kind.__subclasses__() for c in _all(child))]


@pytest.mark.parametrize("kind", _all(LinkwellError))
def test_every_error_stands_in_the_tree_at_the_top_of_the_module(kind: type[LinkwellError]) -> None:
    """One screen shows what to catch."""
    assert errors.__doc__ is not None
    assert kind.__name__ in errors.__doc__


@pytest.mark.parametrize("kind", _all(LinkwellError))
def test_every_error_comes_whole_out_of_a_worker(kind: type[LinkwellError]) -> None:
    """Worker processes send errors by pickling them (the only pickle there is, and Python's own)."""
    back = pickle.loads(pickle.dumps(kind("wrong", "file.txt", "do this")))  # noqa: S301 - what multiprocessing does
    assert type(back) is kind
    assert str(back) == "file.txt: wrong\ndo this"
