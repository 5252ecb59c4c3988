"""Pairs: the rules word for word, each pair once, sides that know nothing of clicks."""

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy.stats import chi2_contingency

from caig.contracts.creatives import CREATIVE_PAIRS
from caig.contracts.table import check
from caig.data.order import chance_of_order
from caig.data.pairs import RULES, Tally, pair_batches


def ads_of(rows, split="train"):
    """Ads from (product, impressions, clicks), with posteriors of a flat prior."""
    products, impressions, clicks = zip(*rows, strict=True) if rows else ((), (), ())
    n = len(rows)
    frame = pl.DataFrame(
        {
            "creative_id": [f"ad{i:05}" for i in range(n)],
            "product_id": products,
            "category": ["c"] * n,
            "split": [split] * n,
            "n_impressions": impressions,
            "n_clicks": clicks,
            "image_sha256": [f"{i:064}" for i in range(n)],
        },
        schema_overrides={
            "product_id": pl.String,
            "n_impressions": pl.Int64,
            "n_clicks": pl.Int64,
        },
    )
    return frame.with_columns(
        posterior_a=pl.col("n_clicks") + 1.0,
        posterior_b=pl.col("n_impressions") - pl.col("n_clicks") + 1.0,
    )


def paired(ads, rule="any", **keywords):
    tally = Tally()
    batches = list(pair_batches(ads, rule, tally, **keywords))
    table = pl.concat([CREATIVE_PAIRS.empty(), *batches])
    return check(table, CREATIVE_PAIRS), tally


def released_rule(rows):
    """The pairs of one product as the released code picks them: a loop over sorted rates."""
    by_rate = sorted(range(len(rows)), key=lambda i: rows[i][2] / rows[i][1])
    kept = set()
    for i, j in itertools.combinations(by_rate, 2):
        low, high = (rows[k][2] / rows[k][1] for k in (i, j))
        if low != 0 and high != 0 and 1.05 <= high / low <= 1.20:
            kept.add(frozenset((f"ad{i:05}", f"ad{j:05}")))
    return kept


def as_sets(table):
    return [frozenset(ids) for ids in table.select("left_id", "right_id").iter_rows()]


ROWS = st.lists(
    st.tuples(st.just("p"), st.integers(1001, 1400), st.integers(0, 60)), min_size=2, max_size=12
)


@given(ROWS)
def test_the_released_rule(rows):
    table, _ = paired(ads_of(rows), "caig_5_20")
    assert set(as_sets(table)) == released_rule(rows)


def two_sided_p(one, other):
    """Test of two proportions as textbooks have it: chi-square without correction."""
    table = [[clicks, n - clicks] for clicks, n in (one, other)]
    return chi2_contingency(table, correction=False).pvalue


@given(ROWS)
def test_the_other_rules_and_the_tally(rows):
    ctr = {f"ad{i:05}": clicks / n for i, (_, n, clicks) in enumerate(rows)}
    both = [
        pair
        for pair in itertools.combinations(ctr, 2)
        if min(ctr[a] for a in pair) > 0 and ctr[pair[0]] != ctr[pair[1]]
    ]
    for rule, bounds in RULES.items():
        table, tally = paired(ads_of(rows), rule)
        high_over_low = {frozenset(p): max(map(ctr.get, p)) / min(map(ctr.get, p)) for p in both}
        expected = {p for p, r in high_over_low.items() if bounds.lower <= r <= bounds.upper}
        if rule == "significant":
            counts = {f"ad{i:05}": (clicks, n) for i, (_, n, clicks) in enumerate(rows)}
            expected = {p for p in expected if two_sided_p(*(counts[ad] for ad in p)) <= 0.05}
        found = as_sets(table)
        assert len(found) == len(set(found))
        assert set(found) == expected
        out = tally.same_picture + tally.no_click + tally.tied + tally.outside
        assert tally.candidates == len(rows) * (len(rows) - 1) // 2 == out + tally.pairs
        assert tally.pairs == tally.kept["train"] == table.height


def test_bounds_are_inclusive_and_plain_floating_point():
    rows = [("p", 2000, 40), ("p", 2000, 42), ("p", 2000, 48)]  # 1.05, 1.20, and 48/42 = 1.143
    assert 0.021 / 0.02 >= 1.05
    assert 0.024 / 0.02 <= 1.2
    assert paired(ads_of(rows), "caig_5_20")[0].height == 3
    assert paired(ads_of(rows), "ge_20")[0].height == 1


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(1, 7))
@settings(max_examples=12)
def test_batches_of_any_size_hold_the_same_pairs(sizes, batch_pairs):
    rng = np.random.default_rng(sum(sizes))
    rows = [
        (f"p{number}", 2000, int(rng.integers(1, 90)))
        for number, size in enumerate(sizes)
        for _ in range(size)
    ]
    whole, of_whole = paired(ads_of(rows))
    parts, of_parts = paired(ads_of(rows), batch_pairs=batch_pairs)
    assert_frame_equal(whole, parts)  # a vector of another length may round otherwise
    assert of_whole.kept == of_parts.kept
    assert of_whole.certainty == pytest.approx(of_parts.certainty)
    pairs = list(pair_batches(ads_of(rows), "any", Tally(), batch_pairs=batch_pairs))
    assert all(batch.height <= batch_pairs for batch in pairs)
    owner = dict(ads_of(rows).select("creative_id", "product_id").iter_rows())
    for product, left, right in whole.select("product_id", "left_id", "right_id").iter_rows():
        assert owner[left] == owner[right] == product


def many(n_products=400, ads=6, seed=0):
    rng = np.random.default_rng(seed)
    return [
        (f"p{p}", int(rng.integers(1001, 9000)), int(rng.integers(1, 300)))
        for p in range(n_products)
        for _ in range(ads)
    ]


def test_the_left_one_wins_half_the_time_whatever_the_order_of_clicks():
    rows = many()
    rows.sort(key=lambda row: (row[0], row[2] / row[1]))  # a position rule would be caught
    table, tally = paired(ads_of(rows))
    share = tally.left_better / table.height
    assert (table["left_ctr"] > table["right_ctr"]).sum() == tally.left_better
    assert abs(share - 0.5) < 4 * 0.5 / np.sqrt(table.height)
    is_earlier_left = (table["left_id"] < table["right_id"]).mean()
    assert abs(is_earlier_left - 0.5) < 4 * 0.5 / np.sqrt(table.height)


def test_sides_and_names_stay_under_another_rule_other_clicks_and_another_order():
    ads = ads_of(many(60))
    before = paired(ads)[0].select("pair_id", "left_id", "right_id")
    of_rule = paired(ads, "caig_5_20")[0].select("pair_id", "left_id", "right_id")
    assert 0 < of_rule.height < before.height
    assert of_rule.join(before, on=["pair_id", "left_id", "right_id"]).height == of_rule.height
    clicked = ads.with_columns(n_clicks=pl.col("n_clicks").reverse() + 1)
    turned = ads.reverse()
    for other in (clicked, turned):
        after = paired(other)[0].select("pair_id", "left_id", "right_id")
        assert (
            after.join(before, on="pair_id")
            .filter(pl.col("left_id") != pl.col("left_id_right"))
            .is_empty()
        )


def test_a_pair_in_full():
    rows = [("p1", 2000, 60), ("p1", 3000, 100), ("p2", 5000, 5)]
    table, tally = paired(ads_of(rows, split="val"))
    (pair,) = table.iter_rows(named=True)
    left, right = (0, 1) if pair["left_id"] == "ad00000" else (1, 0)
    assert pair["product_id"] == "p1"
    assert pair["pair_id"].startswith("p1-")
    assert (pair["left_impressions"], pair["left_clicks"]) == rows[left][1:]
    assert (pair["right_impressions"], pair["right_clicks"]) == rows[right][1:]
    expected = chance_of_order(
        *(v for i in (left, right) for v in (rows[i][2] + 1, rows[i][1] - rows[i][2] + 1))
    )
    assert pair["p_left_better"] == pytest.approx(expected.item())
    assert (pair["filter"], pair["split"], pair["category"]) == ("any", "val", "c")
    assert tally.kept == {"train": 0, "val": 1, "test": 0}


def test_two_ads_of_one_picture_make_no_pair():
    ads = ads_of([("p", 2000, 60), ("p", 3000, 50), ("p", 3000, 40)])
    ads = ads.with_columns(image_sha256=pl.Series(["a", "b", "a"]))
    table, tally = paired(ads)
    assert table.height == 2
    assert tally.same_picture == 1


def test_no_ads_no_pairs():
    table, tally = paired(ads_of([]))
    assert table.is_empty()
    assert tally.candidates == 0
