"""Detached signatures of a document by two of the three targets keys: for what must be trusted outside the feed as well.

The bytes signed are DSSE's pre-authentication encoding of document and type (secure-systems-lab/dsse, protocol 1.0.2), so that a
signature of a manifest can never pass for one of feed metadata. The signatures stand in a file of their own; the document stays
the plain JSON it is.
"""

from collections.abc import Iterable, Mapping

import msgspec
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import Key, Signature
from tuf.api.metadata import Root, Targets

from linkwell.base.errors import SignatureError
from linkwell.base.workspace import Workspace
from linkwell.feed import keys
from linkwell.feed.metadata import trusted_root

SIGNATURES_FORMAT = "linkwell-signatures-1"


class _Signature(msgspec.Struct, frozen=True):
    keyid: str
    sig: str


class _Signatures(msgspec.Struct, frozen=True, kw_only=True):
    format: str
    type: str
    signatures: tuple[_Signature, ...]


def sign_document(workspace: Workspace, document: bytes, document_type: str) -> bytes:
    """The signatures of a document by two of the targets keys, as the bytes of a signature file.

    Args:
        workspace: whose keys sign.
        document: the exact bytes.
        document_type: a media type, which is signed too.

    Raises:
        MissingKeyError: fewer than two targets keys are there.
    """
    trusted, threshold = _trusted(workspace)
    envelope = Envelope(document, document_type, {})
    for signer in keys.signers(workspace, Targets.type, trusted, threshold):
        envelope.sign(signer)
    return _encode(document_type, [_Signature(keyid, each.signature) for keyid, each in envelope.signatures.items()])


def add_signatures(
    workspace: Workspace, document: bytes, document_type: str, signatures: bytes, *, following: Root, where: str
) -> bytes:
    """The signatures of a document that holds, with those added that another root asks for: before its keys are the ones that count.

    Args:
        workspace: whose keys sign.
        document: the exact bytes.
        document_type: the media type it was signed as.
        signatures: the bytes of its signature file.
        following: the root that is to follow the workspace's.
        where: what an error names.

    Raises:
        SignatureError: it is not signed by the keys that count now.
        MissingKeyError: fewer of the new root's targets keys are there than must sign.
    """
    verify_document(workspace, document, document_type, signatures, where)
    role = following.roles[Targets.type]
    envelope = Envelope(document, document_type, {})
    for signer in keys.signers(workspace, Targets.type, dict.fromkeys(role.keyids), role.threshold):
        envelope.sign(signer)
    kept = {each.keyid: each for each in msgspec.json.decode(signatures, type=_Signatures).signatures}
    kept |= {keyid: _Signature(keyid, each.signature) for keyid, each in envelope.signatures.items()}
    return _encode(document_type, kept.values())


def verify_document(workspace: Workspace, document: bytes, document_type: str, signatures: bytes, where: str) -> None:
    """Check the signatures of a document against the workspace's own feed.

    Args:
        workspace: whose root is trusted.
        document: the exact bytes.
        document_type: the media type it must have been signed as.
        signatures: the bytes of the signature file.
        where: what an error names.

    Raises:
        SignatureError: fewer than two valid signatures of targets keys.
    """
    trusted, threshold = _trusted(workspace)
    verify_with_keys(document, document_type, signatures, trusted=trusted, threshold=threshold, where=where)


def verify_with_keys(
    document: bytes, document_type: str, signatures: bytes, *, trusted: Mapping[str, Key], threshold: int, where: str
) -> None:
    """Check the signatures of a document against given keys.

    Raises:
        SignatureError: fewer than `threshold` valid signatures of different trusted keys.
    """
    try:
        read = msgspec.json.decode(signatures, type=_Signatures)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SignatureError("its signature file does not read", where, "Restore the file.") from error
    by_key = {each.keyid: Signature(each.keyid, each.sig) for each in read.signatures}
    envelope = Envelope(document, document_type, by_key)
    try:
        envelope.verify([trusted[keyid] for keyid in sorted(trusted)], threshold)
    except (VerificationError, ValueError) as error:
        raise SignatureError(
            f"it is not signed by {threshold} of the feed's targets keys",
            where,
            "The file or its signature was changed after signing: restore both.",
        ) from error


def _encode(document_type: str, signatures: Iterable[_Signature]) -> bytes:
    ordered = tuple(sorted(signatures, key=lambda each: each.keyid))
    return msgspec.json.format(
        msgspec.json.encode(_Signatures(format=SIGNATURES_FORMAT, type=document_type, signatures=ordered)), indent=1
    )


def _trusted(workspace: Workspace) -> tuple[Mapping[str, Key], int]:
    """The targets keys that count: those of the feed's root, or the workspace's own before there is a feed."""
    root: Root | None = trusted_root(workspace)
    if root is None:
        return {key.keyid: key for key in keys.public_keys(workspace, Targets.type)}, keys.ROLES[Targets.type].threshold
    role = root.roles[Targets.type]
    return {keyid: root.keys[keyid] for keyid in role.keyids}, role.threshold
