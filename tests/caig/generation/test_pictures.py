"""Pictures of every kind are read as upright 8-bit RGBA, or refused with the file's name."""

import io

import numpy as np
import pytest
from PIL import Image

from caig.errors import DataError
from caig.generation.pictures import read_picture

RED, BLUE = (220, 20, 30), (20, 40, 200)


def two_colours(mode="RGB", size=(40, 20)):
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    return image.convert(mode)


def assert_red_left_blue_right(rgba, tolerance=12):
    width = rgba.shape[1]
    for colour, x in ((RED, width // 4), (BLUE, 3 * width // 4)):
        found = rgba[rgba.shape[0] // 2, x]
        assert np.abs(found[:3].astype(int) - colour).max() <= tolerance
        assert found[3] == 255


@pytest.mark.parametrize(
    ("mode", "suffix", "tolerance"),
    [
        ("RGB", "png", 0),
        ("RGBA", "png", 0),
        ("P", "png", 30),
        ("P", "gif", 30),
        ("RGB", "jpg", 12),
        ("CMYK", "jpg", 40),
        ("CMYK", "tif", 40),
        ("RGB", "webp", 12),
        ("RGB", "bmp", 0),
    ],
)
def test_modes_and_formats(tmp_path, mode, suffix, tolerance):
    file = tmp_path / f"picture.{suffix}"
    two_colours(mode).save(file)
    picture = read_picture(file)
    assert picture.rgba.dtype == np.uint8
    assert picture.rgba.shape == (20, 40, 4)
    assert not picture.has_alpha
    assert_red_left_blue_right(picture.rgba, tolerance)
    expected = () if mode in ("RGB", "RGBA") else (f"was {mode}",)
    assert picture.notes == expected


def test_palettes_keep_their_transparency(tmp_path):
    image = two_colours().quantize(4)
    image.save(tmp_path / "a.png", transparency=image.getpixel((0, 0)))
    picture = read_picture(tmp_path / "a.png")
    assert picture.has_alpha
    assert picture.rgba[5, 5, 3] == 0
    assert picture.rgba[5, 35, 3] == 255


def test_grey_of_16_bit(tmp_path):
    ramp = np.linspace(0, 65535, 400, dtype=np.uint16).reshape(4, 100)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.rgba[..., 0], np.rint(ramp / 257))
    assert picture.notes == ("16-bit grey",)


def test_colour_of_16_bit(tmp_path):
    cv2 = pytest.importorskip("cv2")
    bgr = np.asarray(two_colours())[..., ::-1].astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / "a.png"), bgr)
    assert_red_left_blue_right(read_picture(tmp_path / "a.png").rgba, 0)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_pictures_are_turned_upright(tmp_path, orientation):
    turned = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    two_colours().transpose(turned).save(tmp_path / "a.jpg", exif=exif, quality=95)
    picture = read_picture(tmp_path / "a.jpg")
    assert_red_left_blue_right(picture.rgba)
    assert picture.notes == ("turned upright",)


def test_animations_give_their_first_frame(tmp_path):
    first = two_colours()
    first.save(
        tmp_path / "a.gif", save_all=True, append_images=[Image.new("RGB", (40, 20), "green")]
    )
    picture = read_picture(tmp_path / "a.gif")
    assert_red_left_blue_right(picture.rgba, 30)
    assert "first of 2 frames" in picture.notes


def test_big_pictures_are_reduced(tmp_path):
    two_colours(size=(900, 300)).save(tmp_path / "a.jpg")
    picture = read_picture(tmp_path / "a.jpg", max_side=100)
    assert picture.rgba.shape == (33, 100, 4)
    assert_red_left_blue_right(picture.rgba)
    assert picture.notes == ("reduced from 900 x 300 px",)


def test_hidden_colour_does_not_bleed_when_reduced(tmp_path):
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[..., 1] = 255
    rgba[8:55, 8:55] = (*RED, 255)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    reduced = read_picture(tmp_path / "a.png", max_side=30).rgba
    seen = reduced[..., 3] > 8
    assert np.abs(reduced[seen][:, :3].astype(int) - RED).max() <= 8


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path):
    buffer = io.BytesIO()
    Image.new("1", (9000, 8000)).save(buffer, "png")
    (tmp_path / "a.png").write_bytes(buffer.getvalue()[:200])  # decoding it would fail
    with pytest.raises(DataError, match=r"a.png: 9000 x 8000 px; at most 64,000,000 pixels"):
        read_picture(tmp_path / "a.png")
    two_colours().save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a.png: 40 x 20 px; at most 799 pixels"):
        read_picture(tmp_path / "a.png", max_pixels=799)


def test_decompression_bombs_are_refused(tmp_path):
    buffer = io.BytesIO()
    Image.new("1", (30000, 20000)).save(buffer, "png")
    (tmp_path / "bomb.png").write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match=r"bomb.png: too many pixels to decode"):
        read_picture(tmp_path / "bomb.png")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif"])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_truncated_pictures_are_refused(tmp_path, suffix, kept):
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    file = tmp_path / f"cut.{suffix}"
    Image.fromarray(noise).save(file)
    file.write_bytes(file.read_bytes()[: int(kept * file.stat().st_size)])
    with pytest.raises(DataError, match=rf"cut.{suffix}: (broken|not a picture)"):
        read_picture(file)


def test_files_that_are_no_pictures(tmp_path):
    (tmp_path / "a.png").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (tmp_path / "empty.png").touch()
    for name in ("a.png", "empty.png"):
        with pytest.raises(DataError, match=rf"{name}: not a picture that can be read"):
            read_picture(tmp_path / name)
    with pytest.raises(DataError, match=r"none.png: no such file"):
        read_picture(tmp_path / "none.png")


def test_values_of_unknown_range_are_refused(tmp_path):
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match="mode F have no known range"):
        read_picture(tmp_path / "a.tif")


def test_a_single_pixel(tmp_path):
    Image.new("RGB", (1, 1), RED).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").rgba.tolist() == [[[*RED, 255]]]


def test_an_unreadable_profile_is_said(tmp_path):
    two_colours().save(tmp_path / "a.png", icc_profile=b"no profile at all")
    picture = read_picture(tmp_path / "a.png")
    assert picture.notes == ("colour profile unreadable",)
    assert_red_left_blue_right(picture.rgba, 0)
