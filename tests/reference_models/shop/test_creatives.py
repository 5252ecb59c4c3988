"""The shop's ads: as many as asked for, stable, and treatment's lifts the doing of its pictures."""

import numpy as np
import polars as pl
import pytest

from reference_models.shop.catalogue import CATEGORIES
from reference_models.shop.creatives import AdsConfig, earlier_ads, experiment_ads, random_look
from reference_models.shop.products import BLIND_TITLE_SHARE, shop_products
from reference_models.shop.traffic import TrafficConfig, drawn_lifts, simulate_traffic
from reference_models.shop.truth import suits, true_ctr
from reference_models.shop.vocabulary import SCENES

PRODUCTS = shop_products()


def test_four_products_a_category_in_three_splits():
    assert len(PRODUCTS) == 4 * len(CATEGORIES)
    assert [p.split for p in PRODUCTS[:4]] == ["train", "train", "val", "test"]
    assert len({p.product_id for p in shop_products(3)}) == 12 * len(CATEGORIES)


def test_a_drawing_stays_in_one_split():
    splits = {}
    for product in shop_products(5):
        splits.setdefault(product.drawing_id, set()).add(product.split)
    assert {len(found) for found in splits.values()} == {1}


def test_some_titles_do_not_say_what_the_thing_is():
    many = shop_products(20)
    said = {p.drawing_id: p.title.split(", edition")[0] for p in many}
    assert len(said) == len(PRODUCTS)
    titles = pl.DataFrame(
        [(p.drawing_id, p.title.split(", edition")[0]) for p in many],
        schema=["drawing", "title"],
        orient="row",
    )
    shares = titles.group_by("drawing").agg(share=pl.col("title").unique_counts().min() / 20)
    is_split = titles.group_by("drawing").agg(n=pl.col("title").n_unique()).filter(pl.col("n") == 2)
    rare = shares.join(is_split, on="drawing")["share"].sum() / len(PRODUCTS)
    assert rare == pytest.approx(BLIND_TITLE_SHARE, abs=0.02)


def test_earlier_ads_differ_and_do_not_depend_on_other_products():
    config = AdsConfig(per_product=5)
    ads = earlier_ads(PRODUCTS, config, seed=3)
    assert len({ad.creative_id for ad in ads}) == 5 * len(PRODUCTS)
    for start in range(0, len(ads), 5):
        assert len({ad.look for ad in ads[start : start + 5]}) == 5
    assert earlier_ads(PRODUCTS[7:9], config, seed=3) == ads[35:45]
    assert earlier_ads(PRODUCTS[7:9], config, seed=4) != ads[35:45]


def test_the_share_of_suitable_scenes_is_the_one_asked_for():
    for share in (0.0, 0.5, 1.0):
        ads = earlier_ads(PRODUCTS, AdsConfig(per_product=8, suitable_share=share), seed=1)
        found = np.mean([suits(ad.product.category.name, ad.look.scene) for ad in ads])
        assert found == pytest.approx(share + (1 - share) * 0.12, abs=0.03)


def test_an_ads_rate_is_the_click_models():
    for ad in earlier_ads(PRODUCTS[:3], AdsConfig(), seed=1):
        key = f"{ad.product.product_id} {'/'.join(ad.look)} {ad.seed}"
        assert ad.true_ctr == true_ctr(
            ad.look,
            category=ad.product.category.name,
            product_id=ad.product.product_id,
            ad_id=key,
        )


def test_treatments_ads_give_the_lifts_asked_for():
    config = TrafficConfig()
    lifts = drawn_lifts(config)
    control, treatment = experiment_ads(PRODUCTS, lifts.tolist(), seed=config.seed)
    found = np.array([t.true_ctr / c.true_ctr - 1 for c, t in zip(control, treatment, strict=True)])
    assert np.abs(found - np.repeat(lifts, 4)).mean() < 0.02
    assert np.corrcoef(found, np.repeat(lifts, 4))[0, 1] > 0.9


def test_no_lift_means_the_same_picture():
    control, treatment = experiment_ads(PRODUCTS, [0.0] * 44, seed=1)
    for one, other in zip(control, treatment, strict=True):
        assert one.look == other.look
        assert one.seed == other.seed
        assert one.true_ctr == other.true_ctr
        assert one.creative_id != other.creative_id


def test_a_log_of_ads_keeps_their_rates():
    config = TrafficConfig(n_users=100_000, seed=5)
    arms = experiment_ads(PRODUCTS, drawn_lifts(config).tolist(), seed=5)
    log, truth = simulate_traffic(config, arms)
    rates = {ad.creative_id: ad.true_ctr for arm in arms for ad in arm}
    assert set(log["creative_id"]) <= set(rates)
    found = log.group_by("creative_id").agg(pl.col("n_impressions").sum(), pl.col("n_clicks").sum())
    expected = sum(rates[i] * n for i, n, _ in found.iter_rows())
    assert found["n_clicks"].sum() == pytest.approx(expected, rel=0.02)
    category = truth.row(7, named=True)
    of_category = [
        ad.true_ctr for ad in arms[1] if ad.product.category.name == category["category"]
    ]
    assert category["treatment_ctr"] == pytest.approx(np.mean(of_category))


def test_random_looks_are_even():
    rng = np.random.default_rng(0)
    scenes = [random_look(rng).scene for _ in range(24_000)]
    counts = np.array([scenes.count(scene) for scene in SCENES])
    assert ((counts - 1000) ** 2 / 1000).sum() < 49.7  # chi-squared, 23 degrees, p = .001
