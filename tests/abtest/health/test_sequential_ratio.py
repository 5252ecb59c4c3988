"""The sample ratio that may be looked at every day."""

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abtest.config import Design, Health, LiftConfig
from abtest.health.sample_ratio import chi_square_p_value
from abtest.health.sequential_ratio import (
    always_valid_p,
    log_bayes_factor,
    sequential_check,
    sequential_ratios,
)
from caig.contracts.experiments import HEALTH
from caig.contracts.health import SEQUENTIAL_RATIO
from caig.contracts.table import check

HALVES = np.array([0.5, 0.5])


@pytest.mark.parametrize(
    ("counts", "weights", "expected"),
    [
        ([1000, 1100], [1, 1], 0.726637431),
        ([490, 510, 1020], [1, 1, 2], -2.771350613),
        ([821_588, 815_482], [1, 1], 6.53236767),
    ],
)
def test_published_log_bayes_factors(counts, weights, expected):
    shares = np.array(weights) / np.sum(weights)
    found = log_bayes_factor(np.array(counts, dtype=float), shares, 100.0)
    assert found == pytest.approx(expected, rel=1e-8)


@given(st.lists(st.integers(0, 2), max_size=60), st.floats(0.5, 500))
def test_it_is_the_product_of_predictive_probabilities(arrivals, concentration):
    """Units one by one: what the mixture expected of each, over what the declared split did."""
    shares = np.array([0.2, 0.3, 0.5])
    seen = np.zeros(3)
    expected = 0.0
    for arm in arrivals:
        predicted = (concentration * shares + seen) / (concentration + seen.sum())
        expected += math.log(predicted[arm] / shares[arm])
        seen[arm] += 1
    assert log_bayes_factor(seen, shares, concentration) == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=5), st.randoms())
def test_arms_exchanged_give_the_same(counts, random):
    shares = np.full(len(counts), 1 / len(counts))
    shuffled = random.sample(counts, len(counts))
    there, back = (log_bayes_factor(np.array(c, float), shares) for c in (counts, shuffled))
    assert there == pytest.approx(back, rel=1e-9, abs=1e-6)


def test_always_valid_p_never_rises_and_is_at_most_1():
    p = always_valid_p(np.array([-3.0, math.log(4), 0.0, math.log(20)]))
    np.testing.assert_allclose(p, [1.0, 0.25, 0.25, 0.05])


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.1, 0.3, 0.6)])
def test_fourteen_looks_err_no_more_often_than_promised_where_plain_looks_do(shares):
    rng = np.random.default_rng(7)
    daily = rng.multinomial(400, shares, size=(20_000, 14)).astype(float)
    so_far = daily.cumsum(axis=1)
    p = always_valid_p(log_bayes_factor(so_far, np.array(shares)))[:, -1]
    for level in (0.001, 0.01, 0.05):
        assert (p < level).mean() <= level
    expected = so_far.sum(-1, keepdims=True) * np.array(shares)
    statistic = ((so_far - expected) ** 2 / expected).sum(-1)
    plain = chi_square_p_value(statistic, np.full(statistic.shape, float(len(shares))))
    assert (plain < 0.05).any(axis=1).mean() > 0.15


def test_the_table_of_many_experiments_is_the_function_and_errs_as_promised(sums_of_units):
    rng = np.random.default_rng(3)
    units = rng.multinomial(300, HALVES, size=(300, 14, 1))
    config = LiftConfig(health=Health(sample_ratio_alpha=0.05))
    sums = sums_of_units(units)
    table = check(sequential_ratios(sums, config), SEQUENTIAL_RATIO)
    expected = log_bayes_factor(units[:, :, 0].cumsum(axis=1).astype(float), HALVES)
    of_experiment = table.filter(pl.col("experiment_id") == "e7")
    np.testing.assert_allclose(of_experiment["log_bayes_factor"], expected[7], rtol=1e-9)
    np.testing.assert_allclose(of_experiment["p_value"], always_valid_p(expected[7]), rtol=1e-9)
    rows = check(sequential_check(table, sums.daily, config), HEALTH)
    assert rows.height == 300
    assert (rows["status"] == "unhealthy").mean() <= 0.05


def test_the_detail_says_on_which_day_the_split_was_first_off(sums_of_units):
    fair, lost = [500, 500], [500, 100]
    units = np.array([fair, fair, lost, fair, fair])[None, :, None, :]
    sums = sums_of_units(units)
    table = sequential_ratios(sums, LiftConfig())
    (row,) = sequential_check(table, sums.daily, LiftConfig()).iter_rows(named=True)
    assert row["status"] == "unhealthy"
    assert "first off the declared one on 2026-03-03" in row["detail"]
    # The largest so far, not the last: what was found is not taken back.
    assert row["p_value"] == pytest.approx(math.exp(-table["log_bayes_factor"].max()))
    assert row["statistic"] > table["log_bayes_factor"][-1]


def test_small_mismatch_is_found_in_the_end():
    daily = np.random.default_rng(1).multinomial(20_000, [0.51, 0.49], size=(200, 14))
    p = always_valid_p(log_bayes_factor(daily.cumsum(axis=1).astype(float), HALVES))[:, -1]
    assert (p < 0.001).mean() > 0.95


def test_an_arm_without_any_unit_on_a_day_and_a_single_day(sums_of_units):
    sums = sums_of_units(np.array([[[[400, 0]], [[0, 3]]], [[[1, 1]], [[0, 0]]]]))
    table = check(sequential_ratios(sums, LiftConfig()), SEQUENTIAL_RATIO)
    assert table.select("experiment_id", "n_counted").rows() == [
        ("e0", 400),
        ("e0", 403),
        ("e1", 2),
    ]
    # All of the first 400 units in one arm: found.
    assert table["p_value"][0] < 0.001


def test_impressions_are_counted_where_they_were_randomised(sums_of_units):
    sums = sums_of_units(np.full((1, 3, 1, 2), 100))
    without_units = replace(sums, first_seen=sums.first_seen.clear())
    config = LiftConfig(design=Design(randomisation="impression"))
    table = check(sequential_ratios(without_units, config), SEQUENTIAL_RATIO)
    assert table["counted"].unique().to_list() == ["impressions"]
    assert table["n_counted"].to_list() == [200, 400, 600]


def test_without_days_it_does_not_apply(sums_of_units):
    sums = sums_of_units(np.full((1, 1, 1, 2), 100))
    undated = replace(
        sums,
        first_seen=sums.first_seen.with_columns(day=pl.lit(None, dtype=pl.Date)),
        daily=sums.daily.with_columns(day=pl.lit(None, dtype=pl.Date)),
    )
    table = check(sequential_ratios(undated, LiftConfig()), SEQUENTIAL_RATIO)
    assert table.is_empty()
    (row,) = sequential_check(table, undated.daily, LiftConfig()).iter_rows(named=True)
    assert (row["status"], row["detail"]) == ("not_applicable", "the log names no day")
