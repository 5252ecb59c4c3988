"""Wald test of equal lifts against its definition, Cochran's Q and simulation."""

import numpy as np
import pytest
from scipy import stats

from abtest.categories.joint_test import wald_heterogeneity
from abtest.categories.pooling import heterogeneity


def random_covariance(rng, k):
    root = rng.normal(size=(k, k)) * rng.uniform(0.01, 1, size=k)[:, None]
    return root @ root.T + np.diag(rng.uniform(1e-4, 1e-2, size=k))


def test_equals_its_definition_by_contrasts_with_the_first():
    rng = np.random.default_rng(1)
    for k in (2, 5, 44):
        covariance, y = random_covariance(rng, k), rng.normal(size=k)
        contrasts = np.hstack([-np.ones((k - 1, 1)), np.eye(k - 1)])
        differences = contrasts @ y
        direct = differences @ np.linalg.solve(contrasts @ covariance @ contrasts.T, differences)
        found = wald_heterogeneity(y, covariance)
        assert found.wald == pytest.approx(direct, rel=1e-7)
        assert found.rank == k - 1
        assert found.p_value == pytest.approx(stats.chi2.sf(direct, k - 1), rel=1e-6, abs=1e-300)


def test_equals_the_smallest_distance_from_a_common_effect():
    rng = np.random.default_rng(2)
    covariance, y = random_covariance(rng, 6), rng.normal(size=6)
    inverse = np.linalg.inv(covariance)
    mean = inverse.sum(0) @ y / inverse.sum()
    expected = (y - mean) @ inverse @ (y - mean)
    assert wald_heterogeneity(y, covariance).wald == pytest.approx(expected, rel=1e-9)


def test_equals_cochrans_q_where_errors_are_independent():
    rng = np.random.default_rng(3)
    v, y = rng.gamma(2, 10.0 ** rng.integers(-6, 0, 12)), rng.normal(size=12)
    found, q = wald_heterogeneity(y, np.diag(v)), heterogeneity(y, v)
    assert found.wald == pytest.approx(q.q, rel=1e-9)
    assert found.p_value == pytest.approx(q.p_value, rel=1e-9, abs=1e-300)


def test_a_category_counted_twice_adds_nothing_and_lowers_the_rank():
    rng = np.random.default_rng(4)
    covariance, y = random_covariance(rng, 5), rng.normal(size=5)
    twice = [0, 1, 2, 3, 4, 4]
    found = wald_heterogeneity(y[twice], covariance[np.ix_(twice, twice)])
    single = wald_heterogeneity(y, covariance)
    assert found.rank == 4
    assert found.wald == pytest.approx(single.wald, rel=1e-6)
    nothing = wald_heterogeneity(np.array([0.1, 0.1]), np.full((2, 2), 0.04))
    assert nothing.rank == 0


@pytest.mark.parametrize("k", [3, 12])
def test_keeps_its_level_under_correlation_where_q_does_not(k):
    rng = np.random.default_rng(9)
    root = np.hstack([rng.normal(0, 0.8, size=(k, 3)), np.diag(np.full(k, 0.7))])
    covariance = root @ root.T
    runs = 2000
    y = 0.05 + rng.standard_normal((runs, root.shape[1])) @ root.T
    p = np.array([wald_heterogeneity(row, covariance).p_value for row in y])
    assert abs((p < 0.05).mean() - 0.05) < 4 * np.sqrt(0.05 * 0.95 / runs)
    assert stats.kstest(p, "uniform").pvalue > 1e-4
    q = np.array([heterogeneity(row, np.diag(covariance), "dl").p_value for row in y[:500]])
    assert abs((q < 0.05).mean() - 0.05) > 0.02
