"""Sample ratio, crossover and missing days on logs with and without the fault."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abtest.categories.multiplicity import adjusted_p_values
from abtest.config import Analysis, Design, Health, LiftConfig
from abtest.counting.counts import UnitCounts
from abtest.counting.sums import sums_of
from abtest.health.checks import check_health
from abtest.health.sample_ratio import chi_square_p_value
from caig.contracts.experiments import ALL_CATEGORIES, HEALTH, HEALTH_CHECKS, SAMPLE_RATIO
from caig.contracts.health import SEQUENTIAL_RATIO
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
    check(report.sequential_ratio, SEQUENTIAL_RATIO)
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
    assert tuple(found) == HEALTH_CHECKS
    unmade = {name for name, row in found.items() if row["status"] == "not_applicable"}
    assert unmade == {"bot_like_units", "duplicate_impressions", "exposure_before_assignment"}
    assert {row["status"] for name, row in found.items() if name not in unmade} == {"healthy"}
    assert report.withheld(()) == {}
    overall = report.sample_ratio.filter(pl.col("category") == ALL_CATEGORIES)
    assert overall["counted"].unique().to_list() == ["units"]


def test_lost_units_are_found_and_withhold_unless_overridden_by_name():
    report, found = checked(simulated(srm_lost_share=0.1))
    assert found["sample_ratio"]["status"] == "unhealthy"
    assert found["sample_ratio_sequential"]["status"] == "unhealthy"
    assert report.withheld(()) == {"shop-launch": ["sample_ratio"]}
    assert report.withheld(("sample_ratio",)) == {}


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
    # The units that would have been seen first on those days are seen later or never.
    assert report.withheld(()) == {"shop-launch": ["traffic_by_day"]}


def test_missing_days_name_no_more_than_five_of_an_arm():
    days = [DAY + timedelta(days=n) for n in (0, 8)]
    counts = UnitCounts.from_rows(
        pl.DataFrame(
            {
                "experiment_id": "e",
                "arm": ["control", "treatment"] * 2,
                "unit_id": None,
                "category": None,
                "day": [days[0], days[0], days[1], days[1]],
                "n": [100] * 4,
                "c": [10] * 4,
            },
            schema_overrides={"unit_id": pl.String, "category": pl.String, "day": pl.Date},
        )
    )
    _, found = checked(counts, IMPRESSIONS)
    row = found["missing_days"]
    assert row["statistic"] == 14
    gaps = "2026-03-02, 2026-03-03, 2026-03-04, 2026-03-05, 2026-03-06, ..."
    assert row["detail"].endswith(f"of 9 days: control: {gaps}; treatment: {gaps}")


def test_p_values_of_fair_splits_are_uniform():
    """Error rate: on fair splits the check fails as often as its level says, at several levels."""
    rng = np.random.default_rng(2)
    control = rng.binomial(4000, 0.5, size=40_000).astype(float)
    statistic = 2 * (control - 2000) ** 2 / 2000
    p = chi_square_p_value(statistic, np.full(control.size, 2.0))
    for level in (0.001, 0.01, 0.05):
        error = np.sqrt(level * (1 - level) / p.size)
        assert abs((p < level).mean() - level) < 4 * error + 0.1 * level


@pytest.mark.parametrize("correction", ["none", "bh"])
def test_categories_are_corrected_by_holm_whatever_corrects_the_lifts(correction):
    report, _ = checked(simulated(), LiftConfig(analysis=Analysis(correction=correction)))
    cells = report.sample_ratio.filter(pl.col("category") != ALL_CATEGORIES)
    one = cells.unique("category")
    expected = adjusted_p_values(one["p_value"].to_numpy(), "holm")
    np.testing.assert_allclose(one["p_value_adj"].to_numpy(), expected, rtol=1e-12)


@given(st.lists(st.integers(0, 5000), min_size=2, max_size=4), st.randoms())
@settings(max_examples=30, deadline=None)
def test_arms_exchanged_give_the_same_sample_ratio(sizes, random):
    def row_of(values):
        named = {f"arm {n}": value for n, value in enumerate(values)}
        return checked(summed(named), IMPRESSIONS)[1]["sample_ratio"]

    shuffled = random.sample(sizes, len(sizes))
    there, back = row_of(sizes), row_of(shuffled)
    assert there["status"] == back["status"]
    assert (there["p_value"] is None) == (back["p_value"] is None)
    if there["p_value"] is not None:
        assert there["p_value"] == pytest.approx(back["p_value"], rel=1e-9)
