import numpy as np
import pytest

from caig.contracts.experiments import SUITE_RESULTS
from caig.contracts.table import check
from reference_models.diffusion import effects, measuring
from reference_models.diffusion.card import card
from reference_models.diffusion.painting import no_product, sheet, standing
from reference_models.diffusion.scenes import Composer, compose
from reference_models.shop.vocabulary import Look

BEACH, CITY = Look("beach"), Look("city skyline", "night", "cool colours")


@pytest.fixture(scope="module")
def placed():
    return standing(Composer(size=64, split="test"), 3, BEACH)


@pytest.mark.parametrize(
    ("hits", "n", "lower", "upper"),
    # Newcombe (1998), table I: Wilson's score intervals.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)],
)
def test_wilson_as_published(hits, n, lower, upper):
    figure = measuring.share("x", [True] * hits + [False] * (n - hits))
    assert (figure.lower, figure.upper) == pytest.approx((lower, upper), abs=5e-5)
    assert figure.estimate == hits / n
    assert figure.n == n


def test_a_mean_has_its_interval():
    figure = measuring.mean("x", [1.0, 2.0, 3.0, 4.0])
    half = 1.959964 * np.std([1, 2, 3, 4], ddof=1) / 2
    assert (figure.estimate, figure.upper - figure.estimate) == pytest.approx((2.5, half))


def test_agreement_is_counted_by_family_and_scene():
    asked = [BEACH, BEACH, CITY, CITY]
    seen = [BEACH, CITY, CITY._replace(light="mist"), CITY]
    found = {(f.metric, f.slice): f.estimate for f in measuring.agreement(asked, seen, prefix="p")}
    assert found["p_scene", "all"] == 0.75
    assert found["p_scene", "scene=beach"] == 0.5
    assert found["p_scene", "scene=city skyline"] == 1
    assert found["p_light", "all"] == 0.5
    assert found["p_depth", "all"] == 1


def test_mist_is_day():
    (figure,) = [
        f
        for f in measuring.agreement([BEACH], [BEACH._replace(light="mist")], prefix="p")
        if f.metric == "p_time_of_day"
    ]
    assert figure.estimate == 1


def test_the_table_fits_its_contract():
    figures = measuring.agreement([BEACH, CITY], [BEACH, BEACH], prefix="p")
    frame = measuring.results_table("diffusion/shop", figures)
    assert check(frame, SUITE_RESULTS, source="here").height == len(figures)


def test_contact_is_seen_where_there_is_a_shadow(placed):
    grey = np.full((64, 64, 3), 200, np.uint8)
    with_shadow = compose(grey, BEACH, placed.rgba).ad
    assert effects.contact_darkening(with_shadow, placed) > 20
    assert effects.contact_darkening(grey, placed) == 0
    assert np.isnan(effects.contact_darkening(grey, no_product(64)))


def test_a_moved_product_is_seen(placed):
    ad = compose(np.zeros((64, 64, 3), np.uint8), BEACH, placed.rgba).ad
    assert effects.product_moved(ad, placed) == 0
    assert effects.rim_error(ad, placed) == 0
    row, column = np.argwhere(placed.rgba[..., 3] == 255)[0]
    ad[row, column, 1] ^= 8
    assert effects.product_moved(ad, placed) == 8


def test_the_nearest_picture_is_found_also_in_the_mirror():
    training = np.random.default_rng(0).integers(0, 256, (1_200, 8, 8, 3), dtype=np.uint8)
    other = np.full((8, 8, 3), 128, np.uint8)
    found = effects.nearest_distances([training[1_100], training[5][:, ::-1], other], training)
    wanted = np.sqrt(((training.astype(float) - 128) ** 2).mean(axis=(1, 2, 3))).min()
    assert found == pytest.approx([0, 0, wanted], abs=0.2)


def test_a_sheet_is_laid_out_by_rows():
    pictures = [np.full((2, 2, 3), shade, np.uint8) for shade in (1, 2, 3, 4, 5, 6)]
    laid = sheet(pictures, columns=3, scale=2)
    assert laid.shape == (8, 12, 3)
    assert laid[::4, ::4, 0].tolist() == [[1, 2, 3], [4, 5, 6]]


def test_the_card_names_the_worst_scene_and_every_weight_file(tmp_path):
    (tmp_path / "unet").mkdir()
    weights = tmp_path / "unet/model.safetensors"
    weights.write_bytes(b"weights")
    asked, seen = [BEACH, BEACH, CITY], [BEACH, CITY, CITY]
    figures = [
        *measuring.agreement(asked, seen, prefix="painted"),
        *measuring.agreement(asked, asked, prefix="drawn"),
        measuring.share("unseen_text_scene", [True, False]),
        measuring.mean("seconds_an_image", [0.2, 0.4]),
    ]
    text = card(figures, [weights], folder=tmp_path, command="caig build-reference diffusion")
    assert "worst scene: beach | 50.0%" in text
    assert "`unet/model.safetensors` | 7 |" in text
    assert "| seconds an image, one core | 0.30 |" in text
