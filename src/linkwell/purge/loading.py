"""A filter that drops recalled samples while they are loaded, for the time between a recall and the purge.

It needs no framework: WebDataset pipelines take it as a stage, PyTorch datasets are wrapped, `datasets.Dataset.filter` takes
`keeps`. What is recalled is read once through the feed's signatures; an expired feed raises, also in the middle of a run.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import msgspec
import numpy as np

from linkwell.base.errors import FormatError, StaleFeedError
from linkwell.base.ids import LINK_ID_BYTES, link_id
from linkwell.purge.aliases import read_aliases
from linkwell.purge.feed import open_feed
from linkwell.purge.match import Wanted, cell_of_key, raw_id
from linkwell.recall import Recalled, load_recalled

S = TypeVar("S")
Unidentified = Literal["raise", "keep", "drop"]
_KEY, _JSON = "__key__", "json"
_URLS = ("url", "URL", "image_url")


class _Indexed(Protocol):
    """A dataset that is asked by number."""

    def __getitem__(self, index: int) -> Any: ...

    def __len__(self) -> int: ...


class _Said(msgspec.Struct, frozen=True):
    """What a sample's JSON says about which link it is."""

    url: str | None = None
    upper_url: str | None = msgspec.field(default=None, name="URL")
    link_id: str | None = None
    cell: int | None = None
    uid: str | None = None


@dataclass
class Counts:
    """What a guard did so far."""

    seen: int = 0
    dropped: int = 0


@dataclass(frozen=True, eq=False)
class Guard:
    """Says of samples whether they are recalled; make it with `guard`. It can be sent to other processes."""

    cells: frozenset[int]
    ids: frozenset[bytes]
    """Link ids, 16 bytes each."""
    uids: frozenset[bytes]
    expires: float
    """Seconds since the epoch after which the feed is stale."""
    ours: bool = False
    """Keys and cells are those of a release."""
    one_by_one: bool = True
    """Whether links may be recalled without their cell: then a cell alone does not clear a sample."""
    unidentified: Unidentified = "raise"
    """What becomes of a sample that nothing says which link it is: `raise`, `keep` or `drop`."""
    counts: Counts = field(default_factory=Counts)

    def keeps(self, sample: Mapping[str, Any]) -> bool:
        """Whether a sample may be used: not recalled.

        Args:
            sample: any mapping with one of `url`, `link_id`, `uid`, `cell`, or with a `json` of them, or with our `__key__`.

        Raises:
            StaleFeedError: the feed that the guard was made from has expired.
            FormatError: nothing says which link the sample is, and that is not allowed.
        """
        self.counts.seen += 1
        if self.counts.seen & 1023 == 1:
            self.check()
        kept = self._keeps(sample)
        self.counts.dropped += not kept
        return kept

    def check(self) -> None:
        """Raise where the feed has expired since.

        Raises:
            StaleFeedError: it has.
        """
        if time.time() > self.expires:
            raise StaleFeedError(
                "the feed that this guard was made from has expired", advice="Make the guard anew from a fresh feed."
            )

    def _keeps(self, sample: Mapping[str, Any]) -> bool:
        key = cell_of_key(_base(sample.get(_KEY, sample.get("key")))) if self.ours else -1
        if key >= 0 and not self.one_by_one:
            return key not in self.cells
        said = _said(sample)
        cells = {key, said.cell} - {-1, None} if self.ours else set()
        if not self.ids.isdisjoint(said.links) or said.uid in self.uids or not self.cells.isdisjoint(cells):
            return False
        told = bool(said.links or (said.uid and self.uids) or (cells and not self.one_by_one))
        if told or self.unidentified == "keep":
            return True
        if self.unidentified == "drop":
            return False
        raise FormatError(
            "nothing says which link this sample is",
            advice="Load its url, link_id or json too, or give guard(unidentified='keep') or 'drop'.",
        )

    def __call__(self, samples: Iterable[S]) -> Iterator[S]:
        """The samples that are kept: a stage of a WebDataset pipeline, or of any stream."""
        for sample in samples:
            if self.keeps(sample):  # type: ignore[arg-type] # samples of a pipeline are mappings
                yield sample

    def dataset(self, dataset: _Indexed) -> "GuardedDataset":
        """A dataset that is asked by number (`torch.utils.data.Dataset`), without what is recalled; looks at each sample once."""
        kept = [index for index in range(len(dataset)) if self.keeps(dataset[index])]
        return GuardedDataset(dataset, kept)

    def select(self, columns: Mapping[str, Sequence[Any]]) -> list[bool]:
        """For each row of a batch of columns whether it is kept: for `datasets.Dataset.filter(guard.select, batched=True)`."""
        names = [name for name in (*_URLS, "link_id", "uid", "cell", "key", _JSON) if name in columns]
        if not names:
            return [self.keeps({}) for _ in next(iter(columns.values()), ())]
        rows = zip(*(columns[name] for name in names), strict=True)
        return [self.keeps(dict(zip(names, row, strict=True))) for row in rows]


class GuardedDataset(Sized):
    """A dataset by number, with the recalled samples left out; the others keep their order."""

    def __init__(self, dataset: _Indexed, kept: Sequence[int]) -> None:
        self._dataset = dataset
        self._kept = np.asarray(kept, dtype=np.int64)

    def __len__(self) -> int:
        """How many are left."""
        return len(self._kept)

    def __getitem__(self, index: int) -> Any:
        """The sample of that number among those that are left."""
        return self._dataset[int(self._kept[index])]


@dataclass(frozen=True)
class _Identity:
    links: tuple[bytes, ...]
    uid: bytes
    cell: int | None


def _said(sample: Mapping[str, Any]) -> _Identity:
    """What a sample says about which link it is, itself and in its JSON."""
    content = sample.get(_JSON)
    if isinstance(content, (bytes, str)):
        try:
            said = _DECODER.decode(content)
            inner: Mapping[str, Any] = {
                "url": said.url or said.upper_url,
                "link_id": said.link_id,
                "uid": said.uid,
                "cell": said.cell,
            }
        except (msgspec.MsgspecError, ValueError):
            inner = {}
    else:
        inner = content if isinstance(content, Mapping) else {}
    links, uid, cell = [], b"", None
    for source in (sample, inner):
        for name in _URLS:
            url = source.get(name)
            if isinstance(url, str):
                links.append(link_id(url))
        raw = raw_id(source.get("link_id"))
        if len(raw) == LINK_ID_BYTES:
            links.append(raw)
        uid = uid or raw_id(source.get("uid"))
        number = source.get("cell")
        cell = int(number) if isinstance(number, (int, np.integer)) and not isinstance(number, bool) else cell
    return _Identity(tuple(links), uid, cell)


_DECODER = msgspec.json.Decoder(_Said)


def _base(key: object) -> str | None:
    return key.rpartition("/")[2] if isinstance(key, str) else None


def guard(
    feed: str,
    *,
    state: Path | str,
    root: Path | str | None = None,
    dataset: str | None = None,
    allow_net: Sequence[str] = (),
    aliases: Sequence[Path | str] = (),
    ours: bool = False,
    unidentified: Unidentified = "raise",
) -> Guard:
    """A guard from a feed, read through its signatures.

    Args:
        feed: a folder, `file://` or `http(s)://` URL.
        state: a folder of the guard's own, where it remembers what it has seen of the feed.
        root: the root file you got from the feed's owner; needed the first time.
        dataset: which of the feed's datasets; by default its only one.
        allow_net: networks (CIDR) that may be reached although they are not public.
        aliases: parquet with URLs or link ids beside `uid`, for samples that only have that.
        ours: the copy was made by Linkwell from a release, so that keys and cells may be believed.
        unidentified: what becomes of a sample that nothing says which link it is: `raise`, `keep` or `drop`.

    Raises:
        StaleFeedError: the feed is expired, frozen or rolled back.
        SignatureError: it does not hold.
        UsageError: the feed has several datasets and none was named.
    """
    client = open_feed(feed, Path(state), root=Path(root) if root else None, allow_net=allow_net)
    recalled = load_recalled(client, dataset)
    known = read_aliases([Path(path) for path in aliases], Wanted.of(recalled))
    return guard_of(recalled, client.expires(), uids=known.uids.tolist(), ours=ours, unidentified=unidentified)


def guard_of(
    recalled: Recalled,
    expires: float,
    *,
    uids: Iterable[bytes] = (),
    ours: bool = False,
    unidentified: Unidentified = "raise",
) -> Guard:
    """A guard from what a feed says; see `guard`."""
    return Guard(
        recalled.cells,
        frozenset(value.ljust(LINK_ID_BYTES, b"\0") for value in recalled.link_ids.tolist()),
        frozenset(value.ljust(LINK_ID_BYTES, b"\0") for value in uids),
        expires,
        ours,
        recalled.loose_ids is None or len(recalled.loose_ids) > 0,
        unidentified,
    )
