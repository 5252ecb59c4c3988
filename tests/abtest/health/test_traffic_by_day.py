"""The split between days: against scipy, at its level, and where it must not speak."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abtest.config import Design, Health, LiftConfig
from abtest.health.checks import check_health
from abtest.health.traffic_by_day import traffic_by_day_check
from caig.contracts.experiments import HEALTH
from caig.contracts.table import check


def checked(sums, config=None) -> list[dict]:
    rows = check(traffic_by_day_check(sums, config or LiftConfig()), HEALTH)
    return list(rows.iter_rows(named=True))


@pytest.mark.parametrize("n_arms", [2, 4])
def test_it_is_pearsons_test_of_homogeneity(sums_of_units, n_arms):
    units = np.random.default_rng(n_arms).integers(50, 90, size=(1, 6, 1, n_arms))
    (row,) = checked(sums_of_units(units))
    theirs = stats.chi2_contingency(units[0, :, 0], correction=False)
    assert row["statistic"] == pytest.approx(theirs.statistic)
    assert row["p_value"] == pytest.approx(theirs.pvalue)


def test_a_split_that_never_changes_is_flagged_at_the_level_whatever_it_is(sums_of_units):
    rng = np.random.default_rng(11)
    units = rng.multinomial(300, [0.2, 0.5, 0.3], size=(4000, 7, 1))
    rows = checked(sums_of_units(units), LiftConfig(health=Health(sample_ratio_alpha=0.05)))
    p = np.array([row["p_value"] for row in rows])
    for level in (0.01, 0.05):
        assert abs((p < level).mean() - level) < 3.5 * np.sqrt(level * (1 - level) / p.size)


def test_a_change_that_evens_out_is_found_and_withholds(sums_of_units):
    days = [[500, 500], [700, 500], [500, 700], [500, 500]]
    sums = sums_of_units(np.array(days)[None, :, None, :])
    report = check_health(sums, LiftConfig())
    found = {row["check"]: row for row in report.checks.iter_rows(named=True)}
    assert found["sample_ratio"]["status"] == "healthy"
    assert found["traffic_by_day"]["status"] == "unhealthy"
    assert "differs between days, most on 2026-03-0" in found["traffic_by_day"]["detail"]
    assert report.withheld(()) == {"e0": ["traffic_by_day"]}
    assert report.withheld(("traffic_by_day",)) == {}


def test_days_with_little_traffic_are_left_out_and_counted(sums_of_units):
    days = [[50, 50], [60, 40], [3, 9], [0, 1]]
    (row,) = checked(sums_of_units(np.array(days)[None, :, None, :]))
    theirs = stats.chi2_contingency([[50, 50], [60, 40]], correction=False)
    assert row["p_value"] == pytest.approx(theirs.pvalue)
    assert "on 2 days (2 more have too little traffic to tell)" in row["detail"]


@pytest.mark.parametrize("days", [[[500, 500]], [[500, 500], [3, 3]], [[500, 0], [500, 0]]])
def test_too_little_to_tell(sums_of_units, days):
    (row,) = checked(sums_of_units(np.array(days)[None, :, None, :]))
    assert row["status"] == "not_enough_traffic"
    assert row["p_value"] is None


def test_impressions_where_they_were_randomised_and_no_days(sums_of_units):
    sums = sums_of_units(np.array([[50, 70], [60, 40]])[None, :, None, :])
    impressions = LiftConfig(design=Design(randomisation="impression"))
    no_units = replace(sums, first_seen=sums.first_seen.clear())
    (row,) = checked(no_units, impressions)
    assert row["p_value"] == pytest.approx(checked(sums)[0]["p_value"])
    assert row["detail"].startswith("impressions by arm")
    undated = sums.daily.with_columns(day=pl.lit(None, dtype=pl.Date))
    (row,) = checked(replace(no_units, daily=undated), impressions)
    assert (row["status"], row["detail"]) == ("not_applicable", "the log names no day")


@given(table=st.lists(st.tuples(*[st.integers(20, 90)] * 3), min_size=2, max_size=5))
@settings(max_examples=25, deadline=None)
def test_arms_and_days_exchanged_give_the_same(sums_of_units, table):
    days = np.array(table)

    def p_value(of):
        return checked(sums_of_units(of[None, :, None, :]))[0]["p_value"]

    assert p_value(days[::-1, ::-1]) == pytest.approx(p_value(days), rel=1e-9, abs=1e-300)
