"""The option `--against`: which earlier links a build or an import is compared with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from linkwell.base.errors import MissingError, UsageError
from linkwell.base.workspace import SETTINGS_FILE, Workspace

AgainstOption = Annotated[
    list[str] | None,
    typer.Option(
        "--against",
        metavar="DATASET",
        help=(
            "Leave out links that this has already: a release or build of this workspace by name, another workspace's folder, or "
            "parquet files of links. A link that is more restricted now than there stays. Repeatable."
        ),
    ),
]


def find_against(workspace: Workspace, named: Sequence[str]) -> list[Path]:
    """The parquet files of everything named, in the order given.

    Raises:
        MissingError: something named is not there.
    """
    return [path for each in named for path in _find_one(workspace, each)]


def _find_one(workspace: Workspace, named: str) -> list[Path]:
    path = Path(named).expanduser()
    if path.is_file():
        return [path.absolute()]
    if (path / SETTINGS_FILE).exists():
        return _newest_links(Workspace.open(path))
    if path.is_dir():
        files = sorted(each.absolute() for each in path.rglob("*.parquet"))
        if not files:
            raise MissingError("no parquet file is here", named)
        return files
    return _named_links(workspace, named)


def _newest_links(workspace: Workspace) -> list[Path]:
    """The newest release of a workspace, else its current build."""
    from linkwell.build import current_build
    from linkwell.release import current_release

    try:
        return list(current_release(workspace).parts)
    except MissingError:
        return list(current_build(workspace).links)


def _named_links(workspace: Workspace, named: str) -> list[Path]:
    from linkwell.build import open_build
    from linkwell.release import open_release

    try:
        return list(open_release(workspace, named).parts)
    except (MissingError, UsageError):
        try:
            build = open_build(workspace, named)
        except UsageError:
            build = None
        if build is None:
            raise MissingError(
                "there is no such release, build, workspace or file", named, "linkwell release list shows the releases."
            ) from None
        return build.links
