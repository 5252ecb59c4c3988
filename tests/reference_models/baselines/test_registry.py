"""A scorer by its name, and what is said of a name that is none."""

import importlib

import pytest

from caig.errors import ArtifactError, CaigError, ConfigError
from reference_models.registry import RULERS, SCORERS, load_scorer
from reference_models.rulers import Ruler


@pytest.mark.parametrize("name", SCORERS)
def test_every_target_is_there(name):
    entry = SCORERS[name]
    for target in filter(None, (entry.target, entry.config)):
        module, class_name, *_ = target.split(":")
        assert getattr(importlib.import_module(module), class_name)
    assert entry.about.endswith(".")
    assert entry.source


def test_rulers_by_name(tmp_path):
    assert len(RULERS) == 7
    for name in RULERS:
        scorer = load_scorer(name, runs=tmp_path)
        assert isinstance(scorer, Ruler)
        assert scorer.name == name


def test_an_api_takes_a_model_and_settings(tmp_path, monkeypatch):
    pytest.importorskip("openai", reason="the official client is not installed: extra api")
    settings = ("base_url=http://127.0.0.1:1/v1", "max_items=3")
    scorer = load_scorer("api:local:qwen2.5vl:7b", runs=tmp_path, overrides=settings)
    assert scorer.name == "api:local:qwen2.5vl:7b"
    assert scorer.config.max_items == 3
    with pytest.raises(ConfigError, match="max_itemz"):
        load_scorer("api:local:m", runs=tmp_path, overrides=("max_itemz=3",))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("ref:weight", "no scorer 'ref:weight'; there are: ref:vam, ref:cg4ctr, ref:headline"),
        ("vam", "no scorer 'vam'"),
        ("ref:vam", "write ref:vam:RUN"),
        ("api:openai", "write api:openai:MODEL"),
        ("ref:random:3", "nothing may stand after ref:random"),
    ],
)
def test_what_is_no_scorer(tmp_path, spec, words):
    with pytest.raises(ConfigError, match=words):
        load_scorer(spec, runs=tmp_path)


def test_a_run_that_is_not_there_or_another(world):
    runs = world.data.path.parent
    with pytest.raises(CaigError, match="0 runs fit 'gone'"):
        load_scorer("ref:vam:gone", runs=runs)
    with pytest.raises(ArtifactError, match="holds no VAM; it is a run of make-data"):
        load_scorer(f"ref:vam:{world.data.run_id}", runs=runs)


def test_settings_where_there_are_none(tmp_path):
    with pytest.raises(ConfigError, match="ref:random has no settings"):
        load_scorer("ref:random", runs=tmp_path, overrides=("seed=1",))
