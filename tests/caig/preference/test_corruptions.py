"""Corrupted product information: how much, of what, and always the same for a seed."""

import numpy as np
import pytest
from PIL import Image

from caig.preference.config import CorruptionConfig
from caig.preference.corruptions import draw_corruptions, mask_patches, seed_of

WHITE = Image.new("RGB", (96, 64), "white")


def black_patches(picture, patch):
    pixels = np.asarray(picture)
    rows, columns = pixels.shape[0] // patch, pixels.shape[1] // patch
    whole = pixels.reshape(rows, patch, columns, patch, 3).mean(axis=(1, 3, 4))
    assert set(np.unique(whole)) <= {0.0, 255.0}  # a patch is black or untouched
    return int((whole == 0).sum()), rows * columns


@pytest.mark.parametrize(("share", "expected"), [(0.75, 18), (0.5, 12), (1.0, 24), (0.001, 1)])
def test_the_share_of_patches_is_black(share, expected):
    masked = mask_patches(WHITE, CorruptionConfig(patch=16, share=share), seed=0)
    assert black_patches(masked, 16) == (expected, 24)
    assert np.asarray(WHITE).min() == 255


def test_patches_at_the_edge_are_cut_off():
    masked = mask_patches(WHITE.crop((0, 0, 70, 40)), CorruptionConfig(patch=32, share=1), seed=0)
    assert masked.size == (70, 40)
    assert np.asarray(masked).max() == 0


def test_the_seed_chooses_the_patches():
    config = CorruptionConfig(patch=8)
    first, again, other = (mask_patches(WHITE, config, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("kind", "masks", "swaps"),
    [("mask", {True}, {False}), ("swap", {False}, {True}), ("both", {True}, {True})],
)
def test_a_kind_is_what_it_says(kind, masks, swaps):
    drawn = draw_corruptions(40, kind, seed=0)
    assert {one.masks for one in drawn} == masks
    assert {one.other is not None for one in drawn} == swaps
    assert not any(one.swaps_answer for one in drawn)
    assert all(one.other != k for k, one in enumerate(drawn))


@pytest.mark.parametrize("kind", ["either", "released"])
def test_a_coin_takes_one_of_the_two(kind):
    drawn = draw_corruptions(400, kind, seed=5)
    masked = sum(one.masks for one in drawn)
    assert 160 < masked < 240
    assert all(one.masks is (one.other is None) for one in drawn)
    swapped = {one.swaps_answer for one in drawn if one.other is not None}
    assert swapped == {kind == "released"}
    assert not any(one.swaps_answer for one in drawn if one.other is None)


def test_every_other_product_is_drawn_as_often():
    others = [one.other for seed in range(200) for one in draw_corruptions(5, "swap", seed=seed)]
    counts = np.bincount(others, minlength=5)
    assert counts.min() > 150


def test_a_pair_that_is_alone_is_masked():
    (only,) = draw_corruptions(1, "swap", seed=0)
    assert only.masks
    assert only.other is None


def test_draws_belong_to_their_seed():
    assert draw_corruptions(9, "either", seed=1) == draw_corruptions(9, "either", seed=1)
    assert draw_corruptions(9, "either", seed=1) != draw_corruptions(9, "either", seed=2)
    assert seed_of(1, "a") != seed_of(1, "b")
    assert 0 <= seed_of("anything", 3) < 2**63
