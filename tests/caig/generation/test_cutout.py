"""Masks of drawn products are right, shadows are no product, and the rest is doubted."""

import sys

import cv2
import numpy as np
import pytest

from caig.errors import PrerequisiteError
from caig.generation.cutout import cut_out
from caig.generation.pictures import ReadPicture, read_picture

SIDE = 400


def ground(colour=(226, 219, 206), *, vignette=0.12, noise=0.6):
    """A softly lit ground with a little noise."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    light = 1 - vignette * (x**2 + y**2 + 0.5 * x)
    rng = np.random.default_rng(1)
    return np.asarray(colour) * light[..., None] + noise * rng.standard_normal((SIDE, SIDE, 3))


def bottle():
    """Mask of a body with a narrow neck."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.rectangle(mask, (140, 150), (260, 330), 255, -1)
    cv2.rectangle(mask, (180, 70), (220, 150), 255, -1)
    cv2.circle(mask, (200, 150), 58, 255, -1)
    return mask > 0


def with_shadow(picture, strength=0.45):
    """A soft shadow to the right of the foot; warmer than the ground, as shadows indoors are."""
    shade = np.zeros((SIDE, SIDE), np.float32)
    cv2.ellipse(shade, (265, 318), (110, 16), 0, 0, 360, 1.0, -1)
    shade = cv2.GaussianBlur(shade, (0, 0), 14)[..., None]
    return picture * (1 - strength * shade * np.array([0.9, 1.0, 1.1]))


def drawn(picture, mask, colour, *, shading=0.25):
    """``picture`` with a shaded product of one colour on it, its edge anti-aliased."""
    x = np.linspace(-1, 1, SIDE)
    body = np.asarray(colour) * (1 - shading * x**2)[None, :, None]
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.6)[..., None]
    return np.clip(picture * (1 - soft) + body * soft, 0, 255).astype(np.uint8)


def as_read(picture):
    rgba = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
    return ReadPicture(rgba, has_alpha=False, notes=())


def overlap(cut, mask):
    found = cut.rgba[..., 3] >= 128
    return (found & mask).sum() / (found | mask).sum()


@pytest.mark.parametrize(
    ("ground_colour", "product"),
    [
        ((226, 219, 206), (30, 30, 34)),
        ((226, 219, 206), (190, 40, 40)),
        ((226, 219, 206), (90, 150, 120)),
        ((128, 128, 130), (220, 200, 60)),
        ((250, 250, 250), (60, 90, 160)),
    ],
)
def test_products_on_a_soft_ground_with_a_shadow(ground_colour, product):
    picture = drawn(with_shadow(ground(ground_colour)), bottle(), product)
    cut = cut_out(as_read(picture))
    assert (cut.method, cut.status, cut.reason) == ("ground", "ok", "")
    assert overlap(cut, bottle()) > 0.96
    assert not cut.rgba[cut.rgba[..., 3] == 0].any()


def test_pure_white_ground():
    picture = drawn(np.full((SIDE, SIDE, 3), 255.0), bottle(), (200, 60, 30))
    cut = cut_out(as_read(picture))
    assert cut.status == "ok"
    assert overlap(cut, bottle()) > 0.96


def test_the_ground_does_not_shine_through_the_edge():
    picture = drawn(np.full((SIDE, SIDE, 3), 255.0), bottle(), (20, 20, 20), shading=0)
    cut = cut_out(as_read(picture))
    assert np.quantile(cut.rgba[cut.rgba[..., 3] > 25][:, :3], 0.995) < 60


def test_ground_within_a_handle_is_no_product():
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.rectangle(mask, (120, 140), (240, 300), 255, -1)
    cv2.circle(mask, (245, 215), 55, 255, 18)
    hole = np.zeros_like(mask)
    cv2.circle(hole, (262, 215), 20, 255, -1)
    cut = cut_out(as_read(drawn(ground(), mask > 0, (40, 40, 120))))
    assert cut.status == "ok"
    assert (cut.rgba[..., 3][hole > 0] == 0).mean() > 0.9
    assert overlap(cut, mask > 0) > 0.94


def test_thin_parts_are_kept():
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.line(mask, (200, 60), (180, 280), 255, 9)
    cv2.rectangle(mask, (140, 280), (220, 320), 255, -1)
    assert overlap(cut_out(as_read(drawn(ground(), mask > 0, (60, 60, 60)))), mask > 0) > 0.88


def test_no_product_at_all():
    for noise in (0, 0.6, 3):
        picture = ground(noise=noise).clip(0, 255).astype(np.uint8)
        assert cut_out(as_read(picture)).status == "failed"


def test_a_product_of_the_ground_s_colour_is_not_ok():
    picture = drawn(ground(), bottle(), (224, 217, 204), shading=0.05)
    assert cut_out(as_read(picture)).status != "ok"


def test_a_busy_ground_is_not_ok():
    rng = np.random.default_rng(2)
    busy = cv2.GaussianBlur(rng.uniform(0, 255, (SIDE, SIDE, 3)).astype(np.float32), (0, 0), 3)
    busy = (busy - busy.mean()) * 6 + 128
    assert cut_out(as_read(drawn(busy, bottle(), (40, 90, 40)))).status != "ok"


def test_a_product_that_runs_out_of_its_picture_is_not_ok():
    shifted = np.roll(bottle(), -100, axis=0) & (np.arange(SIDE) < 350)[:, None]
    wide = shifted | np.roll(shifted, 70, axis=1) | np.roll(shifted, -70, axis=1)
    cut = cut_out(as_read(drawn(ground(), wide, (30, 30, 30))))
    assert (cut.status, cut.reason) == ("doubtful", "it runs out of the picture")


def with_alpha(alpha, colour=(10, 120, 200)):
    rgba = np.zeros((SIDE, SIDE, 4), np.uint8)
    rgba[..., :3] = np.where((alpha > 0.5)[..., None], colour, 0)
    rgba[..., 3] = np.rint(255 * alpha)
    return ReadPicture(rgba, has_alpha=True, notes=())


def test_a_shadow_in_the_alpha_is_no_product():
    shade = np.zeros((SIDE, SIDE), np.float32)
    cv2.ellipse(shade, (200, 330), (130, 20), 0, 0, 360, 0.45, -1)
    alpha = np.maximum(cv2.GaussianBlur(shade, (0, 0), 8), bottle())
    cut = cut_out(with_alpha(alpha))
    assert (cut.method, cut.status) == ("alpha", "ok")
    near = cv2.dilate(bottle().astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert not cut.rgba[~near].any()
    assert (cut.rgba[bottle()] == (10, 120, 200, 255)).all()


def test_enclosed_glass_stays_half_transparent():
    alpha = bottle().astype(np.float32)
    alpha[200:260, 160:240] = 0.4
    cut = cut_out(with_alpha(alpha))
    assert set(np.unique(cut.rgba[200:260, 160:240, 3])) == {102}


@pytest.mark.parametrize(
    ("alpha", "reason"),
    [
        (np.zeros((SIDE, SIDE)), "no product was found"),
        (np.pad(np.ones((10, 10)), (0, SIDE - 10)), "it is too small"),
        (np.pad(np.ones((SIDE - 2, SIDE - 2)), 1), "it fills the picture"),
    ],
)
def test_alpha_that_holds_no_product(alpha, reason):
    cut = cut_out(with_alpha(alpha))
    assert (cut.status, cut.reason) == ("failed", reason)


def test_a_swarm_of_pieces_is_not_ok():
    alpha = np.zeros((SIDE, SIDE))
    for y in range(20, SIDE - 20, 40):
        for x in range(20, SIDE - 20, 40):
            alpha[y : y + 12, x : x + 12] = 1
    cut = cut_out(with_alpha(alpha))
    assert cut.status != "ok"
    assert cut.reason == "it is in many pieces"


def test_without_rembg_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "rembg", None)
    with pytest.raises(PrerequisiteError, match=r"caig-toolkit\[rembg\]"):
        cut_out(with_alpha(bottle().astype(np.float32)), method="rembg")


def test_rembg_masks_are_used_where_it_is_installed(monkeypatch):
    class FakeRembg:
        @staticmethod
        def remove(rgb, *, only_mask):
            assert only_mask
            return bottle().astype(np.uint8) * 255

    monkeypatch.setitem(sys.modules, "rembg", FakeRembg)
    cut = cut_out(as_read(drawn(ground(), bottle(), (30, 30, 30))), method="rembg")
    assert (cut.method, cut.status) == ("rembg", "ok")
    assert overlap(cut, bottle()) == 1


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("picture", "status"),
    [
        ("products_saleor/images/saleor-white-plimsolls-4.png", "ok"),
        ("products_solidus/images/solidus_cap_red_3.png", "ok"),
        ("products_solidus/images/solidus_hoodie_red_2.png", "doubtful"),  # cropped by its picture
        ("products_spree/images/digital-air-fryer-4l.webp", "ok"),
        ("products_spree/images/2-slice-toaster-black.webp", "ok"),
        ("products_spree/images/ionic-hair-dryer-white.webp", "failed"),  # white on cream
    ],
)
def test_real_pictures(real_data_dir, picture, status):
    if not (real_data_dir / picture).is_file():
        pytest.skip(f"no {picture}")
    assert cut_out(read_picture(real_data_dir / picture)).status == status
