"""Write the documents of a release into a folder: pages by template, descriptions for machines, charts."""

from collections.abc import Sequence
from pathlib import Path

import jinja2

from linkwell.base.charts import Bar, bar_chart
from linkwell.base.counts import plural
from linkwell.base.schema import USES
from linkwell.base.shards import write_bytes
from linkwell.release.documents import wording
from linkwell.release.documents.bill_of_materials import bill_of_materials
from linkwell.release.documents.croissant import croissant
from linkwell.release.documents.facts import Counts, ReleaseFacts, gather_facts
from linkwell.release.manifest import Manifest
from linkwell.release.reconcile import REMOVED_CLASSES

_PAGES = {"README.md": "card.md.j2", "datasheet.md": "datasheet.md.j2", "ai-act.md": "ai_act.md.j2"}
_CHARTS = {"sites.svg": "Sites that serve the images", "languages.svg": "Languages of the captions"}
_DOMAINS = "domains.csv"
DOCUMENTS = (
    *_PAGES,
    "croissant.json",
    "sbom.cdx.json",
    _DOMAINS,
    *_CHARTS,
    *(f"{use}.svg" for use in USES),
)
"""What `write_documents` writes."""

_USE_TITLES = {"train_ai": "Training of AI", "tdm": "Text and data mining", "search": "Search"}
_TONES = {"allow": "good", "disallow": "stop", "conditional": "perhaps", "unknown": "none"}
_MAX_BARS = 15
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"),
          (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B"), (10_000_000_000, "1B<n<10B"))  # fmt: skip
_BANDS = ((1_000_000, "less than 1 million images"), (1_000_000_000, "1 million to 1 billion images"))


def write_documents(manifest: Manifest, parts: Sequence[Path], folder: Path) -> list[Path]:
    """Write the documents of one revision of a release; the same release gives the same bytes.

    Args:
        manifest: the release's.
        parts: its parquet files.
        folder: where they go.

    Returns:
        The files, in the order of `DOCUMENTS`.

    Raises:
        StorageError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    facts = gather_facts(manifest, parts, folder / _DOMAINS)
    for name, template in _PAGES.items():
        write_bytes(folder / name, _page(template, facts).encode())
    write_bytes(folder / "croissant.json", croissant(facts))
    write_bytes(folder / "sbom.cdx.json", bill_of_materials(facts))
    for name, counts in zip(_CHARTS, (facts.top_sites, facts.languages), strict=True):
        write_bytes(folder / name, bar_chart(_CHARTS[name], _bars(counts, manifest.rows)).encode())
    for use in USES:
        bars = [Bar(name, count, _TONES.get(name, "main")) for name, count in facts.verdicts[use]]
        write_bytes(folder / f"{use}.svg", bar_chart(f"{_USE_TITLES[use]}: what sites state", bars).encode())
    return [folder / name for name in DOCUMENTS]


def withdrawn_page(dataset: str, version: str, date: str) -> bytes:
    """The page that stands where a withdrawn release was."""
    return _environment().get_template("withdrawn.html.j2").render(dataset=dataset, version=version, date=date).encode()


def _bars(counts: Counts, rows: int) -> list[Bar]:
    shown = [Bar(name, count) for name, count in counts[:_MAX_BARS]]
    rest = rows - sum(count for _, count in counts[:_MAX_BARS])
    return [*shown, Bar("all others", rest, "none")] if rest > 0 else shown


def _page(template: str, facts: ReleaseFacts) -> str:
    manifest = facts.manifest
    return (
        _environment()
        .get_template(template)
        .render(
            facts=facts,
            manifest=manifest,
            wording=wording,
            audit=wording.audit_words(manifest),
            removed=[(name, REMOVED_CLASSES[name], count) for name, count in manifest.reconciliation.removed.items()],
            size=next((name for most, name in _SIZES if manifest.rows < most), "10B<n<100B"),
            band=next((name for most, name in _BANDS if manifest.rows < most), "more than 1 billion images"),
            uses=[(use, _USE_TITLES[use], dict(facts.verdicts[use])) for use in USES],
            languages=[code for code, _ in facts.languages if len(code) == 2],  # noqa: PLR2004 - ISO 639-1
            sites_of_tenth=max(1, -(-facts.sites // 10)) if facts.sites else 0,
        )
    )


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("linkwell.release.documents", "."),
        # Markdown holds counts, and names that go through the filter `cell`.
        autoescape=jinja2.select_autoescape(("html.j2",), default=False),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["cell"] = _table_text
    environment.filters["plural"] = plural
    return environment


def _table_text(value: str) -> str:
    """Text that cannot leave its place in a Markdown table or start markup."""
    kept = "".join(c if c.isalnum() or c in " .,:;/_-+()=%?&@" else "·" for c in value)
    return kept[:200]
