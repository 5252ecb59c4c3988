"""Users and visits: what every simulated experiment is made of, and what make-data always drew."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy import integrate, stats

from reference_models.shop.catalogue import CATEGORIES, DRAWINGS_PER_CATEGORY, drawing_ids
from reference_models.shop.traffic import TrafficConfig, simulate_traffic
from reference_models.shop.visits import VisitsConfig, draw_users, expected_rate

SMALL = TrafficConfig(n_users=400, seed=11)


def rows_drawn_in_one_piece(config):
    """The log of make-data drawn without any of the parts that it shares; a row an impression."""
    rng = np.random.default_rng(config.seed)
    weight = 1.0 / np.arange(1, 45) ** config.category_zipf
    share = rng.permutation(weight / weight.sum())
    lifts = np.expm1(np.log1p(config.mean_lift) + config.lift_sd * rng.standard_normal(44))
    n = config.n_users
    activity = rng.gamma(config.activity_shape, 1 / config.activity_shape, n)
    propensity = rng.gamma(config.propensity_shape, 1 / config.propensity_shape, n)
    is_treated = rng.permutation(n) % 2 == 1
    user = np.repeat(np.arange(n), rng.poisson(config.impressions_per_user * activity))
    day = rng.integers(config.n_days, size=user.size)
    category = rng.choice(44, size=user.size, p=share)
    number = rng.integers(DRAWINGS_PER_CATEGORY, size=user.size)
    base = np.array([one.base_ctr for one in CATEGORIES])[category]
    lift = np.where(is_treated[user], lifts[category], 0.0)
    click = rng.random(user.size) < np.minimum(base * (1 + lift) * propensity[user], 0.9)
    arms = np.where(is_treated[user], "treatment", "control")
    products = [drawing_ids(CATEGORIES[k])[i] for k, i in zip(category, number, strict=True)]
    return pl.DataFrame(
        {
            "day": [config.first_day + timedelta(days=int(d)) for d in day],
            "arm": arms,
            "unit_id": [f"u{u:07d}" for u in user],
            "product_id": products,
            "click": click,
        }
    )


def test_make_data_draws_what_it_always_drew():
    keys = ["day", "arm", "unit_id", "product_id"]
    expected = (
        rows_drawn_in_one_piece(SMALL)
        .group_by(keys)
        .agg(n_impressions=pl.len().cast(pl.Int64), n_clicks=pl.col("click").cast(pl.Int64).sum())
    )
    log = simulate_traffic(SMALL).log
    assert_frame_equal(log.select(expected.columns).sort(keys), expected.sort(keys))
    assert log["creative_id"].equals(log["product_id"] + "-" + log["arm"])
    assert log["day"].is_sorted()


@pytest.mark.parametrize("shape", [0.02, 0.3, 1.5, 40.0])
def test_the_expected_rate_is_the_mean_over_users(shape):
    config = VisitsConfig(propensity_shape=shape)
    ctr = np.array([0.004, 0.03, 0.4, 0.95])
    # Over quantiles of the propensity: near 0 its density may have no end.
    users = stats.gamma(shape, scale=1 / shape)
    expected = [
        integrate.quad(lambda u, c=c: min(c * users.ppf(u), 0.9), 0, 1, limit=500, epsabs=1e-9)[0]
        for c in ctr
    ]
    np.testing.assert_allclose(expected_rate(ctr, config), expected, rtol=2e-4)


def test_the_expected_rate_is_the_ctr_at_the_default_shape():
    ctr = np.array([0.004, 0.03, 0.06])
    np.testing.assert_allclose(expected_rate(ctr, VisitsConfig()), ctr, rtol=1e-7)


@pytest.mark.parametrize("n_arms", [2, 3])
def test_arms_have_equally_many_users(n_arms):
    users = draw_users(VisitsConfig(n_users=1001), np.random.default_rng(0), n_arms=n_arms)
    sizes = np.bincount(users.arm, minlength=n_arms)
    assert sizes.size == n_arms
    assert sizes.max() - sizes.min() <= 1
