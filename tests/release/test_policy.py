"""Under which rights policy a release's verdicts were made."""

from pathlib import Path

from tests.build.archives import response_record

from linkwell.base.workspace import Workspace
from linkwell.build import build, explain
from linkwell.engine import Engine
from linkwell.release import create_release, open_release
from linkwell.rights import load_policy


def test_the_policy_of_the_build_stands_in_the_manifest(workspace: Workspace, engine: Engine, tmp_path: Path) -> None:
    """The hash of the policy that the verdicts were made under, not of the one that stands there later."""
    (workspace.root / "rights.toml").write_text('name = "mine"\n[agents]\ntraining = ["CCBot"]\n')
    held = load_policy(workspace)
    page = b'<meta name="robots" content="noai"><img src="/heron.jpg" alt="a grey heron">'
    (tmp_path / "a.warc").write_bytes(response_record(page, "https://page.example/"))
    build(workspace, [str(tmp_path / "a.warc")], crawl=None, engine=engine)
    (workspace.root / "rights.toml").unlink()
    create_release(workspace, "v1", engine=engine, without_audit="a test", who="ada")
    release = open_release(workspace, "v1")
    assert release.manifest.rights_policy_sha256 == held.sha256
    found = explain("https://page.example/heron.jpg", release.parts, (), (), policy=held)
    assert found.verdicts["train_ai"] == "disallow"
