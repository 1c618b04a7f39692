"""Findings at rest."""

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkwell.base.errors import DamagedFileError
from linkwell.base.workspace import Workspace
from linkwell.lists import FINDING_CLASSES, Finding, Match, read_findings, write_findings

_FINDINGS = [
    Finding(b"b" * 16, "exact", "hotline", "md5"),
    Finding(b"a" * 16, "perceptual", "hotline", "pdq"),
    Finding(b"a" * 16, "url", "other", "url"),
]


@pytest.mark.parametrize(
    ("algorithm", "finding_class"),
    [("md5", "exact"), ("sha1", "exact"), ("sha256", "exact"), ("pdq", "perceptual"), ("url", "url")],
)
def test_the_class_follows_from_the_algorithm(algorithm: str, finding_class: str) -> None:
    """Only PDQ is perceptual: what asks is never taken for what decides (ground rule 2)."""
    finding = Finding.of(bytes(16), Match("hotline", algorithm))
    assert finding == Finding(bytes(16), finding_class, "hotline", algorithm)
    assert finding_class in FINDING_CLASSES


def test_findings_come_back(workspace: Workspace) -> None:
    """Written sorted and each once, whatever the order; read from all files; sealed and mode 0600."""
    path = workspace.findings / "audit-1.parquet"
    write_findings(path, [*_FINDINGS, *_FINDINGS], workspace.master_key())
    write_findings(workspace.findings / "audit-2.parquet", [], workspace.master_key())
    assert list(read_findings(workspace)) == sorted(_FINDINGS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"a" * 16 not in path.read_bytes()
    assert b"hotline" not in path.read_bytes()


def test_no_findings(workspace: Workspace) -> None:
    """A workspace without findings reads as none."""
    assert list(read_findings(workspace)) == []


def test_damage_stops_the_reader(workspace: Workspace) -> None:
    """A findings file that does not open is never skipped: its entries would go unquarantined."""
    path = workspace.findings / "audit.parquet"
    write_findings(path, _FINDINGS, workspace.master_key())
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + b"\0\0" + data[len(data) // 2 + 2 :])
    with pytest.raises(DamagedFileError, match=r"audit\.parquet"):
        list(read_findings(workspace))


@given(st.binary(min_size=16, max_size=16))
def test_repr_does_not_show_the_link(link_id: bytes) -> None:
    """The id of a suspected entry does not get into a log by way of a repr."""
    assert repr(Finding(link_id, "exact", "hotline", "md5")) == "Finding(exact, source='hotline', algorithm='md5')"
