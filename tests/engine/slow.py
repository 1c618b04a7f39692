"""A task that takes a moment, for runs that are killed in the middle."""

import time

from tests.engine.tasks import write

from linkwell.engine import TaskContext


def write_slowly(context: TaskContext) -> None:
    """Write after a fifth of a second."""
    time.sleep(0.2)
    write(context)
