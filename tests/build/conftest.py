"""What the tests of build share: the links of one archive, with its counters."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from linkwell.build.extract import ExtractParams, ExtractSettings
from linkwell.engine import Mark, local_input, task
from linkwell.engine.task import execute

Extracted = tuple[dict[str, int], pa.Table]
Extract = Callable[..., Extracted]


def extract_file(path: Path, folder: Path, *, crawl: str | None = None, language: bool = False) -> Extracted:
    """Run the extract task on one archive; returns its counters and its rows."""
    settings = ExtractSettings(crawl, 2_000, 2_000, language)
    one = task("extract", 0, "linkwell.build.extract:extract", ExtractParams(str(path), settings), (local_input(path),))
    folder.mkdir(parents=True, exist_ok=True)
    mark: Mark = execute(one, folder)
    return mark.counts, pq.read_table(folder / mark.outputs["links.parquet"])


@pytest.fixture
def extract(tmp_path: Path) -> Extract:
    """Write bytes as an archive and extract it: `extract(data, name="x.warc.wat.gz", language=…)`."""

    def run(data: bytes | list[bytes], name: str = "x.warc.wat", **options: object) -> Extracted:
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else b"".join(data))
        return extract_file(path, tmp_path / "extracted", **options)  # type: ignore[arg-type] # passed through

    return run


def triples(table: pa.Table) -> list[tuple[str, str, str]]:
    """Page, URL and text of each row."""
    columns = [table[name].to_pylist() for name in ("page_url", "url", "text")]
    return list(zip(*columns, strict=True))
