"""Builds: from sources to the current build, once, whatever happens in between."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.build.archives import gzipped, image, wat_pages, wat_record, wat_value

from linkwell.base.errors import BusyError, DamagedFileError, MissingError, ReconciliationError, StorageError
from linkwell.base.shards import ParquetWriter
from linkwell.base.workspace import Workspace
from linkwell.build import build, current_build
from linkwell.engine import Engine, LocalEngine


def archives(folder: Path, count: int, pages: int = 10) -> list[str]:
    """Archives of which each shares half its pages with the next."""
    folder.mkdir(exist_ok=True)
    paths = []
    records = wat_pages(pages * (count + 1) // 2 + pages)
    for number in range(count):
        path = folder / f"{number:03d}.warc.wat.gz"
        start = number * pages // 2
        path.write_bytes(gzipped(records[start : start + pages]))
        paths.append(str(path))
    return paths


def rows_of(workspace: Workspace) -> list[dict[str, Any]]:
    """All rows of the current build, in order."""
    tables = [pq.read_table(path) for path in current_build(workspace).links]
    return list(pa.concat_tables(tables).to_pylist())


def files_below(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file with size and time of change."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(".lock")
    }


def test_a_build_keeps_one_row_of_every_url(workspace: Workspace, engine: Engine, tmp_path: Path) -> None:
    """Counts add up, the links are unique over all archives, and the build becomes the current one."""
    report = build(workspace, archives(tmp_path / "crawl", 4), crawl="TEST", engine=engine)
    assert report.pages == 40
    assert report.images == 120 == report.links + report.duplicates
    rows = rows_of(workspace)
    assert len({row["link_id"] for row in rows}) == len(rows) == report.links == 75
    assert {row["crawl"] for row in rows} == {"TEST"}
    current = current_build(workspace)
    assert (current.name, current.rows, current.crawl) == (report.name, 75, "TEST")
    assert not report.damaged


def test_an_opt_out_is_never_lost_to_a_duplicate(workspace: Workspace, engine: Engine, tmp_path: Path) -> None:
    """Of equal URLs the row whose page says no survives, wherever it stands."""
    link = image("http://pictures.example/1.jpg")
    silent = [wat_record(wat_value(f"http://{n}.example/", [link])) for n in ("a", "b", "c")]
    speaking = wat_record(wat_value("http://owner.example/", [link], headers={"X-Robots-Tag": "noai"}))
    for number, records in enumerate([[silent[0], speaking, silent[1]], [silent[2]]]):
        (tmp_path / f"{number}.warc.wat").write_bytes(b"".join(records))
    build(workspace, [str(tmp_path / "*.warc.wat")], crawl=None, engine=engine)
    (row,) = rows_of(workspace)
    assert (row["page_url"], row["train_ai"]) == ("http://owner.example/", "disallow")


def test_the_same_command_again_does_nothing(workspace: Workspace, tmp_path: Path) -> None:
    """No task runs, no file changes but the pointer; the report is the same."""
    sources = archives(tmp_path / "crawl", 2)

    class NoEngine:
        def run(self, tasks: Sequence[Any], folder: Path) -> Any:  # noqa: ARG002 - the engine interface
            assert not tasks
            return iter(())

    first = build(workspace, sources, crawl=None, engine=LocalEngine(1))
    before = files_below(workspace.builds / first.name)
    assert build(workspace, sources, crawl=None, engine=NoEngine()) == first
    assert files_below(workspace.builds / first.name) == before


def test_other_sources_states_or_settings_are_another_build(
    workspace: Workspace, engine: Engine, tmp_path: Path
) -> None:
    """A changed archive or crawl name makes a new build; the old one stays, and building it again makes it current."""
    sources = archives(tmp_path / "crawl", 2)
    names = [build(workspace, sources, crawl=None, engine=engine).name]
    names.append(build(workspace, sources, crawl="X", engine=engine).name)
    (tmp_path / "crawl/000.warc.wat.gz").write_bytes(gzipped(wat_pages(50)))
    names.append(build(workspace, sources, crawl=None, engine=engine).name)
    assert len(set(names)) == 3
    build(workspace, sources, crawl="X", engine=engine)
    assert current_build(workspace).rows > 0


def test_a_shard_that_is_gone_is_made_again(workspace: Workspace, engine: Engine, tmp_path: Path) -> None:
    """Without a shard there is no current build; the same command restores it, row for row."""
    sources = archives(tmp_path / "crawl", 2)
    build(workspace, sources, crawl=None, engine=engine)
    rows = rows_of(workspace)
    current_build(workspace).links[0].unlink()
    with pytest.raises(MissingError, match="not whole"):
        current_build(workspace)
    build(workspace, sources, crawl=None, engine=engine)
    assert rows_of(workspace) == rows


def test_damage_is_reported_and_the_rest_is_built(workspace: Workspace, engine: Engine, tmp_path: Path) -> None:
    """One archive cut, one that is none: both are named in the report, and the build stands."""
    sources = archives(tmp_path / "crawl", 3)
    Path(sources[0]).write_bytes(Path(sources[0]).read_bytes()[:-300])
    Path(sources[1]).write_bytes(b"<html>404</html>")
    report = build(workspace, sources, crawl=None, engine=engine)
    assert report.truncated_files == 1
    assert report.broken == {"not_an_archive": 1}
    assert report.damaged
    assert current_build(workspace).rows == report.links > 30


def test_no_build_yet_says_what_to_do(workspace: Workspace) -> None:
    """The error names the command; a pointer that does not read is damage."""
    with pytest.raises(MissingError, match="linkwell build"):
        current_build(workspace)
    (workspace.builds / "current.json").write_bytes(b"{")
    with pytest.raises(DamagedFileError):
        current_build(workspace)


def test_two_builds_at_once(workspace: Workspace, engine: Engine, tmp_path: Path) -> None:
    """The second one stops and says so."""
    with workspace.lock("build"), pytest.raises(BusyError):
        build(workspace, archives(tmp_path / "crawl", 1), crawl=None, engine=engine)


def test_counts_that_do_not_add_up_stop_the_build(
    workspace: Workspace, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image that is neither link nor duplicate nor rejected is an error, not a rounding."""
    from linkwell.build import columns  # noqa: PLC0415 - patched here only

    add = columns.LinkCollector.add

    def lossy(self: columns.LinkCollector, page: Any) -> None:
        add(self, page)
        self.counts["images"] += 1

    monkeypatch.setattr(columns.LinkCollector, "add", lossy)
    with pytest.raises(ReconciliationError):
        build(workspace, archives(tmp_path / "crawl", 1), crawl=None, engine=engine)
    with pytest.raises(MissingError):
        current_build(workspace)


def test_a_full_disk_leaves_nothing_half_written(
    workspace: Workspace, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says that the disk is full; no temporary file and no current build is left; with space, the command finishes."""
    sources = archives(tmp_path / "crawl", 3)
    write, calls = ParquetWriter.write, []

    def full(self: ParquetWriter, table: pa.Table) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, table)

    monkeypatch.setattr(ParquetWriter, "write", full)
    with pytest.raises(StorageError, match="No space left"):
        build(workspace, sources, crawl=None, engine=engine)
    assert not [name for name in files_below(workspace.root) if name.endswith(".tmp")]
    with pytest.raises(MissingError):
        current_build(workspace)
    monkeypatch.undo()
    assert build(workspace, sources, crawl=None, engine=engine).links == len(rows_of(workspace))


def _limit_file_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def command(workspace: Workspace, sources: Sequence[str]) -> list[str]:
    return [
        sys.executable,
        "-c",
        "from linkwell.cli import main; main()",
        "-w",
        str(workspace.root),
        "build",
        *sources,
        "--json",
    ]


def test_a_file_that_the_system_refuses_to_grow(workspace: Workspace, tmp_path: Path) -> None:
    """A real refused write, deep in the parquet library: the command fails with exit code 3, and nothing half-written is left."""
    sources = archives(tmp_path / "crawl", 1, pages=2_000)
    done = subprocess.run(
        command(workspace, sources), capture_output=True, text=True, preexec_fn=_limit_file_size, check=False
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert not [name for name in files_below(workspace.root) if name.endswith((".tmp", ".parquet"))]


@pytest.mark.slow
def test_kill_9_in_the_middle_and_the_same_command_finishes(workspace: Workspace, tmp_path: Path) -> None:
    """Killed again and again, at moments spread over the work: the last run ends with the rows of a run that was never killed."""
    sources = archives(tmp_path / "crawl", 12, pages=60)
    other = Workspace.create(tmp_path / "other", "birds")
    build(other, sources, crawl=None, engine=LocalEngine(1))
    expected = rows_of(other)
    name = current_build(other).name
    watched = workspace.builds / name
    for marks_before_kill in (1, 5, 14):
        process = subprocess.Popen(command(workspace, sources), stdout=subprocess.DEVNULL, start_new_session=True)
        while len(list(watched.rglob("*-*.json"))) < marks_before_kill and process.poll() is None:
            time.sleep(0.002)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if not (workspace.builds / "current.json").exists():
            assert not (watched / "build.json").exists()
    done = subprocess.run(command(workspace, sources), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["links"] == len(expected)
    assert rows_of(workspace) == expected
    assert current_build(workspace).name == name
    assert not [path for path in files_below(workspace.root) if path.endswith(".tmp")]
