"""Ask an authorised matcher about what is suspected: a hash, or a URL, goes out; a verdict comes back, and nothing else is kept.

shield   Project Arachnid Shield: `POST /v1/pdq/` with hashes in base64, `POST /v1/url/`
hma      Hasher-Matcher-Actioner: `GET /m/lookup?signal=…&signal_type=pdq`, `GET /m/lookup?url=…`
"""

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
import pyarrow as pa

from linkwell.audit.record import audits_folder
from linkwell.base.credentials import read_credential
from linkwell.base.errors import MissingError, PartnerError, SafetyError, UsageError
from linkwell.base.ids import LINK_ID_BYTES, binary_array
from linkwell.base.partner import Access, MalformedAnswer, Partner
from linkwell.base.progress import meter
from linkwell.base.sealed import read_sealed, write_sealed
from linkwell.base.settings import CheckerSettings
from linkwell.base.workspace import Workspace, check_name

KNOWN, UNKNOWN, FAILED = "known", "unknown", "failed"
_KNOWN_MEDIA = frozenset({"csam", "harmful-abusive-material"})
_HASHES_OF_REQUEST = 100


class Question(NamedTuple):
    """What is asked about one link. Restricted."""

    link_id: bytes
    pdq: bytes | None
    """Its PDQ hash; None where the ledger has none of good quality."""
    url: str | None
    """Its URL, where that may be sent."""

    def __repr__(self) -> str:
        return "Question(…)"


class Verdict(NamedTuple):
    """What came back. Restricted."""

    link_id: bytes
    means: str
    """`pdq` or `url`."""
    verdict: str
    """`known`, `unknown`, or `failed` where it could not be asked."""

    def __repr__(self) -> str:
        return f"Verdict({self.means}, {self.verdict})"


@dataclass(frozen=True)
class CheckReport:
    """What was asked and what came back: counts alone."""

    checker: str
    production: bool
    asked: int
    verdicts: dict[str, int]
    """By means and verdict: `pdq known`, `url failed`."""
    not_asked: int
    """Links that have no hash, and whose URL may not be sent."""


def find_checker(workspace: Workspace, name: str) -> CheckerSettings:
    """The settings of a checker that may be asked.

    Raises:
        MissingError: there is none of this name.
        SafetyError: it is switched off.
    """
    checkers = workspace.settings.audit.checkers
    if name not in checkers:
        known = ", ".join(checkers) or "there is none"
        raise MissingError(
            f"there is no checker {name!r} (known: {known})",
            "linkwell.toml",
            f"Say where it is under [audit.checkers.{name}]: docs/lists.md shows how.",
        )
    if not checkers[name].enabled:
        raise SafetyError(
            "this checker is switched off",
            f"audit.checkers.{name}",
            "Set enabled = true once your agreement with its keeper allows it.",
        )
    return checkers[name]


def check_links(workspace: Workspace, name: str, questions: Collection[Question], label: str) -> CheckReport:
    """Ask a checker about links, and keep its verdicts, encrypted, in the place of those of the last time.

    Raises:
        MissingError, SafetyError: as `find_checker`.
        UsageError: its settings are not right.
        MissingKeyError: its credentials are not there.
        PartnerError: it refuses. A single question that it cannot answer is a verdict `failed`.
    """
    settings = find_checker(workspace, name)
    where = f"audit.checkers.{name}"
    access = Access(
        name=where,
        url=settings.url.rstrip("/"),
        headers=_headers(workspace, settings, where),
        timeout_seconds=settings.timeout_seconds,
        max_attempts=3,
        requests_per_minute=settings.requests_per_minute,
        ca_file=workspace.root / settings.ca_file if settings.ca_file else None,
    )
    asked = [one for one in questions if one.pdq is not None or (one.url is not None and settings.send_urls)]
    verdicts = asyncio.run(_ask_all(access, settings, asked))
    path = verdicts_path(workspace, label, name)
    columns = {
        "link_id": binary_array([one.link_id for one in verdicts], LINK_ID_BYTES),
        "means": pa.array([one.means for one in verdicts], pa.string()),
        "verdict": pa.array([one.verdict for one in verdicts], pa.string()),
        "production": pa.array([settings.production] * len(verdicts), pa.bool_()),
        "at": pa.array([datetime.now(UTC)] * len(verdicts), pa.timestamp("s", "UTC")),
    }
    audits_folder(workspace).mkdir(mode=0o700, exist_ok=True)
    write_sealed(path, pa.table(columns), workspace.master_key())
    counts = Counter(f"{one.means} {one.verdict}" for one in verdicts)
    return CheckReport(name, settings.production, len(asked), dict(sorted(counts.items())), len(questions) - len(asked))


def verdicts_path(workspace: Workspace, label: str, name: str) -> Path:
    """Where the verdicts of a checker about the findings of an audit are."""
    return audits_folder(workspace) / f"{check_name(label, 'audit')}.{check_name(name, 'checker')}.verdicts"


def read_verdicts(workspace: Workspace, label: str, name: str) -> list[Verdict]:
    """The verdicts of the last time.

    Raises:
        MissingError: it was not asked.
        DamagedFileError: they do not open.
    """
    return [
        Verdict(row["link_id"], row["means"], row["verdict"])
        for table in read_sealed(verdicts_path(workspace, label, name), workspace.master_key())
        for row in table.to_pylist()
    ]


def _headers(workspace: Workspace, settings: CheckerSettings, where: str) -> dict[str, str]:
    if settings.kind == "hma" and not settings.credentials:
        return {}
    secret = read_credential(settings.credentials, f"{where}.credentials", workspace.root)
    if settings.kind == "hma":
        return {"Authorization": f"Bearer {secret}"}
    if ":" not in secret:
        raise UsageError("the credentials are not `user:password`", f"{where}.credentials")
    return {"Authorization": "Basic " + base64.b64encode(secret.encode()).decode()}


async def _ask_all(access: Access, settings: CheckerSettings, questions: list[Question]) -> list[Verdict]:
    ask = {"shield": _ask_shield, "hma": _ask_hma}[settings.kind]
    verdicts = []
    async with Partner(access) as partner:
        with meter("check", len(questions), "links") as progress:
            async for verdict in ask(partner, questions):
                verdicts.append(verdict)
                progress.advance(1)
    return verdicts


async def _ask_shield(partner: Partner, questions: list[Question]) -> AsyncIterator[Verdict]:
    with_hash = [one for one in questions if one.pdq is not None]
    for batch in _batches(with_hash):
        hashes = [base64.b64encode(one.pdq or b"").decode() for one in batch]
        answer = await _try(partner, "/v1/pdq/", _shield_hashes, {"hashes": hashes})
        for one, text in zip(batch, hashes, strict=True):
            yield Verdict(one.link_id, "pdq", FAILED if answer is None else KNOWN if text in answer else UNKNOWN)
    for one in questions:
        if one.pdq is None and one.url is not None:
            known = await _try(partner, "/v1/url/", _shield_media, {"url": one.url})
            yield Verdict(one.link_id, "url", _verdict(known))


async def _ask_hma(partner: Partner, questions: list[Question]) -> AsyncIterator[Verdict]:
    for one in questions:
        if one.pdq is not None:
            params = {"signal": one.pdq.hex(), "signal_type": "pdq"}
        else:
            params = {"url": one.url or "", "content_type": "photo"}
        # A bank may answer only a part of the time by design; here all of it is wanted.
        known = await _try(partner, "/m/lookup", _hma_banks, None, params | {"bypass_coinflip": "true"})
        yield Verdict(one.link_id, "pdq" if one.pdq is not None else "url", _verdict(known))


def _verdict(known: bool | None) -> str:  # noqa: FBT001 - an answer, or none
    return FAILED if known is None else KNOWN if known else UNKNOWN


T = TypeVar("T")


async def _try(
    partner: Partner,
    path: str,
    read: Callable[[bytes], T],
    body: object,
    params: dict[str, str] | None = None,
) -> T | None:
    """The answer, or None where this one question has none; a refusal of us stops."""
    try:
        return await partner.ask(path, read, json=body, params=params)
    except PartnerError as error:
        if error.status in (401, 402, 403, 429):
            raise
        return None


class _ShieldHashes(msgspec.Struct):
    scanned_hashes: dict[str, object]


def _shield_hashes(body: bytes) -> set[str]:
    """The hashes that are known."""
    try:
        answer = msgspec.json.decode(body, type=_ShieldHashes)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MalformedAnswer from None
    return {
        text
        for text, one in answer.scanned_hashes.items()
        if isinstance(one, dict) and one.get("classification") in _KNOWN_MEDIA
    }


class _ShieldMedia(msgspec.Struct):
    classification: str | None


def _shield_media(body: bytes) -> bool:
    try:
        return msgspec.json.decode(body, type=_ShieldMedia).classification in _KNOWN_MEDIA
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MalformedAnswer from None


def _hma_banks(body: bytes) -> bool:
    """Whether a bank matched: a list of banks for a hash, one for each type of signal for a URL."""
    try:
        answer = msgspec.json.decode(body, type=list[str] | dict[str, list[str]])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MalformedAnswer from None
    return any(answer.values()) if isinstance(answer, dict) else bool(answer)


def _batches(questions: list[Question]) -> Iterator[list[Question]]:
    for start in range(0, len(questions), _HASHES_OF_REQUEST):
        yield questions[start : start + _HASHES_OF_REQUEST]
