"""Functions that tests run as tasks."""

import os
import signal
from pathlib import Path

import msgspec

from linkwell.base.errors import FormatError
from linkwell.engine import TaskContext


class WriteParams(msgspec.Struct, frozen=True):
    """What to write, and where to note that it was run."""

    text: str
    runs: str


def write(context: TaskContext) -> None:
    """Write the text in capitals; note the run in a folder of its own file each."""
    params = context.params(WriteParams)
    Path(params.runs, f"{context.task.index}-{os.getpid()}-{os.urandom(4).hex()}").touch()
    context.output("out.txt").write_text(params.text.upper())
    context.count("letters", len(params.text))


def kill_worker_once(context: TaskContext) -> None:
    """Kill the worker the first time, with half an output on disk; write the second time."""
    params = context.params(WriteParams)
    flag = Path(params.runs, "killed")
    output = context.output("out.txt")
    if not flag.exists():
        flag.touch()
        output.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
    output.write_text("whole")


def kill_worker_always(context: TaskContext) -> None:
    """Kill the worker every time."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail(context: TaskContext) -> None:
    """Write half and raise an error of ours."""
    context.output("out.txt").write_text("half")
    raise FormatError("this is wrong", "input.txt", "Mend it.")


def full_disk(context: TaskContext) -> None:
    """Meet a full disk in the middle of an output."""
    context.output("out.txt").write_text("half")
    raise OSError(28, "No space left on device")
