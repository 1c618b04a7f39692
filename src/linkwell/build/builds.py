"""A build: from archive files to de-duplicated links, in stages that a killed run resumes."""

import hashlib
import os
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from linkwell.base.errors import DamagedFileError, MissingError, ReconciliationError
from linkwell.base.shards import open_parquet, write_bytes
from linkwell.base.workspace import Workspace, check_name
from linkwell.build.boilerplate import REJECTED, drop_boilerplate
from linkwell.build.boilerplate import STAGES as BOILERPLATE_STAGES
from linkwell.build.evidence import EVIDENCE_OUTPUT
from linkwell.build.evidence import FOLDER as EVIDENCE_FOLDER
from linkwell.build.extract import RESERVED_OUTPUT, UNLINKED_OUTPUT, ExtractParams, ExtractSettings
from linkwell.build.filters import read_domains
from linkwell.build.judging import STAGES as RIGHTS_STAGES
from linkwell.build.judging import apply_well_known
from linkwell.build.sources import expand_sources
from linkwell.build.wellknown import CAPTURES_OUTPUT, CollectParams
from linkwell.engine import Engine, Input, StageResult, any_input, deduplicate, local_input, run_stage, task
from linkwell.rights import RESTRICTION_COLUMNS, load_policy

BUILD_FORMAT = "linkwell-build-1"
_EXTRACT = "linkwell.build.extract:extract"
_COLLECT = "linkwell.build.wellknown:collect_captures"
RANK = "linkwell.rights:restriction_rank"
_BUILD_FILE = "build.json"
_CURRENT_FILE = "current.json"


class BuildReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a build read and kept: `images` = `links` + `duplicates` + `known` + the sum of `rejected`.

    Attributes:
        name: of the build.
        crawl: the name given, or None where the archives' own were taken.
        sources: archive files read.
        bytes_read: their size, as stored.
        pages: HTML pages read, with images or without.
        images: pictures on them that could be links: of one `<img>` each address counts, and so do those of `og:image` and JSON-LD.
        links: rows after de-duplication.
        duplicates: images whose URL another row of the build has.
        known: images whose URL an earlier dataset has, which the build was compared with.
        rejected: images that are no links, by reason.
        texts_cut: texts longer than the setting, cut.
        wrong_charset: pages with bytes that are not in their stated encoding; these were replaced.
        pages_cut: pages longer, or nested deeper, than is read of one.
        skipped: records that are no HTML page, by reason.
        broken: damage met, by reason; what is not damaged was read.
        truncated_files: archives that end in the middle of a record; what stands before was read.
        well_known_files: responses for robots.txt and its like that were kept.
        signals: statements about consent on pages with links, by verdict; `malformed` are those that do not read.
        seconds: that the work took, over all calls that did a part of it and finished theirs.
    """

    name: str
    crawl: str | None
    sources: int
    bytes_read: int
    pages: int
    images: int
    links: int
    duplicates: int
    known: int = 0
    rejected: dict[str, int]
    texts_cut: int
    wrong_charset: int
    pages_cut: int
    skipped: dict[str, int]
    broken: dict[str, int]
    truncated_files: int
    well_known_files: int = 0
    signals: dict[str, int]
    seconds: float

    @property
    def damaged(self) -> bool:
        """Whether a source was damaged, so that somebody should fetch it again."""
        return bool(self.broken or self.truncated_files)


class Shard(msgspec.Struct, frozen=True):
    """One file of a build's links: its path below the build's folder, its bytes, its rows."""

    path: str
    size: int
    rows: int


class BuildFile(msgspec.Struct, frozen=True):
    """`build.json`: what a finished build read, kept and wrote."""

    format: str
    report: BuildReport
    sources: tuple[Input, ...]
    settings: ExtractSettings
    shards: tuple[Shard, ...]
    rights_policy: str = ""
    """Name of the policy that its verdicts were made under; empty for an imported list, whose verdicts nobody made here."""
    rights_policy_sha256: str = ""
    """Of the policy's file, hex."""
    evidence: tuple[str, ...] = ()
    """Files in `rights.EVIDENCE_SCHEMA`, below the build's folder: what pages said."""
    well_known: tuple[str, ...] = ()
    """Files in `wellknown.WELL_KNOWN_SCHEMA`: robots.txt and its like, as they were served."""


class _CurrentFile(msgspec.Struct, frozen=True):
    format: str
    name: str


@dataclass(frozen=True)
class Build:
    """A finished build: its shards of links, de-duplicated, in the order of the sources."""

    name: str
    links: list[Path]
    rows: int
    crawl: str | None
    report: BuildReport
    rights_policy_sha256: str = ""
    evidence: tuple[Path, ...] = ()
    well_known: tuple[Path, ...] = ()


def build(
    workspace: Workspace,
    sources: Sequence[str],
    *,
    crawl: str | None,
    engine: Engine,
    against: Sequence[Path] = (),
    well_known: Sequence[str] = (),
) -> BuildReport:
    """Take the links out of archives into the workspace, and make that its current build, unless there are none.

    The build's name comes from the sources, their state and the settings: the same command goes on where a killed one stopped,
    and does nothing when all is done.

    Args:
        workspace: where the build goes.
        sources: WAT and WARC files, patterns, folders, lists; see `sources`.
        crawl: name of the crawl; None: as each archive says.
        engine: what runs the tasks.
        against: shards of earlier builds or releases. Of all rows with one URL, theirs too, the one with the most restrictive verdict
            survives, then that of the earlier shards, then the first; they themselves stay as they are.
        well_known: archives that are read for robots.txt and its like only, and for no links, named as `sources` are.

    Raises:
        UsageError: no source was given.
        MissingError: a source is not there.
        UnavailableError: a source cannot be read to its end.
        StorageError: the disk is full or not writable.
        BusyError: another build is at work in this workspace.
    """
    started = time.monotonic()
    settings = workspace.settings.build
    inputs = tuple(any_input(path) for path in expand_sources(sources))
    policy = load_policy(workspace)
    extract_settings = ExtractSettings(crawl, settings.max_text_characters, settings.max_url_characters, policy=policy)
    extract_settings = _with_filters(workspace, extract_settings)
    apart = tuple(any_input(path) for path in expand_sources(well_known)) if well_known else ()
    if apart:
        extract_settings = msgspec.structs.replace(extract_settings, well_known=True)
    earlier = tuple(map(local_input, against))
    name = _name_of(inputs, extract_settings, earlier, apart)
    folder = workspace.builds / name
    with workspace.lock("build"):
        done = read_build(folder)
        if done is None:
            tasks = [
                task("extract", index, _EXTRACT, ExtractParams(each.path, extract_settings), (each,))
                for index, each in enumerate(inputs)
            ]
            evidence_folder = folder / EVIDENCE_FOLDER
            extracted = run_stage(tasks, folder / "extract", engine, unit="archives", sweep_folders=(evidence_folder,))
            alone = [
                task("well-known", index, _COLLECT, CollectParams(each.path), (each,))
                for index, each in enumerate(apart)
            ]
            collected = run_stage(alone, folder / "well-known", engine, unit="archives")
            captures = [*extracted.outputs(CAPTURES_OUTPUT), *collected.outputs(CAPTURES_OUTPUT)]
            evidence = extracted.outputs(EVIDENCE_OUTPUT)
            applied = apply_well_known(
                extracted.outputs("links.parquet"),
                captures,
                folder,
                engine,
                evidence=evidence,
                unlinked=extracted.outputs(UNLINKED_OUTPUT),
                policy=policy,
            )
            judged = applied.shards
            boilerplate = 0
            if settings.filters.max_text_pages:
                judged, boilerplate = drop_boilerplate(
                    judged, folder, engine, max_pages=settings.filters.max_text_pages
                )
            kept = deduplicate(
                judged,
                folder,
                engine,
                rank=RANK,
                rank_columns=RESTRICTION_COLUMNS,
                bucket_rows=settings.bucket_rows,
                against=against,
                overruling=[*extracted.outputs(RESERVED_OUTPUT), *applied.reserved],
            )
            done = BuildFile(
                format=BUILD_FORMAT,
                report=_report(
                    name,
                    crawl,
                    extracted,
                    kept,
                    time.monotonic() - started,
                    collected=collected,
                    boilerplate=boilerplate,
                ),
                sources=inputs,
                settings=extract_settings,
                shards=tuple(shard_of(path, folder) for path in kept.outputs("links.parquet")),
                rights_policy=policy.name,
                rights_policy_sha256=policy.sha256,
                evidence=tuple(os.path.relpath(path, folder.resolve()) for path in evidence),
                well_known=tuple(os.path.relpath(path, folder.resolve()) for path in [*captures, *applied.followed]),
            )
        finish_build(workspace, done)
    return done.report


def finish_build(workspace: Workspace, done: BuildFile) -> None:
    """Write down that a build is finished, and make it the current one unless it has no link.

    The caller holds the workspace's lock `build`.
    """
    name = done.report.name
    folder = workspace.builds / name
    if read_build(folder) is None:
        write_bytes(folder / _BUILD_FILE, msgspec.json.format(msgspec.json.encode(done), indent=1))
    for stage in ("extract", "well-known", *RIGHTS_STAGES, "scatter", "reduce", *BOILERPLATE_STAGES):
        # Everything in them stands in the shards, or was a duplicate: a second copy of links is one more to purge.
        shutil.rmtree(folder / stage, ignore_errors=True)
    if done.report.links:
        write_bytes(workspace.builds / _CURRENT_FILE, msgspec.json.encode(_CurrentFile(BUILD_FORMAT, name)))


def open_build(workspace: Workspace, name: str) -> Build | None:
    """A finished build of that name, or None where there is none."""
    folder = workspace.builds / check_name(name, "build")
    found = read_build(folder)
    return None if found is None else _as_build(folder, found)


def current_build(workspace: Workspace) -> Build:
    """The build that `release create`, `populate` and `audit` work on: the one last finished.

    Raises:
        MissingError: there is none, or its shards are gone.
        DamagedFileError: its files do not read.
    """
    path = workspace.builds / _CURRENT_FILE
    try:
        current = msgspec.json.decode(path.read_bytes(), type=_CurrentFile)
    except FileNotFoundError:
        raise MissingError(
            "there is no build yet",
            str(workspace.root),
            "Make one with: linkwell build SOURCE, or linkwell import FILE",
        ) from None
    except msgspec.DecodeError as error:
        raise DamagedFileError("this file does not read", str(path), "Give the build's command again.") from error
    folder = workspace.builds / current.name
    found = read_build(folder)
    if found is None:
        raise MissingError("the build is not whole", str(folder), "Give the build's command again.")
    return _as_build(folder, found)


def finished_builds(workspace: Workspace) -> list[Build]:
    """Every build of the workspace that is whole, the current one first, then by name."""
    folders = sorted(path for path in workspace.builds.glob("*") if path.is_dir()) if workspace.builds.is_dir() else []
    found = [_as_build(folder, held) for folder in folders if (held := read_build(folder)) is not None]
    try:
        current = current_build(workspace).name
    except (MissingError, DamagedFileError):
        current = ""
    return sorted(found, key=lambda build: build.name != current)


def _as_build(folder: Path, found: BuildFile) -> Build:
    links = [folder / shard.path for shard in found.shards]
    return Build(
        folder.name,
        links,
        sum(shard.rows for shard in found.shards),
        found.report.crawl,
        found.report,
        found.rights_policy_sha256,
        tuple(folder / path for path in found.evidence),
        tuple(folder / path for path in found.well_known),
    )


def _with_filters(workspace: Workspace, settings: ExtractSettings) -> ExtractSettings:
    """The settings with the workspace's filters; the list of domains by absolute path and by what is in it."""
    filters = workspace.settings.build.filters
    if not filters.blocked_domains:
        return msgspec.structs.replace(settings, filters=filters)
    path = (workspace.root / Path(filters.blocked_domains).expanduser()).absolute()
    domains = hashlib.sha256("\n".join(sorted(read_domains(path))).encode()).hexdigest()
    filters = msgspec.structs.replace(filters, blocked_domains=str(path))
    return msgspec.structs.replace(settings, filters=filters, blocked_domains_sha256=domains)


def _name_of(
    inputs: tuple[Input, ...], settings: ExtractSettings, earlier: tuple[Input, ...], apart: tuple[Input, ...]
) -> str:
    what = (BUILD_FORMAT, inputs, settings, *((earlier, apart) if apart else (earlier,) if earlier else ()))
    digest = hashlib.sha256(msgspec.json.encode(what)).hexdigest()
    return f"b-{digest[:12]}"


def read_build(folder: Path) -> BuildFile | None:
    """The file of a finished build whose shards are all there, or None."""
    try:
        found = msgspec.json.decode((folder / _BUILD_FILE).read_bytes(), type=BuildFile)
        whole = all((folder / shard.path).stat().st_size == shard.size for shard in found.shards)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return found if whole and found.format == BUILD_FORMAT else None


def shard_of(path: Path, folder: Path) -> Shard:
    """The entry of a shard that a build in `folder` wrote."""
    with open_parquet(path) as file:
        rows = file.metadata.num_rows
    return Shard(os.path.relpath(path, folder.resolve()), path.stat().st_size, rows)


def _report(
    name: str,
    crawl: str | None,
    extracted: StageResult,
    kept: StageResult,
    seconds: float,
    *,
    collected: StageResult,
    boilerplate: int,
) -> BuildReport:
    counts = extracted.counts() + collected.counts()
    counts[REJECTED] += boilerplate
    applied = kept.counts()
    counts["rejected_opted_out_elsewhere"] += applied["overruled"]
    rejected = _named(counts, "rejected_")
    duplicates = counts["duplicates"] + applied["duplicates"]
    if counts["images"] != applied["rows"] + duplicates + applied["known"] + sum(rejected.values()):
        raise ReconciliationError(
            f"{counts['images']} images came in, but {applied['rows']} links, {duplicates} duplicates, "
            f"{applied['known']} known and {sum(rejected.values())} rejected do not add up to them",
            str(extracted.folder.parent),
            "This is a fault in linkwell: please report it.",
        )
    return BuildReport(
        name=name,
        crawl=crawl,
        sources=len(extracted.marks) + len(collected.marks),
        bytes_read=counts["bytes_read"],
        pages=counts["pages"],
        images=counts["images"],
        links=applied["rows"],
        duplicates=duplicates,
        known=applied["known"],
        rejected=rejected,
        texts_cut=counts["texts_cut"],
        wrong_charset=counts["wrong_charset"],
        pages_cut=counts["pages_cut"],
        skipped=_named(counts, "skipped_"),
        broken=_named(counts, "broken_"),
        truncated_files=counts["truncated_files"],
        well_known_files=counts["well_known_files"],
        signals=_named(counts, "signals_"),
        seconds=round(seconds, 3),
    )


def _named(counts: Counter[str], prefix: str) -> dict[str, int]:
    return {key.removeprefix(prefix): n for key, n in sorted(counts.items()) if key.startswith(prefix) and n}
