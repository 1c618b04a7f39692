"""The well-known files of hosts applied to links, before de-duplication, so that an opt-out is never lost to a duplicate without it.

The files of an image's host speak of the image, those of its page's host of the page. They meet by host, in an exchange of which
every step is linear: *captures* and *questions* are dealt into buckets by host, what leads to another host is *followed*, each bucket
is *judged* once, and the answers are *applied* to the shards. Memory is set by the number of buckets.

A page's pictures that are no links, because of a missing caption, say, are opted out with it: where a file keeps the page from training or
mining, their URLs overrule the same URL on other pages, as those do that the page opts out itself.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from linkwell.base.schema import USES
from linkwell.base.shards import ParquetWriter, open_parquet, read_tables
from linkwell.build.answers import ANSWERED, IMAGE, PAGE, ApplyParams, Strengths, texts_of
from linkwell.build.following import TARGETS_SCHEMA, FollowParams, target_rows
from linkwell.build.wellknown import CAPTURES_OUTPUT, WELL_KNOWN_SCHEMA, captures_in
from linkwell.engine import BucketWriter, Engine, StageResult, TaskContext, local_input, read_bucket, run_stage, task
from linkwell.rights import (
    RSL_LINK,
    STRENGTH,
    Capture,
    HostFiles,
    Policy,
    Signal,
    host_key,
    redirect_target,
    rsl_links,
    strongest,
)

STAGES = ("captures", "follow", "followed", "questions", "judge", "rights")
"""Folders of a build that are cleared when it is done."""

_SCOPES = ("image", "page")
_ASKED = pa.schema([("host", pa.string()), ("about", pa.string()), ("scope", pa.int8()), ("document", pa.string())])  # type: ignore[arg-type] # the stub says object
"""A question: what the files of a host say about a URL, or what one document there says, to which the URL's page points."""

_BUCKET_BYTES = 32_000_000
"""Of captures as they are stored, which is a fifth of what they take in memory or less."""
_BUCKET_LINKS = 500_000
_CAPTURES_AT_A_TIME = 1_000


class DealCapturesParams(msgspec.Struct, frozen=True):
    """Parameters of `deal_captures`."""

    captures: str
    buckets: int


class AskParams(msgspec.Struct, frozen=True):
    """Parameters of `ask`: a shard, what its pages hold besides links, and its evidence."""

    shard: str
    unlinked: str | None
    evidence: str | None
    buckets: int
    pages_count: bool


class JudgeParams(msgspec.Struct, frozen=True):
    """Parameters of `judge`: the dealt captures, and the questions of every shard in order."""

    captures: tuple[str, ...]
    questions: tuple[str, ...]
    bucket: int
    buckets: int
    policy: Policy


class Judged(msgspec.Struct, frozen=True):
    """The shards with their hosts' files applied, the URLs these reserve that are no links, and captures found by following."""

    shards: list[Path]
    reserved: list[Path]
    followed: list[Path]


def apply_well_known(
    shards: Sequence[Path],
    captures: Sequence[Path],
    folder: Path,
    engine: Engine,
    *,
    evidence: Sequence[Path],
    unlinked: Sequence[Path],
    policy: Policy,
) -> Judged:
    """Apply the well-known files of hosts; where there are no captures the shards stay the same.

    Args:
        shards: of links, in `LINK_SCHEMA`.
        captures: files in `WELL_KNOWN_SCHEMA`.
        folder: where the stages go.
        engine: what runs them.
        evidence: of each shard's pages, or none at all; named like the shards, as `unlinked` is.
        unlinked: in `columns.UNLINKED_SCHEMA`: of each shard's pages.
        policy: which agents are asked about.
    """
    if not captures:
        return Judged(list(shards), [], [])
    links = sum(open_rows(shard) for shard in shards)
    buckets = max(1, -(-sum(path.stat().st_size for path in captures) // _BUCKET_BYTES), -(-links // _BUCKET_LINKS))
    dealt = _deal(captures, "captures", folder, engine, buckets)
    known = [str(path) for path in captures]
    leads = dealt.outputs("targets.parquet")
    inputs = tuple(map(local_input, [*leads, *captures]))
    following = [
        task("follow", 0, "linkwell.build.following:follow", FollowParams(tuple(map(str, leads)), tuple(known)), inputs)
    ]
    followed = run_stage(following if leads else [], folder / "follow", engine, unit="joins").outputs(CAPTURES_OUTPUT)
    files = dealt.outputs("captures.arrow") + _deal(followed, "followed", folder, engine, buckets).outputs(
        "captures.arrow"
    )
    beside, others = _by_name(evidence), _by_name(unlinked)
    questions = run_stage(
        [
            task(
                "questions",
                index,
                "linkwell.build.judging:ask",
                AskParams(
                    str(shard), others.get(_name(shard)), beside.get(_name(shard)), buckets, policy.pages_cover_images
                ),
                (local_input(shard),),
            )
            for index, shard in enumerate(shards)
        ],
        folder / "questions",
        engine,
    ).outputs("questions.arrow")
    inputs = tuple(map(local_input, [*files, *questions]))
    answers = run_stage(
        [
            task(
                "judge",
                bucket,
                "linkwell.build.judging:judge",
                JudgeParams(tuple(map(str, files)), tuple(map(str, questions)), bucket, buckets, policy),
                inputs,
            )
            for bucket in range(buckets)
        ],
        folder / "judge",
        engine,
        unit="buckets",
    ).outputs("answers.arrow")
    inputs = tuple(map(local_input, answers))
    applied = run_stage(
        [
            task(
                "rights",
                index,
                "linkwell.build.answers:apply",
                ApplyParams(
                    str(shard),
                    others.get(_name(shard)),
                    beside.get(_name(shard)),
                    tuple(map(str, answers)),
                    index,
                    len(shards),
                ),
                (local_input(shard), *inputs),
            )
            for index, shard in enumerate(shards)
        ],
        folder / "rights",
        engine,
    )
    return Judged(applied.outputs("links.parquet"), applied.outputs("reserved.parquet"), followed)


def open_rows(path: Path) -> int:
    """How many rows a shard has."""
    with open_parquet(path) as file:
        return int(file.metadata.num_rows)


def _name(path: Path) -> str:
    return path.name.partition(".")[0]


def _by_name(paths: Sequence[Path]) -> dict[str, str]:
    return {_name(path): str(path) for path in paths}


def _deal(captures: Sequence[Path], stage: str, folder: Path, engine: Engine, buckets: int) -> StageResult:
    tasks = [
        task(
            stage,
            index,
            "linkwell.build.judging:deal_captures",
            DealCapturesParams(str(path), buckets),
            (local_input(path),),
        )
        for index, path in enumerate(captures)
    ]
    return run_stage(tasks, folder / stage, engine)


def _buckets_of(hosts: Iterable[str], buckets: int) -> npt.NDArray[np.int64]:
    return np.array([zlib.crc32(host.encode("utf-8", "replace")) % buckets for host in hosts], np.int64)


def deal_captures(context: TaskContext) -> None:
    """Deal one file's captures into buckets by host, and list what they lead to elsewhere."""
    params = context.params(DealCapturesParams)
    leads: list[dict[str, str]] = []
    with BucketWriter(context.output("captures.arrow"), WELL_KNOWN_SCHEMA, params.buckets) as writer:
        for table in read_tables([Path(params.captures)], batch_rows=_CAPTURES_AT_A_TIME):
            writer.deal(table.columns, _buckets_of(texts_of(table, "host"), params.buckets))
            leads += target_rows(table)
            context.count("rows", table.num_rows)
    if leads:
        with ParquetWriter(context.output("targets.parquet"), TARGETS_SCHEMA, intermediate=True) as found:
            found.write(pa.Table.from_pylist(leads, TARGETS_SCHEMA))


def ask(context: TaskContext) -> None:
    """Write what has to be known for one shard: each URL and each page once, and the terms that pages point to."""
    params = context.params(AskParams)
    asked: dict[tuple[str, str, int, str | None], None] = {}
    host_of = Hosts()

    def add(urls: Iterable[str], scope: int) -> None:
        for url in dict.fromkeys(urls):
            if host := host_of(url):
                asked[host, url, scope, None] = None

    for table in read_tables([Path(params.shard)], ["url", "page_url"]):
        add(texts_of(table, "url"), IMAGE)
        if params.pages_count:
            add(texts_of(table, "page_url"), PAGE)
    if params.pages_count:
        for table in read_tables([Path(params.unlinked)], ["page_url"]) if params.unlinked else ():
            add(texts_of(table, "page_url"), PAGE)
        for page, document in _pointers(params.evidence):
            if host := host_of(document):
                asked[host, page, PAGE, document] = None
    columns: list[tuple[object, ...]] = list(zip(*asked, strict=True)) if asked else [()] * len(_ASKED)
    table = pa.table([pa.array(column, each.type) for column, each in zip(columns, _ASKED, strict=True)], schema=_ASKED)
    with BucketWriter(context.output("questions.arrow"), _ASKED, params.buckets) as writer:
        writer.deal(table.columns, _buckets_of(texts_of(table, "host"), params.buckets))
    context.count("rows", len(asked))


class Hosts:
    """`host_key` of many URLs: each scheme and authority is parsed once."""

    def __init__(self) -> None:
        self._known: dict[str, str | None] = {}

    def __call__(self, url: str) -> str | None:
        """The host of a URL."""
        scheme, _, rest = url.partition("://")
        origin = f"{scheme}://{rest.partition('/')[0].partition('?')[0].partition('#')[0]}/"
        if origin not in self._known:
            self._known[origin] = host_key(origin)
        return self._known[origin]


def _pointers(evidence: str | None) -> Iterator[tuple[str, str]]:
    """Pages and the RSL documents that they point to, as the evidence has them."""
    for table in read_tables([Path(evidence)], ["source_url", "kind", "raw"]) if evidence else ():
        for row in table.filter(pc.field("kind") == "rsl-pointer").to_pylist():
            for target in page_targets(row["raw"].decode("utf-8", "replace")):
                if absolute := redirect_target(row["source_url"], target):
                    yield row["source_url"], absolute


def page_targets(raw: str) -> list[str]:
    """The targets of a pointer's evidence: of a Link header, or of a `<link>`."""
    name, _, value = raw.partition(": ")
    return [value.strip()] if name == RSL_LINK else rsl_links(value)


def judge(context: TaskContext) -> None:
    """Answer the questions of one bucket, one record batch for each shard."""
    params = context.params(JudgeParams)
    files: dict[str, list[Capture]] = {}
    for path in params.captures:
        for batch in read_bucket(Path(path), params.bucket, params.buckets):
            for host, capture in captures_in(batch):
                files.setdefault(host, []).append(capture)
    asked: dict[str, list[tuple[int, str, int, str | None]]] = {}
    for shard, row in _questions(params):
        if row["host"] in files:
            asked.setdefault(row["host"], []).append((shard, row["about"], row["scope"], row["document"]))
    shards: list[int] = []
    answers: list[tuple[str, int, *Strengths]] = []
    for host, questions in asked.items():
        answered = _Answers(files[host], params.policy)
        for shard, about, scope, document in questions:
            if any(strengths := answered.strengths(about, scope, document)):
                shards.append(shard)
                answers.append((about, scope, *strengths))
    columns: list[tuple[object, ...]] = list(zip(*answers, strict=True)) if answers else [()] * len(ANSWERED)
    table = pa.table(
        [pa.array(column, each.type) for column, each in zip(columns, ANSWERED, strict=True)], schema=ANSWERED
    )
    with BucketWriter(context.output("answers.arrow"), ANSWERED, len(params.questions)) as writer:
        writer.deal(table.columns, np.array(shards, np.int64))
    context.count("rows", len(answers))


def _questions(params: JudgeParams) -> Iterator[tuple[int, dict[str, Any]]]:
    for shard, path in enumerate(params.questions):
        for batch in read_bucket(Path(path), params.bucket, params.buckets):
            for row in batch.to_pylist():
                yield shard, row


class _Answers:
    """What the files of one host come to; what many shards ask is worked out once."""

    def __init__(self, captures: list[Capture], policy: Policy) -> None:
        self._captures = captures
        self._policy = policy
        self._files = HostFiles(captures, policy)
        self._documents: dict[str, HostFiles] = {}
        self._known: dict[tuple[str, int, str | None], Strengths] = {}

    def strengths(self, about: str, scope: int, document: str | None) -> Strengths:
        key = about, scope, document
        if key not in self._known:
            files = self._files if document is None else self._of_document(document)
            signals: list[Signal] = (
                [signal for _, signal in files.statements(about, scope=_SCOPES[scope])] if files else []
            )
            found = strongest(signals, self._policy)
            self._known[key] = tuple(STRENGTH[found[use]] if use in found else 0 for use in USES)
        return self._known[key]

    def _of_document(self, document: str) -> HostFiles:
        if document not in self._documents:
            self._documents[document] = HostFiles(
                [each for each in self._captures if each.kind == "rsl" and each.url == document], self._policy
            )
        return self._documents[document]
