"""Which processes make a copy: this one fetches and writes, the others decode beside it.

A process that fetches holds Arrow, an HTTP client and the hash lists; one that decodes holds OpenCV and a picture. Kept apart they
take half the memory of processes that do everything, and hostile bytes meet neither keys nor network. As only one fetches, what a
host sees of all shards is bounded in one place; it takes about a quarter of the time that a picture takes.
"""

import os

from linkwell.engine import Engine, LocalEngine, SerialEngine


def lay_out(engine: Engine, metrics: str | None = None) -> Engine:
    """The engine of populate with as many processes in all as the given one has; in a serial one pictures are decoded here as well.

    Another kind of engine, of a cluster say, runs each shard by itself.

    >>> lay_out(LocalEngine(2))
    Interleaving(picture_processes=1, metrics=None)
    """
    from linkwell.populate.run import Interleaving  # noqa: PLC0415 - the client and all, for those who fetch

    if isinstance(engine, SerialEngine):
        return Interleaving(0, metrics)
    if isinstance(engine, LocalEngine):
        return Interleaving(max(1, (engine.workers or os.cpu_count() or 1) - 1), metrics)
    return engine
