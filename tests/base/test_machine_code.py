"""Machine code that is kept: what is taken from the cache, and when it is made anew."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest

from linkwell.base import machine_code
from linkwell.base.code_cache import cache_folder
from linkwell.base.compiled import bytes_at, numbers_at, object_code
from linkwell.base.machine_code import Function, functions_of


def _sum_of(numbers: int, count: int, letters: int, length: int) -> int:
    total = 0
    for number in numbers_at(numbers, count):
        total += number
    for letter in bytes_at(letters, length):
        total += letter
    return total


def _made_array(length: int) -> int:
    return len(np.zeros(length, np.uint8))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache's folder, empty."""
    monkeypatch.setenv("LINKWELL_CACHE", str(tmp_path))
    found = cache_folder()
    assert found is not None
    return found


class Maker:
    """Hands out the function, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> Mapping[str, Function]:
        self.asked += 1
        return {"total": _sum_of}


def _total(make: Callable[[], Mapping[str, Function]], source: Path) -> int:
    function = functions_of("test", [source], make)["total"]
    numbers, letters = np.arange(10), np.frombuffer(b"ab", np.uint8)
    return function(numbers.ctypes.data, 10, letters.ctypes.data, 2)


EXPECTED = sum(range(10)) + sum(b"ab")


def test_it_is_kept_where_only_the_user_writes(folder: Path) -> None:
    """The cache folder is made with mode 0700; one that others may write to is not used."""
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    assert cache_folder() is None


def test_what_is_kept_is_loaded(folder: Path, tmp_path: Path) -> None:
    """Made once, in a file that only the user reads; asked for again, it is not made; other source, another file."""
    source, make = tmp_path / "source.py", Maker()
    source.write_text("one")
    assert _total(make, source) == EXPECTED
    assert _total(make, source) == EXPECTED
    assert make.asked == 1
    (kept,) = folder.glob("test-*.code")
    assert kept.stat().st_mode & 0o777 == 0o600
    source.write_text("two")
    assert _total(make, source) == EXPECTED
    assert make.asked == 2
    assert len(list(folder.iterdir())) == 2


def test_code_for_another_processor_is_not_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by its name, nor where a file stands under the name of ours."""
    make = Maker()
    assert _total(make, Path(__file__)) == EXPECTED
    (ours,) = folder.glob("test-*.code")
    with monkeypatch.context() as other:
        features = llvm.get_host_cpu_features()
        features["a-feature-of-tomorrow"] = False
        other.setattr(llvm, "get_host_cpu_features", lambda: features)
        assert _total(make, Path(__file__)) == EXPECTED
    assert make.asked == 2
    (other_file,) = set(folder.glob("test-*.code")) - {ours}
    ours.write_bytes(other_file.read_bytes())
    assert _total(make, Path(__file__)) == EXPECTED
    assert make.asked == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda _data: b"",
        lambda data: data[:-1],
        lambda data: data[:1] + data[2:],
        lambda data: data[:-100] + bytes([data[-100] ^ 1]) + data[-99:],
        lambda data: b"{}\n" + data.partition(b"\n")[2],
    ],
)
def test_a_damaged_file_is_made_anew(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    """And is whole again afterwards."""
    make = Maker()
    _total(make, Path(__file__))
    (kept,) = folder.glob("test-*.code")
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))
    assert _total(make, Path(__file__)) == EXPECTED
    assert make.asked == 2
    assert _total(make, Path(__file__)) == EXPECTED
    assert make.asked == 2


def test_processes_that_start_together_make_it_once(folder: Path) -> None:
    """The second one waits for the first, and loads what that made; nothing but the code is left in the folder."""
    makers = [Maker(), Maker(), Maker()]
    with ThreadPoolExecutor(3) as threads:
        totals = list(threads.map(lambda make: _total(make, Path(__file__)), makers))
    assert totals == [EXPECTED] * 3
    assert sum(make.asked for make in makers) == 1
    assert [each.suffix for each in folder.iterdir()] == [".code"]


def test_a_folder_of_others_is_not_used(folder: Path) -> None:
    """Where others may write, nothing is read or kept: each process makes its own."""
    make = Maker()
    _total(make, Path(__file__))
    folder.chmod(0o777)
    assert cache_folder() is None
    assert _total(make, Path(__file__)) == EXPECTED
    assert make.asked == 2


def test_old_files_go(folder: Path, tmp_path: Path) -> None:
    """So many of a name are kept."""
    for number in range(machine_code._KEPT + 3):
        (folder / f"test-{number:016x}.code").write_bytes(b"")
    (folder / "tested-0.code").write_bytes(b"")
    _total(Maker(), Path(__file__))
    assert len(list(folder.glob("test-*.code"))) == machine_code._KEPT
    assert (folder / "tested-0.code").exists()


def test_code_that_asks_for_the_interpreter_is_refused() -> None:
    """Such as what makes an array: there is nothing to make it where it is loaded."""
    with pytest.raises(AssertionError, match="NRT_"):
        object_code({"made_array": _made_array})


def test_what_is_kept_is_loaded_without_numba(folder: Path) -> None:
    """In another process."""
    _total(Maker(), Path(__file__))
    code = (
        "import sys; from pathlib import Path; from linkwell.base.machine_code import functions_of;"
        "print(functions_of('test', [Path(sys.argv[1])], None)['total'](0, 0, 0, 0), 'numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, __file__], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["0", "False"]
