"""Barnard's and Boschloo's tests against sums over all tables, and against scipy where it is right.

Oracle 12 of Barnard's test is scipy's 0.0681534. That value is not the test's: of the tables whose
statistic equals the observed one, scipy's comparison of floats loses two to rounding.
"""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abtest.estimation.binomial import Clicks, pooled_z
from abtest.estimation.exact import fisher_p_value
from abtest.estimation.unconditional import (
    MOST_IMPRESSIONS,
    _conditional_order,
    _log_ways,
    _score_of_difference,
    _score_of_ratio,
    barnard_p_value,
    one_sided_p_value,
    unconditional_interval,
)

QUANTITIES = ("rel_lift", "abs_lift", "odds_ratio")


def arm(c: float, n: float) -> Clicks:
    return Clicks(np.array([float(c)]), np.array([float(n)]))


def squared_z(x: int, m: int, y: int, n: int) -> Fraction:
    total = x + y
    if total in {0, m + n}:
        return Fraction(0)
    pooled = Fraction(total, m + n)
    variance = pooled * (1 - pooled) * (Fraction(1, m) + Fraction(1, n))
    return (Fraction(x, m) - Fraction(y, n)) ** 2 / variance


def test_barnard_by_enumeration_in_rationals_and_what_scipy_loses():
    observed = squared_z(12, 15, 7, 15)
    tables = [(x, y) for x in range(16) for y in range(16)]
    counted = [table for table in tables if squared_z(table[0], 15, table[1], 15) >= observed]
    rates = np.linspace(0, 1, 2001)
    mass = stats.binom.pmf(np.arange(16)[:, None], 15, rates)
    worst = sum(mass[x] * mass[y] for x, y in counted).max()
    ours = barnard_p_value(arm(7, 15), arm(12, 15))[0]
    assert ours == pytest.approx(worst, abs=1e-7)
    assert ours == pytest.approx(0.0682183093, abs=1e-9)
    scipys = stats.barnard_exact([[7, 12], [8, 3]])
    assert pooled_z(arm(12, 15), arm(7, 15))[0] == pytest.approx(scipys.statistic, abs=1e-12)
    assert scipys.statistic == pytest.approx(-1.8943380760602064, abs=1e-9)
    # Without the ties (3, 8) and (8, 3): regression value of oracle 12.
    kept = [table for table in counted if table not in {(3, 8), (8, 3)}]
    assert sum(mass[x] * mass[y] for x, y in kept).max() == pytest.approx(0.0681534, abs=1e-6)
    assert scipys.pvalue == pytest.approx(0.0681534, abs=1e-6)


def test_boschloo_one_sided_regression_value_of_scipy():
    found = one_sided_p_value(arm(31, 63), arm(74, 117), "boschloo")[0]
    assert found == pytest.approx(0.0355641, abs=1e-6)


def test_both_tests_against_scipy_on_random_tables():
    rng = np.random.default_rng(6)
    for _ in range(6):
        m, n = (int(size) for size in rng.choice([11, 17, 23, 31], size=2, replace=False))
        x, y = int(rng.integers(1, m)), int(rng.integers(1, n))
        table = [[x, y], [m - x, n - y]]
        boschloo = stats.boschloo_exact(table, alternative="greater").pvalue
        found = one_sided_p_value(arm(y, n), arm(x, m), "boschloo")[0]
        assert found == pytest.approx(boschloo, abs=2e-4)
        # Arms of unlike size have few ties for rounding to lose.
        barnard = stats.barnard_exact(table).pvalue
        assert barnard_p_value(arm(y, n), arm(x, m))[0] >= barnard - 1e-6


@pytest.mark.parametrize("effect", [-1.3, -0.2, 0.0, 0.4, 2.0])
def test_orders_rise_with_treatment_and_fall_with_control(effect):
    for m, n in ((12, 17), (30, 9), (25, 25)):
        orders = [
            _score_of_ratio(m, n, effect),
            _score_of_difference(m, n, np.tanh(effect)),
            _conditional_order(_log_ways(m, n), effect),
        ]
        for order in orders:
            assert (np.diff(order, axis=0) >= -1e-9).all()
            assert (np.diff(order, axis=1) <= 1e-9).all()


@given(
    st.sampled_from(QUANTITIES), st.integers(2, 30), st.integers(2, 30), st.data(),
    st.sampled_from([0.05, 0.2]),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_p_value_agrees_with_the_interval_and_swaps(quantity, m, n, data, alpha):
    x, y = data.draw(st.integers(0, m)), data.draw(st.integers(0, n))
    interval = unconditional_interval(arm(y, n), arm(x, m), alpha, quantity)
    lower, upper, p_value = (float(v[0]) for v in interval[1:])
    if x + y in {0, m + n}:
        assert np.isnan([lower, upper, p_value]).all()
        return
    none = 1.0 if quantity == "odds_ratio" else 0.0
    assert lower < upper
    if abs(p_value - alpha) > 1e-9:
        assert (p_value < alpha) == (lower > none or upper < none)
    if not np.isnan(interval.value[0]):
        assert lower <= interval.value[0] <= upper
    swapped = unconditional_interval(arm(x, m), arm(y, n), alpha, quantity)
    assert swapped.p_value[0] == pytest.approx(p_value, abs=1e-9)
    if quantity == "abs_lift":
        assert swapped.upper[0] == pytest.approx(-lower, abs=1e-6)
    else:
        shift = 0.0 if quantity == "odds_ratio" else 1.0
        back = swapped.upper[0] + shift
        assert back == pytest.approx(1 / (lower + shift) if lower + shift > 0 else np.inf, rel=1e-4)


def test_boschloo_is_never_more_conservative_than_fisher():
    for x, y, m, n in ((9, 3, 40, 45), (6, 0, 30, 30), (2, 11, 50, 33), (5, 4, 20, 60)):
        one_sided = min(
            one_sided_p_value(arm(y, n), arm(x, m), "boschloo")[0],
            one_sided_p_value(arm(x, m), arm(y, n), "boschloo")[0],
        )
        fisher = stats.fisher_exact(
            [[x, m - x], [y, n - y]], alternative="greater" if x * n > y * m else "less"
        ).pvalue
        assert one_sided <= fisher + 1e-9
        assert fisher <= fisher_p_value(arm(y, n), arm(x, m))[0] + 1e-9


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_coverage_by_enumeration_is_at_least_nominal(quantity):
    m, n, alpha = 6, 8, 0.1
    tables = [(x, y) for x in range(m + 1) for y in range(n + 1) if 0 < x + y < m + n]
    control = Clicks(np.array([float(y) for _, y in tables]), np.full(len(tables), float(n)))
    treatment = Clicks(np.array([float(x) for x, _ in tables]), np.full(len(tables), float(m)))
    interval = unconditional_interval(control, treatment, alpha, quantity)
    for a, b in ((0.1, 0.1), (0.3, 0.1), (0.15, 0.4), (0.5, 0.5), (0.06, 0.02)):
        truth = {
            "rel_lift": a / b - 1,
            "abs_lift": a - b,
            "odds_ratio": a * (1 - b) / (b * (1 - a)),
        }[quantity]
        mass = stats.binom.pmf(treatment.c, m, a) * stats.binom.pmf(control.c, n, b)
        missed = (interval.lower > truth + 1e-9) | (truth - 1e-9 > interval.upper)
        assert mass[missed].sum() <= alpha + 1e-9


def test_limits_of_what_is_answered():
    beyond = arm(3, MOST_IMPRESSIONS + 1)
    interval = unconditional_interval(beyond, arm(3, 40), 0.05, "rel_lift")
    assert np.isnan([interval.lower[0], interval.upper[0], interval.p_value[0]]).all()
    assert np.isnan(barnard_p_value(arm(0, 0), arm(3, 40))[0])
    assert np.isnan(one_sided_p_value(beyond, arm(3, 40), "boschloo")[0])
    zero = unconditional_interval(arm(0, 60), arm(6, 60), 0.05, "rel_lift")
    assert np.isinf(zero.upper[0])
    assert zero.lower[0] > 0
