"""Single days and their differences: against units, against GLS by hand, error rate, edge cases."""

from dataclasses import replace
from datetime import date, timedelta
from time import perf_counter

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy import optimize, stats

from abtest.config import Analysis, Design, LiftConfig
from abtest.counting.sums import Sums
from abtest.estimation.joint import JointMoments, day_moments, log_lifts
from abtest.monitoring.day_effects import day_effect, day_effects
from abtest.monitoring.joint_days import JointDays
from abtest.monitoring.single_days import lift_by_day, single_day_moments
from caig.contracts.looks import DAY_EFFECTS, LIFT_BY_DAY
from caig.contracts.table import check
from reference_models.shop.traffic import Faults, TrafficConfig, simulate_traffic

FIRST = date(2026, 3, 2)
IMPRESSIONS = LiftConfig(design=Design(randomisation="impression"))


@pytest.fixture(scope="module")
def log() -> pl.DataFrame:
    return simulate_traffic(TrafficConfig(n_users=6_000, n_days=6)).log


@pytest.fixture(scope="module")
def shop(log, summed) -> Sums:
    return summed(log)


@pytest.fixture
def tested(single_days):
    """Both tables of sums, checked."""

    def tables(sums: Sums, config: LiftConfig) -> tuple[pl.DataFrame, pl.DataFrame]:
        cells = single_days(sums, config)
        effects = day_effects(cells, sums, design=config.design, analysis=config.analysis)
        by_day = lift_by_day(cells, design=config.design)
        return check(by_day, LIFT_BY_DAY), check(effects, DAY_EFFECTS)

    return tables


def correlated(rng: np.random.Generator, k: int) -> np.ndarray:
    root = rng.normal(size=(k, k + 3))
    return root @ root.T / k


def test_wald_and_trend_are_those_of_least_squares_by_hand():
    rng = np.random.default_rng(3)
    y, v, days = rng.normal(size=6), correlated(rng, 6), np.array([0.0, 1, 2, 4, 5, 9])
    inverse = np.linalg.inv(v)
    found = day_effect(y, v, days)

    def lack_of_fit(level):
        return float((y - level) @ inverse @ (y - level))

    least = optimize.minimize_scalar(lack_of_fit).fun
    assert found.wald == pytest.approx(least, rel=1e-9)
    assert found.p_value == pytest.approx(stats.chi2.sf(least, 5), rel=1e-9)
    design = np.column_stack([np.ones(6), days])
    spread = np.linalg.inv(design.T @ inverse @ design)
    coefficients = spread @ design.T @ inverse @ y
    assert found.slope == pytest.approx(coefficients[1], rel=1e-9)
    assert found.slope_se == pytest.approx(np.sqrt(spread[1, 1]), rel=1e-9)
    expected = 2 * stats.norm.sf(abs(coefficients[1]) / np.sqrt(spread[1, 1]))
    assert found.slope_p_value == pytest.approx(expected, rel=1e-9)


def test_an_estimated_covariance_makes_the_statistic_hotellings():
    """Means of normal vectors with their own covariance: the p-value is then exact."""
    rng = np.random.default_rng(6)
    n, k, repeats = 25, 6, 4000
    erred = {"estimated": 0, "taken as known": 0}
    for _ in range(repeats):
        sample = rng.normal(size=(n, k)) * np.arange(1, k + 1)
        mean, covariance = sample.mean(0), np.cov(sample.T) / n
        days = np.arange(float(k))
        erred["estimated"] += day_effect(mean, covariance, days, dof=n - 1).p_value < 0.05
        erred["taken as known"] += day_effect(mean, covariance, days).p_value < 0.05
    noise = 3.5 * np.sqrt(0.05 * 0.95 / repeats)
    assert erred["estimated"] / repeats == pytest.approx(0.05, abs=noise)
    assert erred["taken as known"] / repeats > 0.1


def test_independent_days_give_cochrans_q_and_two_days_one_test():
    rng = np.random.default_rng(5)
    y, se = rng.normal(size=5), rng.uniform(0.5, 2, 5)
    weights = se**-2
    mean = (weights * y).sum() / weights.sum()
    found = day_effect(y, np.diag(se**2), np.arange(5.0))
    assert found.wald == pytest.approx((weights * (y - mean) ** 2).sum())
    two = day_effect(y[:2], correlated(rng, 2), np.array([0.0, 3.0]))
    assert two.p_value == pytest.approx(two.slope_p_value)


def test_singular_covariance_is_refused():
    assert day_effect(np.array([1.0, 2.0]), np.ones((2, 2)), np.arange(2.0)) is None
    nearly = np.array([[1, 1 - 1e-15], [1 - 1e-15, 1]])
    assert day_effect(np.array([1.0, 2.0]), nearly, np.arange(2.0)) is None
    contradictory = np.array([[1.0, 2.0], [2.0, 1.0]])
    assert day_effect(np.array([1.0, 2.0]), contradictory, np.arange(2.0)) is None


def test_swapped_arms_change_the_trends_sign_only(shop, tested):
    there_days, there = tested(shop, LiftConfig())
    back_days, back = tested(shop, LiftConfig(design=Design(control="treatment")))
    for name in ("wald", "p_value", "trend_p_value", "n_days"):
        assert there[name][0] == pytest.approx(back[name][0], rel=1e-9)
    assert there["trend_per_day"][0] == pytest.approx(-back["trend_per_day"][0], rel=1e-9)
    assert there["trend_per_day_ci_lower"][0] == pytest.approx(-back["trend_per_day_ci_upper"][0])
    product = (1 + there_days["rel_lift"]) * (1 + back_days["rel_lift"])
    np.testing.assert_allclose(product, 1, rtol=1e-9)


def test_single_days_are_those_of_a_log_of_that_day(log, shop, summed, tested):
    by_day, _ = tested(shop, LiftConfig())
    assert by_day.height == 6
    for day in by_day["day"]:
        alone, _ = tested(summed(log.filter(pl.col("day") == day)), LiftConfig())
        assert_frame_equal(by_day.filter(pl.col("day") == day), alone)
    assert by_day["clicks_control"].sum() == log.filter(arm="control")["n_clicks"].sum()


def test_clicking_units_are_the_fewest_that_agree_with_the_sums(log, shop):
    by_unit = log.group_by("arm", "day", "unit_id").agg(pl.col("n_clicks").sum())
    true = by_unit.group_by("arm", "day").agg(true=(pl.col("n_clicks") > 0).sum())
    both = single_day_moments(shop, design=Design()).join(true, on=["arm", "day"])
    assert both.height == 12
    assert (both["clicking_units"] <= both["true"]).all()
    assert (both["clicking_units"] > 0.8 * both["true"]).all()


def test_joint_days_are_those_of_one_arm_at_a_time(log, shop):
    days = log["day"].unique().sort().to_list()
    joint = JointDays(shop)
    for arm in ("control", "treatment"):
        found = joint.moments("shop-launch", arm)
        for one, other in zip(found, day_moments(shop, "shop-launch", arm, days), strict=True):
            np.testing.assert_array_equal(one, other)


def test_covariance_across_days_enters(log, shop, tested):
    _, effects = tested(shop, LiftConfig())
    days = shop.by_day["label"].unique().sort().to_list()
    arms = [day_moments(shop, "shop-launch", arm, days) for arm in ("control", "treatment")]
    lifts, covariance = log_lifts(*arms)
    units = log.filter(pl.col("n_clicks") > 0).select("arm", "unit_id").n_unique()
    expected = day_effect(lifts, covariance, np.arange(6.0), dof=units - 2)
    assert effects["p_value"][0] == pytest.approx(expected.p_value, rel=1e-9)
    assert effects["wald"][0] == pytest.approx(expected.wald, rel=1e-9)
    assert effects["df"][0] == 5
    independent = day_effect(lifts, np.diag(np.diag(covariance)), np.arange(6.0))
    assert abs(independent.wald / expected.wald - 1) > 1e-3


def test_novelty_is_found_and_named(summed, tested):
    faults = Faults(novelty_half_life_days=2)
    config = TrafficConfig(n_users=12_000, n_days=10, mean_lift=0.8, lift_sd=0, faults=faults)
    log = simulate_traffic(config).log
    _, falling = tested(summed(log), LiftConfig())
    assert falling["trend"].to_list() == ["novelty"]
    assert falling["trend_per_day_ci_upper"][0] < 0
    assert falling["p_value"][0] < 0.05
    last = log["day"].max()
    back_in_time = log.with_columns(
        day=pl.lit(last) - (pl.col("day") - pl.lit(log["day"].min())).cast(pl.Duration)
    )
    _, rising = tested(summed(back_in_time), LiftConfig())
    assert rising["trend"].to_list() == ["learning"]
    assert rising["trend_per_day"][0] == pytest.approx(-falling["trend_per_day"][0], rel=1e-9)


def test_impressions_are_independent_and_unitless(shop, tested):
    by_day, effects = tested(shop, IMPRESSIONS)
    assert by_day["n_units_control"].is_null().all()
    log_lift = by_day["rel_lift"].log1p().to_numpy()
    variance = sum(
        1 / by_day[f"clicks_{arm}"] - 1 / by_day[f"impressions_{arm}"]
        for arm in ("control", "treatment")
    )
    weights = 1 / variance.to_numpy()
    mean = (weights * log_lift).sum() / weights.sum()
    assert effects["wald"][0] == pytest.approx((weights * (log_lift - mean) ** 2).sum())
    assert effects["status"][0] == "ok"


def of_rows(rows: list[tuple[str, str, int, int, int]]) -> pl.DataFrame:
    """Arm, unit, day, impressions, clicks."""
    frame = pl.DataFrame(
        rows, schema=["arm", "unit_id", "ordinal", "n_impressions", "n_clicks"], orient="row"
    )
    return frame.with_columns(
        experiment_id=pl.lit("e"),
        category=pl.lit("shoes"),
        day=pl.lit(FIRST) + pl.duration(days="ordinal"),
    )


@pytest.mark.parametrize("config", [LiftConfig(), IMPRESSIONS], ids=["unit", "impression"])
def test_one_day_is_not_tested(log, summed, tested, config):
    one = log.filter(pl.col("day") == log["day"].min())
    _, effects = tested(summed(one), config)
    assert effects["status"].to_list() == ["one_day"]
    assert effects["p_value"].is_null().all()


@pytest.mark.parametrize("config", [LiftConfig(), IMPRESSIONS], ids=["unit", "impression"])
def test_days_without_clicks_or_arm_are_left_out(log, summed, tested, config):
    second, third = (log["day"].min() + timedelta(days=k) for k in (1, 2))
    no_click = (pl.col("day") == second) & (pl.col("arm") == "control")
    holed = log.with_columns(n_clicks=pl.when(no_click).then(0).otherwise("n_clicks")).filter(
        (pl.col("day") != third) | (pl.col("arm") != "treatment")
    )
    by_day, effects = tested(summed(holed), config)
    assert by_day["status"].to_list() == ["ok", "zero_click", "arm_missing", "ok", "ok", "ok"]
    assert by_day["rel_lift_ci_lower"][2] is None
    assert effects.row(0)[2:5] == ("ok", 4, 2)
    assert effects["df"][0] == 3


@pytest.mark.parametrize("config", [LiftConfig(), IMPRESSIONS], ids=["unit", "impression"])
@pytest.mark.parametrize("clicks", [0, 3], ids=["none", "all"])
def test_no_click_and_nothing_but_clicks(summed, tested, config, clicks):
    rows = [
        (arm, f"{arm}{unit}", day, 3, clicks)
        for arm in ("control", "treatment")
        for unit in range(200)
        for day in range(3)
    ]
    by_day, effects = tested(summed(of_rows(rows)), config)
    assert effects["status"].to_list() == ["too_few_days"]
    assert effects["wald"].is_null().all()
    lower, upper = by_day["rel_lift_ci_lower"], by_day["rel_lift_ci_upper"]
    assert (lower.is_null() | upper.is_null() | (lower < upper)).all()


def test_few_units_are_not_trusted_with_a_covariance(summed, tested):
    rng = np.random.default_rng(2)
    rows = [
        (arm, f"{arm}{unit}", day, 10, int(rng.binomial(10, 0.3)))
        for arm in ("control", "treatment")
        for unit in range(12)
        for day in range(4)
    ]
    by_day, effects = tested(summed(of_rows(rows)), LiftConfig())
    assert (by_day["status"] == "ok").all()
    assert effects["status"].to_list() == ["too_few_units"]
    _, one_unit = tested(
        summed(of_rows([("control", "a", 0, 1, 1), ("treatment", "b", 1, 1, 1)])), LiftConfig()
    )
    assert one_unit["status"].to_list() == ["too_few_days"]


def test_days_beyond_those_summed_are_said_to_be_too_many(log, summed, tested):
    sums = summed(
        log.with_columns(day=pl.lit(FIRST) + pl.duration(days=pl.int_range(pl.len()) % 401))
    )
    assert sums.by_day.is_empty()
    by_day, effects = tested(sums, LiftConfig())
    assert by_day.height == 401
    assert effects["status"].to_list() == ["no_covariance"]


@pytest.mark.parametrize("config", [LiftConfig(), IMPRESSIONS], ids=["unit", "impression"])
def test_a_log_without_days_has_no_rows(log, summed, tested, config):
    undated = log.with_columns(day=pl.lit(None, dtype=pl.Date))
    assert [table.height for table in tested(summed(undated), config)] == [0, 0]


def test_several_treatments_and_experiments(log, shop, summed, tested):
    third = log.filter(pl.col("arm") == "treatment").with_columns(
        arm=pl.lit("b"), unit_id=pl.col("unit_id") + "b"
    )
    other = log.with_columns(experiment_id=pl.lit("later"), day=pl.col("day") + pl.duration(days=9))
    _, effects = tested(summed(pl.concat([log, third, other])), LiftConfig())
    assert effects.select("experiment_id", "contrast").rows() == [
        ("later", "treatment vs control"),
        ("shop-launch", "b vs control"),
        ("shop-launch", "treatment vs control"),
    ]
    _, alone = tested(shop, LiftConfig())
    for wald in effects["wald"]:
        assert wald == pytest.approx(alone["wald"][0], rel=1e-9)


def returning(rng: np.random.Generator, n_units: int, k: int) -> JointMoments:
    """An arm whose units come back every day, each with its own readiness to click."""
    shown = rng.poisson(rng.gamma(0.8, 2.5, (n_units, 1)), (n_units, k))
    rate = np.minimum(0.1 * rng.gamma(1.0, 1.0, (n_units, 1)), 0.9)
    n, c = shown.astype(float), rng.binomial(shown, rate).astype(float)
    return JointMoments((n > 0).sum(0), n.sum(0), c.sum(0), n.T @ n, n.T @ c, c.T @ c)


def test_size_with_returning_units():
    rng = np.random.default_rng(9)
    days, n = np.arange(7.0), 400
    effects = [
        day_effect(*log_lifts(returning(rng, 1000, 7), returning(rng, 1000, 7)), days)
        for _ in range(n)
    ]
    noise = 3 * np.sqrt(0.05 * 0.95 / n)
    assert np.mean([effect.p_value < 0.05 for effect in effects]) == pytest.approx(0.05, abs=noise)
    trends = np.mean([effect.slope_p_value < 0.05 for effect in effects])
    assert trends == pytest.approx(0.05, abs=noise)


@pytest.mark.slow
def test_size_with_as_few_clicking_units_as_are_trusted():
    rng = np.random.default_rng(10)
    days, n, n_units = np.arange(14.0), 2000, 760  # about 30 clicking units a day
    erred = 0
    for _ in range(n):
        arms = [returning(rng, n_units, 14) for _ in range(2)]
        effect = day_effect(*log_lifts(*arms), days, dof=2 * 30 * 14 - 2)
        erred += effect.p_value < 0.05
    assert 0.04 < erred / n < 0.07, erred


def test_thousands_of_experiments_take_seconds(shop, single_days):
    def repeated(frame: pl.DataFrame) -> pl.DataFrame:
        copies = pl.DataFrame({"copy": range(1000)})
        named = frame.join(copies, how="cross")
        return named.with_columns(experiment_id=pl.format("e{}", "copy")).select(frame.columns)

    many = replace(
        shop,
        daily=repeated(shop.daily.filter(pl.col("category") == "__all__")),
        by_day=repeated(shop.by_day),
    )
    config = LiftConfig(analysis=Analysis())
    cells = single_days(many, config)
    begun = perf_counter()
    effects = day_effects(cells, many, design=config.design, analysis=config.analysis)
    # Measured 0.4 s; the bound allows for a slow and busy machine.
    assert perf_counter() - begun < 10
    assert effects.height == 1000
    assert effects["wald"].n_unique() == 1
