"""Simulated rows have the truth that is told of them."""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from abtest.simulation.config import Effects, SimulateConfig, Traffic
from abtest.simulation.traffic import category_names, simulate_rows
from caig.contracts.experiments import ALL_CATEGORIES


def test_the_same_number_gives_the_same_rows_and_another_does_not():
    config = SimulateConfig(traffic=Traffic(n_units=200))
    first = simulate_rows(config, "ab", 3)
    more = config.model_copy(update={"experiments": 1_000})
    assert_frame_equal(first.rows, simulate_rows(more, "ab", 3).rows)
    assert not first.rows.equals(simulate_rows(config, "ab", 4).rows)
    assert not first.rows.equals(simulate_rows(config, "mixture", 3).rows)


def test_ctr_of_a_large_log_is_the_true_one():
    traffic = Traffic(n_units=150_000, n_categories=3, ctr=0.05)
    config = SimulateConfig(traffic=traffic, effects=Effects(mean_lift=0.3, lift_sd=0.2))
    drawn = simulate_rows(config, "ab", 0)
    rows = drawn.rows.with_columns(all=pl.lit(ALL_CATEGORIES))
    for label in ("category", "all"):
        rates = rows.group_by(label, "arm").agg(ctr=pl.col("c").sum() / pl.col("n").sum())
        wide = rates.pivot("arm", index=label, values="ctr")
        lifts = wide.select(label, found=pl.col("treatment") / pl.col("control") - 1)
        both = lifts.join(drawn.truth, left_on=label, right_on="category")
        assert both.height == (3 if label == "category" else 1)
        # Standard error of a lift: 1.5 % in the smallest category.
        np.testing.assert_allclose(both["found"], both["truth"], atol=0.06)


@pytest.mark.parametrize(("null_share", "n_null"), [(0.0, 0), (0.75, 15), (1.0, 20)])
def test_a_mixture_has_its_share_of_nulls(null_share, n_null):
    config = SimulateConfig(
        traffic=Traffic(n_units=50, n_categories=20), effects=Effects(null_share=null_share)
    )
    truth = simulate_rows(config, "mixture", 0).truth.filter(pl.col("category") != ALL_CATEGORIES)
    assert (truth["truth"] == 0).sum() == n_null


def test_no_lift_is_exactly_none():
    truth = simulate_rows(SimulateConfig(traffic=Traffic(n_units=50)), "aa", 0).truth
    assert truth["truth"].to_list() == [0.0] * 45


def test_units_keep_their_arm_and_categories_sort_by_traffic():
    config = SimulateConfig(traffic=Traffic(n_units=5_000, n_categories=10))
    rows = simulate_rows(config, "aa", 0).rows
    assert rows.group_by("unit_id").agg(pl.col("arm").n_unique())["arm"].max() == 1
    sizes = rows.group_by("category").len().sort("category")
    assert sizes["category"].to_list() == category_names(10)
    assert sizes["len"].to_list() == sorted(sizes["len"].to_list(), reverse=True)
