"""What keeps the memory of a fetching process small: it holds little, but allocators like to keep what was held once."""

import contextlib
import ctypes

import pyarrow as pa

_M_ARENA_MAX = -8
"""glibc's name for how many heaps threads may have, mallopt(3)."""


def be_thrifty() -> None:
    """One heap for all threads where the C library is glibc, Arrow on that heap, and no pool of threads for Arrow.

    Arrow's own allocator keeps 25 MB for itself, and each thread's heap some megabytes; the shards of a copy give them little to do.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
