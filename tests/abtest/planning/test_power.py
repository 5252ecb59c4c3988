"""Power, days and detectable lift against published figures, statsmodels and simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.power import NormalIndPower

from abtest.planning.power import (
    Comparison,
    Traffic,
    days_for,
    design_effect_at,
    detectable_lift,
    log_ratio_power,
    log_ratio_se,
    power_after,
    proportions_power,
    proportions_size,
    traffic_factor_for,
)

HALVES = Comparison(0.05, 0.5, 0.5, "unit")


def test_power_of_two_proportions_is_that_of_r_power_prop_test():
    power = proportions_power(0.5, 0.75, n_control=50, n_treatment=50, alpha=0.05)
    assert power == pytest.approx(0.7401659013313878, abs=1e-12)


def test_size_for_two_proportions_is_that_of_r_power_prop_test():
    assert proportions_size(0.5, 0.75, alpha=0.05, power=0.9) == pytest.approx(
        76.70692845177771, rel=1e-12
    )
    assert proportions_size(0.02, 0.022, alpha=0.05, power=0.8) == pytest.approx(
        80681.38028240838, rel=1e-12
    )


@pytest.mark.parametrize(("baseline", "lift"), [(0.02, 0.1), (0.1, -0.2), (0.005, 0.5)])
def test_log_ratio_power_is_that_of_a_normal_test(baseline, lift):
    n = 40_000
    treated = baseline * (1 + lift)
    se = log_ratio_se(baseline, treated, n_control=n, n_treatment=n)
    # statsmodels plans for an effect in units of one observation's standard deviation.
    effect = abs(math.log1p(lift)) / (se * math.sqrt(n / 2))
    expected = NormalIndPower().power(effect, n, 0.025, ratio=1, alternative="larger")
    assert log_ratio_power(se, lift, 0.05) == pytest.approx(expected, abs=1e-10)


def test_power_of_the_pooled_test_by_summing_over_all_outcomes():
    from scipy import stats

    n, rates = 400, (0.1, 0.17)
    x = np.arange(n + 1)
    control, treatment = (stats.binom.pmf(x, n, rate) for rate in rates)
    pooled = (x[:, None] + x[None, :]) / (2 * n)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (x[None, :] - x[:, None]) / n / np.sqrt(pooled * (1 - pooled) * 2 / n)
    exact = (control[:, None] * treatment[None, :])[np.nan_to_num(z) > 1.959964].sum()
    planned = proportions_power(*rates, n_control=n, n_treatment=n, alpha=0.05)
    assert planned == pytest.approx(exact, abs=0.01)


CELLS = st.builds(
    Traffic,
    ctr=st.floats(0.001, 0.2),
    impressions_per_day=st.floats(1e2, 1e6),
    design_effect=st.floats(0.8, 6),
    measured_days=st.integers(1, 30),
    returning=st.floats(0, 1),
)
COMPARISONS = st.builds(
    Comparison,
    alpha=st.floats(0.0005, 0.2),
    control_share=st.floats(0.05, 0.5),
    treatment_share=st.floats(0.05, 0.5),
    randomisation=st.sampled_from(["unit", "impression"]),
)
POWERS = st.floats(0.5, 0.99)


@given(
    CELLS, COMPARISONS, POWERS, st.floats(0.01, 2).flatmap(lambda x: st.sampled_from([x, -x / 4]))
)
def test_after_the_days_needed_power_is_the_wanted_one(traffic, comparison, power, lift):
    days = days_for(traffic, comparison, rel_lift=lift, power=power)
    if days is None:
        long = power_after(traffic, comparison, days=1e9, rel_lift=lift)
        assert long < power + 1e-6
    else:
        reached = power_after(traffic, comparison, days=days, rel_lift=lift)
        assert reached == pytest.approx(power, abs=1e-6)


@given(CELLS, COMPARISONS, POWERS, st.integers(1, 60))
def test_the_detectable_lift_is_found_with_the_wanted_power(traffic, comparison, power, days):
    lift = detectable_lift(traffic, comparison, days=days, power=power)
    if lift is None:
        every_time = 1 / traffic.ctr - 1 - 1e-9
        assert power_after(traffic, comparison, days=days, rel_lift=every_time) < power + 1e-3
    else:
        reached = power_after(traffic, comparison, days=days, rel_lift=lift)
        assert reached == pytest.approx(power, abs=1e-6)


@given(st.floats(0.001, 0.3), st.floats(0.001, 0.3), st.floats(1e3, 1e6), st.floats(1e3, 1e6))
def test_power_is_the_same_when_the_arms_change_places(a, b, n_a, n_b):
    there = proportions_power(a, b, n_control=n_a, n_treatment=n_b, alpha=0.05)
    back = proportions_power(b, a, n_control=n_b, n_treatment=n_a, alpha=0.05)
    assert there == pytest.approx(back, abs=1e-9)
    se = log_ratio_se(a, b, n_control=n_a, n_treatment=n_b, design_effect=1.7)
    assert se == pytest.approx(
        log_ratio_se(b, a, n_control=n_b, n_treatment=n_a, design_effect=1.7), rel=1e-12
    )


def test_returning_units_leave_a_floor():
    same = Traffic(0.02, 10_000, 2.0, 7, 1.0)
    fresh = same._replace(returning=0.0)
    assert design_effect_at(same, 7) == design_effect_at(fresh, 70) == 2.0
    assert design_effect_at(same, 14) == 3.0
    powers = [power_after(same, HALVES, days=days, rel_lift=0.05) for days in (7, 70, 700, 7e6)]
    assert all(a < b for a, b in itertools.pairwise(powers))
    assert powers[-1] < 0.5
    assert days_for(same, HALVES, rel_lift=0.05, power=0.8) is None
    assert days_for(fresh, HALVES, rel_lift=0.05, power=0.8) == pytest.approx(126, abs=5)


@given(CELLS, COMPARISONS, POWERS, st.integers(1, 60))
def test_with_the_traffic_needed_power_is_the_wanted_one(traffic, comparison, power, days):
    factor = traffic_factor_for(traffic, comparison, days=days, rel_lift=0.1, power=power)
    more = traffic._replace(impressions_per_day=factor * traffic.impressions_per_day)
    reached = power_after(more, comparison, days=days, rel_lift=0.1)
    assert reached == pytest.approx(power, abs=1e-6)


def test_a_tiny_cell_finds_nothing():
    assert detectable_lift(Traffic(0.3, 2), HALVES, days=1, power=0.8) is None


def test_planned_power_is_reached_by_clustered_traffic():
    # Units of Poisson activity and gamma propensity; design effect by its formula, not estimated.
    rng = np.random.default_rng(7)
    units, mean, baseline, lift, runs = 1_500, 8.0, 0.04, 0.25, 1_500
    spread = 0.7  # variance of propensity
    design_effect = 1 + spread * mean * baseline / (1 - baseline)
    se = log_ratio_se(
        baseline,
        baseline * (1 + lift),
        n_control=units * mean,
        n_treatment=units * mean,
        design_effect=design_effect,
    )
    logs, variances = [], []
    for rate in (baseline, baseline * (1 + lift)):
        n = rng.poisson(mean, (runs, units))
        propensity = rng.gamma(1 / spread, spread, (runs, units))
        c = rng.binomial(n, np.minimum(rate * propensity, 1.0))
        ctr = c.sum(1) / n.sum(1)
        residuals = ((c - ctr[:, None] * n) ** 2).sum(1) / n.sum(1) ** 2
        logs.append(np.log(ctr))
        variances.append(residuals / ctr**2)
    z = (logs[1] - logs[0]) / np.sqrt(variances[0] + variances[1])
    planned = log_ratio_power(se, lift, 0.05)
    assert 0.6 < planned < 0.95
    found = (z > 1.959964).mean()
    assert found == pytest.approx(planned, abs=3 * math.sqrt(planned * (1 - planned) / runs) + 0.01)
