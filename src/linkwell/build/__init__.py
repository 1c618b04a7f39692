"""Web archives to links: WAT and WARC files in, de-duplicated shards of links out."""

from linkwell.build.builds import Build, BuildReport, build, current_build, open_build
from linkwell.build.explain import Explanation, explain
from linkwell.build.imports import IMPORT_FORMATS, FileReport, ImportOptions, ImportReport, import_links
from linkwell.build.sources import expand_sources

__all__ = [
    "IMPORT_FORMATS",
    "Build",
    "BuildReport",
    "Explanation",
    "FileReport",
    "ImportOptions",
    "ImportReport",
    "build",
    "current_build",
    "expand_sources",
    "explain",
    "import_links",
    "open_build",
]
