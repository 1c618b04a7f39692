"""img2dataset's options, taken as ours."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.populate.conftest import draw
from tests.populate.hostile_server import ADDRESS, HostileServer

from linkwell.base.errors import UsageError
from linkwell.base.workspace import Workspace
from linkwell.cli.img2dataset import SWITCH, translate

LINKWELL = str(Path(sys.executable).with_name("linkwell"))
OPTIONS = [
    "url_list",
    "image_size",
    "output_folder",
    "processes_count",
    "resize_mode",
    "resize_only_if_bigger",
    "upscale_interpolation",
    "downscale_interpolation",
    "encode_quality",
    "encode_format",
    "skip_reencode",
    "output_format",
    "input_format",
    "url_col",
    "caption_col",
    "bbox_col",
    "thread_count",
    "number_sample_per_shard",
    "extract_exif",
    "save_additional_columns",
    "timeout",
    "enable_wandb",
    "wandb_project",
    "oom_shard_count",
    "compute_hash",
    "verify_hash",
    "distributor",
    "subjob_size",
    "retries",
    "disable_all_reencoding",
    "min_image_size",
    "max_image_area",
    "max_aspect_ratio",
    "incremental_mode",
    "max_shard_retry",
    "user_agent_token",
    "disallowed_header_directives",
    "ignore_ssl_certificate",
]
NEEDED = ["--url_list", "a.csv", "--output_folder", "images"]


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_of_img2dataset_is_known(name: str) -> None:
    """Taken, passed over with a word, or refused by name: never handed on as it is."""
    try:
        said = " ".join(translate([*NEEDED, f"--{name}=None"]).arguments)
    except UsageError as error:
        said = str(error).replace(f"--{name}=None", "")
    assert f"--{name}=None" not in said
    assert said


@pytest.mark.parametrize(
    ("given", "ours"),
    [
        (["--image_size=64"], ["--size", "64"]),
        (["--resize_mode", "no", "--skip_reencode", "True"], ["--keep-original"]),
        (["--resize_mode", "keep_ratio", "--skip_reencode", "True"], ["--resize", "keep_ratio"]),
        (["--disable_all_reencoding"], ["--keep-original"]),
        (["--disallowed_header_directives", "[]"], ["--respect", "none"]),
        (["--max_aspect_ratio", "inf"], []),
        (["--allow-net", "127.0.0.0/8"], ["--allow-net", "127.0.0.0/8"]),
        ([], ["--resize", "border", "--output", "files", "--shard-rows", "10000"]),
    ],
)
def test_options_and_defaults_become_ours(given: list[str], ours: list[str]) -> None:
    """In whichever of the ways that img2dataset's command line is written; ours may stand among them."""
    found = " ".join(translate([SWITCH, *NEEDED, *given]).arguments)
    assert " ".join(ours) in found
    assert found.endswith("images")


@pytest.mark.parametrize(
    "given",
    [
        ["--incremental_mode", "overwrite"],
        ["--compute_hash", "md5"],
        ["--bbox_col", "boxes"],
        ["--verify_hash", "['md5','md5']"],
        ["--distributor", "pyspark"],
        ["--max_image_area", "1000"],
    ],
)
def test_what_would_change_the_copy_is_never_dropped_in_silence(given: list[str]) -> None:
    """It is refused, with what to do instead."""
    with pytest.raises(UsageError):
        translate([*NEEDED, *given])
    with pytest.raises(UsageError):
        translate(["--url_list", "a.csv"])


def test_a_command_of_img2dataset_makes_its_copy(tmp_path: Path) -> None:
    """As one types it: list, columns, layout and defaults; img2dataset's own names stand in the folder."""
    workspace = Workspace.create(tmp_path / "w", "birds")
    with HostileServer({f"/{n}.jpg": draw(n) for n in range(3)}) as server:
        listed = tmp_path / "list.csv"
        rows = "".join(f"{server.url(f'/{n}.jpg', f'h{n}.example')},a bird number {n}\n" for n in range(4))
        listed.write_text("link,words\n" + rows)
        done = subprocess.run(
            [
                LINKWELL, "-w", str(workspace.root), "populate", SWITCH, "--url_list", str(listed), "--output_folder",
                str(tmp_path / "images"), "--input_format=csv", "--url_col", "link", "--caption_col", "words",
                "--output_format", "webdataset", "--image_size", "64", "--thread_count", "8", "--processes_count", "1",
                "--allow-net", f"{ADDRESS}/32", "--resolve", server.pins[0], "--json",
            ],
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search("thread_count is passed over", done.stderr)
    assert json.loads(done.stdout)["success"] == 3
    rows_made = pq.read_table(tmp_path / "images" / "00000.parquet").to_pylist()
    assert [row["caption"] for row in rows_made] == [f"a bird number {n}" for n in range(4)]
    assert [row["key"] for row in rows_made] == [f"{n:09d}" for n in range(4)]
    assert {(row["width"], row["height"]) for row in rows_made if row["status"] == "success"} == {(64, 64)}


def test_help_is_help() -> None:
    """Whoever asks for it has no folder to name yet."""
    assert translate([SWITCH, "--help"]).arguments == ["--help"]
