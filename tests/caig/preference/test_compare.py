"""Pairs of samples: who wins, who is left out and why, what a judge is told."""

import polars as pl
import pytest
from preference_world import LeaningJudge, RedJudge

from caig.contracts.creatives import CREATIVE_PAIRS, CREATIVES, PAIR_SCORES
from caig.contracts.preferences import PROMPT_SAMPLES
from caig.preference import compare
from caig.preference.compare import judged, mean_scores, pairs_of_samples, preferences_of
from caig.preference.config import PairsConfig
from caig.reward.pictures import ads_of_pairs
from caig.runs.store import RunWriter
from reference_models.pictures import read_ads

PRODUCTS = pl.DataFrame(
    {"product_id": ["a", "b", "c"], "category": ["Mugs", "Mugs", "Balls"], "split": ["train"] * 3}
)


def samples(*rows):
    """Rows of product, number, text, ended."""
    table = [
        (f"{p}-{n}", p, "run", 0, "ask", text, text, -1.0, 2, ended, 1.0, n)
        for p, n, text, ended in rows
    ]
    return pl.DataFrame(table, schema=PROMPT_SAMPLES.schema, orient="row")


def ads(table, shas=None):
    made, painted = ("generated",), ("painter", 1, 8, 8)
    rows = [
        (f"{name}-ad", product, "x.png", (shas or {}).get(name, name), *made, name, *painted)
        for name, product in table.select("sample_id", "product_id").iter_rows()
    ]
    return pl.DataFrame(rows, schema=CREATIVES.schema, orient="row")


def scores(*rows):
    """Rows of pair, p as it is, p swapped."""
    table = [
        (pair, "s", side, p, None, None)
        for pair, *both in rows
        for side, p in zip(("as_is", "swapped"), both, strict=True)
    ]
    return pl.DataFrame(table, schema=PAIR_SCORES.schema, orient="row")


def paired(table, painted):
    """Texts with an exclamation mark are not valid."""
    valid = ~pl.col("prompt_text").str.contains("!")
    return pairs_of_samples(table.with_columns(valid=valid), painted)


def told(table, answers, shas=None, **config):
    pairs = paired(table, ads(table, shas))
    return preferences_of(pairs, answers, PairsConfig(**config), rm_run="s")


PAIR = samples(("a", 0, "beach", True), ("a", 1, "desk", True))


def test_the_winner_is_the_mean_of_both_orders():
    (row,) = told(PAIR, scores(("a", 0.6, 0.9))).rows(named=True)
    assert (row["chosen_id"], row["rejected_id"]) == ("a-0", "a-1")
    assert row["p_chosen"] == pytest.approx(0.75)
    assert (row["swap_agrees"], row["verdict"]) == (True, "used")
    (row,) = told(PAIR, scores(("a", 0.4, 0.3))).rows(named=True)
    assert row["chosen_id"] == "a-1"
    assert row["p_chosen"] == pytest.approx(0.65)


def test_an_order_that_depends_on_the_side_is_left_out_or_kept_as_published():
    answers = scores(("a", 0.9, 0.4))
    (row,) = told(PAIR, answers).rows(named=True)
    assert (row["swap_agrees"], row["verdict"]) == (False, "sides_disagree")
    (row,) = told(PAIR, answers, swap_agreement=False).rows(named=True)
    assert (row["chosen_id"], row["verdict"]) == ("a-0", "used")


@pytest.mark.parametrize(
    ("table", "answers", "shas", "config", "verdict"),
    [
        (PAIR, ("a", 0.8, 0.8), {"a-0": "x", "a-1": "x"}, {}, "same_picture"),
        (
            samples(("a", 0, "desk", True), ("a", 1, "desk", True)),
            ("a", 0.8, 0.8),
            None,
            {},
            "same_picture",
        ),
        (
            samples(("a", 0, "beach", True), ("a", 1, "desk", False)),
            ("a", 0.8, 0.8),
            None,
            {},
            "unfinished",
        ),
        (PAIR, ("a", 0.5, 0.5), None, {}, "tie"),
        (PAIR, ("a", 0.9, 0.1), None, {}, "sides_disagree"),
        (PAIR, ("a", 0.9, 0.1), None, {"swap_agreement": False}, "tie"),
        (PAIR, ("a", 0.6, 0.6), None, {"min_confidence": 0.7}, "unsure"),
        (PAIR, ("a", 0.3, 0.3), None, {"min_confidence": 0.7}, "used"),
    ],
)
def test_why_a_pair_is_left_out(table, answers, shas, config, verdict):
    assert told(table, scores(answers), shas, **config)["verdict"].to_list() == [verdict]


def test_a_valid_text_beats_one_that_is_not_where_that_is_the_rule():
    table = samples(("a", 0, "beach!", True), ("a", 1, "desk", True))
    (row,) = told(table, scores(("a", 0.9, 0.8)), validity="prefer").rows(named=True)
    assert (row["chosen_id"], row["rejected_id"]) == ("a-1", "a-0")
    assert (row["p_chosen"], row["rm_run"], row["verdict"]) == (1.0, "rule:valid", "used")
    (row,) = told(table, scores(("a", 0.9, 0.8))).rows(named=True)
    assert (row["chosen_id"], row["rm_run"]) == ("a-0", "s")
    # Neither a judge that goes by sides nor one that is unsure has a say in it.
    unsure = scores(("a", 0.9, 0.2))
    (row,) = told(table, unsure, validity="prefer", min_confidence=0.9).rows(named=True)
    assert (row["chosen_id"], row["verdict"]) == ("a-1", "used")


def test_two_valid_texts_are_judged_and_two_invalid_ones_left_out():
    (row,) = told(PAIR, scores(("a", 0.9, 0.8)), validity="prefer").rows(named=True)
    assert (row["chosen_id"], row["rm_run"], row["verdict"]) == ("a-0", "s", "used")
    table = samples(("a", 0, "beach!", True), ("a", 1, "desk!", True))
    (row,) = told(table, scores(("a", 0.9, 0.8)), validity="prefer").rows(named=True)
    assert row["verdict"] == "invalid"


def test_pairs_without_both_ads_or_without_a_score_are_no_pairs():
    table = samples(
        ("a", 0, "beach", True),
        ("a", 1, "desk", True),
        ("b", 0, "", True),
        ("b", 1, "desk", True),
        ("c", 0, "beach", True),
        ("c", 1, "desk", True),
    )
    painted = ads(table.filter(pl.col("prompt_clean") != ""))
    pairs = paired(table, painted)
    assert pairs["product_id"].to_list() == ["a", "c"]
    found = preferences_of(pairs, scores(("a", 0.8, 0.8)), PairsConfig(), rm_run="s")
    assert found["product_id"].to_list() == ["a"]


def test_presentations_are_averaged_and_agree_or_not():
    found = mean_scores(scores(("a", 0.9, 0.7), ("b", 0.9, 0.2), ("c", 0.5, 0.5)))
    assert found["p_left"].to_list() == pytest.approx([0.8, 0.55, 0.5])
    assert found["agrees"].to_list() == [True, False, True]


def test_a_judge_is_told_categories_and_no_counts(monkeypatch, tmp_path):
    asked = []

    class Judge:
        name = "s"

        def score_pairs(self, pairs, images):
            asked.append((pairs, images))
            return scores(*((pair, 0.6, 0.6) for pair in pairs["pair_id"]))

    monkeypatch.setattr(compare, "scorer_from_text", lambda *rest, **options: Judge())
    pairs = paired(PAIR, ads(PAIR)).with_columns(pair_id="product_id")
    found = judged(pairs, PRODUCTS, tmp_path, "any", runs=tmp_path)
    ((table, images),) = asked
    assert found.height == 2
    assert images == tmp_path
    assert table.columns == CREATIVE_PAIRS.schema.names()
    (row,) = table.rows(named=True)
    assert (row["category"], row["left_id"], row["right_id"]) == ("Mugs", "a-0-ad", "a-1-ad")
    assert row["left_clicks"] is row["right_impressions"] is row["p_left_better"] is None


def test_a_judge_finds_the_titles_of_ads_that_were_generated(shop, tmp_path):
    table = samples(("mugs-0", 0, "beach", True), ("mugs-0", 1, "desk", True))
    painted = ads(table)
    with RunWriter(shop.path.parent, "generate", PairsConfig(), inputs={"products": shop}) as run:
        run.write_table(CREATIVES, painted)
    asked = paired(table, painted).select(
        "product_id",
        left_id="left_creative_id",
        right_id="right_creative_id",
        category=pl.lit("Mugs"),
        split=pl.lit("train"),
        **{
            f"{side}_{name}": pl.lit(None, pl.Int64)
            for side in ("left", "right")
            for name in ("impressions", "clicks")
        },
    )
    assert ads_of_pairs(asked, run.path)["title"].to_list() == ["Fine mug number 0"] * 2
    assert read_ads(run.path)["title"].to_list() == ["Fine mug number 0"] * 2


def test_the_judges_of_these_tests_are_what_they_say():
    assert RedJudge().leaning == 0
    assert LeaningJudge().leaning > 0
