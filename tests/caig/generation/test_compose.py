"""Placing, blending, masks: the product keeps its bits, and hidden colour never shows."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from caig.errors import DataError
from caig.generation.compose import (
    alpha_box,
    canny_control,
    flatten,
    paste,
    place,
    repaint_mask,
    resample,
)


def shapes(channels):
    return st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(channels))


@st.composite
def pastes(draw):
    """A background and a placed product of its size; alpha is often at its ends."""
    height, width, _ = draw(shapes(4))
    background = draw(hnp.arrays(np.uint8, (height, width, 3)))
    placed = draw(hnp.arrays(np.uint8, (height, width, 4)))
    ends = draw(hnp.arrays(np.uint8, (height, width), elements=st.sampled_from([0, 255])))
    kept = draw(hnp.arrays(np.bool_, (height, width)))
    placed[..., 3] = np.where(kept, placed[..., 3], ends)
    return background, placed


def disc(height, width, *, hidden=(255, 0, 255)):
    """A red ellipse that touches all sides, with an ugly colour under alpha 0."""
    y, x = np.mgrid[:height, :width]
    inside = (2 * y / (height - 1) - 1) ** 2 + (2 * x / (width - 1) - 1) ** 2 <= 1
    picture = np.zeros((height, width, 4), np.uint8)
    picture[..., :3] = hidden
    picture[inside] = (200, 30, 30, 255)
    return picture


@given(pastes())
def test_the_product_and_the_background_keep_their_bits(case):
    background, placed = case
    pasted = paste(background, placed)
    solid, empty = placed[..., 3] == 255, placed[..., 3] == 0
    assert (pasted.dtype, pasted.shape) == (np.uint8, background.shape)
    np.testing.assert_array_equal(pasted[solid], placed[solid][:, :3])
    np.testing.assert_array_equal(pasted[empty], background[empty])


@given(pastes())
def test_a_soft_edge_is_the_rounded_blend(case):
    background, placed = case
    alpha = placed[..., 3:] / 255
    exact = placed[..., :3] * alpha + background * (1 - alpha)
    assert np.abs(paste(background, placed) - exact).max() <= 0.5 + 1e-9


@given(
    hnp.arrays(np.uint8, shapes(4)),
    st.integers(8, 40),
    st.floats(0.2, 1),
    st.none() | st.floats(0.3, 1),
)
def test_placed_products_fit_their_canvas(cutout, size, fit, ground):
    cutout[0, 0, 3] = 255
    placed = place(cutout, size, fit=fit, ground=ground)
    assert (placed.dtype, placed.shape) == (np.uint8, (size, size, 4))
    assert not placed[placed[..., 3] == 0].any()
    rows = np.flatnonzero(placed[..., 3].any(axis=1))
    columns = np.flatnonzero(placed[..., 3].any(axis=0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 <= max(1, round(fit * size))
    if ground is not None:
        assert rows[-1] < max(1, round(ground * size))


@given(hnp.arrays(np.uint8, shapes(4)), st.integers(1, 30), st.integers(1, 30))
def test_resampling_ignores_hidden_colour(picture, width, height):
    other = picture.copy()
    other[other[..., 3] == 0, :3] ^= 255
    np.testing.assert_array_equal(resample(picture, width, height), resample(other, width, height))


@given(hnp.arrays(np.uint8, (3,)), st.integers(1, 30), st.integers(1, 30))
def test_one_colour_stays_that_colour_up_to_its_edge(colour, width, height):
    picture = disc(17, 11, hidden=(255, 255, 255))
    picture[picture[..., 3] > 0, :3] = colour
    scaled = resample(picture, width, height)
    seen = scaled[..., 3] > 0
    assert np.abs(scaled[seen][:, :3].astype(int) - colour).max(initial=0) <= 1


@pytest.mark.parametrize(("height", "width"), [(300, 100), (100, 300), (40, 40), (25, 11)])
def test_the_box_is_centred_and_keeps_its_aspect(height, width):
    padded = np.pad(disc(height, width), ((7, 31), (3, 0), (0, 0)))
    padded[0, 0] = (0, 0, 255, 127)  # too faint to count: cropped away
    top, bottom, left, right = alpha_box(place(padded, 512))
    longest = max(bottom - top, right - left)
    assert longest == pytest.approx(0.78 * 512, abs=1)
    assert (bottom - top) / (right - left) == pytest.approx(height / width, rel=0.02)
    assert abs(top - (512 - bottom)) <= 2
    assert abs(left - (512 - right)) <= 2


def test_a_product_stands_on_its_ground():
    _, bottom, left, right = alpha_box(place(disc(60, 90), 200, fit=0.5, ground=0.8))
    assert (bottom, right - left) == (160, 100)
    assert left == 200 - right


def test_a_product_too_tall_for_its_ground_shrinks():
    top, bottom, *_ = alpha_box(place(disc(300, 30), 200, fit=0.9, ground=0.6))
    assert (top, bottom) == (0, 120)


def test_a_product_of_the_right_size_is_copied():
    cutout = np.random.default_rng(1).integers(0, 256, (78, 60, 4), np.uint8)
    cutout[..., 3] = 255
    np.testing.assert_array_equal(place(cutout, 100)[11:89, 20:80], cutout)


def test_an_empty_cutout_is_refused():
    with pytest.raises(DataError, match="no pixel has an alpha of at least 128"):
        place(np.full((4, 4, 4), 127, np.uint8), 64)


def test_flattened_pictures_show_the_colour_and_nothing_hidden():
    flat = flatten(disc(9, 9), (1, 2, 3))
    assert {tuple(pixel) for pixel in flat.reshape(-1, 3).tolist()} == {(1, 2, 3), (200, 30, 30)}


def test_the_control_image_holds_the_outline():
    edges = canny_control(place(disc(100, 100), 128))
    assert set(np.unique(edges)) == {0, 255}
    y, x = np.nonzero(edges)
    radius = np.hypot(y - 63.5, x - 63.5)
    assert np.abs(radius - 0.39 * 128).max() < 3
    assert len(np.unique(np.arctan2(y - 63.5, x - 63.5).round(1))) > 55  # all the way round


@pytest.mark.parametrize(("size", "eaten"), [(512, 10), (1024, 20), (64, 1)])
def test_the_mask_eats_into_the_rim(size, eaten):
    placed = np.zeros((size, size, 4), np.uint8)
    start, end = size // 4, 3 * size // 4
    placed[start:end, start:end, 3] = 255
    row = repaint_mask(placed)[size // 2]
    kept = np.flatnonzero(row == 0)
    assert set(np.unique(row)) == {0, 255}
    assert abs(kept[0] - start - eaten) <= 1
    assert abs(end - 1 - kept[-1] - eaten) <= 1


@pytest.mark.slow
def test_compositing_and_edges_are_fast():
    rng = np.random.default_rng(1)
    placed = place(rng.integers(0, 256, (800, 800, 4), np.uint8) | np.uint8(128), 512)
    background = rng.integers(0, 256, (512, 512, 3), np.uint8)
    seconds = []
    for _ in range(9):
        started = time.process_time()
        paste(background, placed)
        canny_control(placed)
        repaint_mask(placed)
        seconds.append(time.process_time() - started)
    assert sorted(seconds)[4] < 0.05  # five times the target, for machines under load
