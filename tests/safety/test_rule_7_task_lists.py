"""Rule 7: a task list is data; it does not choose what code runs."""

import json
from pathlib import Path

import pytest

from linkwell.base.errors import FormatError
from linkwell.engine import run_listed_task


@pytest.mark.parametrize("function", ["os:abort", "tests.engine.test_engines:fail", "linkwellx.a:b", "subprocess:run"])
def test_a_list_of_a_stranger_runs_nothing(tmp_path: Path, function: str) -> None:
    """`linkwell worker` runs Linkwell's own tasks, whatever the list names."""
    tasks = [{"stage": "s", "index": 0, "fn": function, "params": {}, "inputs": []}]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    with pytest.raises(FormatError, match="none of Linkwell's"):
        run_listed_task(tmp_path, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["tasks.json"]
