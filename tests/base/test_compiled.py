"""Where compiled code is kept."""

from pathlib import Path

import pytest

from linkwell.base import compiled


def test_compiled_code_is_kept_where_only_the_user_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache folder is made with mode 0700; one that others may write to is not used."""
    monkeypatch.setenv("LINKWELL_CACHE", str(tmp_path))
    folder = compiled._cache_folder()
    assert folder is not None
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    assert compiled._cache_folder() is None
