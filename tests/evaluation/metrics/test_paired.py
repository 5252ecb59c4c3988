"""Comparisons of two scorers: published values, power, and error rates by simulation."""

import numpy as np
import pytest

from evaluation.metrics.paired import (
    benjamini_hochberg,
    holm,
    items_needed,
    mcnemar,
    paired_bootstrap,
    paired_difference,
    power_of,
    sign_test,
    smallest_found,
)


@pytest.mark.parametrize(
    ("only_first", "only_second", "exact", "corrected", "chi_square"),
    [
        (4, 3, 1.0, 1.0, 0.705457),
        (30, 23, 0.410103, 0.409847, 0.336289),
        (29, 27, 0.893853, 0.893695, 0.789268),
        (39, 26, 0.136032, 0.136641, 0.106864),
        (10, 2, 0.038574, 0.043308, 0.020921),
    ],
)
def test_mcnemar(only_first, only_second, exact, corrected, chi_square):
    found = mcnemar(only_first, only_second)
    assert found == pytest.approx((exact, corrected, chi_square), abs=1e-6)
    assert mcnemar(only_second, only_first) == pytest.approx(found)


def test_mcnemar_of_scorers_that_never_differ():
    assert mcnemar(0, 0) == (1.0, 1.0, 1.0)


def test_the_sign_test_of_flips():
    assert sign_test(30, 37) == pytest.approx(1.9e-4, abs=5e-6)
    assert sign_test(0, 0) == 1.0


def test_corrections():
    p_values = [0.01, 0.02, 0.03, 0.04]
    assert holm(p_values) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert holm(p_values[::-1]) == pytest.approx([0.06, 0.06, 0.06, 0.04])
    assert benjamini_hochberg(p_values) == pytest.approx([0.04] * 4)
    assert holm([]) == benjamini_hochberg([]) == []


def test_paired_t_without_clusters():
    first = np.array([1, 1, 1, 0, 1, 0, 1, 1], float)
    second = np.array([1, 0, 1, 0, 0, 0, 1, 0], float)
    found = paired_difference(first - second, np.arange(8))
    assert found.difference == 0.375
    assert found.standard_error == pytest.approx(0.1829812637, abs=1e-10)
    assert found.t == pytest.approx(2.0493901532, abs=1e-9)
    assert found.p_value == pytest.approx(0.0796020125, abs=1e-9)
    assert found.lower < 0 < found.upper


def test_power_and_items_needed():
    assert items_needed(0.03, sd=0.5, correlation=0.5) == 2181
    error = 0.5 / 500**0.5
    assert power_of(0.03, error) == pytest.approx(0.2682, abs=5e-5)
    assert smallest_found(error) == pytest.approx(0.0626, abs=5e-5)
    assert power_of(smallest_found(error), error) == pytest.approx(0.8)


def test_what_cannot_be_tested_is_none():
    assert paired_difference(np.array([]), np.array([], int)) is None
    assert paired_difference(np.ones(5), np.zeros(5, int)) is None
    assert paired_difference(np.zeros(5), np.arange(5)) is None


def test_the_bootstrap_agrees_with_t_where_there_are_many_products():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(400), 5)
    differences = rng.integers(-1, 2, 2000) + rng.normal(0, 0.5, 400)[clusters] + 0.1
    found = paired_difference(differences, clusters)
    lower, upper = paired_bootstrap(differences, clusters, n_draws=4000, seed=1)
    assert (lower, upper) == pytest.approx((found.lower, found.upper), abs=0.006)
    assert (lower, upper) == paired_bootstrap(differences, clusters, n_draws=4000, seed=1)
    assert (lower, upper) != paired_bootstrap(differences, clusters, n_draws=4000, seed=2)


@pytest.mark.slow
def test_the_clustered_test_keeps_its_level_and_mcnemar_does_not():
    rng, draws, clustered, plain, covered = np.random.default_rng(0), 1500, 0, 0, 0
    for _ in range(draws):
        # Two scorers of equal worth, each good at other products.
        chance = np.clip(rng.normal(0.7, 0.25, (2, 40)), 0, 1)
        clusters = np.repeat(np.arange(40), 15)
        right = rng.random((2, 600)) < chance[:, clusters]
        apart = right[0].astype(float) - right[1]
        clustered += paired_difference(apart, clusters).p_value < 0.05
        plain += mcnemar(int((apart > 0).sum()), int((apart < 0).sum())).exact < 0.05
        lower, upper = paired_bootstrap(apart, clusters, n_draws=300, seed=0)
        covered += lower <= 0 <= upper
    assert 0.035 <= clustered / draws <= 0.067
    assert plain / draws > 0.15
    assert covered / draws > 0.91
