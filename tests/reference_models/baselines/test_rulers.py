"""Rulers measure what they say, and know nothing of sides."""

import numpy as np
import polars as pl
import pytest

from caig.contracts.creatives import PAIR_SCORES
from caig.contracts.table import check
from caig.errors import ConfigError, DataError
from reference_models.rulers import RULERS, Ruler, brightness, chance, saturation, sharpness


def flat(*colour):
    return np.full((8, 8, 3), colour, np.uint8)


def test_brightness():
    assert brightness(flat(0, 0, 0)) == 0
    assert brightness(flat(255, 255, 255)) == pytest.approx(1)
    assert brightness(flat(0, 255, 0)) == pytest.approx(0.587)


def test_saturation():
    assert saturation(flat(0, 0, 0)) == 0
    assert saturation(flat(90, 90, 90)) == 0
    assert saturation(flat(200, 0, 0)) == 1
    assert saturation(flat(200, 100, 150)) == pytest.approx(0.5)


def test_sharpness():
    assert sharpness(flat(80, 80, 80)) == 0
    board = np.indices((8, 8)).sum(axis=0) % 2 * 255
    ramp = np.tile(np.arange(8) * 30, (8, 1))
    of = {
        name: sharpness(np.repeat(p[:, :, None], 3, 2).astype(np.uint8))
        for name, p in (("board", board), ("ramp", ramp))
    }
    assert of["ramp"] == pytest.approx(0, abs=1e-9)  # a straight ramp has no second derivative
    assert of["board"] == pytest.approx(1020**2)  # 4 * 255, of either sign


def test_chance_is_of_the_ad_alone_and_uniform():
    drawn = np.array([chance(f"ad-{i}") for i in range(4000)])
    assert chance("ad-7") == drawn[7]
    assert np.histogram(drawn, 4, (0, 1))[0] == pytest.approx(1000, abs=110)  # 4 sd


@pytest.mark.parametrize("measure", RULERS)
def test_every_ruler_keeps_the_contract(world, measure):
    ruler = Ruler(measure)
    scores = ruler.score_pairs(world.pairs, world.data.path)
    check(scores, PAIR_SCORES)
    assert ruler.name == f"ref:{measure}"
    assert scores["pair_id"].to_list() == np.repeat(world.pairs["pair_id"], 2).tolist()
    assert scores["presentation"].to_list() == ["as_is", "swapped"] * world.pairs.height


def swapped_sides(pairs):
    """The same pairs with left and right exchanged."""
    columns = [c for c in pairs.columns if c.startswith(("left_", "right_"))]
    other = {
        c: c.replace("left", "<").replace("right", "left").replace("<", "right") for c in columns
    }
    return pairs.rename(other).select(pairs.columns)


@pytest.mark.parametrize("measure", RULERS)
def test_swapping_the_sides_turns_the_answer_round(world, measure):
    ruler = Ruler(measure)
    p = [
        ruler.score_pairs(pairs, world.data.path)
        .group_by("pair_id", maintain_order=True)
        .agg(pl.col("p_left").mean())["p_left"]
        .to_numpy()
        for pairs in (world.pairs, swapped_sides(world.pairs))
    ]
    assert p[0] + p[1] == pytest.approx(1)


def test_the_brighter_ad_wins(world):
    scores = Ruler("brightness").score_pairs(world.pairs, world.data.path)
    left, right = (
        np.array([world.bright[name] for name in world.pairs[side]])
        for side in ("left_id", "right_id")
    )
    said = scores.filter(pl.col("presentation") == "swapped")["p_left"].to_numpy()
    assert np.array_equal(said > 0.5, left > right)
    assert said == pytest.approx(left / (left + right), abs=0.02)


def test_position_says_nothing_over_both_presentations(world):
    scores = Ruler("position").score_pairs(world.pairs, world.data.path)
    assert scores["p_left"].to_list() == [1.0, 0.0] * world.pairs.height


def test_title_length_is_a_tie_within_a_product(world, new_world):
    scores = Ruler("title_length").score_pairs(world.pairs, world.data.path)
    assert scores["p_left"].unique().to_list() == [0.5]
    untitled = new_world(title="")
    with pytest.raises(DataError, match="ads have no title"):
        Ruler("title_length").score_pairs(untitled.pairs, untitled.data.path)


def test_the_larger_file_wins(world):
    sizes = {
        row["creative_id"]: (world.data.path / row["image_path"]).stat().st_size
        for row in world.data.table("creatives").iter_rows(named=True)
    }
    pair = world.pairs.row(0, named=True)
    left, right = sizes[pair["left_id"]], sizes[pair["right_id"]]
    scores = Ruler("file_size").score_pairs(world.pairs.head(1), world.data.path)
    assert scores["p_left"].to_list() == [pytest.approx(left / (left + right))] * 2


def test_no_such_ruler():
    with pytest.raises(ConfigError, match="no ruler 'weight'; there are: random, position"):
        Ruler("weight")
