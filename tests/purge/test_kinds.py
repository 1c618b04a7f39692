"""Every kind of copy: exactly the recalled rows go, from every byte, and a second look finds nothing."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.purge.copies import KINDS, uid, vector

from linkwell.engine import Engine
from linkwell.purge import PurgeOptions, apply, plan, verify

Rows = Callable[..., list[Any]]
SCANNER = Path(__file__).parents[1] / "e2e" / "independent_scanner.py"
ENCODED = {"by laion hash", "by uid", "by digest"}
"""Copies without URLs, in which the scanner looks for ids."""


def scan(folder: Path, rows: list[Any]) -> tuple[int, str]:
    """Exit code and output of a scanner that knows nothing of Linkwell."""
    values = {
        "urls": [r.url for r in rows],
        "texts": [r.text for r in rows],
        "digests": [d for r in rows for d in (r.sha256, uid(r), r.link_id.hex())],
        "vectors": [vector(r).tobytes().hex() for r in rows],
    }
    path = folder.parent / "values.json"
    path.write_text(json.dumps(values))
    done = subprocess.run(
        [sys.executable, str(SCANNER), str(folder), str(path)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_the_recalled_rows_go_and_the_others_stay(
    tmp_path: Path, rows_of: Rows, recalled: Any, engine: Engine, kind: str
) -> None:
    """Plan counts them, apply takes them, the independent scanner finds none, verify passes, the receipt is true."""
    rows = rows_of(range(1, 6), 10, fail_every=10**9)
    made = KINDS[kind](tmp_path / "copy", rows)
    gone = recalled([2], rows, links=[rows[0], rows[33]])
    stay = [r.number for r in rows if r.cell != 2 and r not in (rows[0], rows[33])]
    removed = [r for r in rows if r.number not in stay]
    assert sorted(made.left()) == [r.number for r in rows]
    assert scan(made.root, removed)[0] == (0 if kind == "by laion hash" else 1)
    how = made.options
    planned = plan(made.root, gone, aliases=how.aliases, tables=how.tables)
    assert (planned.problems, planned.unidentified) == ({}, 0)
    assert planned.removed >= len(removed)
    receipt = apply(made.root, gone, engine=engine, options=how)
    assert receipt.statement.complete, receipt.statement.problems
    assert receipt.statement.rows_removed == planned.removed
    assert sorted(made.left()) == stay
    code, output = scan(made.root, removed)
    assert code == 0, output
    aliases = ()  # the tables that told may be gone from the copy by now: what is left in it must not need them
    report = verify(made.root, gone, receipt, aliases=how.aliases or aliases, tables=how.tables)
    assert report.clean
    assert report.untouched
    assert not plan(made.root, gone, aliases=how.aliases, tables=how.tables).files


def test_untold_ids_are_counted(tmp_path: Path, rows_of: Rows, recalled: Any, engine: Engine) -> None:
    """Rows that only a foreign id names, which no table connects, are counted as unidentified, never passed over."""
    rows = rows_of([1, 2], 10, fail_every=10**9)
    made = KINDS["by laion hash"](tmp_path / "copy", rows)
    receipt = apply(made.root, recalled([2], rows), engine=engine, options=PurgeOptions())
    assert receipt.statement.unidentified == len(rows)
    assert receipt.statement.rows_removed == 0


def test_a_table_that_tells_of_others_waits_for_them(
    tmp_path: Path, rows_of: Rows, recalled: Any, engine: Engine
) -> None:
    """Where a file that only a foreign id names could not be purged, the rows that connect it stay until it is."""
    rows = rows_of([1, 2], 10, fail_every=10**9)
    made = KINDS["by uid"](tmp_path / "copy", rows)
    (made.root / "scores.parquet").chmod(0o444)
    gone = recalled([2], rows)
    first = apply(made.root, gone, engine=engine)
    assert set(first.statement.problems) == {"scores.parquet", "list.parquet"}
    (made.root / "scores.parquet").chmod(0o644)
    second = apply(made.root, gone, engine=engine)
    assert second.statement.complete
    assert sorted(made.left()) == [r.number for r in rows if r.cell == 1]
    assert scan(made.root, [r for r in rows if r.cell == 2])[0] == 0
