"""Ground rule 6: a copy is not populated unchecked where there were hash lists to check it against."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.e2e.archive import Site, write_warc

LINKWELL = str(Path(sys.executable).with_name("linkwell"))


def test_populate_stops_where_the_hash_lists_are_gone(tmp_path: Path) -> None:
    """The log tells that a list was imported; without it nothing is fetched and nothing written."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [LINKWELL, "-w", str(tmp_path / "w"), *arguments], capture_output=True, text=True, check=False
        )

    site = Site("site.example")
    site.picture("one", seed=1)
    site.page("index", [("one.jpg", "the first picture")])
    archive = write_warc(tmp_path / "crawl.warc.gz", site.responses)
    listed = tmp_path / "list.txt"
    listed.write_text("# synthetic\nmd5 " + "ab" * 16 + "\n")
    assert run("init", str(tmp_path / "w")).returncode == 0
    assert run("build", str(archive)).returncode == 0
    assert run("lists", "import", str(listed), "--source", "org").returncode == 0
    shutil.rmtree(tmp_path / "w" / "lists")
    (tmp_path / "w" / "lists").mkdir(mode=0o700)
    stopped = run("populate", str(tmp_path / "copy"), "--from-archive", str(archive))
    assert stopped.returncode == 3
    assert "hash lists" in stopped.stderr
    assert not (tmp_path / "copy").exists()
