"""What a run changes in its process, and that it changes it back."""

import gc

import pytest

from linkwell.populate.thrift import fewer_collections, keep_what_is_loaded


def test_the_collector_is_as_it_was_after_a_run_that_fails() -> None:
    """While it runs what is loaded is kept out of the collector's way, and cycles are looked for less often; then no more."""
    before = gc.get_threshold(), gc.get_freeze_count()
    during = []

    @fewer_collections()
    def run() -> None:
        keep_what_is_loaded()
        during.extend([gc.get_threshold()[0], gc.get_freeze_count()])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert during[0] > before[0][0]
    assert during[1] > before[1] == 0
    assert before == (gc.get_threshold(), gc.get_freeze_count())
