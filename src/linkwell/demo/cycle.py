"""What the steps of the story share: where they are, who tells, and what it came to."""

from dataclasses import dataclass, field

from linkwell.base.workspace import Workspace
from linkwell.build import BuildReport
from linkwell.cases import CaseBook, LogReport
from linkwell.demo.crawl import CrawlReport
from linkwell.demo.folder import DemoFolder
from linkwell.demo.leftovers import Leftovers, Traces
from linkwell.demo.sources import Choice, Place
from linkwell.demo.telling import Teller
from linkwell.engine import Engine
from linkwell.populate import PopulateReport
from linkwell.purge import Plan, Receipt, VerifyReport
from linkwell.recall import Recalled, RecallInfo
from linkwell.release import Release

ANA, BEN = "ana", "ben"
"""The two people who keep the dataset."""
VERSION = "v1"
CELLS_WANTED = 4
"""Cells that a covered batch of the demo is padded to, and cells that a small archive is cut into."""


@dataclass
class Outcome:
    """All that the story came to: counts and files of the demo's folder, nothing restricted."""

    folder: DemoFolder
    dataset: str
    cell_rows: int = 0
    crawled: CrawlReport | None = None
    built: BuildReport | None = None
    first_release: Release | None = None
    last_release: Release | None = None
    populated: PopulateReport | None = None
    findings: dict[str, int] = field(default_factory=dict)
    recall: RecallInfo | None = None
    planned: Plan | None = None
    receipt: Receipt | None = None
    verified: VerifyReport | None = None
    copy_rows_before: int = 0
    copy_rows_after: int = 0
    copy_removed: dict[str, int] = field(default_factory=dict)
    """Rows of the copy that are recalled, by public class."""
    pictures_before: int = 0
    pictures_after: int = 0
    traced_rows: int = 0
    looked: Leftovers | None = None
    looked_release: Leftovers | None = None
    log: LogReport | None = None
    seconds: float = 0.0


@dataclass
class Cycle:
    """The state between steps; each step leaves what later ones need."""

    folder: DemoFolder
    place: Place
    tell: Teller
    engine: Engine
    outcome: Outcome
    workspace: Workspace = field(init=False)
    book: CaseBook = field(init=False)
    choice: Choice = field(init=False)
    recalled: Recalled = field(init=False)
    traces: Traces = field(init=False)
