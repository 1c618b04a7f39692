"""Ground rule 8: hash lists never enter a log, an error message or a file in the clear. All entries are made up."""

import base64
import logging
import stat
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkwell.base.errors import LinkwellError
from linkwell.base.ids import canonical_id, link_id
from linkwell.base.workspace import Workspace
from linkwell.lists import LIST_FORMATS, import_list, load_matcher, show_lists
from linkwell.lists.kinds import SIGNAL_NAMES, Refused, parse_signal

_MD5 = bytes.fromhex("c0ffee00c0ffee11c0ffee22c0ffee33")
_PDQ = bytes(range(100, 132))
_URL = "http://canary-of-the-test.example/secret-path.jpg"
_TEXTS = (_MD5.hex(), _PDQ.hex(), "canary-of-the-test", "secret-path", "c0ffee")


def _list(folder: Path, *more: str) -> Path:
    path = folder / "list.txt"
    path.write_text("\n".join(["# synthetic", f"md5 {_MD5.hex()}", f"pdq {_PDQ.hex()}", f"url {_URL}", *more]) + "\n")
    return path


def _needles() -> list[bytes]:
    values = [
        _MD5,
        _PDQ,
        link_id(_URL),
        canonical_id(_URL) or b"",
        _URL.encode(),
        b"canary-of-the-test",
        b"secret-path",
    ]
    needles = []
    for value in values:
        needles += [value, value.hex().encode(), value.hex().upper().encode(), base64.b64encode(value)[:-4]]
    return needles


def test_no_file_holds_an_entry_in_the_clear(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> None:
    """After an import no file of the workspace has an entry's bytes, hex or base64, and those of the lists are mode 0600."""
    import_list(workspace, _list(tmp_path_factory.mktemp("outside")), source="hotline")
    assert not load_matcher(workspace).empty
    files = [path for path in workspace.root.rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        data = path.read_bytes()
        assert not any(needle in data for needle in _needles()), path
        if path.parent == workspace.lists:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_said_holds_an_entry(
    workspace: Workspace, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Reports, reprs, logs and output of an import with good and bad rows hold nothing of any row."""
    caplog.set_level(logging.DEBUG)
    bad = [
        f"md5 {_MD5.hex()}0",
        f"{_MD5.hex()}",
        "url canary-of-the-test.example/secret-path.jpg",
        f"{_URL} x",
        f"pdq {_MD5.hex()}",
    ]
    report = import_list(workspace, _list(tmp_path, *bad), source="hotline")
    assert report.rejected_count == len(bad)
    matcher = load_matcher(workspace)
    matches = matcher.match_link(link_id(_URL), canonical_id(_URL))
    assert matches
    said = (
        repr(report)
        + repr(show_lists(workspace))
        + repr(matcher)
        + repr(matches)
        + caplog.text
        + "".join(capfd.readouterr())
    )
    assert not any(text in said for text in _TEXTS)


@pytest.mark.parametrize("list_format", [None, *LIST_FORMATS])
def test_errors_hold_nothing_of_the_file(workspace: Workspace, tmp_path: Path, list_format: str | None) -> None:
    """However a list is misread, the error and all that it was raised from name the file and never its content."""
    path = tmp_path / "list.txt"
    for content in (f"{_URL} \n{_MD5.hex()}z\n", f'"{_MD5.hex()},x\n', f"\ufeff{_MD5.hex()}\udcff"):
        path.write_bytes(content.encode("utf-8", "surrogateescape"))
        error = _refusal(workspace, path, list_format)
        if error is not None:
            told = "".join(traceback.format_exception(error, chain=True))
            assert "list.txt" in str(error)
            assert not any(text in told for text in _TEXTS)


def _refusal(workspace: Workspace, path: Path, list_format: str | None) -> LinkwellError | None:
    try:
        import_list(workspace, path, source="hotline", list_format=list_format)
    except LinkwellError as error:
        return error
    return None


@given(st.sampled_from([*SIGNAL_NAMES, b"video_md5", b"other"]), st.binary(min_size=8, max_size=60))
def test_reasons_come_from_a_fixed_set(name: bytes, text: bytes) -> None:
    """The reason of a refused row is the same whatever the row holds."""
    parsed = parse_signal(name, text)
    if isinstance(parsed, Refused):
        empty_reasons = {"no signal on the line", "not UTF-8"}
        probe = parse_signal(name, b"?")
        assert isinstance(probe, Refused)
        assert parsed.reason == probe.reason or parsed.reason in empty_reasons
