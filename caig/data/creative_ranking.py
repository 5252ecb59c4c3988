"""The CreativeRanking lists (Tianchi data set 93585): tab-separated, without a header.

Columns: item_id, image_file, ds (day), impressions, clicks; a row an item, image and day; images
are looked for in one folder (Wang et al., WWW 2021, arXiv 2102.04033, and the loader they
published). There are no titles and no categories. The training list makes the splits train and
val, the test list is the split test.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from caig.data.rows import BATCH_ROWS, RowsFile
from caig.data.textfiles import named_errors

LISTS = ("train_data_list.txt", "test_data_list.txt")
COLUMNS = ("item_id", "image_file", "ds", "impressions", "clicks")
NAMES = {"product_id": "item_id", "image": "image_file", "day": "ds"}


def find_lists(folder: Path) -> list[Path]:
    """The lists in a folder, or in its folder ``data``, as the archive has them."""
    for place in (folder, folder / "data"):
        if found := [place / name for name in LISTS if (place / name).is_file()]:
            return found
    return []


def list_file(path: Path) -> RowsFile:
    """One list."""
    return RowsFile(path, "line", lambda: _batches(path), NAMES)


def _batches(path: Path) -> Iterator[pl.DataFrame]:
    is_test = path.name == LISTS[1]
    with named_errors(path, "tab-separated text of 5 columns", COLUMNS):
        lines = pl.scan_csv(
            path,
            has_header=False,
            separator="\t",
            quote_char=None,
            infer_schema=False,
            new_columns=list(COLUMNS),
            glob=False,
        ).with_row_index("row", offset=1)
        if is_test:
            lines = lines.with_columns(split=pl.lit("test"))
        renamed = lines.rename({theirs: ours for ours, theirs in NAMES.items()})
        yield from renamed.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True)
