"""The online experiment: its truth is what its log tends to, and what lift then estimates."""

import numpy as np
import polars as pl
import pytest
from online_world import arm, products_of

from abtest.config import Analysis, Design, LiftConfig
from abtest.counting.counts import UnitCounts
from abtest.lift import analyse_lift
from caig.contracts.experiments import ALL_CATEGORIES, IMPRESSION_LOG
from caig.contracts.online import ONLINE_ADS, ONLINE_TRUTH
from caig.contracts.table import check
from caig.errors import DataError
from reference_models.shop.creatives import random_look
from reference_models.shop.online import OnlineConfig, simulate_online
from reference_models.shop.oracle import ctr_of_ad, ctr_of_look
from reference_models.shop.truth import SUITABLE, true_ctr, true_logit
from reference_models.shop.vocabulary import LIGHTS, PALETTES, SCENES, Look

PRODUCTS = products_of()
FEW = OnlineConfig(n_users=600)


def random_arm(name, seed, products=PRODUCTS, *, per_product=2):
    rng = np.random.default_rng(seed)
    ids = [i for i in products["product_id"] for _ in range(per_product)]
    return arm(name, [(product_id, random_look(rng)) for product_id in ids])


def best_arm(name):
    """The look of highest true CTR for each product, twice."""
    looks = [Look(s, light, p) for s in SCENES for light in LIGHTS for p in PALETTES]
    best = {}
    for product_id, category in PRODUCTS.select("product_id", "category").iter_rows():
        if category not in best:  # the product adds the same to all looks

            def rate(look, product_id=product_id, category=category):
                return true_logit(look, category=category, product_id=product_id)

            best[category] = max(looks, key=rate)
    rows = PRODUCTS.select("product_id", "category").iter_rows()
    return arm(name, [(i, best[category]) for i, category in rows for _ in range(2)])


def lifts(log, control):
    """``lift_table/1`` of a log, through the counts and sums of ``caig lift``."""
    names = {"n": "n_impressions", "c": "n_clicks"}
    rows = log.select("experiment_id", "arm", "unit_id", "category", "day", **names)
    config = LiftConfig(
        design=Design(control=control), analysis=Analysis(one_arm_categories="report")
    )
    return analyse_lift(UnitCounts.from_rows(rows), config, with_details=False).lift_table


def overall(table):
    return table.filter(pl.col("category") == ALL_CATEGORIES)


# The truth


def test_the_truth_of_a_small_shop_by_hand():
    mugs = products_of("Mugs").filter(pl.col("product_id").is_in(["mugs-1", "mugs-2"]))
    shop = pl.concat([mugs, products_of("Hats").filter(pl.col("product_id") == "hats-1")])
    cafe, desert = Look("cafe table", "night"), Look("desert", "mist", "vivid colours")
    control = arm("base", [("mugs-1", cafe), ("mugs-2", desert), ("hats-1", None)])
    treatment = arm(
        "dpo",
        [
            ("mugs-1", cafe),
            ("mugs-1", desert),
            ("mugs-1", desert),
            ("mugs-2", cafe),
            ("hats-1", desert),
        ],
    )
    traffic = simulate_online(FEW, shop, [control, treatment])

    def ctr(product_id, category, look):
        ad_id = f"{product_id} {'/'.join(look)} 42"
        return true_ctr(look, category=category, product_id=product_id, ad_id=ad_id)

    bare = ctr_of_ad(None, category="Hats", product_id="hats-1", seed=42)
    # Noise is small beside what separates a bare backdrop from other looks.
    assert bare == pytest.approx(ctr_of_look(None, category="Hats", product_id="hats-1"), rel=0.15)
    mug = {(i, look): ctr(i, "Mugs", look) for i in ("mugs-1", "mugs-2") for look in (cafe, desert)}
    one, two = "mugs-1", "mugs-2"
    mugs_base = (mug[one, cafe] + mug[two, desert]) / 2
    mugs_dpo = ((mug[one, cafe] + 2 * mug[one, desert]) / 3 + mug[two, cafe]) / 2
    hats_dpo = ctr("hats-1", "Hats", desert)

    truth = {(row["arm"], row["category"]): row for row in traffic.truth.to_dicts()}
    share = truth["base", "Hats"]["traffic_share"]
    assert 0 < share < 1
    assert truth["dpo", "Mugs"]["traffic_share"] == pytest.approx(1 - share)
    expected = {
        ("base", "Mugs"): mugs_base,
        ("dpo", "Mugs"): mugs_dpo,
        ("base", "Hats"): bare,
        ("dpo", "Hats"): hats_dpo,
        ("base", ALL_CATEGORIES): share * bare + (1 - share) * mugs_base,
        ("dpo", ALL_CATEGORIES): share * hats_dpo + (1 - share) * mugs_dpo,
    }
    assert set(truth) == set(expected)
    for (name, category), rate in expected.items():
        row = truth[name, category]
        assert row["true_ctr"] == pytest.approx(rate, rel=1e-9)
        assert row["rel_lift"] == pytest.approx(rate / expected["base", category] - 1, abs=1e-9)
    assert truth["dpo", "Mugs"]["suits_share"] == pytest.approx((1 / 3 + 1) / 2)
    assert truth["base", ALL_CATEGORIES]["bare_share"] == pytest.approx(share)
    assert "cafe table" in SUITABLE["Mugs"]
    assert "desert" not in SUITABLE["Mugs"]
    assert truth["dpo", ALL_CATEGORIES]["n_creatives"] == 5
    assert truth["base", ALL_CATEGORIES]["n_products"] == 3


def test_tables_keep_their_contracts():
    traffic = simulate_online(FEW, PRODUCTS, [random_arm(n, s) for n, s in (("a", 1), ("b", 2))])
    check(traffic.log, IMPRESSION_LOG)
    check(traffic.ads, ONLINE_ADS)
    check(traffic.truth, ONLINE_TRUTH)
    assert set(traffic.log["creative_id"]) <= set(traffic.ads["creative_id"])
    assert traffic.truth.height == 2 * 45
    assert traffic.left_out == ()


def test_observed_rates_tend_to_the_truth():
    arms = [random_arm("a", 1), best_arm("b"), random_arm("c", 3, per_product=3)]
    traffic = simulate_online(OnlineConfig(n_users=60_000), PRODUCTS, arms)
    key = ["arm", "category"]
    sums = traffic.log.group_by(key).agg(
        n=pl.col("n_impressions").sum(), c=pl.col("n_clicks").sum()
    )
    both = sums.join(traffic.truth, on=key)
    assert both.height == 3 * 44
    z = both.select(
        (pl.col("c") - pl.col("n") * pl.col("true_ctr"))
        / (pl.col("n") * pl.col("true_ctr") * (1 - pl.col("true_ctr"))).sqrt()
    ).to_series()
    # Clicks of a user are alike, so a little more than 1.
    assert abs(z.mean()) < 0.35
    assert 0.85 < z.std() < 1.4
    assert z.abs().max() < 4.6
    whole = overall(traffic.truth).sort("arm")["true_ctr"].to_numpy()
    rates = traffic.log.group_by("arm").agg(
        pl.col("n_clicks").sum() / pl.col("n_impressions").sum()
    )
    np.testing.assert_allclose(rates.sort("arm")["n_clicks"], whole, rtol=0.06)


def test_equal_arms_have_no_lift_at_all():
    looks = random_arm("a", 1).ads
    arms = [arm(name, [(ad.product_id, ad.look) for ad in looks]) for name in ("a", "b", "c")]
    truth = simulate_online(FEW, PRODUCTS, arms).truth
    assert truth["rel_lift"].to_list() == [0.0] * (3 * 45)
    assert truth["true_ctr"].n_unique() > 40


def test_the_truth_knows_no_names_and_no_other_words():
    looks = [(ad.product_id, ad.look) for ad in random_arm("a", 1).ads]
    one = arm("a", looks)
    said = one._replace(
        ads=tuple(ad._replace(prompt="other", creative_id="x" + ad.creative_id) for ad in one.ads)
    )
    truths = [simulate_online(FEW, PRODUCTS, [random_arm("base", 2), a]).truth for a in (one, said)]
    assert truths[0].equals(truths[1])


# Who is shown what


def test_a_product_is_shown_in_all_arms_or_in_none():
    mugs = products_of("Mugs", "Hats")
    some = mugs.filter(pl.col("product_id") != "mugs-3")
    arms = [random_arm("a", 1, mugs), random_arm("b", 2, some, per_product=1)]
    traffic = simulate_online(OnlineConfig(n_users=2000), mugs, arms)
    assert traffic.left_out == ("mugs-3",)
    assert set(traffic.log["product_id"]) == set(some["product_id"])
    shown = traffic.log.group_by("arm", "product_id").agg(pl.col("creative_id").n_unique())
    counts = dict(shown.group_by("arm").agg(pl.col("creative_id").max()).iter_rows())
    assert counts == {"a": 2, "b": 1}


def test_categories_without_products_have_no_traffic_and_the_others_keep_their_proportions():
    small, whole = (
        simulate_online(FEW, shop, [random_arm("a", 1, shop), random_arm("b", 2, shop)]).truth
        for shop in (products_of("Mugs", "Hats", "Tents"), PRODUCTS)
    )
    assert set(small["category"]) == {"Mugs", "Hats", "Tents", ALL_CATEGORIES}
    both = small.join(whole, on=["arm", "category"]).filter(pl.col("category") != ALL_CATEGORIES)
    ratio = both["traffic_share"] / both["traffic_share_right"]
    assert ratio.to_list() == pytest.approx([ratio[0]] * 6)


def test_a_unit_keeps_its_arm_and_sees_the_ads_of_it_only():
    arms = [random_arm(name, seed) for name, seed in (("a", 1), ("b", 2), ("c", 3))]
    log = simulate_online(OnlineConfig(n_users=3000), PRODUCTS, arms).log
    assert log.group_by("unit_id").agg(pl.col("arm").n_unique())["arm"].max() == 1
    assert log["creative_id"].str.split("/").list.first().equals(log["arm"])
    assert log["day"].n_unique() == 7
    ads = log.group_by("arm", "product_id").agg(pl.col("creative_id").n_unique())
    assert ads["creative_id"].max() == 2


def test_same_seed_same_log():
    arms = [random_arm("a", 1), random_arm("b", 2)]
    one, again = (simulate_online(FEW, PRODUCTS, arms) for _ in range(2))
    other = simulate_online(OnlineConfig(n_users=600, seed=3), PRODUCTS, arms)
    assert one.log.equals(again.log)
    assert not one.log.equals(other.log)


def test_arms_that_share_no_product_are_refused():
    arms = [random_arm("a", 1, products_of("Mugs")), random_arm("b", 2, products_of("Hats"))]
    with pytest.raises(DataError, match="share no product"):
        simulate_online(FEW, PRODUCTS, arms)


def test_a_category_of_another_world_is_refused():
    strange = PRODUCTS.with_columns(category=pl.lit("Sausages"))
    with pytest.raises(DataError, match="'Sausages' is not of the shop world"):
        simulate_online(FEW, strange, [random_arm("a", 1), random_arm("b", 2)])


# What lift makes of it


def test_a_better_generator_is_found():
    traffic = simulate_online(
        OnlineConfig(n_users=20_000), PRODUCTS, [random_arm("base", 1), best_arm("best")]
    )
    (row,) = overall(lifts(traffic.log, "base")).to_dicts()
    (planted,) = overall(traffic.truth).filter(pl.col("arm") == "best")["rel_lift"]
    assert planted > 0.2
    assert row["verdict"] == "win"
    assert row["rel_lift_ci_lower"] <= planted <= row["rel_lift_ci_upper"]


@pytest.mark.slow
def test_intervals_hold_the_planted_lift_as_often_as_they_promise():
    arms = [random_arm("base", 1), random_arm("same", 2), best_arm("best")]
    held = 0
    n = 100
    for seed in range(n):
        traffic = simulate_online(OnlineConfig(n_users=2000, seed=seed), PRODUCTS, arms)
        # How much each category counts is drawn with the seed, and so is the overall truth.
        truth = traffic.truth.select("arm", "category", planted="rel_lift")
        table = lifts(traffic.log, "base").with_columns(
            arm=pl.col("contrast").str.strip_suffix(" vs base")
        )
        both = table.join(truth, on=["arm", "category"]).filter(pl.col("status") == "ok")
        holds = pl.col("planted").is_between("rel_lift_ci_lower", "rel_lift_ci_upper")
        whole = overall(both)
        assert whole.height == 2
        held += whole.filter(holds).height
    # 200 intervals, two of an experiment sharing control: 0.95 give or take 0.018, thrice.
    assert 0.895 < held / (2 * n) < 1
