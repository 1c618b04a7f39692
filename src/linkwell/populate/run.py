"""The engine of populate: several shards open at once in this process, their hosts interleaved, pictures decoded by others."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linkwell.engine import Mark, Task, TaskContext
from linkwell.populate.params import ShardParams
from linkwell.populate.runtime import Runtime, carry, few_threads, quiet
from linkwell.populate.shard import Shard
from linkwell.populate.status import Status, split_counts
from linkwell.populate.thrift import keep_what_is_loaded
from linkwell.populate.watching import Watching

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
    metrics: str | None = None
    """Where Prometheus may ask, as `PORT` or `ADDRESS:PORT`."""

    def run(self, tasks: Sequence[Task], folder: Path) -> Iterator[Mark]:
        """Run every task, in order as far as hosts let it.

        Raises:
            Exception: whatever a shard raised; the others that are open leave nothing behind.
        """
        if not tasks:
            return
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            crew = runner.run(_Crew.open(tasks, folder, self))
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
        self._count = len(tasks)
        self._done = 0
        self._ended = False
        self._watching = Watching(folder, self._status)
        self._open: set[asyncio.Task[Mark]] = set()
        self._waiting: asyncio.Task[Any] | None = None

    @classmethod
    async def open(cls, tasks: Sequence[Task], folder: Path, how: Interleaving) -> "_Crew":
        """Make what the shards share."""
        quiet()
        few_threads()
        params = TaskContext(tasks[0], folder).params(ShardParams)
        crew = cls(tasks, folder, await Runtime.open(params, folder, how.picture_processes))
        keep_what_is_loaded()
        try:
            await crew._watching.start(how.metrics)
        except BaseException:
            await crew.close()
            raise
        return crew

    async def next(self) -> Mark | None:
        """Wait for the next shard that is finished; None when all are."""
        self._waiting = asyncio.current_task()
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
                mark = finished.result()
                self._done += 1
                return mark

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
        return await asyncio.get_running_loop().run_in_executor(self._runtime.files, self._complete, context)

    @staticmethod
    def _complete(context: TaskContext) -> Mark:
        try:
            return context.complete()
        except BaseException:
            context.discard()
            raise

    async def close(self) -> None:
        """End every shard that is still open, and what they share."""
        if self._waiting is not None:
            self._waiting.cancel()  # stopped by Ctrl-C it would wake up, and raise what stopped it a second time
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        self._ended = True
        await self._watching.close()
        await self._runtime.close()

    def _status(self) -> Status:
        tally, schedule = self._runtime.tally, self._runtime.schedule
        now = asyncio.get_running_loop().time()
        hosts = schedule.hosts()
        return Status(
            started_at=self._watching.started_at,
            at=time.time(),
            ended=self._ended,
            shards=self._count,
            shards_done=self._done,
            shards_open=len(self._open),
            links=tally["links"],
            success=tally["success"],
            withheld=tally["withheld"],
            failed=split_counts(tally),
            image_bytes=tally["image_bytes"],
            requests=schedule.under_way,
            slow=schedule.parked,
            waiting=schedule.waiting,
            hosts=len(hosts),
            hosts_resting=sum(1 for host in hosts if host.open or host.is_down(now)),
        )
