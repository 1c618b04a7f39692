"""The steps of those who keep the dataset: Ana works on it, Ben is the second pair of eyes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from linkwell.audit import audit
from linkwell.base.counts import plural
from linkwell.base.errors import SafetyError, TwoPersonError
from linkwell.base.shards import write_bytes
from linkwell.base.workspace import SETTINGS_FILE, Workspace
from linkwell.build import build, current_build
from linkwell.cases import CaseBook, resolve_reports
from linkwell.demo.cycle import ANA, BEN, CELLS_WANTED, VERSION, Cycle
from linkwell.demo.sources import list_lines, unrelated_lines
from linkwell.demo.telling import counted
from linkwell.feed import init_feed, make_keys
from linkwell.lists import ImportReport, import_list, read_findings
from linkwell.recall import create_recall, publish_recall
from linkwell.release import create_release, open_release, publish_release

SMALL_WEB_CELL_ROWS = 12
_MIN_CELL_ROWS, _MAX_CELL_ROWS = 5, 1_000
_NEVER = "This must never happen: please report it."

_SETTINGS = """\
# Written by linkwell demo. Deadlines and cells are small so that the story is short: do not copy them.
dataset = "{dataset}"

[populate]
total_deadline_seconds = 4.0
connect_timeout_seconds = 2.0
max_image_bytes = 2_000_000
retries = 0

[release]
cell_min_rows = {cell_rows}
cells_per_shard = 8

[recall]
cells_per_batch = {cells_per_batch}
# A small web has too few rows to hide anything in: the leak meter measures, and lets everything pass.
max_attacker_precision = 1.0
"""

_ALL_OF_AN_ARCHIVE = """
[build.filters]
# An archive of your own may be small: short captions, and kinds of picture that are left out by default, are kept here.
min_text_characters = 0
blocked_extensions = []
"""


def build_links(cycle: Cycle, *, small_web: bool) -> None:
    """Make the workspace, and build links from the archives."""
    archives = " ".join(_named(cycle, path) for path in cycle.place.archives)
    command = f"linkwell init workspace --dataset {cycle.outcome.dataset} && linkwell build {archives} --crawl demo"
    with cycle.tell.step("Build links from the archive", command) as notes:
        cells_per_batch = CELLS_WANTED if small_web else 1
        rows = SMALL_WEB_CELL_ROWS if small_web else _MIN_CELL_ROWS
        settings = _settings(cycle, rows, cells_per_batch, small_web=small_web)
        cycle.workspace = Workspace.create(cycle.folder.workspace, cycle.outcome.dataset, settings)
        built = build(cycle.workspace, cycle.place.archives, crawl="demo", engine=cycle.engine)
        if not small_web:
            # An archive has as many links as it has: a few cells of them, so that not everything goes at once.
            rows = min(max(built.links // CELLS_WANTED, _MIN_CELL_ROWS), _MAX_CELL_ROWS)
            write_bytes(
                cycle.folder.workspace / SETTINGS_FILE,
                _settings(cycle, rows, cells_per_batch, small_web=small_web).encode(),
            )
            cycle.workspace = Workspace.open(cycle.folder.workspace)
        cycle.book = CaseBook.open(cycle.workspace)
        cycle.outcome.built, cycle.outcome.cell_rows = built, rows
        left_out = counted(built.rejected)
        notes.say(
            f"Read {plural(built.pages, 'page')} with {plural(built.images, 'image')}: {plural(built.links, 'link')} kept, "
            f"{built.duplicates:,} seen again, {sum(built.rejected.values()):,} left out{f' ({left_out})' if left_out else ''}."
        )
        stated = built.signals.get("disallow", 0)
        if stated:
            notes.say(f"{plural(stated, 'statement')} against use stood on the same pages; they stay with their links.")


def _settings(cycle: Cycle, cell_rows: int, cells_per_batch: int, *, small_web: bool) -> str:
    text = _SETTINGS.format(dataset=cycle.outcome.dataset, cell_rows=cell_rows, cells_per_batch=cells_per_batch)
    return text if small_web else text + _ALL_OF_AN_ARCHIVE


def _named(cycle: Cycle, path: str) -> str:
    """A file as a person in the demo's folder would name it."""
    folder = cycle.folder.root
    return str(Path(path).relative_to(folder)) if Path(path).is_relative_to(folder) else path


def first_audit(cycle: Cycle) -> None:
    """Import a list that names nothing here, and audit the build."""
    command = "linkwell lists import lists/list-a.txt --source list-a && linkwell audit"
    with cycle.tell.step("Import a hash list and audit the links", command) as notes:
        loaded = _import(cycle, cycle.folder.first_list, unrelated_lines(), "list-a")
        made = current_build(cycle.workspace)
        report = audit(cycle.workspace, links=made.links, label=f"build-{made.name}", engine=cycle.engine)
        notes.say(f"{_loaded(loaded)}. {plural(report.checked, 'link')} compared: {_found(report.findings)}.")
        notes.say("With no list at all, this step would stop with an error: nothing is released unchecked.")


def release_links(cycle: Cycle) -> None:
    """Make the first release and publish it in a new feed."""
    command = (
        f"linkwell feed keys && linkwell feed init && linkwell release create {VERSION} --as {ANA}"
        f" && linkwell release publish {VERSION} --as {ANA}"
    )
    with cycle.tell.step("Release it, signed", command) as notes:
        make_keys(cycle.workspace)
        init_feed(cycle.workspace)
        create_release(cycle.workspace, VERSION, engine=cycle.engine, who=ANA)
        publish_release(cycle.workspace, VERSION, ANA)
        made = open_release(cycle.workspace, VERSION)
        cycle.outcome.first_release = made
        least = made.manifest.cell_min_rows
        notes.say(
            f"{plural(made.rows, 'link')} in {plural(made.cells, 'cell')} of at least {plural(least, 'row')}, signed by two keys of three."
        )
        notes.say(
            "Cells are small here, so that a small web has some. The default is 1,000 rows: few rows hide little."
        )


def second_list(cycle: Cycle) -> None:
    """A list arrives that names some of the pictures; the ledger answers, no link is opened."""
    command = f"linkwell lists import lists/list-b.txt --source list-b && linkwell audit --release {VERSION}"
    with cycle.tell.step("A new hash list arrives", command) as notes:
        cycle.choice = cycle.place.choose(cycle.workspace, cycle.folder.copy)
        loaded = _import(cycle, cycle.folder.second_list, list_lines(cycle.choice), "list-b")
        parts = open_release(cycle.workspace, VERSION).parts
        report = audit(cycle.workspace, links=parts, label=f"release-{VERSION}", engine=cycle.engine)
        cases = cycle.book.open_from_findings(read_findings(cycle.workspace))
        cycle.outcome.findings = report.findings
        notes.say(f"{_loaded(loaded)}; {plural(loaded.rejected_count, 'damaged line')} set aside.")
        notes.say(
            f"The ledger knows what the pictures hashed to, so no link was opened: {_found(report.findings)}. "
            f"{plural(len(cases), 'case')} opened, their entries quarantined at once."
        )


def opt_out(cycle: Cycle) -> None:
    """Somebody wants pictures out."""
    with cycle.tell.step("An artist opts out", f"linkwell cases report URL… --kind opt-out --as {ANA}") as notes:
        wanted = cycle.choice.opted_out
        case = cycle.book.report(wanted, kind="opt-out", who=ANA)
        resolve_reports(cycle.workspace, open_release(cycle.workspace, VERSION).parts, cycle.engine)
        notes.say(
            f"Case {case}, {plural(len(wanted), 'picture')}. The answer is the same whether the dataset has them or not."
        )


def decide(cycle: Cycle) -> None:
    """Ana proposes, may not approve; Ben approves."""
    command = f"linkwell cases propose N takedown --as {ANA} && linkwell cases approve N --as {BEN}"
    with cycle.tell.step("Two people decide", command) as notes:
        cases = cycle.book.cases()
        for case in cases:
            cycle.book.propose(case.number, "takedown", ANA)
        try:
            cycle.book.approve(cases[0].number, ANA)
        except TwoPersonError:
            notes.say(
                "Ana proposed a takedown in every case. Her own approval was refused: that takes a second person."
            )
        else:
            raise SafetyError("one person proposed and approved", f"case {cases[0].number}", _NEVER)
        for case in cases:
            cycle.book.approve(case.number, BEN)
        notes.say(f"Ben approved {plural(len(cases), 'case')}.")


def recall_entries(cycle: Cycle) -> None:
    """Recall what was upheld; the release is reissued without it."""
    command = f"linkwell recall create --as {ANA} && linkwell recall publish --as {BEN}"
    with cycle.tell.step("Recall, and reissue the release", command) as notes:
        info = create_recall(cycle.workspace, engine=cycle.engine, who=ANA)
        publish_recall(cycle.workspace, BEN)
        made = open_release(cycle.workspace, VERSION)
        cycle.outcome.recall, cycle.outcome.last_release = info, made
        for batch in info.batches:
            what = f"recall {batch.sequence} of {plural(batch.row_count, 'row')}"
            if batch.kind == "covered":
                cells = plural(batch.cell_count, "whole cell")
                notes.say(f"Covered {what}, {cells}: no reason, and nothing says which rows were meant.")
            else:
                notes.say(f"Open {what}, each with its reason.")
        notes.say(
            f"{VERSION} is now {VERSION}-r{made.revision} with {plural(made.rows, 'link')}; the old parts are deleted."
        )


def check_log(cycle: Cycle) -> None:
    """Check the chain of the log."""
    with cycle.tell.step("The log is whole", "linkwell log verify") as notes:
        report = cycle.book.verify_log()
        cycle.outcome.log = report
        entries = plural(report.entries, "entry", "entries")
        notes.say(f"{entries}, each with the hash of the one before: who did what, and who agreed.")


def _import(cycle: Cycle, path: Path, lines: Sequence[str], source: str) -> ImportReport:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, "\n".join([*lines, ""]).encode(), mode=0o600)
    return import_list(cycle.workspace, path, source=source)


def _loaded(report: ImportReport) -> str:
    kind = "synthetic list" if report.synthetic else "list"
    return f"A {kind} with {counted(report.loaded)} was loaded, encrypted"


def _found(findings: Mapping[str, int]) -> str:
    return f"found {counted(findings)}" if findings else "nothing found"
