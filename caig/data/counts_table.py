"""A table of counts beside a folder of images: CSV, TSV or Parquet, in one file or in shards."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from caig.data.config import ColumnsConfig
from caig.data.rows import BATCH_ROWS, RowsFile
from caig.data.textfiles import named_errors
from caig.errors import DataError

FORMATS = {".csv": "CSV", ".tsv": "TSV", ".parquet": "Parquet", ".pq": "Parquet"}
OURS = {  # a field of the configuration: what it is called here
    "product": "product_id",
    "image": "image",
    "impressions": "impressions",
    "clicks": "clicks",
    "creative": "creative_id",
    "day": "day",
    "category": "category",
    "title": "title",
    "split": "split",
}
REQUIRED = ("product", "image", "impressions", "clicks")


def table_file(path: Path, columns: ColumnsConfig) -> RowsFile:
    """One table, or one shard of it.

    Args:
        path: CSV, TSV or Parquet.
        columns: What its columns are called.

    Raises:
        DataError: It cannot be read, or has not the columns that are named.
    """
    kind = FORMATS[path.suffix.lower()]
    with named_errors(path, kind):
        found = _scan(path, kind).collect_schema().names()
    names = _names(path, columns, found)
    # A header is line 1 of a text.
    unit, first = ("row", 1) if kind == "Parquet" else ("line", 2)
    return RowsFile(path, unit, lambda: _batches(path, kind, names, first), names)


def _names(path: Path, columns: ColumnsConfig, found: list[str]) -> dict[str, str]:
    """What each of our columns that the file has is called in it."""
    stated = {field: getattr(columns, field) for field in OURS if getattr(columns, field)}
    # A default name that is not there is no error where the column may be absent.
    asked = [f for f in stated if f in REQUIRED or f in columns.model_fields_set]
    missing = [stated[field] for field in asked if stated[field] not in found]
    missing += [f"columns.{field}=''" for field in REQUIRED if field not in stated]
    if missing:
        raise DataError.from_missing_columns(
            str(path), missing, found, "name them with --set columns.product=NAME and so on"
        )
    return {OURS[field]: name for field, name in stated.items() if name in found}


def _batches(path: Path, kind: str, names: dict[str, str], first: int) -> Iterator[pl.DataFrame]:
    with named_errors(path, kind, list(names.values())):
        rows = _scan(path, kind).select(
            pl.col(theirs).alias(ours) for ours, theirs in names.items()
        )
        numbered = rows.with_row_index("row", offset=first)
        yield from numbered.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True)


def _scan(path: Path, kind: str) -> pl.LazyFrame:
    if kind == "Parquet":
        return pl.scan_parquet(path, glob=False)
    separator = "\t" if kind == "TSV" else ","
    return pl.scan_csv(path, separator=separator, infer_schema=False, glob=False)
