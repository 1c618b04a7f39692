"""Outcomes of links that gave no image."""

import weakref

from linkwell.populate.failures import Failure


class _Body:
    """What was received; a class of its own, as bytes take no weak references."""


def test_a_failure_that_is_kept_does_not_keep_what_was_received() -> None:
    """Neither the frame it was raised in nor that of the error it was made of: a shard's failures would hold a body each."""
    held: list[weakref.ref[_Body]] = []

    def read() -> None:
        body = _Body()
        held.append(weakref.ref(body))
        raise ConnectionError

    def ask() -> None:
        body = _Body()
        held.append(weakref.ref(body))
        try:
            read()
        except ConnectionError:
            raise Failure("disconnected") from None

    kept: list[Failure] = []
    try:
        ask()
    except Failure as failure:
        assert all(each() is not None for each in held)
        kept.append(failure.without_frames())
    assert [each() for each in held] == [None, None]
    assert kept[0].kind == "disconnected"
