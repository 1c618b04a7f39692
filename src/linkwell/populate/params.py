"""What the task of one shard is told: kept apart from the task, so that planning loads no decoder and no HTTP client."""

import msgspec

from linkwell.pictures import Kept
from linkwell.populate.links import LinkRange


class ShardParams(msgspec.Struct, frozen=True):
    """Parameters of `populate_shard`. Everything that the bytes of the shard depend on, and nothing restricted."""

    workspace: str
    run: str
    to: str
    name: str
    links: tuple[LinkRange, ...]
    cell_keys: bool
    """Keys from cell and row's place in it (a release), or counted on from `first_key` (a build)."""
    first_key: int
    key_digits: int
    kept: Kept
    output: str
    """One of `OUTPUTS`."""
    boxes: str | None
    """The table of boxes to blur."""
    verify: str | None
    """A table of digests that images are expected to have."""
    respect: tuple[str, ...]
    allow_net: tuple[str, ...]
    resolve: tuple[str, ...]
    from_archive: tuple[str, ...]
    limits: dict[str, str]
    """The settings that decide what is kept."""
    withheld_tag: str
