"""All settings, in one place, with the units in their names. A workspace's `linkwell.toml` overrides the defaults."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from linkwell.base.errors import FormatError, MissingError

Count = Annotated[int, msgspec.Meta(ge=0)]
"""A whole number, zero or more."""
Positive = Annotated[int, msgspec.Meta(ge=1)]
"""A whole number, one or more."""
Seconds = Annotated[float, msgspec.Meta(gt=0)]
"""A time, more than nothing."""
PerSecond = Annotated[float, msgspec.Meta(ge=0)]
"""A rate; 0 means no limit."""
Percent = Annotated[int, msgspec.Meta(ge=1, le=100)]
"""1 to 100."""
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
"""From 0 to 1."""

PdqQuality = Annotated[int, msgspec.Meta(ge=0, le=100)]
"""0 to 100."""

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
    feed: str = ""
    """Address of a feed: what it recalls is never fetched, and populate stops where it is stale. Empty: none."""
    shard_rows: Positive = 1_000
    """Links in one shard of a copy made from a build; a copy of a release follows its cells."""
    concurrency: Positive = 256
    """Requests in flight. One that has been for longer than a second gives its place to others; four times as many are open at most."""
    per_host_concurrency: Positive = 4
    """Requests in flight to one host."""
    per_host_per_second: PerSecond = 10.0
    """Requests to one host, of whatever kind, started in a second, evenly; 0 means no limit. A Crawl-delay in its robots.txt lowers it."""
    max_patience_seconds: Seconds = 120.0
    """The longest a host is waited for when it is in trouble, or asks for it with Retry-After or Crawl-delay; one that wants more is left alone."""
    total_deadline_seconds: Seconds = 30.0
    """Of one attempt: from the first byte sent to the last byte received, redirects included."""
    connect_timeout_seconds: Seconds = 10.0
    """For the connection alone, TLS included."""
    max_image_bytes: Positive = 50_000_000
    """A longer body is dropped, whatever its header says."""
    max_bodies_bytes: Positive = 96_000_000
    """For all bodies above 128 kB at once, while they are received and examined; others wait for their turn. `max_image_bytes` of it are for one that
    is long or does not say how long it is; where this is no more than that, all wait for that one place."""
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
    padding_cells_per_hit: Count = 1
    """A covered batch has at least so many padding cells for each cell that holds a hit."""
    cadence_days: Count = 0
    """A covered batch comes once in so many days, with padding alone where nothing is hit; 0: as soon as it is asked for."""
    max_attacker_precision: Share = 0.05
    """No batch goes out where the leak meter names more right entries than this share of its guesses."""
    timestamp_days: Positive = 7
    """How long the feed's timestamp is trusted; a client stops on an older one."""


Signal = Literal["md5", "sha1", "sha256", "pdq", "url"]
"""What a column of a list can hold."""


class ListMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the columns of a CSV list read; names are compared without regard to case."""

    columns: dict[str, Signal] = msgspec.field(default_factory=dict)
    """Column and what it holds: md5, sha1, sha256, pdq or url; hex, base32 or base64."""
    type_column: str = ""
    """Column that says what the value column holds, where that differs by row."""
    value_column: str = ""
    """The column of the value, with `type_column`."""
    record_column: str = ""
    """Column of the supplier's id of an entry, by which later files replace and withdraw it."""
    status_column: str = ""
    """Column that says whether an entry is withdrawn."""
    withdrawn: tuple[str, ...] = ("withdrawn", "deleted", "removed")
    """What the status column says of an entry that is to match no longer."""
    class_column: str = ""
    """Column of the class of an entry."""
    classes: tuple[str, ...] = ()
    """Classes that load; empty means all."""
    expires_column: str = ""
    """Column of the date from which an entry matches no longer (ISO 8601, UTC where it names no zone)."""
    delimiter: Annotated[str, msgspec.Meta(pattern=r"^[,;|\t]$")] = ","
    """What separates the columns: comma, semicolon, tab or bar."""
    header: bool = True
    """Whether the first row names the columns; else they are named 1, 2, 3 …"""


class ExchangeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One place that hash lists are fetched from; nothing is fetched unless somebody says `lists fetch`."""

    kind: Literal["ncmec", "stopncii", "threatexchange"]
    """Which protocol it speaks."""
    url: str
    """Its base address, https. For NCMEC: without `/v2`."""
    production: bool = False
    """Whether this is the real service. False: a test system, and what it gives is marked synthetic."""
    credentials: str = ""
    """Where its credentials are: `env:NAME`, `file:PATH` or `command:LINE`. See docs/lists.md for what each kind expects."""
    group: str = ""
    """ThreatExchange: the id of the privacy group."""
    source: str = ""
    """Name of the list; by default the name of the exchange."""
    page_rows: Positive = 1_000
    """Entries asked for at a time, where the protocol lets one say."""
    timeout_seconds: Seconds = 60.0
    """For one page."""
    max_attempts: Positive = 5
    """Tries of one page before it is given up; the next `lists fetch` goes on there."""
    backoff_seconds: Seconds = 1.0
    """Before the second try, doubled for each further one; a server's Retry-After takes its place."""
    ca_file: str = ""
    """Certificates to trust instead of the system's, relative to the workspace."""


class ListsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hash lists: how they are matched, how foreign CSV reads, and where lists are fetched."""

    min_pdq_quality: PdqQuality = 50
    """Pictures whose PDQ quality (0-100) is lower are not matched by their look, and counted as not checked in full; 50 in the whole field."""
    turned_pictures: bool = False
    """Whether PDQ is also matched for the picture turned and mirrored: eight searches for each, made from its hash alone."""
    edited_pictures: bool = False
    """Whether PDQ is also matched, when a picture is fetched, for its looks without bars and frame, with edges cut away or continued, and turned back a
    little: at most 16 more hashes, some ten times the time of its own, and a search for each. The ledger keeps none of them, so a later audit has only the picture's own hash."""

    mappings: dict[str, ListMapping] = msgspec.field(default_factory=dict)
    """Column mappings by name; the name is what `lists import --format` takes."""
    exchanges: dict[str, ExchangeSettings] = msgspec.field(default_factory=dict)
    """Exchanges by name; the name is what `lists fetch` takes."""


class CheckerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One authorised matcher that may be asked about what is suspected; nothing is sent unless somebody says `audit check`."""

    kind: Literal["shield", "hma"]
    """`shield`: Project Arachnid Shield; `hma`: a Hasher-Matcher-Actioner server."""
    url: str
    """Its base address, https."""
    production: bool = False
    """Whether this is the real service. False: a test system, whose verdicts say so."""
    enabled: bool = False
    """Whether it may be asked at all."""
    credentials: str = ""
    """Where its credentials are: `env:NAME`, `file:PATH` or `command:LINE`; `user:password` for Shield, a bearer token or nothing for HMA."""
    send_urls: bool = False
    """Whether URLs may be sent, and not PDQ hashes alone: the service then opens them."""
    requests_per_minute: Positive = 60
    """No more than so many requests."""
    timeout_seconds: Seconds = 60.0
    """For one request."""
    ca_file: str = ""
    """Certificates to trust instead of the system's, relative to the workspace."""


class AuditSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an audit looks for, and whom it may ask."""

    personal_data: bool = True
    """Whether captions and URL paths are searched for e-mail addresses, phone numbers, and numbers of cards, accounts and persons."""
    live: bool = False
    """Whether `audit live` may fetch links that were never fetched, to hash them in memory and drop them."""
    checkers: dict[str, CheckerSettings] = msgspec.field(default_factory=dict)
    """Authorised matchers by name; the name is what `audit check --by` takes."""


class KeySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where keys come from that are not kept in the workspace."""

    master: str = ""
    """Where the master key is, as 64 hex digits: `env:NAME`, `file:PATH` or `command:LINE` (a password manager, a key service); empty for
    `keys/master.key`. `LINKWELL_MASTER_KEY` in the environment comes before both."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `linkwell.toml`."""

    dataset: str = "links"
    engine: EngineSettings = EngineSettings()
    build: BuildSettings = BuildSettings()
    populate: PopulateSettings = PopulateSettings()
    release: ReleaseSettings = ReleaseSettings()
    recall: RecallSettings = RecallSettings()
    lists: ListsSettings = ListsSettings()
    audit: AuditSettings = AuditSettings()
    keys: KeySettings = KeySettings()


def read_settings(path: Path) -> Settings:
    """Read a `linkwell.toml`.

    Raises:
        MissingError: there is no such file.
        FormatError: it is not TOML, or holds a setting that does not exist or has the wrong type.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError as error:
        raise MissingError("there is no such file", str(path), "Make a workspace with: linkwell init DIR") from error
    return parse_settings(text, str(path))


def parse_settings(text: bytes, where: str) -> Settings:
    """Read the text of a `linkwell.toml`; `where` names it in errors.

    Raises:
        FormatError: it is not TOML, or holds a setting that does not exist or has the wrong type.
    """
    try:
        raw = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"this is not TOML: {error}", where) from error
    try:
        return msgspec.convert(raw, Settings)
    except msgspec.ValidationError as error:
        raise FormatError(str(error), where, "docs/settings.md lists every setting.") from error
