"""CUPED against tea-tasting's published data, a regression, and simulated histories."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy import stats

from abtest.counting.counts import UnitCounts
from abtest.estimation import clustered
from abtest.estimation.clustered import UnitMoments, lift_interval, lift_p_value
from abtest.overall.covariates import (
    TERMS,
    add_covariate_sums,
    adjusted_lift,
    coefficients,
    covariate_sums,
    linearised,
    moment_matrices,
)
from caig.contracts.experiments import ALL_CATEGORIES

# Sums over users of products of 1, sessions, orders, and the two before: tea-tasting 1.14's
# make_users_data(rng=42, covariates=True), variants 0 and 1.
USERS = np.array(
    [
        [
            [2023, 4038, 1073, 4031, 1090],
            [4038, 10098, 2648, 9932, 2715],
            [1073, 2648, 2073, 2692, 1691],
            [4031, 9932, 2692, 13779, 3701],
            [1090, 2715, 1691, 3701, 2720],
        ],
        [
            [1977, 3920, 1133, 3941, 1006],
            [3920, 9698, 2730, 9738, 2407],
            [1133, 2730, 2121, 2721, 1551],
            [3941, 9738, 2721, 13579, 3324],
            [1006, 2407, 1551, 3324, 2380],
        ],
    ],
    dtype=float,
)
NONE = np.asarray(0.0)


def orders_per_user(arm: int) -> np.ndarray:
    """Sums of 1, 1, orders and orders before: a mean is a ratio to 1."""
    kept = [0, 0, 2, 4]
    return USERS[arm][np.ix_(kept, kept)]


def test_oracle_20_ratio_of_two_arms_without_covariates():
    control, treatment = (linearised(USERS[arm][:3, :3]) for arm in (0, 1))
    adjusted = adjusted_lift(control, treatment, np.zeros(0), fitted=NONE)
    (rate0, var0), (rate1, var1) = adjusted.control, adjusted.treatment
    assert rate1 - rate0 == pytest.approx(0.02330500550889, abs=1e-9)
    se = np.sqrt(var0 + var1)
    assert se == pytest.approx(0.013141379922207694, abs=1e-9)
    assert (rate1 - rate0) / se == pytest.approx(1.773406266834, abs=1e-9)
    interval = lift_interval(adjusted.lift, 0.05)
    assert interval.lower == pytest.approx(-0.008944184133336, abs=1e-9)
    assert interval.upper == pytest.approx(0.193775760955263, abs=1e-9)


def additive(control: UnitMoments, treatment: UnitMoments) -> tuple[float, ...]:
    """Lift, its standard deviation, interval and p-value by the delta method without a log."""
    rates = [float(clustered.ctr(arm)[0]) for arm in (control, treatment)]
    variances = [float(clustered.ctr_variance(arm)[0]) for arm in (control, treatment)]
    squares = [
        v**2 / (arm.units[0] - 1) for v, arm in zip(variances, (control, treatment), strict=True)
    ]
    dof = sum(variances) ** 2 / sum(squares)
    sd = np.sqrt(variances[1] / rates[0] ** 2 + rates[1] ** 2 * variances[0] / rates[0] ** 4)
    lift, reach = rates[1] / rates[0] - 1, stats.t.ppf(0.975, dof)
    return lift, sd, lift - reach * sd, lift + reach * sd, 2 * stats.t.sf(lift / sd, dof)


def test_oracle_20_the_clustered_estimate_is_the_same():
    arms = []
    for m in USERS:
        moments = (m[0, 0], m[0, 1], m[0, 2], m[1, 1], m[2, 2], m[1, 2])
        arms.append(UnitMoments(*(np.array([v]) for v in moments)))
    _, lower, upper = clustered.lift_interval(clustered.log_lift(*arms), 0.05)
    assert (lower[0], upper[0]) == pytest.approx((-0.008944184133336, 0.193775760955263), abs=1e-9)
    difference = clustered.ctr_difference(*arms, alpha=0.0762375997816836)
    # An interval at 1 - p ends at no effect.
    assert difference.lower[0] == pytest.approx(0, abs=1e-9)
    assert additive(*arms)[2:] == pytest.approx(
        (-0.013510517852609, 0.188917064441422, 0.0894247427), abs=1e-9
    )


def test_oracle_21_is_the_delta_variance_without_the_factor_for_few_units():
    arms = [linearised(m[:3, :3]) for m in USERS]
    # HC0 of weighted least squares on the arms' ratios: sums of squared residuals, no k / (k - 1).
    se = np.sqrt(sum(arm.residual / arm.units**2 for arm in arms))
    assert se == pytest.approx(0.013138092966147, abs=1e-9)


def test_oracle_22_regression_value_of_cuped_on_a_mean():
    # tea-tasting regresses over both arms as one sample; ours is within arms.
    arms = [linearised(orders_per_user(arm)) for arm in (0, 1)]
    theta, rank = coefficients([linearised(orders_per_user(0) + orders_per_user(1))])
    assert rank == 1
    adjusted = adjusted_lift(*arms, theta, fitted=NONE)
    interval = lift_interval(adjusted.lift, 0.05)
    assert interval.value == pytest.approx(0.111547264832063, abs=1e-9)
    assert interval.lower == pytest.approx(0.028806826889974, abs=1e-9)
    assert interval.upper == pytest.approx(0.200941993834355, abs=1e-9)
    (rate0, var0), (rate1, var1) = adjusted.control, adjusted.treatment
    dof = (var0 + var1) ** 2 / (var0**2 / 2022 + var1**2 / 1976)
    p = 2 * stats.t.sf((rate1 - rate0) / np.sqrt(var0 + var1), dof)
    assert p == pytest.approx(0.007330409808687, abs=1e-9)


def test_theta_within_arms_is_near_that_of_one_sample():
    arms = [linearised(orders_per_user(arm)) for arm in (0, 1)]
    theta, rank = coefficients(arms)
    interval = lift_interval(adjusted_lift(*arms, theta, fitted=rank).lift, 0.05)
    assert interval.value == pytest.approx(0.1115, abs=2e-4)
    assert interval.lower == pytest.approx(0.0288, abs=2e-4)


def test_oracle_23_welch_on_lift():
    def arm(total, squares, units):
        moments = (units, units, total, units, squares, total)
        return UnitMoments(*(np.array([float(v)]) for v in moments))

    control, treatment = arm(1396.87, 52377.9767, 3407), arm(2422.7, 134698.29, 3461)
    assert additive(control, treatment) == pytest.approx(
        (
            0.7073170731707317,
            0.3787943616681428,
            -0.03526008906611777,
            1.449894235407581,
            0.06191182745618,
        ),
        abs=1e-9,
    )
    # On the log scale the same standard error, relative to the ratio.
    lift = clustered.log_lift(control, treatment)
    assert lift.se[0] * 1.7073170731707317 == pytest.approx(0.3787943616681428, abs=1e-9)


# Units with a history that tells of their luck in the experiment.


def drawn(
    seed: int, units: int = 400, lift: float = 0.0, memory: bool = True
) -> tuple[UnitCounts, pl.DataFrame]:
    rng = np.random.default_rng(seed)
    luck = rng.gamma(1.5, 1 / 1.5, units)
    is_treated = np.arange(units) % 2 == 1
    rows = []
    for period in ("before", "during"):
        p = luck if period == "during" or memory else rng.permutation(luck)
        for category, base in (("hats", 0.06), ("shoes", 0.12)):
            n = rng.poisson(8, units)
            rate = base * p * (1 + lift * (is_treated & (period == "during")))
            rows.append(
                pl.DataFrame(
                    {
                        "period": period,
                        "experiment_id": "e",
                        "arm": np.where(is_treated, "treatment", "control").tolist(),
                        "unit_id": [f"u{i}" for i in range(units)],
                        "category": category,
                        "day": date(2026, 3, 1),
                        "n": n,
                        "c": rng.binomial(n, np.minimum(rate, 0.9)),
                    }
                ).filter(pl.col("n") > 0)
            )
    log = pl.concat(rows)
    counts = UnitCounts.from_rows(log.filter(pl.col("period") == "during").drop("period"))
    history = log.filter(pl.col("period") == "before").select("unit_id", "category", "n", "c")
    return counts, history


def analysed(counts: UnitCounts, history: pl.DataFrame, category: str = ALL_CATEGORIES):
    cells, matrices = moment_matrices(covariate_sums(counts, history))
    arms = []
    for arm in ("control", "treatment"):
        is_cell = (cells["category"] == category) & (cells["arm"] == arm)
        arms.append(linearised(matrices[is_cell.arg_true().item()]))
    theta, rank = coefficients(arms)
    return adjusted_lift(*arms, theta, fitted=rank), theta


def table_of_units(counts: UnitCounts, history: pl.DataFrame, category: str) -> pl.DataFrame:
    cells = counts.cells.with_columns(pl.col("unit_id", "category", "arm").cast(pl.String))
    here = history.filter(pl.col("category") == category).group_by("unit_id")
    return (
        cells.filter(pl.col("category") == category)
        .join(here.agg(pre_n=pl.col("n").sum(), pre_c=pl.col("c").sum()), on="unit_id", how="left")
        .join(
            history.group_by("unit_id").agg(
                pre_n_all=pl.col("n").sum(), pre_c_all=pl.col("c").sum()
            ),
            on="unit_id",
            how="left",
        )
        .fill_null(0)
        .with_columns(pl.lit(1).alias("1"))
    )


def test_sums_are_those_of_a_table_of_units():
    counts, history = drawn(1)
    # Half of the units are new.
    history = history.filter(pl.col("unit_id").hash(seed=1) % 2 == 0)
    sums = covariate_sums(counts, history)
    cells, matrices = moment_matrices(sums)
    for index, (_, category, arm) in enumerate(cells.iter_rows()):
        if category == ALL_CATEGORIES:
            continue
        units = table_of_units(counts, history, category).filter(pl.col("arm") == arm)
        x = units.select(TERMS).to_numpy().astype(float)
        np.testing.assert_allclose(matrices[index], x.T @ x)
    overall = matrices[cells.with_row_index().filter(pl.col("category") == ALL_CATEGORIES)["index"]]
    assert overall[:, 0, 0].sum() == 400
    assert overall[:, 0, 2].sum() == counts.cells["c"].sum()
    assert overall[:, 0, 6].sum() == history["c"].sum()
    assert (overall[:, 3:5] == 0).all()


def test_sums_of_parts_add_up():
    counts, history = drawn(2)
    part = pl.col("unit_id").cast(pl.String).hash(seed=5) % 3
    parts = [covariate_sums(UnitCounts(counts.cells.filter(part == i)), history) for i in range(3)]
    assert_frame_equal(add_covariate_sums(parts), covariate_sums(counts, history))


def test_theta_is_that_of_a_regression_on_units():
    counts, history = drawn(3, lift=0.5)
    _, theta = analysed(counts, history, "shoes")
    units = table_of_units(counts, history, "shoes")
    names = ["pre_n", "pre_c", "pre_n_all", "pre_c_all"]
    rows, targets = [], []
    for arm in ("control", "treatment"):
        u = units.filter(pl.col("arm") == arm)
        n, c = u["n"].to_numpy(), u["c"].to_numpy()
        x = u.select(names).to_numpy().astype(float)
        rows.append(x - x.mean(0))
        targets.append((c - c.sum() / n.sum() * n) / n.mean())
    expected = np.linalg.lstsq(np.concatenate(rows), np.concatenate(targets))[0]
    np.testing.assert_allclose(theta, expected, rtol=1e-8, atol=1e-12)


def test_a_covariate_that_says_the_same_as_another_is_not_counted():
    counts, history = drawn(4)
    one = history.filter(pl.col("category") == "shoes")
    adjusted, _ = analysed(counts, one, "shoes")
    assert adjusted.n_covariates == 2
    none, _ = analysed(counts, history.clear(), "shoes")
    assert none.n_covariates == 0
    assert none.variance_reduction == pytest.approx(0)


def test_arms_swapped_invert_the_adjusted_lift():
    cells, matrices = moment_matrices(covariate_sums(*drawn(5, lift=0.3)))
    index = (cells["category"] == "hats").arg_true()
    a, b = (linearised(matrices[i]) for i in index)
    theta, rank = coefficients([a, b])
    there = adjusted_lift(a, b, theta, fitted=rank).lift
    back = adjusted_lift(b, a, theta, fitted=rank).lift
    np.testing.assert_allclose((there.value, there.se, there.dof), (-back.value, back.se, back.dof))


def test_few_units_and_silent_arms_have_no_interval():
    counts, history = drawn(6, units=6)
    adjusted, _ = analysed(counts, history, "shoes")
    assert np.isnan(adjusted.lift.se)
    silent = UnitCounts(counts.cells.with_columns(c=pl.lit(0, dtype=pl.Int64)))
    assert np.isnan(analysed(silent, history)[0].lift.value)


def test_errors_and_coverage_with_a_real_gain():
    true = np.log1p(0.2)
    rejected, covered, gains, plain, adjusted_values = [], [], [], [], []
    for seed in range(120):
        null, _ = analysed(*drawn(seed))
        rejected.append(lift_p_value(null.lift) < 0.05)
        counts, history = drawn(10_000 + seed, lift=0.2)
        adjusted, _ = analysed(counts, history)
        interval = lift_interval(adjusted.lift, 0.05)
        covered.append(interval.lower < 0.2 < interval.upper)
        gains.append(adjusted.variance_reduction)
        adjusted_values.append(adjusted.lift.value - true)
        unadjusted, _ = analysed(counts, history.clear())
        plain.append(unadjusted.lift.value - true)
    # Standard error 2 points; the long run is in test_overall_error_rates.py.
    assert np.mean(rejected) <= 0.11
    assert np.mean(covered) == pytest.approx(0.95, abs=0.06)
    assert np.mean(gains) > 0.25
    # What the variance says is gone is gone from the estimates.
    gone = 1 - np.var(adjusted_values) / np.var(plain)
    assert gone == pytest.approx(np.mean(gains), abs=0.2)


def test_a_history_that_tells_nothing_costs_next_to_nothing():
    adjusted, _ = analysed(*drawn(7, units=2000, memory=False))
    assert adjusted.variance_reduction == pytest.approx(0, abs=0.01)


def test_logs_without_categories_have_the_overall_sums_and_those_without_units_none():
    counts, history = drawn(8)
    flat = pl.lit(None, dtype=counts.cells.schema["category"])
    without = covariate_sums(UnitCounts(counts.cells.with_columns(category=flat)), history)
    whole = covariate_sums(counts, history).filter(pl.col("category") == ALL_CATEGORIES)
    assert_frame_equal(without, whole)
    no_units = pl.lit(None, dtype=counts.cells.schema["unit_id"])
    nothing = covariate_sums(UnitCounts(counts.cells.with_columns(unit_id=no_units)), history)
    assert nothing.is_empty()
    assert nothing.schema == whole.schema


def test_a_history_without_categories_counts_in_all_of_them_alone():
    counts, history = drawn(9)
    unnamed = history.with_columns(category=pl.lit(None, dtype=pl.String))
    sums = covariate_sums(counts, unnamed).filter(pl.col("category") == "shoes")
    totals = dict(
        sums.filter(pl.col("first") == "1")
        .group_by("second")
        .agg(pl.col("total").sum())
        .iter_rows()
    )
    assert totals["pre_n"] == 0
    assert totals["pre_n_all"] > 0
