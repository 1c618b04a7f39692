"""All settings, in one place, with the units in their names. A workspace's `linkwell.toml` overrides the defaults."""

import tomllib
from pathlib import Path
from typing import Annotated

import msgspec

from linkwell.base.errors import FormatError, MissingError

Count = Annotated[int, msgspec.Meta(ge=0)]
"""A whole number, zero or more."""
Positive = Annotated[int, msgspec.Meta(ge=1)]
"""A whole number, one or more."""
Seconds = Annotated[float, msgspec.Meta(gt=0)]
"""A time, more than nothing."""
Percent = Annotated[int, msgspec.Meta(ge=1, le=100)]
"""1 to 100."""

DEFAULT_USER_AGENT = "linkwell/0.1 (+https://linkwell.example/bot)"


class EngineSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How work is run."""

    workers: Count = 0
    """Processes; 0 means one for each core."""
    max_attempts: Positive = 3
    """How often a task may lose its worker before it is given up."""


class FilterSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which links a build keeps; the defaults are LAION's. 0, false or an empty value switches a rule off."""

    min_text_characters: int = 5
    """Links with shorter captions are left out."""
    max_text_characters: int = 0
    """Links with longer captions are left out, rather than cut."""
    printable_text: bool = False
    """Whether captions with control or private characters, or with characters that did not decode, are left out."""
    blocked_extensions: tuple[str, ...] = (".svg", ".gif")
    """URLs whose path ends so are left out."""
    min_side_pixels: int = 0
    """Images that declare a smaller width or height are left out; most declare none."""
    blocked_domains: str = ""
    """File with one domain a line, which are left out with all below them; relative to the workspace."""
    max_text_pages: int = 0
    """Captions that stand on more pages of the build than this (`logo`, `photo`) are left out with all their links."""


class BuildSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How links are taken from archives."""

    max_text_characters: Positive = 2_000
    """Longer texts are cut here (what LAION did); the count of cut texts is in the stats."""
    max_url_characters: Positive = 2_000
    """Longer URLs are rejected."""
    bucket_rows: Positive = 2_000_000
    """Keys that one bucket of the exchange may hold: sets the memory of de-duplication, about 60 bytes each."""
    filters: FilterSettings = FilterSettings()


class PopulateSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How images are fetched."""

    user_agent: str = DEFAULT_USER_AGENT
    """Who asks, with an address where a site's owner can read about it: give your own."""
    shard_rows: Positive = 1_000
    """Links in one shard of a copy made from a build; a copy of a release follows its cells."""
    concurrency: Positive = 64
    """Requests in flight in one process."""
    per_host_concurrency: Positive = 4
    """Requests in flight to one host, over all processes."""
    total_deadline_seconds: Seconds = 30.0
    """From the first byte sent to the last byte received, redirects included."""
    connect_timeout_seconds: Seconds = 10.0
    """For the connection alone, TLS included."""
    max_image_bytes: Positive = 50_000_000
    """A longer body is dropped, whatever its header says."""
    max_image_pixels: Positive = 89_478_485
    """Refused from the header, before decoding."""
    picture_deadline_seconds: Seconds = 60.0
    """For decoding and encoding one image; a picture process that takes longer is ended, and the image named."""
    max_redirects: Count = 5
    """Followed one by one, each address checked."""
    retries: Count = 1
    """For passing failures only."""
    retry_backoff_seconds: float = 0.5
    """Before the first retry; doubled for each further one, with jitter. A server's Retry-After takes its place."""
    jpeg_quality: Percent = 95
    """Of pictures that are encoded again."""
    webp_quality: Percent = 90
    """The same, where WebP is asked for."""
    png_compression: Annotated[int, msgspec.Meta(ge=0, le=9)] = 6
    """The same for PNG: 0 is quick and large, 9 slow and small; the picture is the same."""


class ReleaseSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a release is cut into cells and shards."""

    cell_min_rows: Positive = 1_000
    """k: the fewest rows of a cell. Smaller than 1,000 gives little protection; the demo does, and says so."""
    cells_per_shard: Positive = 100
    """Whole cells in one part."""


class RecallSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How recalls are put into batches."""

    cells_per_batch: Positive = 8
    """A covered batch is padded to a multiple of this with cells drawn under the master key."""
    timestamp_days: Positive = 7
    """How long the feed's timestamp is trusted; a client stops on an older one."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `linkwell.toml`."""

    dataset: str = "links"
    engine: EngineSettings = EngineSettings()
    build: BuildSettings = BuildSettings()
    populate: PopulateSettings = PopulateSettings()
    release: ReleaseSettings = ReleaseSettings()
    recall: RecallSettings = RecallSettings()


def read_settings(path: Path) -> Settings:
    """Read a `linkwell.toml`.

    Raises:
        MissingError: there is no such file.
        FormatError: it is not TOML, or holds a setting that does not exist or has the wrong type.
    """
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise MissingError("there is no such file", str(path), "Make a workspace with: linkwell init DIR") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"this is not TOML: {error}", str(path)) from error
    try:
        return msgspec.convert(raw, Settings)
    except msgspec.ValidationError as error:
        raise FormatError(str(error), str(path), "docs/settings.md lists every setting.") from error
