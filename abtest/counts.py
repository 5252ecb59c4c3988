"""Counts and their sums: the narrow waist between logs and statistics.

Two layers, both additive:

* :class:`UnitCounts` holds impressions and clicks of every unit by day, arm and category. Counts of
  two parts of a log add up to the counts of the whole, however the log was cut.
* Moments are sums over units of impressions, clicks, their squares and their product; all that the
  delta method needs. They are kept as increments by day: the sum up to a day describes the units'
  *cumulated* counts on that day, so the total and every cumulative look come from one table.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from caig.contracts.experiments import ALL_CATEGORIES

CELL_KEY = ("experiment_id", "arm", "unit_id", "category", "day")
MOMENTS = ("units", "clicking_units", "n", "c", "nn", "cc", "nc")
"""Units, units with a click, impressions, clicks, and sums over units of n^2, c^2 and n*c."""

_CELL_SCHEMA = {
    "experiment_id": pl.String,
    "arm": pl.String,
    "unit_id": pl.String,
    "category": pl.String,
    "day": pl.Date,
    "n": pl.Int64,
    "c": pl.Int64,
}


@dataclass(frozen=True)
class UnitCounts:
    """Impressions and clicks by experiment, arm, unit, category and day.

    Attributes:
        cells: One row a combination that occurs, columns ``experiment_id, arm, unit_id, category,
            day, n, c``. Where the log names no unit, category or day, that column is null.
    """

    cells: pl.DataFrame

    @classmethod
    def from_rows(cls, rows: pl.DataFrame) -> "UnitCounts":
        """Sum rows that have the columns of ``cells``."""
        return cls(rows.group_by(CELL_KEY).agg(pl.col("n").sum(), pl.col("c").sum()))

    @classmethod
    def empty(cls) -> "UnitCounts":
        """Counts of nothing."""
        return cls(pl.DataFrame(schema=_CELL_SCHEMA))

    @classmethod
    def merge(cls, parts: Iterable["UnitCounts"]) -> "UnitCounts":
        """Counts of several parts of a log together."""
        return cls.from_rows(pl.concat([cls.empty().cells, *(part.cells for part in parts)]))

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
    by_category = counts.cells.filter(pl.col("category").is_not_null())
    pooled = counts.cells.with_columns(category=pl.lit(ALL_CATEGORIES))
    return pl.concat([_increments(UnitCounts.from_rows(pooled).cells), _increments(by_category)])


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


def _increments(cells: pl.DataFrame) -> pl.DataFrame:
    key = ["experiment_id", "category", "arm"]
    n, c = pl.col("n"), pl.col("c")
    # Codes sort several times faster than texts, and any order of units will do.
    codes = [pl.col(name).cast(pl.Categorical).to_physical() for name in (*key, "unit_id")]
    ordered = cells.sort(*codes, "day")
    is_first = pl.any_horizontal(
        pl.col(name).ne_missing(pl.col(name).shift()) for name in (*key, "unit_id")
    )
    # Counts before today: the running sum up to here, less what it was where the unit began.
    n_sum, c_sum = n.cum_sum() - n, c.cum_sum() - c
    before = ordered.with_columns(is_first=is_first | (pl.int_range(pl.len()) == 0)).with_columns(
        n_before=n_sum - pl.when("is_first").then(n_sum).forward_fill(),
        c_before=c_sum - pl.when("is_first").then(c_sum).forward_fill(),
    )
    # Squares as floats: of a unit with billions of impressions they do not fit into integers.
    n, c, n_before, c_before = (
        pl.col(name).cast(pl.Float64) for name in ("n", "c", "n_before", "c_before")
    )
    return before.group_by(*key, "day").agg(
        units=pl.col("is_first").sum().cast(pl.Int64),
        clicking_units=((c_before == 0) & (c > 0)).sum().cast(pl.Int64),
        n=pl.col("n").sum(),
        c=pl.col("c").sum(),
        nn=((n_before + n) ** 2 - n_before**2).sum(),
        cc=((c_before + c) ** 2 - c_before**2).sum(),
        nc=((n_before + n) * (c_before + c) - n_before * c_before).sum(),
    )
