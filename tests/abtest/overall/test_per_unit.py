"""Means per unit against scipy's Welch test, and the warning where exposure changed."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from scipy import stats

from abtest.config import Design, LiftConfig
from abtest.counting.counts import UnitCounts
from abtest.lift import analyse_lift
from abtest.reporting.summary import summarise
from caig.contracts.experiments import UNIT_METRICS
from caig.contracts.table import check


def experiment(n: dict[str, np.ndarray], c: dict[str, np.ndarray]) -> UnitCounts:
    arms = [
        pl.DataFrame(
            {
                "experiment_id": "e",
                "arm": arm,
                "unit_id": [f"{arm}{i}" for i in range(n[arm].size)],
                "category": "Shoes",
                "day": date(2026, 3, 1),
                "n": n[arm],
                "c": c[arm],
            }
        )
        for arm in n
    ]
    return UnitCounts.from_rows(pl.concat(arms))


def drawn(seed: int, more: float = 1.0) -> UnitCounts:
    rng = np.random.default_rng(seed)
    n = {"control": rng.poisson(8, 900) + 1, "treatment": rng.poisson(8 * more, 1100) + 1}
    return experiment(n, {arm: rng.binomial(shown, 0.2) for arm, shown in n.items()})


def metric(counts: UnitCounts, name: str) -> dict:
    table = analyse_lift(counts, LiftConfig(), with_details=False).unit_metrics
    check(table, UNIT_METRICS)
    return table.filter(pl.col("metric") == name).row(0, named=True)


@pytest.mark.parametrize(
    ("name", "column"), [("impressions_per_unit", "n"), ("clicks_per_unit", "c")]
)
def test_means_and_their_intervals_are_students(name, column):
    counts = drawn(1)
    row = metric(counts, name)
    for arm in ("control", "treatment"):
        values = counts.cells.filter(pl.col("arm").cast(pl.String) == arm)[column].to_numpy()
        assert row[arm] == pytest.approx(values.mean())
        low, high = stats.t.interval(0.95, values.size - 1, values.mean(), stats.sem(values))
        assert (row[f"{arm}_ci_lower"], row[f"{arm}_ci_upper"]) == pytest.approx((low, high))


def test_p_value_is_near_welchs_on_the_means():
    counts = drawn(2, more=1.04)
    values = [
        counts.cells.filter(pl.col("arm").cast(pl.String) == arm)["n"].to_numpy()
        for arm in ("treatment", "control")
    ]
    welch = stats.ttest_ind(*values, equal_var=False).pvalue
    # On the log scale, so near and not equal.
    assert metric(counts, "impressions_per_unit")["p_value"] == pytest.approx(welch, rel=0.2)


def test_a_changed_number_of_impressions_is_said():
    def said(counts):
        return " ".join(summarise(analyse_lift(counts, LiftConfig()))[0].notes)

    assert "CTR's divisor is itself an effect" in said(drawn(3, more=1.3))
    assert "divisor" not in said(drawn(3))


def test_false_positives_are_at_the_level():
    p_values = [metric(drawn(seed), "impressions_per_unit")["p_value"] for seed in range(400)]
    # Standard error 1.1 points.
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.033)


def test_units_that_all_saw_the_same_have_no_interval():
    rng = np.random.default_rng(4)
    n = {arm: np.full(200, 5) for arm in ("control", "treatment")}
    row = metric(
        experiment(n, {arm: rng.binomial(5, 0.3, 200) for arm in n}), "impressions_per_unit"
    )
    assert row["control"] == 5
    assert row["control_ci_lower"] is None
    assert row["p_value"] is None


def test_not_made_where_impressions_were_randomised():
    config = LiftConfig(design=Design(randomisation="impression"))
    assert analyse_lift(drawn(5), config).unit_metrics.is_empty()
