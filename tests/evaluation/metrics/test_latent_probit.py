"""Accuracy against the true order: its parts against quadrature, and its bias by simulation."""

import math

import numpy as np
import pytest
from pair_world import make_world
from scipy import integrate, stats

from evaluation.metrics.latent_probit import (
    AT_THE_EDGE,
    SANDWICH,
    corrected_accuracy,
    fit_slope,
    true_accuracy,
)
from evaluation.suites.scored_pairs import pair_data


def observed(seed, *, kappa, products=300, **world_settings):
    """A probit scorer in a world: credit, data, and how often it is right about the truth."""
    world = make_world(seed, products=products, categories=1, **world_settings)
    data = pair_data(world.pairs, world.ads)
    rng = np.random.default_rng([seed, 1])
    logit = dict(world.ads.select("creative_id", "true_logit").rows())
    # Noise by ad, so that the difference has unit variance on the probit scale.
    noise = {name: rng.standard_normal() / math.sqrt(2) for name in logit}
    pairs = world.pairs.select("left_id", "right_id").rows()
    true = np.array([logit[a] - logit[b] for a, b in pairs])
    said = kappa * true + np.array([noise[a] - noise[b] for a, b in pairs])
    told = np.flatnonzero(data.gold != 0)
    credit = (np.sign(said) == data.gold)[told].astype(float)
    return credit, data, told, np.mean((np.sign(said) == np.sign(true))[told])


def corrected(credit, data, told):
    return corrected_accuracy(credit, data.differences.of(told), data.spread, data.product[told])


@pytest.mark.parametrize("kappa", [-3.0, 0.0, 0.4, 8.0])
@pytest.mark.parametrize(("mean", "variance"), [(0.3, 0.04), (0.0, 0.2), (-0.1, 0.01)])
def test_the_closed_form_is_the_integral(kappa, mean, variance):
    normal = stats.norm(mean, math.sqrt(variance))
    value, _ = integrate.quad(
        lambda d: stats.norm.cdf(kappa * abs(d)) * normal.pdf(d), -5, 5, points=[0, mean], limit=200
    )
    found = true_accuracy(kappa, np.array([mean]), np.array([variance]))
    assert found[0] == pytest.approx(value, abs=1e-7)


def test_over_all_pairs_it_is_an_arctangent():
    rng = np.random.default_rng(0)
    tau, error, kappa = 0.2, 0.03, 4.0
    seen = rng.normal(0, math.sqrt(2 * tau**2 + error), 400_000)
    share = 2 * tau**2 / (2 * tau**2 + error)
    found = true_accuracy(kappa, share * seen, np.full(seen.size, share * error)).mean()
    expected = 0.5 + math.atan(kappa * math.sqrt(2) * tau) / math.pi
    assert found == pytest.approx(expected, abs=5e-4)


def test_the_slope_is_found():
    found = [fit(seed) for seed in range(8)]
    assert np.mean(found) == pytest.approx(4.0, rel=0.06)


def fit(seed):
    credit, data, told, _ = observed(seed, kappa=4.0, products=800)
    return fit_slope(credit, *data.differences.of(told).posterior(data.spread.tau2)).kappa


def test_it_is_unbiased_where_the_formulas_that_come_to_mind_are_not():
    found, truth, by_rate, by_regression = [], [], [], []
    for seed in range(12):
        credit, data, told, true = observed(
            seed, kappa=3.0, products=500, impressions=2_000, tau=0.2
        )
        differences = data.differences.of(told)
        sure = differences.confidence(data.spread.tau2)
        found.append(corrected(credit, data, told).estimate)
        truth.append(true)
        ceiling = sure.mean()
        by_rate.append((credit.mean() - (1 - ceiling)) / (2 * ceiling - 1))
        by_regression.append(
            0.5 + np.sum((2 * sure - 1) * (credit - 0.5)) / np.sum((2 * sure - 1) ** 2)
        )
    assert np.mean(found) == pytest.approx(np.mean(truth), abs=0.012)
    assert np.mean(by_rate) > np.mean(truth) + 0.02
    assert np.mean(by_regression) > np.mean(truth) + 0.03


def test_a_scorer_that_is_worse_than_chance_is_found_to_be():
    credit, data, told, _ = observed(0, kappa=4.0)
    assert corrected(1 - credit, data, told).estimate == pytest.approx(
        1 - corrected(credit, data, told).estimate, abs=1e-4
    )


def test_agreeing_with_every_label_is_no_basis_for_limits():
    _, data, told, _ = observed(0, kappa=4.0, products=20)
    found = corrected(np.ones(told.size), data, told)
    assert found.estimate > 0.99
    assert (found.lower, found.upper, found.method) == (None, None, AT_THE_EDGE)


@pytest.mark.slow
@pytest.mark.parametrize(("products", "impressions"), [(60, 5_000), (150, 2_000)])
def test_it_covers(products, impressions):
    settings = {"kappa": 4.0, "impressions": impressions, "tau": 0.25}
    truth = np.mean([observed(s, products=3000, **settings)[3] for s in range(2)])
    inside, draws = 0, 300
    for seed in range(draws):
        credit, data, told, _ = observed(seed + 10, products=products, **settings)
        found = corrected(credit, data, told)
        assert found.method == SANDWICH
        inside += found.lower <= truth <= found.upper
    assert 0.91 <= inside / draws <= 0.985
