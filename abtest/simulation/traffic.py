"""Simulated traffic of one experiment, clustered by unit, with the lift of every category known.

A unit's impressions are Poisson with a gamma mean, each on a day and in a category; it is clicked
with probability ``ctr(category) * (1 + lift(category)) * propensity(unit)``, the lift in treatment
only. Propensity has mean 1 and does not depend on activity, so the true CTR of a category is the
one drawn, up to a cap of 0.9 that is reached by next to no impression.
"""

from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abtest.simulation.config import Effects, Scenario, SimulateConfig, Traffic
from caig.contracts.experiments import ALL_CATEGORIES

Floats = NDArray[np.float64]
EXPERIMENT = "simulated"
ARMS = ("control", "treatment")
FIRST_DAY = date(2026, 1, 5)
LARGEST_P = 0.9
_STREAM: dict[Scenario, int] = {"aa": 0, "ab": 1, "mixture": 2}


class SimulatedRows(NamedTuple):
    """Rows of one experiment and what is true of it.

    Attributes:
        rows: Columns ``experiment_id, arm, unit_id, category, day, n, c``; one row an impression.
        truth: Columns ``category, truth``: relative lift; the category ``__all__`` is the whole
            traffic.
    """

    rows: pl.DataFrame
    truth: pl.DataFrame


def simulate_rows(config: SimulateConfig, scenario: Scenario, number: int) -> SimulatedRows:
    """Draw one experiment.

    Args:
        config: Traffic, effects and seed.
        scenario: Which lifts there are.
        number: Of the experiment, from 0; the same number gives the same rows.
    """
    rng = np.random.default_rng([config.seed, _STREAM[scenario], number])
    traffic = config.traffic
    size = traffic.n_categories
    weight = 1.0 / np.arange(1, size + 1) ** traffic.category_zipf
    share = weight / weight.sum()
    ctr = traffic.ctr * np.exp(traffic.ctr_sd * rng.standard_normal(size))
    lift = _lifts(config.effects, scenario, size, rng)
    names = category_names(size)
    overall = float(share @ (ctr * (1 + lift)) / (share @ ctr)) - 1 if lift.any() else 0.0
    truth = pl.DataFrame({"category": [*names, ALL_CATEGORIES], "truth": [*lift, overall]})
    return SimulatedRows(_rows(traffic, share, ctr, lift, rng), truth)


def category_names(size: int) -> list[str]:
    """Names in order of traffic, the largest first."""
    digits = len(str(size))
    return [f"category {rank:0{digits}d}" for rank in range(1, size + 1)]


def _lifts(effects: Effects, scenario: Scenario, size: int, rng: np.random.Generator) -> Floats:
    noise = rng.standard_normal(size)
    if scenario == "aa":
        return np.zeros(size)
    if scenario == "ab":
        lift: Floats = np.expm1(np.log1p(effects.mean_lift) + effects.lift_sd * noise)
        return lift
    is_null = rng.permutation(size) < round(effects.null_share * size)
    return np.where(is_null, 0.0, np.expm1(effects.mixture_lift_sd * noise))


def _rows(
    traffic: Traffic, share: Floats, ctr: Floats, lift: Floats, rng: np.random.Generator
) -> pl.DataFrame:
    n = traffic.n_units
    activity = rng.gamma(traffic.activity_shape, 1 / traffic.activity_shape, n)
    propensity = rng.gamma(traffic.propensity_shape, 1 / traffic.propensity_shape, n)
    is_treated = rng.permutation(n) % 2 == 1
    unit = np.repeat(np.arange(n), rng.poisson(traffic.impressions_per_unit * activity))
    day = rng.integers(traffic.n_days, size=unit.size)
    category = rng.choice(share.size, size=unit.size, p=share)
    treated = is_treated[unit]
    p_click = ctr[category] * np.where(treated, 1 + lift[category], 1.0) * propensity[unit]
    click = rng.random(unit.size) < np.minimum(p_click, LARGEST_P)
    days = pl.Series([FIRST_DAY + timedelta(days=d) for d in range(traffic.n_days)])
    units = pl.Series([f"u{number}" for number in range(n)])
    return pl.DataFrame(
        {
            "experiment_id": pl.repeat(EXPERIMENT, unit.size, eager=True),
            "arm": pl.Series(ARMS)[treated.astype(np.int64)],
            "unit_id": units[unit],
            "category": pl.Series(category_names(share.size))[category],
            "day": days[day],
            "n": pl.repeat(1, unit.size, dtype=pl.Int64, eager=True),
            "c": pl.Series(click.astype(np.int64)),
        }
    )
