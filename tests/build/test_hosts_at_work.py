"""Well-known files from archives of their own, what they lead to elsewhere, and pictures that are no links."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.build.archives import image, record, response_record, wat_record, wat_value
from typer.testing import CliRunner

from linkwell.base.shards import read_tables
from linkwell.base.workspace import Workspace
from linkwell.build import build, current_build, explain
from linkwell.build.wellknown import captures_in
from linkwell.cli import app
from linkwell.engine import Engine
from linkwell.rights import DEFAULT_POLICY

PICTURE = "https://img.example/heron.jpg"
NO_TRAINING = (
    b'<rsl xmlns="https://rslstandard.org/rsl"><content url="/"><license>'
    b'<permits type="usage">search</permits></license></content></rsl>'
)
ALL_FREE = NO_TRAINING.replace(b">search<", b">all<")


def served(url: str, body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """A response."""
    head = b"HTTP/1.1 " + status.encode() + b"\r\n" + b"".join(f"{line}\r\n".encode() for line in headers)
    return record("response", "application/http; msgtype=response", head + b"\r\n" + body, url)


def page(body: bytes = b"", url: str = "https://page.example/birds", *headers: str) -> bytes:
    """A page with the picture."""
    html = b'<html><head>%b</head><body><img src="%b" alt="a grey heron"></body></html>' % (body, PICTURE.encode())
    return response_record(html, url, ("Content-Type: text/html", *headers))


def verdicts(workspace: Workspace, url: str = PICTURE) -> tuple[str, str, str] | None:
    """The verdicts of a link of the current build."""
    for table in read_tables(current_build(workspace).links):
        for row in table.to_pylist():
            if row["url"] == url:
                return row["train_ai"], row["tdm"], row["search"]
    return None


def built(
    workspace: Workspace, engine: Engine, tmp_path: Path, records: Sequence[bytes], apart: Sequence[bytes] = ()
) -> None:
    """Build from one archive, with well-known files in another."""
    (tmp_path / "crawl.warc").write_bytes(b"".join(records))
    (tmp_path / "robotstxt.warc").write_bytes(b"".join(apart))
    more = [str(tmp_path / "robotstxt.warc")] if apart else []
    build(workspace, [str(tmp_path / "crawl.warc")], crawl="TEST", engine=engine, well_known=more)


def told(workspace: Workspace) -> set[tuple[str, str, str, str]]:
    """Kind, verdict, what it is said of, and where each statement on training stood."""
    made = current_build(workspace)
    found = explain(PICTURE, made.links, made.evidence, made.well_known, policy=DEFAULT_POLICY)
    return {(each.kind, each.verdict, each.of, each.where) for each in found.statements if each.use == "train_ai"}


def test_a_wat_gets_its_hosts_files_from_an_archive_apart(workspace: Workspace, engine: Engine, tmp_path: Path) -> None:
    """As Common Crawl deals them: pages in one file, robots.txt in another, which is read for nothing else."""
    wat = wat_record(wat_value("https://page.example/birds", [image(PICTURE, "a grey heron")]))
    robots = served("https://img.example/robots.txt", b"User-agent: CCBot\nDisallow: /\n")
    other = page(url="https://else.example/").replace(b"heron.jpg", b"owl.jpg")
    built(workspace, engine, tmp_path, [wat], [other, robots])
    assert verdicts(workspace) == ("disallow", "unknown", "unknown")
    assert current_build(workspace).rows == 1
    assert told(workspace) == {("robots.txt", "disallow", "image", "https://img.example/robots.txt")}


def test_files_apart_make_another_build(workspace: Workspace, engine: Engine, tmp_path: Path) -> None:
    """The same sources with and without are two builds, each resumed by its own command."""
    crawl, apart = tmp_path / "crawl.warc", tmp_path / "robots.warc"
    crawl.write_bytes(page())
    apart.write_bytes(served("https://img.example/robots.txt", b"User-agent: *\nDisallow: /"))
    names = [
        build(workspace, [str(crawl)], crawl="TEST", engine=engine, well_known=more).name
        for more in ((), (str(apart),), ())
    ]
    assert names[0] == names[2] != names[1]


def test_the_command_takes_files_apart(workspace: Workspace, tmp_path: Path) -> None:
    """`--well-known` on the command line, and how many files were found."""
    (tmp_path / "crawl.warc").write_bytes(page())
    (tmp_path / "robots.warc").write_bytes(served("https://img.example/robots.txt", b"User-agent: *\nDisallow: /"))
    command = ["build", str(tmp_path / "crawl.warc"), "--well-known", str(tmp_path / "robots.warc")]
    result = CliRunner().invoke(app, [*command, "--json", "-w", str(workspace.root)])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["well_known_files"] == 1
    assert verdicts(workspace) == ("disallow", "unknown", "disallow")


@pytest.mark.parametrize(
    ("target", "files", "expected"),
    [
        # on the same host at no usual path, on another host, behind a redirect, absent
        ("https://img.example/legal/terms.rsl", {"https://img.example/legal/terms.rsl": NO_TRAINING}, "disallow"),
        ("https://law.example/terms", {"https://law.example/terms": NO_TRAINING}, "disallow"),
        ("https://law.example/terms", {"https://law.example/terms": ALL_FREE}, "allow"),
        ("https://law.example/old", {"https://law.example/old": "https://law.example/new", "https://law.example/new": NO_TRAINING}, "disallow"),
        ("https://law.example/a", {"https://law.example/a": "https://law.example/b", "https://law.example/b": "https://law.example/a"}, "conditional"),
        ("https://law.example/terms", {}, "conditional"),
        ("https://law.example/terms", {"https://other.example/terms": NO_TRAINING}, "conditional"),
    ],
)  # fmt: skip
def test_robots_names_rsl_terms(  # noqa: PLR0917 - as pytest gives them
    workspace: Workspace,
    engine: Engine,
    tmp_path: Path,
    target: str,
    files: dict[str, bytes | str],
    expected: str,
) -> None:
    """A `License:` is followed to wherever the archives have its document; what is not there stays a pointer."""
    records = [served("https://img.example/robots.txt", f"User-agent: *\nAllow: /\nLicense: {target}".encode())]
    for url, body in files.items():
        if isinstance(body, str):
            type_line = "Content-Type: application/rsl+xml"
            records.append(served(url, b"", "301 Moved", f"Location: {body}", type_line))
        else:
            records.append(served(url, body, "200 OK", "Content-Type: application/rsl+xml; charset=utf-8"))
    built(workspace, engine, tmp_path, [page(), *records])
    found = verdicts(workspace)
    assert found is not None
    assert found[0] == expected
    kind = "rsl-pointer" if expected == "conditional" else "rsl"
    assert {(each[0], each[1]) for each in told(workspace)} == {(kind, expected)}


@pytest.mark.parametrize(
    ("head", "header"),
    [
        (b'<link rel="license" type="application/rsl+xml" href="https://law.example/terms">', ""),
        (b"", 'Link: <https://law.example/terms>; rel="license"; type="application/rsl+xml"'),
        (b'<link rel="license" type="application/rsl+xml" href="/terms">', ""),
    ],
)
def test_a_page_names_rsl_terms(workspace: Workspace, engine: Engine, tmp_path: Path, head: bytes, header: str) -> None:
    """A `<link>` and a Link header are followed too, relative ones from the page."""
    host = "page" if b'href="/' in head else "law"
    terms = served(f"https://{host}.example/terms", NO_TRAINING, "200 OK", "Content-Type: application/rsl+xml")
    built(workspace, engine, tmp_path, [page(head, "https://page.example/birds", *([header] if header else [])), terms])
    assert verdicts(workspace) == ("disallow", "unknown", "allow")
    assert ("rsl", "disallow", "page", f"https://{host}.example/terms") in told(workspace)


@pytest.mark.parametrize("wat", [True, False])
def test_a_host_that_keeps_its_pages_out_keeps_their_pictures_out(
    workspace: Workspace, engine: Engine, tmp_path: Path, *, wat: bool
) -> None:
    """The artist's robots.txt shuts training crawlers out of a page whose picture has no caption; a blog shows the same picture.

    The picture is on a third host that says nothing, so that only the page speaks of it.
    """
    robots = served("https://artist.example/robots.txt", b"User-agent: GPTBot\nDisallow: /gallery\n")
    if wat:
        records = [
            wat_record(wat_value("https://artist.example/gallery/1", [image(PICTURE, None), image("/own.jpg", "my own heron")])),
            wat_record(wat_value("https://blog.example/post", [image(PICTURE, "a heron I saw"), image("/b.jpg", "a blog picture")])),
        ]  # fmt: skip
    else:
        pictures = b'<img src="%b" alt="a heron I saw"><img src="/b.jpg" alt="a blog picture">' % PICTURE.encode()
        records = [
            page(url="https://artist.example/gallery/1").replace(b'alt="a grey heron"', b'alt="            "'),
            response_record(pictures, "https://blog.example/post"),
        ]
    built(workspace, engine, tmp_path, records, [robots])
    assert verdicts(workspace) is None
    assert verdicts(workspace, "https://blog.example/b.jpg") == ("unknown", "unknown", "unknown")
    assert current_build(workspace).report.rejected["opted_out_elsewhere"] == 1


def test_a_path_that_robots_leaves_open_keeps_nothing_out(workspace: Workspace, engine: Engine, tmp_path: Path) -> None:
    """Only pages that the file speaks of reserve their pictures."""
    records = [
        wat_record(wat_value("https://artist.example/news/1", [image(PICTURE, None)])),
        wat_record(wat_value("https://blog.example/post", [image(PICTURE, "a heron I saw")])),
    ]
    robots = served("https://artist.example/robots.txt", b"User-agent: GPTBot\nDisallow: /gallery\n")
    built(workspace, engine, tmp_path, records, [robots])
    assert verdicts(workspace) == ("unknown", "unknown", "unknown")


@pytest.mark.parametrize("wat", [True, False])
def test_a_meta_named_after_a_crawler_of_ones_own_policy_is_read(
    workspace: Workspace, engine: Engine, tmp_path: Path, *, wat: bool
) -> None:
    """Under the default policy nobody asks about it; under one's own it decides, also in the same process."""
    links = [image(PICTURE, "a grey heron")]
    head = {"Metas": [{"name": "HouseBot", "content": "noai"}]}
    record = (
        wat_record(wat_value("https://page.example/birds", links, head=head))
        if wat
        else page(b'<meta name="HouseBot" content="noai">')
    )
    built(workspace, engine, tmp_path, [record])
    assert verdicts(workspace) == ("unknown", "unknown", "unknown")
    (workspace.root / "rights.toml").write_text('name = "mine"\n[agents]\ntraining = ["housebot"]\n')
    built(workspace, engine, tmp_path, [record])
    assert verdicts(workspace) == ("disallow", "unknown", "unknown")
    assert told(workspace) == {("robots-meta", "disallow", "page", "https://page.example/birds")}


def test_each_capture_is_dealt_once_whatever_the_number_of_shards(
    workspace: Workspace, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice the shards read no capture twice: each is read when it is dealt, and in the one bucket of its host."""
    from linkwell.build import judging  # noqa: PLC0415 - its parts are counted

    read: list[str] = []
    plain = captures_in

    def counted(table: object) -> object:
        for host, capture in plain(table):  # type: ignore[arg-type] # passed through
            read.append(capture.url)
            yield host, capture

    monkeypatch.setattr(judging, "captures_in", counted)
    monkeypatch.setattr(judging, "_BUCKET_LINKS", 2)
    robots = [served(f"https://h{n}.example/robots.txt", b"User-agent: *\nDisallow: /") for n in range(4)]
    (tmp_path / "robots.warc").write_bytes(b"".join(robots))
    for shards in (2, 6):
        read.clear()
        paths = []
        for shard in range(shards):
            links = [image(f"https://h{n}.example/{shard}.jpg", f"picture {shard} {n}") for n in range(4)]
            path = tmp_path / f"{shards}-{shard}.warc.wat"
            path.write_bytes(wat_record(wat_value(f"https://p{shard}.example/", links)))
            paths.append(str(path))
        build(workspace, paths, crawl="TEST", engine=engine, well_known=[str(tmp_path / "robots.warc")])
        assert sorted(read) == [f"https://h{n}.example/robots.txt" for n in range(4)]
        for n in range(4):
            assert verdicts(workspace, f"https://h{n}.example/0.jpg") == ("disallow", "unknown", "disallow")
