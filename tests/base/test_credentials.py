"""Secrets that settings name: where one is missing, the error says how to give it, and never what another secret is."""

from pathlib import Path

import pytest

from linkwell.base.credentials import read_credential
from linkwell.base.errors import LinkwellError, MissingKeyError, UsageError

WHERE = "lists.exchanges.ncmec.credentials"


def test_a_missing_secret_is_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable, the file, the command: whoever reads the error knows what to set."""
    monkeypatch.delenv("NCMEC_LOGIN", raising=False)
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "empty").chmod(0o600)
    for reference, named in (
        ("env:NCMEC_LOGIN", "environment variable NCMEC_LOGIN"),
        ("file:keys/ncmec", str(tmp_path / "keys" / "ncmec")),
        ("file:empty", str(tmp_path / "empty")),
        ("command:true", "printed nothing"),
    ):
        with pytest.raises(MissingKeyError, match=named) as error:
            read_credential(reference, WHERE, tmp_path)
        assert error.value.where == WHERE
    with pytest.raises(UsageError, match="env:NAME"):
        read_credential("hunter2", WHERE, tmp_path)


@pytest.mark.parametrize("reference", ["env:me:hunter2", "env:hunter2", "command:no-such-program hunter2"])
def test_a_secret_in_the_wrong_place_is_not_repeated(tmp_path: Path, reference: str) -> None:
    """What stands where a name should is not shown: it may be the secret."""
    with pytest.raises(LinkwellError) as error:
        read_credential(reference, WHERE, tmp_path)
    assert "hunter2" not in str(error.value)


def test_a_secret_is_read_from_each_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NCMEC_LOGIN", " me:secret ")
    (tmp_path / "secret").write_text("me:secret\n")
    (tmp_path / "secret").chmod(0o600)
    for reference in ("env:NCMEC_LOGIN", "file:secret", "command:printf 'me:secret\\nmore'"):
        assert read_credential(reference, WHERE, tmp_path) == "me:secret"
