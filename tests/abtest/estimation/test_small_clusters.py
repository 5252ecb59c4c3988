"""Effective counts: by hand, against the delta method where both exist, and by simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from abtest.estimation.binomial import Clicks, koopman_interval
from abtest.estimation.clustered import UnitMoments, ctr, ctr_variance, lift_interval, log_lift
from abtest.estimation.small_clusters import (
    clustered_score_difference,
    clustered_score_lift,
    design_effect,
    intraclass_correlation,
)

ONES = (np.ones(1), np.ones(1))


def moments(n: np.ndarray, c: np.ndarray) -> UnitMoments:
    """Of units in the last axis."""
    shape = n.shape[:-1]
    sums = (n, c, n * n, c * c, n * c)
    return UnitMoments(
        np.full(shape, float(n.shape[-1])), *(total.sum(-1).astype(float) for total in sums)
    )


def drawn(rng, shape, *, rate: float, spread: float, per_unit: float) -> UnitMoments:
    """Units whose propensity to click is gamma with this coefficient of variation."""
    n = 1 + rng.poisson(per_unit - 1, shape)
    propensity = np.minimum(rng.gamma(1 / spread**2, rate * spread**2, shape), 1.0)
    return moments(n, rng.binomial(n, propensity))


def test_toy_clusters_by_hand():
    n, c = np.array([[1, 2, 3, 4, 10, 20]]), np.array([[0, 1, 0, 1, 4, 2]])
    toy = moments(n, c)
    assert ctr(toy)[0] == pytest.approx(0.2, abs=1e-12)
    assert ctr_variance(toy)[0] == pytest.approx(0.0066, abs=1e-12)
    binomial = 0.2 * 0.8 / 40
    assert binomial == pytest.approx(0.004, abs=1e-12)
    # Clustered over binomial variance is 1.65; sum(n^2) / sum(n) is 530 / 40.
    correlation = intraclass_correlation(toy, toy)
    assert correlation[0] == pytest.approx(0.65 / (530 / 40 - 1), abs=1e-12)
    assert design_effect(toy, correlation)[0] == pytest.approx(1.65, abs=1e-12)


def test_correlation_is_that_of_the_propensities():
    rng = np.random.default_rng(1)
    rate, spread = 0.02, 1.5
    arms = [drawn(rng, (1, 200_000), rate=rate, spread=spread, per_unit=12.0) for _ in range(2)]
    # Variance of the propensity over that of one impression.
    assert intraclass_correlation(*arms)[0] == pytest.approx(
        rate * spread**2 / (1 - rate), rel=0.06
    )


def test_independent_impressions_have_no_correlation_and_single_ones_none_to_know():
    rng = np.random.default_rng(2)
    n = np.ones((1, 500), dtype=int)
    single = moments(n, rng.binomial(n, 0.1))
    assert intraclass_correlation(single, single)[0] == 0
    assert design_effect(single, np.array([0.3]))[0] == 1
    nothing = UnitMoments(*(np.zeros(1) for _ in UnitMoments._fields))
    assert np.isnan(intraclass_correlation(nothing, nothing)[0])
    assert np.isnan(design_effect(nothing, np.array([0.1]))[0])
    assert intraclass_correlation(nothing, single)[0] == 0


def test_interval_is_koopmans_where_units_are_many_single_impressions():
    n = np.ones((1, 40_000), dtype=int)
    arms = [moments(n, (np.arange(40_000) < clicks)[None, :].astype(int)) for clicks in (90, 60)]
    ours = clustered_score_lift(*arms, 0.05, design_effects=ONES)
    koopman = koopman_interval(*(Clicks(a.c, a.n) for a in arms), 0.05)
    assert ours.lower[0] == pytest.approx(koopman.lower[0], rel=1e-3)
    assert ours.upper[0] == pytest.approx(koopman.upper[0], rel=1e-3)


def test_interval_is_near_the_delta_methods_where_clicks_are_many():
    rng = np.random.default_rng(3)
    arms = [drawn(rng, (1, 20_000), rate=0.03, spread=1.5, per_unit=10.0) for _ in range(2)]
    correlation = intraclass_correlation(*arms)
    effects = tuple(design_effect(arm, correlation) for arm in arms)
    score = clustered_score_lift(*arms, 0.05, design_effects=effects)
    delta = lift_interval(log_lift(*arms), 0.05)
    width = delta.upper[0] - delta.lower[0]
    assert score.lower[0] == pytest.approx(delta.lower[0], abs=0.05 * width)
    assert score.upper[0] == pytest.approx(delta.upper[0], abs=0.05 * width)


def test_a_cell_without_a_click_gets_an_interval_and_no_width_of_zero():
    n = np.full((1, 30), 4)
    none, some = moments(n, np.zeros_like(n)), moments(n, (np.arange(30) < 5)[None, :].astype(int))
    effects = (np.array([1.2]), np.array([1.2]))
    up = clustered_score_lift(none, some, 0.05, design_effects=effects)
    assert np.isfinite(up.lower[0])
    assert up.upper[0] == np.inf
    down = clustered_score_lift(some, none, 0.05, design_effects=effects)
    assert down.lower[0] == -1 < down.upper[0] < np.inf
    difference = clustered_score_difference(none, none, 0.05, design_effects=effects)
    assert difference.lower[0] < 0 < difference.upper[0]
    assert difference.p_value[0] == 1
    nothing = clustered_score_lift(none, none, 0.05, design_effects=effects)
    assert np.isnan([nothing.lower[0], nothing.upper[0], nothing.p_value[0]]).all()


def test_one_unit_an_arm_says_nothing():
    one = moments(np.array([[9]]), np.array([[2]]))
    for method in (clustered_score_lift, clustered_score_difference):
        interval = method(one, one, 0.05, design_effects=ONES)
        assert np.isnan([interval.lower[0], interval.upper[0], interval.p_value[0]]).all()


def cell(clicks: int, units: int) -> UnitMoments:
    """Units of 30 impressions with the clicks spread evenly."""
    n = np.full((1, units), 30)
    return moments(n, clicks // units + (np.arange(units) < clicks % units)[None, :])


@given(
    st.tuples(st.integers(0, 25), st.integers(0, 25)),
    st.integers(2, 40),
    st.tuples(st.floats(1, 4), st.floats(1, 4)),
    st.sampled_from([0.01, 0.05, 0.2]),
)
@settings(max_examples=60, deadline=None)
def test_p_value_agrees_with_the_interval_and_swaps(clicks, units, design_effects, alpha):
    effects = tuple(np.array([effect]) for effect in design_effects)
    a, b = (cell(count, units) for count in clicks)
    for method in (clustered_score_lift, clustered_score_difference):
        found = method(a, b, alpha, design_effects=effects)
        swapped = method(b, a, alpha, design_effects=effects[::-1])
        if np.isnan(found.lower[0]):
            assert np.isnan(found.p_value[0])
            continue
        assert found.lower[0] < found.upper[0]
        if abs(found.p_value[0] - alpha) > 1e-9:
            excludes = found.lower[0] > 0 or found.upper[0] < 0
            assert (found.p_value[0] < alpha) == excludes
        assert swapped.p_value[0] == pytest.approx(found.p_value[0], rel=1e-9)
        if method is clustered_score_difference:
            assert swapped.lower[0] == pytest.approx(-found.upper[0], abs=1e-9)
        elif found.lower[0] > -1:
            assert (1 + found.lower[0]) * (1 + swapped.upper[0]) == pytest.approx(1, rel=1e-8)


def coverage(seed: int, cells: int, units: int, *, rate: float, per_unit: float, lift: float):
    """Shares that cover: score on effective counts, score that ignores units, log delta method."""
    rng = np.random.default_rng(seed)
    spread = 1.5
    arms, overall = [], []
    for factor in (1.0, 1.0 + lift):
        law = {"rate": rate * factor, "spread": spread}
        arms.append(drawn(rng, (cells, units), per_unit=per_unit, **law))
        overall.append(drawn(rng, (1, 20_000), per_unit=4 * per_unit, **law))
    correlation = np.broadcast_to(intraclass_correlation(*overall), cells)
    effects = tuple(design_effect(arm, correlation) for arm in arms)
    one = np.ones(cells)
    score = clustered_score_lift(*arms, 0.05, design_effects=effects)
    naive = clustered_score_lift(*arms, 0.05, design_effects=(one, one))
    delta = lift_interval(log_lift(*arms), 0.05)
    some = arms[0].c + arms[1].c > 0
    return tuple(
        float(((i.lower <= lift + 1e-12) & (lift <= i.upper))[some].mean())
        for i in (score, naive, delta)
    )


@pytest.mark.parametrize(
    ("units", "rate", "per_unit", "lift"),
    [(60, 0.01, 3.0, 0.0), (100, 0.02, 8.0, 0.3), (60, 0.02, 20.0, 0.0)],
)
def test_coverage_with_gamma_propensities(units, rate, per_unit, lift):
    score, naive, delta = coverage(11, 2000, units, rate=rate, per_unit=per_unit, lift=lift)
    margin = 3 * np.sqrt(0.05 * 0.95 / 2000)
    # With two clicks an arm the score interval covers too often, and the delta method has none.
    assert score >= 0.95 - margin
    if rate * units * per_unit > 10:
        assert score <= 0.95 + margin + 0.005
        assert naive < 0.94
    else:
        assert delta < 0.8


@pytest.mark.slow
@pytest.mark.parametrize("per_unit", [2.0, 5.0, 20.0])
@pytest.mark.parametrize("lift", [0.0, 0.3])
def test_coverage_with_gamma_propensities_at_length(per_unit, lift):
    score, *_ = coverage(5, 20_000, 150, rate=0.02, per_unit=per_unit, lift=lift)
    assert 0.94 <= score <= 0.97


def test_quantile_is_students():
    n = np.full((1, 4), 100)
    arms = [moments(n, np.full((1, 4), clicks)) for clicks in (10, 14)]
    found = clustered_score_lift(*arms, 0.05, design_effects=ONES)
    pooled = 96 / 800
    z = (0.14 - 0.10) / np.sqrt(pooled * (1 - pooled) * 2 / 400)
    assert found.p_value[0] == pytest.approx(2 * special.stdtr(6, -z), rel=1e-12)
