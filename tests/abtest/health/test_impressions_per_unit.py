"""Impressions per unit between arms: against scipy and statsmodels, and at its level."""

import numpy as np
import polars as pl
import pytest
from scipy import stats
from statsmodels.stats.oneway import anova_oneway

from abtest.config import Design, LiftConfig
from abtest.counting.counts import UnitCounts
from abtest.counting.sums import sums_of
from abtest.health.checks import check_health
from abtest.health.impressions_per_unit import impressions_per_unit_check, welch_anova
from caig.contracts.experiments import HEALTH
from caig.contracts.table import check


def of_groups(groups: list[np.ndarray]):
    size, mean, variance = (
        np.array([f(group) for group in groups])
        for f in (len, np.mean, lambda group: np.var(group, ddof=1))
    )
    return welch_anova(size.astype(float), mean, variance)


def log_of(arms: dict[str, list[int]], experiment: str = "e") -> pl.DataFrame:
    rows = [
        (experiment, arm, f"{arm}{unit}", n)
        for arm, units in arms.items()
        for unit, n in enumerate(units)
    ]
    frame = pl.DataFrame(rows, schema=["experiment_id", "arm", "unit_id", "n"], orient="row")
    return frame.with_columns(
        category=pl.lit(None, dtype=pl.String),
        day=pl.lit(None, dtype=pl.Date),
        c=pl.lit(0, dtype=pl.Int64),
    )


def rows_of(*logs: pl.DataFrame, config: LiftConfig | None = None) -> list[dict]:
    sums = sums_of(UnitCounts.from_rows(pl.concat(logs)))
    rows = impressions_per_unit_check(sums.daily, config or LiftConfig())
    return list(check(rows, HEALTH).iter_rows(named=True))


def test_two_arms_are_welchs_t_test():
    rng = np.random.default_rng(0)
    control, treatment = rng.poisson(5, 80) + 1.0, rng.poisson(6, 300) * 2.0
    theirs = stats.ttest_ind(control, treatment, equal_var=False)
    ours = of_groups([control, treatment])
    assert ours.statistic == pytest.approx(theirs.statistic**2)
    assert ours.p_value == pytest.approx(theirs.pvalue)


def test_three_arms_are_welchs_analysis_of_variance():
    rng = np.random.default_rng(1)
    groups = [rng.normal(0, 1, 30), rng.normal(0.3, 3, 50), rng.normal(0.1, 2, 90)]
    theirs = anova_oneway(groups, use_var="unequal", welch_correction=True)
    ours = of_groups(groups)
    assert ours.statistic == pytest.approx(theirs.statistic)
    assert ours.p_value == pytest.approx(theirs.pvalue)


def test_false_positives_with_unequal_arms_and_skewed_counts():
    rng = np.random.default_rng(4)
    sizes = (200, 600, 400)
    draws = [rng.geometric(0.2, size=(4000, n)) for n in sizes]
    p = welch_anova(
        np.tile(np.array(sizes, float), (4000, 1)),
        np.stack([d.mean(1) for d in draws], 1),
        np.stack([d.var(1, ddof=1) for d in draws], 1),
    ).p_value
    assert abs((p < 0.05).mean() - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 4000)


def test_a_treatment_that_shows_more_is_said_and_withholds_nothing():
    rng = np.random.default_rng(2)
    log = log_of(
        {
            "control": (rng.poisson(4, 500) + 1).tolist(),
            "treatment": (rng.poisson(6, 500) + 1).tolist(),
        }
    )
    report = check_health(sums_of(UnitCounts.from_rows(log)), LiftConfig())
    (row,) = report.checks.filter(pl.col("check") == "impressions_per_unit").iter_rows(named=True)
    assert row["status"] == "unhealthy"
    assert "the denominator of CTR is itself an effect" in row["detail"]
    assert report.withheld(()) == {}
    by_arm = [log.filter(pl.col("arm") == arm)["n"] for arm in ("control", "treatment")]
    assert row["p_value"] == pytest.approx(stats.ttest_ind(*by_arm, equal_var=False).pvalue)


def test_experiments_with_different_numbers_of_arms_at_once():
    rng = np.random.default_rng(3)
    two = {arm: (rng.poisson(4, 60) + 1).tolist() for arm in "ab"}
    three = {arm: (rng.poisson(4, 40) + 1).tolist() for arm in "acd"}
    rows = rows_of(log_of(two, "e1"), log_of(three, "e2"))
    assert rows[0]["p_value"] == pytest.approx(
        stats.ttest_ind(*two.values(), equal_var=False).pvalue
    )
    theirs = anova_oneway(list(three.values()), use_var="unequal", welch_correction=True)
    assert rows[1]["p_value"] == pytest.approx(theirs.pvalue)


def test_arms_exchanged_give_the_same():
    there = rows_of(log_of({"control": [1, 2, 3, 9], "treatment": [4, 4, 8]}))
    back = rows_of(log_of({"treatment": [1, 2, 3, 9], "control": [4, 4, 8]}))
    assert there[0]["p_value"] == pytest.approx(back[0]["p_value"], rel=1e-12)


@pytest.mark.parametrize("treatment", [[5], [4, 4, 4]])
def test_one_unit_or_no_variation_is_not_tested(treatment):
    (row,) = rows_of(log_of({"control": [1, 2, 3], "treatment": treatment}))
    assert row["status"] == "not_enough_traffic"
    assert row["p_value"] is None
    assert "one unit only, or its units do not vary" in row["detail"]


def test_impressions_that_were_randomised_have_no_units():
    config = LiftConfig(design=Design(randomisation="impression"))
    (row,) = rows_of(log_of({"control": [1, 2], "treatment": [3, 4]}), config=config)
    assert row["status"] == "not_applicable"
