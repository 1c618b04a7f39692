"""`purge watch`: in step, something new, a stale feed, a feed that cannot be reached."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.purge.test_commands import published  # noqa: F401 - a fixture
from typer.testing import CliRunner

from linkwell.base.errors import LinkwellError, MissingError, StaleFeedError
from linkwell.cli import app
from linkwell.engine import SerialEngine
from linkwell.feed import client as client_module
from linkwell.purge import FeedAddress, receipts_in, watch_once


def once(copy: Path, feed: str, root: str, code: int = 0) -> Any:
    arguments = ["purge", "watch", str(copy), "--feed", feed, "--root", root, "--once", "--workers", "1", "--json"]
    result = CliRunner().invoke(app, arguments)
    if isinstance(result.exception, LinkwellError):
        raise result.exception
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_it_purges_once_and_is_in_step_then(published: Any) -> None:  # noqa: F811 - the fixture
    """The first look purges; the second finds nothing new and writes no receipt."""
    copy, feed, root, rows = published
    first = once(copy, feed, root)
    assert first["purged"]
    assert first["complete"]
    assert first["rows_removed"] >= sum(r.cell == 2 for r in rows)
    assert once(copy, feed, root) == {"sequence": 1, "purged": False}
    assert len(receipts_in(copy / ".linkwell" / "receipts")) == 1


def test_an_unfinished_or_incomplete_purge_is_not_in_step(published: Any) -> None:  # noqa: F811 - same
    """A journal, or a receipt that names a problem, means another purge."""
    copy, feed, root, _rows = published
    (copy / "00000.tar").chmod(0o444)
    assert not once(copy, feed, root, code=1)["complete"]
    (copy / "00000.tar").chmod(0o644)
    assert once(copy, feed, root)["complete"]
    (copy / "linkwell.purge").write_bytes((copy / "linkwell.copy").read_bytes())
    (copy / "linkwell.purge").write_text(
        '{"format":"linkwell-purge-1","run":"x","dataset":"birds","sequence":1,"started":"","tool":""}'
    )
    assert once(copy, feed, root)["purged"]
    assert not (copy / "linkwell.purge").exists()


def test_a_stale_feed_raises_and_deletes_nothing(published: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811 - same
    """What a stale feed says is not applied, and silence is not taken for being in step."""
    copy, feed, root, _rows = published
    before = (copy / "00000.tar").read_bytes()
    real = client_module.FeedClient.refresh

    def stale(self: Any) -> None:
        real(self)
        raise StaleFeedError("the feed is expired")

    monkeypatch.setattr(client_module.FeedClient, "refresh", stale)
    with pytest.raises(StaleFeedError):
        once(copy, feed, root)
    assert (copy / "00000.tar").read_bytes() == before


def test_a_feed_that_is_not_there(published: Any) -> None:  # noqa: F811 - same
    """With --once it is an error; the loop would try again."""
    copy, feed, root, _rows = published
    with pytest.raises(MissingError):
        watch_once(
            copy,
            FeedAddress(feed + "-gone", Path(root)),
            state=copy / ".linkwell",
            engine=SerialEngine(),
        )
