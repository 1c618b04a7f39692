"""Linkwell keeps link datasets: build, populate, audit, release, recall and purge lists of image URLs with their text."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from linkwell.purge import guard

    __version__: str

__all__ = ["__version__", "guard"]


def __getattr__(name: str) -> object:
    """`__version__` and `guard`, looked up when they are asked for: doing so takes memory that picture processes do without."""
    if name == "guard":
        from linkwell.purge import guard  # noqa: PLC0415

        return guard
    if name != "__version__":
        raise AttributeError(f"linkwell has no {name}")
    from importlib.metadata import version  # noqa: PLC0415

    return version("linkwell")
