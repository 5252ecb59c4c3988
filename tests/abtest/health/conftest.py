"""Sums of many experiments at once, from units by experiment, arm, category and day."""

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from abtest.counting.sums import SCHEMAS, Sums

SumsOfUnits = Callable[[np.ndarray], Sums]
DAY = date(2026, 3, 1)


@pytest.fixture(scope="session")
def sums_of_units() -> SumsOfUnits:
    """Sums of units that see one impression each, of an array (experiments, days, categories, arms)
    of how many units were first seen there."""

    def make(units: np.ndarray) -> Sums:
        experiment, day, category, arm = (axis.ravel() for axis in np.indices(units.shape))
        first_seen = pl.DataFrame(
            {
                "experiment_id": experiment,
                "arm": arm,
                "category": category,
                "day": [DAY + timedelta(days=int(n)) for n in day],
                "units": units.ravel().astype(np.int64),
            }
        ).with_columns(
            pl.format("e{}", "experiment_id").alias("experiment_id"),
            pl.format("arm {}", "arm").alias("arm"),
            pl.format("c{}", "category").alias("category"),
        )
        first_seen = first_seen.filter(pl.col("units") > 0)
        key = ["experiment_id", "arm", "day"]
        daily = first_seen.group_by(key).agg(pl.col("units").sum())
        daily = daily.with_columns(
            category=pl.lit("__all__"), clicking_units=pl.lit(0), n="units", c=pl.lit(0),
            nn=pl.col("units"), cc=pl.lit(0), nc=pl.lit(0),
        )  # fmt: skip
        return Sums(
            daily=daily.select(SCHEMAS["daily"].names()).cast(SCHEMAS["daily"]),
            by_category=SCHEMAS["by_category"].to_frame(),
            by_day=SCHEMAS["by_day"].to_frame(),
            first_seen=first_seen.select(SCHEMAS["first_seen"].names()),
            crossover=SCHEMAS["crossover"].to_frame(),
        )

    return make
