"""Files of the wild, fuzzed ones too, in a process that may take only so much memory: a picture, or a name for what it is."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from linkwell.populate import MESSAGES

_LIMIT_BYTES = 1_500_000_000
"""Address space, libraries included; without it a bomb would only be slow."""

_LOOK = """
import json, resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
from linkwell.pictures import Kept, look, render
outcomes = {}
for path in sorted(each for each in Path(sys.argv[1]).rglob("*") if each.is_file()):
    seen, picture = look(path.read_bytes(), Kept())
    outcomes[path.name] = seen.failure if picture is None else render(picture, Kept())[0].failure
# ru_maxrss would be what the process that started this one held.
peak = int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024
print(json.dumps({"outcomes": outcomes, "peak": peak}))
"""


@pytest.mark.shared
def test_files_of_the_wild_are_decoded_or_named_in_bounded_memory(shared_data: Path) -> None:
    """Nine formats and sixty fuzzed files: each is kept or refused by a class that has a message, within 250 MB."""
    command = [sys.executable, "-W", "ignore", "-c", _LOOK, str(shared_data / "formats"), str(_LIMIT_BYTES)]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    kinds = Counter(answer["outcomes"].values())
    assert kinds.total() >= 140
    assert kinds[None] >= 40
    assert {kind for kind in kinds if kind is not None} <= set(MESSAGES)
    assert "unexpected" not in kinds
    assert answer["peak"] < 250_000_000
