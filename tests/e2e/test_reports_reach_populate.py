"""A report keeps its picture out of every copy made from then on, however its URL was typed."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.e2e.archive import Site, write_warc

LINKWELL = str(Path(sys.executable).with_name("linkwell"))


@pytest.mark.slow
@pytest.mark.parametrize("spelling", ["http://site.example/one.jpg", "HTTP://Site.EXAMPLE:80/./one.jpg#top"])
def test_a_reported_picture_is_not_populated(tmp_path: Path, spelling: str) -> None:
    """The row stands in no file; only the total left out is said."""
    site = Site("site.example")
    site.picture("one", seed=1)
    site.picture("two", seed=2)
    site.page("index", [("one.jpg", "the first picture"), ("two.jpg", "the second picture")])
    archive = write_warc(tmp_path / "crawl.warc.gz", site.responses)

    def run(*arguments: str) -> dict[str, object]:
        command = [LINKWELL, "-w", str(tmp_path / "w"), *arguments, "--json"]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        answer: dict[str, object] = json.loads(result.stdout)
        return answer

    subprocess.run([LINKWELL, "init", str(tmp_path / "w")], check=True, capture_output=True)
    run("build", str(archive))
    run("cases", "report", spelling, "--kind", "privacy")
    populated = run("populate", str(tmp_path / "copy"), "--from-archive", str(archive))
    assert (populated["success"], populated["withheld"]) == (1, 1)
    rows = pq.read_table(tmp_path / "copy" / "00000.parquet")
    assert rows["caption"].to_pylist() == ["the second picture"]
