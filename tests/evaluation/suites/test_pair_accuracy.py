"""The suite on worlds whose answers are known, and what it says where little is known."""

import numpy as np
import polars as pl
import pytest
from pair_world import make_world, noisy_logits, scores_of

from caig.config import load_config
from caig.contracts.evaluations import (
    POSITION_BIAS,
    RELIABILITY,
    SCORER_COMPARISONS,
    SCORER_COUNTS,
)
from caig.contracts.experiments import SUITE_RESULTS
from caig.contracts.table import check
from evaluation.config import EvaluateConfig
from evaluation.suites.pair_accuracy import ALL, ALL_TIES, ORACLE, pair_accuracy
from evaluation.suites.scored_pairs import pair_data, scored

RULERS = ("ref:position", "ref:random")


def evaluated(world, *scores, config=None, pairs=None):
    """The suite's tables, checked against their contracts."""
    pairs = world.pairs if pairs is None else pairs
    answers = [answer for s in scores for answer in scored(pairs, s, scores_run="r", rulers=RULERS)]
    tables = pair_accuracy(pair_data(pairs, world.ads), answers, config or EvaluateConfig())
    for frame, contract in zip(
        tables,
        (SUITE_RESULTS, SCORER_COUNTS, POSITION_BIAS, RELIABILITY, SCORER_COMPARISONS),
        strict=True,
    ):
        check(frame, contract)
    return tables


def row(tables, subject, metric="accuracy", part=ALL):
    found = tables.results.filter(
        (pl.col("subject") == subject) & (pl.col("metric") == metric) & (pl.col("slice") == part)
    )
    return found.row(0, named=True)


@pytest.fixture(scope="module")
def world():
    return make_world(0, products=80, categories=4)


@pytest.fixture(scope="module")
def good(world):
    return scores_of(world.pairs, noisy_logits(world.ads, 0.1), "good")


def test_who_knows_the_truth_reaches_the_ceiling_and_a_skill_of_1(world):
    truth = dict(world.ads.select("creative_id", "true_logit").rows())
    tables = evaluated(world, scores_of(world.pairs, truth, "truth"))
    found, oracle = row(tables, "truth"), row(tables, ORACLE)
    assert found["ci_lower"] <= oracle["estimate"] <= found["ci_upper"]
    assert found["ceiling"] == oracle["estimate"]
    skill = row(tables, "truth", "skill_share")
    assert skill["ci_lower"] <= 1 <= skill["ci_upper"]
    corrected = row(tables, "truth", "noise_corrected_accuracy")
    assert corrected["estimate"] > 0.95


def test_in_every_slice_the_ceiling_is_what_an_oracle_reaches():
    large = make_world(11, products=3000, per_product=5, categories=3)
    truth = dict(large.ads.select("creative_id", "true_logit").rows())
    config = load_config(EvaluateConfig, overrides=["statistics.n_bootstrap=100"])
    tables = evaluated(large, scores_of(large.pairs, truth, "truth"), config=config)
    parts = tables.results.filter(
        (pl.col("subject") == "truth") & (pl.col("metric") == "accuracy") & (pl.col("n") > 500)
    )
    assert parts.height >= 12
    apart = (parts["estimate"] - parts["ceiling"]).abs()
    by_chance = 0.75 * (parts["ci_upper"] - parts["ci_lower"])  # three standard errors
    assert (apart < by_chance + 0.003).all(), parts.filter(apart >= by_chance + 0.003)
    assert apart.max() < 0.03


def test_who_knows_nothing_is_at_chance(world):
    rng = np.random.default_rng(0)
    nothing = {name: rng.standard_normal() for name in world.ads["creative_id"]}
    tables = evaluated(world, scores_of(world.pairs, nothing, "ref:random"))
    for metric, value in (("accuracy", 0.5), ("skill_share", 0), ("noise_corrected_accuracy", 0.5)):
        found = row(tables, "ref:random", metric)
        assert found["ci_lower"] <= value <= found["ci_upper"]


def test_slices_divide_the_pairs(world, good):
    tables = evaluated(world, good)
    accuracy = tables.results.filter(pl.col("metric") == "accuracy")
    for what in ("category", "confidence", "gap"):
        parts = accuracy.filter(
            (pl.col("subject") == "good") & pl.col("slice").str.starts_with(f"{what}=")
        )
        whole = row(tables, "good")
        assert parts["n"].sum() == whole["n"]
        mean = (parts["estimate"] * parts["n"]).sum() / parts["n"].sum()
        assert mean == pytest.approx(whole["estimate"])
        ceilings = (parts["ceiling"] * parts["n"]).sum() / parts["n"].sum()
        assert ceilings == pytest.approx(whole["ceiling"])
        # A slice's skill share is of the slice's own ceiling.
        skill = row(tables, "good", "skill_share", parts["slice"][-1])["estimate"]
        last = parts.row(-1, named=True)
        assert skill == pytest.approx((last["estimate"] - 0.5) / (last["ceiling"] - 0.5))
    sure = accuracy.filter(
        (pl.col("subject") == ORACLE) & pl.col("slice").str.starts_with("confidence=")
    )["estimate"].to_list()
    assert sure == sorted(sure)
    assert sure[0] < 0.6
    assert sure[-1] > 0.95


def test_a_lean_to_one_side_shows_in_flips_and_not_in_the_mean(world):
    logits = noisy_logits(world.ads, 0.1)
    straight, leaning = (
        scores_of(world.pairs, logits, name, side=side)
        for name, side in (("straight", 0.0), ("leaning", 0.3))
    )
    tables = evaluated(world, straight, leaning)
    of = {r["scorer"]: r for r in tables.position.to_dicts()}
    assert of["straight"]["n_flips"] == 0
    assert of["straight"]["p_value"] is None
    assert of["leaning"]["n_flips"] > 50
    assert of["leaning"]["n_flips_first"] == of["leaning"]["n_flips"]
    assert of["leaning"]["first_share"] == 1
    assert of["leaning"]["p_value"] < 1e-6
    mean, single = row(tables, "leaning"), row(tables, "leaning", "accuracy_as_is")
    assert mean["estimate"] > single["estimate"] + 0.02
    assert mean["estimate"] == pytest.approx(row(tables, "straight")["estimate"], abs=0.01)


def test_flips_are_counted_by_screen_side(world):
    # 30 of 37 flips to the first side.
    left = np.full(world.pairs.height, 0.9)
    pairs = world.pairs.head(50)
    as_is, swapped = left[:50].copy(), left[:50].copy()
    swapped[:30] = 0.1  # left chosen both times
    as_is[30:37] = 0.1  # right chosen both times
    frames = [
        pairs.select(
            "pair_id",
            scorer=pl.lit("x"),
            presentation=pl.lit(name),
            p_left=pl.Series(values),
            left_ctr_hat=pl.lit(None, pl.Float64),
            right_ctr_hat=pl.lit(None, pl.Float64),
        )
        for name, values in (("as_is", as_is), ("swapped", swapped))
    ]
    found = evaluated(world, pl.concat(frames), pairs=pairs).position.row(0, named=True)
    assert (found["n_both"], found["n_flips"], found["n_flips_first"]) == (50, 37, 30)
    assert found["p_value"] == pytest.approx(1.9e-4, abs=5e-6)


def test_unscored_pairs_are_counted_and_worth_nothing(world, good):
    names = world.pairs["pair_id"]
    lost, halved = names[:40].implode(), names[40:60].implode()
    thinned = good.filter(
        ~pl.col("pair_id").is_in(lost)
        & ~(pl.col("pair_id").is_in(halved) & (pl.col("presentation") == "as_is"))
    )
    tables = evaluated(world, thinned)
    counts = tables.counts.row(0, named=True)
    ties = counts["n_gold_ties"]
    assert counts["n_no_score"] + counts["n_one_order"] == pytest.approx(60, abs=ties)
    found = row(tables, "good")
    assert found["n"] == counts["n_scored"]
    assert found["n_unscored"] == counts["n_no_score"] + counts["n_one_order"]
    rest = evaluated(world, good, pairs=world.pairs.slice(60))
    assert found["estimate"] == row(rest, "good")["estimate"]
    assert row(tables, "good", "accuracy_swapped")["n"] == found["n"] + counts["n_one_order"]
    assert row(tables, "good", "accuracy_as_is")["n"] == found["n"]


def test_ties_as_stated(world):
    level = scores_of(world.pairs, dict.fromkeys(world.ads["creative_id"], 0.0), "level")
    tables = evaluated(world, level)
    found = row(tables, "level")
    assert (found["estimate"], found["ci_method"]) == (0.5, ALL_TIES)
    counts = tables.counts.row(0, named=True)
    assert (counts["n_model_ties"], counts["n_right"]) == (counts["n_scored"], 0)
    assert row(tables, "level", "accuracy_rewardbench")["estimate"] == 0
    strict = load_config(EvaluateConfig, overrides=['scoring.model_ties="wrong"'])
    assert row(evaluated(world, level, config=strict), "level")["estimate"] == 0


def test_every_two_scorers_are_compared(world, good):
    poor = scores_of(world.pairs, noisy_logits(world.ads, 1.0), "poor")
    same = good.with_columns(pl.lit("same").alias("scorer"))
    tables = evaluated(world, good, poor, same)
    rows = {(r["scorer"], r["other"]): r for r in tables.comparisons.to_dicts()}
    assert set(rows) == {("good", "poor"), ("good", "same"), ("poor", "same")}
    ahead = rows["good", "poor"]
    assert ahead["difference"] == pytest.approx(ahead["accuracy"] - ahead["other_accuracy"])
    assert ahead["difference_ci_lower"] > 0
    assert ahead["difference_bootstrap_lower"] > 0
    assert ahead["p_value_adj"] == pytest.approx(2 * ahead["p_value"])
    assert ahead["adjustment"] == "Holm over 2 comparisons"
    alike = rows["good", "same"]
    assert (alike["difference"], alike["p_value"], alike["p_mcnemar"]) == (0, None, 1)


def test_two_rulers_are_compared_only_where_there_is_no_model(world, good):
    rulers = [
        scores_of(world.pairs, noisy_logits(world.ads, 2.0, seed), name)
        for seed, name in enumerate(RULERS)
    ]
    assert evaluated(world, *rulers).comparisons.height == 1
    assert evaluated(world, good, *rulers).comparisons.height == 2


def test_calibration_is_of_the_mean_answer(world, good):
    tables = evaluated(world, good)
    bins = tables.reliability.filter(pl.col("binning") == "equal_width")
    n = row(tables, "good")["n"]
    assert bins["n"].sum() == n
    apart = (bins["n"] * (bins["p_mean"] - bins["observed"]).abs()).sum() / n
    assert row(tables, "good", "ece_equal_width")["estimate"] == pytest.approx(apart)
    assert row(tables, "good", "brier")["ci_lower"] < row(tables, "good", "brier")["estimate"]


def test_one_product_and_one_ad_of_each_say_so():
    small = make_world(0, products=1, categories=1)
    found = row(evaluated(small, scores_of(small.pairs, noisy_logits(small.ads, 0.1))), "model")
    assert found["ci_method"] == "none: one product"
    assert found["ci_lower"] is None


@pytest.mark.parametrize("clicks", [0, 5])
def test_pairs_that_are_all_ties_have_no_accuracy(clicks):
    alike = make_world(0, products=4)
    counts = {"n_impressions": pl.lit(100), "n_clicks": pl.lit(clicks)}
    ads = alike.ads.with_columns(**counts)
    sides = {
        f"{side}_{name}": pl.lit(value)
        for side in ("left", "right")
        for name, value in (("impressions", 100), ("clicks", clicks), ("ctr", clicks / 100))
    }
    pairs = alike.pairs.with_columns(**sides)
    world = alike._replace(ads=ads, pairs=pairs)
    tables = evaluated(world, scores_of(pairs, noisy_logits(alike.ads, 0.1)))
    found = row(tables, "model")
    assert (found["estimate"], found["n"], found["ci_method"]) == (None, 0, "none: no item")
    assert tables.counts["n_gold_ties"].to_list() == [24]


@pytest.mark.parametrize("seed", range(24))
def test_odd_worlds_keep_the_contracts(seed):
    rng = np.random.default_rng(seed)
    odd = make_world(
        seed,
        products=int(rng.integers(1, 6)),
        per_product=int(rng.integers(2, 5)),
        ctr=float(rng.choice([0.0005, 0.03, 0.97])),
        impressions=float(rng.choice([3, 1000, 1e6])),
        tau=float(rng.choice([0, 0.2, 2])),
        categories=int(rng.integers(1, 4)),
    )
    observed = dict(
        zip(odd.ads["creative_id"], odd.ads["n_clicks"] / odd.ads["n_impressions"], strict=True)
    )
    scores = [
        scores_of(odd.pairs, {name: sign * 1e3 * rate for name, rate in observed.items()}, scorer)
        for scorer, sign in (("follows the labels", 1), ("turns them round", -1))
    ]
    leaning = scores_of(odd.pairs, noisy_logits(odd.ads, 1.0), "leaning", side=40.0)
    some = leaning.filter(pl.Series(rng.random(leaning.height) < 0.5))
    tables = evaluated(odd, *scores, *([some] if some.height else []))
    right, wrong = (row(tables, s)["estimate"] for s in ("follows the labels", "turns them round"))
    assert (right, wrong) in {(1.0, 0.0), (None, None)}
