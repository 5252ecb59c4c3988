"""Adjusted intervals: exact cases, error rates by simulation, and agreement with p-values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from abtest.categories.adjusted_intervals import adjusted_intervals, adjusted_level
from abtest.categories.joint_test import wald_heterogeneity
from abtest.categories.simultaneous import single_step
from abtest.estimation.clustered import LogLift, UnitMoments, log_lift
from abtest.estimation.joint import JointMoments, log_lifts

METHODS = ("bonferroni", "fcr", "max_z")


def equicorrelated(m, rho):
    return np.full((m, m), rho) + (1 - rho) * np.eye(m)


def lifts(value, se, dof=np.inf) -> LogLift:
    value = np.asarray(value, dtype=float)
    se, dof = np.broadcast_to(se, value.shape), np.broadcast_to(dof, value.shape)
    return LogLift(value, se, dof, np.ones_like(value))


def of_any(c, m, rho):
    """P(max |Z| >= c) of equally correlated normals, by quadrature over what they share."""

    def all_within(common):
        upper = special.ndtr((c - np.sqrt(rho) * common) / np.sqrt(1 - rho))
        lower = special.ndtr((-c - np.sqrt(rho) * common) / np.sqrt(1 - rho))
        return stats.norm.pdf(common) * (upper - lower) ** m

    return 1 - integrate.quad(all_within, -12, 12, epsabs=1e-13, limit=400)[0]


@pytest.mark.parametrize(("m", "rho"), [(2, 0.5), (10, 0.3), (44, 0.05), (44, 0.8)])
def test_max_z_equals_quadrature_of_equally_correlated_normals(m, rho):
    c = np.concatenate([[2.0, 2.5, 3.0, 3.5, 4.5], np.ones(m)])[:m]
    found = single_step(2 * special.ndtr(-c), equicorrelated(m, rho), 0.05)
    exact = np.array([of_any(value, m, rho) for value in c])
    assert (np.abs(found.p_value_adj - exact) < 4.5 * found.monte_carlo_se + 1e-9).all()
    assert (found.monte_carlo_se[:5] < 0.02 * exact[:5]).all()
    at_level = of_any(-special.ndtri(found.level / 2), m, rho)
    assert at_level == pytest.approx(0.05, abs=0.0006)


def test_max_z_of_independent_errors_is_sidak():
    p = np.array([1e-12, 0.001, 0.02, 0.6])
    exact = 1 - (1 - p) ** 4
    for correlation in (None, np.eye(4)):
        found = single_step(p, correlation, 0.05)
        assert found.p_value_adj[1:] == pytest.approx(exact[1:], abs=1e-14)
        assert found.p_value_adj[0] == pytest.approx(4e-12, rel=1e-9)
        assert found.level == pytest.approx(1 - 0.95**0.25, abs=1e-14)


def test_max_z_of_one_error_seen_many_times_needs_no_adjustment():
    p = np.array([1e-9, 0.01, 0.04, 0.3])
    found = single_step(p, np.ones((4, 4)), 0.05)
    assert found.p_value_adj == pytest.approx(p, rel=1e-9)
    assert found.level == pytest.approx(0.05, rel=1e-9)


def test_max_z_finds_the_same_twice_and_never_more_than_bonferroni():
    p = np.array([0.0004, 0.003, 0.2, 0.7, 1.0])
    correlation = equicorrelated(5, 0.4)
    one, two = single_step(p, correlation, 0.05), single_step(p, correlation, 0.05)
    assert one.p_value_adj.tolist() == two.p_value_adj.tolist()
    assert (one.p_value_adj <= np.minimum(5 * p, 1) + 1e-15).all()
    assert (one.p_value_adj >= p).all()
    assert 0.01 < one.level < 0.05


@given(
    st.lists(st.floats(-6, 6, allow_nan=False), min_size=1, max_size=12),
    st.sampled_from(METHODS),
    st.floats(0, 0.9),
    st.sampled_from([4.0, 30.0, np.inf]),
)
@settings(max_examples=40, deadline=None)
def test_interval_excludes_no_effect_exactly_where_the_p_value_is_below_alpha(z, method, rho, dof):
    lift = lifts(np.array(z) * 0.1, 0.1, dof)
    correlation = equicorrelated(len(z), rho)
    estimate, found = adjusted_intervals(lift, method, correlation=correlation, alpha=0.05)
    excludes = (estimate.lower > 0) | (estimate.upper < 0)
    assert excludes.tolist() == (found.p_value_adj < 0.05).tolist()
    mirrored, same = adjusted_intervals(
        lift._replace(value=-lift.value), method, correlation=correlation, alpha=0.05
    )
    assert same.p_value_adj.tolist() == found.p_value_adj.tolist()
    product = ((1 + estimate.lower) * (1 + mirrored.upper))[found.has_interval]
    np.testing.assert_allclose(product, 1, rtol=1e-12)


def test_fcr_makes_intervals_of_the_selected_at_their_share_of_the_level():
    # Benjamini and Hochberg's (1995) p-values: four of fifteen are selected.
    p = np.array([0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459])
    p = np.concatenate([p, [0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]])
    found = adjusted_level(p, "fcr", correlation=None, alpha=0.05)
    assert found.has_interval.sum() == 4
    assert found.level == pytest.approx(4 * 0.05 / 15, abs=1e-15)
    assert adjusted_level(p, "bonferroni", correlation=None, alpha=0.05).level == 0.05 / 15
    none = adjusted_level(p[9:], "fcr", correlation=None, alpha=0.05)
    assert np.isnan(none.level)
    assert not none.has_interval.any()


def test_one_category_is_not_adjusted():
    lift = lifts([0.2], 0.08, 20.0)
    for method in METHODS:
        estimate, found = adjusted_intervals(lift, method, correlation=np.eye(1), alpha=0.05)
        half = stats.t.ppf(0.975, 20) * 0.08
        assert np.log1p(estimate.lower[0]) == pytest.approx(0.2 - half, abs=1e-12)
        assert found.p_value_adj[0] == pytest.approx(2 * stats.t.sf(2.5, 20), abs=1e-12)


@pytest.mark.parametrize("rho", [0.1, 0.7])
def test_max_z_keeps_the_family_wise_error_by_simulation(rho):
    """44 correlated z-scores without effect: some category is found in 5 % of families."""
    m, families = 44, 20_000
    correlation = equicorrelated(m, rho)
    level = single_step(np.full(m, 0.5), correlation, 0.05).level
    rng = np.random.default_rng(5)
    common, own = rng.standard_normal((families, 1)), rng.standard_normal((families, m))
    z = np.sqrt(rho) * common + np.sqrt(1 - rho) * own
    errors = (np.abs(z).max(axis=1) > -special.ndtri(level / 2)).mean()
    assert abs(errors - 0.05) < 4 * np.sqrt(0.05 * 0.95 / families)


def test_fcr_intervals_cover_over_the_selected_where_plain_ones_do_not():
    rng = np.random.default_rng(6)
    missed, plain = [], []
    for _ in range(3000):
        truth = np.concatenate([np.zeros(30), rng.normal(0, 0.1, 14)])
        lift = lifts(rng.normal(truth, 0.05), 0.05)
        estimate, found = adjusted_intervals(lift, "fcr", correlation=None, alpha=0.05)
        low, high, true = (
            values[found.has_interval]
            for values in (np.log1p(estimate.lower), np.log1p(estimate.upper), truth)
        )
        count = max(1, true.size)
        missed.append(((true < low) | (true > high)).sum() / count)
        error = np.abs(lift.value[found.has_interval] - true)
        plain.append((error > 1.959963984540054 * 0.05).sum() / count)
    assert np.mean(missed) < 0.05 + 3 * np.std(missed) / np.sqrt(len(missed))
    assert np.mean(plain) > 0.06


@pytest.mark.slow
def test_max_z_and_the_joint_test_keep_their_level_on_units_that_span_categories():
    """A/A: 4,000 units with 12 categories and tastes of their own are split at random, 800 times.

    Correlations of the categories' errors are near 0.3 here, and are estimated anew every time.
    """
    k, units, runs = 12, 4000, 800
    rng = np.random.default_rng(14)
    n = rng.poisson(3, (units, k)).astype(float)
    taste = rng.beta(0.6, 5, (units, 1))
    c = rng.binomial(n.astype(int), taste).astype(float)
    found, plain, joint, correlations = [], [], [], []
    for _ in range(runs):
        is_treated = rng.random(units) < 0.5
        arms = [moments_of(n[rows], c[rows]) for rows in (~is_treated, is_treated)]
        value, covariance = log_lifts(*arms)
        lift = log_lift(*(diagonal(arm) for arm in arms))
        scale = np.sqrt(np.diag(covariance))
        correlation = covariance / np.outer(scale, scale)
        np.fill_diagonal(correlation, 1.0)
        _, levels = adjusted_intervals(lift, "max_z", correlation=correlation, alpha=0.05)
        found.append((levels.p_value_adj < 0.05).any())
        plain.append((np.abs(value / scale) > 1.96).any())
        joint.append(wald_heterogeneity(value, covariance).p_value < 0.05)
        correlations.append(correlation[0, 1:].mean())
    band = 4 * np.sqrt(0.05 * 0.95 / runs)
    assert np.mean(correlations) > 0.2
    assert abs(np.mean(found) - 0.05) < band
    assert abs(np.mean(joint) - 0.05) < band
    assert np.mean(plain) > 0.3


def moments_of(n, c) -> JointMoments:
    return JointMoments((n > 0).sum(0).astype(float), n.sum(0), c.sum(0), n.T @ n, n.T @ c, c.T @ c)


def diagonal(arm: JointMoments) -> UnitMoments:
    squares = (np.diag(part) for part in (arm.nn, arm.cc, arm.nc))
    return UnitMoments(arm.units, arm.n, arm.c, *squares)
