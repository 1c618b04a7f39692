"""The whole cycle by the commands a maintainer and a lab would type: from an archive to a purged copy."""

import hashlib
import json
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.e2e.archive import Site, write_warc

from linkwell.base.ids import link_id

LINKWELL = str(Path(sys.executable).with_name("linkwell"))
SCANNER = Path(__file__).with_name("independent_scanner.py")
CELL_ROWS = 6
SITES = 6
PICTURES = 10


class Story:
    """Runs commands in one workspace and keeps everything they printed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.printed = ""

    def run(self, *arguments: str, code: int = 0) -> dict[str, object]:
        """Run a command with --json; its exit code must be `code`."""
        result = subprocess.run(
            [LINKWELL, "-w", str(self.folder / "w"), *arguments, "--json"], capture_output=True, text=True, check=False
        )
        self.printed += result.stdout + result.stderr
        assert result.returncode == code, f"{arguments}: {result.returncode}\n{result.stdout}\n{result.stderr}"
        answer: dict[str, object] = json.loads(result.stdout) if result.stdout else {}
        return answer


def _files(folder: Path) -> Mapping[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def _urls(copy: Path) -> set[str]:
    return {str(url) for path in copy.glob("*.parquet") for url in pq.read_table(path)["url"].to_pylist()}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_from_an_archive_to_a_purged_copy(tmp_path: Path) -> None:
    """Nothing recalled is left in any byte of the copy; the rest is as it was; every tampering is noticed."""
    pictures: dict[str, bytes] = {}
    responses = []
    for number in range(SITES):
        site = Site(f"site{number}.example")
        shown = []
        for i in range(PICTURES):
            url, data = site.picture(f"picture-{number}-{i}", seed=100 * number + i)
            pictures[url] = data
            shown.append((f"picture-{number}-{i}.jpg", f"caption of picture number {number} {i} alone"))
        site.page("index", shown)
        responses += site.responses
    archive = write_warc(tmp_path / "crawl.warc.gz", responses)

    story = Story(tmp_path)
    subprocess.run([LINKWELL, "init", str(tmp_path / "w"), "--dataset", "birds"], check=True, capture_output=True)
    (tmp_path / "w" / "linkwell.toml").write_text(
        f'dataset = "birds"\n[release]\ncell_min_rows = {CELL_ROWS}\ncells_per_shard = 3\n'
        "[recall]\ncells_per_batch = 2\nmax_attacker_precision = 1.0\n"
    )
    built = story.run("build", str(archive), "--crawl", "test-1")
    assert built["links"] == SITES * PICTURES

    story.run("audit", code=3)  # fail closed: no list
    synthetic = tmp_path / "list-a.txt"
    synthetic.write_text(
        "# synthetic\n" + "".join(f"md5 {hashlib.md5(str(n).encode()).hexdigest()}\n" for n in range(50))
    )
    story.run("lists", "import", str(synthetic), "--source", "org-a")
    story.run("audit")
    story.run("feed", "keys")
    story.run("feed", "init")
    story.run("release", "create", "v1", "--as", "ana")
    story.run("release", "verify", "v1")
    story.run("release", "publish", "v1", "--as", "ana")

    copy = tmp_path / "lab"
    populated = story.run("populate", str(copy), "--release", "v1", "--from-archive", str(archive))
    assert populated["success"] == SITES * PICTURES
    before = _files(copy)

    named = sorted(pictures)[7]
    listed = tmp_path / "list-b.txt"
    listed.write_text(f"# synthetic\nsha1 {hashlib.sha1(pictures[named]).hexdigest()}\n")
    story.run("lists", "import", str(listed), "--source", "org-b")
    assert story.run("audit", "--release", "v1", code=1)["findings"] == {"exact": 1}
    cases = story.run("cases", "list")["cases"]
    assert isinstance(cases, list)
    assert len(cases) == 1
    story.run("cases", "propose", "1", "takedown", "--as", "ana")
    story.run("cases", "approve", "1", "--as", "ana", code=3)  # two people
    story.run("cases", "approve", "1", "--as", "ben")

    opted_out = sorted(pictures)[-3]
    story.run("cases", "report", opted_out, "--kind", "opt-out", "--as", "ana")
    story.run("cases", "propose", "2", "takedown", "--as", "ana")
    story.run("cases", "approve", "2", "--as", "ben")

    story.run("recall", "create", "--as", "ana")
    story.run("recall", "publish", "--as", "ana")
    story.run("release", "verify", "v1")
    story.run("log", "verify")

    feed = str(tmp_path / "w" / "feed")
    root = min((tmp_path / "w" / "feed" / "metadata").glob("*root.json"))
    planned = story.run("purge", "plan", str(copy), "--feed", feed, "--root", str(root), code=1)
    assert planned
    story.run("purge", "apply", str(copy), "--feed", feed, "--root", str(root), "--yes")
    story.run("purge", "verify", str(copy), "--feed", feed, "--root", str(root))
    story.run("purge", "plan", str(copy), "--feed", feed, "--root", str(root))

    after = _files(copy)
    gone = set(pictures) - _urls(copy)
    other = Story(tmp_path / "other")
    subprocess.run(
        [LINKWELL, "init", str(tmp_path / "other" / "w"), "--dataset", "birds"], check=True, capture_output=True
    )
    other.run("build", str(archive), "--crawl", "test-1")
    followed = other.run("populate", str(tmp_path / "other" / "copy"), "--from-archive", str(archive), "--feed", feed, "--root", str(root))  # fmt: skip
    assert followed["withheld"] == len(gone)
    assert _urls(tmp_path / "other" / "copy") == set(pictures) - gone
    assert {named, opted_out} <= gone
    assert CELL_ROWS <= len(gone) < len(pictures), "a covered recall takes whole cells, and not everything"
    wanted = {
        "urls": sorted(gone),
        "texts": [f"caption of picture number {u.split('-')[1]} {u.split('-')[2][:-4]} alone" for u in sorted(gone)],
        "digests": [hashlib.sha256(pictures[u]).hexdigest() for u in sorted(gone)]
        + [link_id(u).hex() for u in sorted(gone)],
    }
    values = tmp_path / "values.json"
    values.write_text(json.dumps(wanted))
    scan = subprocess.run(
        [sys.executable, str(SCANNER), str(copy), str(values)], capture_output=True, text=True, check=False
    )
    assert scan.returncode == 0, scan.stdout
    control = subprocess.run(
        [sys.executable, str(SCANNER), str(_copy_of(before, tmp_path / "before")), str(values)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert control.returncode != 0, "the scanner must find them in the copy as it was"

    touched = {name for name in before if after.get(name) != before[name]}
    for name in before:
        if name.endswith(".tar"):
            with tarfile.open(copy / name) as tar:
                keys = {member.name.split(".")[0] for member in tar}
            with tarfile.open(tmp_path / "before" / name) as tar:
                lost = {member.name.split(".")[0] for member in tar} - keys
            assert bool(lost) == (name in touched), name

    for secret in (named, link_id(named).hex(), hashlib.sha1(pictures[named]).hexdigest()):
        assert secret not in story.printed
        for name, data in _files(tmp_path / "w" / "feed").items():
            assert secret.encode() not in data, name

    victim = next(p for p in sorted(copy.glob("*.tar")))
    changed = bytearray(victim.read_bytes())
    changed[600] ^= 1
    victim.write_bytes(changed)
    assert story_code(story, "purge", "verify", str(copy), "--feed", feed, "--root", str(root)) != 0


def story_code(story: Story, *arguments: str) -> int:
    """The exit code of a command that must fail."""
    result = subprocess.run(
        [LINKWELL, "-w", str(story.folder / "w"), *arguments, "--json"], capture_output=True, text=True, check=False
    )
    return result.returncode


def _copy_of(files: Mapping[str, bytes], folder: Path) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder
