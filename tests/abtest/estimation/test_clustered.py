"""Delta method against hand computation, published figures, statsmodels and the bootstrap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abtest.estimation.clustered import (
    UnitMoments,
    ctr,
    ctr_difference,
    ctr_interval,
    ctr_variance,
    lift_interval,
    lift_p_value,
    log_lift,
    minimum_detectable_lift,
)


def moments(n, c) -> UnitMoments:
    n, c = np.asarray(n, dtype=float), np.asarray(c, dtype=float)
    sums = (n.size, n.sum(), c.sum(), (n * n).sum(), (c * c).sum(), (n * c).sum())
    return UnitMoments(*(np.array([float(value)]) for value in sums))


def published(*sums: float) -> UnitMoments:
    return UnitMoments(*(np.array([float(value)]) for value in sums))


# Orders per session of tea-tasting's example users; sums as published with it.
ORDERS_0 = published(2023, 4038, 1073, 10098, 2073, 2648)
ORDERS_1 = published(1977, 3920, 1133, 9698, 2121, 2730)


def test_variance_of_six_units_by_hand():
    toy = moments([1, 2, 3, 4, 10, 20], [0, 1, 0, 1, 4, 2])
    assert ctr(toy)[0] == pytest.approx(0.2, abs=1e-15)
    # Residuals c - 0.2 n: -.2 .6 -.6 .2 2 -2; squares sum to 8.8; 6/5 * 8.8 / 40^2
    assert ctr_variance(toy)[0] == pytest.approx(0.0066, abs=1e-12)


def test_one_impression_a_unit_is_the_binomial_variance_with_bessel():
    clicks = np.repeat([1.0, 0.0], [3, 7])
    alone = moments(np.ones(10), clicks)
    assert ctr_variance(alone)[0] == pytest.approx(0.3 * 0.7 / 9, abs=1e-15)


def test_difference_and_lift_agree_with_published_ratio_analysis():
    difference = ctr_difference(ORDERS_0, ORDERS_1, 0.05)
    assert difference.value[0] == pytest.approx(0.02330500550889, abs=1e-12)
    lift = log_lift(ORDERS_0, ORDERS_1)
    interval = lift_interval(lift, 0.05)
    assert interval.lower[0] == pytest.approx(-0.008944184133336, abs=1e-9)
    assert interval.upper[0] == pytest.approx(0.193775760955263, abs=1e-9)


def test_difference_interval_is_welch_t_with_the_published_standard_error():
    from scipy import stats

    difference = ctr_difference(ORDERS_0, ORDERS_1, 0.05)
    half = (difference.upper - difference.lower)[0] / 2
    se = 0.013141379922207694
    dof = stats.t.isf(0.025, np.arange(3900, 4001))
    assert dof[-1] * se <= half <= dof[0] * se


def test_cluster_robust_regression_of_statsmodels_gives_the_same_standard_error():
    import statsmodels.api as sm

    rng = np.random.default_rng(3)
    n = rng.integers(1, 30, size=400).astype(float)
    c = rng.binomial(n.astype(int), rng.beta(2, 50, size=400)).astype(float)
    fit = sm.WLS(c / n, np.ones(400), weights=n).fit(
        cov_type="cluster", cov_kwds={"groups": np.arange(400), "use_correction": False}
    )
    ours = ctr_variance(moments(n, c))[0] * 399 / 400
    assert np.sqrt(ours) == pytest.approx(fit.bse[0], rel=1e-9)


def test_bootstrap_over_units_gives_the_same_standard_error_of_log_lift():
    rng = np.random.default_rng(11)
    size = 3000
    arms = []
    for rate in (0.04, 0.05):
        n = rng.negative_binomial(1, 0.1, size=size) + 1
        propensity = rng.gamma(1.5, 1 / 1.5, size=size)
        arms.append((n, rng.binomial(n, np.minimum(rate * propensity, 1))))
    estimated = log_lift(moments(*arms[0]), moments(*arms[1])).se[0]
    draws = []
    for n, c in arms:
        weights = rng.multinomial(size, np.full(size, 1 / size), size=2000)
        draws.append(np.log((weights @ c) / (weights @ n)))
    assert estimated == pytest.approx(np.std(draws[1] - draws[0]), rel=0.06)


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), min_size=3, max_size=40),
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), min_size=3, max_size=40),
)
@settings(max_examples=200, deadline=None)
def test_swapping_arms_inverts_the_lift_and_its_interval(first, second):
    def arm(pairs):
        return moments([n for n, _ in pairs], [min(n, c) for n, c in pairs])

    a, b = arm(first), arm(second)
    there, back = log_lift(a, b), log_lift(b, a)
    if np.isnan(there.value[0]):
        assert np.isnan(back.value[0])
        return
    out, home = lift_interval(there, 0.05), lift_interval(back, 0.05)
    assert (1 + out.value[0]) * (1 + home.value[0]) == pytest.approx(1, rel=1e-9)
    assert (1 + out.lower[0]) * (1 + home.upper[0]) == pytest.approx(1, rel=1e-6)
    assert lift_p_value(there)[0] == pytest.approx(lift_p_value(back)[0], rel=1e-9)


@given(st.integers(0, 10_000), st.sampled_from([0.01, 0.05, 0.2]))
@settings(max_examples=100, deadline=None)
def test_p_value_is_below_alpha_exactly_where_the_interval_excludes_no_lift(seed, alpha):
    rng = np.random.default_rng(seed)
    n = rng.integers(1, 20, size=(2, 60))
    c = rng.binomial(n, np.array([[0.15], [0.3]]))
    lift = log_lift(moments(n[0], c[0]), moments(n[1], c[1]))
    interval = lift_interval(lift, alpha)
    excludes = interval.lower[0] > 0 or interval.upper[0] < 0
    assert (lift_p_value(lift)[0] < alpha) == excludes


@pytest.mark.parametrize(
    ("n", "c"),
    [
        ([5, 5, 5], [0, 0, 0]),  # no click
        ([5, 5, 5], [5, 5, 5]),  # every impression clicked: no variation
        ([4, 8, 12], [1, 2, 3]),  # every unit has one rate: no variation
        ([7], [2]),  # one unit
        ([], []),  # nothing
    ],
)
def test_lift_is_unknown_where_it_cannot_be_estimated(n, c):
    fine = moments([5, 6, 7], [1, 0, 2])
    for lift in (log_lift(moments(n, c), fine), log_lift(fine, moments(n, c))):
        assert np.isnan(lift.value[0])
        assert np.isnan(lift.se[0])
        assert np.isnan(lift_interval(lift, 0.05).upper[0])
        assert np.isnan(lift_p_value(lift)[0])


def test_p_value_far_out_is_small_but_not_zero():
    sure = log_lift(
        moments(np.full(800, 40), np.tile([0, 1, 2, 1], 200)),
        moments(np.full(800, 40), np.tile([1, 2, 2, 1], 200)),
    )
    # z is near 14: 1 - cdf would be exactly 0.
    assert 0 < lift_p_value(sure)[0] < 1e-30


def test_ctr_interval_stays_within_zero_and_one():
    rare = moments([1] * 30, [1] + [0] * 29)
    interval = ctr_interval(rare, 0.001)
    assert 0 < interval.lower[0] < interval.value[0] < interval.upper[0] < 1


def test_minimum_detectable_lift_has_the_stated_power():
    from scipy import stats

    lift = log_lift(ORDERS_0, ORDERS_1)
    effect = np.log1p(minimum_detectable_lift(lift, 0.05)[0])
    power = stats.norm.sf(stats.norm.isf(0.025) - effect / lift.se[0])
    assert power == pytest.approx(0.8, abs=1e-9)
