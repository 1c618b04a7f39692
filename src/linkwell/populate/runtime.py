"""What all shards of a run share: one loop's schedule and connections, the picture processes, the hash lists, what is left out."""

import asyncio
import resource
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import msgspec

from linkwell.base.errors import SafetyError
from linkwell.base.settings import PopulateSettings
from linkwell.base.workspace import Workspace
from linkwell.engine import TaskContext
from linkwell.lists import Matcher, load_matcher
from linkwell.pictures import Pictures
from linkwell.populate.boxes import read_boxes
from linkwell.populate.expected import read_expected
from linkwell.populate.fetch import Fetcher, FetchLimits
from linkwell.populate.guard import AddressPolicy, parse_pins
from linkwell.populate.manners import HostLimits
from linkwell.populate.params import ShardParams
from linkwell.populate.schedule import Schedule
from linkwell.populate.spool import Room
from linkwell.populate.thrift import be_thrifty
from linkwell.populate.transport import Transport
from linkwell.populate.web import Web
from linkwell.populate.withheld import read_withheld
from linkwell.rights import TRAINING_AGENTS, load_policy

_OPEN_OVER_PLACES = 4
_HELD_BYTES = 4_000_000
_SPARE_FILES = 192
_MANY = 1 << 20
_TELL_EVERY = 256


class Runtime:
    """Made inside the loop, by `open`."""

    def __init__(self, params: ShardParams, folder: Path) -> None:
        self.workspace = Workspace.open(Path(params.workspace))
        self.settings: PopulateSettings = self.workspace.settings.populate
        self.policy = load_policy(self.workspace)
        self.matcher: Matcher = load_matcher(self.workspace)
        self.withheld = read_withheld(folder, self.workspace.master_key())
        self.agents = (*self.policy.training_agents, *TRAINING_AGENTS)
        self.boxes = read_boxes(Path(params.boxes)) if params.boxes is not None else None
        self.expected = read_expected(Path(params.verify)) if params.verify is not None else None
        self.room = Room()
        self.unsettled = 0
        """Links of open shards that have no outcome yet."""
        self.settled = asyncio.Event()
        """Set now and then when there are fewer."""
        self.files = ThreadPoolExecutor(1, thread_name_prefix="files")
        """Opens and closes shards, one at a time: each takes some megabytes while it does."""
        self.tally: Counter[str] = Counter()
        """Links, successes, failures by class and bytes, of shards that are open or were."""
        looks = self.matcher.needs_pdq and self.workspace.settings.lists.edited_pictures
        self.kept = msgspec.structs.replace(params.kept, looks=looks)
        if self.matcher.needs_pdq and not self.kept.pdq:
            raise SafetyError("the hash lists hold PDQ hashes, and this run makes none", "populate", "Run it with PDQ.")
        self.pictures: Pictures | None = None
        """The picture processes; None where pictures are looked at right here."""
        self.fetcher: Fetcher
        self.schedule: Schedule
        self._web: Web | None = None

    @classmethod
    async def open(cls, params: ShardParams, folder: Path, picture_processes: int) -> "Runtime":
        """Make it, with some processes for pictures; 0: they are decoded here.

        Raises:
            SafetyError: lists hold PDQ hashes and the parameters say to make none.
        """
        be_thrifty()
        runtime = cls(params, folder)
        settings = runtime.settings
        runtime.agents = (settings.user_agent.split("/")[0].lower(), *runtime.agents)
        places = min(settings.concurrency, max(8, (_allow_files() - _SPARE_FILES) // (1 + _OPEN_OVER_PLACES)))
        transport = runtime._transport(params)
        offline = runtime._web is None
        runtime.schedule = Schedule(
            HostLimits(
                _MANY if offline else settings.per_host_concurrency,
                0.0 if offline else settings.per_host_per_second,
                settings.retry_backoff_seconds,
                settings.max_patience_seconds,
            ),
            places=places,
            max_open=places * _OPEN_OVER_PLACES,
            max_held_bytes=_HELD_BYTES,
        )
        runtime.fetcher = Fetcher(
            transport,
            runtime.schedule,
            FetchLimits(
                settings.total_deadline_seconds,
                settings.max_image_bytes,
                settings.max_redirects,
                settings.retries,
                settings.retry_backoff_seconds,
                settings.max_bodies_bytes,
                settings.max_patience_seconds,
            ),
            user_agent=settings.user_agent,
            policy=runtime.policy,
            ask_tdmrep=bool(params.respect),
        )
        if picture_processes and not runtime.kept.header_only:
            runtime.pictures = Pictures(picture_processes, settings.picture_deadline_seconds)
        return runtime

    def settle(self) -> None:
        """One link more has its outcome."""
        self.unsettled -= 1
        if self.unsettled % _TELL_EVERY == 0:
            self.settled.set()

    def _transport(self, params: ShardParams) -> Transport:
        if params.from_archive:
            from linkwell.populate.archive import Archive  # noqa: PLC0415 - a WARC reader, where the web is one

            return Archive([Path(path) for path in params.from_archive])
        self._web = Web(
            user_agent=self.settings.user_agent,
            policy=AddressPolicy(params.allow_net),
            pins=parse_pins(params.resolve),
            connect_timeout_seconds=self.settings.connect_timeout_seconds,
        )
        return self._web

    async def close(self) -> None:
        """Stop what is under way; close connections and picture processes."""
        await self.schedule.close()
        if self.pictures is not None:
            await self.pictures.close()
        if self._web is not None:
            await self._web.close()
        self.files.shutdown()


class OpenShard(Protocol):
    """What `shard.Shard` is to whoever runs it."""

    done: "asyncio.Future[None] | None"

    def start(self) -> None:
        """Begin."""
        ...

    def finish(self) -> None:
        """Write what is left."""
        ...

    def abandon(self, error: BaseException) -> None:
        """Close everything."""
        ...


ShardMaker = Callable[[TaskContext, Runtime], OpenShard]


async def carry(context: TaskContext, runtime: Runtime, make: ShardMaker) -> None:
    """Open a shard, wait until its rows are done, and write it; whatever goes wrong in the run ends it."""
    loop = asyncio.get_running_loop()
    shard = await loop.run_in_executor(runtime.files, make, context, runtime)
    try:
        shard.start()
        assert shard.done is not None  # noqa: S101 - set by start
        await first_of(shard.done, runtime.schedule.failed)
        await loop.run_in_executor(runtime.files, shard.finish)
    except BaseException as error:
        shard.abandon(error)
        raise


async def first_of(*futures: "asyncio.Future[Any]") -> None:
    """Wait for one of several futures, and raise what it raises."""
    done, _ = await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
    for future in done:
        future.result()


def run_alone(context: TaskContext, make: ShardMaker) -> None:
    """Run one shard in a loop of its own, in this process."""

    async def run() -> None:
        quiet()
        few_threads()
        runtime = await Runtime.open(context.params(ShardParams), context.folder, 0)
        try:
            await carry(context, runtime, make)
        finally:
            await runtime.close()

    asyncio.run(run())


def quiet() -> None:
    """Keep asyncio's own reports of broken connections off standard error: they could name hosts, and each is counted anyway."""
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)


def few_threads() -> None:
    """Read and write files in two threads: each more costs memory of its own."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2, thread_name_prefix="files"))


def _allow_files() -> int:
    """Open as many files at once as the system lets us; how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):
            return soft
        return wanted
    return wanted if soft == resource.RLIM_INFINITY else soft
