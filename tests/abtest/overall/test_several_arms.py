"""Dunnett and the best arm against published values, scipy's integrals and simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abtest.overall.several_arms import (
    compare_with_best,
    dunnett_critical,
    dunnett_p_values,
    shared_loadings,
)


def loadings(*variances: float) -> np.ndarray:
    return shared_loadings(np.array([variances[0]]), np.array([variances[1:]]))


# Dunnett's table for unlimited degrees of freedom, two-sided 5 % and 1 %, arms of one size.
@pytest.mark.parametrize(
    ("k", "alpha", "published"),
    [(1, 0.05, 1.96), (2, 0.05, 2.21), (3, 0.05, 2.35), (4, 0.05, 2.44), (9, 0.05, 2.69),
     (2, 0.01, 2.79), (4, 0.01, 3.00)],
)  # fmt: skip
def test_critical_values_are_dunnetts(k, alpha, published):
    assert dunnett_critical(loadings(*[1.0] * (k + 1)), alpha)[0] == pytest.approx(
        published, abs=0.005
    )


@pytest.mark.parametrize("variances", [(1, 4, 0.5, 2), (0.05, 1, 1, 2), (9, 1, 1, 1)])
def test_p_values_are_the_multivariate_normals(variances):
    shared = loadings(*variances)
    z = np.array([[0.7, -1.9, 2.6]])
    p = dunnett_p_values(z, shared)[0]
    correlation = np.outer(shared[0], shared[0])
    np.fill_diagonal(correlation, 1)
    law = stats.multivariate_normal(cov=correlation, seed=1, abseps=1e-7, releps=1e-7)
    for value, found in zip(np.abs(z[0]), p, strict=True):
        inside = law.cdf(np.full(3, value), lower_limit=np.full(3, -value))
        assert found == pytest.approx(1 - inside, abs=1e-6)


@given(
    st.lists(st.floats(0.01, 100), min_size=2, max_size=6),
    st.sampled_from([0.2, 0.05, 0.01, 0.001]),
)
@settings(max_examples=40, deadline=None)
def test_critical_value_has_the_level_as_its_p_value(variances, alpha):
    shared = loadings(*variances)
    critical = dunnett_critical(shared, alpha)
    p = dunnett_p_values(np.full(shared.shape, critical[0]), shared)
    assert p[0, 0] == pytest.approx(alpha, rel=1e-6)


def test_one_treatment_is_not_corrected():
    z = np.array([[0.3], [2.0], [6.5], [12.0]])
    p = dunnett_p_values(z, np.full((4, 1), 0.7))
    np.testing.assert_allclose(p, 2 * stats.norm.sf(z), rtol=1e-4)


def test_p_values_fall_with_the_statistic_down_to_the_smallest():
    z = np.linspace(0, 30, 400)
    p = dunnett_p_values(np.stack([z, np.zeros(400)], axis=-1), np.full((400, 2), 0.7))[:, 0]
    assert (np.diff(p) < 0).all()
    assert p[0] == pytest.approx(1)
    assert 0 < p[-1] < 1e-190


def test_the_better_of_two_arms_is_the_normal_law_of_their_difference():
    mean, variance = np.array([[0.0, 0.1]]), np.array([[0.01, 0.02]])
    best = compare_with_best(mean, variance)
    sd = np.sqrt(0.03)
    assert best.p_best[0] == pytest.approx([stats.norm.sf(0.1 / sd), stats.norm.cdf(0.1 / sd)])
    # Loss of the first: the mean of max(0, difference).
    loss = 0.1 * stats.norm.cdf(0.1 / sd) + sd * stats.norm.pdf(0.1 / sd)
    assert best.expected_loss[0] == pytest.approx([loss, loss - 0.1])
    assert best.p_not_worse[0] == pytest.approx([stats.norm.sf(0.1 / sd), stats.norm.sf(-0.1 / sd)])


def test_posterior_of_several_arms_is_that_of_draws():
    rng = np.random.default_rng(1)
    mean, variance = np.array([0.0, 0.05, 0.08, -0.2]), np.array([0.001, 0.004, 0.002, 0.05])
    best = compare_with_best(mean[None], variance[None])
    draws = rng.normal(mean, np.sqrt(variance), (400_000, 4))
    chosen = np.bincount(draws.argmax(1), minlength=4) / 400_000
    loss = draws.max(1).mean() - draws.mean(0)
    np.testing.assert_allclose(best.p_best[0], chosen, atol=0.003)
    np.testing.assert_allclose(best.expected_loss[0], loss, atol=0.001)
    assert best.p_best.sum() == pytest.approx(1)


def test_arms_in_another_order_are_the_same_arms():
    mean, variance = np.array([[0.0, 0.3, 0.1]]), np.array([[0.01, 0.03, 0.02]])
    order = [2, 0, 1]
    there, back = (
        compare_with_best(mean, variance),
        compare_with_best(mean[:, order], variance[:, order]),
    )
    for one, other in zip(there, back, strict=True):
        np.testing.assert_allclose(one[:, order], other, rtol=1e-9)


def test_an_arm_without_a_ctr_leaves_the_experiment_unknown():
    best = compare_with_best(np.array([[0.0, np.nan], [0.0, 0.1]]), np.full((2, 2), 0.01))
    assert np.isnan(best.p_best[0]).all()
    assert np.isfinite(best.p_best[1]).all()


def test_family_wise_error_of_four_treatments_and_the_set_of_the_best():
    rng = np.random.default_rng(2)
    variances = np.array([0.5, 1.0, 2.0, 1.0, 1.0])
    arms = rng.normal(0, np.sqrt(variances), (4000, 5))
    z = (arms[:, 1:] - arms[:, :1]) / np.sqrt(variances[0] + variances[1:])
    shared = np.broadcast_to(loadings(*variances), (4000, 4))
    any_rejected = (dunnett_p_values(z, shared) < 0.05).any(1)
    # Standard error 0.34 points; without the correction it is near 15 %.
    assert any_rejected.mean() == pytest.approx(0.05, abs=0.011)
    # Shifts shared by an arm in every draw: the truly best must be in the set 95 times of 100.
    shifted = arms + np.array([0, 0.2, 0.4, 0.1, 0.3])
    kept = compare_with_best(shifted, np.broadcast_to(variances, arms.shape)).p_not_worse >= 0.05
    assert kept[:, 2].mean() > 0.95 - 0.011
    assert kept.any(1).all()


def test_a_treatment_without_a_test_does_not_count_in_the_family():
    with_unknown = np.array([[0.7, np.nan, 0.6]])
    known = np.array([[0.7, 0.6]])
    p = dunnett_p_values(np.array([[2.1, np.nan, 1.0]]), with_unknown)[0]
    np.testing.assert_allclose(p[[0, 2]], dunnett_p_values(np.array([[2.1, 1.0]]), known)[0])
    assert np.isnan(p[1])
    assert dunnett_critical(with_unknown, 0.05)[0] == pytest.approx(
        dunnett_critical(known, 0.05)[0]
    )
    assert np.isnan(dunnett_critical(np.full((1, 2), np.nan), 0.05)[0])
