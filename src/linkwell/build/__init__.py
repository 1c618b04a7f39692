"""Web archives to links: WAT and WARC files in, de-duplicated shards of links out."""

from linkwell.build.builds import Build, BuildReport, build, current_build, open_build
from linkwell.build.sources import expand_sources

__all__ = ["Build", "BuildReport", "build", "current_build", "expand_sources", "open_build"]
