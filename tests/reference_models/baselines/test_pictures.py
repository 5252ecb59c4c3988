"""Ads of a data run: found, decoded, resized; nothing from outside of its folder."""

import numpy as np
import polars as pl
import pytest
from PIL import Image

from caig.config import Config
from caig.contracts.creatives import CREATIVES
from caig.errors import DataError
from caig.runs.store import RunWriter
from reference_models.pictures import (
    crop,
    normalised,
    of_pairs,
    read_ads,
    read_picture,
    resize,
    shorter_side_to,
)


def test_ads_have_their_files_and_titles(world):
    ads = read_ads(world.data.path)
    assert ads.columns == ["creative_id", "product_id", "path", "title", "category_path"]
    assert ads.height == 48
    first = ads.row(0, named=True)
    assert first["title"] == "Lamp 0"
    assert first["category_path"] == "Home > Lamps"
    assert read_picture(first["path"]).shape == (24, 24, 3)


def test_an_empty_title_or_none_is_unknown(new_world):
    assert read_ads(new_world(title="").data.path)["title"].null_count() == 48
    ads = read_ads(new_world(with_products=False).data.path)
    assert ads["title"].null_count() == ads["category_path"].null_count() == 48


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "a/../../b.png", "..\\b.png"])
def test_a_path_out_of_the_run_is_refused(tmp_path, world, path):
    creatives = world.data.table("creatives").head(1).with_columns(image_path=pl.lit(path))
    with RunWriter(tmp_path, "ingest", Config()) as run:
        run.write_table(CREATIVES, creatives)
    with pytest.raises(DataError, match="leaves the run's folder"):
        read_ads(run.path)


def test_only_the_ads_of_the_pairs_each_once(world):
    ads = of_pairs(world.pairs.head(3), read_ads(world.data.path))
    assert ads["creative_id"].to_list() == ["p0-a0", "p0-a1", "p0-a2", "p0-a3"]


def test_an_ad_that_is_not_there_is_named(world):
    pairs = world.pairs.head(1).with_columns(left_id=pl.lit("gone"))
    with pytest.raises(DataError, match="no such creative in the data run"):
        of_pairs(pairs, read_ads(world.data.path))


def test_what_is_transparent_is_white_whatever_colour_it_hides(tmp_path):
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[:, 2:] = (10, 20, 30, 255)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    assert picture[0, 0].tolist() == [255, 255, 255]
    assert picture[0, 3].tolist() == [10, 20, 30]


def test_a_picture_that_is_none_is_named(tmp_path):
    with pytest.raises(DataError, match="no such picture"):
        read_picture(tmp_path / "gone.png")
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "whole.png")
    content = (tmp_path / "whole.png").read_bytes()
    for name, damaged in (("cut.png", content[:60]), ("text.png", b"hello"), ("empty.png", b"")):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(DataError, match=f"{name}: not a readable picture"):
            read_picture(tmp_path / name)


def test_shapes():
    picture = np.zeros((30, 60, 3), np.uint8)
    assert resize(picture, 10, 20).shape == (20, 10, 3)
    assert resize(picture, 60, 30) is picture
    assert shorter_side_to(picture, 15).shape == (15, 30, 3)
    assert shorter_side_to(picture.transpose(1, 0, 2), 15).shape == (30, 15, 3)


def test_a_crop_lies_where_it_is_asked_for():
    picture = np.arange(5 * 7 * 3).reshape(5, 7, 3)
    assert np.array_equal(crop(picture, 3), picture[1:4, 2:5])
    assert np.array_equal(crop(picture, 3, top=0, left=1), picture[:3, 4:])


def test_imagenets_mean_becomes_zero():
    pixels = normalised([np.full((2, 2, 3), (124, 116, 104), np.uint8)])
    assert pixels.shape == (1, 3, 2, 2)
    assert pixels.dtype == np.float32
    assert np.abs(pixels).max() < 0.01
