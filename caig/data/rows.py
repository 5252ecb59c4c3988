"""Rows of counts, whatever file they come from: turned into numbers, checked, and added up.

Readers give batches of texts; here they become counts or problems. Checked rows go to a temporary
folder, so that a log of any length takes the memory of one batch, and of its ads.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from caig.contracts.creatives import SPLITS
from caig.data.findings import SHOWN, Findings

BATCH_ROWS = 1 << 18
LONGEST_FILE = 1 << 40
"""More rows than a file has."""

ABOUT_PRODUCTS = ("category", "title", "split")

TEXTS = ("product_id", "image", "creative_id", "day", *ABOUT_PRODUCTS)
ROWS = pl.Schema(
    {
        "file": pl.UInt32(),
        "row": pl.Int64(),
        **dict.fromkeys(TEXTS, pl.String()),
        "n_impressions": pl.Int64(),
        "n_clicks": pl.Int64(),
    }
)


@dataclass(frozen=True)
class RowsFile:
    """One file of counts.

    Attributes:
        path: As the user named it.
        unit: What its rows are called: ``line``, ``row`` or ``entry``.
        batches: Reads it: frames with ``row`` (from 1), texts product_id and image, impressions and
            clicks as texts or whole numbers, and any other of the texts that the file has.
        names: What its columns are called in the file, by ours.
    """

    path: Path
    unit: str
    batches: Callable[[], Iterator[pl.DataFrame]]
    names: dict[str, str]


@dataclass(frozen=True)
class Counted:
    """A log, added up.

    Attributes:
        ads: A row an ad, by product and identifier: creative_id, product_id, image, file, row (of
            its first row), n_impressions, n_clicks.
        products: A row a product: product_id, and category, title, split, null where not told.
        rows: All rows, lazily: the columns of :data:`ROWS`.
        n_rows: Their number.
        has_days: Whether rows name their day.
    """

    ads: pl.DataFrame
    products: pl.DataFrame
    rows: pl.LazyFrame
    n_rows: int
    has_days: bool


def count_rows(
    files: Sequence[RowsFile], folder: Path, findings: Findings, *, repeats_add: bool
) -> Counted | None:
    """Read, check and add up all files.

    Args:
        files: Files, in order.
        folder: Empty folder for checked rows, at the caller's to remove; used lazily afterwards.
        findings: Told what is wrong.
        repeats_add: Whether a second row of one ad and day is a part of its counts.

    Returns:
        The log; None if rows were so wrong that it cannot be added up, which ``findings`` then
        tell.
    """
    pl.DataFrame(schema=ROWS).write_parquet(folder / "empty.parquet")
    keys = []
    is_sound = True
    has_days = False
    n_rows = 0
    for number, file in enumerate(files):
        for part, batch in enumerate(file.batches()):
            rows = _as_rows(batch, number)
            is_sound &= _check_rows(rows, batch, file, findings)
            has_days |= bool(rows["day"].is_not_null().any())
            n_rows += rows.height
            rows.write_parquet(folder / f"{number:05}-{part:08}.parquet")
            keys.append(rows.select(_ad_and_day()).to_struct("key").hash().to_numpy())
    if not is_sound:
        return None
    rows_of_all = pl.scan_parquet(sorted(folder.iterdir()), glob=False)
    if n_rows == 0:
        findings.add("rows", "there are none", [str(file.path) for file in files], count=len(files))
        return None
    if not repeats_add:
        _find_repeats(np.concatenate(keys), rows_of_all, files, findings)
    ads = _added_up(rows_of_all)
    _find_disagreements(ads, files, findings)
    return Counted(
        ads.select(
            "creative_id", "product_id", "image", "file", "row", "n_impressions", "n_clicks"
        ),
        _products(rows_of_all, files, findings),
        rows_of_all,
        n_rows,
        has_days,
    )


def _ad_and_day() -> list[pl.Expr]:
    return [pl.col("creative_id"), pl.col("day")]


def _as_rows(batch: pl.DataFrame, number: int) -> pl.DataFrame:
    """A reader's batch as :data:`ROWS`; a count that is none becomes null."""

    def text(name: str) -> pl.Expr:
        if name not in batch.columns:
            return pl.lit(None, pl.String).alias(name)
        stripped = pl.col(name).cast(pl.String).str.strip_chars()
        return pl.when(stripped != "").then(stripped).alias(name)

    def count(name: str, into: str) -> pl.Expr:
        value = pl.col(name)
        if batch.schema[name].is_float():  # as some writers store counts; 1.5 is none
            value = pl.when(value == value.floor()).then(value)
        elif not batch.schema[name].is_integer():
            value = value.cast(pl.String).str.strip_chars()
        return value.cast(pl.Int64, strict=False).alias(into)

    rows = batch.select(
        pl.lit(number, pl.UInt32).alias("file"),
        pl.col("row").cast(pl.Int64),
        *(text(name) for name in TEXTS),
        count("impressions", "n_impressions"),
        count("clicks", "n_clicks"),
    )
    by_what_it_shows = pl.concat_str("product_id", "image", separator="/")
    return rows.with_columns(pl.col("creative_id").fill_null(by_what_it_shows))


def _check_rows(
    rows: pl.DataFrame, batch: pl.DataFrame, file: RowsFile, findings: Findings
) -> bool:
    """Whether all rows can be used; what cannot is told."""
    place = f"{file.path} {file.unit}"
    found = rows.with_columns(batch["impressions"], batch["clicks"])
    rules: list[tuple[str, str, pl.Expr, tuple[str, ...]]] = [
        ("product_id", "is empty", pl.col("product_id").is_null(), ("image",)),
        ("image", "is empty", pl.col("image").is_null(), ("product_id",)),
    ]
    for name in ("impressions", "clicks"):
        value = pl.col(f"n_{name}")
        rules += [
            (name, "is no whole number", value.is_null(), ("product_id", name)),
            (name, "is negative", value < 0, ("product_id", name)),
        ]
    is_above = pl.col("n_clicks") > pl.col("n_impressions")
    is_no_split = ~pl.col("split").is_in(SPLITS)
    rules += [
        ("clicks", "is above impressions", is_above, ("product_id", "clicks", "impressions")),
        ("split", f"is none of {', '.join(SPLITS)}", is_no_split, ("product_id", "split")),
    ]
    is_sound = True
    for column, rule, is_broken, shown in rules:
        broken = found.filter(is_broken.fill_null(value=False))
        is_sound &= broken.is_empty()
        findings.add_rows(
            f"'{file.names.get(column, column)}'",
            rule,
            broken,
            {file.names.get(name, name): name for name in shown},
            place=place,
            hint="correct or delete the row, then read the file again",
        )
    return is_sound


def _find_repeats(
    keys: "np.ndarray[tuple[int], np.dtype[np.uint64]]",
    rows: pl.LazyFrame,
    files: Sequence[RowsFile],
    findings: Findings,
) -> None:
    """Tell of ads that have two rows, for one day where there are days."""
    keys.sort()
    repeated = np.unique(keys[1:][keys[1:] == keys[:-1]])
    if not repeated.size:
        return
    key = pl.struct(_ad_and_day()).hash()  # equal hashes are a hint; equal keys decide
    suspects = rows.filter(key.is_in(pl.Series(repeated).implode())).collect(engine="streaming")
    found = (
        suspects.filter(pl.struct(_ad_and_day()).is_duplicated())
        .sort("file", "row")
        .group_by(_ad_and_day(), maintain_order=True)
        .agg(pl.col("file").head(SHOWN), pl.col("row").head(SHOWN), n=pl.len())
    )
    shown = [
        f"{ad!r}{'' if day is None else f' on {day!r}'}: " + _places(files, of_file, of_row)
        for ad, day, of_file, of_row, _ in found.head(SHOWN).iter_rows()
    ]
    of_a_day = " for one day" if found["day"].is_not_null().any() else ""
    findings.add(
        "row",
        f"an ad has several rows{of_a_day}",
        shown,
        count=int(found["n"].sum()),
        hint="delete the copies, or add their counts up with --set problems.repeated_rows=add",
    )


def _places(files: Sequence[RowsFile], of_file: Sequence[int], of_row: Sequence[int]) -> str:
    """``a.csv line 3, b.csv line 8``."""
    return ", ".join(
        f"{files[number].path} {files[number].unit} {row}"
        for number, row in zip(of_file, of_row, strict=True)
    )


def _added_up(rows: pl.LazyFrame) -> pl.DataFrame:
    """A row an ad; where its product or image differ between rows, ``max_`` says so."""
    names = pl.col("product_id", "image")
    # One number for the place of a row, so that its least is the first; no sort in every group.
    place = (pl.col("file").cast(pl.Int64) * LONGEST_FILE + pl.col("row")).min()
    return (
        rows.group_by("creative_id")
        .agg(
            names.min(),
            names.max().name.prefix("max_"),
            pl.col("n_impressions", "n_clicks").sum(),
            place=place,
        )
        .with_columns(
            file=(pl.col("place") // LONGEST_FILE).cast(pl.UInt32),
            row=pl.col("place") % LONGEST_FILE,
        )
        .collect(engine="streaming")
        .sort("product_id", "creative_id")
    )


def _find_disagreements(ads: pl.DataFrame, files: Sequence[RowsFile], findings: Findings) -> None:
    """Tell of identifiers that stand for two ads."""
    for column in ("product_id", "image"):
        broken = ads.filter(pl.col(column) != pl.col(f"max_{column}"))
        shown = (
            f"{ad!r}: first in {_places(files, [file], [row])}"
            for ad, file, row in broken.select("creative_id", "file", "row").head(SHOWN).iter_rows()
        )
        findings.add(
            f"'{files[0].names.get('creative_id', 'creative_id')}'",
            f"one identifier stands for several values of '{files[0].names.get(column, column)}'",
            shown,
            count=broken.height,
            hint="give every ad an identifier of its own",
        )


def _products(rows: pl.LazyFrame, files: Sequence[RowsFile], findings: Findings) -> pl.DataFrame:
    """What the rows tell of each product."""
    told = pl.col(ABOUT_PRODUCTS)
    products = (
        rows.group_by("product_id")
        .agg(told.min(), told.max().name.prefix("max_"))
        .collect(engine="streaming")
        .sort("product_id")
    )
    for column in ABOUT_PRODUCTS:
        broken = products.filter(pl.col(column) != pl.col(f"max_{column}"))
        findings.add(
            f"'{files[0].names.get(column, column)}'",
            "differs between rows of one product",
            (f"product {name!r}" for name in broken["product_id"].head(SHOWN)),
            count=broken.height,
            hint="a product has one of each: correct the rows that differ",
        )
    return products.select("product_id", *ABOUT_PRODUCTS)
