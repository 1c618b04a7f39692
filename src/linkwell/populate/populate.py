"""Populate: from links to a copy with images, shard by shard, and the ledger of everything that was fetched."""

import fcntl
import hashlib
import math
import os
import re
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from linkwell.base.errors import BusyError, FormatError, UsageError
from linkwell.base.shards import open_parquet, remove, storage_errors, write_bytes
from linkwell.base.workspace import Workspace
from linkwell.engine import Engine, Mark, Task, any_input, local_input, run_stage, task
from linkwell.lists import load_matcher
from linkwell.populate.adopt import is_img2datasets
from linkwell.populate.failures import passes
from linkwell.populate.hosts import HostOutcomes, largest_hosts
from linkwell.populate.layout import lay_out
from linkwell.populate.links import LinkRange, column, read_links
from linkwell.populate.options import PopulateOptions, check_options
from linkwell.populate.params import ShardParams
from linkwell.populate.thrift import be_thrifty, fewer_collections
from linkwell.populate.withheld import withheld_tag, write_withheld

COPY_FILE = "linkwell.copy"
"""JSON, but not named so: img2dataset takes every `*.json` of a folder for a shard's stats and reads its name as a number."""
COPY_FORMAT = "linkwell-copy-1"
_SHARD_DIGITS = 5
_SHARD_FILE = re.compile(r"([0-9]{5,})(?:\.tar|\.parquet|_stats\.json)?")
_KEPT_SETTINGS = (
    "user_agent",
    "total_deadline_seconds",
    "max_image_bytes",
    "max_redirects",
)


@dataclass(frozen=True)
class PopulateReport:
    """What a populate did, over all its shards, whichever run made them."""

    links: int
    success: int
    failed: dict[str, int]
    """Failures by class."""
    withheld: int
    """Links of which nothing was written: quarantined, recalled or matched."""
    image_bytes: int
    shards: int
    seconds: float
    lists_loaded: bool
    """Whether there was any hash list to match."""
    review: bool
    """Whether something was found that a person must look at."""
    hosts: tuple[HostOutcomes, ...] = ()
    """What became of the links of the hosts with the most links, most first."""

    @property
    def images_per_second(self) -> float:
        """Images for each second of this run."""
        return round(self.success / self.seconds, 1) if self.seconds else 0.0


class CopyInfo(msgspec.Struct, frozen=True):
    """`linkwell.copy`: what a folder is a copy of."""

    format: str
    dataset: str
    release: str | None
    revision: int | None
    kind: str
    created: str


@fewer_collections()
def populate(
    workspace: Workspace,
    to: Path,
    *,
    links: Sequence[Path],
    engine: Engine,
    options: PopulateOptions | None = None,
    withhold: Collection[bytes] = (),
    release: str | None = None,
    revision: int | None = None,
    retry_failed: bool = False,
    metrics: str | None = None,
) -> PopulateReport:
    """Fetch the images of links into a copy in img2dataset's layout. The same call goes on where a killed one stopped.

    Args:
        workspace: whose settings, lists and ledger are used.
        to: the copy's folder; made where it is not there.
        links: parquet files of links. For a release its parts, one shard each; else they are cut into shards.
        engine: what runs the shards.
        options: what the copy is to hold.
        withhold: ids of links to leave out; they are neither fetched nor named anywhere.
        release: the version the links are of; None for a build.
        revision: its revision.
        retry_failed: ask again for what failed for a passing reason (`failures.passes`) in shards that are done.
        metrics: `PORT` or `ADDRESS:PORT` where Prometheus may ask while it runs; loopback by default.

    Raises:
        UsageError: an option does not read, or the folder holds something else.
        BusyError: another process populates from this workspace or into this folder.
        StorageError: the disk is full or not writable; what is finished is kept.
    """
    options = options or PopulateOptions()
    be_thrifty()
    check_options(options)
    started = time.monotonic()
    to = to.absolute()
    folder = run_folder(workspace, to)
    run = folder.name
    with storage_errors(folder):
        folder.parent.mkdir(mode=0o700, exist_ok=True)
    with storage_errors(to):
        to.mkdir(parents=True, exist_ok=True)
    with workspace.lock("populate"), _folder_locked(to):
        with storage_errors(folder):
            folder.mkdir(mode=0o700, exist_ok=True)
        _claim(workspace, to, release, revision, options.output)
        master_key = workspace.master_key()
        hidden = frozenset(withhold)
        write_withheld(folder, hidden, master_key)
        tasks = _tasks(
            workspace, to, run=run, links=links, options=options, hidden=hidden, cell_keys=release is not None
        )
        for restricted in (workspace.ledger, workspace.findings):
            _sweep_run(restricted, run)
        matcher = load_matcher(workspace)
        if matcher.needs_pdq and not options.pdq:
            raise UsageError(
                "a loaded hash list holds PDQ hashes, and without PDQ what it names would be kept",
                "--no-pdq",
                "Leave it out.",
            )
        lists_loaded = not matcher.empty
        del matcher
        done = run_stage(
            tasks, folder, lay_out(engine, metrics), sweep_folders=(to,), again=_may_pass if retry_failed else None
        )
        _remove_beyond(to, len(tasks))
    counts = done.counts()
    return PopulateReport(
        links=counts["links"],
        success=counts["success"],
        failed={
            name.removeprefix("failed:"): number
            for name, number in sorted(counts.items())
            if name.startswith("failed:")
        },
        withheld=counts["withheld"],
        image_bytes=counts["image_bytes"],
        shards=len(tasks),
        seconds=round(time.monotonic() - started, 3),
        lists_loaded=lists_loaded,
        review=counts["review"] > 0,
        hosts=largest_hosts(done.outputs("hosts.json")),
    )


def run_folder(workspace: Workspace, to: Path) -> Path:
    """Where a workspace keeps the state of a copy: `status.read_status` reads from it."""
    return workspace.root / "populate" / hashlib.sha256(os.fsencode(to.absolute())).hexdigest()[:12]


def _may_pass(mark: Mark) -> bool:
    """Whether a shard has failures that may have passed."""
    return any(passes(name.removeprefix("failed:")) for name in mark.counts if name.startswith("failed:"))


def read_copy_info(folder: Path) -> CopyInfo | None:
    """What a folder says it is a copy of; None where it says nothing.

    Raises:
        FormatError: the file does not read.
    """
    path = folder / COPY_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=CopyInfo)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise FormatError(f"the description of this copy does not read: {error}", str(path)) from error


@contextmanager
def _folder_locked(folder: Path) -> Iterator[None]:
    """Hold the copy's folder itself, so that no lock file is left in it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(
                "another linkwell is at work here", str(folder), "Wait for it to finish, or stop it."
            ) from None
        yield
    finally:
        os.close(descriptor)


def _claim(workspace: Workspace, to: Path, release: str | None, revision: int | None, output: str) -> None:
    """Say in the folder what it is a copy of, before anything is in it, so that even half a copy can be purged."""
    dataset = workspace.settings.dataset
    info = read_copy_info(to)
    if info is None:
        if any(not path.name.startswith(".") for path in to.iterdir()):
            advice = "Name an empty or new folder for the copy."
            if is_img2datasets(to):
                advice += " What img2dataset made can be entered in the ledger with --adopt, and purged."
            raise UsageError("the folder is not empty", str(to), advice)
        info = CopyInfo(
            COPY_FORMAT, dataset, release, revision, output, datetime.now(UTC).isoformat(timespec="seconds")
        )
        write_bytes(to / COPY_FILE, msgspec.json.format(msgspec.json.encode(info), indent=1) + b"\n")
    elif (info.dataset, info.release, info.revision) != (dataset, release, revision):
        is_of = f"{info.dataset} {info.release or 'build'}" + (f"-r{info.revision}" if info.revision else "")
        raise UsageError(
            f"the folder holds a copy of {is_of}",
            str(to),
            "Name another folder; to bring that copy up to date, use: linkwell purge apply",
        )
    elif info.kind != output:
        raise UsageError(
            f"the copy there is laid out as {info.kind}", str(to), f"Give --output {info.kind}, or another folder."
        )


def _tasks(
    workspace: Workspace,
    to: Path,
    *,
    run: str,
    links: Sequence[Path],
    options: PopulateOptions,
    hidden: frozenset[bytes],
    cell_keys: bool,
) -> list[Task]:
    settings = workspace.settings.populate
    shard_rows = options.shard_rows or settings.shard_rows
    master_key = workspace.master_key()
    limits = {name: str(getattr(settings, name)) for name in _KEPT_SETTINGS}
    shards = _whole(links) if cell_keys else list(_cut(links, shard_rows))
    width = max(1, math.ceil(math.log10(max(shard_rows, 2))))
    tasks = []
    for index, ranges in enumerate(shards):
        ids: list[bytes] = column(read_links(ranges, ["link_id"]), "link_id") if hidden else []
        params = ShardParams(
            workspace=str(workspace.root),
            run=run,
            to=str(to),
            name=f"{index:0{_SHARD_DIGITS}d}",
            links=tuple(ranges),
            cell_keys=cell_keys,
            first_key=index * 10**width,
            key_digits=width + _SHARD_DIGITS,
            kept=options.kept(settings),
            output=options.output,
            boxes=str(options.boxes.absolute()) if options.boxes is not None else None,
            verify=str(options.verify_hash.absolute()) if options.verify_hash is not None else None,
            respect=options.respect,
            allow_net=options.allow_net,
            resolve=options.resolve,
            from_archive=tuple(str(Path(path).absolute()) for path in options.from_archive),
            limits=limits,
            withheld_tag=withheld_tag(index, hidden.intersection(ids), master_key),
        )
        inputs = tuple(local_input(Path(each.path)) for each in ranges)
        tables = [path for path in (params.boxes, params.verify) if path]
        others = tuple(any_input(path) for path in (*params.from_archive, *tables))
        tasks.append(task("populate", index, "linkwell.populate.shard:populate_shard", params, inputs + others))
    return tasks


def _whole(links: Sequence[Path]) -> list[list[LinkRange]]:
    """One shard for each file."""
    shards = []
    for path in links:
        with open_parquet(path) as file:
            shards.append([LinkRange(str(path), 0, file.metadata.num_rows)])
    return shards


def _cut(links: Sequence[Path], shard_rows: int) -> Iterator[list[LinkRange]]:
    """Shards of `shard_rows` links, across the bounds of files."""
    shard: list[LinkRange] = []
    room = shard_rows
    for path in links:
        with open_parquet(path) as file:
            rows = file.metadata.num_rows
        first = 0
        while first < rows:
            taken = min(room, rows - first)
            shard.append(LinkRange(str(path), first, taken))
            first += taken
            room -= taken
            if not room:
                yield shard
                shard, room = [], shard_rows
    if shard:
        yield shard


def _remove_beyond(to: Path, shards: int) -> None:
    """Remove shards of an earlier, longer list of links: they may hold what has been withheld since."""
    for path in sorted(to.iterdir(), reverse=True):  # the stats first: without them a shard does not count as complete
        match = _SHARD_FILE.fullmatch(path.name)
        if match is not None and int(match.group(1)) >= shards:
            remove(path)


def _sweep_run(folder: Path, run: str) -> None:
    """Remove what a killed run of this copy left half-written in a folder that others write to as well."""
    for path in folder.glob(f".{run}-*.tmp"):
        path.unlink(missing_ok=True)
