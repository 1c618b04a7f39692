"""robots.txt and its like inside a WARC: kept whole, applied to links of their hosts before de-duplication."""

from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
from tests.build.archives import record, response_record

from linkwell.base.shards import read_tables
from linkwell.base.workspace import Workspace
from linkwell.build import build, current_build, explain
from linkwell.engine import Engine
from linkwell.rights import DEFAULT_POLICY, load_policy

PAGE = (
    b'<html><body><img src="https://img.example/art/a.jpg" alt="a grey heron">'
    b'<img src="https://img.example/open/b.jpg" alt="a white stork">'
    b'<img src="https://other.example/c.png" alt="a black kite"></body></html>'
)


def served(url: str, body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """A response for a well-known file."""
    head = b"HTTP/1.1 " + status.encode() + b"\r\n" + b"".join(f"{line}\r\n".encode() for line in headers)
    return record("response", "application/http; msgtype=response", head + b"\r\n" + body, url)


def verdicts(workspace: Workspace) -> dict[str, tuple[str, str, str]]:
    """Verdicts by the end of the URL."""
    found = {}
    for table in read_tables(current_build(workspace).links):
        for row in table.to_pylist():
            found[row["url"].rpartition("/")[2]] = (row["train_ai"], row["tdm"], row["search"])
    return found


def built(workspace: Workspace, engine: Engine, tmp_path: Path, *files: bytes, page: bytes = PAGE) -> None:
    """Build from a WARC with one page and these files; the files come last, as no order is promised."""
    path = tmp_path / "crawl.warc"
    path.write_bytes(response_record(page, "https://page.example/birds.html") + b"".join(files))
    build(workspace, [str(path)], crawl="TEST", engine=engine)


UNKNOWN = ("unknown", "unknown", "unknown")


def test_robots_of_the_image_host_speaks_of_its_images(workspace: Workspace, engine: Engine, tmp_path: Path) -> None:
    """Only the paths that a training agent may not fetch are disallowed, only on that host."""
    built(
        workspace, engine, tmp_path, served("https://img.example/robots.txt", b"User-agent: GPTBot\nDisallow: /art/\n")
    )
    assert verdicts(workspace) == {"a.jpg": ("disallow", "unknown", "unknown"), "b.jpg": UNKNOWN, "c.png": UNKNOWN}


def test_files_of_the_page_host_reach_its_images_by_policy(
    workspace: Workspace, engine: Engine, tmp_path: Path
) -> None:
    """The default lets a page's opt-out cover its images; a workspace's policy can say otherwise, and is another build."""
    files = [served("https://page.example/.well-known/tdmrep.json", b'[{"location":"/","tdm-reservation":1}]')]
    built(workspace, engine, tmp_path, *files)
    assert set(verdicts(workspace).values()) == {("disallow", "disallow", "unknown")}
    first = current_build(workspace)
    assert first.rights_policy_sha256 == DEFAULT_POLICY.sha256
    (workspace.root / "rights.toml").write_text(
        'name = "mine"\npages_cover_images = false\n[agents]\ntraining = ["CCBot"]\n'
    )
    built(workspace, engine, tmp_path, *files)
    assert set(verdicts(workspace).values()) == {UNKNOWN}
    second = current_build(workspace)
    assert second.name != first.name
    assert second.rights_policy_sha256 == load_policy(workspace).sha256


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([served("https://img.example/ai.txt", b"User-Agent: *\nDisallow: *.jpg\n")], ("disallow", "disallow", "unknown")),
        ([served("https://img.example/trust.txt", b"datatrainingallowed=no\n")], ("disallow", "unknown", "unknown")),
        ([served("https://img.example/robots.txt", b"oops", "503 Busy")], ("disallow", "unknown", "disallow")),
        ([served("https://img.example/robots.txt", b"User-agent: *\nDisallow: /", "404 Not Found")], UNKNOWN),
        ([served("https://img.example/.well-known/tdmrep.json", b"<!DOCTYPE html><p>404</p>")], UNKNOWN),
        ([served("https://img.example/robots.txt", b"<html>User-agent: *\nDisallow: /</html>")], UNKNOWN),
        (
            [
                served("http://img.example/robots.txt", b"", "301 Moved", "Location: https://www.img.example/robots.txt"),
                served("https://www.img.example/robots.txt", b"User-agent: *\nContent-Signal: ai-train=no\n"),
            ],
            ("disallow", "unknown", "unknown"),
        ),
        ([served("https://img.example/.well-known/tdmrep.json", b'[{"location":"/","tdm-reservation":0}]')], ("unknown", "allow", "unknown")),
        (
            [served("https://img.example/robots.txt", b"User-agent: *\nDisallow: /"), served("https://img.example/robots.txt", b"down", "500 Oops")],
            ("disallow", "unknown", "disallow"),
        ),
    ],
)  # fmt: skip
def test_what_each_response_is_worth(
    workspace: Workspace, engine: Engine, tmp_path: Path, files: list[bytes], expected: tuple[str, str, str]
) -> None:
    """2xx counts unless it is HTML, 4xx is no file, 5xx of robots.txt is complete disallow, a redirect leads on."""
    built(workspace, engine, tmp_path, *files)
    assert verdicts(workspace)["a.jpg"] == expected
    assert verdicts(workspace)["c.png"] == UNKNOWN


def test_a_permission_does_not_lift_what_is_malformed(workspace: Workspace, engine: Engine, tmp_path: Path) -> None:
    """A page whose reservation does not read keeps its `unknown`, whatever a file of the host allows."""
    page = b'<html><head><meta name="tdm-reservation" content="yes"></head>' + PAGE
    allowing = served("https://page.example/.well-known/tdmrep.json", b'[{"location":"/","tdm-reservation":0}]')
    built(workspace, engine, tmp_path, allowing, page=page)
    assert set(verdicts(workspace).values()) == {UNKNOWN}


def test_evidence_is_kept_whole_and_explained(workspace: Workspace, engine: Engine, tmp_path: Path) -> None:
    """Page statements and files stand beside the links, and each statement about a link is told with where and when."""
    page = (
        b'<html><head><meta name="robots" content="noai"><link rel="license" href="https://creativecommons.org/licenses/by/4.0/"></head>'
        + PAGE
    )
    body = b"User-agent: CCBot\nDisallow: /art\n" + b"# as served\n"
    built(workspace, engine, tmp_path, served("https://img.example/robots.txt", body), page=page)
    made = current_build(workspace)
    (kept,) = made.well_known
    assert pq.read_table(kept)["body"].to_pylist() == [body]
    found = explain("https://IMG.example/art/a.jpg", made.links, made.evidence, made.well_known, policy=DEFAULT_POLICY)
    told = {(each.kind, each.use, each.verdict, each.of, each.where) for each in found.statements}
    assert told == {
        ("robots-meta", "train_ai", "disallow", "page", "https://page.example/birds.html"),
        ("robots.txt", "train_ai", "disallow", "image", "https://img.example/robots.txt"),
        ("license", "license", "stated", "page", "https://page.example/birds.html"),
    }
    assert {each.seen_at for each in found.statements} == {"2024-05-18T01:58:10+00:00"}
    assert any(each.said == "User-agent: ccbot: Disallow: /art" for each in found.statements)
    assert found.verdicts["train_ai"] == "disallow"


def test_the_stage_is_only_there_where_there_are_files(workspace: Workspace, engine: Engine, tmp_path: Path) -> None:
    """Without captures nothing is rewritten, and build.json names the policy all the same."""
    built(workspace, engine, tmp_path)
    made = current_build(workspace)
    assert made.well_known == ()
    read = msgspec.json.decode((workspace.builds / made.name / "build.json").read_bytes())
    assert read["rights_policy"] == "linkwell-default-1"
    assert read["rights_policy_sha256"] == DEFAULT_POLICY.sha256
