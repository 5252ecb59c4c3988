"""Sample ratio, crossover and missing days on logs with and without the fault."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from scipy import stats

from abtest.config import Analysis, Design, Health, LiftConfig
from abtest.counting.counts import UnitCounts
from abtest.counting.sums import sums_of
from abtest.health.checks import check_health
from abtest.health.sample_ratio import chi_square_p_value
from caig.contracts.experiments import ALL_CATEGORIES, HEALTH, SAMPLE_RATIO
from caig.contracts.table import check
from caig.errors import DataError
from reference_models.shop.traffic import Faults, TrafficConfig, simulate_traffic

DAY = date(2026, 3, 1)


def of_log(log: pl.DataFrame) -> UnitCounts:
    key = ("experiment_id", "arm", "unit_id", "category", "day")
    return UnitCounts.from_rows(log.select(*key, n="n_impressions", c="n_clicks"))


def simulated(**faults) -> UnitCounts:
    config = TrafficConfig(n_users=20_000, faults=Faults(**faults))
    return of_log(simulate_traffic(config).log)


def checked(counts: UnitCounts, config: LiftConfig | None = None):
    config = config or LiftConfig()
    report = check_health(sums_of(counts), config)
    check(report.checks, HEALTH)
    check(report.sample_ratio, SAMPLE_RATIO)
    return report, {row["check"]: row for row in report.checks.iter_rows(named=True)}


def summed(impressions: dict[str, int]) -> UnitCounts:
    size = len(impressions)
    return UnitCounts.from_rows(
        pl.DataFrame(
            {
                "experiment_id": ["e"] * size,
                "arm": list(impressions),
                "unit_id": [None] * size,
                "category": [None] * size,
                "day": [DAY] * size,
                "n": list(impressions.values()),
                "c": [10] * size,
            },
            schema_overrides={"unit_id": pl.String, "category": pl.String, "day": pl.Date},
        )
    )


IMPRESSIONS = LiftConfig(design=Design(randomisation="impression"))


def test_published_mismatch_of_821588_to_815482():
    _, found = checked(summed({"control": 821_588, "treatment": 815_482}), IMPRESSIONS)
    row = found["sample_ratio"]
    assert row["statistic"] == pytest.approx(22.77436884189436, abs=1e-9)
    assert row["p_value"] == pytest.approx(1.8217928726191858e-06, rel=1e-9)
    assert row["status"] == "unhealthy"
    assert "821,588 of 818,535" in row["detail"]
    assert found["units_in_two_arms"]["status"] == "not_applicable"
    assert found["sample_ratio_by_category"]["status"] == "not_applicable"


def test_declared_split_of_three_arms_equals_scipy():
    config = LiftConfig(
        design=Design(
            randomisation="impression", expected_split={"a": 0.25, "b": 0.25, "control": 0.5}
        )
    )
    _, found = checked(summed({"a": 490, "b": 510, "control": 1020}), config)
    theirs = stats.chisquare([490, 510, 1020], [505, 505, 1010])
    assert found["sample_ratio"]["statistic"] == pytest.approx(theirs.statistic)
    assert found["sample_ratio"]["p_value"] == pytest.approx(theirs.pvalue)


def test_a_split_that_names_other_arms_is_refused():
    config = LiftConfig(design=Design(expected_split={"control": 0.5, "new": 0.5}))
    with pytest.raises(DataError, match=r"names the arms control, new; the log has control, treat"):
        checked(summed({"control": 10, "treatment": 10}), config)


def test_too_little_traffic_is_said_and_not_tested():
    _, found = checked(summed({"control": 12, "treatment": 2}), IMPRESSIONS)
    assert found["sample_ratio"]["status"] == "not_enough_traffic"
    assert found["sample_ratio"]["p_value"] is None


def test_healthy_traffic():
    report, found = checked(simulated())
    assert {row["status"] for row in found.values()} == {"healthy"}
    assert report.withheld(()) == {}
    overall = report.sample_ratio.filter(pl.col("category") == ALL_CATEGORIES)
    assert overall["counted"].unique().to_list() == ["units"]


def test_lost_units_are_found_overall_and_by_category_and_withhold():
    report, found = checked(simulated(srm_lost_share=0.1))
    assert found["sample_ratio"]["status"] == "unhealthy"
    assert found["sample_ratio_by_category"]["status"] == "unhealthy"
    assert report.withheld(()) == {"shop-launch": ["sample_ratio", "sample_ratio_by_category"]}
    assert report.withheld(("sample_ratio", "sample_ratio_by_category")) == {}


def test_units_in_two_arms():
    _, found = checked(simulated(crossover_share=0.2))
    row = found["units_in_two_arms"]
    assert row["status"] == "unhealthy"
    assert 0.05 < row["statistic"] < 0.2
    lenient = LiftConfig(health=Health(max_crossover_share=0.5))
    assert (
        checked(simulated(crossover_share=0.2), lenient)[1]["units_in_two_arms"]["status"]
        == "healthy"
    )


def test_missing_days_name_the_arm_and_the_day_and_do_not_withhold_by_themselves():
    report, found = checked(simulated(missing_days=(2, 3)))
    row = found["missing_days"]
    assert row["status"] == "unhealthy"
    assert row["statistic"] == 2
    assert "treatment: 2026-03-04, 2026-03-05" in row["detail"]
    # Two of seven days lost in one arm also cost it units, which the ratio by category sees.
    assert report.withheld(()) == {"shop-launch": ["sample_ratio_by_category"]}


def test_p_values_of_fair_splits_are_uniform():
    """Error rate: on fair splits the check fails as often as its level says, at several levels."""
    rng = np.random.default_rng(2)
    control = rng.binomial(4000, 0.5, size=40_000).astype(float)
    statistic = 2 * (control - 2000) ** 2 / 2000
    p = chi_square_p_value(statistic, np.full(control.size, 2.0))
    for level in (0.001, 0.01, 0.05):
        error = np.sqrt(level * (1 - level) / p.size)
        assert abs((p < level).mean() - level) < 4 * error + 0.1 * level


def test_category_checks_are_corrected_by_the_same_correction():
    plain, _ = checked(simulated(), LiftConfig(analysis=Analysis(correction="none")))
    corrected, _ = checked(simulated(), LiftConfig(analysis=Analysis(correction="bonferroni")))
    before, after = (
        r.sample_ratio.filter(pl.col("category") != ALL_CATEGORIES)["p_value_adj"]
        for r in (plain, corrected)
    )
    assert (after >= before).all()
    assert after.to_list() == pytest.approx([min(1.0, 44 * p) for p in before])
