"""A bill of materials in CycloneDX 1.6: the dataset as a component of type `data`, each part as a file with its hash."""

import uuid

import msgspec

from linkwell.release.documents.facts import ReleaseFacts
from linkwell.release.manifest import Part, encode_manifest, manifest_digest

_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
"""RFC 9562's namespace of URLs: the serial number is the same for the same manifest."""


def bill_of_materials(facts: ReleaseFacts) -> bytes:
    """The JSON document (CycloneDX 1.6, ECMA-424)."""
    manifest = facts.manifest
    digest = manifest_digest(encode_manifest(manifest))
    reference = f"dataset:{manifest.dataset}@{manifest.version}-r{manifest.revision}"
    listed: dict[str, object] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, digest)}",
        "version": manifest.revision,
        "metadata": {
            "timestamp": manifest.created,
            "component": {
                "type": "data",
                "bom-ref": reference,
                "name": manifest.dataset,
                "version": f"{manifest.version}-r{manifest.revision}",
                "description": f"{manifest.rows} links to images with captions; no pixels",
                "hashes": [{"alg": "SHA-256", "content": digest}],
                "data": [
                    {
                        "type": "dataset",
                        "name": manifest.dataset,
                        "classification": "public",
                        "sensitiveData": ["links to pages and images that may show or name people"],
                    }
                ],
                "properties": [
                    {"name": "linkwell:cells", "value": str(manifest.cells)},
                    {"name": "linkwell:rows", "value": str(manifest.rows)},
                    {"name": "linkwell:rights_policy_sha256", "value": manifest.rights_policy_sha256},
                ],
            },
        },
        "components": [
            *(
                {"type": "data", "bom-ref": f"crawl:{name}", "name": name, "data": [_source(name)]}
                for name, _ in facts.crawls
            ),
            *(_file(part) for part in manifest.parts),
        ],
        "dependencies": [{"ref": reference, "dependsOn": [f"crawl:{name}" for name, _ in facts.crawls]}],
    }
    return msgspec.json.format(msgspec.json.encode(listed), indent=2) + b"\n"


def _source(name: str) -> dict[str, str]:
    return {"type": "dataset", "name": name}


def _file(part: Part) -> dict[str, object]:
    return {
        "type": "file",
        "bom-ref": f"part:{part.sha256}",
        "name": f"parts/{part.file_name}",
        "hashes": [{"alg": "SHA-256", "content": part.sha256}],
        "properties": [{"name": "linkwell:rows", "value": str(part.rows)}],
    }
