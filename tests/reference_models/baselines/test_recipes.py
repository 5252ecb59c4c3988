"""The recipes under configs/baselines: the paper's are the defaults, and every one can be read."""

import pytest

from caig.config import load_config
from reference_models.cg4ctr import Cg4ctrConfig
from reference_models.vam import VamConfig

MODELS = {"vam": VamConfig, "cg4ctr": Cg4ctrConfig}


@pytest.mark.parametrize("model", MODELS)
def test_the_papers_recipe_is_the_defaults(repository, model):
    file = repository / "configs" / "baselines" / f"{model}-paper.toml"
    assert load_config(MODELS[model], file) == MODELS[model]()


@pytest.mark.parametrize("model", MODELS)
def test_the_tiny_recipe_needs_no_download(repository, model):
    file = repository / "configs" / "baselines" / f"{model}-tiny.toml"
    config = load_config(MODELS[model], file)
    assert (config.backbone if model == "vam" else config.image.name) == "scratch"
