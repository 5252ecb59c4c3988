"""Error rates of all that is said over time, on A/A logs of the shop: clustered, units return."""

import numpy as np
import polars as pl
import pytest

from abtest.config import Analysis, LiftConfig
from abtest.monitoring.config import Monitoring
from abtest.monitoring.day_effects import day_effects
from abtest.monitoring.looks import looks
from caig.contracts.experiments import ALL_CATEGORIES
from reference_models.shop.traffic import TrafficConfig, simulate_traffic

pytestmark = pytest.mark.slow
EXPERIMENTS, DAYS = 300, 14
NOISE = 3 * np.sqrt(0.05 * 0.95 / EXPERIMENTS)
PLANS = {
    "obf, 4 looks": {"planned_looks": 4, "spending": "obf"},
    "pocock, 14 looks": {"planned_looks": DAYS, "spending": "pocock"},
    "power, 7 looks": {"planned_looks": 7, "spending": "power"},
}


@pytest.fixture(scope="module")
def rates(summed, cumulated, single_days) -> dict[str, float]:
    """Share of experiments (of cells, by category) in which anything was ever said to differ."""
    config = LiftConfig(analysis=Analysis(anytime_lift=0.2))
    erred: dict[str, list[float]] = {}

    def note(name: str, table: pl.DataFrame, said: pl.Expr) -> None:
        for family, is_overall in (("overall", True), ("by category", False)):
            cells = table.filter((pl.col("category") == ALL_CATEGORIES) == is_overall)
            tested = cells.filter(said.is_not_null())
            ever = tested.group_by("category").agg(said.any().alias("ever"))
            erred.setdefault(f"{name}, {family}", []).append(ever["ever"].mean())

    for seed in range(EXPERIMENTS):
        traffic = TrafficConfig(
            seed=seed, n_users=4_000, n_days=DAYS, mean_lift=0, lift_sd=0, impressions_per_user=20
        )
        sums = summed(simulate_traffic(traffic).log)
        cells = cumulated(sums, config)
        for name, plan in PLANS.items():
            monitoring = Monitoring(planned_last_day=cells["day"].max(), **plan)
            table = looks(
                cells, design=config.design, analysis=config.analysis, monitoring=monitoring
            )
            note(name, table, pl.col("crossed"))
        note("always valid", table, pl.col("p_value_anytime") < 0.05)
        note("fixed, read daily", cells, pl.col("p_value") < 0.05)
        effects = day_effects(
            single_days(sums, config), sums, design=config.design, analysis=config.analysis
        )
        assert effects["status"][0] == "ok"
        erred.setdefault("wald", []).append(effects["p_value"][0] < 0.05)
        erred.setdefault("trend", []).append(effects["trend_p_value"][0] < 0.05)
    return {name: float(np.mean(values)) for name, values in erred.items()}


def test_daily_reading_of_fixed_intervals_errs_far_too_often(rates):
    assert rates["fixed, read daily, overall"] > 0.12, rates
    # Most categories have clicks enough to be tested on the last few days only.
    assert rates["fixed, read daily, by category"] > 0.06, rates


@pytest.mark.parametrize("name", [*PLANS, "always valid"])
def test_boundaries_and_always_valid_p_values_err_at_most_at_the_level(rates, name):
    assert rates[f"{name}, overall"] <= 0.05 + NOISE, rates
    # 44 cells an experiment: noise is far smaller.
    assert rates[f"{name}, by category"] <= 0.055, rates


@pytest.mark.parametrize("name", ["wald", "trend"])
def test_day_effects_err_at_the_level(rates, name):
    assert rates[name] == pytest.approx(0.05, abs=NOISE), rates
