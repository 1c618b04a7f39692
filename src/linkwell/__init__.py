"""Linkwell keeps link datasets: build, populate, audit, release, recall and purge lists of image URLs with their text."""

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    """`__version__`, looked up when it is asked for: doing so takes 5 MB, which picture processes do without."""
    if name != "__version__":
        raise AttributeError(f"linkwell has no {name}")
    from importlib.metadata import version  # noqa: PLC0415

    return version("linkwell")
