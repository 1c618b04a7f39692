"""The documents of a release: true, reproducible, and readable by those they are for."""

import csv
import json
import subprocess
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import pyarrow.parquet as pq
import pytest
from tests.release.conftest import SetBuild, some_urls

from linkwell.base.errors import MissingError
from linkwell.base.workspace import Workspace
from linkwell.engine import SerialEngine
from linkwell.feed import published_targets
from linkwell.release import (
    Release,
    create_release,
    get_release,
    list_releases,
    open_release,
    publish_release,
    withdraw_all,
)
from linkwell.release.documents import DOCUMENTS, write_documents
from linkwell.release.documents.croissant import semantic_version

ROOT = Path(__file__).resolve().parents[2]
VALIDATORS = [folder / ".peers/validators/bin/python" for folder in (ROOT, ROOT.parent / "main")]

_VALIDATE = """
import sys
import mlcroissant
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
folder = sys.argv[1]
dataset = mlcroissant.Dataset(jsonld=f"{folder}/croissant.json")
assert not dataset.metadata.ctx.issues.errors, dataset.metadata.ctx.issues.report()
print(sum(1 for _ in dataset.records("links")))
error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(f"{folder}/sbom.cdx.json").read())
assert error is None, error
"""


@pytest.fixture
def release(workspace: Workspace, set_build: SetBuild) -> Release:
    """Three hundred links in cells of ten."""
    set_build([*some_urls(290), *(f"https://cdn.shop.example.co.uk/{n}.jpg" for n in range(10))])
    create_release(workspace, "v1", engine=SerialEngine(), without_audit="a test", who="ada")
    return open_release(workspace, "v1")


def _rows(release: Release) -> list[dict[str, object]]:
    return [row for path in release.parts for row in pq.read_table(path).to_pylist()]


def test_numbers_are_those_of_the_rows(release: Release, tmp_path: Path) -> None:
    write_documents(release.manifest, release.parts, tmp_path)
    rows = _rows(release)
    with (tmp_path / "domains.csv").open() as file:
        sites = {row["domain"]: int(row["links"]) for row in csv.DictReader(file)}
    assert sites["example.co.uk"] == 10
    assert sum(sites.values()) == len(rows)
    hosts = Counter(str(row["url"]).split("/")[2] for row in rows)
    assert all(sites[host] == count for host, count in hosts.items() if host.count(".") == 1)
    card = (tmp_path / "README.md").read_text()
    training = Counter(row["train_ai"] for row in rows)
    assert f"| Training of AI | 0 | 0 | {training['disallow']} | {training['unknown']} |" in card
    assert "was not audited" in card


def test_the_same_release_gives_the_same_bytes(release: Release, tmp_path: Path) -> None:
    once = [path.read_bytes() for path in write_documents(release.manifest, release.parts, tmp_path / "a")]
    again = [path.read_bytes() for path in write_documents(release.manifest, release.parts, tmp_path / "b")]
    assert once == again
    assert len(once) == len(DOCUMENTS)


def test_every_part_is_in_the_bill_of_materials_and_every_column_in_croissant(release: Release, tmp_path: Path) -> None:
    write_documents(release.manifest, release.parts, tmp_path)
    bill = json.loads((tmp_path / "sbom.cdx.json").read_text())
    hashes = {each["hashes"][0]["content"] for each in bill["components"] if each["type"] == "file"}
    assert hashes == {part.sha256 for part in release.manifest.parts}
    described = json.loads((tmp_path / "croissant.json").read_text())
    names = [field["name"] for field in described["recordSet"][0]["field"]]
    assert names == pq.read_schema(release.parts[0]).names
    assert semantic_version(release.manifest) == "1.1.0"
    for name in DOCUMENTS:
        if name.endswith(".svg"):
            ET.parse(tmp_path / name)  # noqa: S314 - our own


def test_a_release_without_rows_has_documents_too(release: Release, tmp_path: Path) -> None:
    import msgspec  # noqa: PLC0415 - for this test alone

    empty = msgspec.structs.replace(release.manifest, parts=(), rows=0)
    for path in write_documents(empty, [], tmp_path):
        assert path.stat().st_size


def test_they_are_published_with_it_and_go_when_it_is_withdrawn(
    workspace: Workspace, release: Release, tmp_path: Path
) -> None:
    publish_release(workspace, "v1", "ada")
    listed = published_targets(workspace)
    assert {f"releases/birds/v1/{name}" for name in DOCUMENTS} < set(listed)
    get_release(str(workspace.feed), tmp_path / "got", trusted_root=workspace.feed / "metadata" / "1.root.json")
    assert {path.name for path in (tmp_path / "got").iterdir()} >= {*DOCUMENTS, "manifest.json", "parts"}
    withdraw_all(workspace, "under review", "ada", "ben")
    assert [info.status for info in list_releases(workspace)] == ["withdrawn"]
    left = [name for name in published_targets(workspace) if name.startswith("releases/")]
    assert sorted(left) == ["releases/birds/v1/withdrawn.html", "releases/birds/v1/withdrawn.json"]
    page = next((workspace.feed / "targets/releases/birds/v1").glob("*.withdrawn.html")).read_text()
    assert "is withdrawn" in page
    assert "under review" not in page
    with pytest.raises(MissingError, match="no release is published"):
        withdraw_all(workspace, "again", "ada", "ben")
    publish_release(workspace, "v1", "ada")
    assert "releases/birds/v1/withdrawn.html" not in published_targets(workspace)


def test_catalogues_read_them(workspace: Workspace, release: Release, tmp_path: Path) -> None:
    """Mlcroissant loads the release by its description; CycloneDX's own validator accepts the bill of materials."""
    python = next((path for path in VALIDATORS if path.exists()), None)
    if python is None:
        pytest.skip("needs mlcroissant and cyclonedx-python-lib in .peers/validators: .ci/run installs them")
    publish_release(workspace, "v1", "ada")
    get_release(str(workspace.feed), tmp_path / "got", trusted_root=workspace.feed / "metadata" / "1.root.json")
    found = subprocess.run([python, "-c", _VALIDATE, tmp_path / "got"], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert int(found.stdout) == release.rows
