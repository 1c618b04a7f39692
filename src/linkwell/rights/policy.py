"""The policy: which agents count, and what is made of statements that no protocol decides about. A file anyone can edit."""

import hashlib
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

import msgspec

from linkwell.base.errors import FormatError
from linkwell.base.workspace import Workspace

POLICY_FILE = "rights.toml"
"""Name of the file in a workspace that takes the place of the default."""


class PolicyAgents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Product tokens of crawlers, in any case."""

    training: tuple[str, ...]
    search: tuple[str, ...] = ()


class _PolicyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    agents: PolicyAgents
    malformed: Literal["unknown", "disallow"] = "unknown"
    pages_cover_images: bool = True
    unreachable_robots: Literal["unknown", "disallow"] = "disallow"


class Policy(_PolicyFile, frozen=True, kw_only=True):
    """A policy as it was read; `policy.toml` in this package explains each field.

    `sha256` is the hex digest of the file's bytes.
    """

    sha256: str

    @property
    def training_agents(self) -> frozenset[str]:
        """Lower-case names of the crawlers that gather data for training."""
        return _lower(self.agents.training)

    @property
    def search_agents(self) -> frozenset[str]:
        """Lower-case names of the crawlers of search engines."""
        return _lower(self.agents.search)


@cache
def _lower(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in names)


def parse_policy(data: bytes, where: str) -> Policy:
    """Read a policy.

    Raises:
        FormatError: it is no TOML, or holds what a policy does not.
    """
    try:
        read = msgspec.convert(tomllib.loads(data.decode("utf-8")), _PolicyFile)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        advice = "The default policy, linkwell/rights/policy.toml, shows and explains every field."
        raise FormatError(f"this is no policy: {error}", where, advice) from error
    return Policy(
        name=read.name,
        agents=read.agents,
        malformed=read.malformed,
        pages_cover_images=read.pages_cover_images,
        unreachable_robots=read.unreachable_robots,
        sha256=hashlib.sha256(data).hexdigest(),
    )


def load_policy(workspace: Workspace) -> Policy:
    """The workspace's own policy, `rights.toml`, else the default.

    Raises:
        FormatError: the file does not read.
    """
    path: Path = workspace.root / POLICY_FILE
    return parse_policy(path.read_bytes(), str(path)) if path.is_file() else DEFAULT_POLICY


DEFAULT_POLICY = parse_policy((files("linkwell.rights") / "policy.toml").read_bytes(), "policy.toml")
"""The policy that ships with Linkwell."""
