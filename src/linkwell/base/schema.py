"""The columns of a link and of the ledger: names, Arrow types, meaning."""

import pyarrow as pa

VERDICTS = ("allow", "disallow", "conditional", "unknown")
"""What the signals for one link and one use come to; `unknown` where nothing was stated."""

USES = ("train_ai", "tdm", "search")
"""The uses a verdict is given for; each is a column of `LINK_SCHEMA`."""

_verdict = pa.dictionary(pa.int8(), pa.string())
_utc_seconds = pa.timestamp("s", tz="UTC")


def _field(name: str, arrow_type: pa.DataType, meaning: str, *, nullable: bool = False) -> "pa.Field[pa.DataType]":
    return pa.field(name, arrow_type, nullable=nullable, metadata={"meaning": meaning})


LINK_SCHEMA: pa.Schema = pa.schema(
    [
        _field("link_id", pa.binary(16), "first 16 bytes of a domain-separated SHA-256 of the URL as stored"),
        _field("url", pa.string(), "absolute http(s) URL as found, resolved against the page"),
        _field("text", pa.string(), "the caption, white space folded, entities decoded"),
        _field(
            "text_source", pa.string(), "where the caption stood: alt, title, figcaption, json-ld and so on; or import"
        ),
        _field("width", pa.int32(), "pixels of the original image once fetched; else as declared", nullable=True),
        _field("height", pa.int32(), "pixels of the original image once fetched; else as declared", nullable=True),
        _field("language", pa.string(), "ISO 639-1 of text, or und when the detector is not sure"),
        _field("page_url", pa.string(), "the page it was found on: the credit"),
        _field("license", pa.string(), "licence URL stated for the image, else for the page", nullable=True),
        _field("license_scope", pa.string(), "where the licence was stated: image or page", nullable=True),
        _field("credit", pa.string(), "who is to be named, as stated for the image", nullable=True),
        _field("train_ai", _verdict, "verdict for training AI"),
        _field("tdm", _verdict, "verdict for text and data mining"),
        _field("search", _verdict, "verdict for search"),
        _field("crawl", pa.string(), "name of the crawl the evidence is in"),
        _field("warc", pa.string(), "file of the crawl that holds the page's record"),
        _field("offset", pa.int64(), "byte offset of the page's record in that file"),
        _field("seen_at", _utc_seconds, "date of the capture", nullable=True),
        _field("similarity", pa.float32(), "cosine of image and text embeddings", nullable=True),
        _field("safety_bin", pa.int8(), "coarse unsafe-score bin 0-9", nullable=True),
        _field("cell", pa.uint32(), "fixed public group of rows that is only removed together", nullable=True),
    ]
)
"""A link, the public columns, in the order they are written."""

LEDGER_SCHEMA: pa.Schema = pa.schema(
    [
        _field("link_id", pa.binary(16), "the link the image was fetched for"),
        _field("fetched_at", _utc_seconds, "when"),
        _field("byte_size", pa.int64(), "bytes of the image as served"),
        _field("md5", pa.binary(16), "MD5 of those bytes"),
        _field("sha1", pa.binary(20), "SHA-1 of those bytes"),
        _field("sha256", pa.binary(32), "SHA-256 of those bytes"),
        _field("pdq", pa.binary(32), "PDQ hash of the picture, 256 bits; null where it does not decode", nullable=True),
        _field("pdq_quality", pa.int8(), "PDQ quality, 0-100; below 50 the hash is not matched", nullable=True),
        _field("width", pa.int32(), "pixels of the original image", nullable=True),
        _field("height", pa.int32(), "pixels of the original image", nullable=True),
    ]
)
"""The ledger: restricted, one row for every image ever fetched. It never enters a release, a feed or a log."""

FOREIGN_ALIASES: dict[str, tuple[str, ...]] = {
    "url": ("url", "image_url", "img_url", "imageurl"),
    "text": ("text", "caption", "alt", "alt_text"),
    "width": ("original_width", "width"),
    "height": ("original_height", "height"),
    "language": ("language", "lang"),
    "page_url": ("page_url",),
    "license": ("license", "licence"),
    "credit": ("credit",),
    "similarity": ("similarity", "clip_b32_similarity_score", "clip_similarity_vitb32"),
    "punsafe": ("punsafe",),
    "warc": ("cc_filename",),
}
"""What other projects call a column, in lower case, the best first; `punsafe` becomes `safety_bin`. Similarities of one model only
(CLIP ViT-B/32, which LAION's were made with) are taken for one another. No digest is here: `hash` is an MD5 in one
project, 64 bits of MurmurHash3 in another."""
