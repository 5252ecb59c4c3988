"""Sample ratio by category of first exposure: family error, faults, and effects that are none."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from scipy import stats

from abtest.config import Design, Health, LiftConfig
from abtest.counting.counts import UnitCounts
from abtest.counting.sums import sums_of
from abtest.health.first_exposure import first_exposure_check
from abtest.health.sample_ratio import sample_ratios
from caig.contracts.experiments import ALL_CATEGORIES, HEALTH, SAMPLE_RATIO
from caig.contracts.table import check
from reference_models.shop.traffic import TrafficConfig, simulate_traffic

KEY = ("experiment_id", "arm", "unit_id", "category", "day")


def checked(sums, config=None):
    config = config or LiftConfig()
    ratios = check(sample_ratios(sums, config), SAMPLE_RATIO)
    rows = check(first_exposure_check(ratios, config), HEALTH)
    return ratios, rows


def counts_of(log: pl.DataFrame) -> UnitCounts:
    return UnitCounts.from_rows(log.select(*KEY, n="n_impressions", c="n_clicks"))


@pytest.fixture(scope="module")
def log() -> pl.DataFrame:
    return simulate_traffic(TrafficConfig(n_users=20_000)).log


def test_family_error_of_44_fair_categories_is_at_most_the_level(sums_of_units):
    rng = np.random.default_rng(5)
    size = rng.poisson(np.geomspace(20, 2000, 44), size=(2000, 1, 44))
    control = rng.binomial(size, 0.5)
    sums = sums_of_units(np.stack([control, size - control], axis=-1))
    ratios, rows = checked(sums, LiftConfig(health=Health(sample_ratio_alpha=0.05)))
    error = 3 * np.sqrt(0.05 * 0.95 / 2000)
    assert 0.03 < (rows["status"] == "unhealthy").mean() < 0.05 + error
    overall = ratios.filter((pl.col("category") == ALL_CATEGORIES) & (pl.col("arm") == "arm 0"))
    assert abs((overall["p_value"] < 0.05).mean() - 0.05) < error
    # Without correction nearly every experiment would be flagged.
    plain = ratios.filter(pl.col("category") != ALL_CATEGORIES).group_by("experiment_id")
    assert plain.agg((pl.col("p_value") < 0.05).any())["p_value"].mean() > 0.8


def test_counts_are_units_by_the_category_of_their_first_day(log):
    ratios, _ = checked(sums_of(counts_of(log)))
    first = (
        log.sort("day", "category")
        .group_by("arm", "unit_id")
        .agg(pl.col("category").first())
        .group_by("arm", "category")
        .agg(n=pl.len())
    )
    both = ratios.join(first, on=["arm", "category"])
    assert both.height == 88
    assert (both["observed"] == both["n"]).all()
    overall = ratios.filter(pl.col("category") == ALL_CATEGORIES)
    assert overall["observed"].sum() == both["observed"].sum()


def test_what_a_treatment_does_to_later_days_is_no_mismatch(log):
    """Units of the treatment stop seeing a category after their first day: an effect, no fault."""
    category = log["category"].value_counts(sort=True)["category"][0]
    first_day = pl.col("day").min().over("unit_id")
    stopped = (
        (pl.col("arm") == "treatment")
        & (pl.col("category") == category)
        & (pl.col("day") > first_day)
    )
    kept = log.filter(~stopped)
    seen = (
        kept.filter(pl.col("category") == category)
        .group_by("arm")
        .agg(pl.col("unit_id").n_unique())
    )
    assert stats.chisquare(seen["unit_id"].to_list()).pvalue < 1e-4
    _, rows = checked(sums_of(counts_of(kept)))
    assert rows["status"].to_list() == ["healthy"]


def test_units_lost_in_one_category_are_found_there(log):
    category = log["category"].value_counts(sort=True)["category"][0]
    first = log.sort("day", "category").group_by("arm", "unit_id").agg(pl.col("category").first())
    hit = first.filter((pl.col("arm") == "treatment") & (pl.col("category") == category))
    lost = hit.sort("unit_id").head(hit.height // 2)["unit_id"].to_list()
    ratios, rows = checked(sums_of(counts_of(log.filter(~pl.col("unit_id").is_in(lost)))))
    (row,) = rows.iter_rows(named=True)
    assert row["status"] == "unhealthy"
    assert row["detail"].startswith("1 of 44 categories are off the declared split")
    assert (
        f"worst: {category}. A treatment that acts on which category comes first" in row["detail"]
    )
    cell = ratios.filter(pl.col("category") == category)
    assert row["statistic"] == pytest.approx(stats.chisquare(cell["observed"].to_list()).statistic)


def test_impressions_by_category_where_they_were_randomised(log):
    config = LiftConfig(design=Design(randomisation="impression"))
    ratios, rows = checked(sums_of(counts_of(log)), config)
    assert ratios["counted"].unique().to_list() == ["impressions"]
    by_category = ratios.filter(pl.col("category") != ALL_CATEGORIES)
    assert by_category["observed"].sum() == log["n_impressions"].sum()
    assert "saw them first" not in rows["detail"][0]


def test_a_category_only_one_arm_ever_saw_first_and_little_traffic(sums_of_units):
    units = np.array([[[[60, 0], [500, 500]]], [[[3, 2], [4, 4]]]])
    ratios, rows = checked(sums_of_units(units))
    assert rows["status"].to_list() == ["unhealthy", "not_enough_traffic"]
    missing = ratios.filter((pl.col("category") == "c0") & (pl.col("experiment_id") == "e0"))
    assert missing["observed"].to_list() == [60, 0]
    assert "2 have too little traffic to tell" in rows["detail"][1]
    assert rows["p_value"][1] is None


def test_a_log_without_categories():
    rows = pl.DataFrame(
        {
            "experiment_id": "e",
            "arm": ["control", "treatment"],
            "unit_id": ["a", "b"],
            "category": None,
            "day": date(2026, 3, 1),
            "n": [1, 1],
            "c": [0, 1],
        },
        schema_overrides={"category": pl.String},
    )
    _, found = checked(sums_of(UnitCounts.from_rows(rows)))
    assert found.select("status", "detail").rows() == [
        ("not_applicable", "the log names no category")
    ]
