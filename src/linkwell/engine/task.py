"""A task: one importable function over named inputs, whose outputs appear whole, together with a mark that they are done.

A task reads and writes whole files by path and never appends to a shared one. It writes each output under a temporary name;
when the function returns, the outputs are renamed in the order they were asked for, and then the mark is written. The mark is
a small JSON file named by a hash of function, parameters and inputs, so that changed parameters or inputs give a new mark.
"""

import hashlib
import importlib
import os
import platform
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkwell import __version__
from linkwell.base.errors import MissingError
from linkwell.base.shards import commit, remove, storage_errors, temporary_path, write_bytes

_FORMAT = "linkwell-task-1"

P = TypeVar("P", bound=msgspec.Struct)


class Input(msgspec.Struct, frozen=True):
    """A file a task reads, with what tells one state of it from another: size and time of change, or a store's own tag."""

    path: str
    state: str


def local_input(path: Path) -> Input:
    """The input for a local file: its size and its time of change.

    Raises:
        MissingError: there is no such file.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise MissingError("there is no such file", str(path)) from None
    return Input(str(path), f"{status.st_size}:{status.st_mtime_ns}")


def any_input(url: str) -> Input:
    """The input for a path or any URL that fsspec opens.

    Raises:
        MissingError: there is no such file.
    """
    if "://" not in url:
        return local_input(Path(url))
    import fsspec  # noqa: PLC0415 - local paths do without it

    file_system, path = fsspec.core.url_to_fs(url)
    try:
        return Input(url, str(file_system.ukey(path)))
    except FileNotFoundError:
        raise MissingError("there is no such file", url) from None


class Task(msgspec.Struct, frozen=True):
    """One unit of work and of retry.

    `fn` is `package.module:function`, which takes a `TaskContext`. `params` is the JSON of a `msgspec.Struct` of the
    function's own; `index` is unique within the stage and sorts its outputs.
    """

    stage: str
    index: int
    fn: str
    params: msgspec.Raw
    inputs: tuple[Input, ...] = ()

    @property
    def key(self) -> str:
        """32 hex digits that change with the function's name, its parameters and the state of its inputs."""
        digest = hashlib.sha256(_FORMAT.encode())
        for part in (self.fn.encode(), bytes(self.params), msgspec.json.encode(self.inputs)):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return digest.hexdigest()[:32]

    @property
    def mark_name(self) -> str:
        """File name of the done-mark."""
        return f"{self.index:05d}-{self.key}.json"


def task(stage: str, index: int, fn: str, params: msgspec.Struct, inputs: tuple[Input, ...] = ()) -> Task:
    """A task whose parameters are given as the struct its function takes."""
    return Task(stage, index, fn, msgspec.Raw(msgspec.json.encode(params)), inputs)


class Mark(msgspec.Struct, frozen=True):
    """That a task is done, and what it did. `outputs` maps the name asked for to the path, relative to the stage's folder."""

    stage: str
    index: int
    key: str
    fn: str
    params: msgspec.Raw
    inputs: tuple[Input, ...]
    outputs: dict[str, str]
    output_bytes: dict[str, int]
    counts: dict[str, int]
    seconds: float
    cpu_seconds: float
    finished_at: str
    versions: dict[str, str]


class TaskContext:
    """What a task's function gets: its parameters, places for its outputs, counters."""

    def __init__(self, task: Task, folder: Path) -> None:
        self.task = task
        self.folder = folder
        self.counts: Counter[str] = Counter()
        self._outputs: dict[str, tuple[Path, Path]] = {}
        self._wall = time.monotonic()
        self._cpu = time.process_time()

    def params(self, kind: type[P]) -> P:
        """The parameters, as the struct they were given as."""
        return msgspec.json.decode(self.task.params, type=kind)

    def output(self, name: str, final: Path | None = None) -> Path:
        """A temporary path to write one output to: a file, or a folder that the task makes.

        Args:
            name: what later stages ask for; unique within the task, used as the file's suffix (`links.parquet`).
            final: where it is to stand; by default in the stage's folder, named by index and key.
        """
        final = final or self.folder / f"{self.task.index:05d}-{self.task.key[:8]}.{name}"
        with storage_errors(final):
            final.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_path(final)
        self._outputs[name] = (temporary, final)
        return temporary

    def count(self, name: str, number: int = 1) -> None:
        """Add to a counter that the mark will show."""
        self.counts[name] += number

    def commit(self) -> dict[str, Path]:
        """Rename every output that was written into its place, in the order asked for."""
        finals = {}
        for name, (temporary, final) in self._outputs.items():
            if temporary.exists():
                commit(temporary, final)
                finals[name] = final
        return finals

    def complete(self) -> Mark:
        """Commit the outputs, and then the mark that says so. CPU is that of the whole process since the context was made."""
        finals = self.commit()
        task = self.task
        mark = Mark(
            stage=task.stage,
            index=task.index,
            key=task.key,
            fn=task.fn,
            params=task.params,
            inputs=task.inputs,
            outputs={name: os.path.relpath(final, self.folder) for name, final in finals.items()},
            output_bytes={name: _size(final) for name, final in finals.items()},
            counts=dict(self.counts),
            seconds=round(time.monotonic() - self._wall, 3),
            cpu_seconds=round(time.process_time() - self._cpu, 3),
            finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
            versions={"linkwell": __version__, "python": platform.python_version(), "pyarrow": pa.__version__},
        )
        write_bytes(self.folder / task.mark_name, msgspec.json.format(msgspec.json.encode(mark), indent=1))
        return mark

    def discard(self) -> None:
        """Remove every output that is still temporary."""
        for temporary, _final in self._outputs.values():
            remove(temporary)


def resolve(fn: str) -> Callable[[TaskContext], None]:
    """The function that `package.module:function` names."""
    module, _, name = fn.partition(":")
    function: Callable[[TaskContext], None] = getattr(importlib.import_module(module), name)
    return function


def resolve_rank(fn: str) -> Callable[[pa.Table], npt.NDArray[np.int8]]:
    """The ranking function that `package.module:function` names: from a table to one int8 a row."""
    module, _, name = fn.partition(":")
    function: Callable[[pa.Table], npt.NDArray[np.int8]] = getattr(importlib.import_module(module), name)
    return function


def execute(task: Task, folder: Path) -> Mark:
    """Run a task in this process and commit its outputs and its mark. An error leaves nothing behind.

    Args:
        task: what to do.
        folder: the stage's folder, where the mark goes.
    """
    context = TaskContext(task, folder)
    try:
        with storage_errors(folder):
            resolve(task.fn)(context)
        return context.complete()
    except BaseException:
        context.discard()
        raise


def _size(path: Path) -> int:
    """Bytes of a file; 0 for a folder, whose own size says nothing about its files."""
    return 0 if path.is_dir() else path.stat().st_size


def read_mark(path: Path) -> Mark | None:
    """A task's mark, or None where there is none, it does not read, or an output it names is gone or of another size."""
    try:
        mark = msgspec.json.decode(path.read_bytes(), type=Mark)
        for name, relative in mark.outputs.items():
            if _size(path.parent / relative) != mark.output_bytes[name]:
                return None
    except (FileNotFoundError, msgspec.DecodeError, KeyError):
        return None
    return mark
