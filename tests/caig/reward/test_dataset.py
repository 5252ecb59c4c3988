"""Steps: which ads and pairs, in whichever parts."""

import numpy as np
import polars as pl
import pytest
import torch

from caig.errors import DataError
from caig.reward.config import TrainSection
from caig.reward.dataset import Ads, Part, Products, altered, parts_of_step, steps_an_epoch
from caig.reward.model import SiameseRewardConfig
from caig.reward.pictures import ads_of_pairs

SHAPE = SiameseRewardConfig(image_size=16, kinds=("Mugs", "Tents"), vocabulary=("blue",))


@pytest.fixture(scope="module")
def table(shop):
    data, pairs = shop
    return ads_of_pairs(pairs.table("creative_pairs"), data.path)


@pytest.fixture(scope="module")
def products(shop, table):
    return Products(shop[1].table("creative_pairs"), table)


def parts(products, config, step=0, n=1):
    return parts_of_step(products, config, n_words=3, seed=1, step=step, parts=n)


def test_every_ad_is_there_once_with_its_title_and_counts(shop, table):
    assert table.height == 36
    row = table.row(by_predicate=pl.col("creative_id") == "p01-2", named=True)
    assert row["title"] == "Blue mug number 1"
    assert row["n_clicks"] == 200 + 2 * 220


def test_an_epoch_shows_every_pair_once_and_other_epochs_in_another_order(table, products):
    config = TrainSection(products_per_step=5)
    per_epoch = steps_an_epoch(len(products), config)
    assert per_epoch == 3
    orders = []
    for epoch in range(2):
        seen = []
        for step in range(per_epoch):
            (part,) = parts(products, config, step=epoch * per_epoch + step)
            seen += zip(part.rows[part.left].tolist(), part.rows[part.right].tolist(), strict=True)
        pairs = zip(products.left.tolist(), products.right.tolist(), strict=True)
        assert sorted(seen) == sorted(pairs)
        orders.append(seen)
    assert orders[0] != orders[1]


def test_parts_hold_together_what_the_whole_step_holds(products):
    config = TrainSection(products_per_step=7)
    (whole,) = parts(products, config)
    several = parts(products, config, n=3)
    assert {part.n_ads for part in several} == {whole.n_ads} == {21}
    assert {part.n_pairs for part in several} == {whole.n_pairs} == {21}
    order = np.argsort(np.concatenate([part.rows for part in several]))
    for name in ("rows", "is_flipped", "shift", "keeps_word"):
        together = np.concatenate([getattr(part, name) for part in several])[order]
        assert np.array_equal(together, getattr(whole, name)[np.argsort(whole.rows)]), name


def test_more_parts_than_products_leaves_some_empty(products):
    several = parts(products, TrainSection(products_per_step=1), n=3)
    assert [len(part.rows) for part in several] == [3, 0, 0]
    assert [part.keeps_word.shape for part in several] == [(3, 3), (0, 3), (0, 3)]


def test_of_many_ads_some_are_chosen_and_pairs_stay_among_them(products):
    config = TrainSection(products_per_step=2, ads_per_product=2)
    chosen = set()
    for step in range(30):
        (part,) = parts(products, config, step=step)
        assert len(part.rows) == 4
        assert len(part.left) == 2
        chosen |= set(part.rows.tolist())
    assert len(chosen) == 36


def test_pictures_are_mirrored_and_moved_as_told():
    pixels = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).reshape(2, 3, 4, 4)
    none = np.zeros(0)
    moves, flips = np.array([[1, 0], [0, -1]]), np.array([False, True])
    part = Part(none, none, none, none, flips, moves, none, none, flips, 2, 0)
    found = altered(pixels, part, shift=1)
    assert torch.equal(found[0, :, 1:], pixels[0, :, :-1])
    assert torch.equal(found[0, :, 0], pixels[0, :, 0])  # the edge is repeated
    assert torch.equal(found[1, :, :, :-1], pixels[1].flip(2)[:, :, 1:])


@pytest.mark.parametrize("cache_mb", [0, 10])
def test_pixels_and_titles_of_ads(table, cache_mb):
    ads = Ads(table, SHAPE, cache_mb=cache_mb)
    first = ads.pixels([3, 0])
    assert first.shape == (2, 3, 16, 16)
    assert first.dtype == torch.uint8
    assert torch.equal(first[1], ads.pixels([0])[0])
    assert ads.title_features([0])[0, 0] > 0.3
    assert ads.title_features([0])[0, 2] == 1
    assert ads.pixels([]).shape == (0, 3, 16, 16)


def test_the_category_is_read_where_that_is_wanted(table):
    blind = table.with_columns(title=pl.lit("Nimbus"))
    shape = {"image_size": 16, "kinds": ("Mugs", "Tents"), "vocabulary": ("blue",)}
    plain = Ads(blind, SiameseRewardConfig(**shape), cache_mb=0)
    assert "stated_kind" not in plain.inputs([0])
    ads = Ads(blind, SiameseRewardConfig(reads_category=True, **shape), cache_mb=0)
    stated = ads.inputs(range(blind.height))["stated_kind"]
    assert stated.tolist() == [
        [float(kind == "Mugs"), float(kind == "Tents")] for kind in blind["category"]
    ]


def test_a_missing_and_a_broken_picture_are_named(table, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n broken")
    for path, words in ((tmp_path / "none.png", "no such picture"), (broken, "not a readable")):
        ads = Ads(table.head(1).with_columns(path=pl.lit(str(path))), SHAPE, cache_mb=0)
        with pytest.raises(DataError, match=f"{path.name}: {words}"):
            ads.pixels([0])
