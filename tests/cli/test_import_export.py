"""The commands `import`, `export`, `credit` and the option `--against`, as people and scripts meet them."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook
from linkwell.cli import main

URLS = [f"http://site.example/{n}.jpg" for n in range(3)]
Run = Callable[..., tuple[object, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in a workspace with one process; returns its exit code and what it printed."""
    Workspace.create(tmp_path / "w", settings_text='dataset = "links"\n[engine]\nworkers = 1\n')

    def run_command(*arguments: str) -> tuple[object, str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["linkwell", "-w", str(tmp_path / "w"), *arguments])
            with pytest.raises(SystemExit) as stop:
                main()
        captured = capsys.readouterr()
        return stop.value.code, captured.out + (captured.err if stop.value.code not in (0, 1) else "")

    return run_command


def _list(path: Path, urls: list[str]) -> str:
    path.write_text("url,caption\n" + "".join(f"{url},a text {n}\n" for n, url in enumerate(urls)))
    return str(path)


def test_import_says_what_it_took_and_what_it_left(run: Run, tmp_path: Path) -> None:
    """The schema, the columns, the numbers of bad rows, and in JSON the same; exit code 1 when a row was no link."""
    code, out = run("import", "--no-language", _list(tmp_path / "l.csv", [*URLS, "nonsense"]))
    assert code == 1
    assert "3 links" in out
    assert "text from caption" in out
    assert "relative_url: row 5" in out
    code, out = run("import", "--no-language", "--json", str(tmp_path / "l.csv"))
    assert (code, json.loads(out)["rejected"]) == (1, {"relative_url": 1})
    code, out = run("import", "--format", "nope", str(tmp_path / "l.csv"))
    assert code == 2
    code, out = run("import", "--url-column", "link", str(tmp_path / "l.csv"))
    assert (code, "it has: url, caption" in out) == (3, True)


def test_one_is_not_spoken_of_as_many(run: Run, tmp_path: Path) -> None:
    """One row in one file is one link."""
    _, out = run("import", "--no-language", _list(tmp_path / "l.csv", URLS[:1]))
    assert "1 row in 1 file: 1 link, 0 duplicates" in out
    _, out = run("export", "--as", "laion", str(tmp_path / "out"))
    assert "1 link of build" in out
    assert "1 file;" in out


def test_against_leaves_out_what_is_there_already(run: Run, tmp_path: Path) -> None:
    """A build by its name, a file, a folder, another workspace."""
    code, out = run("import", "--no-language", "--json", _list(tmp_path / "old.csv", URLS[:2]))
    assert code == 0
    old = json.loads(out)["name"]
    files = sorted((tmp_path / "w" / "builds" / old).rglob("*.links.parquet"))
    new = _list(tmp_path / "new.csv", URLS)
    for named in (old, str(files[0]), str(files[0].parent), str(tmp_path / "w")):
        run("import", "--no-language", str(tmp_path / "old.csv"))
        code, out = run("import", "--no-language", "--json", "--against", named, new)
        answer = json.loads(out)
        assert (code, answer["links"], answer["known"]) == (0, 1, 2), named
    code, out = run("import", "--against", "nothing", new)
    assert (code, "no such release, build, workspace or file" in out) == (3, True)


def test_a_quarantined_link_of_a_build_is_neither_exported_nor_credited(run: Run, tmp_path: Path) -> None:
    """It leaves no trace in the files, and is answered like one that was never there."""
    run("import", "--no-language", _list(tmp_path / "l.csv", URLS))
    CaseBook.open(Workspace.open(tmp_path / "w")).report([URLS[1]], kind="opt-out", who="form")
    code, out = run("export", "--as", "laion", str(tmp_path / "to"), "--json")
    assert (code, json.loads(out)["rows"], json.loads(out)["left_out"]) == (0, 2, 1)
    assert pq.read_table(tmp_path / "to" / "part-00000.parquet")["URL"].to_pylist() == [URLS[0], URLS[2]]
    for absent in (URLS[1], "http://nowhere.example/"):
        code, out = run("credit", str(tmp_path / "c.json"), absent, URLS[0], "--as", "json", "--json")
        assert (code, json.loads(out)["missing"], json.loads(out)["links"]) == (1, 1, 1)
    code, _ = run("credit", str(tmp_path / "g.csv"), "--as", "csv", "--grouped")
    assert code == 0
    assert (tmp_path / "g.csv").read_text().splitlines()[1] == "site.example,,,,2,"


def test_an_import_becomes_a_release_that_is_exported_and_compared_with(run: Run, tmp_path: Path) -> None:
    """All that follows a build works on an import; a release is exported as it is published, whatever was reported since."""
    settings = 'dataset = "links"\n[engine]\nworkers = 1\n[release]\ncell_min_rows = 2\n'
    (tmp_path / "w" / "linkwell.toml").write_text(settings)
    urls = [f"http://s{n % 3}.example/{n}.jpg" for n in range(12)]
    run("import", "--no-language", _list(tmp_path / "l.csv", urls))
    for arguments in (
        ["feed", "keys"],
        ["feed", "init"],
        ["release", "create", "v1", "--as", "ana", "--without-audit", "a test"],
    ):
        code, out = run(*arguments)
        assert code in (0, 1), out
    CaseBook.open(Workspace.open(tmp_path / "w")).report([urls[1]], kind="opt-out", who="form")
    code, out = run("export", "--as", "datacomp", str(tmp_path / "to"), "--release", "v1", "--json")
    assert (code, json.loads(out)["rows"], json.loads(out)["source"]) == (0, 12, "release v1 revision 1")
    found = {url for path in (tmp_path / "to").glob("*.parquet") for url in pq.read_table(path)["url"].to_pylist()}
    assert found == set(urls)
    new = _list(tmp_path / "new.csv", [*urls, "http://new.example/"])
    code, out = run("import", "--no-language", "--json", "--against", "v1", new)
    assert (json.loads(out)["links"], json.loads(out)["known"]) == (1, 12)
