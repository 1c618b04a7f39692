"""Croissant 1.1 (MLCommons) with the vocabulary for responsible AI (RAI 1.0): what dataset catalogues read."""

import msgspec

from linkwell.base.counts import plural
from linkwell.base.schema import LINK_SCHEMA
from linkwell.release.documents.facts import ReleaseFacts
from linkwell.release.documents.wording import CHECKED, COLLECTION, KNOWN_LIMITS, MAINTENANCE, PERSONAL, audit_words
from linkwell.release.manifest import Manifest, encode_manifest, manifest_digest

_CONTEXT: dict[str, object] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES = {
    "int32": "sc:Integer",
    "int64": "sc:Integer",
    "uint32": "sc:Integer",
    "int8": "sc:Integer",
    "float": "sc:Float",
}


def croissant(facts: ReleaseFacts) -> bytes:
    """The JSON-LD description. Paths of files are those of a folder that `linkwell release get` has made."""
    manifest = facts.manifest
    described: dict[str, object] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": manifest.dataset,
        "description": (
            f"{plural(manifest.rows, 'link')} to images on {plural(facts.sites, 'site')}, with the captions that described them. No pixels. "
            "Entries are taken back by a signed feed of recalls."
        ),
        "version": semantic_version(manifest),
        "citeAs": f"{manifest.dataset}, release {manifest.version}, revision {manifest.revision}, {manifest.created[:10]}",
        "datePublished": manifest.created[:10],
        "dateCreated": manifest.first_created[:10],
        "isLiveDataset": True,
        "inLanguage": [code for code, _ in facts.languages if code != "und"][:20],
        "usageInfo": "Columns train_ai, tdm and search state for each link what its site reserved; observe them.",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "manifest",
                "name": "manifest.json",
                "description": "Every part with its size and SHA-256; itself signed by two of the feed's keys.",
                "contentUrl": "manifest.json",
                "encodingFormat": "application/json",
                "sha256": _sha256(facts),
            },
            {
                "@type": "cr:FileSet",
                "@id": "parts",
                "name": "parts",
                "description": f"{plural(len(manifest.parts), 'parquet file')} of whole cells.",
                "encodingFormat": "application/x-parquet",
                "includes": "parts/*.parquet",
            },
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "links",
                "name": "links",
                "description": "One link a row.",
                "key": {"@id": "links/link_id"},
                "field": [
                    {
                        "@type": "cr:Field",
                        "@id": f"links/{field.name}",
                        "name": field.name,
                        "description": (field.metadata or {}).get(b"meaning", b"").decode(),
                        "dataType": _data_type(field.name, str(field.type)),
                        "source": {"fileSet": {"@id": "parts"}, "extract": {"column": field.name}},
                    }
                    for field in LINK_SCHEMA
                ],
            }
        ],
        "rai:dataCollection": COLLECTION,
        "rai:dataCollectionType": ["Web Scraping"],
        "rai:dataCollectionTimeframe": [each for each in (facts.first_seen, facts.last_seen) if each],
        "rai:dataPreprocessingProtocol": [CHECKED, audit_words(manifest)],
        "rai:dataLimitations": KNOWN_LIMITS,
        "rai:personalSensitiveInformation": PERSONAL,
        "rai:dataReleaseMaintenancePlan": MAINTENANCE,
    }
    return msgspec.json.format(msgspec.json.encode(described), indent=2) + b"\n"


def semantic_version(manifest: Manifest) -> str:
    """`v3`, revision 2, as catalogues want versions: `3.2.0`; a version that is no number stays as it is."""
    number = manifest.version.removeprefix("v")
    return f"{number}.{manifest.revision}.0" if number.isdecimal() else f"{manifest.version}-r{manifest.revision}"


def _data_type(name: str, arrow_type: str) -> str:
    if name in ("url", "page_url", "license"):
        return "sc:URL"
    if arrow_type.startswith("timestamp"):
        return "sc:DateTime"
    return _TYPES.get(arrow_type, "sc:Text")


def _sha256(facts: ReleaseFacts) -> str:
    return manifest_digest(encode_manifest(facts.manifest))
