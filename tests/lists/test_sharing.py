"""Indexes shared between processes: one copy of what belongs together, and nothing taken from whom it should not be."""

import base64
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from linkwell.base.workspace import Workspace
from linkwell.ledger import Digests
from linkwell.lists import Match, compiled, import_list, load_matcher, shared_matcher, sharing
from linkwell.lists.sharing import SharedArrays, find_shared

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system has no anonymous files")

_ABOUT = "test 1"


def _arrays() -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    return {
        "numbers": np.arange(1_000, dtype=np.uint64),
        "table": np.arange(60, dtype=np.uint16).reshape(4, 15),
        "none": np.empty((0, 8), np.uint8),
    }


def _notice(workspace: Workspace) -> Path:
    (path,) = (workspace.root / ".shared").glob("*.json")
    return path


def test_what_is_shared_is_found_and_ends(workspace: Workspace) -> None:
    """Arrays come back alike, can be written to without others seeing it, stay usable after the end, and are found no more then."""
    key = workspace.master_key()
    share = SharedArrays(workspace, key)
    kept = share.share(_arrays(), _ABOUT)
    found = find_shared(workspace, key, _ABOUT)
    assert found is not None
    for name, array in _arrays().items():
        for one in (kept[name], found[name]):
            assert one.dtype == array.dtype
            assert (one == array).all()
            assert one.flags.writeable
            assert one.flags.aligned
    found["numbers"].view(np.uint64)[0] = 7
    again = find_shared(workspace, key, _ABOUT)
    assert again is not None
    assert again["numbers"][0] == 0
    assert _notice(workspace).stat().st_mode & 0o777 == 0o600
    share.close()
    assert find_shared(workspace, key, _ABOUT) is None
    assert (kept["numbers"] == _arrays()["numbers"]).all()
    assert not list((workspace.root / ".shared").iterdir())


@pytest.mark.parametrize(
    "change", ["code", "process", "token", "size", "about", "other memory", "not sealed", "garbage"]
)
def test_nothing_is_taken_on_trust(workspace: Workspace, change: str) -> None:
    """Another key's notice, one that leads elsewhere, and memory that can still be written are not used."""
    key = workspace.master_key()
    share = SharedArrays(workspace, key)
    share.share(_arrays(), _ABOUT)
    path = _notice(workspace)
    signed = msgspec.json.decode(path.read_bytes())
    notice = msgspec.json.decode(base64.b64decode(signed["notice"]))
    if change == "code":
        assert find_shared(workspace, bytes(32), _ABOUT) is None
        return
    if change == "garbage":
        path.write_bytes(b"{")
        assert find_shared(workspace, key, _ABOUT) is None
        return
    if change == "about":
        assert find_shared(workspace, key, "test 2") is None
        return
    other = os.memfd_create("other", os.MFD_ALLOW_SEALING)
    os.ftruncate(other, notice["size"])
    if change == "not sealed":
        os.pwrite(other, base64.b64decode(notice["token"]), 0)
    notice |= {
        "process": {"process": 2**22 + 1},
        "token": {"token": notice["token"][::-1]},
        "size": {"size": notice["size"] - 64},
        "other memory": {"descriptor": other},
        "not sealed": {"descriptor": other},
    }[change]
    raw = msgspec.json.encode(notice)
    code = sharing._code(raw, key)
    path.write_bytes(msgspec.json.encode({"notice": raw, "code": code}))
    assert find_shared(workspace, key, _ABOUT) is None
    os.close(other)
    share.close()


_CHILD = """
import sys
from pathlib import Path
from linkwell.base.workspace import Workspace
from linkwell.lists import compiled, load_matcher
compiled.COMPILED_ENTRIES = 1_000
matcher = load_matcher(Workspace.open(Path(sys.argv[1])))
print("memfd:linkwell" in Path("/proc/self/maps").read_text())
"""


def test_other_processes_use_the_same_memory(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a matcher is shared, a process that loads the lists maps its memory, and reads no index from disk; afterwards it does."""
    monkeypatch.setattr(compiled, "COMPILED_ENTRIES", 1_000)
    chance = np.random.default_rng(1)
    values = [chance.bytes(16) for _ in range(2_000)]
    path = tmp_path / "hotline.txt"
    path.write_text("# synthetic\n" + "".join(f"md5 {value.hex()}\n" for value in values))
    import_list(workspace, path, source="hotline")

    def child() -> str:
        command = [sys.executable, "-c", _CHILD, str(workspace.root)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[0]

    listed = Digests(1, values[7], bytes(20), bytes(32))
    with shared_matcher(workspace) as matcher:
        assert matcher.match_digests(listed) == [Match("hotline", "md5")]
        assert child() == "True"
        with monkeypatch.context() as patch:
            patch.setattr(compiled, "read_sealed_arrays", lambda *_: pytest.fail("an index was read from disk"))
            assert load_matcher(workspace).match_digests(listed) == [Match("hotline", "md5")]
    assert child() == "False"
    assert not any((workspace.root / ".shared").iterdir())


def test_without_lists_there_is_nothing_to_share(workspace: Workspace) -> None:
    """A workspace without lists gives an empty matcher, as loading does."""
    with shared_matcher(workspace) as matcher:
        assert matcher.empty
