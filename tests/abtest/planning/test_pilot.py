"""What a pilot tells: from sums, from a run, and from rates; measured against known traffic."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from abtest.counting.counts import UnitCounts
from abtest.counting.sums import sums_of
from abtest.planning.config import Rates
from abtest.planning.pilot import GROWTH_UNKNOWN, pilot_of_rates, pilot_of_sums
from caig.contracts.experiments import ALL_CATEGORIES
from caig.errors import DataError
from reference_models.shop.traffic import TrafficConfig, simulate_traffic


def sums(rows):
    return sums_of(UnitCounts.from_rows(rows))


def shop_sums(n_users, n_days, seed=5):
    config = TrafficConfig(
        n_users=n_users,
        n_days=n_days,
        impressions_per_user=12 * n_days / 7,
        seed=seed,
        lift_sd=0,
        mean_lift=0.1,
    )
    log = simulate_traffic(config).log
    return sums(log.rename({"n_impressions": "n", "n_clicks": "c"}))


def traffic(*, days=6, units=3_000, same_units=True, arms=("a", "b"), seed=3):
    """Units of gamma readiness with 4 impressions a day, on every day or on one of their own."""
    rng = np.random.default_rng(seed)
    parts = []
    for arm in arms:
        readiness = rng.gamma(1, 1, units)
        for day in range(days):
            is_seen = np.full(units, True) if same_units else np.arange(units) % days == day
            seen = np.flatnonzero(is_seen)
            n = rng.poisson(4, seen.size) + 1
            parts.append(
                pl.DataFrame(
                    {
                        "experiment_id": "e",
                        "arm": arm,
                        "unit_id": [f"{arm}{unit}" for unit in seen],
                        "category": "hats",
                        "day": date(2026, 3, 1 + day),
                        "n": n,
                        "c": rng.binomial(n, np.minimum(0.05 * readiness[seen], 0.9)),
                    }
                )
            )
    return pl.concat(parts)


def found(pilot, category=ALL_CATEGORIES):
    return pilot.cells.filter(pl.col("category") == category).row(0, named=True)


def of_sums(rows, control="a", randomisation="unit"):
    return pilot_of_sums(sums(rows), control=control, randomisation=randomisation, source="log.csv")


def test_design_effect_is_that_of_the_formula():
    rows = traffic()
    cell = found(of_sums(rows))
    by_unit = rows.group_by("unit_id").agg(pl.col("n").sum())["n"].to_numpy()
    # 1 + variance of readiness * CTR / (1 - CTR) * mean of n (n - 1) / mean of n
    pairs = (by_unit * (by_unit - 1)).mean() / by_unit.mean()
    assert cell["design_effect"] == pytest.approx(1 + 0.05 / 0.95 * pairs, rel=0.1)
    assert cell["impressions_per_day"] == pytest.approx(rows["n"].sum() / 6)
    base = rows.filter(pl.col("arm") == "a")
    assert cell["ctr"] == pytest.approx(base["c"].sum() / base["n"].sum())
    assert cell["design_effect_source"] == "own"


def test_units_that_come_back_are_told_from_new_ones():
    assert found(of_sums(traffic()))["returning"] > 0.85
    assert found(of_sums(traffic(units=18_000, same_units=False)))["returning"] < 0.15


def test_one_arm_is_enough():
    pilot = of_sums(traffic(arms=("everyone",)), control="control")
    assert found(pilot)["ctr"] == pytest.approx(0.05, rel=0.1)


def test_design_effect_of_small_categories_goes_with_their_clicks():
    pilot = pilot_of_sums(
        shop_sums(20_000, 7), control="control", randomisation="unit", source="log"
    )
    cells = pilot.cells.filter(pl.col("design_effect_source") == "pooled")
    assert cells.height > 30
    rates = cells.select(excess=pl.col("design_effect") - 1, n="impressions_per_day")
    assert np.corrcoef(rates["excess"].to_numpy(), rates["n"].to_numpy())[0, 1] > 0.9
    assert pilot.n_categories == 44
    assert pilot.measured_days == 7


def test_a_week_foretells_the_design_effect_of_four():
    week, month = (
        found(
            pilot_of_sums(shop_sums(8_000, d), control="control", randomisation="unit", source="")
        )
        for d in (7, 28)
    )
    excess = (week["design_effect"] - 1) * (1 - week["returning"] + week["returning"] * 4)
    assert 1 + excess == pytest.approx(month["design_effect"], rel=0.15)


def test_impressions_have_no_design_effect():
    pilot = of_sums(traffic().with_columns(unit_id=pl.lit(None)), randomisation="impression")
    cell = found(pilot)
    assert (cell["design_effect"], cell["design_effect_source"]) == (None, "none")


def test_one_day_does_not_tell_how_the_design_effect_grows():
    pilot = of_sums(traffic(days=1))
    assert found(pilot)["returning"] == 1
    assert pilot.notes == (GROWTH_UNKNOWN,)


def test_a_category_without_a_click_of_control():
    rows = traffic()
    silent = rows.with_columns(category=pl.lit("gloves"), c=pl.lit(0, dtype=pl.Int64)).head(50)
    cell = found(of_sums(pl.concat([rows, silent])), "gloves")
    assert cell["ctr"] is None
    assert cell["design_effect"] == 1.0


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (traffic().with_columns(day=pl.lit(None, dtype=pl.Date)), "must name its days"),
        (
            pl.concat([traffic(days=1), traffic(days=1).with_columns(experiment_id=pl.lit("f"))]),
            "holds 2 experiments",
        ),
        (traffic().with_columns(c=pl.lit(0)), "too small"),
        (traffic(days=1, units=1, arms=("a",)), "too small"),
    ],
)
def test_pilots_that_tell_too_little_are_refused(rows, said):
    with pytest.raises(DataError, match=said):
        of_sums(rows)


def test_rates_share_the_design_effect_among_categories():
    rates = Rates(ctr=0.02, impressions_per_day=1000, design_effect=1.8, n_categories=4)
    pilot = pilot_of_rates(rates, "unit")
    assert pilot.cells["design_effect"].to_list() == pytest.approx([1.2, 1.8])
    assert pilot.cells["impressions_per_day"].to_list() == [250, 1000]
    assert pilot_of_rates(rates, "impression").cells["design_effect"].to_list() == [None, None]


def test_rates_must_be_stated():
    with pytest.raises(DataError, match="name a pilot"):
        pilot_of_rates(Rates(ctr=0.02), "unit")
