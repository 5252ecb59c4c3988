"""Lift of every day alone, not cumulated: where a novelty or a broken day shows.

Units come back, so lifts of two days are not independent; :mod:`abtest.monitoring.day_effects`
compares them with that in view. Categories are pooled.
"""

import polars as pl

from abtest.config import Design
from abtest.counting.counts import MOMENTS
from abtest.counting.sums import SCHEMAS, Sums
from caig.contracts.experiments import ALL_CATEGORIES
from caig.contracts.looks import LIFT_BY_DAY


def single_day_moments(sums: Sums, *, design: Design) -> pl.DataFrame:
    """Moments of the units' counts of each day alone.

    Args:
        sums: Sums of the log.
        design: How traffic was split.

    Returns:
        As ``sums.daily``, category ``__all__``, days with a name only. Where units were randomised
        ``clicking_units`` is the fewest that agree with the sums: by Cauchy-Schwarz there are
        ``c^2 / cc`` or more, and exactly that many where no unit clicked twice that day.
    """
    key = ["experiment_id", "arm", "day"]
    daily = sums.daily.filter(pl.col("day").is_not_null() & (pl.col("category") == ALL_CATEGORIES))
    if design.randomisation == "impression":
        return daily
    # Increments of cumulated counts are a day's own for n and c only.
    alone = sums.by_day.filter(pl.col("label") == pl.col("other")).select(
        "experiment_id", "arm", "units", "nn", "cc", "nc", day="label"
    )
    fewest = (pl.col("c") ** 2 / pl.col("cc") + 1e-9).floor()
    return (
        daily.drop("units", "clicking_units", *MOMENTS[4:])
        .join(alone, on=key, how="left")
        .with_columns(pl.col("units", "nn", "cc", "nc").fill_null(0))
        .with_columns(
            clicking_units=pl.when(pl.col("cc") > 0).then(fewest).otherwise(0).cast(pl.Int64)
        )
        .select(SCHEMAS["daily"].names())
    )


def lift_by_day(cells: pl.DataFrame, *, design: Design) -> pl.DataFrame:
    """Lift of every day alone.

    Args:
        cells: :func:`abtest.estimation.cells.estimate_cells` of the pairs of
            :func:`single_day_moments`, with ``experiment_id, contrast, day``.
        design: How traffic was split; without units their number is unknown.

    Returns:
        ``lift_by_day/1``, in the order of its key.
    """
    unknown = pl.lit(None, dtype=pl.Int64)
    columns = {}
    for arm in ("control", "treatment"):
        has_units = design.randomisation == "unit"
        columns[f"n_units_{arm}"] = pl.col(f"units_{arm}") if has_units else unknown
        columns[f"impressions_{arm}"] = pl.col(f"n_{arm}")
        columns[f"clicks_{arm}"] = pl.col(f"c_{arm}")
    return cells.with_columns(**columns).select(LIFT_BY_DAY.schema.names()).sort(LIFT_BY_DAY.key)
