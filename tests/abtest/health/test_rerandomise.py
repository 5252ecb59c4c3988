"""The A/A test on a log's own units: against relabelled logs, enumeration, and the level."""

from itertools import combinations

import numpy as np
import polars as pl
import pytest

from abtest.config import Analysis, LiftConfig
from abtest.counting.counts import CELL_KEY, UnitCounts
from abtest.estimation.clustered import UnitMoments, log_lift
from abtest.health.rerandomise import aa_tests, rerandomise
from abtest.lift import analyse_lift
from caig.contracts.experiments import ALL_CATEGORIES
from caig.contracts.health import AA_TEST
from caig.contracts.table import check
from reference_models.shop.traffic import Faults, TrafficConfig, simulate_traffic

ARMS = ("control", "treatment")
NAMES = dict(zip(ARMS, ARMS, strict=True))


def counts_of(log: pl.DataFrame) -> UnitCounts:
    return UnitCounts.from_rows(log.select(*CELL_KEY, n="n_impressions", c="n_clicks"))


def arms_of(*arms: str, experiment: str = "shop-launch") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "experiment_id": experiment,
            "arm": arms,
            "is_control": [arm == "control" for arm in arms],
        }
    )


@pytest.fixture(scope="module")
def log() -> pl.DataFrame:
    return simulate_traffic(TrafficConfig(n_users=6_000)).log


def test_p_values_are_those_of_the_log_with_its_arms_relabelled(log):
    counts = counts_of(log)
    found = rerandomise(counts, "shop-launch", **NAMES, replicates=1, seed=9)
    units = counts.cells.select("arm", "unit_id", code=pl.col("unit_id").to_physical())
    units = units.unique("code").sort("code").with_columns(pl.col("arm").cast(pl.String))
    is_treated = (units["arm"] == "treatment").to_numpy().astype(float)
    drawn = np.random.default_rng(9).permuted(is_treated[None, :], axis=1)[0]
    labels = units.select(
        pl.col("unit_id").cast(pl.String),
        arm=pl.Series(np.where(drawn > 0, "treatment", "control")),
    )
    relabelled = log.drop("arm").join(labels, on="unit_id")
    assert (labels["arm"] == "treatment").sum() == is_treated.sum()
    table = analyse_lift(counts_of(relabelled), LiftConfig()).lift_table
    assert [*found.categories, ALL_CATEGORIES] == table["category"].to_list()
    expected = table["p_value"].fill_null(np.nan).to_numpy()
    ours = np.append(found.by_category[:, 0], found.overall)
    np.testing.assert_allclose(ours, expected, rtol=1e-9)
    assert np.isfinite(ours).sum() > 30


def test_permutation_p_value_is_that_of_all_assignments():
    """Ten units: all 252 assignments of five are enumerated."""
    n = np.array([10, 12, 9, 30, 11, 10, 8, 14, 25, 10])
    c = np.array([1, 3, 2, 4, 1, 5, 4, 6, 9, 1])
    rows = pl.DataFrame(
        {
            "experiment_id": "e",
            "arm": ["control"] * 5 + ["treatment"] * 5,
            "unit_id": [f"u{i}" for i in range(10)],
            "category": None,
            "day": None,
            "n": n,
            "c": c,
        },
        schema_overrides={"category": pl.String, "day": pl.Date},
    )

    def z(treated):
        index = np.isin(np.arange(10), treated)

        def moments(at):
            of_arm = (
                at.sum(),
                n[at].sum(),
                c[at].sum(),
                n[at] @ n[at],
                c[at] @ c[at],
                n[at] @ c[at],
            )
            return UnitMoments(*(np.array([float(value)]) for value in of_arm))

        lift = log_lift(moments(~index), moments(index))
        return abs(lift.value / lift.se)[0]

    every = np.array([z(treated) for treated in combinations(range(10), 5)])
    exact = np.mean(every >= z(range(5, 10)) - 1e-9)
    found = rerandomise(
        UnitCounts.from_rows(rows), "e", **NAMES, replicates=4000, min_clicking_units=1
    )
    assert found.categories == []
    assert found.by_category.shape == (0, 4000)
    assert abs(found.permutation_p_value - exact) < 4 * np.sqrt(exact * (1 - exact) / 4000)


def test_false_positives_are_at_the_level_on_clustered_traffic_with_an_effect(log):
    # With fewer clicking units the test errs on the safe side: 2.8 % from 5 on, in this log.
    enough = Analysis(min_clicking_units=30)
    table = aa_tests(counts_of(log), arms_of(*ARMS), enough, replicates=300, seed=1)
    check(table, AA_TEST)
    overall, category = table.iter_rows(named=True)
    assert overall["scope"] == "overall"
    assert overall["tests"] == 300
    for row in (overall, category):
        assert row["false_positive_rate"] == row["rejections"] / row["tests"]
        assert row["false_positive_rate_ci_lower"] < row["false_positive_rate"]
    # Monte Carlo standard error 1.3 points overall; categories are thousands of tests of one log.
    assert abs(overall["false_positive_rate"] - 0.05) < 0.04
    assert abs(category["false_positive_rate"] - 0.05) < 0.015
    assert overall["permutation_p_value"] is not None
    assert category["permutation_p_value"] is None


def test_the_permutation_p_value_agrees_with_the_clustered_test(log):
    counts = counts_of(log)
    found = rerandomise(counts, "shop-launch", **NAMES, replicates=2000)
    table = analyse_lift(counts, LiftConfig()).lift_table
    clustered = table.filter(pl.col("category") == ALL_CATEGORIES)["p_value"].item()
    assert abs(found.permutation_p_value - clustered) < 0.03


def test_the_seed_decides_and_arms_exchanged_agree(log):
    counts = counts_of(log)
    one, again, other = (
        rerandomise(counts, "shop-launch", **NAMES, replicates=60, seed=seed) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(one.by_category, again.by_category)
    assert not np.array_equal(one.overall, other.overall)
    exchanged = rerandomise(
        counts, "shop-launch", control="treatment", treatment="control", replicates=2000
    )
    there = rerandomise(counts, "shop-launch", **NAMES, replicates=2000)
    assert abs(exchanged.permutation_p_value - there.permutation_p_value) < 0.05


def test_units_seen_in_both_arms_play_no_part():
    log = simulate_traffic(TrafficConfig(n_users=800, faults=Faults(crossover_share=0.2))).log
    arms = log.group_by("unit_id").agg(pl.col("arm").n_unique())
    crossing = arms.filter(pl.col("arm") > 1)["unit_id"]
    assert crossing.len() > 20
    without = log.filter(~pl.col("unit_id").is_in(crossing.to_list()))
    tables = [aa_tests(counts_of(part), arms_of(*ARMS), Analysis()) for part in (log, without)]
    assert tables[0].height == 2
    # The order of units differs between the two, so do the draws: their numbers of tests agree.
    overall = [table["tests"][0] for table in tables]
    assert overall == [200, 200]


def test_every_treatment_is_a_contrast(log):
    third = log.with_columns(
        arm=pl.when(pl.col("unit_id").str.ends_with("1"))
        .then(pl.lit("other"))
        .otherwise(pl.col("arm"))
    )
    table = aa_tests(counts_of(third), arms_of(*ARMS, "other"), Analysis(), replicates=5)
    check(table, AA_TEST)
    assert table["contrast"].unique().sort().to_list() == [
        "other vs control",
        "treatment vs control",
    ]


def test_too_little_to_test_is_null_not_zero(log):
    few = log.filter(pl.col("unit_id").is_in(log["unit_id"].unique().sort()[:6].to_list()))
    table = check(aa_tests(counts_of(few), arms_of(*ARMS), Analysis(), replicates=10), AA_TEST)
    assert table["tests"].to_list() == [0, 0]
    assert table["false_positive_rate"].to_list() == [None, None]
    assert table["permutation_p_value"].to_list() == [None, None]


def test_no_units_or_none_in_one_arm_only(log):
    summed = log.with_columns(unit_id=pl.lit(None, dtype=pl.String))
    assert aa_tests(counts_of(summed), arms_of(*ARMS), Analysis()).is_empty()
    everywhere = pl.concat([log.with_columns(arm=pl.lit(arm)) for arm in ARMS])
    table = aa_tests(counts_of(everywhere), arms_of(*ARMS), Analysis(), replicates=5)
    assert check(table, AA_TEST)["tests"].to_list() == [0, 0]
