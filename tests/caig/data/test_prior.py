"""The fitted prior: it finds the spread that was put in, and posteriors of pairs are honest."""

import numpy as np
import polars as pl
import pytest
from scipy import optimize, special

from caig.contracts.creatives import CLICK_PRIOR
from caig.contracts.table import check
from caig.data.order import chance_of_order
from caig.data.prior import LEAST_SPREAD, fit_prior


def drawn(*, products, ads, spread, seed=0, n_categories=1, impressions=2000):
    """Ads of known rates; log-odds differ by ``spread`` within a product, by 0.5 between them."""
    rng = np.random.default_rng(seed)
    product = np.repeat(np.arange(products), ads)
    category = product % n_categories
    within = np.broadcast_to(spread, n_categories)[category] * rng.standard_normal(product.size)
    rate = special.expit(-3.4 + 0.5 * rng.standard_normal(products)[product] + within)
    n = np.rint(1000 + rng.exponential(impressions, product.size)).astype(int)
    frame = pl.DataFrame(
        {
            "product_id": [f"p{i:06}" for i in product],
            "category": [f"c{i:02}" for i in category],
            "n_impressions": n,
            "n_clicks": rng.binomial(n, rate),
        }
    )
    return frame, rate


@pytest.mark.parametrize("spread", [0.1, 0.3])
def test_the_spread_is_found(spread):
    frame, _ = drawn(products=4000, ads=4, spread=spread)
    found = fit_prior(frame, pooling=1.0).categories
    assert found["spread"].item() == pytest.approx(spread, rel=0.05)
    check(found, CLICK_PRIOR)
    assert found.row(0)[:5] == (
        "c00",
        4000,
        16_000,
        frame["n_impressions"].sum(),
        frame["n_clicks"].sum(),
    )


def test_likelihood_agrees():
    # Products of one known rate: the Beta-binomial likelihood in one parameter, maximised, is
    # another way to the same figure.
    rng = np.random.default_rng(5)
    n = rng.integers(1000, 5000, 6000)
    rate = rng.beta(0.04 * 600, 0.96 * 600, n.size)
    x = rng.binomial(n, rate)
    frame = pl.DataFrame(
        {
            "product_id": ["p"] * n.size,
            "category": ["c"] * n.size,
            "n_impressions": n,
            "n_clicks": x,
        }
    )
    mean = x.sum() / n.sum()

    def loss(log_s):
        a, b = mean * np.exp(log_s), (1 - mean) * np.exp(log_s)
        return -(special.betaln(a + x, b + n - x) - special.betaln(a, b)).sum()

    s = np.exp(optimize.minimize_scalar(loss, bounds=(3, 10), method="bounded").x)
    spread = fit_prior(frame, pooling=1.0).categories["spread"].item()
    assert 1 / (spread**2 * mean * (1 - mean)) - 1 == pytest.approx(s, rel=0.03)


def test_posteriors_of_pairs_are_honest():
    frame, rate = drawn(products=20_000, ads=2, spread=0.15)
    fit = fit_prior(frame, pooling=100.0)
    one, other = np.arange(0, rate.size, 2), np.arange(1, rate.size, 2)
    chance = chance_of_order(fit.a[one], fit.b[one], fit.a[other], fit.b[other])
    ctr = (frame["n_clicks"] / frame["n_impressions"]).to_numpy()
    differs = ctr[one] != ctr[other]
    is_seen_better, is_better = ctr[one] > ctr[other], rate[one] > rate[other]
    oracle = (is_seen_better == is_better)[differs].mean()
    expected = np.where(is_seen_better, chance, 1 - chance)[differs].mean()
    assert expected == pytest.approx(oracle, abs=0.012)  # 4 standard errors
    x, n = frame["n_clicks"].to_numpy(), frame["n_impressions"].to_numpy()
    flat = chance_of_order(x[one] + 1, n[one] - x[one] + 1, x[other] + 1, n[other] - x[other] + 1)
    assert np.maximum(flat, 1 - flat)[differs].mean() > oracle + 0.025  # what a flat prior claims
    for low in np.arange(0, 1, 0.1):
        inside = (chance >= low) & (chance < low + 0.1)
        error = np.sqrt(0.25 / inside.sum())
        assert abs(is_better[inside].mean() - chance[inside].mean()) < 4 * error


def test_a_small_category_is_pooled_with_all():
    frame, _ = drawn(products=4040, ads=4, spread=[0.15] * 100 + [0.15], n_categories=101)
    spreads = fit_prior(frame, pooling=100.0).categories["spread"].to_numpy()
    alone = fit_prior(frame, pooling=1e-6).categories["spread"].to_numpy()
    assert spreads.std() < 0.65 * alone.std()
    assert spreads.mean() == pytest.approx(0.15, rel=0.05)


def test_a_category_of_lone_ads_has_the_overall_spread():
    frame, _ = drawn(products=2000, ads=3, spread=0.2)
    lone = pl.DataFrame(
        {
            "product_id": ["x", "y"],
            "category": ["z"] * 2,
            "n_impressions": [2000] * 2,
            "n_clicks": [9, 0],
        }
    )
    found = fit_prior(pl.concat([frame, lone]), pooling=10.0).categories
    overall, of_lone = found["spread"]
    assert of_lone == pytest.approx(overall, rel=1e-3)


def test_ads_that_are_alike_leave_no_order():
    n = np.full(4000, 5000)
    frame = pl.DataFrame(
        {
            "product_id": [f"p{i // 4}" for i in range(4000)],
            "category": ["c"] * 4000,
            "n_impressions": n,
            "n_clicks": np.where(np.arange(4000) % 2, 150, 151),
        }
    )
    fit = fit_prior(frame, pooling=100.0)
    assert fit.categories["spread"].item() == pytest.approx(LEAST_SPREAD, rel=0.01)
    assert chance_of_order(fit.a[0], fit.b[0], fit.a[1], fit.b[1]).item() == pytest.approx(
        0.5, abs=0.01
    )


def test_products_never_clicked_take_no_part():
    frame, _ = drawn(products=500, ads=3, spread=0.2)
    idle = frame.with_columns(
        pl.lit(0, pl.Int64).alias("n_clicks"), product_id="q" + pl.col("product_id")
    )
    fit = fit_prior(pl.concat([frame, idle]), pooling=10.0)
    alone = fit_prior(frame, pooling=10.0)
    assert fit.categories["spread"].item() == pytest.approx(alone.categories["spread"].item())
    np.testing.assert_allclose(fit.a[:1500], alone.a)
    assert np.all(fit.a[1500:] == 0)
    assert np.isfinite(fit.b).all()
