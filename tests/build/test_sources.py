"""What sources come to."""

import gzip
from pathlib import Path

import pytest

from linkwell.base.errors import FormatError, MissingError, UsageError
from linkwell.build import expand_sources


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    """A folder with archives, one of them deeper, and something else."""
    for name in ("b.warc.wat.gz", "a.warc.gz", "deep/c.warc", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def names(sources: list[str], folder: Path) -> list[str]:
    return [str(Path(source).relative_to(folder)) for source in expand_sources(sources)]


def test_files_patterns_and_folders(crawl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file once, in the order given; patterns and folders in the order of names; relative paths become absolute."""
    assert names([str(crawl)], crawl) == ["a.warc.gz", "b.warc.wat.gz", "deep/c.warc"]
    assert names([str(crawl / "*.gz")], crawl) == ["a.warc.gz", "b.warc.wat.gz"]
    assert names([str(crawl / "deep/c.warc"), str(crawl / "**/*.warc*")], crawl)[0] == "deep/c.warc"
    monkeypatch.chdir(crawl)
    assert names(["a.warc.gz", "*.gz", "deep"], crawl) == ["a.warc.gz", "b.warc.wat.gz", "deep/c.warc"]


@pytest.mark.parametrize("name", ["list.txt", "wat.paths", "wat.paths.gz", "list.txt.gz"])
def test_lists_of_paths(crawl: Path, name: str) -> None:
    """Lines are paths, beside the list or anywhere, patterns too; comments and empty lines are passed over; gzipped or not."""
    text = f"# archives\n\n a.warc.gz\n{crawl / 'deep'}\n".encode()
    (crawl / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    assert names([str(crawl / name)], crawl) == ["a.warc.gz", "deep/c.warc"]
    (crawl / "plain").write_bytes(text)
    assert names([f"@{crawl / 'plain'}"], crawl) == ["a.warc.gz", "deep/c.warc"]


def test_urls(crawl: Path) -> None:
    """URLs stay as they are; patterns in them are looked up."""
    assert expand_sources(["s3://bucket/x.warc.gz"] if _has_s3() else ["https://h.example/x.warc.gz"])[0].endswith(
        "x.warc.gz"
    )
    assert [Path(url).name for url in expand_sources([f"file://{crawl}/*.gz"])] == ["a.warc.gz", "b.warc.wat.gz"]


def _has_s3() -> bool:
    try:
        import s3fs  # type: ignore[import-not-found] # noqa: F401, PLC0415 # an extra that may not be there
    except ImportError:
        return False
    return True


def test_what_is_not_there_is_said(crawl: Path) -> None:
    """No source, a missing file, an empty pattern, folder or list, a list that is none, an address of an unknown kind."""
    (crawl / "empty.txt").write_bytes(b"\n")
    (crawl / "odd.paths.gz").write_bytes(b"\x1f\x8bodd")
    (crawl / "void").mkdir()
    with pytest.raises(UsageError):
        expand_sources([])
    with pytest.raises(UsageError):
        expand_sources(["nosuch://x/y"])
    for missing in ("no.warc", "*.wet", "void", "empty.txt", "no.txt"):
        with pytest.raises(MissingError):
            expand_sources([str(crawl / missing)])
    with pytest.raises(FormatError):
        expand_sources([str(crawl / "odd.paths.gz")])
