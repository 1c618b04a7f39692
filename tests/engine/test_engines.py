"""One suite over every engine: what a stage promises, whoever runs it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.engine.tasks import WriteParams

from linkwell.base.errors import BusyError, FormatError, StorageError, UsageError, WorkerLostError
from linkwell.base.workspace import folder_lock
from linkwell.engine import Engine, LocalEngine, SerialEngine, Task, local_input, run_listed_task, run_stage, task

ENGINES: dict[str, Engine] = {"serial": SerialEngine(), "local": LocalEngine(workers=2)}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Every engine there is."""
    return ENGINES[request.param]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder where tasks note that they ran."""
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


def _tasks(runs: Path, count: int, fn: str = "write", text: str = "text") -> list[Task]:
    return [task("letters", i, f"tests.engine.tasks:{fn}", WriteParams(f"{text}{i}", str(runs))) for i in range(count)]


def test_outputs_come_in_the_order_of_the_tasks_with_their_counts(engine: Engine, tmp_path: Path, runs: Path) -> None:
    """Whatever order they finish in."""
    result = run_stage(_tasks(runs, 7), tmp_path / "stage", engine)
    assert [p.read_text() for p in result.outputs("out.txt")] == [f"TEXT{i}" for i in range(7)]
    assert result.counts()["letters"] == 35


def test_a_second_run_does_nothing(engine: Engine, tmp_path: Path, runs: Path) -> None:
    """Done is done."""
    first = run_stage(_tasks(runs, 4), tmp_path / "stage", engine)
    second = run_stage(_tasks(runs, 4), tmp_path / "stage", engine)
    assert len(list(runs.iterdir())) == 4
    assert second.outputs("out.txt") == first.outputs("out.txt")
    assert [m.finished_at for m in second.marks] == [m.finished_at for m in first.marks]


def test_changed_parameters_run_again_and_only_those(engine: Engine, tmp_path: Path, runs: Path) -> None:
    """The mark is named by function, parameters and inputs."""
    run_stage(_tasks(runs, 3), tmp_path / "stage", engine)
    changed = [*_tasks(runs, 3)[:2], _tasks(runs, 3, text="other")[2]]
    result = run_stage(changed, tmp_path / "stage", engine)
    assert [p.read_text() for p in result.outputs("out.txt")] == ["TEXT0", "TEXT1", "OTHER2"]
    assert len(list(runs.iterdir())) == 4


def test_a_changed_input_runs_again(engine: Engine, tmp_path: Path, runs: Path) -> None:
    """Size and time of change tell one state of a file from another."""
    source = tmp_path / "source"
    for content in ("one", "three"):
        source.write_text(content)
        each = task("s", 0, "tests.engine.tasks:write", WriteParams("x", str(runs)), (local_input(source),))
        run_stage([each], tmp_path / "stage", engine)
    assert len(list(runs.iterdir())) == 2


@pytest.mark.parametrize("damage", ["remove", "cut", "mark"])
def test_a_lost_or_cut_output_is_made_again(engine: Engine, tmp_path: Path, runs: Path, damage: str) -> None:
    """A mark counts only with the outputs it names."""
    result = run_stage(_tasks(runs, 2), tmp_path / "stage", engine)
    output = result.outputs("out.txt")[1]
    match damage:
        case "remove":
            output.unlink()
        case "cut":
            output.write_text("T")
        case _:
            next((tmp_path / "stage").glob("00001-*.json")).write_text("{")
    again = run_stage(_tasks(runs, 2), tmp_path / "stage", engine)
    assert again.outputs("out.txt")[1].read_text() == "TEXT1"
    assert len(list(runs.iterdir())) == 3


def test_an_error_of_a_task_comes_out_and_leaves_nothing_half_written(
    engine: Engine, tmp_path: Path, runs: Path
) -> None:
    """The error is the task's own; what was finished stays, what was not is gone."""
    tasks = [*_tasks(runs, 1), *_tasks(runs, 2, fn="fail")[1:]]
    with pytest.raises(FormatError, match="Mend it"):
        run_stage(tasks, tmp_path / "stage", engine)
    assert not [p for p in (tmp_path / "stage").iterdir() if p.suffix == ".tmp" or p.name.startswith("00001")]


def test_a_full_disk_is_a_storage_error(engine: Engine, tmp_path: Path, runs: Path) -> None:
    """Whichever library met it."""
    with pytest.raises(StorageError, match="No space left"):
        run_stage(_tasks(runs, 1, fn="full_disk"), tmp_path / "stage", engine)
    assert not list((tmp_path / "stage").glob(".*.tmp"))


def test_two_tasks_with_one_index_are_refused(engine: Engine, tmp_path: Path, runs: Path) -> None:
    """They would overwrite each other."""
    with pytest.raises(UsageError):
        run_stage(_tasks(runs, 1) * 2, tmp_path / "stage", engine)


def test_two_runs_in_one_folder_are_refused(engine: Engine, tmp_path: Path, runs: Path) -> None:
    """The second says that the first is at work."""
    with folder_lock(tmp_path / "stage", ".stage"), pytest.raises(BusyError):
        run_stage(_tasks(runs, 1), tmp_path / "stage", engine)


def test_one_task_of_the_list_can_be_run_elsewhere(engine: Engine, tmp_path: Path, runs: Path) -> None:
    """An array job runs tasks by number; the stage then finds them done."""
    with pytest.raises(FormatError):
        run_stage([*_tasks(runs, 1, fn="fail"), *_tasks(runs, 2)[1:]], tmp_path / "stage", SerialEngine())
    assert run_listed_task(tmp_path / "stage", 1, packages=("tests",)).counts == {"letters": 5}
    with pytest.raises(UsageError, match="no task 9"):
        run_listed_task(tmp_path / "stage", 9)


def test_the_pool_survives_a_killed_worker(tmp_path: Path, runs: Path) -> None:
    """The task is tried again, its neighbours are done once more at most, and the half output is not seen."""
    tasks = [*_tasks(runs, 5), *_tasks(runs, 6, fn="kill_worker_once")[5:]]
    result = run_stage(tasks, tmp_path / "stage", LocalEngine(workers=2))
    assert [p.read_text() for p in result.outputs("out.txt")] == [*(f"TEXT{i}" for i in range(5)), "whole"]


def test_a_task_that_always_kills_its_worker_is_named_and_its_neighbours_are_done(tmp_path: Path, runs: Path) -> None:
    """The one at fault is found, not those in flight beside it."""
    tasks = [*_tasks(runs, 1, fn="kill_worker_always"), *_tasks(runs, 4)[1:]]
    with pytest.raises(WorkerLostError, match="task 0"):
        run_stage(tasks, tmp_path / "stage", LocalEngine(workers=2))
    with pytest.raises(WorkerLostError):
        run_stage(tasks, tmp_path / "stage", LocalEngine(workers=2))


_SLOW = """
import sys, time
from pathlib import Path
from linkwell.engine import LocalEngine, run_stage, task
from tests.engine.tasks import WriteParams
if __name__ == "__main__":
    tasks = [task("s", i, "tests.engine.slow:write_slowly", WriteParams(f"t{i}", sys.argv[1])) for i in range(8)]
    run_stage(tasks, Path(sys.argv[2]), LocalEngine(workers=2))
"""


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_goes_on_and_leaves_no_orphan_that_writes(tmp_path: Path, runs: Path, signal_number: int) -> None:
    """Killed in the middle, its workers end too; the same stage then finishes what was left, and only that."""
    stage = tmp_path / "stage"
    command = [sys.executable, "-c", _SLOW, str(runs), str(stage)]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while len(list(stage.glob("0*.json"))) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal_number)
    process.wait(30)
    done_then = {p.name for p in stage.glob("0*.json")}
    subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=True)
    marks = {p.name for p in stage.glob("0*.json")}
    assert len(marks) == 8
    assert done_then <= marks
    assert not list(stage.glob(".*.tmp"))
    finished_twice = [
        i for i in range(8) if len(list(runs.glob(f"{i}-*"))) > 1 and any(n.startswith(f"{i:05d}") for n in done_then)
    ]
    assert finished_twice == []
