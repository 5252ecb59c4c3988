"""Fieller's set against the definition: the ratios at which the difference is not significant."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special

from abtest.estimation.binomial import Clicks
from abtest.estimation.clustered import UnitMoments, ctr, ctr_difference, ctr_variance
from abtest.estimation.fieller import clustered_fieller_interval, fieller_interval
from abtest.estimation.proportion_intervals import interval_state


def arm(c: float, n: float) -> Clicks:
    return Clicks(np.array([float(c)]), np.array([float(n)]))


def state(interval) -> str:
    return str(interval_state(interval.lower, interval.upper)[0])


def statistic(control: tuple[int, int], treatment: tuple[int, int], ratio: float) -> float:
    (y, n), (x, m) = control, treatment
    a, b = x / m, y / n
    return (a - ratio * b) / np.sqrt(a * (1 - a) / m + ratio**2 * b * (1 - b) / n)


def units(rng: np.random.Generator, size: int, rate: float) -> UnitMoments:
    n = 1 + rng.poisson(4, size)
    c = rng.binomial(n, rng.beta(1, 1 / rate - 1, size))
    sums = (size, n.sum(), c.sum(), (n * n).sum(), (c * c).sum(), (n * c).sum())
    return UnitMoments(*(np.array([float(value)]) for value in sums))


def test_fieller_interval_of_the_physicians_health_study():
    interval = fieller_interval(arm(189, 11034), arm(104, 11037), 0.05)
    assert interval.lower[0] == pytest.approx(-0.5713102748890007, abs=1e-9)
    assert interval.upper[0] == pytest.approx(-0.3060324019727604, abs=1e-9)
    root = optimize.brentq(
        lambda r: statistic((189, 11034), (104, 11037), r) - special.ndtri(0.975), 0.2, 0.55
    )
    assert interval.lower[0] == pytest.approx(root - 1, abs=1e-9)


@given(st.integers(2, 200), st.integers(2, 200), st.data(), st.sampled_from([0.01, 0.05, 0.3]))
@settings(max_examples=200, deadline=None)
def test_the_set_is_the_ratios_that_are_not_rejected(m, n, data, alpha):
    treatment = (data.draw(st.integers(1, m - 1)), m)
    control = (data.draw(st.integers(1, n - 1)), n)
    interval = fieller_interval(arm(*control), arm(*treatment), alpha)
    quantile = special.ndtri(1 - alpha / 2)
    for ratio in np.concatenate([[0.0], np.geomspace(1e-3, 1e5, 120)]):
        z = abs(statistic(control, treatment, ratio))
        if abs(z - quantile) > 1e-7:
            holds = interval.lower[0] <= ratio - 1 <= interval.upper[0]
            assert (z < quantile) == holds
    if abs(interval.p_value[0] - alpha) > 1e-9:
        excludes = interval.lower[0] > 0 or interval.upper[0] < 0
        assert (interval.p_value[0] < alpha) == excludes


@given(st.integers(2, 200), st.integers(2, 200), st.data())
@settings(max_examples=150, deadline=None)
def test_swapping_arms_inverts_the_set(m, n, data):
    a, b = arm(data.draw(st.integers(0, m)), m), arm(data.draw(st.integers(0, n)), n)
    out, home = fieller_interval(a, b, 0.05), fieller_interval(b, a, 0.05)
    assert (state(out) == "undefined") == (state(home) == "undefined")
    if state(out) == "undefined":
        return
    assert (state(out) == "unbounded") == (home.lower[0] == -1)
    if state(out) == "bounded" and home.lower[0] > -1:
        assert (1 + out.upper[0]) * (1 + home.lower[0]) == pytest.approx(1, rel=1e-8)
    assert out.p_value[0] == pytest.approx(home.p_value[0], rel=1e-12)


@pytest.mark.parametrize(
    ("control", "treatment", "expected"),
    [
        ((20, 200), (24, 200), "bounded"),
        ((2, 200), (9, 200), "unbounded"),
        ((0, 200), (9, 200), "undefined"),
        ((9, 200), (0, 200), "undefined"),
        ((9, 9), (2, 9), "undefined"),
        ((0, 0), (2, 9), "undefined"),
    ],
)
def test_states(control, treatment, expected):
    interval = fieller_interval(arm(*control), arm(*treatment), 0.05)
    assert state(interval) == expected
    assert np.isnan(interval.p_value[0]) == (expected == "undefined")


def test_clustered_set_ends_where_the_t_statistic_is_the_quantile():
    rng = np.random.default_rng(3)
    control, treatment = units(rng, 900, 0.1), units(rng, 800, 0.12)
    interval = clustered_fieller_interval(control, treatment, 0.05)
    c, t = ctr(control)[0], ctr(treatment)[0]
    vc, vt = ctr_variance(control)[0], ctr_variance(treatment)[0]
    dof = (vt + vc) ** 2 / (vt**2 / 799 + vc**2 / 899)
    for limit in (interval.lower[0] + 1, interval.upper[0] + 1):
        z = abs(t - limit * c) / np.sqrt(vt + limit**2 * vc)
        assert z == pytest.approx(special.stdtrit(dof, 0.975), rel=1e-9)


def test_clustered_test_is_that_of_the_difference():
    rng = np.random.default_rng(4)
    for _ in range(60):
        control, treatment = units(rng, 60, 0.1), units(rng, 50, 0.2)
        interval = clustered_fieller_interval(control, treatment, 0.05)
        difference = ctr_difference(control, treatment, 0.05)
        excludes = difference.lower[0] > 0 or difference.upper[0] < 0
        assert (interval.p_value[0] < 0.05) == excludes
        assert (interval.lower[0] > 0 or interval.upper[0] < 0) == excludes


def test_clustered_set_needs_two_units_an_arm():
    rng = np.random.default_rng(5)
    one = clustered_fieller_interval(units(rng, 1, 0.5), units(rng, 30, 0.5), 0.05)
    assert state(one) == "undefined"
