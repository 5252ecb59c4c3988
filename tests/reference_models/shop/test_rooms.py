"""The brushes of rooms: what each light shows, and where a brush may not paint."""

import numpy as np
import pytest

from reference_models.shop.scenes import furniture, rooms
from reference_models.shop.scenes.stage import Stage
from reference_models.shop.vocabulary import LIGHTS, Look

SIZE = 100
GREY = (0.5, 0.5, 0.5)


def drawn(draw, *, light="daylight", seed=0, background=GREY):
    """Pixels of what ``draw(stage)`` paints over a plain picture, as signed integers."""
    pixels = np.zeros((SIZE, SIZE, 4), np.uint8)
    stage = Stage(pixels, Look("living room", light=light), np.random.default_rng(seed))
    with stage.lit():
        stage.rect(0, 0, 1, 1, background)
    draw(stage)
    return pixels[:, :, :3].astype(int)


def nothing(stage):
    """Draw nothing."""


def lamp(stage):
    rooms.lamp_glow(stage, (0.5, 0.5), 0.4)


def test_lamp_burns_at_night_and_only_within_its_reach():
    night = drawn(lamp, light="night")
    assert night[50, 50].min() > 190  # ungraded: the night grade halves all else
    assert night[50, 50].sum() > night[50, 70].sum() > night[50, 85].sum()
    assert (night[5, 5] == drawn(nothing)[5, 5]).all()
    assert night[50, 75].sum() > drawn(lamp)[50, 75].sum()
    assert night[50, 70, 0] > night[50, 70, 2] + 20  # warm


@pytest.mark.parametrize("light", LIGHTS)
def test_lamplight_lies_on_surfaces_at_night_only(light):
    def pool(stage):
        rooms.lamplight(stage, (0.5, 0.5), 0.4, 0.2, (0.2, 0.4, 0.8))

    changed = (drawn(pool, light=light) != drawn(nothing)).any()
    assert changed == (light == "night")


@pytest.mark.parametrize("light", LIGHTS)
def test_sun_falls_in_by_day_only(light):
    def patch(stage):
        rooms.sun_patch(stage, 0.2, 0.2, 0.5, 0.4, slant=0.1)

    change = drawn(patch, light=light) - drawn(nothing)
    if light in ("night", "mist"):
        assert not change.any()
    else:
        assert change[25, 25].sum() > 0
        rows, columns = np.nonzero(change.any(2))
        assert rows.min() >= 20
        assert rows.max() <= 70
        assert columns.min() >= 20
        assert columns.max() <= 70


def test_sun_is_warmer_at_golden_hour():
    def patch(stage):
        rooms.sun_patch(stage, 0.2, 0.2, 0.5, 0.4, slant=0.1)

    day, gold = (drawn(patch, light=light)[25, 25] for light in ("daylight", "golden hour"))
    assert gold[0] - gold[2] > day[0] - day[2] + 40


@pytest.mark.parametrize("light", LIGHTS)
def test_mist_creeps_in_only_in_mist(light):
    changed = drawn(lambda stage: rooms.mist(stage, 0.2, 0.8), light=light) != drawn(nothing)
    assert changed.any() == (light == "mist")
    assert not changed[:20].any()
    assert not changed[80:].any()


@pytest.mark.parametrize("box", [(0.1, 0.2, 0.4, 0.8), (0.1, 0.3, 0.9, 0.6)])
@pytest.mark.parametrize("light", LIGHTS)
def test_view_fills_its_opening_and_no_more(box, light):
    left, top, right, bottom = (round(SIZE * part) for part in box)
    marker = (1.0, 0.0, 1.0)  # no sky is magenta
    change = drawn(lambda stage: rooms.view(stage, *box), light=light, background=marker)
    change = (change - drawn(nothing, background=marker)).any(2)
    assert change[top:bottom, left:right].all()
    change[top:bottom, left:right] = False
    assert not change.any()


def test_window_shows_the_light():
    def view(stage):
        rooms.window(stage, 0.2, 0.2, 0.8, 0.8)

    day, gold, night, misty = (drawn(view, light=light)[22:45, 22:78] for light in LIGHTS)
    means = [glass.mean((0, 1)) for glass in (day, gold, night, misty)]
    assert means[0][2] > means[0][0] + 30  # blue
    assert means[1][0] > means[1][2] + 20  # red
    assert means[2].sum() < 0.6 * min(mean.sum() for mean in (means[0], means[1], means[3]))
    assert np.ptp(means[3]) < 25  # grey


@pytest.mark.parametrize("seed", range(8))
def test_books_fill_their_shelf_and_no_more(seed):
    left, right = 0.1, 0.9 - 0.01 * seed
    change = drawn(lambda stage: furniture.books(stage, left, right, 0.8, 0.5), seed=seed)
    change = (change != drawn(nothing)).any(2)
    foot = change[75]  # books are at least 0.72 of the height tall, so each crosses this row
    first, last = round(SIZE * left), round(SIZE * right)
    assert foot[first:last].all()
    assert not foot[:first].any()
    assert not foot[last:].any()
    assert not change[:30].any()
    assert not change[80:].any()


def test_rooms_are_mirrored_by_chance():
    def mark(stage):
        with rooms.either_way_round(stage):
            stage.rect(0.1, 0.4, 0.2, 0.6, (1.0, 0.0, 0.0))

    pictures = [drawn(mark, seed=seed) for seed in range(20)]
    plain = [picture[50, 15, 1] == 0 for picture in pictures]
    assert 3 < sum(plain) < 17
    first, second = pictures[plain.index(True)], pictures[plain.index(False)]
    assert (first == second[:, ::-1]).all()


def test_wall_leans_to_the_palette_and_dims_at_night():
    colour = (0.9, 0.3, 0.2)
    day, night = (
        drawn(lambda stage: rooms.wall(stage, 0.8, colour), light=light)[40, 50]
        for light in ("daylight", "night")
    )
    assert day[0] > 2 * day[2]
    assert night.sum() < 0.7 * day.sum()
    assert night[2] > night[0] - 30  # bluish, far from lamps
