"""The confidence sequence against a published case, and its error under continuous looking."""

import numpy as np
import pytest
from scipy import stats

from abtest.monitoring.mixture_test import log_likelihood_ratio
from abtest.monitoring.sequential import anytime_half_width, se_that_finds, tuned_mixture


def test_published_sequence():
    """Oracle 24, gbstats' unit test: 1396 of 3000 against 2422 of 3461, tuned at 5,000 units."""
    a, b, n, m = 2422 / 3461, 1396 / 3000, 3461, 3000
    se = np.sqrt(a * (1 - a) / n / b**2 + a**2 * b * (1 - b) / m / b**4)
    rho = np.sqrt(tuned_mixture(0.05, 1.0) / 5000)
    assert rho == pytest.approx(0.03984006677137368, abs=1e-12)
    # Their information is the number of units, ours 1 / se^2; the same mixture on either scale.
    mixture = (n + m) * rho**2 * se**2
    half = anytime_half_width(np.array([se]), 0.05, mixture)[0]
    assert a / b - 1 - half == pytest.approx(0.4009784966859415, abs=1e-9)
    assert a / b - 1 + half == pytest.approx(0.6067482066783576, abs=1e-9)
    evidence = log_likelihood_ratio(np.array([a / b - 1]), np.array([se]), mixture=mixture)[0]
    assert evidence == pytest.approx(99.66995950136, abs=1e-9)


def test_wider_than_one_planned_look_at_every_precision():
    se = np.geomspace(0.001, 1, 50)
    half = anytime_half_width(se, 0.05, tuned_mixture(0.05, 0.02))
    assert (half > stats.norm.isf(0.025) * se).all()
    assert np.isnan(anytime_half_width(np.array([np.nan]), 0.05, 1.0)[0])


def test_tightest_about_where_it_was_tuned():
    tuned = 0.02
    ratios = {
        at: anytime_half_width(np.array([tuned]), 0.05, tuned_mixture(0.05, at))[0]
        for at in (tuned / 8, tuned, tuned * 8)
    }
    assert ratios[tuned] == min(ratios.values())
    assert ratios[tuned] / tuned < 3.05


def test_continuous_looking_errs_at_most_at_the_level_where_the_fixed_interval_does_not():
    rng = np.random.default_rng(6)
    looks = np.arange(1, 1001)
    sums = rng.standard_normal((4000, looks.size)).cumsum(axis=1)
    estimate, se = sums / looks, 1 / np.sqrt(looks)
    sequence = anytime_half_width(se, 0.05, tuned_mixture(0.05, 1 / np.sqrt(300)))
    erred = (np.abs(estimate) > sequence).any(axis=1).mean()
    fixed = (np.abs(estimate) > stats.norm.isf(0.025) * se).any(axis=1).mean()
    assert erred <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 4000)
    assert fixed > 0.4


def test_se_that_finds_a_lift_finds_it_with_the_stated_power():
    se = se_that_finds(0.05, 0.05)
    assert stats.norm.sf(stats.norm.isf(0.025) - np.log(1.05) / se) == pytest.approx(0.8)
