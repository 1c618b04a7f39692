"""C2PA manifests in image files: what their training-and-mining assertions say (`c2pa.training-mining`, `cawg.training-mining`).

Each assertion has entries for uses with `allowed`, `notAllowed` or `constrained`; the last without a `constraint_info` is
`notAllowed` (CAWG 1.1). The active manifest speaks for the file; a prohibition in the manifest of something it was made from counts
too. A manifest that does not validate may have been put together by anybody: it is malformed.

The native library is asked only where the bytes hold the marks of a manifest, as it costs milliseconds; it never fetches anything:
remote manifests, OCSP and trust lists are off. Whether a signer is on a trust list is not asked: an opt-out needs no certificate.
"""

import io
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from linkwell.rights.verdicts import MAX_EVIDENCE_CHARACTERS, Signal

if TYPE_CHECKING:
    from c2pa import Context

KIND = "c2pa"
_LABELS = ("c2pa.training-mining", "cawg.training-mining")
_USES = {"ai_training": ("train_ai",), "ai_generative_training": ("train_ai",), "data_mining": ("tdm", "train_ai")}
_GRANTS = {"ai_training": ("train_ai",), "data_mining": ("tdm",)}
_SETTINGS = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": False}}


def has_manifest(data: bytes) -> bool:
    """Whether the bytes may hold a manifest: a cheap search."""
    return b"jumb" in data and b"c2pa" in data


def manifest_signals(data: bytes, media_type: str) -> list[Signal]:
    """The signals of the manifests in a file; never raises, and fetches nothing."""
    if not has_manifest(data):
        return []
    from c2pa import C2paError, Reader  # noqa: PLC0415 - a native library that few processes need

    try:
        with Reader(media_type or None, io.BytesIO(data), context=_context()) as reader:
            state, text = reader.get_validation_state(), reader.json()
        store: object = msgspec.json.decode(text)
    except C2paError as error:
        if "NotFound" in type(error).__name__ or "NotSupported" in type(error).__name__:
            return []
        return [_malformed(f"C2PA: {type(error).__name__.removeprefix('_C2pa')}")]
    except ValueError:
        return [_malformed("C2PA: the manifest does not read")]
    if not isinstance(store, dict) or state == "Invalid":
        return [_malformed(f"C2PA manifest does not validate: {_codes(store)}")]
    return list(dict.fromkeys(_stated(store)))


@cache
def _context() -> "Context":
    from c2pa import Context, Settings  # noqa: PLC0415 - as above

    return Context(Settings.from_dict(_SETTINGS))


def _malformed(evidence: str) -> Signal:
    return Signal(KIND, "image", "train_ai", "unknown", evidence[:MAX_EVIDENCE_CHARACTERS])


def _codes(store: object) -> str:
    statuses = store.get("validation_status") if isinstance(store, dict) else None
    return ", ".join(str(each.get("code")) for each in statuses or [] if isinstance(each, dict))


def _stated(store: Mapping[str, Any]) -> Iterator[Signal]:
    active = store.get("active_manifest")
    for label, manifest in (store.get("manifests") or {}).items():
        for assertion in manifest.get("assertions") or []:
            if not str(assertion.get("label", "")).startswith(_LABELS):
                continue
            for signal in entry_signals(assertion.get("data")):
                if label == active or signal.verdict != "allow":
                    yield signal


def entry_signals(data: object) -> Iterator[Signal]:
    """The signals of one training-and-mining assertion's data."""
    entries = data.get("entries") if isinstance(data, dict) else None
    if not isinstance(entries, dict):
        yield _malformed("C2PA: a training-mining assertion without entries")
        return
    for name, entry in entries.items():
        purpose = str(name).rpartition(".")[2]
        if purpose not in _USES:
            continue
        said = entry.get("use") if isinstance(entry, dict) else None
        evidence = f"{name}: {said}"
        if said == "constrained":
            info = entry.get("constraint_info") or entry.get("constraints_info")
            verdict = "conditional" if info else "disallow"
            evidence = f"{evidence} ({info})" if info else f"{evidence} (no constraint given: not allowed)"
        else:
            verdict = {"allowed": "allow", "notAllowed": "disallow"}.get(str(said), "unknown")
        for use in (_GRANTS if verdict == "allow" else _USES).get(purpose, ()):
            yield Signal(KIND, "image", use, verdict, evidence[:MAX_EVIDENCE_CHARACTERS])
