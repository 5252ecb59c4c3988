"""From a log to the cells that the tables over time take."""

from collections.abc import Callable

import polars as pl
import pytest

from abtest.config import LiftConfig
from abtest.counting.counts import UnitCounts, cumulative_moments
from abtest.counting.sums import Sums, sums_of
from abtest.estimation.arms import paired_arms
from abtest.estimation.cells import estimate_cells
from abtest.monitoring.single_days import single_day_moments

Cells = Callable[[Sums, LiftConfig], pl.DataFrame]


def estimated(moments: pl.DataFrame, config: LiftConfig) -> pl.DataFrame:
    arms = moments.select("experiment_id", "arm").unique().sort("experiment_id", "arm")
    arms = arms.with_columns(is_control=pl.col("arm") == config.design.control)
    pairs = paired_arms(moments, arms, ["experiment_id", "category", "day"])
    return estimate_cells(pairs, config)


@pytest.fixture(scope="session")
def summed() -> Callable[[pl.DataFrame], Sums]:
    """Sums of an impression log."""

    def sums(log: pl.DataFrame) -> Sums:
        key = ("experiment_id", "arm", "unit_id", "category", "day")
        return sums_of(UnitCounts.from_rows(log.select(*key, n="n_impressions", c="n_clicks")))

    return sums


@pytest.fixture(scope="session")
def cumulated() -> Cells:
    """Estimated cells, cumulated to each day."""

    def cells(sums: Sums, config: LiftConfig) -> pl.DataFrame:
        return estimated(cumulative_moments(sums.daily), config)

    return cells


@pytest.fixture(scope="session")
def single_days() -> Cells:
    """Estimated cells of every day alone."""

    def cells(sums: Sums, config: LiftConfig) -> pl.DataFrame:
        return estimated(single_day_moments(sums, design=config.design), config)

    return cells
