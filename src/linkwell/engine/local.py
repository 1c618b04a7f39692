"""Engines of this machine: the pool of local processes, and the calling process itself."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path

from linkwell.base.errors import WorkerLostError
from linkwell.engine.task import Mark, Task, execute

_STOP_SECONDS = 10.0


@dataclass(frozen=True)
class SerialEngine:
    """Runs tasks one after the other in the calling process: for small work, tests and debuggers."""

    def run(self, tasks: Sequence[Task], folder: Path) -> Iterator[Mark]:
        """Run every task here."""
        for task in tasks:
            yield execute(task, folder)


@dataclass(frozen=True)
class LocalEngine:
    """A pool of processes that survives killed workers.

    When a worker dies, every task that was in flight is a suspect; the pool is rebuilt and each suspect is run alone, so that
    the one that kills its worker (out of memory, say) is found and its neighbours are not blamed.
    """

    workers: int = 0
    """Processes; 0 means one for each core."""
    max_attempts: int = 3
    """How often one task may lose its worker."""

    def run(self, tasks: Sequence[Task], folder: Path) -> Iterator[Mark]:
        """Run every task in the pool, at most two for each worker in flight.

        Raises:
            WorkerLostError: a task lost its worker `max_attempts` times.
            Exception: whatever a task raised; tasks not yet started are dropped.
        """
        workers = min(self.workers or os.cpu_count() or 1, max(len(tasks), 1))
        lost: Counter[int] = Counter()
        queue = list(reversed(tasks))
        while queue:
            suspects: list[Task] = []
            yield from _run_pool(queue, suspects, folder, workers)
            for suspect in suspects:
                lost[suspect.index] += 1
            while suspects:
                task = suspects.pop()
                if lost[task.index] >= self.max_attempts:
                    raise WorkerLostError(
                        f"task {task.index} of stage {task.stage!r} killed its worker {lost[task.index]} times",
                        str(folder),
                        "It may need more memory than there is: give fewer workers, or look at its input.",
                    )
                alone, again = [task], list[Task]()
                yield from _run_pool(alone, again, folder, 1)
                if again:
                    lost[task.index] += 1
                    suspects.append(task)


def _run_pool(queue: list[Task], suspects: list[Task], folder: Path, workers: int) -> Iterator[Mark]:
    """Run tasks off the end of `queue` until it is empty, or a worker dies: then those in flight are added to `suspects`.

    Workers are forked from a server that has imported Arrow and the modules of the tasks once: a pool is up in 40 ms instead of
    500, and what was imported is in memory once.
    """
    context = multiprocessing.get_context("forkserver")
    modules = {task.fn.partition(":")[0] for task in queue}
    context.set_forkserver_preload(["linkwell.engine.exchange", *sorted(modules)])
    _start_server()
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare_worker)
    running: dict[Future[Mark], Task] = {}
    try:
        while queue or running:
            while queue and len(running) < 2 * workers:
                task = queue.pop()
                try:
                    running[pool.submit(execute, task, folder)] = task
                except BrokenProcessPool:
                    queue.append(task)
                    break
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                task = running.pop(future)
                try:
                    yield future.result()
                except BrokenProcessPool:
                    suspects.append(task)
            if suspects:
                suspects.extend(running.values())
                return
    finally:
        _stop(pool)


def _stop(pool: ProcessPoolExecutor) -> None:
    """End the pool at once: on success nothing runs any more, on an error or Ctrl-C nothing that runs is wanted."""
    processes = list((pool._processes or {}).values())  # noqa: SLF001 - Python 3.11 has no other way to end a running worker
    idle = not pool._pending_work_items  # noqa: SLF001
    pool.shutdown(wait=idle, cancel_futures=True)
    if not idle:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        for process in processes:
            process.join(_STOP_SECONDS)


def _start_server() -> None:
    """Start the server that workers are forked from, where it is not running, deaf to Ctrl-C while it imports."""
    if threading.current_thread() is not threading.main_thread():
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)


def _prepare_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it, however it ends: an orphan would write beside the next run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_with, args=(parent,), daemon=True).start()


def _exit_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)
