"""An import: other projects' tables and plain lists of links become a build, so that all that follows works on them."""

import hashlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import fsspec
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from linkwell.base.errors import DamagedFileError, FormatError, MissingError, ReconciliationError, UsageError
from linkwell.base.schema import LINK_SCHEMA, USES
from linkwell.base.shards import ParquetWriter, write_bytes
from linkwell.base.workspace import Workspace
from linkwell.build.builds import BUILD_FORMAT, RANK, BuildFile, BuildReport, finish_build, read_build, shard_of
from linkwell.build.convert import Converter, Rejections
from linkwell.build.extract import ROW_GROUP_ROWS, ExtractSettings
from linkwell.build.foreign import TABLE_FORMATS, Foreign, recognise
from linkwell.build.language import LanguageDetector
from linkwell.build.listfile import LIST_KINDS, kind_of, open_list
from linkwell.engine import Engine, Input, TaskContext, any_input, deduplicate, local_input, run_stage, task
from linkwell.rights import RESTRICTION_COLUMNS

IMPORT_FORMATS = (*TABLE_FORMATS, *LIST_KINDS)
"""What `--format` names: the schema of a table, or the kind of a list whose name does not tell it."""

_TASK = "linkwell.build.imports:import_part"
_TASK_ROWS = 1_000_000
_BATCH_ROWS = 5_000
_PARQUET = (".parquet", ".parq", ".pq")
_IMPORT_FILE = "import.json"
_NO_CRAWL = "import"


class ImportOptions(msgspec.Struct, frozen=True):
    """How files are read.

    Attributes:
        format: one of `IMPORT_FORMATS`.
        url_column: name of the column with the URL; None: by alias.
        text_column: name of the column with the text; None: by alias.
        encoding: of lists that have no byte order mark; None: UTF-8.
        crawl: what the links' column `crawl` says.
        language: detect the texts' language where no column tells it; False: `und`.
    """

    format: str = "auto"
    url_column: str | None = None
    text_column: str | None = None
    encoding: str | None = None
    crawl: str = _NO_CRAWL
    language: bool = True


class FileReport(msgspec.Struct, frozen=True):
    """What one file was taken for, and the numbers (from 1) of the first rows of each reason for which rows became no links."""

    path: str
    format: str
    columns: dict[str, str]
    notes: tuple[str, ...]
    rejected_rows: dict[str, list[int]]


class ImportReport(msgspec.Struct, frozen=True):
    """What was imported: `rows` = `links` + `duplicates` + `known` + the sum of `rejected`."""

    name: str
    rows: int
    links: int
    duplicates: int
    known: int
    rejected: dict[str, int]
    texts_cut: int
    seconds: float
    files: tuple[FileReport, ...]


class ImportParams(msgspec.Struct, frozen=True):
    """Parameters of `import_part`: `first_group` to before `last_group` of a parquet file; both 0 for a list."""

    path: str
    kind: str
    options: ImportOptions
    max_text_characters: int
    max_url_characters: int
    first_group: int = 0
    last_group: int = 0
    first_row: int = 1


def import_links(
    workspace: Workspace,
    files: Sequence[str],
    *,
    options: ImportOptions,
    engine: Engine,
    against: Sequence[Path] = (),
) -> ImportReport:
    """Import files as a build, and make it the current one. The same call goes on where a killed one stopped.

    Args:
        workspace: where the build goes.
        files: parquet files and lists: paths, URLs, or folders, which are searched for both.
        options: how to read them.
        engine: what runs the tasks.
        against: shards of earlier builds or releases; see `build`.

    Raises:
        UsageError: no file was given, the format has no such name, or an encoding is given and no list.
        MissingError: a file is not there.
        FormatError: a file is of no known kind, or no column of it can be the URL.
        DamagedFileError: a file does not read to its end.
    """
    started = time.monotonic()
    if options.format not in IMPORT_FORMATS:
        raise UsageError(f"there is no format {options.format!r}", advice=f"Formats: {', '.join(IMPORT_FORMATS)}.")
    inputs = tuple(any_input(path) for path in _expand(files))
    if options.encoding is not None and {_kind_of(each.path, options) for each in inputs} == {"parquet"}:
        raise UsageError("this has no effect: parquet has an encoding of its own", "--encoding", "Leave it out.")
    build_settings = workspace.settings.build
    settings = ExtractSettings(options.crawl, build_settings.max_text_characters, build_settings.max_url_characters)
    what = ("linkwell-import-1", inputs, options, settings, tuple(map(local_input, against)))
    name = f"i-{hashlib.sha256(msgspec.json.encode(what)).hexdigest()[:12]}"
    folder = workspace.builds / name
    with workspace.lock("build"):
        done = read_build(folder)
        if done is None:
            tasks = [
                task("extract", index, _TASK, params, (each,))
                for index, (params, each) in enumerate(_parts(inputs, options, settings))
            ]
            imported = run_stage(tasks, folder / "extract", engine, unit="parts")
            shards = imported.outputs("links.parquet")
            kept = deduplicate(
                shards,
                folder,
                engine,
                rank=RANK,
                rank_columns=RESTRICTION_COLUMNS,
                bucket_rows=build_settings.bucket_rows,
                against=against,
            )
            report = _report(
                name,
                imported.counts(),
                kept.counts(),
                _files_of(imported.outputs("part.json")),
                time.monotonic() - started,
            )
            write_bytes(folder / _IMPORT_FILE, msgspec.json.format(msgspec.json.encode(report), indent=1))
            done = BuildFile(
                format=BUILD_FORMAT,
                report=_as_build_report(report, options.crawl, inputs),
                sources=inputs,
                settings=settings,
                shards=tuple(shard_of(path, folder) for path in kept.outputs("links.parquet")),
            )
        finish_build(workspace, done)
        return msgspec.json.decode((folder / _IMPORT_FILE).read_bytes(), type=ImportReport)


def import_part(context: TaskContext) -> None:
    """Write the links of a list, or of some row groups of a parquet file, to `links.parquet`, and a `FileReport` to `part.json`.

    Raises:
        FormatError: no column can be the URL.
        DamagedFileError: the file does not read to its end.
    """
    params = context.params(ImportParams)
    rejections = Rejections(context.counts)
    with ExitStack() as stack:
        if params.kind == "parquet":
            file = stack.enter_context(_open_parquet(params.path))
            foreign = _recognise(file.schema_arrow.names, params)
            batches = _parquet_batches(file, foreign, params)
        else:
            opened = stack.enter_context(open_list(params.path, params.kind, rejections, params.options.encoding))
            foreign = _recognise(opened.names, params, opened.notes)
            batches = _list_batches(opened.rows, opened.names, foreign)
        converter = Converter(
            foreign,
            rejections,
            crawl=params.options.crawl,
            max_text_characters=params.max_text_characters,
            max_url_characters=params.max_url_characters,
            detector=LanguageDetector() if params.options.language and "language" not in foreign.columns else None,
        )
        writer = stack.enter_context(
            ParquetWriter(context.output("links.parquet"), LINK_SCHEMA, row_group_rows=ROW_GROUP_ROWS)
        )
        for table, numbers in batches:
            links = converter.links(table, numbers)
            context.count("links", links.num_rows)
            writer.write(links)
    report = FileReport(params.path, foreign.name, foreign.columns, foreign.notes, rejections.rows)
    context.output("part.json").write_bytes(msgspec.json.encode(report))


def _recognise(names: Sequence[str], params: ImportParams, notes: tuple[str, ...] = ()) -> Foreign:
    options = params.options
    found = recognise(
        names,
        params.path,
        table_format=options.format if options.format in TABLE_FORMATS else "auto",
        url_column=options.url_column,
        text_column=options.text_column,
    )
    return msgspec.structs.replace(found, notes=(*notes, *found.notes))


Batches = Iterator[tuple[pa.Table, Sequence[int]]]


def _parquet_batches(file: pq.ParquetFile, foreign: Foreign, params: ImportParams) -> Batches:
    groups = list(range(params.first_group, params.last_group))
    verdicts = [use for use in USES if use in file.schema_arrow.names]
    columns = list(dict.fromkeys([*foreign.columns.values(), *verdicts]))
    if foreign.name == "linkwell":
        columns = [name for name in file.schema_arrow.names if name in LINK_SCHEMA.names]
    number = params.first_row
    try:
        for batch in file.iter_batches(_BATCH_ROWS, groups, columns):
            yield pa.Table.from_batches([batch]), range(number, number + batch.num_rows)
            number += batch.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        raise DamagedFileError("the file is damaged", params.path, "Fetch it again.") from error


def _list_batches(rows: Iterator[tuple[int, Sequence[object]]], names: list[str], foreign: Foreign) -> Batches:
    wanted = {name: names.index(name) for name in foreign.columns.values()}
    numbers: list[int] = []
    values: list[list[bytes | None]] = [[] for _ in wanted]

    def table() -> pa.Table:
        # As bytes: a string column cannot hold what is no UTF-8, and the converter is what rejects it.
        return pa.table([pa.array(each, pa.binary()) for each in values], names=list(wanted))

    for number, row in rows:
        numbers.append(number)
        for held, index in zip(values, wanted.values(), strict=True):
            value = row[index]
            held.append(None if value is None else str(value).encode("utf-8", "surrogateescape"))
        if len(numbers) == _BATCH_ROWS:
            yield table(), numbers
            numbers, values = [], [[] for _ in wanted]
    if numbers:
        yield table(), numbers


@contextmanager
def _open_parquet(path: str) -> Iterator[pq.ParquetFile]:
    with ExitStack() as stack:
        source: str | IO[bytes] = path
        if "://" in path:
            source = stack.enter_context(fsspec.open(path, "rb"))
        try:
            file = stack.enter_context(pq.ParquetFile(source))
        except (pa.ArrowInvalid, OSError) as error:
            raise DamagedFileError("this is not a whole parquet file", path, "Fetch it again.") from error
        yield file


def _parts(
    inputs: Sequence[Input], options: ImportOptions, settings: ExtractSettings
) -> Iterator[tuple[ImportParams, Input]]:
    """The tasks: a list is one, a parquet file is as many as its row groups make, of about a million rows each."""
    limits = settings.max_text_characters, settings.max_url_characters
    for each in inputs:
        kind = _kind_of(each.path, options)
        if kind != "parquet":
            yield ImportParams(each.path, kind, options, *limits), each
            continue
        with _open_parquet(each.path) as file:
            metadata = file.metadata
            # A file whose columns cannot be links is refused before any work is done.
            _recognise(file.schema_arrow.names, ImportParams(each.path, kind, options, *limits))
            first = rows = 0
            row = 1
            for group in range(metadata.num_row_groups):
                rows += metadata.row_group(group).num_rows
                if rows >= _TASK_ROWS or group + 1 == metadata.num_row_groups:
                    yield ImportParams(each.path, kind, options, *limits, first, group + 1, row), each
                    first, row, rows = group + 1, row + rows, 0


def _kind_of(path: str, options: ImportOptions) -> str:
    if options.format in LIST_KINDS:
        return options.format
    if path.lower().endswith(_PARQUET):
        return "parquet"
    kind = kind_of(path)
    if kind is None:
        raise FormatError(
            "its name does not tell what it is",
            path,
            f"Known: .parquet, {', '.join('.' + kind for kind in LIST_KINDS)}, and these with .gz; or name it with --format.",
        )
    return kind


def _expand(files: Sequence[str]) -> list[str]:
    if not files:
        raise UsageError(
            "no file was given", advice="Name parquet files, lists (txt, csv, tsv, json, jsonl) or folders."
        )
    found: dict[str, None] = {}
    for named in files:
        path = Path(named).expanduser()
        if "://" in named:
            found[named] = None
        elif path.is_dir():
            below = [
                str(each.absolute())
                for each in sorted(path.rglob("*"))
                if each.is_file() and (each.name.lower().endswith(_PARQUET) or kind_of(each.name))
            ]
            if not below:
                raise MissingError("no parquet file or list is found here", named)
            found.update(dict.fromkeys(below))
        else:
            found[str(path.absolute())] = None
    return list(found)


def _files_of(parts: Sequence[Path]) -> tuple[FileReport, ...]:
    """The parts' reports, those of one file joined."""
    joined: dict[str, FileReport] = {}
    for path in parts:
        part = msgspec.json.decode(path.read_bytes(), type=FileReport)
        before = joined.setdefault(part.path, part)
        if before is not part:
            for reason, rows in part.rejected_rows.items():
                examples = before.rejected_rows.setdefault(reason, [])
                examples += rows[: max(0, 10 - len(examples))]
    return tuple(joined.values())


def _report(
    name: str, counts: Counter[str], kept: Counter[str], files: tuple[FileReport, ...], seconds: float
) -> ImportReport:
    rejected = {key.removeprefix("rejected_"): n for key, n in sorted(counts.items()) if key.startswith("rejected_")}
    report = ImportReport(
        name=name,
        rows=counts["links"] + sum(rejected.values()),
        links=kept["rows"],
        duplicates=kept["duplicates"],
        known=kept["known"],
        rejected=rejected,
        texts_cut=counts["texts_cut"],
        seconds=round(seconds, 3),
        files=files,
    )
    if counts["links"] != report.links + report.duplicates + report.known:
        raise ReconciliationError(
            f"{counts['links']} links came in, but {report.links} kept, {report.duplicates} duplicates and {report.known} "
            "known do not add up to them",
            name,
            "This is a fault in linkwell: please report it.",
        )
    return report


def _as_build_report(report: ImportReport, crawl: str, inputs: Sequence[Input]) -> BuildReport:
    return BuildReport(
        name=report.name,
        crawl=crawl,
        sources=len(inputs),
        bytes_read=0,
        pages=0,
        images=report.rows,
        links=report.links,
        duplicates=report.duplicates,
        known=report.known,
        rejected=report.rejected,
        texts_cut=report.texts_cut,
        wrong_charset=0,
        pages_cut=0,
        skipped={},
        broken={},
        truncated_files=0,
        signals={},
        seconds=report.seconds,
    )
