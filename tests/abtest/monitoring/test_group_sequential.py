"""Boundaries against published ones, against normal probabilities in several dimensions, and by
simulated Brownian paths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abtest.monitoring.group_sequential import (
    alpha_spent,
    classical_boundaries,
    crossing_probabilities,
    nominal_alpha,
    spending_boundaries,
)

FIVE = [0.2, 0.4, 0.6, 0.8, 1.0]
UNEQUAL = [0.15, 0.3, 0.7, 1.0]


def test_lan_demets_boundaries():
    """Oracle 26."""
    obf = [4.87688495, 3.35701192, 2.68028006, 2.28981677, 2.03103204]
    pocock = [2.43797669, 2.42681386, 2.41019384, 2.39664540, 2.38598457]
    np.testing.assert_allclose(spending_boundaries(FIVE, 0.05, spending="obf"), obf, atol=1e-7)
    np.testing.assert_allclose(
        spending_boundaries(FIVE, 0.05, spending="pocock"), pocock, atol=1e-7
    )


def test_classical_boundaries_power_family_and_naive_size():
    """Oracle 27."""
    pocock = classical_boundaries(FIVE, 0.05, shape="pocock")
    np.testing.assert_allclose(pocock, 2.4131762200610, atol=1e-9)
    obf = classical_boundaries(FIVE, 0.05, shape="obf")
    np.testing.assert_allclose(obf, 2.0400731747973 / np.sqrt(FIVE), atol=1e-9)
    power = spending_boundaries(FIVE, 0.05, spending="power", phi=2)
    np.testing.assert_allclose(power[[0, -1]], [3.09023231, 2.11402742], atol=1e-8)
    naive = crossing_probabilities([1.959963984540054] * 5, FIVE)
    assert naive[-1] == pytest.approx(0.14168933259, abs=1e-10)
    fourteen = crossing_probabilities([1.959963984540054] * 14, list(np.arange(1, 15) / 14))
    assert fourteen[-1] == pytest.approx(0.220, abs=0.0005)


@pytest.mark.parametrize("spending", ["obf", "pocock", "power"])
def test_unequal_looks_spend_as_stated_by_a_multivariate_normal(spending):
    boundaries = spending_boundaries(UNEQUAL, 0.05, spending=spending, phi=1.5)
    t = np.array(UNEQUAL)
    correlation = np.sqrt(np.minimum.outer(t, t) / np.maximum.outer(t, t))
    spent = alpha_spent(t, 0.05, spending=spending, phi=1.5)
    for k in range(1, t.size + 1):
        inside = stats.multivariate_normal.cdf(
            boundaries[:k],
            cov=correlation[:k, :k],
            lower_limit=-boundaries[:k],
            abseps=1e-7,
            releps=1e-7,
            maxpts=400_000,
            rng=1,
        )
        assert 1 - inside == pytest.approx(spent[k - 1], abs=5e-6)


@settings(max_examples=25, deadline=None)
@given(
    gaps=st.lists(st.floats(0.02, 1), min_size=1, max_size=8),
    alpha=st.floats(0.001, 0.3),
    spending=st.sampled_from(["obf", "pocock", "power"]),
    phi=st.floats(0.5, 4),
)
def test_boundaries_spend_exactly_what_was_allowed(gaps, alpha, spending, phi):
    fractions = list(np.cumsum(gaps) / np.sum(gaps))
    fractions[-1] = 1.0
    boundaries = spending_boundaries(fractions, alpha, spending=spending, phi=phi)
    crossed = crossing_probabilities(list(boundaries), fractions)
    spent = alpha_spent(np.array(fractions), alpha, spending=spending, phi=phi)
    np.testing.assert_allclose(crossed, spent, rtol=1e-9, atol=1e-12)
    assert spent[-1] == pytest.approx(alpha)
    # Never below the boundary of a single test: looking costs.
    assert (nominal_alpha(boundaries) <= alpha + 1e-12).all()


def test_one_look_is_the_fixed_test():
    single = stats.norm.isf(0.025)
    for spending in ("obf", "pocock", "power"):
        assert spending_boundaries([1.0], 0.05, spending=spending)[0] == pytest.approx(single)
    for shape in ("obf", "pocock"):
        assert classical_boundaries([1.0], 0.05, shape=shape)[0] == pytest.approx(single)


def test_very_early_looks_spend_nothing_and_hurt_nothing():
    early = spending_boundaries([0.001, 0.5, 1.0], 0.05, spending="obf")
    assert np.isinf(early[0])
    np.testing.assert_allclose(early[1:], spending_boundaries([0.5, 1.0], 0.05, spending="obf"))
    many = list(np.arange(1, 61) / 60)
    daily = spending_boundaries(many, 0.05, spending="obf")
    assert np.isfinite(daily).all()
    assert (np.diff(daily) < 0).all()
    assert crossing_probabilities(list(daily), many)[-1] == pytest.approx(0.05, abs=1e-9)


@pytest.mark.parametrize("spending", ["obf", "pocock", "power"])
def test_simulated_paths_cross_at_the_level(spending):
    rng = np.random.default_rng(4)
    n = 40_000
    steps = np.sqrt(np.diff(UNEQUAL, prepend=0)) * rng.standard_normal((n, len(UNEQUAL)))
    z = np.abs(steps.cumsum(axis=1)) / np.sqrt(UNEQUAL)
    boundaries = spending_boundaries(UNEQUAL, 0.05, spending=spending)
    crossed = (z > boundaries).any(axis=1).mean()
    assert crossed == pytest.approx(0.05, abs=3.5 * np.sqrt(0.05 * 0.95 / n))
    assert (z > stats.norm.isf(0.025)).any(axis=1).mean() > 0.1
