"""Ads of an arm: what each was painted from, and runs that cannot be an arm."""

import polars as pl
import pytest
from online_world import SHA, painted, products_of

from caig.config import Config
from caig.errors import ArtifactError, DataError
from caig.runs.store import Run, RunWriter
from reference_models.shop.arms import read_arm
from reference_models.shop.vocabulary import Look

PRODUCTS = products_of("Mugs", "Hats")
BEACH = ("beach", "night", "warm colours", "blurred background", "plain")


def test_an_ad_has_the_look_that_was_drawn(tmp_path):
    # The readings tell of a painter that reads otherwise than the prompt is read today.
    run = painted(
        tmp_path,
        [("mugs-1", "a forest"), ("hats-2", "a forest")],
        readings=[("q0", *BEACH, ""), ("q1", *[None] * 5, "a")],
    )
    first, second = read_arm("dpo", run, PRODUCTS).ads
    assert (first.creative_id, first.product_id, first.prompt) == ("c0", "mugs-1", "a forest")
    assert (first.look, first.seed) == (Look(*BEACH), 42)
    assert second.look is None


def test_without_readings_the_prompt_is_read(tmp_path):
    run = painted(tmp_path, [("mugs-1", "Beach at night"), ("mugs-1", "nice nice")])
    first, second = read_arm("dpo", run, PRODUCTS).ads
    assert first.look == Look("beach", "night")
    assert second.look is None


def test_without_a_seed_a_picture_is_told_apart_by_its_content(tmp_path):
    run = painted(tmp_path, [("mugs-1", "beach")], seed=None)
    assert read_arm("dpo", run, PRODUCTS).ads[0].seed == SHA


def test_ads_of_other_products_are_refused(tmp_path):
    run = painted(tmp_path, [("mugs-1", "beach"), ("cup-9", "beach"), ("cup-7", "beach")])
    with pytest.raises(DataError) as caught:
        read_arm("dpo", run, PRODUCTS)
    assert "arm 'dpo'" in str(caught.value)
    assert "product_id: is no product of the shop (2 rows)" in str(caught.value)
    assert "'c1' of product 'cup-9'" in str(caught.value)


def test_ads_whose_prompt_is_not_there_are_refused(tmp_path):
    run = painted(tmp_path, [("mugs-1", "beach")], sample_id="q9")
    with pytest.raises(DataError, match=r"sample_id: names no prompt of the run \(1 row\)"):
        read_arm("dpo", run, PRODUCTS)


def test_looks_of_another_world_are_refused(tmp_path):
    ads = [("mugs-1", "the moon")]
    run = painted(tmp_path, ads, readings=[("q0", "moon", *BEACH[1:], "")])
    with pytest.raises(DataError, match=r"prompt_readings: are no look of the shop world \(1 row"):
        read_arm("dpo", run, PRODUCTS)


def test_a_run_without_ads_is_refused(tmp_path):
    run = painted(tmp_path, [])
    with pytest.raises(DataError, match="creatives: there are none"):
        read_arm("dpo", run, PRODUCTS)


def test_a_run_of_something_else_is_refused(tmp_path):
    with RunWriter(tmp_path, "lift", Config()) as run:
        run.write_frame("table", pl.DataFrame({"a": [1]}))
    with pytest.raises(ArtifactError, match=r"arm 'dpo': .* name a run of caig generate"):
        read_arm("dpo", Run.open(run.path), PRODUCTS)
