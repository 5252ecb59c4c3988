"""Fisher's test against exact rationals, and its intervals against a search by brute force."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abtest.estimation.binomial import Clicks
from abtest.estimation.coverage import Truth, exact_coverage
from abtest.estimation.exact import fisher_interval, fisher_p_value


def arm(c: float, n: float) -> Clicks:
    return Clicks(np.array([float(c)]), np.array([float(n)]))


def rational_p(x: int, m: int, y: int, n: int) -> tuple[Fraction, Fraction]:
    """Two-sided p and mid-p."""
    total = x + y
    ways = {k: comb(m, k) * comb(n, total - k) for k in range(max(0, total - n), min(m, total) + 1)}
    everything = sum(ways.values())
    counted = sum(w for w in ways.values() if w <= ways[x])
    return Fraction(counted, everything), Fraction(2 * counted - ways[x], 2 * everything)


def brute_p(cell: tuple[int, int, int, int], log_odds: np.ndarray, weight: float) -> np.ndarray:
    x, m, y, n = cell
    total = x + y
    k = np.arange(max(0, total - n), min(m, total) + 1)
    at_one = stats.hypergeom.logpmf(k, m + n, m, total)
    mass = np.exp(at_one + np.multiply.outer(log_odds, k - x))
    mass /= mass.sum(axis=1, keepdims=True)
    observed = mass[:, x - k[0]][:, None]
    return (mass * (mass <= observed * (1 + 1e-7))).sum(axis=1) - (1 - weight) * observed[:, 0]


def test_lady_tasting_tea():
    assert fisher_p_value(arm(1, 4), arm(3, 4))[0] == pytest.approx(34 / 70, abs=1e-12)


def test_a_zero_cell_by_exact_rationals():
    control, treatment = arm(0, 300), arm(4, 310)
    p, mid = rational_p(4, 310, 0, 300)
    assert (float(p), float(mid)) == pytest.approx((0.12397105318159837, 0.09093867275405242))
    assert fisher_p_value(control, treatment)[0] == pytest.approx(float(p), abs=1e-12)
    found = fisher_p_value(control, treatment, mid_p=True)
    assert found[0] == pytest.approx(float(mid), abs=1e-12)


@given(st.integers(1, 60), st.integers(1, 60), st.data())
@settings(max_examples=150, deadline=None)
def test_p_values_are_the_rational_ones(m, n, data):
    x, y = data.draw(st.integers(0, m)), data.draw(st.integers(0, n))
    p, mid = rational_p(x, m, y, n)
    assert fisher_p_value(arm(y, n), arm(x, m))[0] == pytest.approx(float(p), abs=1e-10)
    found = fisher_p_value(arm(y, n), arm(x, m), mid_p=True)
    assert found[0] == pytest.approx(float(mid), abs=1e-10)


def test_p_value_equals_scipy_at_low_rates():
    rng = np.random.default_rng(1)
    x, y = rng.poisson(12, 30), rng.poisson(8, 30)
    sizes = np.full(30, 3000.0), np.full(30, 2500.0)
    ours = fisher_p_value(Clicks(y.astype(float), sizes[1]), Clicks(x.astype(float), sizes[0]))
    theirs = [
        stats.fisher_exact([[a, 3000 - a], [b, 2500 - b]]).pvalue
        for a, b in zip(x.tolist(), y.tolist(), strict=True)
    ]
    assert ours == pytest.approx(theirs, rel=1e-8)


@pytest.mark.parametrize("mid_p", [False, True])
@given(st.integers(2, 40), st.integers(2, 40), st.data(), st.sampled_from([0.01, 0.05, 0.2]))
@settings(max_examples=60, deadline=None)
def test_interval_is_the_hull_of_what_is_not_rejected(mid_p, m, n, data, alpha):
    x, y = data.draw(st.integers(0, m)), data.draw(st.integers(0, n))
    if not 0 < x + y < m + n:
        return
    interval = fisher_interval(arm(y, n), arm(x, m), alpha, mid_p=mid_p)
    grid = np.linspace(-14, 14, 28_001)
    kept = grid[brute_p((x, m, y, n), grid, 0.5 if mid_p else 1.0) >= alpha]
    lower, upper = np.log(np.maximum([interval.lower[0], interval.upper[0]], 1e-300))
    # A jump that just reaches alpha is a single point, which no grid meets: wider is right there.
    assert lower <= kept[0] + 1e-9
    assert upper >= kept[-1] - 1e-9
    edge = np.array([lower, upper])[np.isfinite([lower, upper]) & (np.abs([lower, upper]) < 600)]
    at_edge = brute_p((x, m, y, n), edge, 0.5 if mid_p else 1.0)
    assert (at_edge >= alpha - 1e-6).all()
    if kept[0] > -14:
        beyond = np.linspace(lower - 6, lower - 1e-6, 4000)
        assert (brute_p((x, m, y, n), beyond, 0.5 if mid_p else 1.0) < alpha + 1e-9).all()


@pytest.mark.parametrize("mid_p", [False, True])
@given(st.integers(1, 300), st.integers(1, 300), st.data(), st.sampled_from([0.01, 0.05, 0.2]))
@settings(max_examples=150, deadline=None)
def test_p_value_agrees_with_the_interval_and_is_never_below_the_textbook_one(
    mid_p, m, n, data, alpha
):
    x, y = data.draw(st.integers(0, min(m, 40))), data.draw(st.integers(0, min(n, 40)))
    control, treatment = arm(y, n), arm(x, m)
    interval = fisher_interval(control, treatment, alpha, mid_p=mid_p)
    if np.isnan(interval.lower[0]):
        assert x + y in {0, m + n}
        return
    assert interval.lower[0] < interval.upper[0]
    p_value = interval.p_value[0]
    assert p_value >= fisher_p_value(control, treatment, mid_p=mid_p)[0] - 1e-12
    if abs(p_value - alpha) > 1e-9:
        assert (p_value < alpha) == (interval.lower[0] > 1 or interval.upper[0] < 1)
    swapped = fisher_interval(treatment, control, alpha, mid_p=mid_p)
    assert swapped.p_value[0] == pytest.approx(p_value, rel=1e-9)
    if interval.lower[0] > 0:
        assert interval.lower[0] * swapped.upper[0] == pytest.approx(1, rel=1e-6)
    else:
        assert swapped.upper[0] == np.inf
    if not np.isnan(interval.value[0]):
        assert interval.lower[0] <= interval.value[0] <= interval.upper[0]


def test_p_value_of_the_pair_mostly_is_the_textbook_one():
    rng = np.random.default_rng(2)
    sizes = np.full(300, 2000.0)
    control = Clicks(rng.poisson(10, 300).astype(float), sizes)
    treatment = Clicks(rng.poisson(14, 300).astype(float), sizes)
    pair, textbook = fisher_interval(control, treatment, 0.05), fisher_p_value(control, treatment)
    assert np.isclose(pair.p_value, textbook).mean() > 0.9
    assert ((pair.p_value < 0.05) == (textbook < 0.05)).mean() > 0.98


def test_nothing_is_claimed_where_only_one_table_is_possible():
    for control, treatment in (((0, 40), (0, 50)), ((40, 40), (50, 50)), ((0, 0), (3, 50))):
        interval = fisher_interval(arm(*control), arm(*treatment), 0.05)
        assert np.isnan([interval.lower[0], interval.upper[0], interval.p_value[0]]).all()


@pytest.mark.parametrize(
    ("n", "rate", "lift"), [(200, 0.02, 0.0), (100, 0.02, 0.5), (500, 0.005, 0.0)]
)
def test_coverage_is_guaranteed_by_fisher_and_nearer_to_nominal_by_mid_p(n, rate, lift):
    truth = Truth(n, n, rate, rate * (1 + lift))

    def covering(*, mid_p: bool) -> float:
        def limits(control, treatment):
            interval = fisher_interval(control, treatment, 0.05, mid_p=mid_p)
            return interval.lower, interval.upper

        coverage = exact_coverage(limits, truth, truth.odds_ratio)
        return coverage.holds / (1 - coverage.undefined)

    exact, mid = covering(mid_p=False), covering(mid_p=True)
    assert exact >= 0.95
    assert 0.93 <= mid <= exact
