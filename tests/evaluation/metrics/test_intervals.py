"""Intervals of proportions and ratios against published values and their definition."""

import numpy as np
import pytest
from scipy import stats

from evaluation.metrics.intervals import (
    clopper_pearson,
    fieller,
    jeffreys,
    on_logit_scale,
    wilson,
    wilson_at,
)


@pytest.mark.parametrize(
    ("interval", "hits", "n", "lower", "upper"),
    [
        (wilson, 83, 100, 0.744520, 0.891064),
        (clopper_pearson, 83, 100, 0.741825, 0.897735),
        (jeffreys, 83, 100, 0.747507, 0.893723),
        (wilson, 0, 20, 0.0, 0.161125),
        (clopper_pearson, 0, 20, 0.0, 0.168433),
        (wilson, 8, 10, 0.490162, 0.943318),
    ],
)
def test_known_intervals(interval, hits, n, lower, upper):
    assert interval(hits, n) == pytest.approx((lower, upper), abs=1e-6)


def test_one_sided_limits():
    assert wilson(465, 500, alpha=0.1)[0] == pytest.approx(0.9088252, abs=1e-6)
    assert clopper_pearson(465, 500, alpha=0.1)[0] == pytest.approx(0.9082599, abs=1e-6)


@pytest.mark.parametrize("interval", [wilson, clopper_pearson, jeffreys])
def test_the_sides_mirror_each_other(interval):
    for hits in range(21):
        lower, upper = interval(hits, 20)
        assert 0 <= lower <= hits / 20 <= upper <= 1
        assert interval(20 - hits, 20) == pytest.approx((1 - upper, 1 - lower), abs=1e-9)


def test_wilson_at_an_effective_size_is_wilson():
    assert wilson_at(0.83, 100, stats.norm.ppf(0.975)) == pytest.approx(wilson(83, 100))


def test_logit_scale_keeps_within_0_and_1():
    assert on_logit_scale(0.5, 1e-4) == pytest.approx((0.4999, 0.5001), abs=1e-8)
    lower, upper = on_logit_scale(0.99, 0.05)
    assert 0.3 < lower < 0.99 < upper < 1
    assert on_logit_scale(1.0, 0.1) == (1.0, 1.0)


def test_fieller_solves_its_equation():
    variances, quantile = (0.02, 0.01, 0.005), 2.1
    limits = fieller(1.0, 2.0, variances=variances, quantile=quantile)
    for ratio in limits:
        error = variances[0] - 2 * ratio * variances[2] + ratio**2 * variances[1]
        assert abs(1.0 - ratio * 2.0) == pytest.approx(quantile * error**0.5)


def test_fieller_has_no_limits_where_the_denominator_may_be_zero():
    assert fieller(1.0, 0.1, variances=(0.02, 0.01, 0.0), quantile=1.96) is None


def test_fieller_covers():
    rng, inside, draws = np.random.default_rng(0), 0, 4000
    covariance = np.array([[0.02, 0.008], [0.008, 0.03]])
    for above, below in rng.multivariate_normal([0.3, 1.0], covariance, draws):
        limits = fieller(above, below, variances=(0.02, 0.03, 0.008), quantile=1.959964)
        inside += limits is None or limits[0] <= 0.3 <= limits[1]
    assert inside / draws == pytest.approx(0.95, abs=0.012)
