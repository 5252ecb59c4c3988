"""Means and shares over seeds against independent oracles, and how often their intervals hold."""

import numpy as np
import polars as pl
import pytest
from scipy import optimize, stats

from caig.contracts.studies import STUDY_ESTIMATES, STUDY_FIGURES
from caig.study.estimates import (
    chosen_rate,
    estimates_of,
    last_figures,
    mean_over_seeds,
    ratio_over_seeds,
    start_of,
)

TOP, BOTTOM = [0.30, 0.34, 0.29, 0.36, 0.33], [0.40, 0.44, 0.37, 0.45, 0.41]


def figures(*rows):
    """Rows of phase, arm, rate, seed, epoch, metric, value; one judge."""
    table = [(p, "judge", a, r, s, e, m, v, 10) for p, a, r, s, e, m, v in rows]
    return pl.DataFrame(table, schema=STUDY_FIGURES.schema, orient="row")


def curves(phase, arm, rate, seed, *, epochs=(0, 1), **metrics):
    """A run whose figures are those of its epochs."""
    return [
        (phase, arm, rate, seed, epoch, name, values[k])
        for k, epoch in enumerate(epochs)
        for name, values in metrics.items()
    ]


def test_the_mean_has_students_interval():
    found = mean_over_seeds(TOP)
    oracle = stats.ttest_1samp(TOP, 0).confidence_interval(0.95)
    assert (found.mean, found.n, found.status) == (pytest.approx(np.mean(TOP)), 5, "ok")
    assert (found.lower, found.upper) == pytest.approx((oracle.low, oracle.high))


def test_one_run_has_no_interval_and_none_no_mean():
    assert mean_over_seeds([0.5])[:4] == (0.5, None, None, 1)
    assert mean_over_seeds([0.5]).status == "one_seed"
    assert mean_over_seeds([])[:4] == (None, None, None, 0)
    assert ratio_over_seeds([], []).status == "unknown"
    one = ratio_over_seeds([0.2], [0.4])
    assert (one.mean, one.lower, one.upper, one.n, one.status) == (0.5, None, None, 1, "one_seed")


def test_the_ends_of_fiellers_interval_are_where_a_paired_test_turns():
    found = ratio_over_seeds(TOP, BOTTOM)

    def p_beyond(ratio):
        return stats.ttest_rel(TOP, ratio * np.array(BOTTOM)).pvalue - 0.05

    low = optimize.brentq(p_beyond, 0.5, found.mean, xtol=1e-12)
    high = optimize.brentq(p_beyond, found.mean, 1.2, xtol=1e-12)
    assert found.mean == pytest.approx(np.sum(TOP) / np.sum(BOTTOM))
    assert (found.lower, found.upper) == pytest.approx((low, high), abs=1e-9)


def test_a_denominator_that_may_be_zero_bounds_nothing():
    found = ratio_over_seeds([0.1, 0.2, 0.3], [0.2, -0.1, 0.05])
    assert (found.status, found.lower, found.upper) == ("unbounded", None, None)


def test_a_share_of_oneself_is_one():
    found = ratio_over_seeds(TOP, TOP)
    assert (found.mean, found.lower, found.upper) == pytest.approx((1, 1, 1))


@pytest.mark.slow
def test_intervals_over_five_seeds_hold_as_often_as_they_say():
    rng = np.random.default_rng(0)
    draws = rng.multivariate_normal([0.3, 0.4], [[0.0016, 0.001], [0.001, 0.0025]], size=(4000, 5))
    holds = {"mean": 0, "ratio": 0}
    for top, bottom in ((draw[:, 0], draw[:, 1]) for draw in draws):
        mean = mean_over_seeds(top.tolist())
        ratio = ratio_over_seeds(top.tolist(), bottom.tolist())
        holds["mean"] += mean.lower <= 0.3 <= mean.upper
        holds["ratio"] += ratio.lower <= 0.75 <= ratio.upper
    # Three standard errors are 1 % of 4,000.
    assert holds["mean"] / 4000 == pytest.approx(0.95, abs=0.011)
    assert holds["ratio"] / 4000 == pytest.approx(0.95, abs=0.011)


def test_estimates_are_of_the_last_epoch_and_of_reported_runs():
    rows = []
    for seed, (dpo, pcpo) in enumerate(zip(BOTTOM, TOP, strict=True)):
        start = 0.80 + 0.01 * seed
        rows += curves("report", "DPO", 1e-3, seed, matching=(start, 0.5), true_ctr_gain=(0.0, dpo))
        rows += curves(
            "report", "PCPO", 2e-3, seed, matching=(start, start / 2), true_ctr_gain=(0.0, pcpo)
        )
    rows += curves("sweep", "PCPO", 2e-3, 9, matching=(0.8, 0.1), true_ctr_gain=(0.0, 9.0))
    found = estimates_of(figures(*rows), baseline="DPO")
    assert found.columns == STUDY_ESTIMATES.schema.names()

    def of(arm, metric):
        (row,) = found.filter(pl.col("arm") == arm, pl.col("metric") == metric).rows(named=True)
        return row

    assert of("DPO", "matching")["mean"] == pytest.approx(0.5)
    assert of("PCPO", "matching")["learning_rate"] == 2e-3
    assert of("PCPO", "matching_kept")["mean"] == pytest.approx(0.5)
    assert of("PCPO", "true_ctr_gain")["mean"] == pytest.approx(np.mean(TOP))
    assert of("PCPO", "gain_share")["mean"] == pytest.approx(np.sum(TOP) / np.sum(BOTTOM))
    assert of("DPO", "gain_share")["mean"] == 1
    assert start_of(figures(*rows))["matching"].mean == pytest.approx(0.82)


def test_a_run_that_ended_early_counts_as_it_ended():
    rows = curves("report", "DPO", 1e-3, 0, epochs=(0, 1, 2), matching=(0.8, 0.7, 0.6))
    rows += curves("report", "DPO", 1e-3, 1, epochs=(0, 1), matching=(0.8, 0.4))
    last = last_figures(figures(*rows))
    assert last["value"].to_list() == [0.6, 0.4]
    assert last["start"].to_list() == [0.8, 0.8]


def test_what_nobody_knows_stays_unknown():
    rows = curves("report", "DPO", 1e-3, 0, matching=(None, None), valid=(1.0, 0.9))
    found = estimates_of(figures(*rows), baseline="DPO")
    unknown = found.filter(pl.col("metric").is_in(["matching", "matching_kept", "gain_share"]))
    assert unknown["mean"].is_null().all()
    assert unknown["status"].unique().to_list() == ["unknown"]


@pytest.mark.parametrize(
    ("valid", "wins", "chosen"),
    [
        ((0.98, 0.97, 0.50), (0.6, 0.7, 0.9), 1e-3),  # the best judged that keeps its texts
        ((0.98, 0.97, 0.96), (0.6, 0.7, 0.9), 2e-3),
        ((0.40, 0.60, 0.50), (0.6, 0.7, 0.9), 1e-3),  # none does: the least harm
    ],
)
def test_a_rate_is_chosen_without_the_truth(valid, wins, chosen):
    rows = []
    for k, rate in enumerate((5e-4, 1e-3, 2e-3)):
        rows += curves("sweep", "DPO", rate, 9, valid=(1.0, valid[k]), rm_win_rate=(0.5, wins[k]))
    assert chosen_rate(figures(*rows), least_valid=0.95) == chosen
