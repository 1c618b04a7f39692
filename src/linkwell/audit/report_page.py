"""The report of an audit as one self-contained page: charts of counts, and nothing of any entry."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import jinja2

from linkwell.audit.residual import ResidualRisk
from linkwell.audit.scan import UNCHECKED_REASONS
from linkwell.base.counts import plural
from linkwell.base.shards import write_bytes

_NAMED_OVERLAPS = 20
_MEANS = {
    "url": "its URL, as stored and in canonical form",
    "md5": "MD5 of its image",
    "sha1": "SHA-1 of its image",
    "sha256": "SHA-256 of its image",
    "pdq": "the look of its image (PDQ)",
}


@dataclasses.dataclass(frozen=True)
class Bar:
    """One bar of a chart."""

    label: str
    count: int


def report_lines(risk: ResidualRisk) -> list[str]:
    """The report in sentences."""
    lines = [f"{risk.label}: {plural(risk.checked, 'link')}, audited {risk.at[:16]} UTC.", "Compared:"]
    lines += [f"  {count:,} by {_MEANS[name]}" for name, count in risk.means.items()]
    lines += [f"Not compared in full: {n:,} ({UNCHECKED_REASONS[reason]})" for reason, n in risk.unchecked.items()]
    if risk.failures:
        failed = ", ".join(f"{count:,} {name}" for name, count in risk.failures.items())
        lines.append(f"Asked for in vain by the copies: {failed}")
    lines.append("Found: " + (", ".join(f"{count:,} {name}" for name, count in risk.findings.items()) or "nothing"))
    for one in risk.lists:
        entries = ", ".join(f"{count:,} {name}" for name, count in one.entries.items()) or "gone since"
        matches = ", ".join(f"{count:,} {name}" for name, count in one.findings.items()) or "no match"
        lines.append(f"  {one.source}{' (synthetic)' if one.synthetic else ''}: {entries}: {matches}")
    most = sorted(risk.overlaps, key=lambda overlap: -overlap[2])
    lines += [
        f"  named by both {one} and {other}: {plural(count, 'link')}" for one, other, count in most[:_NAMED_OVERLAPS]
    ]
    if len(most) > _NAMED_OVERLAPS:
        lines.append(f"  … and {len(most) - _NAMED_OVERLAPS:,} more pairs of lists: --json names all.")
    lines.append(bound_line(risk))
    lines.append(chance_line(risk))
    return lines


def bound_line(risk: ResidualRisk) -> str:
    """What the sample says."""
    bound = risk.bound
    if bound is None:
        return (
            "Left: not known. Draw a random sample with `linkwell audit sample N FILE`, have it verified by somebody who may, and "
            "enter the result with `linkwell audit sampled`."
        )
    return (
        f"Left: at most {bound.count:,} of the {plural(bound.population, 'link')} without a finding ({bound.share:.6%}), with "
        f"{bound.confidence:.0%} confidence: a random sample of {bound.drawn:,}, of which {bound.verified:,} were verified, held "
        f"{bound.found:,} (exact binomial bound, Clopper-Pearson; it takes those that could not be verified to be like the others; were "
        f"they all what should not be there, at most {bound.worst_count:,})."
    )


def chance_line(risk: ResidualRisk) -> str:
    """What PDQ is expected to name by chance."""
    chance = risk.chance
    if not chance.hashes:
        return "False matches of PDQ: not known, the ledger has too few pictures to tell how alike strangers are."
    return (
        f"False matches of PDQ to expect: {chance.expected:.2g}, from {plural(chance.compared, 'picture')} times {chance.listed:,} listed "
        f"hashes times a chance of {chance.chance:.2g}. That is the chance that {chance.coins:.0f} coins, which have the mean and the "
        f"spread of the distance seen between {plural(chance.hashes, 'picture')} of the ledger ({chance.mean_distance:.1f} and "
        f"{chance.deviation:.1f} bits of 256), fall within 31 of 256. It is for pictures that have nothing to do with each other: blank "
        "pages, logos and screens of text are alike without being the same, and come on top."
    )


def write_report_page(risk: ResidualRisk, to: Path) -> None:
    """Write the page, mode 0600: how much was found is not for everybody."""
    template = jinja2.Environment(
        loader=jinja2.PackageLoader("linkwell.audit", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
    ).get_template("report.html.j2")
    charts: Mapping[str, list[Bar]] = {
        "Links compared, by means": [Bar("all links", risk.checked), *_bars(risk.means)],
        "Links not compared in full": _bars(
            {UNCHECKED_REASONS[name].partition(":")[0]: n for name, n in risk.unchecked.items()}
        ),
        "Asked for in vain by the copies": _bars(risk.failures),
        "Links with a finding, by class": _bars(risk.findings),
        "Links with a finding, by list": [Bar(one.source, sum(one.findings.values())) for one in risk.lists],
        "Links that two lists name": [Bar(f"{one} and {other}", count) for one, other, count in risk.overlaps],
        "Links by how many lists name them": _bars(
            {f"{n} lists" if n > 1 else "1 list": c for n, c in risk.several.items()}
        ),
    }
    page = template.render(
        r=risk,
        charts={title: bars for title, bars in charts.items() if bars},
        lines=report_lines(risk),
        bound=bound_line(risk),
        chance=chance_line(risk),
        synthetic=[one.source for one in risk.lists if one.synthetic],
    )
    write_bytes(to, page.encode(), mode=0o600)


def _bars(counts: Mapping[str, int]) -> list[Bar]:
    return [Bar(name, count) for name, count in counts.items()]
