"""Web archives to links: WAT and WARC files in, de-duplicated shards of links out."""

from linkwell.build.builds import Build, BuildReport, build, current_build, finished_builds, open_build
from linkwell.build.credit import CREDIT_FORMATS, CreditReport, write_credit
from linkwell.build.explain import Explanation, build_behind, explain
from linkwell.build.export import EXPORT_KINDS, ExportReport, export_links
from linkwell.build.imports import IMPORT_FORMATS, FileReport, ImportOptions, ImportReport, import_links
from linkwell.build.sources import expand_sources

__all__ = [
    "CREDIT_FORMATS",
    "EXPORT_KINDS",
    "IMPORT_FORMATS",
    "Build",
    "BuildReport",
    "CreditReport",
    "Explanation",
    "ExportReport",
    "FileReport",
    "ImportOptions",
    "ImportReport",
    "build",
    "build_behind",
    "current_build",
    "expand_sources",
    "explain",
    "export_links",
    "finished_builds",
    "import_links",
    "open_build",
    "write_credit",
]
