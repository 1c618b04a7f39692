"""Options that would be passed over: each is wrong usage, and the error names what is missing or in the way."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from linkwell.base.errors import MissingError, UsageError
from linkwell.base.workspace import Workspace
from linkwell.cli import app
from linkwell.cli.img2dataset import translate

IDLE = [
    ("populate out --root 1.root.json", "--root", "--feed"),
    ("populate out --url-column link", "--url-column", "--url-list"),
    ("populate out --caption-column alt", "--caption-column", "--url-list"),
    ("populate out --release v1 --shard-rows 10", "--shard-rows", "--release"),
    ("populate out --release v1 --url-list l.csv", "--url-list", "--release"),
    ("populate out --keep-original --size 64 --quality 9", "--size, --quality", "--keep-original"),
    ("populate out --resize no --size 64", "--size", "--resize no"),
    ("populate out --from-archive a.warc --resolve a:80:127.0.0.1", "--resolve", "--from-archive"),
    ("populate out --status --release v1", "--release", "--status"),
    ("populate status out --size 64", "--size", "--status"),
    ("populate out --adopt --status", "--adopt", "--status"),
    ("populate out --adopt --feed f", "--feed", "--adopt"),
    ("recall holders --as ana", "--as", "--add"),
    ("recall holders --second ben", "--second", "--add"),
    ("recall create --as ana --second ben", "recall create", "--override"),
    ("cases show 1 --as ana", "--as", "--entries"),
    ("lineage add x --kind copy --from v1 --as ana --fingerprint 00", "--fingerprint", "--receipt"),
    ("audit --release v1 report", "--release", "linkwell audit report"),
    ("audit expand --neighbours 3", "--neighbours", "--embeddings"),
    ("lists note hotline", "hotline", "--terms"),
    ("purge watch out --feed f --once --interval 60", "--interval", "--once"),
    ("import table.parquet --encoding cp1252", "--encoding", "parquet"),
]


@pytest.mark.parametrize(("line", "where", "named"), IDLE, ids=[line for line, _, _ in IDLE])
def test_an_option_without_effect_is_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, where: str, named: str
) -> None:
    Workspace.create(tmp_path, "birds")
    monkeypatch.chdir(tmp_path)
    pq.write_table(pa.table({"url": ["http://a.example/1.jpg"]}), "table.parquet")
    error = CliRunner().invoke(app, line.split()).exception
    assert isinstance(error, UsageError), error
    assert error.where == where
    assert named in str(error)


def test_a_copy_may_be_called_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`populate status` asks for the copy; `populate ./status` is a copy of that name."""
    Workspace.create(tmp_path, "birds")
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["populate", "status"]).exit_code == 2
    no_build = CliRunner().invoke(app, ["populate", "./status"]).exception
    assert isinstance(no_build, MissingError)
    assert "build" in str(no_build)


def test_what_img2dataset_passes_over_is_passed_over_with_a_word() -> None:
    """Its command lines are taken as they are; the size of pictures that are kept as they came is told to be idle."""
    given = ["--url_list=l.csv", "--output_folder=out", "--image_size=64"]
    original = translate([*given, "--disable_all_reencoding=True"])
    assert not {"--size", "--resize"} & set(original.arguments)
    assert original.notes == ["--image_size is passed over: the bytes are kept as they came"]
    whole = translate([*given, "--resize_mode=no"])
    assert "--size" not in whole.arguments
    assert whole.notes == ["--image_size is passed over: nothing is resized"]
