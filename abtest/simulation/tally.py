"""What one simulated experiment adds to each figure: events, and chances for one.

The experiment goes through the path of a user's log: rows, counts by unit, sums, cells, correction.
Binomial tests, which take every impression for independent, are run beside the clustered ones.
"""

from typing import NamedTuple

import polars as pl

from abtest.config import Analysis, Design, LiftConfig
from abtest.counting.counts import UnitCounts
from abtest.lift import LiftResult, analyse_lift
from abtest.simulation.config import Scenario, SimulateConfig
from abtest.simulation.traffic import simulate_rows
from caig.contracts.experiments import ALL_CATEGORIES

CLUSTERED, BINOMIAL = "clustered", "binomial"
FIXED, ANYTIME = "{}, fixed-horizon", "{}, always-valid"
"""Of a method, by the interval that is looked at every day."""


class Key(NamedTuple):
    """A figure: what is counted, over what, and by which method."""

    figure: str
    scope: str
    method: str
    category: str = ALL_CATEGORIES


Tally = dict[Key, tuple[float, int]]
"""Events and trials by figure."""


def run_experiment(config: SimulateConfig, scenario: Scenario, number: int) -> Tally:
    """Draw an experiment, analyse it, and count.

    Args:
        config: What to simulate.
        scenario: Which lifts there are.
        number: Of the experiment, from 0.
    """
    drawn = simulate_rows(config, scenario, number)
    counts = UnitCounts.from_rows(drawn.rows)
    # A rare category may have no impression in an arm; that is a cell not tested, not an error.
    analysis = Analysis(alpha=config.alpha, one_arm_categories="report")
    clustered = analyse_lift(counts, LiftConfig(analysis=analysis), with_details=False)
    table = clustered.lift_table.join(drawn.truth, on="category")
    tally: Tally = {}
    tally[Key("not_tested", "category", CLUSTERED)] = _share(
        _by_scope(table, "category"), pl.col("status") != "ok"
    )
    tally[Key("verdicts_withheld", "experiment", CLUSTERED)] = (float(bool(clustered.withheld)), 1)
    if scenario == "aa":
        design = Design(randomisation="impression")
        binomial = analyse_lift(
            counts, LiftConfig(design=design, analysis=analysis), with_details=False
        )
        tally |= _false_positives(clustered, CLUSTERED, config.alpha)
        tally |= _false_positives(binomial, BINOMIAL, config.alpha)
        tally |= _stops(clustered.lift_daily, CLUSTERED)
        tally |= _stops(binomial.lift_daily, BINOMIAL)
        return tally
    tally |= _coverage(table, clustered.lift_daily.join(drawn.truth, on="category"))
    tally |= _claims(table, config.alpha)
    return tally | _false_discoveries(table, config.alpha) if scenario == "mixture" else tally


def _false_positives(result: LiftResult, method: str, alpha: float) -> Tally:
    tested = result.lift_table.filter(pl.col("status") == "ok")
    is_positive = pl.col("p_value") < alpha
    tally = {
        Key("false_positive", scope, method): _share(_by_scope(tested, scope), is_positive)
        for scope in ("overall", "category")
    }
    cells = _by_scope(tested, "category").select("category", positive=is_positive)
    for category, positive in cells.iter_rows():
        tally[Key("false_positive", "one_category", method, category)] = (float(positive), 1)
    for figure, column in (("any_false_positive", "p_value"), ("any_claim", "p_value_adj")):
        found = _by_scope(tested, "category").select((pl.col(column) < alpha).any()).item()
        tally[Key(figure, "experiment", method)] = (float(found), 1)
    return tally


def _stops(daily: pl.DataFrame, method: str) -> Tally:
    """Cells that some daily look would have stopped, though there is no lift."""
    tally: Tally = {}
    for interval, lower, upper in (
        (FIXED, "rel_lift_ci_lower", "rel_lift_ci_upper"),
        (ANYTIME, "rel_lift_anytime_lower", "rel_lift_anytime_upper"),
    ):
        stops = (pl.col("status") == "ok") & ((pl.col(lower) > 0) | (pl.col(upper) < 0))
        looked = daily.group_by("category").agg(stops=stops.any())
        for scope in ("overall", "category"):
            tally[Key("stops_some_day", scope, interval.format(method))] = _share(
                _by_scope(looked, scope), pl.col("stops")
            )
    return tally


def _coverage(table: pl.DataFrame, daily: pl.DataFrame) -> Tally:
    tested = table.filter(pl.col("status") == "ok")
    covers = pl.col("truth").is_between("rel_lift_ci_lower", "rel_lift_ci_upper")
    always = pl.col("truth").is_between("rel_lift_anytime_lower", "rel_lift_anytime_upper")
    looked = daily.filter(pl.col("status") == "ok").group_by("category").agg(always=always.all())
    tally: Tally = {}
    for scope in ("overall", "category"):
        tally[Key("covers_truth", scope, CLUSTERED)] = _share(_by_scope(tested, scope), covers)
        tally[Key("covers_truth_every_day", scope, ANYTIME.format(CLUSTERED))] = _share(
            _by_scope(looked, scope), pl.col("always")
        )
    return tally


def _claims(table: pl.DataFrame, alpha: float) -> Tally:
    """How many lifts are claimed after correction, and how many claims have the wrong sign."""
    has_lift, claimed = pl.col("truth") != 0, pl.col("p_value_adj") < alpha
    same_sign = (pl.col("rel_lift") > 0) == (pl.col("truth") > 0)
    tally: Tally = {}
    for scope in ("overall", "category"):
        # Cells too small to test have a lift all the same, and count as not found.
        lifted = _by_scope(table, scope).filter(has_lift)
        tally[Key("power", scope, CLUSTERED)] = _share(lifted, claimed & same_sign)
    claims = _by_scope(table, "category").filter(claimed & has_lift)
    tally[Key("claims_of_wrong_sign", "category", CLUSTERED)] = _share(claims, ~same_sign)
    return tally


def _false_discoveries(table: pl.DataFrame, alpha: float) -> Tally:
    claims = _by_scope(table, "category").filter(pl.col("p_value_adj") < alpha)
    false, n = _share(claims, pl.col("truth") == 0)
    return {
        Key("claims_of_no_lift", "category", CLUSTERED): (false, n),
        Key("false_discovery_rate", "experiment", CLUSTERED): (false / max(n, 1), 1),
    }


def _by_scope(frame: pl.DataFrame, scope: str) -> pl.DataFrame:
    is_overall = pl.col("category") == ALL_CATEGORIES
    return frame.filter(is_overall if scope == "overall" else ~is_overall)


def _share(frame: pl.DataFrame, event: pl.Expr) -> tuple[float, int]:
    return float(frame.filter(event).height), frame.height
