"""The stage: its lights, its places, its boxes."""

import numpy as np
import pytest

from reference_models.shop.scenes.light import GRADES
from reference_models.shop.scenes.sky import fog, sky
from reference_models.shop.scenes.stage import Stage, rgb, vertical
from reference_models.shop.vocabulary import LIGHTS, Look

GREY = (0.6, 0.6, 0.6)


def stage_of(light: str, size: int = 20) -> tuple[Stage, np.ndarray]:
    pixels = np.zeros((size, size, 4), np.uint8)
    return Stage(pixels, Look("beach", light), np.random.default_rng(0)), pixels


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("gradient", [False, True])
def test_the_light_grades_every_brush(light, gradient):
    stage, pixels = stage_of(light)
    stage.rect(0, 0, 1, 1, vertical((0.0, GREY), (1.0, GREY)) if gradient else GREY)
    gain, lift, _ = GRADES[light]
    expected = 255 * (0.6 * np.array(gain) * (1 - lift) + lift)
    assert np.abs(pixels[10, 10, :3] - expected).max() <= 1.5


def test_grading_a_half_transparent_brush_equals_grading_the_picture():
    plain, ungraded = stage_of("daylight")
    night, graded = stage_of("night")
    for stage in (plain, night):
        stage.rect(0, 0, 1, 1, rgb("3366cc"))
        stage.rect(0, 0, 1, 1, rgb("ffee88"), alpha=0.4)
    assert np.abs(graded[5, 5, :3] - ungraded[5, 5, :3] * np.array(GRADES["night"].gain)).max() <= 2


def test_what_shines_by_itself_keeps_its_colour_and_the_light_returns_after_it():
    stage, pixels = stage_of("night")
    with stage.lit():
        stage.rect(0, 0, 0.5, 1, GREY)
    stage.rect(0.5, 0, 1, 1, GREY)
    assert pixels[10, 5, :3].tolist() == [153, 153, 153]
    assert pixels[10, 15, 0] < 100


@pytest.mark.parametrize("light", LIGHTS)
def test_lamps_change_things_at_night_only(light):
    stage, pixels = stage_of(light)
    with stage.lamplit():
        stage.rect(0, 0, 0.5, 1, GREY)
    stage.rect(0.5, 0, 1, 1, GREY)
    same = pixels[10, 5].tolist() == pixels[10, 15].tolist()
    assert same == (light != "night")
    assert pixels[10, 5, 0] >= pixels[10, 15, 0]


def test_inside_maps_the_unit_square_to_a_box_and_cuts_at_its_edge():
    stage, pixels = stage_of("daylight")
    with stage.inside(0.25, 0.5, 0.75, 1.0):
        stage.rect(-1, -1, 2, 0.5, rgb("ff0000"))
        stage.rect(-1, 0.5, 2, 2, rgb("0000ff"))
    assert pixels[:10].max() == 0
    assert pixels[:, :5].max() == 0
    assert pixels[12, 10].tolist() == [255, 0, 0, 255]
    assert pixels[17, 10].tolist() == [0, 0, 255, 255]


def test_placed_moves_scales_turns_and_mirrors():
    stage, pixels = stage_of("daylight")
    with stage.placed(0.5, 0.5, 0.5, flip=True):
        stage.rect(0.2, -0.1, 0.8, 0.1, rgb("ff0000"))
    with stage.placed(0.5, 0.5, 0.5, turn=np.pi / 2):
        stage.rect(0.2, -0.1, 0.8, 0.1, rgb("00ff00"))
    assert pixels[10, 4, 0] == 255
    assert pixels[10, 16, 3] == 0
    assert pixels[15, 10, 1] == 255
    assert pixels[4, 10, 3] == 0


def test_a_veil_fades_from_one_alpha_to_the_other():
    stage, pixels = stage_of("daylight", size=100)
    stage.veil(0.0, 1.0, (1.0, 1.0, 1.0), above=0.0, below=1.0)
    column = pixels[:, 50, 3].astype(int)
    assert column[0] < 5
    assert column[-1] > 250
    assert np.all(np.diff(column) >= 0)


@pytest.mark.parametrize("light", LIGHTS)
def test_the_sky_fills_the_stage_and_fog_is_for_mist_alone(light):
    stage, pixels = stage_of(light)
    sky(stage, 0.6)
    assert pixels[:, :, 3].min() == 255
    before = pixels.copy()
    fog(stage, 0.2, 0.8)
    assert np.array_equal(before, pixels) == (light != "mist")


def test_circles_that_overlap_are_one_shape():
    stage, pixels = stage_of("daylight")
    stage.circles([(0.4, 0.5, 0.3), (0.6, 0.5, 0.3)], GREY, alpha=0.5)
    assert pixels[10, 10, 3] == pixels[10, 4, 3]
