"""Clustered means: a known case, an independent formula, and coverage."""

import math

import numpy as np
import pytest

from evaluation.metrics.clustered import (
    NO_ITEMS,
    ONE_PRODUCT,
    WILSON_OF_PRODUCTS,
    cluster_sums,
    clustered_mean,
    clustered_share,
    clustered_variance,
    t_quantile,
)

Y = np.array([1, 1, 1, 0, 1, 0, 0, 0, 1, 1, 0, 1], float)
G = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3])


def test_the_standard_error_is_that_of_a_clustered_regression():
    error = math.sqrt(clustered_variance(cluster_sums(Y, G).influence()))
    assert error == pytest.approx(0.1651162454, abs=1e-10)
    statsmodels = pytest.importorskip("statsmodels.api")
    fitted = statsmodels.OLS(Y, np.ones(Y.size)).fit()
    robust = fitted.get_robustcov_results("cluster", groups=G, df_correction=True)
    # Its factor also holds (N - 1) / (N - k), which is 1 for a constant alone.
    assert error == pytest.approx(float(robust.bse[0]), abs=1e-10)


def test_without_clusters_it_is_the_plain_standard_error():
    alone = math.sqrt(clustered_variance(cluster_sums(Y, np.arange(12)).influence()))
    assert alone == pytest.approx(Y.std(ddof=1) / math.sqrt(12), abs=1e-12)
    assert alone == pytest.approx(0.1486470975, abs=1e-10)


def test_the_interval_is_t_with_clusters_minus_one():
    found = clustered_mean(Y, G)
    half = 3.182446305 * 0.1651162454
    assert found[:3] == pytest.approx((7 / 12, 7 / 12 - half, 7 / 12 + half))
    assert t_quantile(4, 0.05) == pytest.approx(3.182446305)


def test_codes_need_not_be_consecutive():
    assert clustered_mean(Y, G * 7 + 2) == clustered_mean(Y, G)


def test_what_cannot_be_known_is_none():
    empty = np.array([])
    assert clustered_mean(empty, empty.astype(int)) == (None, None, None, NO_ITEMS)
    assert clustered_share(Y, np.zeros(12, int)) == (7 / 12, None, None, ONE_PRODUCT)


def test_clusters_that_all_agree_still_leave_doubt():
    found = clustered_share(np.ones(40), np.repeat(np.arange(10), 4))
    assert found.method == WILSON_OF_PRODUCTS
    assert (found.lower, found.upper) == pytest.approx((0.7224672, 1.0))


def test_a_share_has_limits_between_0_and_1():
    rng = np.random.default_rng(1)
    for _ in range(200):
        values = (rng.random(30) < 0.95).astype(float)
        found = clustered_share(values, rng.integers(0, 6, 30))
        assert 0 <= found.lower <= found.estimate <= found.upper <= 1


@pytest.mark.parametrize(("share", "products"), [(0.6, 15), (0.75, 40), (0.94, 40), (0.85, 100)])
def test_a_share_is_covered(share, products):
    rng, inside, draws = np.random.default_rng(products), 0, 2500
    for _ in range(draws):
        sizes = rng.integers(1, 8, products)
        rates = rng.beta(3 * share, 3 * (1 - share), products)
        clusters = np.repeat(np.arange(products), sizes)
        values = (rng.random(clusters.size) < rates[clusters]).astype(float)
        found = clustered_share(values, clusters)
        inside += found.lower <= share <= found.upper
    assert 0.915 <= inside / draws <= 0.98
