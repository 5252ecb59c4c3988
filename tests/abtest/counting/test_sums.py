"""Sums against a direct computation, and their additivity over units."""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from abtest.counting.counts import UnitCounts
from abtest.counting.sums import Sums, sums_of
from abtest.estimation import clustered
from abtest.estimation.clustered import UnitMoments
from abtest.estimation.joint import category_moments, ctr_covariance, day_moments, log_lifts
from reference_models.shop.traffic import Faults, TrafficConfig, simulate_traffic


def counts_of(log: pl.DataFrame) -> UnitCounts:
    key = ("experiment_id", "arm", "unit_id", "category", "day")
    return UnitCounts.from_rows(log.select(*key, n="n_impressions", c="n_clicks"))


@pytest.fixture(scope="module")
def log() -> pl.DataFrame:
    faults = Faults(crossover_share=0.05)
    return simulate_traffic(TrafficConfig(n_users=3_000, faults=faults)).log


@pytest.fixture(scope="module")
def sums(log) -> Sums:
    return sums_of(counts_of(log))


def by_unit(log: pl.DataFrame, arm: str, label: str, labels: list) -> tuple[np.ndarray, np.ndarray]:
    cells = log.filter(pl.col("arm") == arm).group_by("unit_id", label)
    cells = cells.agg(pl.col("n_impressions", "n_clicks").sum())
    wide = {
        value: cells.pivot(label, index="unit_id", values=value)
        .fill_null(0)
        .select(map(str, labels))
        .to_numpy()
        for value in ("n_impressions", "n_clicks")
    }
    return wide["n_impressions"].astype(float), wide["n_clicks"].astype(float)


@pytest.mark.parametrize("label", ["category", "day"])
def test_products_are_those_of_a_table_of_units(log, sums, label):
    labels = log[label].unique().sort().to_list()
    gather = category_moments if label == "category" else day_moments
    for arm in ("control", "treatment"):
        moments = gather(sums, "shop-launch", arm, labels)
        n, c = by_unit(log, arm, label, labels)
        np.testing.assert_array_equal(moments.nn, n.T @ n)
        np.testing.assert_array_equal(moments.nc, n.T @ c)
        np.testing.assert_array_equal(moments.cc, c.T @ c)
        np.testing.assert_array_equal(moments.n, n.sum(0))
        np.testing.assert_array_equal(moments.c, c.sum(0))
        np.testing.assert_array_equal(moments.units, (n > 0).sum(0))


def test_the_diagonal_is_the_clustered_variance(log, sums):
    labels = log["category"].unique().sort().to_list()
    control, treatment = (
        category_moments(sums, "shop-launch", arm, labels) for arm in ("control", "treatment")
    )
    arms = [
        UnitMoments(a.units, a.n, a.c, np.diag(a.nn), np.diag(a.cc), np.diag(a.nc))
        for a in (control, treatment)
    ]
    for joint, arm in zip((control, treatment), arms, strict=True):
        np.testing.assert_allclose(np.diag(ctr_covariance(joint)), clustered.ctr_variance(arm))
    lift = clustered.log_lift(*arms)
    values, covariance = log_lifts(control, treatment)
    known = np.isfinite(lift.value)
    np.testing.assert_allclose(values[known], lift.value[known])
    np.testing.assert_allclose(np.sqrt(np.diag(covariance))[known], lift.se[known])


def test_covariance_is_that_of_linearised_residuals(log, sums):
    labels = log["category"].unique().sort().to_list()[:5]
    moments = category_moments(sums, "shop-launch", "control", labels)
    n, c = by_unit(log, "control", "category", labels)
    rate = c.sum(0) / n.sum(0)
    residual = (c - rate * n) / n.sum(0)
    factor = np.sqrt(moments.units / (moments.units - 1))
    expected = residual.T @ residual * np.outer(factor, factor)
    np.testing.assert_allclose(ctr_covariance(moments), expected, rtol=1e-10, atol=1e-18)


def test_first_seen_counts_every_unit_of_every_arm_once(log, sums):
    expected = log.select("arm", "unit_id").unique().group_by("arm").len()
    found = sums.first_seen.group_by("arm").agg(pl.col("units").sum())
    assert dict(found.iter_rows()) == dict(expected.iter_rows())
    first = log.sort("day", "category").unique(
        ["arm", "unit_id"], keep="first", maintain_order=True
    )
    direct = first.group_by("arm", "category", "day").len()
    for row in direct.iter_rows():
        is_cell = pl.all_horizontal(
            pl.col(name) == value
            for name, value in zip(("arm", "category", "day"), row, strict=False)
        )
        assert sums.first_seen.filter(is_cell)["units"].item() == row[3]


def test_crossover_counts_units_in_two_arms(log, sums):
    arms = log.group_by("unit_id").agg(pl.col("arm").n_unique())
    assert sums.crossover.select("units", "crossing").row(0) == (
        arms.height,
        arms.filter(pl.col("arm") > 1).height,
    )


def test_sums_of_parts_without_common_units_add_up(log, sums):
    units = log["unit_id"].hash(seed=3) % 3
    parts = [sums_of(counts_of(log.filter(units == part))) for part in range(3)]
    together = Sums.add_up(parts)
    for name in ("daily", "by_category", "by_day", "first_seen", "crossover"):
        assert_frame_equal(getattr(together, name), getattr(sums, name))
