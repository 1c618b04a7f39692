"""Run the demo: a fresh folder, the story, the report, and a short account."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from linkwell.base.errors import LinkwellError
from linkwell.demo.account import make_report
from linkwell.demo.cycle import Outcome
from linkwell.demo.folder import fresh_folder
from linkwell.demo.report import Step, write_report
from linkwell.demo.story import tell_story
from linkwell.demo.telling import Speak, Teller
from linkwell.engine import Engine


@dataclass(frozen=True)
class DemoResult:
    """What a demo came to: counts, and where its things are."""

    folder: str
    report: str
    workspace: str
    copy: str
    release: str
    pages: int
    links: int
    populated: int
    failed: dict[str, int]
    findings: dict[str, int]
    cell_min_rows: int
    recalled_rows: int
    """Rows of the copy that were recalled."""
    released_rows: int
    """Rows of the release now."""
    left: int
    """Traces of recalled rows that another look found: 0."""
    seconds: float
    steps: tuple[Step, ...]


def run_demo(
    folder: Path, engine: Engine, *, archives: Sequence[Path] = (), speak: Speak = lambda _line, _role: None
) -> DemoResult:
    """Tell the whole story into a folder and write its report.

    Args:
        folder: made where it is not there; an earlier demo in it is replaced.
        engine: what runs the work.
        archives: WARC files to start from; none: the demo's own web.
        speak: gets each line that is told, as it is told.

    Raises:
        UsageError: the folder holds something that is no demo.
        LinkwellError: a step could not be done.
    """
    place = fresh_folder(folder)
    teller = Teller(speak)
    outcome = tell_story(place, teller, engine, archives)
    report = make_report(outcome, teller.steps)
    write_report(report, place.report)
    return _result(outcome, tuple(teller.steps))


def _result(outcome: Outcome, steps: tuple[Step, ...]) -> DemoResult:
    built, populated, release, looked = outcome.built, outcome.populated, outcome.last_release, outcome.looked
    if built is None or populated is None or release is None or looked is None or outcome.looked_release is None:
        raise LinkwellError("the story was not told to its end", str(outcome.folder.root))
    return DemoResult(
        folder=str(outcome.folder.root),
        report=str(outcome.folder.report),
        workspace=str(outcome.folder.workspace),
        copy=str(outcome.folder.copy),
        release=f"{release.version}-r{release.revision}",
        pages=built.pages,
        links=built.links,
        populated=populated.success,
        failed=populated.failed,
        findings=outcome.findings,
        cell_min_rows=outcome.cell_rows,
        recalled_rows=outcome.copy_rows_before - outcome.copy_rows_after,
        released_rows=release.rows,
        left=looked.hits + outcome.looked_release.hits,
        seconds=round(outcome.seconds, 1),
        steps=steps,
    )
