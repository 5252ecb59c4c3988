"""Variance beyond the binomial: found where it is and nowhere else, and what it is for."""

import numpy as np
import pytest
from scipy import special

from evaluation.metrics.ceiling import (
    AdCounts,
    Differences,
    logit_rate,
    pooled_rates,
    spread_within_products,
)
from evaluation.metrics.dispersion import NO_DAYS, DayCounts, variance_factor


def days_of(seed, *, products=200, ads=4, days=10, impressions=500, ad_day_sd=0.0, day_sd=0.0):
    """Counts of (product, ad, day) and the ads' true logits, (products, ads)."""
    rng = np.random.default_rng(seed)
    logit = special.logit(0.04) + 0.25 * rng.standard_normal((products, ads))
    shape = (products, ads, days)
    by_day = logit[..., None] + day_sd * rng.standard_normal((products, 1, days))
    by_day = by_day + ad_day_sd * rng.standard_normal(shape)
    shown = rng.poisson(impressions, shape) + 1
    clicks = rng.binomial(shown, special.expit(by_day))
    product, ad, day = (axis.ravel() for axis in np.indices(shape))
    counts = DayCounts(
        product * ads + ad, product, day, shown.ravel().astype(float), clicks.ravel().astype(float)
    )
    return counts, logit


@pytest.mark.parametrize("impressions", [30, 500])
@pytest.mark.parametrize("day_sd", [0.0, 0.4])
def test_binomial_clicks_have_a_factor_of_1(impressions, day_sd):
    found = variance_factor(days_of(0, impressions=impressions, day_sd=day_sd)[0])
    assert found.lower <= 1 <= found.upper
    assert found.estimate == pytest.approx(1, abs=0.05)


def test_more_variance_is_found():
    # Rates that differ by sd between an ad's days add the share sd^2 of the expected clicks.
    found = variance_factor(days_of(1, ad_day_sd=0.2, day_sd=0.3)[0])
    assert found.estimate == pytest.approx(1 + 0.2**2 * 500 * 0.04, rel=0.12)
    assert found.lower > 1.3


def test_some_rows_may_be_missing():
    counts, _ = days_of(2)
    kept = np.random.default_rng(0).random(counts.ad.size) < 0.6
    found = variance_factor(DayCounts(*(values[kept] for values in counts)))
    assert found.estimate == pytest.approx(1, abs=0.06)


def test_one_day_tells_nothing():
    assert variance_factor(days_of(3, days=1)[0]) == (None, None, None, NO_DAYS)
    nothing = days_of(3)[0]._replace(clicks=np.zeros(8000))
    assert variance_factor(nothing).method == NO_DAYS


@pytest.mark.slow
def test_it_covers():
    inside = 0
    for seed in range(400):
        found = variance_factor(days_of(seed, products=40)[0])
        inside += found.lower <= 1 <= found.upper
    assert 0.92 <= inside / 400 <= 0.98


def test_with_it_the_ceiling_is_what_an_oracle_reaches():
    counts, logit = days_of(5, products=3000, impressions=300, ad_day_sd=0.5)
    products, ads = logit.shape
    n, x = (np.bincount(counts.ad, v) for v in (counts.impressions, counts.clicks))
    code = np.repeat(np.arange(products), ads)
    totals = AdCounts(code, n, x, np.zeros(products, int))
    first, second = np.arange(0, n.size, ads), np.arange(1, n.size, ads)
    rate = pooled_rates(totals)
    label = np.sign(x[first] * n[second] - x[second] * n[first])
    # Noise of a day's logit moves the mean rate by the same factor for every ad.
    realised = np.mean((np.sign(logit[:, 0] - logit[:, 1]) == label)[label != 0])
    found = {}
    for factor in (1.0, variance_factor(counts).estimate):
        error = factor * (1 / n[first] + 1 / n[second]) / (rate * (1 - rate))
        apart = label * (logit_rate(x[first], n[first]) - logit_rate(x[second], n[second]))
        zero = np.zeros(products, int)
        pairs = Differences(apart, error, zero, np.arange(products))
        tau2 = spread_within_products(totals, variance_factor=factor).tau2
        found[factor] = pairs.confidence(tau2)[label != 0].mean()
    plain, corrected = found.values()
    assert plain > realised + 0.02
    assert corrected == pytest.approx(realised, abs=0.015)
