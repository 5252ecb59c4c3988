"""The shop world's oracle: true CTRs of prompts, and a judge that is never wrong."""

import math

import numpy as np
import polars as pl
import pytest

from caig.config import Config
from caig.contracts.creatives import CREATIVE_PAIRS, CREATIVES, PRODUCTS, PROMPTS
from caig.contracts.worlds import CREATIVE_TRUTH
from caig.errors import ArtifactError, DataError
from caig.runs.store import Run, RunWriter
from reference_models.registry import load_scorer
from reference_models.shop.catalogue import CATEGORIES
from reference_models.shop.creatives import random_look
from reference_models.shop.oracle import OracleScorer, ctr_of_look, true_ctrs
from reference_models.shop.prompts import say
from reference_models.shop.truth import SUITABLE, effects, true_logit
from reference_models.shop.vocabulary import SCENES, Look

CATEGORY = "Mugs"
PRODUCT = pl.DataFrame(
    [("mug-1", "red mug", CATEGORY, f"Home > {CATEGORY}", None, "train")],
    schema=PRODUCTS.schema,
    orient="row",
)


def prompts(*texts):
    rows = [(f"q{n}", "mug-1", text, "test") for n, text in enumerate(texts)]
    return pl.DataFrame(rows, schema=PROMPTS.schema, orient="row")


def ctr(look):
    return 1 / (1 + math.exp(-true_logit(look, category=CATEGORY, product_id="mug-1")))


def test_a_prompt_has_the_ctr_of_the_look_that_it_asks_for():
    look, other = Look("cafe table", "night"), Look("desert", "mist", "vivid colours")
    found = true_ctrs(prompts(say(look), say(other)), PRODUCT)
    assert found["true_ctr"].to_list() == pytest.approx([ctr(look), ctr(other)])
    assert found["suits"].to_list() == ["cafe table" in SUITABLE[CATEGORY], False]


def test_a_prompt_without_a_scene_is_no_good_ad():
    (bare,) = true_ctrs(prompts("lava, night"), PRODUCT)["true_ctr"]
    assert bare == ctr_of_look(None, category=CATEGORY, product_id="mug-1")
    base, offset = _base_logit()
    assert math.log(bare / (1 - bare)) == pytest.approx(base + offset, abs=1e-9)
    rng = np.random.default_rng(0)
    assert bare < np.mean([ctr(random_look(rng)) for _ in range(500)]) * 0.9


def _base_logit():
    """What is left of a logit when everything that the look adds is taken away."""
    table, look = effects(), Look(SCENES[0])
    k = [one.name for one in CATEGORIES].index(CATEGORY)
    added = table.scene[0] + table.light[0] + table.palette[0] + table.depth[0]
    added += table.decoration[0] + table.taste_light[k, 0] + table.taste_palette[k, 0]
    assert SCENES[0] not in SUITABLE[CATEGORY]
    logit = true_logit(look, category=CATEGORY, product_id="mug-1") - added
    return logit, table.scene.min()


def test_a_product_of_another_world_is_refused():
    other = PRODUCT.with_columns(category=pl.lit("Sausages"))
    with pytest.raises(DataError, match="'Sausages' is not of the shop world"):
        true_ctrs(prompts("beach"), other)


def pairs(*ids):
    rows = []
    for n, (left, right) in enumerate(ids):
        counts = {"left_impressions": 10, "right_impressions": 10, "left_clicks": 1}
        counts |= {"right_clicks": 1, "left_ctr": 0.1, "right_ctr": 0.1, "p_left_better": 0.5}
        names = {"pair_id": f"p{n}", "product_id": "mug-1", "category": CATEGORY, "split": "test"}
        rows.append({**names, "left_id": left, "right_id": right, "filter": "any", **counts})
    return pl.DataFrame(rows).select(CREATIVE_PAIRS.schema.names())


def painted(root, *texts):
    """A run of ads painted from prompts, of products in another run."""
    asked = prompts(*texts)
    with RunWriter(root, "make-data", Config()) as run:
        run.write_table(PRODUCTS, PRODUCT)
    products = Run.open(run.path)
    with RunWriter(root, "generate", Config(), inputs={"products": products}) as run:
        run.write_table(PROMPTS, asked)
        rows = [
            (f"{q}-ad", "mug-1", "x.png", "0" * 64, "generated", q, "painter", 1, 8, 8)
            for q in asked["prompt_id"]
        ]
        run.write_table(CREATIVES, pl.DataFrame(rows, schema=CREATIVES.schema, orient="row"))
    return run.path


def test_the_judge_is_never_wrong_and_never_goes_by_sides(tmp_path):
    good, bad = Look("cafe table", "golden hour"), Look("desert", "mist", "vivid colours")
    folder = painted(tmp_path, say(good), say(bad), f"{say(good)}, in Paris")
    asked = pairs(("q0-ad", "q1-ad"), ("q1-ad", "q0-ad"), ("q0-ad", "q2-ad"))
    scorer = load_scorer("ref:truth", runs=tmp_path)
    found = scorer.score_pairs(asked, folder)
    better = float(ctr(good) > ctr(bad))
    expected = [better, better, 1 - better, 1 - better, 0.5, 0.5]
    assert found["p_left"].to_list() == expected
    assert found["presentation"].to_list() == ["as_is", "swapped"] * 3
    assert found["left_ctr_hat"][0] == pytest.approx(ctr(good))
    with pytest.raises(DataError, match="not in this run"):
        OracleScorer().score_pairs(pairs(("q0-ad", "nowhere")), folder)


def test_it_reads_the_truth_of_logged_ads_and_nothing_else(tmp_path):
    look = ("beach", "night", "warm colours", "sharp background", "plain")
    rows = [
        (name, "mug-1", CATEGORY, *look, "beach", False, rate)
        for name, rate in (("a", 0.02), ("b", 0.03))
    ]
    with RunWriter(tmp_path, "make-data", Config()) as run:
        truth = pl.DataFrame(rows, schema=CREATIVE_TRUTH.schema, orient="row")
        run.write_table(CREATIVE_TRUTH, truth)
    found = OracleScorer().score_pairs(pairs(("a", "b")), run.path)
    assert found["p_left"].to_list() == [0.0, 0.0]
    with RunWriter(tmp_path, "generate", Config()) as run:
        run.write_table(CREATIVES, CREATIVES.empty())
    with pytest.raises(ArtifactError, match=r"holds no creatives|ref:truth needs"):
        OracleScorer().score_pairs(pairs(("a", "b")), run.path)
