"""All that the statistics see of a log: sums that add up, and not a single unit.

Engines and files differ in how they make these sums, never in what they are; everything after them
is closed-form. Sums of parts of a log add up to the sums of the whole if no unit is in two parts.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields

import polars as pl

from abtest.counting.counts import MOMENTS, UnitCounts, daily_moments

PRODUCTS = ("units", "nn", "nc", "cn", "cc")
"""Of two labels a and b, over the units seen under both: their number, and the sums of
``n_a * n_b``, ``n_a * c_b``, ``c_a * n_b`` and ``c_a * c_b``."""

_NAMES = {"experiment_id": pl.String, "arm": pl.String}
_PRODUCTS = {"units": pl.Int64, **dict.fromkeys(PRODUCTS[1:], pl.Float64)}
SCHEMAS: dict[str, pl.Schema] = {
    "daily": pl.Schema(
        {
            "experiment_id": pl.String,
            "category": pl.String,
            "arm": pl.String,
            "day": pl.Date,
            **dict.fromkeys(MOMENTS[:4], pl.Int64),
            **dict.fromkeys(MOMENTS[4:], pl.Float64),
        }
    ),
    "by_category": pl.Schema({**_NAMES, "label": pl.String, "other": pl.String, **_PRODUCTS}),
    "by_day": pl.Schema({**_NAMES, "label": pl.Date, "other": pl.Date, **_PRODUCTS}),
    "first_seen": pl.Schema({**_NAMES, "category": pl.String, "day": pl.Date, "units": pl.Int64}),
    "crossover": pl.Schema({"experiment_id": pl.String, "units": pl.Int64, "crossing": pl.Int64}),
}
MOST_LABELS = 400
"""Categories, or days, of one experiment beyond which products of two are not summed."""


@dataclass(frozen=True)
class Sums:
    """Sums of a log; see :data:`SCHEMAS` for the columns.

    Attributes:
        daily: :func:`abtest.counting.counts.daily_moments`: increments by day of the moments of
            units' cumulated counts; category ``__all__`` pools a unit's categories.
        by_category: Products of two categories of one unit over the whole period, ``label <=
            other``; on the diagonal the category itself. Empty without units or categories, or with
            more than :data:`MOST_LABELS` of them.
        by_day: The same of two days, categories pooled.
        first_seen: Units by the day they were first seen and the category they saw then; of several
            on that day the first by name, a choice in which the arm plays no part.
        crossover: Units of an experiment, and those of them seen in two arms or more.
    """

    daily: pl.DataFrame
    by_category: pl.DataFrame
    by_day: pl.DataFrame
    first_seen: pl.DataFrame
    crossover: pl.DataFrame

    @classmethod
    def add_up(cls, parts: Iterable["Sums"]) -> "Sums":
        """Sums of parts that share no unit, together."""
        listed = list(parts)
        added = {}
        for field in fields(cls):
            schema = SCHEMAS[field.name]
            values = [name for name in schema if name in (*MOMENTS, *PRODUCTS, "crossing")]
            keys = [name for name in schema if name not in values]
            frames = [schema.to_frame(), *(getattr(part, field.name) for part in listed)]
            summed = pl.concat(frames).group_by(keys).agg(pl.col(values).sum())
            added[field.name] = summed.select(schema.names()).sort(keys)
        return cls(**added)


def sums_of(counts: UnitCounts) -> Sums:
    """Sums of counts by unit, in polars.

    Args:
        counts: Counts of a log, all of it.

    Returns:
        Sums, every frame sorted by its key.
    """
    daily = daily_moments(counts).select(SCHEMAS["daily"].names())
    named = counts.cells.filter(pl.col("unit_id").is_not_null())
    return Sums(
        daily=daily.sort("experiment_id", "category", "arm", "day"),
        by_category=_products(named.filter(pl.col("category").is_not_null()), "category"),
        by_day=_products(named.filter(pl.col("day").is_not_null()), "day"),
        first_seen=_first_seen(named),
        crossover=_crossover(named),
    )


def _products(cells: pl.DataFrame, label: str) -> pl.DataFrame:
    schema = SCHEMAS[f"by_{label}"]
    key = ["experiment_id", "arm", "unit_id"]
    per_experiment = cells.group_by("experiment_id").agg(pl.col(label).n_unique())
    few = per_experiment.filter(pl.col(label) <= MOST_LABELS)["experiment_id"]
    kept = cells.join(few.to_frame(), on="experiment_id", how="semi")
    if kept.is_empty():
        return schema.to_frame()
    # Texts compare by name, categoricals by code; the pair is ordered by name.
    dtype = schema["label"]
    names = kept.select(label).unique().select(label, name=pl.col(label).cast(dtype))
    ranked = names.with_columns(rank=pl.col("name").rank("dense").cast(pl.UInt32))
    sums = (
        kept.join(ranked.select(label, "rank"), on=label)
        .group_by(*key, "rank")
        .agg(pl.col("n", "c").sum().cast(pl.Float64))
    )
    n, c, n_other, c_other = (pl.col(name) for name in ("n", "c", "n_other", "c_other"))
    products = (
        sums.join(sums, on=key, suffix="_other")
        .filter(pl.col("rank") <= pl.col("rank_other"))
        .group_by("experiment_id", "arm", "rank", "rank_other")
        .agg(
            units=pl.len().cast(pl.Int64),
            nn=(n * n_other).sum(),
            nc=(n * c_other).sum(),
            cn=(c * n_other).sum(),
            cc=(c * c_other).sum(),
        )
    )
    by_rank = ranked.select("rank", "name")
    return (
        products.join(by_rank.rename({"name": "label"}), on="rank")
        .join(by_rank.rename({"name": "other"}), left_on="rank_other", right_on="rank")
        .with_columns(pl.col("experiment_id", "arm").cast(pl.String))
        .select(schema.names())
        .sort("experiment_id", "arm", "label", "other")
    )


def _first_seen(cells: pl.DataFrame) -> pl.DataFrame:
    first = (
        cells.with_columns(pl.col("category").cast(pl.String))
        .sort("day", "category")
        .group_by("experiment_id", "arm", "unit_id")
        .agg(pl.col("category", "day").first())
    )
    key = ["experiment_id", "arm", "category", "day"]
    return (
        first.group_by(key)
        .agg(units=pl.len().cast(pl.Int64))
        .with_columns(pl.col("experiment_id", "arm").cast(pl.String))
        .select(SCHEMAS["first_seen"].names())
        .sort(key)
    )


def _crossover(cells: pl.DataFrame) -> pl.DataFrame:
    by_unit = cells.group_by("experiment_id", "unit_id").agg(arms=pl.col("arm").n_unique())
    return (
        by_unit.group_by("experiment_id")
        .agg(
            units=pl.len().cast(pl.Int64),
            crossing=(pl.col("arms") > 1).sum().cast(pl.Int64),
        )
        .with_columns(pl.col("experiment_id").cast(pl.String))
        .select(SCHEMAS["crossover"].names())
        .sort("experiment_id")
    )
