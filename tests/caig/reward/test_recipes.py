"""Recipes of configs/reward and configs/mllm load, and say what their names say."""

from caig.config import load_config
from caig.mllm.config import PretrainConfig
from caig.reward.config import RewardConfig


def test_recipes_of_the_reward_model(repository):
    folder = repository / "configs" / "reward"
    recipes = {file.stem: load_config(RewardConfig, file) for file in folder.iterdir()}
    assert set(recipes) == {
        "mllm-tiny",
        "paper",
        "side-by-side-7b",
        "side-by-side-tiny",
        "tiny",
    }
    for name, recipe in recipes.items():
        is_both = name.startswith("side-by-side")
        assert (recipe.model.layout == "side_by_side") is is_both
        assert bool(recipe.model.mllm) is (is_both or name == "mllm-tiny")
    published = recipes["side-by-side-7b"]
    assert published.model.joins_pictures
    assert (published.loss.pair_target, published.loss.pair, published.loss.point) == (
        "hard",
        1.0,
        0.5,
    )


def test_recipes_of_pretraining(repository):
    folder = repository / "configs" / "mllm"
    recipes = {file.stem: load_config(PretrainConfig, file) for file in folder.iterdir()}
    assert recipes["tiny"].model.base == "tiny"
    assert "7b" in recipes["paper"].model.base
    for recipe in recipes.values():
        assert recipe.tasks.category_share == 0.9
