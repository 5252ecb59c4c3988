"""The tables of a plan: their contracts, their states, and the correction."""

import polars as pl
import pytest

from abtest.planning.config import Plan, Rates
from abtest.planning.pilot import CELLS, Pilot, pilot_of_rates
from abtest.planning.power import Comparison, Traffic, power_after
from abtest.planning.tables import plan_table, power_curve
from caig.contracts.experiments import ALL_CATEGORIES
from caig.contracts.plans import PLAN, POWER_CURVE
from caig.contracts.table import check

RATES = Rates(ctr=0.02, impressions_per_day=100_000, design_effect=1.3, n_categories=10)


def pilot(cells, *, randomisation="unit", measured_days=7):
    rows = [
        {
            "category": name,
            "ctr": ctr,
            "impressions_per_day": n,
            "design_effect": effect if randomisation == "unit" else None,
            "design_effect_source": "own" if randomisation == "unit" else "none",
            "returning": 1.0 if randomisation == "unit" else 0.0,
        }
        for name, ctr, n, effect in cells
    ]
    return Pilot(
        pl.DataFrame(rows, schema=CELLS),
        measured_days,
        n_categories=len(rows) - 1,
        is_observed=True,
        randomisation=randomisation,
    )


CELLS_OF_ALL_KINDS = [
    ("wide", 0.05, 1e6, 1.2),
    ("slow", 0.02, 20_000, 1.0),
    ("thin", 0.01, 10.0, 1.0),
    ("alike", 0.05, 1_000.0, 5.0),
    ("eager", 0.95, 1e4, 1.1),
    ("silent", None, 5.0, 1.0),
    (ALL_CATEGORIES, 0.05, 1.1e6, 1.5),
]


@pytest.mark.parametrize("randomisation", ["unit", "impression"])
def test_every_state_satisfies_the_contract(randomisation):
    table = plan_table(
        pilot(CELLS_OF_ALL_KINDS, randomisation=randomisation), Plan(target_lift=0.1)
    )
    check(table, PLAN)
    states = dict(table.select("category", "status").iter_rows())
    expected = {
        "wide": "ok",
        "slow": "extrapolated",
        "thin": "too_long",
        "alike": "never" if randomisation == "unit" else "extrapolated",
        "eager": "impossible_lift",
        "silent": "no_clicks",
        ALL_CATEGORIES: "ok",
    }
    assert states == expected


def test_days_needed_are_the_first_with_the_wanted_power():
    table = plan_table(pilot_of_rates(RATES, "unit"), Plan(target_lift=0.1))
    for row in table.iter_rows(named=True):
        traffic = Traffic(row["ctr"], row["impressions_per_day"], row["design_effect"], 7, 1.0)
        comparison = Comparison(row["alpha"], 0.5, 0.5, "unit")
        powers = [
            power_after(traffic, comparison, days=days, rel_lift=0.1)
            for days in (row["days_needed"] - 1, row["days_needed"])
            if days
        ]
        assert powers[-1] >= 0.8
        assert all(power < 0.8 for power in powers[:-1])


@pytest.mark.parametrize(
    ("plan", "by_category", "overall"),
    [
        (Plan(), 0.05 / 10, 0.05),
        (Plan(n_treatments=3), 0.05 / 30, 0.05 / 3),
        (Plan(n_treatments=3, correction="none"), 0.05, 0.05),
    ],
)
def test_the_level_is_shared_by_the_family(plan, by_category, overall):
    table = plan_table(pilot_of_rates(RATES, "unit"), plan)
    assert table["alpha"].to_list() == pytest.approx([by_category, overall])


def test_an_unequal_split_needs_more():
    halves, tenth = (
        plan_table(pilot_of_rates(RATES, "unit"), Plan(control_share=share, target_lift=0.03))
        for share in (None, 0.9)
    )
    # Variance goes with 1 / share + 1 / (1 - share).
    expected = (1 / 0.1 + 1 / 0.9) / 4 * halves["traffic_factor"][-1]
    assert tenth["traffic_factor"][-1] == pytest.approx(expected, rel=0.02)


def test_more_traffic_with_the_same_units_each_is_sooner():
    once, twice = (
        plan_table(pilot_of_rates(RATES, "unit"), Plan(traffic_factor=factor, target_lift=0.03))
        for factor in (1.0, 2.0)
    )
    assert twice["days_needed"][-1] < once["days_needed"][-1]
    assert twice["traffic_factor"][-1] == pytest.approx(once["traffic_factor"][-1] / 2)


@pytest.mark.parametrize("target", [0.05, -0.05, 3.0])
def test_power_grows_with_days_and_with_lift(target):
    curve = power_curve(pilot_of_rates(RATES, "unit"), Plan(target_lift=target))
    check(curve, POWER_CURVE)
    for _, line in curve.group_by("rel_lift"):
        assert line.sort("days")["power"].is_sorted()
    for _, day in curve.group_by("days"):
        assert day.sort(pl.col("rel_lift").abs())["power"].is_sorted()
    assert curve.filter(pl.col("days") == curve["days"].max()).height == 5


def test_without_a_click_there_is_no_curve():
    silent = pilot([(ALL_CATEGORIES, None, 10.0, 1.0)])
    assert power_curve(silent, Plan()).is_empty()
    check(plan_table(silent, Plan()), PLAN)
