"""The engine of populate: several shards open at once in this process, their hosts interleaved, pictures decoded by others."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from linkwell.engine import Mark, Task, TaskContext
from linkwell.populate.params import ShardParams
from linkwell.populate.runtime import Runtime, carry, few_threads, quiet
from linkwell.populate.shard import Shard

MAX_OPEN_SHARDS = 64
OPEN_ROWS = 16_384
"""Links of open shards without an outcome, about: the more there are, the more hosts take turns. At least two shards are open,
however long."""


@dataclass(frozen=True)
class Interleaving:
    """Runs the tasks of populate, and no others: `engine.Engine`.

    One process fetches for all shards, so that what a host sees is bounded in one place.
    """

    picture_processes: int = 0
    """Processes that decode; 0: pictures are decoded in this one."""

    def run(self, tasks: Sequence[Task], folder: Path) -> Iterator[Mark]:
        """Run every task, in order as far as hosts let it.

        Raises:
            Exception: whatever a shard raised; the others that are open leave nothing behind.
        """
        if not tasks:
            return
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            crew = runner.run(_Crew.open(tasks, folder, self.picture_processes))
            try:
                while (mark := loop.run_until_complete(crew.next())) is not None:
                    yield mark
            finally:
                runner.run(crew.close())


class _Crew:
    """The shards that are open."""

    def __init__(self, tasks: Sequence[Task], folder: Path, runtime: Runtime) -> None:
        self._tasks = deque(tasks)
        self._folder = folder
        self._runtime = runtime
        self._open: set[asyncio.Task[Mark]] = set()

    @classmethod
    async def open(cls, tasks: Sequence[Task], folder: Path, picture_processes: int) -> "_Crew":
        """Make what the shards share."""
        quiet()
        few_threads()
        params = TaskContext(tasks[0], folder).params(ShardParams)
        return cls(tasks, folder, await Runtime.open(params, folder, picture_processes))

    async def next(self) -> Mark | None:
        """Wait for the next shard that is finished; None when all are."""
        while True:
            self._open_more()
            if not self._open:
                return None
            self._runtime.settled.clear()
            news = asyncio.ensure_future(self._runtime.settled.wait())
            await asyncio.wait({*self._open, news}, return_when=asyncio.FIRST_COMPLETED)
            news.cancel()
            finished = next((task for task in self._open if task.done()), None)
            if finished is not None:
                self._open.remove(finished)
                return finished.result()

    def _open_more(self) -> None:
        """Open shards, in order, while few enough links of those that are open wait for their outcome."""
        while self._tasks and len(self._open) < MAX_OPEN_SHARDS:
            context = TaskContext(self._tasks[0], self._folder)
            rows = sum(each.rows for each in context.params(ShardParams).links)
            if len(self._open) >= 2 and self._runtime.unsettled + rows > OPEN_ROWS:  # noqa: PLR2004 - as OPEN_ROWS says
                return
            self._tasks.popleft()
            self._runtime.unsettled += rows
            self._open.add(asyncio.get_running_loop().create_task(self._carry(context)))

    async def _carry(self, context: TaskContext) -> Mark:
        await carry(context, self._runtime, Shard)
        return await asyncio.get_running_loop().run_in_executor(None, self._complete, context)

    @staticmethod
    def _complete(context: TaskContext) -> Mark:
        try:
            return context.complete()
        except BaseException:
            context.discard()
            raise

    async def close(self) -> None:
        """End every shard that is still open, and what they share."""
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._runtime.close()
