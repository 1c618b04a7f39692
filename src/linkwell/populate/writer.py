"""One shard of a copy as img2dataset lays it out: `00000.tar`, `00000.parquet`, `00000_stats.json`, the same bytes every time.

For `files` a folder `00000` stands in place of the tar, for `parquet` a column of images in the table. The tar is USTAR with a fixed time, owner and mode. Samples stand in the order of the links; the sibling parquet holds every row,
failures too, in that order; the stats file comes last and marks the shard as complete, which img2dataset's own
incremental mode accepts.
"""

import os
import tarfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import pyarrow as pa

from linkwell.base.schema import LINK_SCHEMA
from linkwell.base.shards import ParquetWriter
from linkwell.populate.failures import VERIFY

_TEXT: Final = pa.string()
_PIXELS: Final = pa.int32()


def _link_field(name: str) -> "pa.Field[Any]":
    """A column of the link as a copy has it: no dictionaries, in which a removed value could stay."""
    field = LINK_SCHEMA.field(name)
    kind = _TEXT if pa.types.is_dictionary(field.type) else field.type
    return pa.field(name, kind, metadata=field.metadata)


_IMG2DATASET: Final[tuple[tuple[str, pa.DataType], ...]] = (
    ("caption", _TEXT),
    ("url", _TEXT),
    ("key", _TEXT),
    ("status", _TEXT),
    ("error_message", _TEXT),
    ("width", _PIXELS),
    ("height", _PIXELS),
    ("original_width", _PIXELS),
    ("original_height", _PIXELS),
    ("exif", _TEXT),
    ("sha256", _TEXT),
)
_OF_LINK: Final = (
    "link_id",
    "cell",
    "page_url",
    "license",
    "license_scope",
    "credit",
    "train_ai",
    "tdm",
    "search",
    "language",
)

COPY_SCHEMA: pa.Schema = pa.schema(
    [
        *(pa.field(name, kind) for name, kind in _IMG2DATASET),
        *(_link_field(name) for name in _OF_LINK),
        pa.field("failure", _TEXT, metadata={"meaning": "class of the failure; null for a success"}),
        pa.field("http_status", pa.int16(), metadata={"meaning": "of the last response; null where there was none"}),
        pa.field("attempts", pa.int16(), metadata={"meaning": "how often it was asked for; 0: not at all"}),
    ]
)
"""A row of a copy's sibling parquet: img2dataset's columns in its order, then ours."""

OUTPUTS: Final = ("webdataset", "files", "parquet")
NOTHING: Final = "none"
"""No image is kept, in no file and for no time: digests go into the ledger, outcomes into the table."""
"""img2dataset's names for how images are laid out."""
SUCCESS: Final = "success"
_ROWS_AT_ONCE = 256
_ROW_GROUP_BYTES = 16_000_000
"""Images in one row group: what a reader of the table has in memory at once, and its writer too."""
_BLOCK = tarfile.BLOCKSIZE
_ENCODER: Final = msgspec.json.Encoder()


def _template() -> bytes:
    member = tarfile.TarInfo("")
    member.mode = 0o444
    member.uname = member.gname = "linkwell"
    return member.tobuf(tarfile.USTAR_FORMAT)


_TEMPLATE: Final = _template()
_SIZE: Final = slice(124, 135)
_CHECKSUM: Final = slice(148, 156)
_TEMPLATE_SUM: Final = sum(_TEMPLATE) - sum(_TEMPLATE[_SIZE]) - sum(_TEMPLATE[_CHECKSUM]) + 8 * ord(" ")
"""Of a header without name and size; the checksum itself counts as blanks."""
_NAME_BYTES: Final = 100
_BUFFER_BYTES: Final = 1 << 19
"""Written at once: a system call for some ten images, not ten for each."""


def tar_header(name: str, size: int) -> bytes:
    """The USTAR header of a file (POSIX.1-1988): what `tarfile` writes for it, at a fifth of its cost.

    Args:
        name: ASCII, at most 100 characters.
        size: bytes, below 8 GiB.
    """
    encoded = name.encode("ascii")
    if len(encoded) > _NAME_BYTES:
        raise ValueError("a name in a copy is a key and an extension")
    digits = b"%011o" % size
    header = bytearray(_TEMPLATE)
    header[: len(encoded)] = encoded
    header[_SIZE] = digits
    header[_CHECKSUM] = b"%06o\0 " % (_TEMPLATE_SUM + sum(encoded) + sum(digits))
    return bytes(header)


class TarWriter:
    """Writes a USTAR file: mode 0444, time 0, owner `linkwell`."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=_BUFFER_BYTES)
        self._size = 0

    def add(self, name: str, data: bytes) -> None:
        """Add one member."""
        padding = -len(data) % _BLOCK
        self._file.write(tar_header(name, len(data)))
        self._file.write(data)
        self._file.write(bytes(padding))
        self._size += _BLOCK + len(data) + padding

    def close(self) -> None:
        """Write the end: two blocks of zeros, filled up to a record."""
        end = 2 * _BLOCK
        end += -(self._size + end) % tarfile.RECORDSIZE
        self._file.write(bytes(end))
        self._file.close()

    def abandon(self) -> None:
        """Close without an end, after an error."""
        self._file.close()


class FolderWriter:
    """Writes loose files into a new folder: as img2dataset's `files`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.mkdir()

    def add(self, name: str, data: bytes) -> None:
        """Add one file."""
        descriptor = os.open(self._path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        with open(descriptor, "wb", buffering=0) as file:  # noqa: PTH123 - a path cannot be opened for a new file with a mode
            file.write(data)

    def close(self) -> None:
        """Nothing is left to do."""

    def abandon(self) -> None:
        """Nothing is open."""


class ShardWriter:
    """Writes images and table of one shard and counts what its stats need."""

    def __init__(self, output: str, images: Path, parquet: Path, form: str) -> None:
        """Open the files.

        Args:
            output: one of `OUTPUTS`, or `NOTHING`.
            images: the tar or the folder; not used for `parquet`, whose images stand in the table.
            parquet: the table.
            form: the format of the images, which names the table's column of them.
        """
        self._members: TarWriter | FolderWriter | None = None
        self._column: str | None = None
        schema = COPY_SCHEMA
        if output == "webdataset":
            self._members = TarWriter(images)
        elif output == "files":
            self._members = FolderWriter(images)
        elif output != NOTHING:
            self._column = form
            schema = schema.append(
                pa.field(form, pa.binary(), metadata={"meaning": "the image file; null for a failure"})
            )
        self._schema = schema
        self._parquet = ParquetWriter(parquet, schema, row_group_bytes=_ROW_GROUP_BYTES, images=self._column)
        self._rows: list[Mapping[str, object]] = []
        self._image_bytes = 0
        self.statuses: Counter[str] = Counter()
        self.status_dict: Counter[str] = Counter()

    def add(self, row: Mapping[str, object], image: bytes | None, extension: str) -> None:
        """Add a row of `COPY_SCHEMA` and, for a success, its image."""
        status = str(row["status"])
        self.statuses[status] += 1
        self.status_dict[str(row["error_message"]) if status != SUCCESS else SUCCESS] += 1
        if self._column is not None:
            self._rows.append({**row, self._column: image})
            self._image_bytes += len(image or b"")
        else:
            self._rows.append(row)
        if len(self._rows) >= _ROWS_AT_ONCE or self._image_bytes >= _ROW_GROUP_BYTES:
            self._flush()
        if image is None or self._members is None:
            return
        key = str(row["key"])
        link_id = row["link_id"]
        shown = dict(row, link_id=link_id.hex() if isinstance(link_id, bytes) else None)
        members = {
            extension: image,
            "json": msgspec.json.format(_ENCODER.encode(shown), indent=4),
            "txt": str(row["caption"]).encode("utf-8", "replace"),
        }
        for each in sorted(members):
            self._members.add(f"{key}.{each}", members[each])

    def _flush(self) -> None:
        if self._rows:
            self._parquet.write(pa.Table.from_pylist(self._rows, self._schema))
            self._rows, self._image_bytes = [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            if self._members is not None:
                self._members.abandon()
            self._parquet.__exit__(kind, None, None)
            return
        self._flush()
        self._parquet.close()
        if self._members is not None:
            self._members.close()

    def stats(self, start: float, end: float) -> bytes:
        """img2dataset's stats of the shard as JSON; times are epoch seconds."""
        verified = self.statuses[VERIFY]
        return msgspec.json.format(
            _ENCODER.encode(
                {
                    "count": self.statuses.total(),
                    "successes": self.statuses[SUCCESS],
                    "failed_to_download": self.statuses["failed_to_download"],
                    "failed_to_resize": self.statuses["failed_to_resize"],
                    **({VERIFY: verified} if verified else {}),
                    "duration": end - start,
                    "start_time": start,
                    "end_time": end,
                    "status_dict": dict(sorted(self.status_dict.items())),
                }
            ),
            indent=4,
        )
