"""What one experiment adds: against counts made here from the lift table of the same rows."""

import polars as pl
import pytest

from abtest.config import Analysis, LiftConfig
from abtest.counting.counts import UnitCounts
from abtest.lift import analyse_lift
from abtest.simulation.config import Effects, SimulateConfig, Traffic
from abtest.simulation.tally import ANYTIME, BINOMIAL, CLUSTERED, FIXED, Key, run_experiment
from abtest.simulation.traffic import simulate_rows
from caig.contracts.experiments import ALL_CATEGORIES

CONFIG = SimulateConfig(
    alpha=0.2,
    traffic=Traffic(n_units=3_000, n_categories=6, n_days=3, ctr=0.1),
    effects=Effects(mean_lift=0.1, lift_sd=0.3, null_share=0.5, mixture_lift_sd=0.4),
)


def analysed(scenario, number):
    drawn = simulate_rows(CONFIG, scenario, number)
    config = LiftConfig(analysis=Analysis(alpha=CONFIG.alpha, one_arm_categories="report"))
    result = analyse_lift(UnitCounts.from_rows(drawn.rows), config)
    rows = result.lift_table.join(drawn.truth, on="category").to_dicts()
    return result, rows, [row for row in rows if row["category"] != ALL_CATEGORIES]


@pytest.mark.parametrize("number", range(4))
def test_a_mixture_counts_claims_coverage_and_power(number):
    _, rows, cells = analysed("mixture", number)
    tally = run_experiment(CONFIG, "mixture", number)
    tested = [row for row in cells if row["status"] == "ok"]
    claims = [row for row in tested if row["p_value_adj"] < CONFIG.alpha]
    false = [row for row in claims if row["truth"] == 0]
    assert tally[Key("claims_of_no_lift", "category", CLUSTERED)] == (len(false), len(claims))
    assert tally[Key("false_discovery_rate", "experiment", CLUSTERED)] == (
        len(false) / max(len(claims), 1),
        1,
    )
    covered = [r for r in tested if r["rel_lift_ci_lower"] <= r["truth"] <= r["rel_lift_ci_upper"]]
    assert tally[Key("covers_truth", "category", CLUSTERED)] == (len(covered), len(tested))
    lifted = [row for row in cells if row["truth"] != 0]
    right = [r for r in claims if r["truth"] and (r["truth"] > 0) == (r["rel_lift"] > 0)]
    assert tally[Key("power", "category", CLUSTERED)] == (len(right), len(lifted))
    wrong = len(claims) - len(false) - len(right)
    assert tally[Key("claims_of_wrong_sign", "category", CLUSTERED)] == (
        wrong,
        len(claims) - len(false),
    )
    (overall,) = [row for row in rows if row["category"] == ALL_CATEGORIES]
    assert tally[Key("power", "overall", CLUSTERED)][1] == 1
    assert overall["truth"] != 0


@pytest.mark.parametrize("number", range(4))
def test_no_lift_counts_false_positives_by_method_scope_and_category(number):
    result, _, cells = analysed("aa", number)
    tally = run_experiment(CONFIG, "aa", number)
    positive = [row for row in cells if row["status"] == "ok" and row["p_value"] < CONFIG.alpha]
    tested = [row for row in cells if row["status"] == "ok"]
    assert tally[Key("false_positive", "category", CLUSTERED)] == (len(positive), len(tested))
    assert tally[Key("any_false_positive", "experiment", CLUSTERED)] == (bool(positive), 1)
    single = {
        key.category: counted
        for key, counted in tally.items()
        if key.scope == "one_category" and key.method == CLUSTERED
    }
    assert {name for name, (events, _) in single.items() if events} == {
        row["category"] for row in positive
    }
    assert len(single) == len(tested)
    assert tally[Key("false_positive", "category", BINOMIAL)][1] == len(cells)
    stopped = (
        result.lift_daily.filter(
            (pl.col("status") == "ok") & (pl.col("category") != ALL_CATEGORIES)
        )
        .filter((pl.col("rel_lift_ci_lower") > 0) | (pl.col("rel_lift_ci_upper") < 0))["category"]
        .n_unique()
    )
    assert tally[Key("stops_some_day", "category", FIXED.format(CLUSTERED))] == (stopped, 6)
    # The always-valid interval is wider on every day, so it cannot stop more cells.
    assert tally[Key("stops_some_day", "category", ANYTIME.format(CLUSTERED))][0] <= stopped


def test_an_experiment_too_small_to_be_split_by_category_is_counted_not_refused():
    config = SimulateConfig(traffic=Traffic(n_units=60, ctr=0.2), scenarios=("mixture",))
    tally = run_experiment(config, "mixture", 0)
    not_tested, cells = tally[Key("not_tested", "category", CLUSTERED)]
    assert not_tested > cells / 2
    assert tally[Key("covers_truth", "category", CLUSTERED)][1] == cells - not_tested
