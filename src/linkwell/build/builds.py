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
from linkwell.base.workspace import Workspace
from linkwell.build.extract import ExtractParams, ExtractSettings
from linkwell.build.sources import expand_sources
from linkwell.engine import Engine, Input, StageResult, any_input, deduplicate, run_stage, task
from linkwell.rights import RESTRICTION_COLUMNS

_FORMAT = "linkwell-build-1"
_EXTRACT = "linkwell.build.extract:extract"
_RANK = "linkwell.rights:restriction_rank"
_BUILD_FILE = "build.json"
_CURRENT_FILE = "current.json"


class BuildReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a build read and kept: `images` = `links` + `duplicates` + the sum of `rejected`.

    Attributes:
        name: of the build.
        crawl: the name given, or None where the archives' own were taken.
        sources: archive files read.
        bytes_read: their size, as stored.
        pages: HTML pages read, with images or without.
        images: `<img>` elements on them.
        links: rows after de-duplication.
        duplicates: images whose URL another row of the build has.
        rejected: images that are no links, by reason.
        texts_cut: texts longer than the setting, cut.
        wrong_charset: pages with bytes that are not in their stated encoding; these were replaced.
        pages_cut: pages longer, or nested deeper, than is read of one.
        skipped: records that are no HTML page, by reason.
        broken: damage met, by reason; what is not damaged was read.
        truncated_files: archives that end in the middle of a record; what stands before was read.
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
    rejected: dict[str, int]
    texts_cut: int
    wrong_charset: int
    pages_cut: int
    skipped: dict[str, int]
    broken: dict[str, int]
    truncated_files: int
    signals: dict[str, int]
    seconds: float

    @property
    def damaged(self) -> bool:
        """Whether a source was damaged, so that somebody should fetch it again."""
        return bool(self.broken or self.truncated_files)


class _Shard(msgspec.Struct, frozen=True):
    path: str
    size: int
    rows: int


class _BuildFile(msgspec.Struct, frozen=True):
    format: str
    report: BuildReport
    sources: tuple[Input, ...]
    settings: ExtractSettings
    shards: tuple[_Shard, ...]


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


def build(workspace: Workspace, sources: Sequence[str], *, crawl: str | None, engine: Engine) -> BuildReport:
    """Take the links out of archives into the workspace, and make that its current build, unless there are none.

    The build's name comes from the sources, their state and the settings: the same command goes on where a killed one stopped,
    and does nothing when all is done.

    Args:
        workspace: where the build goes.
        sources: WAT and WARC files, patterns, folders, lists; see `sources`.
        crawl: name of the crawl; None: as each archive says.
        engine: what runs the tasks.

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
    extract_settings = ExtractSettings(crawl, settings.max_text_characters, settings.max_url_characters)
    name = _name_of(inputs, extract_settings)
    folder = workspace.builds / name
    with workspace.lock("build"):
        done = _read_build(folder)
        if done is None:
            tasks = [
                task("extract", index, _EXTRACT, ExtractParams(each.path, extract_settings), (each,))
                for index, each in enumerate(inputs)
            ]
            extracted = run_stage(tasks, folder / "extract", engine, unit="archives")
            kept = deduplicate(
                extracted.outputs("links.parquet"),
                folder,
                engine,
                rank=_RANK,
                rank_columns=RESTRICTION_COLUMNS,
                bucket_rows=settings.bucket_rows,
            )
            done = _BuildFile(
                format=_FORMAT,
                report=_report(name, crawl, extracted, kept, time.monotonic() - started),
                sources=inputs,
                settings=extract_settings,
                shards=tuple(_shard(path, folder) for path in kept.outputs("links.parquet")),
            )
            write_bytes(folder / _BUILD_FILE, msgspec.json.format(msgspec.json.encode(done), indent=1))
        for stage in ("extract", "scatter", "reduce"):
            # Everything in them stands in the shards, or was a duplicate: a second copy of links is one more to purge.
            shutil.rmtree(folder / stage, ignore_errors=True)
        if done.report.links:
            current = _CurrentFile(_FORMAT, name)
            write_bytes(workspace.builds / _CURRENT_FILE, msgspec.json.encode(current))
    return done.report


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
            "there is no build yet", str(workspace.root), "Make one with: linkwell build SOURCE…"
        ) from None
    except msgspec.DecodeError as error:
        raise DamagedFileError("this file does not read", str(path), "Give the build's command again.") from error
    folder = workspace.builds / current.name
    found = _read_build(folder)
    if found is None:
        raise MissingError("the build is not whole", str(folder), "Give the build's command again.")
    links = [folder / shard.path for shard in found.shards]
    return Build(current.name, links, sum(shard.rows for shard in found.shards), found.report.crawl, found.report)


def _name_of(inputs: tuple[Input, ...], settings: ExtractSettings) -> str:
    digest = hashlib.sha256(msgspec.json.encode((_FORMAT, inputs, settings))).hexdigest()
    return f"b-{digest[:12]}"


def _read_build(folder: Path) -> _BuildFile | None:
    """The file of a finished build whose shards are all there, or None."""
    try:
        found = msgspec.json.decode((folder / _BUILD_FILE).read_bytes(), type=_BuildFile)
        whole = all((folder / shard.path).stat().st_size == shard.size for shard in found.shards)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return found if whole and found.format == _FORMAT else None


def _shard(path: Path, folder: Path) -> _Shard:
    with open_parquet(path) as file:
        rows = file.metadata.num_rows
    return _Shard(os.path.relpath(path, folder.resolve()), path.stat().st_size, rows)


def _report(name: str, crawl: str | None, extracted: StageResult, kept: StageResult, seconds: float) -> BuildReport:
    counts = extracted.counts()
    applied = kept.counts()
    rejected = _named(counts, "rejected_")
    duplicates = counts["duplicates"] + applied["duplicates"]
    if counts["images"] != applied["rows"] + duplicates + sum(rejected.values()):
        raise ReconciliationError(
            f"{counts['images']} images came in, but {applied['rows']} links, {duplicates} duplicates and "
            f"{sum(rejected.values())} rejected do not add up to them",
            str(extracted.folder.parent),
            "This is a fault in linkwell: please report it.",
        )
    return BuildReport(
        name=name,
        crawl=crawl,
        sources=len(extracted.marks),
        bytes_read=counts["bytes_read"],
        pages=counts["pages"],
        images=counts["images"],
        links=applied["rows"],
        duplicates=duplicates,
        rejected=rejected,
        texts_cut=counts["texts_cut"],
        wrong_charset=counts["wrong_charset"],
        pages_cut=counts["pages_cut"],
        skipped=_named(counts, "skipped_"),
        broken=_named(counts, "broken_"),
        truncated_files=counts["truncated_files"],
        signals=_named(counts, "signals_"),
        seconds=round(seconds, 3),
    )


def _named(counts: Counter[str], prefix: str) -> dict[str, int]:
    return {key.removeprefix(prefix): n for key, n in sorted(counts.items()) if key.startswith(prefix) and n}
