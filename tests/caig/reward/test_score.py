"""A trained model's answers to pairs, and the scorers that a text names."""

import shutil

import numpy as np
import polars as pl
import pytest
from reward_training import tiny_config, train_on

from caig.errors import ArtifactError, CaigError, ConfigError, DataError
from caig.reward.score import RewardModelScorer, scorer_from_text


@pytest.fixture(scope="module")
def model(shop):
    trained, _ = train_on(*shop, tiny_config(epochs=3))
    trained.config.order_scale = 3.0
    return trained


@pytest.fixture(scope="module")
def scored(shop, model):
    pairs = shop[1].table("creative_pairs")
    return RewardModelScorer(model, name="rm").score_pairs(pairs, shop[0].path)


def test_both_presentations_in_the_order_of_the_pairs(shop, scored):
    pairs = shop[1].table("creative_pairs")
    assert scored["pair_id"].to_list() == pairs["pair_id"].repeat_by(2).explode().to_list()
    assert scored["presentation"].to_list() == ["as_is", "swapped"] * pairs.height
    assert scored["p_left"].to_list()[::2] == scored["p_left"].to_list()[1::2]
    assert scored["left_ctr_hat"].is_between(0, 1).all()


def test_swapped_pairs_have_the_opposite_answer(shop, model, scored):
    pairs = shop[1].table("creative_pairs")
    sides = ("id", "impressions", "clicks", "ctr")
    other = {f"left_{s}": f"right_{s}" for s in sides} | {f"right_{s}": f"left_{s}" for s in sides}
    turned = pairs.rename(other).select(pairs.columns)
    again = RewardModelScorer(model, name="rm").score_pairs(turned, shop[0].path)
    assert np.allclose(again["p_left"] + scored["p_left"], 1, atol=1e-12)
    assert again["left_ctr_hat"].equals(scored["right_ctr_hat"])


def test_batch_of_one_equals_batch_of_eight(shop, model, scored):
    pairs = shop[1].table("creative_pairs")
    for batch_size in (1, 8):
        scorer = RewardModelScorer(model, name="rm", batch_size=batch_size)
        found = scorer.score_pairs(pairs, shop[0].path)
        assert np.abs((found["p_left"] - scored["p_left"]).to_numpy()).max() < 1e-5


def test_an_unreadable_picture_is_named(shop, model, tmp_path):
    broken = tmp_path / shop[0].path.name
    shutil.copytree(shop[0].path, broken)
    (broken / "images" / "p03-1.png").write_bytes(b"no picture")
    scorer = RewardModelScorer(model, name="rm")
    with pytest.raises(DataError, match=r"p03-1\.png: not a readable picture"):
        scorer.score_pairs(shop[1].table("creative_pairs"), broken)


def test_an_ad_of_another_run_is_named(shop, model):
    pairs = shop[1].table("creative_pairs").with_columns(left_id=pl.lit("stranger"))
    with pytest.raises(DataError, match="stranger"):
        RewardModelScorer(model, name="rm").score_pairs(pairs, shop[0].path)


class Constant:
    """A scorer for the tests below."""

    name = "constant"

    def __init__(self, value: str = "0.5") -> None:
        self.value = float(value)

    def score_pairs(self, pairs, images):
        """Whatever it is asked."""


def test_a_class_is_found_by_its_name(tmp_path):
    scorer = scorer_from_text(f"{__name__}:Constant:0.25", runs=tmp_path, batch_size=1)
    assert scorer.value == 0.25


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("vam", ConfigError, "write run:ID"),
        ("no_such_module:Class", ConfigError, "no_such_module"),
        ("collections:NoSuchClass", ConfigError, "NoSuchClass"),
        ("collections:Counter", ConfigError, "no score_pairs"),
        ("datetime:date", CaigError, "datetime:date"),
        ("run:nothing", ArtifactError, "0 runs fit"),
    ],
)
def test_what_names_no_scorer_is_refused(tmp_path, text, error, words):
    with pytest.raises(error, match=words):
        scorer_from_text(text, runs=tmp_path, batch_size=1)


def test_a_run_without_a_model_is_refused(shop):
    with pytest.raises(ArtifactError, match="no reward model"):
        RewardModelScorer.from_run(shop[0])
