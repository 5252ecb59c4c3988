"""Reading product pictures as they come: any mode, rotation and size, or a clear refusal.

The result is always 8-bit RGBA in sRGB, upright, of bounded size. What had to be done to the
picture is said in words. Pictures are untrusted: their size is checked before a pixel is decoded.
Vector files are not read; render them first.
"""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from caig.errors import DataError
from caig.generation.compose import Picture

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif")
"""File name endings that are taken for pictures in a folder."""
MAX_PIXELS = 64_000_000
"""Largest picture that is decoded (pixels); as RGBA it takes 256 MB."""
MAX_SIDE = 2048
"""Larger pictures are reduced to this (px); no canvas of a diffusion model is larger."""


@dataclass(frozen=True)
class ReadPicture:
    """A picture that was read.

    Attributes:
        rgba: ``(height, width, 4)``.
        has_alpha: Whether some pixel is not opaque.
        notes: What was done to it, in words, e.g. ``turned upright``.
    """

    rgba: Picture
    has_alpha: bool
    notes: tuple[str, ...]


def read_picture(
    path: Path, *, max_pixels: int = MAX_PIXELS, max_side: int = MAX_SIDE
) -> ReadPicture:
    """Read one picture file.

    Args:
        path: Its file.
        max_pixels: Pictures with more are refused, whatever their file size.
        max_side: Longer sides are reduced to this (px).

    Raises:
        DataError: No such file, no picture, a broken one, too many pixels, or a mode whose values
            have no known range.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow; its limits are stated here instead
            with Image.open(path) as image:
                return _converted(image, path, max_pixels, max_side)
    except Image.DecompressionBombError as error:
        raise DataError(f"{path}: too many pixels to decode: {error}") from None
    except UnidentifiedImageError:
        known = ", ".join(suffix.removeprefix(".") for suffix in SUFFIXES)
        raise DataError(f"{path}: not a picture that can be read ({known})") from None
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, SyntaxError, EOFError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: broken or truncated picture: {error}") from None


def _converted(image: Image.Image, path: Path, max_pixels: int, max_side: int) -> ReadPicture:
    width, height = image.size
    if width * height > max_pixels:
        raise DataError(
            f"{path}: {width} x {height} px; at most {max_pixels:,} pixels are decoded: "
            f"reduce the picture first"
        )
    notes = []
    frames = int(getattr(image, "n_frames", 1))
    if frames > 1:
        notes.append(f"first of {frames} frames")
        image.seek(0)
    if max(width, height) > max_side:
        # A JPEG is decoded at an eighth to a half of its size where that is enough.
        image.draft(None, (max_side, max_side))
    image.load()
    upright = ImageOps.exif_transpose(image)
    if image.getexif().get(0x0112, 1) != 1:
        notes.append("turned upright")
    colour, said = _to_rgba(upright, path)
    notes += said
    if max(width, height) > max_side:
        colour.thumbnail((max_side, max_side), Image.Resampling.BOX, reducing_gap=None)
        notes.append(f"reduced from {width} x {height} px")
    rgba = np.array(colour, np.uint8)
    return ReadPicture(rgba, bool((rgba[..., 3] < 255).any()), tuple(notes))


def _to_rgba(image: Image.Image, path: Path) -> tuple[Image.Image, list[str]]:
    if image.mode in ("F", "I"):
        raise DataError(
            f"{path}: pixels of mode {image.mode} have no known range; save it as 8- or 16-bit"
        )
    if image.mode.startswith("I;16"):
        grey = (np.asarray(image, np.uint32) + 128) // 257
        return Image.fromarray(grey.astype(np.uint8)).convert("RGBA"), ["16-bit grey"]
    notes = []
    if image.mode not in ("RGB", "RGBA"):
        notes.append(f"was {image.mode}")
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "RGBA", "CMYK", "L"):
        image, said = _to_srgb(image, profile)
        notes += said
    return image.convert("RGBA"), notes


def _to_srgb(image: Image.Image, profile: bytes) -> tuple[Image.Image, list[str]]:
    """``image`` in sRGB by its own profile, alpha untouched; and what is to be said about it."""
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    plain = image.convert("RGB") if alpha else image
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(own):
            return image, []
        converted = ImageCms.profileToProfile(
            plain, own, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        return image, ["colour profile unreadable"]
    assert converted is not None
    if alpha:
        converted.putalpha(alpha)
    return converted, ["colour profile applied"]
