"""Run by test_faults: applies a purge again and again, killed one step later each time, and checks that a rerun finishes.

A step is a file opened for writing, renamed, removed or made below the copy. Every attempt is a forked child, so that SIGKILL
hits nothing else. Prints how many steps there were; exits 1 with a line for the first broken promise.

    python kill_at_every_step.py COPY WORK RECALLED.json
"""

import hashlib
import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np

from linkwell.engine import SerialEngine
from linkwell.purge import apply, plan, read_receipt, receipts_in, verify
from linkwell.recall import Recalled

_CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.link", "os.truncate"}
_WRITES = os.O_WRONLY | os.O_RDWR


def kill_at(step: int, root: Path) -> None:
    """Kill this process at the given step below `root`."""
    seen = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        is_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES
        if (is_write or event in _CHANGES) and str(arguments[0]).startswith(str(root)):
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def in_child(work: Callable[[], None]) -> int:
    """Run `work` in a forked child; returns its wait status."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - the parent has to see it
            traceback.print_exc()
            os._exit(1)
        sys.stdout.flush()
        os._exit(0)
    return os.waitpid(child, 0)[1]


def files_of(root: Path) -> dict[str, str]:
    """Name → SHA-256 of the copy's own files."""
    return {
        p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(root.rglob("*"))
        if p.is_file() and ".linkwell" not in p.parts
    }


def finish(root: Path, recalled: Recalled, original: dict[str, str], expected: dict[str, str], rows: int) -> None:
    """The same command again, and every promise."""
    last = apply(root, recalled, engine=SerialEngine())
    receipts = [read_receipt(path).statement for path in receipts_in(root / ".linkwell" / "receipts")]
    assert files_of(root) == expected, "the copy is not what an undisturbed purge leaves"
    assert {f.name: f.sha256_before for f in receipts[0].files} == original, "the receipt lost the hashes of before"
    assert {f.name: f.sha256_after for f in receipts[-1].files} == expected, "the receipt names other files"
    assert sum(r.rows_removed for r in receipts) == rows, "the receipts do not add up"
    assert verify(root, recalled, last).clean, "something is left"
    assert not plan(root, recalled).something_to_do, "plan finds something to do"
    left = {p.name for p in (root / ".linkwell").iterdir()} - {"seen.json"}
    assert left == {"purge.key", "purge.lock", "receipts"}, (
        f"left in the state: {left}, {list((root / '.linkwell').rglob('*'))}"
    )


def main() -> int:
    """Kill at step 1, 2, … until a run is not killed any more."""
    source, work = Path(sys.argv[1]), Path(sys.argv[2])
    told = json.loads(Path(sys.argv[3]).read_text())
    ids = np.array(sorted(bytes.fromhex(i) for i in told["ids"]), dtype="S16")
    recalled = Recalled("birds", 1, frozenset(told["cells"]), ids, heads=("ab",))
    original, expected = files_of(source), json.loads(Path(sys.argv[3]).read_text())["expected"]
    every = int(sys.argv[4])
    step = int(sys.argv[5]) if len(sys.argv) > 5 else 1
    while True:
        root = work / f"step-{step}"
        shutil.copytree(source, root)

        def attempt(root: Path = root, step: int = step) -> None:
            kill_at(step, root)
            apply(root, recalled, engine=SerialEngine())

        status = in_child(attempt)
        if status not in {0, signal.SIGKILL}:
            print(f"step {step}: the first run ended with {status}")  # noqa: T201 - a script's output
            return 1
        if in_child(lambda root=root: finish(root, recalled, original, expected, told["rows"])):  # type: ignore[misc] # bound at once
            print(f"step {step}: the rerun broke a promise")  # noqa: T201 - same
            return 1
        shutil.rmtree(root)
        if status == 0:
            print(step - 1)  # noqa: T201 - same
            return 0
        step += every


if __name__ == "__main__":
    sys.exit(main())
