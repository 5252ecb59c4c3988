"""Backgrounds: every look draws, the same seed gives the same bytes, and each word is visible."""

from itertools import combinations

import numpy as np
import pytest

from reference_models.shop.scenes.registry import SCENES
from reference_models.shop.scenes.render import render_background
from reference_models.shop.scenes.stage import Stage
from reference_models.shop.vocabulary import DECORATIONS, DEPTHS, LIGHTS, PALETTES, Look
from reference_models.shop.vocabulary import SCENES as SCENE_NAMES

OUTDOORS = SCENE_NAMES[:12]
CLEAR = 24
"""Grey levels by which a pixel must change for the change to count as seen."""


def picture(scene: str, *, seed: int = 3, size: int = 96, **words: str) -> np.ndarray:
    return render_background(Look(scene, **words), seed=seed, size=size).astype(int)


def mean_change(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first - second).mean())


def share_changed(first: np.ndarray, second: np.ndarray) -> float:
    return float((np.abs(first - second).max(axis=2) > CLEAR).mean())


def reduced(image: np.ndarray) -> np.ndarray:
    half = image.shape[0] // 2
    return image.reshape(half, 2, half, 2, 3).mean(axis=(1, 3))


def steepness(image: np.ndarray) -> float:
    return float(np.abs(np.diff(image, axis=0)).mean() + np.abs(np.diff(image, axis=1)).mean())


def test_every_word_for_a_scene_is_drawn_and_nothing_else():
    assert set(SCENES) == set(SCENE_NAMES)
    assert all(0.8 <= SCENES[name].ground <= 0.95 for name in SCENES)


@pytest.mark.parametrize("scene", SCENE_NAMES)
def test_every_light_and_palette_leaves_no_gap_in_the_picture(scene):
    for light in LIGHTS:
        for k, palette in enumerate(PALETTES):
            pixels = np.zeros((48, 48, 4), np.uint8)
            rng = np.random.default_rng(k)
            SCENES[scene].draw(Stage(pixels, Look(scene, light, palette), rng))
            # rooms have seams: two smooth edges that meet within a pixel let a little through
            assert pixels[:, :, 3].min() >= (255 if scene in OUTDOORS else 200), (light, palette)
            assert pixels[:, :, :3].std() > 10, (light, palette)


@pytest.mark.parametrize("scene", SCENE_NAMES)
def test_same_seed_same_bytes_other_seed_another_picture(scene):
    look = Look(scene, "night", decoration="leaves")
    once, again = (render_background(look, seed=5, size=80).tobytes() for _ in range(2))
    assert once == again
    for first, second in combinations(range(4), 2):
        change = mean_change(picture(scene, seed=first), picture(scene, seed=second))
        assert change > (8 if scene in OUTDOORS else 1)


@pytest.mark.parametrize("scene", SCENE_NAMES)
def test_lights_differ_by_a_twentieth_of_the_scale(scene):
    lights = [picture(scene, light=light) for light in LIGHTS]
    for first, second in combinations(lights, 2):
        assert mean_change(first, second) > 255 / 20


@pytest.mark.parametrize("scene", OUTDOORS)
@pytest.mark.parametrize("light", LIGHTS)
def test_any_two_palettes_differ_on_a_sixteenth_of_the_picture(scene, light):
    palettes = [picture(scene, light=light, palette=palette) for palette in PALETTES]
    for first, second in combinations(palettes, 2):
        assert share_changed(first, second) > 1 / 16


@pytest.mark.parametrize("scene", OUTDOORS)
def test_decorations_are_seen_and_leave_the_middle_to_the_product(scene):
    plain = picture(scene)
    size = plain.shape[0]
    rows = slice(int(0.3 * size), int((SCENES[scene].ground - 0.06) * size))
    columns = slice(int(0.36 * size), int(0.64 * size))
    drawn = [picture(scene, decoration=name) for name in DECORATIONS[1:]]
    for image in drawn:
        assert share_changed(plain, image) > 0.03
        assert np.array_equal(plain[rows, columns], image[rows, columns])
    for first, second in combinations(drawn, 2):
        assert share_changed(first, second) > 0.06


@pytest.mark.parametrize("scene", SCENE_NAMES)
def test_a_blurred_background_is_flatter_but_keeps_its_colours(scene):
    sharp, blurred = (picture(scene, depth=depth) for depth in DEPTHS)
    assert steepness(blurred) < 0.85 * steepness(sharp)
    assert np.abs(sharp.mean(axis=(0, 1)) - blurred.mean(axis=(0, 1))).max() < 3


def test_blur_spares_the_decoration():
    looks = {name: {"depth": DEPTHS[1], "decoration": name} for name in ("plain", "confetti")}
    plain, confetti = (picture("desert", **words) for words in looks.values())
    assert steepness(confetti) > 1.3 * steepness(plain)


@pytest.mark.parametrize("scene", SCENE_NAMES)
@pytest.mark.parametrize("decoration", ["plain", "confetti"])
def test_a_drawing_does_not_depend_on_its_size(scene, decoration):
    small = picture(scene, size=128, decoration=decoration)
    large = reduced(picture(scene, size=256, decoration=decoration))
    assert mean_change(small, large) < 2.5
    assert share_changed(small, large) < 0.03
