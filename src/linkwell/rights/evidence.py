"""Evidence: each statement as it stood, where, when, and by which reader it was read; the rows beside a build's links."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

import pyarrow as pa

from linkwell import __version__
from linkwell.rights.policy import DEFAULT_POLICY, Policy
from linkwell.rights.statements import header_signals, meta_signals
from linkwell.rights.verdicts import Signal

PARSER = f"linkwell.rights/{__version__}"
"""What stands in the column `parser`."""

MAX_RAW_BYTES = 4_096
_MAX_REMEMBERED = 500
LICENCE_KIND = "license"
TERMS_KIND = "tdm-policy"

_utc = pa.timestamp("s", tz="UTC")


def _field(name: str, arrow_type: pa.DataType, meaning: str, *, nullable: bool = False) -> "pa.Field[pa.DataType]":
    return pa.field(name, arrow_type, nullable=nullable, metadata={"meaning": meaning})


EVIDENCE_SCHEMA: pa.Schema = pa.schema(
    [
        _field("source_url", pa.string(), "where the statement stood"),
        _field("scope", pa.string(), "page or image: what it was said of"),
        _field("kind", pa.string(), "the mechanism"),
        _field("use", pa.string(), "train_ai, tdm, search; license"),
        pa.field(
            "verdict", pa.string(), nullable=False, metadata={"meaning": "allow …; a licence: stated, disagreeing"}
        ),
        _field("malformed", pa.bool_(), "whether it does not read"),
        _field("raw", pa.binary(), "the statement's bytes, at most 4 KiB"),
        _field("seen_at", _utc, "when the response was captured", nullable=True),
        _field("parser", pa.string(), "what read it, with version"),
        _field("warc", pa.string(), "file of the crawl with the record"),
        pa.field(
            "offset", pa.int64(), nullable=False, metadata={"meaning": "byte offset of the record; -1: not known"}
        ),
    ]
)
"""One row for each statement and use."""


class Evidence(NamedTuple):
    """One row of `EVIDENCE_SCHEMA`; `seen_at` in seconds since 1970, UTC."""

    source_url: str
    scope: str
    kind: str
    use: str
    verdict: str
    malformed: bool
    raw: bytes
    seen_at: int | None
    parser: str = PARSER
    warc: str = ""
    offset: int = -1


def page_evidence(
    page_url: str,
    headers: Sequence[tuple[str, str]] = (),
    metas: Sequence[tuple[str, str]] = (),
    *,
    licences: Sequence[tuple[str, str, str]] = (),
    policy: Policy = DEFAULT_POLICY,
    seen_at: int | None = None,
    warc: str = "",
    offset: int = -1,
) -> list[Evidence]:
    """The evidence of one page: call it once for a page with links that has headers, metas or licences.

    Args:
        page_url: of the page.
        headers: header fields of its response, those of `HEADER_NAMES`.
        metas: name and content of its metas, those of `META_NAMES`.
        licences: each stated licence: scope (`page` or `image`), place (`rel=license`, `json-ld`, …), URL. All are kept; where they
            differ, each row says `disagreeing`.
        policy: which crawlers are asked about.
        seen_at: date of the capture, seconds since 1970.
        warc: file that holds the page's record.
        offset: of that record.
    """
    rows: list[Evidence] = []
    agents = tuple(policy.agents.training)

    def add(signals: Iterable[Signal], raw: str) -> None:
        data = raw.encode("utf-8", "surrogateescape" if raw.isascii() else "replace")[:MAX_RAW_BYTES]
        for each in dict.fromkeys(signals):
            malformed = each.verdict == "unknown"
            rows.append(
                Evidence(
                    page_url,
                    each.scope,
                    each.kind,
                    each.use,
                    each.verdict,
                    malformed,
                    data,
                    seen_at,
                    PARSER,
                    warc,
                    offset,
                )
            )

    usage = [value for name, value in headers if name.strip().lower() == "content-usage"]
    others = [pair for pair in headers if pair[0].strip().lower() != "content-usage"]
    for name, value in [*others, *([("Content-Usage", ", ".join(usage))] if usage else [])]:
        add(_of_header(name, value, agents), f"{name}: {value}")
    for name, content in metas:
        add(_of_meta(name, content, agents), f"{name}: {content}")
    for name, value in (*headers, *metas):
        if name.strip().lower() == TERMS_KIND:
            add([Signal(TERMS_KIND, "page", "license", "stated", value)], f"{name}: {value}")
    said = "stated" if len({url for _scope, _place, url in licences}) <= 1 else "disagreeing"
    for scope, place, url in dict.fromkeys(licences):
        raw = f"{place}: {url}".encode("utf-8", "replace")[:MAX_RAW_BYTES]
        row = Evidence(page_url, scope, LICENCE_KIND, "license", said, malformed=False, raw=raw, seen_at=seen_at)
        rows.append(row._replace(warc=warc, offset=offset))
    return rows


def _header_signals(name: str, value: str, agents: tuple[str, ...]) -> tuple[Signal, ...]:
    return tuple(header_signals([(name, value)], scope="page", user_agents=agents))


def _meta_signals(name: str, content: str, agents: tuple[str, ...]) -> tuple[Signal, ...]:
    return tuple(meta_signals([(name, content)], user_agents=agents))


# Pages say the same few things: short statements are remembered.
_remembered_header, _remembered_meta = (lru_cache(maxsize=2048)(each) for each in (_header_signals, _meta_signals))


def _of_header(name: str, value: str, agents: tuple[str, ...]) -> tuple[Signal, ...]:
    return (_remembered_header if len(value) < _MAX_REMEMBERED else _header_signals)(name, value, agents)


def _of_meta(name: str, content: str, agents: tuple[str, ...]) -> tuple[Signal, ...]:
    return (_remembered_meta if len(content) < _MAX_REMEMBERED else _meta_signals)(name, content, agents)


def evidence_table(rows: Sequence[Evidence]) -> pa.Table:
    """Rows as a table of `EVIDENCE_SCHEMA`."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(EVIDENCE_SCHEMA)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, EVIDENCE_SCHEMA, strict=True)]
    return pa.table(arrays, schema=EVIDENCE_SCHEMA)


def seen_at_text(seconds: int | None) -> str | None:
    """A date of capture as ISO 8601, UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
