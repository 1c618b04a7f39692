"""Linkwell keeps link datasets: build, populate, audit, release, recall and purge lists of image URLs with their text."""

from importlib.metadata import version

__version__ = version("linkwell")

__all__ = ["__version__"]
