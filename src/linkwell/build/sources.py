"""What a user names as sources, and the archive files they come to.

A source is a path or any URL that fsspec opens: an archive, a pattern (`crawl/*.wat.gz`), a folder (its archives, below it too), or
a list of such, one on each line, gzipped or not. A list is told by `@` before it, by its name (`.txt`, `.paths`, `.paths.gz`,
`.txt.gz`, `.list`), and read the same way, one level deep. Lines that are empty or begin with `#` are passed over; a relative
line is looked for beside the list first, then from the current folder.
"""

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path

import fsspec

from linkwell.base.errors import FormatError, MissingError, UsageError

_LIST_SUFFIXES = (".txt", ".txt.gz", ".paths", ".paths.gz", ".list")
_ARCHIVE_SUFFIXES = (".wat", ".wat.gz", ".warc", ".warc.gz")
_MAGIC_OF_PATTERNS = frozenset("*?[")


def expand_sources(sources: Sequence[str]) -> list[str]:
    """The archive files that sources come to, each once, in the order given; patterns and folders in the order of names.

    Local paths come out absolute, so that the same file is the same input from every folder.

    Raises:
        UsageError: no source was given.
        MissingError: a file, folder or list is not there, or a pattern or folder holds no archive.
        FormatError: a list is no text.
    """
    if not sources:
        raise UsageError("no source was given", advice="Name WAT or WARC files, patterns, folders or lists of paths.")
    found: dict[str, None] = {}
    for source in sources:
        if source.startswith("@") or source.lower().endswith(_LIST_SUFFIXES):
            path = source.removeprefix("@")
            lines = list(_read_list(path))
            if not lines:
                raise MissingError("the list names no file", path, "Put one path or URL on each line.")
            for line in lines:
                found.update(dict.fromkeys(_expand_one(line)))
        else:
            found.update(dict.fromkeys(_expand_one(source)))
    return list(found)


def _expand_one(source: str) -> list[str]:
    if "://" in source:
        return _expand_url(source)
    path = Path(source).expanduser()
    if path.is_dir():
        files = sorted(each for each in path.rglob("*") if each.is_file() and each.name.endswith(_ARCHIVE_SUFFIXES))
    elif path.is_file():
        files = [path]
    elif _MAGIC_OF_PATTERNS & set(source):
        anchor = Path(path.anchor) if path.is_absolute() else Path()
        files = sorted(each for each in anchor.glob(str(path.relative_to(anchor))) if each.is_file())
    else:
        raise MissingError(
            "there is no such file", source, "Give a WAT or WARC file, a pattern, a folder, or a list of paths."
        )
    if not files:
        raise MissingError("no archive is found here", source, "Folders are searched for .wat, .warc and their .gz.")
    return [str(file.absolute()) for file in files]


def _expand_url(source: str) -> list[str]:
    try:
        file_system, path = fsspec.core.url_to_fs(source)
    except (ImportError, ValueError) as error:
        raise UsageError(f"this kind of address cannot be opened: {error}", source) from error
    if not _MAGIC_OF_PATTERNS & set(source.partition("?")[0]):
        return [source]
    files = sorted(str(each) for each in file_system.glob(path))
    if not files:
        raise MissingError("no archive matches this", source)
    return [file_system.unstrip_protocol(each) for each in files]


def _read_list(path: str) -> Iterator[str]:
    beside = None if "://" in path else Path(path).expanduser().parent
    try:
        with fsspec.open(path, "rb") as file:
            data = file.read()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8")
    except FileNotFoundError:
        raise MissingError("there is no such list", path) from None
    except (gzip.BadGzipFile, EOFError, UnicodeDecodeError) as error:
        raise FormatError(
            "this is no list of paths", path, "A list is a text file with one path or URL on each line."
        ) from error
    for raw in text.splitlines():
        line = raw.strip()
        if line and not line.startswith("#"):
            near = beside / line if beside is not None and "://" not in line else None
            yield str(near) if near is not None and near.exists() else line
