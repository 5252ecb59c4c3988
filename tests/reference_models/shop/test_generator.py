"""The procedural generator: draws what a prompt says, says what it could not read, spares goods."""

from types import SimpleNamespace

import cv2
import numpy as np
import polars as pl
import pytest

from caig.contracts.creatives import CREATIVES
from caig.contracts.table import check
from caig.contracts.worlds import PROMPT_READINGS
from caig.errors import DataError
from caig.generation.compose import place
from caig.generation.sheet import encode_png
from reference_models.shop.ads import FIT
from reference_models.shop.drawings import draw_cutout
from reference_models.shop.generator import ProceduralGenerator
from reference_models.shop.products import shop_products
from reference_models.shop.scenes.registry import SCENES

SIZE = 96
WORDS = ("beach at sunset", "a cosy library, bokeh", "a quarrel", "beach at night with confetti")


@pytest.fixture
def products(tmp_path):
    rows = []
    for product in shop_products()[:2]:
        path = tmp_path / f"{product.product_id}.png"
        path.write_bytes(encode_png(draw_cutout(product, 256)))
        rows.append((product.product_id, str(path)))
    return pl.DataFrame(rows, schema=["product_id", "cutout_path"], orient="row")


def prompts_of(product_id, words=WORDS):
    return pl.DataFrame(
        {
            "prompt_id": [f"{product_id}-{n}" for n in range(len(words))],
            "product_id": product_id,
            "prompt": list(words),
        }
    )


def generator(seed=1):
    return ProceduralGenerator(SimpleNamespace(size=SIZE, seed=seed))


def pictures(creatives, folder):
    return [
        cv2.cvtColor(cv2.imread(str(folder / path)), cv2.COLOR_BGR2RGB)
        for path in creatives["image_path"]
    ]


def test_a_creative_a_prompt_in_order(products, tmp_path):
    prompts = pl.concat([prompts_of("sneakers-1"), prompts_of("sneakers-2")])
    creatives = check(generator().generate(prompts, products, tmp_path), CREATIVES)
    assert creatives["sample_id"].to_list() == prompts["prompt_id"].to_list()
    assert creatives["generator"].unique().to_list() == ["procedural/shop-1"]
    assert creatives["image_sha256"].n_unique() == 8


def test_product_pixels_are_untouched(products, tmp_path):
    creatives = generator().generate(prompts_of("sneakers-1"), products, tmp_path)
    cutout = draw_cutout(shop_products()[0], 256)
    for picture, scene in zip(
        pictures(creatives, tmp_path), ("beach", "library shelves", None, "beach"), strict=True
    ):
        ground = 0.86 if scene is None else SCENES[scene].ground
        placed = place(cutout, SIZE, fit=FIT, ground=ground)
        solid = placed[:, :, 3] == 255
        assert solid.mean() > 0.05
        np.testing.assert_array_equal(picture[solid], placed[solid][:, :3])


def test_prompts_of_one_product_differ_by_their_words_alone(products, tmp_path):
    both = prompts_of("sneakers-1", ["beach", "beach, with confetti"])
    plain, festive = pictures(generator().generate(both, products, tmp_path), tmp_path)
    differs = (plain.astype(int) != festive).any(axis=2)
    assert 0.02 < differs.mean() < 0.5  # confetti here and there; beneath it, the same beach


def test_the_seed_belongs_to_the_product_whatever_the_order(products, tmp_path):
    prompts = pl.concat([prompts_of("sneakers-1"), prompts_of("sneakers-2")])
    forwards = generator().generate(prompts, products, tmp_path)
    backwards = generator().generate(prompts.reverse(), products, tmp_path).reverse()
    assert forwards.equals(backwards)
    other = generator(seed=2).generate(prompts, products, tmp_path)
    assert forwards["image_sha256"][0] != other["image_sha256"][0]


def test_readings_say_what_was_drawn_and_what_was_not(products):
    readings = check(generator().readings(prompts_of("sneakers-1")), PROMPT_READINGS)
    assert readings["scene"].to_list() == ["beach", "library shelves", None, "beach"]
    assert readings["light"].to_list() == ["golden hour", "daylight", None, "night"]
    assert readings["unread"].to_list() == ["", "cosy", "quarrel", ""]


def test_a_missing_cut_out_is_named(products, tmp_path):
    broken = products.with_columns(cutout_path=pl.lit(str(tmp_path / "gone.png")))
    with pytest.raises(DataError, match=r"gone\.png"):
        generator().generate(prompts_of("sneakers-1"), broken, tmp_path)
