"""From what the story came to, to what the report shows."""

from collections.abc import Mapping
from datetime import UTC, datetime

from linkwell import __version__
from linkwell.base.counts import plural
from linkwell.base.errors import LinkwellError
from linkwell.demo.cycle import VERSION, Outcome
from linkwell.demo.report import Account, Bar, Figure, Report, Step, copy_charts, release_charts
from linkwell.demo.telling import reason_name
from linkwell.release import REMOVED_CLASSES, Release

_NAMES = {
    "recalled_cells": "covered recall (whole cells)",
    "not_released": "not released",
    "opt_out": "opt-out",
    "recalled_links": "other open recall",
    "held_back": "held back for the next release",
}
_TONES = {"recalled_cells": "covered", "not_released": "covered", "opt_out": "perhaps"}


def make_report(outcome: Outcome, steps: list[Step]) -> Report:
    """Put the report together, from the release and the copy as they stand now.

    Raises:
        LinkwellError: the story was not told to its end.
    """
    first, last, built, populated = outcome.first_release, outcome.last_release, outcome.built, outcome.populated
    if first is None or last is None or built is None or populated is None:
        raise LinkwellError("the story was not told to its end", str(outcome.folder.root))
    gone = outcome.copy_rows_before - outcome.copy_rows_after
    left = (outcome.looked.hits if outcome.looked else 0) + (
        outcome.looked_release.hits if outcome.looked_release else 0
    )
    report = Report(
        dataset=outcome.dataset,
        created=f"{datetime.now(UTC):%-d %B %Y}",
        lead=_lead(outcome),
        release=f"{VERSION}-r{last.revision}",
        cells=last.cells,
        figures=[
            Figure(f"{last.rows:,}", f"links in the release, as it stands after the recall ({first.rows:,} before)"),
            Figure(f"{populated.success:,}", "pictures that a lab fetched"),
            Figure(f"{gone:,}", "rows recalled, and purged from the lab's copy"),
            Figure(f"{left:,}", "traces of them left, in every byte of copy and release"),
        ],
        notes=_notes(outcome, last),
        steps=steps,
        footer=f"Made by linkwell {__version__} in {outcome.seconds:.0f} seconds. This file loads nothing from anywhere. "
        "It holds counts only: no address, text, hash or picture of a removed entry.",
    )
    removed = {name: n - first.manifest.reconciliation.removed.get(name, 0) for name, n in _removed(last).items()}
    report.removed = [Bar("still released", last.rows, "good"), *_bars({k: n for k, n in removed.items() if n})]
    report.accounts = [
        Account(
            "From the archive to links",
            "images on the pages",
            built.images,
            [Bar("same address again", built.duplicates), *(Bar(reason_name(k), n) for k, n in built.rejected.items())],
            "links built",
            built.links,
        ),
        _release_account(f"Release {VERSION}, first issue", first),
        _release_account(f"Release {VERSION}, issued again", last),
        Account(
            "The lab's copy",
            "rows before the purge",
            outcome.copy_rows_before,
            _bars(outcome.copy_removed),
            "rows after",
            outcome.copy_rows_after,
        ),
    ]
    release_charts(report, last.parts)
    copy_charts(report, sorted(outcome.folder.copy.glob("*.parquet")))
    report.copy_line = (
        f"Populated from the first issue of {VERSION}: {plural(populated.links, 'link')}, "
        f"{populated.images_per_second:.0f} pictures a second. Links whose page or image says no were left alone."
    )
    failed = sorted(populated.failed.items(), key=lambda item: (-item[1], item[0]))
    report.outcomes = [
        Bar("fetched", populated.success, "good"),
        *(Bar(reason_name(name), n, "perhaps" if name == "opted_out" else "stop") for name, n in failed),
    ]
    if populated.withheld:
        report.outcomes.append(Bar("withheld", populated.withheld, "covered"))
    report.receipt, report.scan = _receipt(outcome), _scan(outcome)
    return report


def _lead(outcome: Outcome) -> str:
    if outcome.crawled is not None:
        start = (
            f"{plural(outcome.crawled.hosts, 'small site').capitalize()} were drawn, served on this machine and crawled; their "
            "captioned pictures were listed, audited, released and fetched by a lab."
        )
    else:
        start = (
            "An archive of yours was read; its captioned pictures were listed, audited, released and fetched by a lab from "
            "the archive itself, without a network."
        )
    return (
        f"{start} Then a new hash list arrived, and an artist opted out. Two people decided, the release was issued again "
        "without what they took down, a signed recall went out, and the lab purged its copy and proved it."
    )


def _notes(outcome: Outcome, last: Release) -> list[str]:
    found = sum(outcome.findings.values())
    least = last.manifest.cell_min_rows
    small = (
        f"Cells are small here: at least {least} rows, where 1,000 is the default. What protects a removed entry is only that "
        f"others, which look the same, leave with it; {least} rows protect it little."
    )
    synthetic = (
        "Both hash lists are synthetic: the first names nothing, the second names a few of these harmless pictures."
    )
    return [small, f"{synthetic} The audit found {plural(found, 'link')}."]


def _removed(release: Release) -> dict[str, int]:
    return {name: release.manifest.reconciliation.removed.get(name, 0) for name in REMOVED_CLASSES}


def _bars(counts: Mapping[str, int]) -> list[Bar]:
    return [Bar(_NAMES.get(name, name.replace("_", " ")), n, _TONES.get(name, "none")) for name, n in counts.items()]


def _release_account(title: str, release: Release) -> Account:
    counts = release.manifest.reconciliation
    removed = {name: n for name, n in _removed(release).items() if n}
    return Account(title, "links built", counts.input, _bars(removed), "released", counts.output)


def _receipt(outcome: Outcome) -> list[tuple[str, str]]:
    receipt, verified = outcome.receipt, outcome.verified
    if receipt is None or verified is None:
        return []
    stated = receipt.statement
    rewritten = sum(file.sha256_before != file.sha256_after for file in stated.files)
    pictures = outcome.pictures_before - outcome.pictures_after
    return [
        ("Feed", f"recalls 1 to {stated.feed.sequence}, root version {stated.feed.root_version}, signatures hold"),
        (
            "Removed",
            f"{plural(outcome.copy_rows_before - outcome.copy_rows_after, 'row')}, {plural(pictures, 'picture')}",
        ),
        ("Files", f"{rewritten:,} rewritten, {len(stated.files) - rewritten:,} byte for byte as they were"),
        ("Complete", "yes" if stated.complete else "no"),
        ("Signed", f"Ed25519, key {receipt.fingerprint[:16]}…"),
        ("Verified", "every file is what the receipt says" if verified.clean and verified.untouched else "no"),
    ]


def _scan(outcome: Outcome) -> list[tuple[str, str]]:
    if outcome.looked is None or outcome.looked_release is None:
        return []
    found = outcome.looked.hits + outcome.looked_release.hits
    return [
        ("Looked at", f"every byte of {plural(outcome.looked.files, 'file')} of the copy and of the reissued release"),
        ("Looked for", f"address, text, key, id and digest of {plural(outcome.traced_rows, 'recalled row')}"),
        ("By", "none of the purge's own code"),
        ("Found", f"{found:,}" if found else "nothing"),
        (
            "Log",
            f"{plural(outcome.log.entries, 'entry', 'entries')}, the chain holds" if outcome.log else "not checked",
        ),
    ]
