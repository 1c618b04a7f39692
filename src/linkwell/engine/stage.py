"""A stage: a list of independent tasks, run once however often it is asked for."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from linkwell.base.errors import FormatError, UsageError
from linkwell.base.progress import meter
from linkwell.base.shards import sweep, write_bytes
from linkwell.base.workspace import folder_lock
from linkwell.engine.task import Mark, Task, execute, read_mark

_TASK_LIST = "tasks.json"


class Engine(Protocol):
    """Something that runs tasks: here, in local processes, on a cluster. No stage knows which."""

    def run(self, tasks: Sequence[Task], folder: Path) -> Iterator[Mark]:
        """Run every task through `execute(task, folder)` and yield marks in any order.

        Raises:
            WorkerLostError: a task lost its worker more often than allowed.
            Exception: whatever a task raised; tasks not yet started are dropped.
        """
        ...


@dataclass(frozen=True)
class StageResult:
    """The marks of a finished stage, in the order of their tasks."""

    folder: Path
    marks: tuple[Mark, ...]

    def outputs(self, name: str) -> list[Path]:
        """Paths of the outputs of that name, in the order of the tasks; tasks that wrote none are left out."""
        return [(self.folder / m.outputs[name]).resolve() for m in self.marks if name in m.outputs]

    def counts(self) -> Counter[str]:
        """The counters of all tasks, summed."""
        total: Counter[str] = Counter()
        for mark in self.marks:
            total.update(mark.counts)
        return total

    @property
    def key(self) -> str:
        """Changes whenever a task of the stage changes; for naming what is made from it."""
        return msgspec.json.encode([mark.key for mark in self.marks]).decode()


def run_stage(
    tasks: Iterable[Task],
    folder: Path,
    engine: Engine,
    *,
    unit: str = "shards",
    sweep_folders: Iterable[Path] = (),
    again: Callable[[Mark], bool] | None = None,
) -> StageResult:
    """Run the tasks of one stage that are not done yet.

    Args:
        tasks: all tasks of the stage, done or not.
        folder: where marks and, by default, outputs go.
        engine: what runs them.
        unit: what a task is called in the progress line.
        sweep_folders: other folders that tasks write to, to be cleared of what a killed run left.
        again: whether a task that is done is run again; it finds its mark and its outputs there.

    Raises:
        BusyError: another process runs a stage in the same folder.
    """
    todo, done = [], {}
    listed = list(tasks)
    if len({t.index for t in listed}) != len(listed):
        raise UsageError("two tasks of one stage have the same index", str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    with folder_lock(folder, ".stage"):
        written = (folder, *sweep_folders)
        for each in written:
            sweep(each)
        write_bytes(folder / _TASK_LIST, msgspec.json.encode(listed))
        for each_task in listed:
            mark = read_mark(folder / each_task.mark_name)
            if mark is None or (again is not None and again(mark)):
                todo.append(each_task)
            else:
                done[each_task.index] = mark
        label = listed[0].stage if listed else folder.name
        with meter(label, total=len(listed), unit=unit) as progress:
            progress.advance(len(done))
            try:
                for mark in engine.run(todo, folder):
                    done[mark.index] = mark
                    progress.advance()
            except BaseException:
                for each in written:
                    sweep(each)
                raise
    return StageResult(folder, tuple(done[t.index] for t in listed))


def run_listed_task(folder: Path, index: int, *, packages: Sequence[str] = ("linkwell",)) -> Mark:
    """Run one task of a stage's list: what a batch scheduler's array job calls on each node.

    Raises:
        FormatError: the folder has no task list.
        UsageError: the list has no such task.
    """
    try:
        listed = msgspec.json.decode((folder / _TASK_LIST).read_bytes(), type=list[Task])
    except (FileNotFoundError, msgspec.DecodeError) as error:
        raise FormatError("there is no task list here", str(folder), "Name the folder of a stage.") from error
    for each in listed:
        if each.index == index:
            if each.fn.partition(".")[0] not in packages:  # a task list is data: it does not choose what code runs
                raise FormatError(f"task {index} is none of Linkwell's", str(folder), "Do not run lists of strangers.")
            return read_mark(folder / each.mark_name) or execute(each, folder)
    raise UsageError(f"the list has no task {index}", str(folder))
