"""Counts and their sums: the narrow waist between logs and statistics.

Two layers, both additive:

* :class:`UnitCounts` holds impressions and clicks of every unit by day, arm and category. Counts of
  two parts of a log add up to the counts of the whole, however the log was cut.
* Moments are sums over units of impressions, clicks, their squares and their product; all that the
  delta method needs. They are kept as increments by day: the sum up to a day describes the units'
  *cumulated* counts on that day, so the total and every cumulative look come from one table.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from caig.contracts.experiments import ALL_CATEGORIES
from caig.errors import DataError

NAMES = ("experiment_id", "arm", "unit_id", "category")
CELL_KEY = (*NAMES, "day")
# A code space for each, so that codes count from 0 and several of them fit into one number.
CODES = {name: pl.Categorical(pl.Categories(f"abtest.{name}")) for name in NAMES}
MOMENTS = ("units", "clicking_units", "n", "c", "nn", "cc", "nc")
"""Units, units with a click, impressions, clicks, and sums over units of n^2, c^2 and n*c."""

_CELL_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    **CODES,
    "day": pl.Date,
    "n": pl.Int64,
    "c": pl.Int64,
}
MOST_CELLS = 2**31
"""Numbers of cells and of units (at most 2^32) fit together into 63 bits."""


@dataclass(frozen=True)
class UnitCounts:
    """Impressions and clicks by experiment, arm, unit, category and day.

    Counts that came of several parts may hold a combination in several rows; all that is made of
    them adds up. :meth:`merge` makes them one.

    Attributes:
        cells: A row or more a combination that occurs, columns ``experiment_id, arm, unit_id,
            category, day, n, c``. Names are categorical: they group and sort by their codes,
            several times faster than texts. Where the log names no unit, category or day, that
            column is null.
    """

    cells: pl.DataFrame

    @classmethod
    def from_rows(cls, rows: pl.DataFrame) -> "UnitCounts":
        """Sum rows that have the columns of ``cells``; names may be texts."""
        coded = rows.with_columns(pl.col(name).cast(code) for name, code in CODES.items())
        return cls(coded.group_by(CELL_KEY).agg(pl.col("n").sum(), pl.col("c").sum()))

    @classmethod
    def beside(cls, parts: Iterable["UnitCounts"]) -> "UnitCounts":
        """Counts of several parts side by side, not summed."""
        return cls(pl.concat([cls.empty().cells, *(part.cells for part in parts)]))

    @classmethod
    def empty(cls) -> "UnitCounts":
        """Counts of nothing."""
        return cls(pl.DataFrame(schema=_CELL_SCHEMA))

    @classmethod
    def merge(cls, parts: Iterable["UnitCounts"]) -> "UnitCounts":
        """Counts of several parts of a log together."""
        return cls.from_rows(cls.beside(parts).cells)

    def __add__(self, other: "UnitCounts") -> "UnitCounts":
        return UnitCounts.merge([self, other])


def daily_moments(counts: UnitCounts) -> pl.DataFrame:
    """Increments by day of the moments of units' cumulated counts.

    A unit that comes back on a later day adds ``(n_before + n_today)^2 - n_before^2`` to the sum of
    squares, so that adding up days treats it as one unit, not as two.

    Args:
        counts: Counts of a log.

    Returns:
        One row an experiment, category, arm and day with the columns of :data:`MOMENTS`. The
        category ``__all__`` pools a unit's categories before squaring. Without days there is one
        row with a null day.
    """
    order = ["experiment_id", "category", "arm", "day", *MOMENTS]
    pooled = _increments(counts.cells, ["experiment_id", "arm"])
    pooled = pooled.with_columns(category=pl.lit(ALL_CATEGORIES)).select(order)
    named = counts.cells.filter(pl.col("category").is_not_null())
    if named.is_empty():
        return pooled
    by_category = _increments(named, ["experiment_id", "category", "arm"])
    return pl.concat([pooled, by_category.select(order)])


def total_moments(daily: pl.DataFrame) -> pl.DataFrame:
    """Moments of the whole period: one row an experiment, category and arm."""
    return daily.group_by("experiment_id", "category", "arm").agg(pl.col(MOMENTS).sum())


def cumulative_moments(daily: pl.DataFrame) -> pl.DataFrame:
    """Moments up to each day of the experiment, one row an experiment, category, arm and day.

    Days on which a cell had no traffic repeat the day before, so that every cell has every day.
    """
    cells = daily.select("experiment_id", "category", "arm").unique()
    days = daily.select("experiment_id", "day").unique()
    key = ["experiment_id", "category", "arm"]
    return (
        cells.join(days, on="experiment_id")
        .join(daily, on=[*key, "day"], how="left")
        .with_columns(pl.col(MOMENTS).fill_null(0))
        .sort(*key, "day")
        .with_columns(pl.col(MOMENTS).cum_sum().over(key))
    )


def _increments(cells: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Increments of the cells named by ``key`` and day.

    Rows are sorted by one number that holds unit, key and day: sorting five columns takes ten times
    as long. Rows of one unit, key and day need not be summed first, since increments telescope.
    """
    cell, n_cells, n_days = _cell_number(cells, key)
    unit = pl.col("unit_id").to_physical().cast(pl.Int64).fill_null(0)
    rows = cells.select(order=unit * n_cells + cell, n="n", c="c").sort("order")
    n, c = pl.col("n"), pl.col("c")
    unit_in_cell = pl.col("order") // n_days
    is_first = unit_in_cell.ne_missing(unit_in_cell.shift())
    # Counts before this row: the running sum up to here, less what it was where the unit began.
    n_sum, c_sum = n.cum_sum() - n, c.cum_sum() - c
    before = rows.select(
        "n", "c", n_sum=n_sum, c_sum=c_sum, is_first=is_first, cell=pl.col("order") % n_cells
    ).with_columns(
        n_before=pl.col("n_sum") - pl.when("is_first").then("n_sum").forward_fill(),
        c_before=pl.col("c_sum") - pl.when("is_first").then("c_sum").forward_fill(),
    )
    # Squares as floats: of a unit with billions of impressions they do not fit into integers.
    n, c, n_before, c_before = (
        pl.col(name).cast(pl.Float64) for name in ("n", "c", "n_before", "c_before")
    )
    sums = before.group_by("cell").agg(
        units=pl.col("is_first").sum().cast(pl.Int64),
        clicking_units=((c_before == 0) & (c > 0)).sum().cast(pl.Int64),
        n=pl.col("n").sum(),
        c=pl.col("c").sum(),
        nn=((n_before + n) ** 2 - n_before**2).sum(),
        cc=((c_before + c) ** 2 - c_before**2).sum(),
        nc=((n_before + n) * (c_before + c) - n_before * c_before).sum(),
    )
    names = cells.select(*key, "day", cell=cell).unique("cell")
    return sums.join(names, on="cell").drop("cell").with_columns(pl.col(key).cast(pl.String))


def _cell_number(cells: pl.DataFrame, key: list[str]) -> tuple[pl.Expr, int, int]:
    """A number of key and day, how many numbers there are, and how many of them are days.

    Days are the last digit, so that numbers of one key are next to each other and in order of time.
    """
    days = pl.col("day").to_physical().cast(pl.Int64)
    codes = [pl.col(name).to_physical().cast(pl.Int64) for name in key]
    largest = cells.select(*codes, day=days.max() - days.min()).max().row(0)
    *n_names, n_days = (1 + (code or 0) for code in largest)
    if math.prod(n_names) * n_days > MOST_CELLS:
        raise DataError(
            f"{' x '.join(map(str, n_names))} ({', '.join(key)}) on {n_days} days are too many "
            "cells to analyse at once; analyse parts of the experiments"
        )
    number = pl.lit(0, dtype=pl.Int64)
    for code, size in zip(codes, n_names, strict=True):
        number = number * size + code
    return number * n_days + (days - days.min()).fill_null(0), math.prod(n_names) * n_days, n_days
