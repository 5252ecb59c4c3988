"""A checkpoint as a judge, checked against transformers' own decision pipeline."""

import io
import math

import pytest
from judge_world import config, judged, make_world, picture
from PIL import Image

from caig.chat.message import Picture, Request
from caig.errors import ArtifactError, CaigError, ConfigError
from evaluation.judge.local import LocalJudge
from evaluation.judge.probe import black

pytest.importorskip("torch", reason="torch is not installed: extra train")
pytest.importorskip("trl", reason="trl is not installed: extra train")

from tiny_llava import save_tiny_llava, save_yes_no_llava


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("judge") / "yes-no"
    save_yes_no_llava(made)
    return made


def settings(folder, **more):
    return config(judge=f"local:{folder}", local__device="cpu", **more)


def test_it_agrees_with_the_decision_pipeline(folder, tmp_path):
    from transformers import pipeline

    judge = LocalJudge(folder, settings(folder))
    decide = pipeline("decision", model=str(folder), device="cpu")
    found = []
    for n, level in enumerate((20, 230)):
        content = picture(level, n)
        # Its own words, for its words cannot be chosen.
        question = "\n\nIs there a lamp?\nAnswer Yes or No only."
        reply = judge.attempt(Request("", question, (Picture("image/png", content),)))
        told = {token: math.exp(logprob) for token, logprob in reply.first_token}
        ours = told["Yes"] / (told["Yes"] + told["No"])  # it knows one spelling of each
        theirs = decide(
            {
                "state": "PICTURE",
                "questions": {"lamp": {"type": "noul", "instructions": "Is there a lamp?"}},
                "assets": {"PICTURE": Image.open(io.BytesIO(content))},
            }
        )["lamp"]["noul"]
        assert ours == pytest.approx(theirs, abs=1e-6)
        assert sum(told.values()) > 0.99
        found.append(ours)
    assert found[0] != pytest.approx(found[1], abs=1e-3)  # it sees


def test_ads_are_judged_by_it(folder, tmp_path):
    world = make_world(tmp_path / "runs", 4)
    made = judged(world, tmp_path / "runs", judge=f"local:{folder}", local__device="cpu")
    rows = made.judgements
    assert made.ability.tier == "logits"
    assert made.ability.findings["spellings"] == ["No", "Yes", "no", "yes"]
    assert rows["tier"].unique().to_list() == ["logits"]
    answers = rows.filter(rows["n_attempts"] > 0)
    assert answers["score"].null_count() == 0
    assert (answers["mass"] > 0.99).all()
    assert answers["verdict"].to_list() == [
        "yes" if score > 0.5 else "no" for score in answers["score"]
    ]
    assert made.spent.usd == 0
    name = rows["judge"][0]
    assert name.startswith("local:yes-no@")
    # The whole is as sure as its least sure answer.
    one = rows.filter((rows["item_id"] == "c0") & (rows["status"] != "void"))
    parts = one.filter(one["question"] != "matching")["score"].min()
    assert one.filter(one["question"] == "matching")["score"].item() == parts


def test_a_vocabulary_without_no_is_refused(tmp_path):
    save_tiny_llava(tmp_path / "says-yes", "Yes")
    with pytest.raises(ConfigError, match="no token for no, so that its first token tells no"):
        LocalJudge(tmp_path / "says-yes", settings(tmp_path / "says-yes"))


def test_what_cannot_be_a_judge(tmp_path, folder):
    with pytest.raises(ConfigError, match="no such folder"):
        LocalJudge(tmp_path / "none", settings(tmp_path / "none"))
    with pytest.raises(ArtifactError, match=r"no model\.safetensors"):
        LocalJudge(tmp_path, settings(tmp_path))
    judge = LocalJudge(folder, settings(folder))
    with pytest.raises(ConfigError, match="tells its logits, not tier 'text'"):
        judge.probe(config(tier="text"), judge.attempt)


def test_a_model_that_does_not_see_is_refused(folder):
    judge = LocalJudge(folder, settings(folder))
    always = judge.attempt(Request("", "Is it white?", (black(),)))
    with pytest.raises(CaigError, match="reads no pictures"):
        judge.probe(config(), lambda request: always)
