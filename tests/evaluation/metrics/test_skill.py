"""Skill share and ceiling: against a bootstrap that refits everything, and coverage."""

import numpy as np
import pytest
from pair_world import make_world, noisy_logits

from evaluation.metrics.ceiling import AdCounts, spread_within_products
from evaluation.metrics.skill import (
    NO_SPREAD,
    ONE_PRODUCT,
    UNBOUNDED,
    ceiling_of,
    skill_share,
)
from evaluation.suites.scored_pairs import pair_data


def scored(seed, noise=0.2, **settings):
    """Credit, data and pairs with a label, of a scorer with noise."""
    world = make_world(seed, **settings)
    data = pair_data(world.pairs, world.ads)
    said = noisy_logits(world.ads, noise, seed + 1)
    apart = [said[a] - said[b] for a, b in world.pairs.select("left_id", "right_id").rows()]
    told = np.flatnonzero(data.gold != 0)
    return (np.sign(apart) == data.gold)[told].astype(float), data, told, world


def analysed(credit, data, told):
    ceiling = ceiling_of(data.differences.of(told), data.spread, data.product[told])
    return ceiling.interval, skill_share(credit, ceiling, data.product[told])


def test_an_oracle_of_the_labels_is_above_1_and_chance_is_0():
    credit, data, told, _ = scored(0)
    ceiling, best = analysed(np.ones(told.size), data, told)
    assert best.estimate == pytest.approx(0.5 / (ceiling.estimate - 0.5))
    assert best.estimate > 1
    coin = np.random.default_rng(0).integers(0, 2, told.size).astype(float)
    _, none = analysed(coin, data, told)
    assert none.lower < 0 < none.upper
    assert 0.2 < analysed(credit, data, told)[1].estimate < 1


def test_it_is_the_bootstrap_of_products_with_the_spread_fitted_anew():
    credit, data, told, world = scored(1, products=150, categories=1)
    ceiling, skill = analysed(credit, data, told)
    # The same, by drawing products.
    ads = world.ads.with_row_index("at")
    rows_of = ads.group_by("product_id", maintain_order=True).agg("at")["at"].to_list()
    names = ads["product_id"].unique(maintain_order=True).sort().to_list()
    order = ads["product_id"].unique(maintain_order=True).to_list()
    by_code = [np.array(rows_of[order.index(name)]) for name in names]
    pairs_of = [np.flatnonzero(data.product[told] == k) for k in range(len(names))]
    impressions = ads["n_impressions"].to_numpy().astype(float)
    clicks = ads["n_clicks"].to_numpy().astype(float)
    rng, ceilings, skills = np.random.default_rng(0), [], []
    for _ in range(400):
        drawn = rng.integers(len(names), size=len(names))
        rows = np.concatenate([by_code[k] for k in drawn])
        product = np.repeat(np.arange(len(names)), [by_code[k].size for k in drawn])
        counts = AdCounts(product, impressions[rows], clicks[rows], np.zeros(len(names), int))
        tau2 = spread_within_products(counts).tau2
        chosen = np.concatenate([pairs_of[k] for k in drawn])
        best = data.differences.of(told[chosen]).confidence(tau2).mean()
        ceilings.append(best)
        skills.append((credit[chosen].mean() - 0.5) / (best - 0.5))
    assert np.std(ceilings) == pytest.approx((ceiling.upper - ceiling.lower) / 3.95, rel=0.15)
    assert np.std(skills) == pytest.approx((skill.upper - skill.lower) / 3.95, rel=0.15)


def test_no_spread_no_skill():
    for seed in range(20):
        credit, data, told, _ = scored(seed, tau=0.0, products=40, categories=1)
        if data.spread.pooled <= 0:
            ceiling, skill = analysed(credit, data, told)
            assert ceiling[1:] == (None, None, NO_SPREAD)
            assert ceiling.estimate == 0.5
            assert skill == (None, None, None, NO_SPREAD)
            return
    pytest.fail("chance alone never gave less spread than expected")


def test_a_ceiling_that_may_be_chance_bounds_nothing():
    unbounded = 0
    for seed in range(20):
        credit, data, told, _ = scored(seed, products=6, impressions=400, categories=1)
        _, skill = analysed(credit, data, told)
        if skill.method == UNBOUNDED:
            unbounded += 1
            assert skill.estimate is not None
            assert (skill.lower, skill.upper) == (None, None)
    assert 1 <= unbounded < 20


def test_one_product_has_no_limits():
    credit, data, told, _ = scored(3, products=1, per_product=6, categories=1)
    ceiling, skill = analysed(credit, data, told)
    assert ceiling[1:] == skill[1:] == (None, None, ONE_PRODUCT)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("products", "impressions", "categories"), [(60, 5_000, 1), (150, 5_000, 10), (80, 1_500, 1)]
)
def test_limits_cover(products, impressions, categories):
    settings = {"impressions": impressions, "tau": 0.25, "categories": categories}
    accuracy, best = [], []
    for seed in range(3):
        credit, data, told, world = scored(seed, products=3000, **settings)
        logit = dict(world.ads.select("creative_id", "true_logit").rows())
        pairs = world.pairs.select("left_id", "right_id").rows()
        true = np.sign([logit[a] - logit[b] for a, b in pairs])
        accuracy.append(credit.mean())
        best.append(np.mean((true == data.gold)[told]))
    best_true = np.mean(best)
    skill_true = (np.mean(accuracy) - 0.5) / (best_true - 0.5)
    inside, draws = np.zeros(2), 300
    for seed in range(draws):
        ceiling, skill = analysed(*scored(seed + 100, products=products, **settings)[:3])
        inside += [
            ceiling.lower <= best_true <= ceiling.upper,
            skill.lower <= skill_true <= skill.upper,
        ]
    assert np.all(inside / draws >= 0.91), inside / draws
    assert np.all(inside / draws <= 0.985), inside / draws
