import re
from itertools import pairwise

import numpy as np
import pytest

from reference_models.diffusion import wording
from reference_models.diffusion.unseen import UNSEEN
from reference_models.shop.prompts import PHRASES, say
from reference_models.shop.vocabulary import SCENES, Look

LOOK = Look("beach", "night", "cool colours", "blurred background", "leaves")


def test_prompts_vary_but_the_same_draws_say_the_same():
    said = [wording.word(LOOK, np.random.default_rng(seed)).text for seed in range(200)]
    assert said == [wording.word(LOOK, np.random.default_rng(seed)).text for seed in range(200)]
    assert len(set(said)) > 100
    share = np.mean([text == say(LOOK) for text in said])
    assert wording.SHOP_SHARE - 0.1 < share < wording.SHOP_SHARE + 0.1


def test_it_is_known_what_a_prompt_says(monkeypatch):
    monkeypatch.setattr(wording, "FOREIGN_SHARE", 0)
    for seed in range(300):
        text, said = wording.word(LOOK, np.random.default_rng(seed))
        for value, is_said in zip(LOOK, said, strict=True):
            found = any(phrase in text for phrase in wording.phrases(value))
            assert found or not is_said, text


def test_some_prompts_hold_words_that_mean_nothing():
    known = {w for v in PHRASES for p in wording.phrases(v) for w in re.findall(r"[a-z]+", p)}
    texts = [wording.word(LOOK, np.random.default_rng(seed)).text for seed in range(500)]
    loose = {*" ".join(wording.OPENINGS + wording.CLOSINGS + wording.JOINTS).split(), "with"}
    foreign = [
        bool(set(re.findall(r"[a-z]+", t)) - known - {w.strip(",:.") for w in loose}) for t in texts
    ]
    expected = (1 - wording.SHOP_SHARE) * wording.FOREIGN_SHARE
    assert expected - 0.08 < np.mean(foreign) < expected + 0.08


def test_other_words_for_every_value_and_no_word_for_two():
    assert set(wording.more()) == set(PHRASES)
    said = sorted(phrase for value in PHRASES for phrase in wording.phrases(value))
    assert [a for a, b in pairwise(said) if a == b] == []


def test_a_prompt_says_nothing_of_other_scenes():
    others = [p for scene in SCENES if scene != "beach" for p in wording.phrases(scene)]
    for seed in range(300):
        text = wording.word(LOOK, np.random.default_rng(seed)).text
        for phrase in sorted((p for v in LOOK for p in wording.phrases(v)), key=len)[::-1]:
            text = text.replace(phrase, "")
        found = [p for p in others if re.search(rf"\b{re.escape(p)}\b", text)]
        assert [p for p in found if p not in " ".join(wording.CLOSINGS + wording.OPENINGS)] == []


@pytest.mark.parametrize("scene", SCENES)
def test_unseen_prompts_cannot_come_out_of_training(scene, monkeypatch):
    """None is an opening, phrases with joints between them, and a closing."""
    monkeypatch.setattr(wording, "FOREIGN_SHARE", 0)
    assert len(UNSEEN[scene]) == 4
    phrases = "|".join(re.escape(p) for value in PHRASES for p in wording.phrases(value))
    joints = "|".join(re.escape(j) for j in wording.JOINTS)
    openings = "|".join(re.escape(o) for o in wording.OPENINGS)
    closings = "|".join(re.escape(c) for c in wording.CLOSINGS)
    trained = re.compile(rf"({openings}) ?({phrases})(({joints})({phrases}))*({closings})")
    for seed in range(50):
        text = wording.word(LOOK, np.random.default_rng(seed)).text
        assert text == say(LOOK) or trained.fullmatch(text), text
    for text in UNSEEN[scene]:
        assert not trained.fullmatch(text), text
