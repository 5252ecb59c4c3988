"""The truth of the shop world: a table that fits its words, and a click model as described."""

import math

import numpy as np
import pytest

from reference_models.shop.catalogue import CATEGORIES
from reference_models.shop.creatives import random_look
from reference_models.shop.truth import (
    MATCH_EFFECT,
    NOISE_SD,
    PRODUCT_SD,
    SUITABLE,
    effects,
    suits,
    true_ctr,
    true_logit,
)
from reference_models.shop.vocabulary import LIGHTS, PALETTES, SCENES, Look


def test_every_category_has_two_or_three_scenes_and_every_scene_a_category():
    assert list(SUITABLE) == [category.name for category in CATEGORIES]
    assert {len(scenes) for scenes in SUITABLE.values()} == {2, 3}
    assert {scene for scenes in SUITABLE.values() for scene in scenes} == set(SCENES)


def test_a_random_scene_suits_about_one_time_in_eight():
    chance = np.mean([[suits(c.name, scene) for scene in SCENES] for c in CATEGORIES])
    assert chance == pytest.approx(0.12, abs=0.01)


def test_a_suitable_scene_gains_the_match_effect_and_nothing_else():
    of_scene = dict(zip(SCENES, effects().scene, strict=True))
    for category, scenes in SUITABLE.items():
        other = next(scene for scene in SCENES if scene not in scenes)
        gain = logit(Look(scenes[0]), category) - logit(Look(other), category)
        assert gain == pytest.approx(MATCH_EFFECT + of_scene[scenes[0]] - of_scene[other])


def test_attractiveness_and_taste_are_independent_of_suitability():
    match = np.array([[suits(c.name, scene) for scene in SCENES] for c in CATEGORIES], float)
    # What a policy would gain in attractiveness by choosing suitable scenes: next to nothing.
    assert abs((match @ effects().scene / match.sum(axis=1)).mean()) < 0.02


def test_base_rates_keep_their_meaning():
    table = effects()
    for values in table:
        assert values.mean(axis=-1) == pytest.approx(0, abs=1e-12)


def test_taste_makes_the_best_look_depend_on_the_category():
    best = {
        max(
            ((light, palette) for light in LIGHTS for palette in PALETTES),
            key=lambda pair: logit(Look("beach", *pair), category.name),
        )
        for category in CATEGORIES
    }
    assert len(best) > 8


def test_product_effects_and_noise_have_their_spread_and_belong_to_their_names():
    look = Look("beach")
    products = [logit(look, "Hats", f"hats-{n}") for n in range(4000)]
    assert np.std(products) == pytest.approx(PRODUCT_SD, rel=0.05)
    assert np.mean(products) == pytest.approx(logit(look, "Hats", "hats-7", own=False), abs=0.02)
    ads = [true_ctr(look, category="Hats", product_id="p", ad_id=str(n)) for n in range(4000)]
    noise = [math.log(ctr / (1 - ctr)) - logit(look, "Hats", "p") for ctr in ads]
    assert np.std(noise) == pytest.approx(NOISE_SD, rel=0.05)
    again = true_ctr(look, category="Hats", product_id="p", ad_id="5")
    assert again == ads[5]


def test_rates_lie_where_display_ads_lie():
    rng = np.random.default_rng(0)
    rates = [
        true_ctr(random_look(rng), category=c.name, product_id=f"{c.name}{n}", ad_id=f"{n}")
        for c in CATEGORIES
        for n in range(50)
    ]
    assert min(rates) > 0.004
    assert max(rates) < 0.12
    assert 0.015 < np.mean(rates) < 0.03


def logit(look, category, product_id="p", *, own=True):
    value = true_logit(look, category=category, product_id=product_id)
    if own:
        return value
    others = [true_logit(look, category=category, product_id=f"x{n}") for n in range(4000)]
    return float(np.mean(others))
