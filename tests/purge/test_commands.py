"""`linkwell purge` and `linkwell recall` as a person types them, on a real feed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from linkwell.base.errors import LinkwellError, MissingKeyError, SignatureError, UsageError
from linkwell.base.workspace import Workspace
from linkwell.cli import app
from linkwell.feed import init_feed, make_keys, publish_targets
from linkwell.purge.match import Wanted
from linkwell.recall.batch import LINKS_SCHEMA, batch_files

Rows = Callable[..., list[Any]]


@pytest.fixture
def published(tmp_path: Path, maker: Any, rows_of: Rows) -> tuple[Path, str, str, list[Any]]:
    """A copy, the feed that recalls cell 2 of it, the feed's root, and the rows."""
    rows = rows_of(range(1, 4), 10)
    maker.shard("00000", rows, ours=True)
    maker.describe()
    workspace = Workspace.create(tmp_path / "w", "birds")
    make_keys(workspace)
    init_feed(workspace)
    publish(workspace, [r for r in rows if r.cell == 2])
    root = min((workspace.feed / "metadata").glob("*root.json"))
    return maker.root, str(workspace.feed), str(root), rows


def publish(workspace: Workspace, gone: list[Any]) -> None:
    """One covered batch into a feed, without the rest of a dataset."""
    files = batch_files(
        dataset="birds",
        sequence=1,
        issued="2026-01-01",
        partition_sha256="00" * 32,
        releases=["v1-r1"],
        previous="",
        cells=sorted({r.cell for r in gone}),
        links=pa.table({"link_id": pa.array([r.link_id for r in gone], pa.binary(16))}, schema=LINKS_SCHEMA),
    )
    publish_targets(workspace, {f"recalls/birds/000001/{name}": data for name, data in files.items()})


def run(*arguments: str, code: int = 0) -> Any:
    """A command with --json; its exit code must be `code`; an error of ours is raised."""
    result = CliRunner().invoke(app, [*arguments, "--json"])
    if isinstance(result.exception, LinkwellError):
        raise result.exception
    assert result.exit_code == code, result.output + str(result.exception)
    return json.loads(result.stdout)


def test_the_whole_way(published: Any) -> None:
    """Plan says 1, apply 0, verify 0, plan then 0; the root is needed the first time only."""
    copy, feed, root, _rows = published
    with pytest.raises(MissingKeyError):
        run("purge", "plan", str(copy), "--feed", feed)
    planned = run("purge", "plan", str(copy), "--feed", feed, "--root", root, code=1)
    assert {f["name"] for f in planned["files"]} == {"00000.tar", "00000.parquet", "00000_stats.json"}
    applied = run("purge", "apply", str(copy), "--feed", feed, "--yes")
    assert applied["complete"]
    assert applied["rows_removed"] == planned["removed"]
    verified = run("purge", "verify", str(copy), "--feed", feed, "--fingerprint", applied["fingerprint"])
    assert verified["clean"]
    assert verified["untouched"]
    assert run("purge", "plan", str(copy), "--feed", feed)["files"] == []
    receipt = json.loads(Path(applied["receipt"]).read_text())
    assert receipt["statement"]["feed"]["timestamp_version"] > 0


def test_a_root_shipped_with_the_copy_is_found(published: Any) -> None:
    """`.linkwell/root.json` in a copy stands in for --root."""
    copy, feed, root, _rows = published
    (copy / ".linkwell").mkdir()
    (copy / ".linkwell" / "root.json").write_bytes(Path(root).read_bytes())
    assert run("purge", "plan", str(copy), "--feed", feed, code=1)


def test_verify_exit_codes(published: Any) -> None:
    """1 before the purge (something is left), 3 once a byte is edited."""
    copy, feed, root, _rows = published
    assert not run("purge", "verify", str(copy), "--feed", feed, "--root", root, code=1)["clean"]
    run("purge", "apply", str(copy), "--feed", feed, "--yes")
    path = copy / "00000.tar"
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(SignatureError) as error:
        run("purge", "verify", str(copy), "--feed", feed)
    assert error.value.exit_code == 3


def test_verify_says_that_somebody_put_something_there(published: Any) -> None:
    """A file of a kind that is not known came after the receipt: 1 until a purge has told of it, which counts it."""
    copy, feed, root, _rows = published
    run("purge", "apply", str(copy), "--feed", feed, "--root", root, "--yes")
    (copy / "more.h5").write_bytes(b"who knows")
    assert run("purge", "verify", str(copy), "--feed", feed, code=1)["unknown"] == {".h5 files": 1}
    told = CliRunner().invoke(app, ["purge", "verify", str(copy), "--feed", feed])
    assert "1 .h5 file" in told.stdout
    run("purge", "apply", str(copy), "--feed", feed, "--yes")
    assert run("purge", "verify", str(copy), "--feed", feed)["unreached"] == {".h5 files": 1}


def test_apply_asks_first(published: Any) -> None:
    """Without --yes the question is asked, and no leaves everything as it was; --json cannot ask."""
    copy, feed, root, _rows = published
    before = (copy / "00000.tar").read_bytes()
    refused = CliRunner().invoke(app, ["purge", "apply", str(copy), "--feed", feed, "--root", root], input="n\n")
    assert refused.exit_code == 1
    assert "will be deleted" in refused.stdout
    assert refused.stdout.endswith("Nothing was changed.\n")
    assert (copy / "00000.tar").read_bytes() == before
    with pytest.raises(UsageError):
        run("purge", "apply", str(copy), "--feed", feed)
    agreed = CliRunner().invoke(app, ["purge", "apply", str(copy), "--feed", feed, "--workers", "1"], input="y\n")
    assert agreed.exit_code == 0, agreed.output
    assert (copy / "00000.tar").read_bytes() != before


def test_a_script_that_cannot_answer_is_told_of_yes(published: Any) -> None:
    """Where nobody can answer the question, the command names the option that stands for the answer."""
    copy, feed, root, _rows = published
    result = CliRunner().invoke(app, ["purge", "apply", str(copy), "--feed", feed, "--root", root], input="")
    assert isinstance(result.exception, UsageError)
    assert "--yes" in str(result.exception)


def test_nothing_to_delete_asks_nothing(published: Any) -> None:
    """A clean copy gets its receipt without a question: nothing is deleted."""
    copy, feed, root, _rows = published
    run("purge", "apply", str(copy), "--feed", feed, "--root", root, "--yes")
    again = CliRunner().invoke(app, ["purge", "apply", str(copy), "--feed", feed, "--workers", "1"], input="")
    assert again.exit_code == 0, again.output
    assert "Delete them?" not in again.stdout


def files_read_by_a_client(feed: Path) -> list[Path]:
    """Timestamp, the newest snapshot and targets metadata, and all targets."""
    metadata = feed / "metadata"
    newest = [
        max(metadata.glob(f"*.{role}.json"), key=lambda p: int(p.name.partition(".")[0]))
        for role in ("snapshot", "targets")
    ]
    return [metadata / "timestamp.json", *newest, *sorted(p for p in (feed / "targets").rglob("*") if p.is_file())]


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_an_edited_feed_is_noticed(published: Any, place: float) -> None:
    """One changed byte in any file of the feed that is read stops a client that has not seen the feed before."""
    copy, feed, root, _rows = published
    read = files_read_by_a_client(Path(feed))
    assert len(read) == 6
    for path in read:
        old = path.read_bytes()
        data = bytearray(old)
        data[int(len(data) * place)] ^= 1
        path.write_bytes(data)
        fresh = str(copy.parent / f"state of {path.name}")
        with pytest.raises(LinkwellError) as error:
            run("purge", "plan", str(copy), "--feed", feed, "--root", root, "--state", fresh, code=1)
        assert error.value.exit_code == 3, path
        path.write_bytes(old)


def test_output_names_no_sample(published: Any) -> None:
    """What the commands print, for people and for machines, holds no URL, text, key or id."""
    copy, feed, root, rows = published
    printed = ""
    for command in (["plan"], ["apply", "--yes"], ["verify"]):
        for flag in ([], ["--json"]):
            arguments = ["purge", command[0], str(copy), "--feed", feed, "--root", root, *command[1:], *flag]
            printed += CliRunner().invoke(app, arguments).output
    assert "rows and samples removed" in printed
    for row in rows:
        assert not any(v in printed for v in (row.url, row.text, row.cell_key, row.link_id.hex(), row.sha256))


def test_zero_bytes_at_the_end_of_an_id_are_kept() -> None:
    """NumPy strips trailing zeros of byte strings; ids that end in zeros still match."""
    ending = b"x" * 14 + b"\0\0"
    wanted = Wanted(np.empty(0, np.uint32), np.array([ending], dtype="S16"))
    assert wanted.has_ids(np.array([ending, b"x" * 16, b"x" * 13 + b"\0\0\0"], dtype="S16")).tolist() == [
        True,
        False,
        False,
    ]
