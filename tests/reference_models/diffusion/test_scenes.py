import numpy as np
import pytest

from reference_models.diffusion import scenes
from reference_models.shop.vocabulary import SCENES, Look


def test_a_tenth_of_the_looks_is_held_out_and_every_scene_has_both():
    train, test = scenes.looks(held_out=False), scenes.looks(held_out=True)
    assert len(train) + len(test) == 24 * 4 * 5 * 2 * 5
    assert not set(train) & set(test)
    assert 0.08 < len(test) / (len(train) + len(test)) < 0.12
    assert {look.scene for look in train} == {look.scene for look in test} == set(SCENES)


def test_drawn_scenes_are_kept_and_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(scenes, "CHUNK", 24)
    drawn, looks = scenes.drawn_scenes(48, size=32, seed=5, folder=tmp_path)
    assert drawn.shape == (48, 32, 32, 3)
    assert {look.scene for look in looks[:24]} == set(SCENES)
    assert not set(looks) & set(scenes.looks(held_out=True))
    (tmp_path / "scenes-32px-seed5-000024-24.npy").unlink()  # as if cut off there
    monkeypatch.setattr(scenes, "draw_scene", _refuse_but(24, scenes.draw_scene))
    again, same = scenes.drawn_scenes(48, size=32, seed=5, folder=tmp_path)
    assert same == looks
    np.testing.assert_array_equal(again, drawn)


def _refuse_but(allowed, draw):
    calls = []

    def counted(*arguments, **options):
        calls.append(1)
        assert len(calls) <= allowed, "what was on disk is drawn again"
        return draw(*arguments, **options)

    return counted


@pytest.mark.parametrize("seed", range(4))
def test_an_ad_holds_its_product_bit_for_bit_on_a_shadow(seed):
    composer = scenes.Composer(size=64, split="train")
    background = np.full((64, 64, 3), 200, np.uint8)
    ad = composer.random(background, Look("beach"), np.random.default_rng(seed))
    inside, outside = ad.placed[..., 3] == 255, ad.placed[..., 3] == 0
    np.testing.assert_array_equal(ad.ad[inside], ad.placed[inside][:, :3])
    assert ad.ad[outside].max() <= 200
    assert ad.ad[outside].min() < 170, "no shadow"
    assert (ad.mask[outside] == 255).all()
    assert ad.edges.max() == 255


def test_only_training_drawings_are_composed():
    composer = scenes.Composer(size=32, split="train", variants=2)
    assert {product.split for product in composer.products} == {"train"}
    assert len(composer.products) == 176


def test_without_a_product_all_is_to_be_painted():
    background = np.full((32, 32, 3), 9, np.uint8)
    bare = scenes.without_product(background)
    assert bare.mask.min() == 255
    assert bare.edges.max() == bare.placed.max() == 0
    np.testing.assert_array_equal(bare.ad, background)


def test_numbers_name_the_values():
    look = Look("forest", "mist", "vivid colours", "blurred background", "confetti")
    (row,) = scenes.look_numbers([look])
    assert tuple(f[n] for f, n in zip(scenes.FAMILIES, row, strict=True)) == tuple(look)
