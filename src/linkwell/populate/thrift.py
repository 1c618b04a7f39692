"""What keeps a fetching process small and quick: it holds little, but allocators and collectors like to go on about what was held once."""

import contextlib
import ctypes
import gc
from collections.abc import Iterator

import pyarrow as pa

_M_ARENA_MAX = -8
"""glibc's name for how many heaps threads may have, mallopt(3)."""
_OBJECTS_BETWEEN_COLLECTIONS = 10_000
"""About what the requests under way consist of."""


def be_thrifty() -> None:
    """One heap for all threads where the C library is glibc, Arrow on that heap, and no pool of threads for Arrow.

    Arrow's own allocator keeps 25 MB for itself, and each thread's heap some megabytes; the shards of a copy give them little to do.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


@contextlib.contextmanager
def fewer_collections() -> Iterator[None]:
    """Let the garbage collector look for cycles less often, and not among what is there already, or at `keep_what_is_loaded`.

    A request leaves no cycles behind, and consists of many small objects: looking took a tenth of the time.
    """
    before = gc.get_threshold()
    keep_what_is_loaded()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def keep_what_is_loaded() -> None:
    """Take what is there for something that stays as long as the process: modules, settings, lists."""
    gc.freeze()
