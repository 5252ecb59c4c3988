"""The ceiling: closed form, spread, and the oracle's realised accuracy in worlds of known truth."""

import numpy as np
import polars as pl
import pytest
from pair_world import all_pairs, make_world
from scipy import special

from evaluation.metrics.ceiling import (
    AdCounts,
    planned_ceiling,
    spread_within_products,
    tau2_gradient,
)
from evaluation.suites.scored_pairs import pair_data

RULES = {"any": (1.0, np.inf), "ge_20": (1.2, np.inf), "caig_5_20": (1.05, 1.2)}


def kept(pairs, rule):
    lower, upper = RULES[rule]
    rates = pl.max_horizontal("left_ctr", "right_ctr"), pl.min_horizontal("left_ctr", "right_ctr")
    return pairs.filter((rates[0] / rates[1]).is_between(lower, upper))


def estimated_and_realised(ads, pairs, truth):
    """Ceiling from counts alone, and how often the truth agrees with the labels."""
    data = pair_data(pairs, ads)
    told = data.gold != 0
    right = np.sign([truth[a] - truth[b] for a, b in pairs.select("left_id", "right_id").rows()])
    sure = data.differences.confidence(data.spread.tau2)
    return sure[told].mean(), np.mean(right[told] == data.gold[told])


@pytest.mark.parametrize(
    ("ctr", "impressions", "tau", "ceiling", "simulated", "ties"),
    [
        (0.03, 1_000, 0.10, 0.6616, 0.6652, 0.046),
        (0.03, 10_000, 0.10, 0.8354, 0.8349, 0.009),
        (0.03, 100_000, 0.10, 0.9434, 0.9414, 0.001),
        (0.05, 2_000, 0.20, 0.8557, 0.8539, 0.013),
        (0.01, 5_000, 0.15, 0.7602, 0.7664, 0.028),
    ],
)
def test_the_planned_ceiling(*, ctr, impressions, tau, ceiling, simulated, ties):
    assert planned_ceiling(ctr, impressions, tau) == pytest.approx(ceiling, abs=5e-5)
    rng = np.random.default_rng(0)
    logits = special.logit(ctr) + tau * rng.standard_normal((2, 200_000))
    clicks = rng.binomial(impressions, special.expit(logits))
    told = clicks[0] != clicks[1]
    right = (logits[0] > logits[1]) == (clicks[0] > clicks[1])
    assert right[told].mean() == pytest.approx(simulated, abs=0.004)
    assert 1 - told.mean() == pytest.approx(ties, abs=0.0015)


@pytest.mark.parametrize("per_product", [2, 6])
def test_the_spread_is_found(per_product):
    found = []
    for seed in range(12):
        world = make_world(seed, products=800, per_product=per_product, tau=0.15, categories=1)
        found.append(pair_data(world.pairs).spread.pooled)
    assert np.mean(found) ** 0.5 == pytest.approx(0.15, abs=0.004)


def test_categories_keep_their_own_spread_as_far_as_they_can_show_it():
    calm = make_world(1, products=300, tau=0.1, categories=1).ads
    wild = make_world(2, products=300, tau=0.4, categories=1).ads
    wild = wild.with_columns(
        pl.format("w{}", "creative_id").alias("creative_id"),
        pl.format("w{}", "product_id").alias("product_id"),
        pl.lit("wild").alias("category"),
    )
    few = make_world(3, products=3, tau=0.25, categories=1).ads.with_columns(
        pl.format("f{}", "creative_id").alias("creative_id"),
        pl.format("f{}", "product_id").alias("product_id"),
        pl.lit("few").alias("category"),
    )
    spread = pair_data(all_pairs(pl.concat([calm, wild, few]))).spread
    calm_tau, few_tau, wild_tau = np.sqrt(spread.tau2)  # by name: cat0, few, wild
    assert calm_tau == pytest.approx(0.1, abs=0.015)
    assert wild_tau == pytest.approx(0.4, abs=0.03)
    assert spread.own_weight[1] < min(spread.own_weight[[0, 2]])
    assert calm_tau < few_tau < wild_tau


def test_ads_that_differ_no_more_than_chance_have_no_ceiling_to_speak_of():
    pooled = [
        pair_data(make_world(seed, tau=0.0, products=200, categories=1).pairs).spread.pooled
        for seed in range(20)
    ]
    assert abs(np.mean(pooled)) < 0.0004
    assert min(pooled) < 0 < max(pooled)


def test_one_ad_a_product_tells_nothing():
    counts = AdCounts(np.arange(3), np.full(3, 100.0), np.ones(3), np.zeros(3, int))
    assert spread_within_products(counts) is None


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("impressions", "tau"), [(4_000, 0.2), (20_000, 0.3), (1_500, 0.3)])
def test_the_ceiling_is_what_an_oracle_reaches(impressions, tau, rule):
    found = []
    for seed in range(100, 112):
        world = make_world(seed, products=500, impressions=impressions, tau=tau, categories=5)
        truth = dict(world.ads.select("creative_id", "true_logit").rows())
        found.append(estimated_and_realised(world.ads, kept(world.pairs, rule), truth))
    estimated, realised = np.mean(found, axis=0)
    assert estimated == pytest.approx(realised, abs=0.01 if rule == "caig_5_20" else 0.006)


def test_a_flat_prior_promises_too_much():
    world = make_world(5, products=1500, impressions=3_000, tau=0.15, categories=1)
    truth = dict(world.ads.select("creative_id", "true_logit").rows())
    estimated, realised = estimated_and_realised(world.ads, world.pairs, truth)
    data = pair_data(world.pairs)
    flat = data.differences.confidence(np.array([1e6]))[data.gold != 0].mean()
    assert estimated == pytest.approx(realised, abs=0.01)
    assert flat > realised + 0.03


def test_selected_pairs_need_all_ads():
    world = make_world(6, products=1500, impressions=3_000, tau=0.15, categories=1)
    chosen = kept(world.pairs, "caig_5_20")
    of_all = pair_data(chosen, world.ads).spread.pooled
    of_chosen = pair_data(chosen).spread.pooled
    assert of_all == pytest.approx(0.15**2, rel=0.12)
    assert abs(of_chosen - 0.15**2) > abs(of_all - 0.15**2)


def test_variance_beyond_the_binomial_lowers_the_ceiling():
    world = make_world(7, products=500, categories=1)
    plain, wider = (pair_data(world.pairs, variance_factor=f) for f in (1.0, 1.5))
    assert wider.spread.pooled < plain.spread.pooled
    means = [d.differences.confidence(d.spread.tau2).mean() for d in (plain, wider)]
    assert means[1] < means[0]


def test_the_gradient_is_that_of_the_sum():
    data = pair_data(make_world(8, products=50, categories=3).pairs)
    at = data.spread.tau2
    slopes = tau2_gradient(at, data.category, data.differences.confidence)
    for place in range(3):
        step = np.zeros(3)
        step[place] = 1e-5
        rise = data.differences.confidence(at + step) - data.differences.confidence(at - step)
        assert slopes[place] == pytest.approx(rise.sum() / 2e-5, rel=1e-3)


@pytest.mark.parametrize(("impressions", "within"), [(20_000, 0.004), (4_000, 0.008)])
def test_the_ceiling_of_the_shop_world(impressions, within):
    # What make-data knows and the estimate does not: the true rates.
    from reference_models.shop.ceiling import label_ceiling
    from reference_models.shop.creatives import AdsConfig, earlier_ads
    from reference_models.shop.products import shop_products
    from reference_models.shop.world import counts_table, truth_table

    config = AdsConfig(per_product=6, variants=4, mean_impressions=impressions)
    drawn = earlier_ads(shop_products(config.variants), config, seed=1)
    ads = truth_table(drawn).join(counts_table(drawn, config, seed=1), on="creative_id")
    shown = ads.filter((pl.col("n_impressions") > 1000) & (pl.col("n_clicks") > 0))
    true = dict(label_ceiling(ads).select("slice", "estimate").rows())
    for rule in RULES:
        pairs = kept(all_pairs(shown), rule)
        data = pair_data(pairs, shown)
        told = data.gold != 0
        ceiling = data.differences.confidence(data.spread.tau2)[told].mean()
        assert ceiling == pytest.approx(true[f"filter={rule}"], abs=within), rule
