"""A background from its words: the scene, then its depth, its decoration, and a vignette.

The light's colours are in every brush of the stage already (``light.py``).
"""

from functools import lru_cache

import cv2
import numpy as np

from reference_models.shop.scenes.decoration import decorate
from reference_models.shop.scenes.light import GRADES
from reference_models.shop.scenes.registry import SCENES
from reference_models.shop.scenes.stage import Stage
from reference_models.shop.vocabulary import Look

BLUR_SHARE = 0.012
"""Standard deviation of a blurred background's blur, as a share of the picture's side."""


SMALL = 64
"""Pictures up to this side (px) are kept, 100 MB at most: a prompt model that has made up its mind
asks for the same backgrounds again and again."""


def render_background(look: Look, *, seed: int, size: int) -> np.ndarray:
    """Draw a background.

    Args:
        look: What to draw.
        seed: Same look, seed and size: same pixels.
        size: Side of the square picture (px).

    Returns:
        (size, size, 3) uint8, red green blue; not to be written to.
    """
    return _kept(look, seed, size) if size <= SMALL else _drawn(look, seed, size)


@lru_cache(maxsize=8192)
def _kept(look: Look, seed: int, size: int) -> np.ndarray:
    return _drawn(look, seed, size)


def _drawn(look: Look, seed: int, size: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    pixels = np.zeros((size, size, 4), np.uint8)
    SCENES[look.scene].draw(Stage(pixels, look, rng))
    if look.depth == "blurred background":
        cv2.GaussianBlur(pixels, (0, 0), BLUR_SHARE * size, dst=pixels)
    decorate(Stage(pixels, look, rng), ground=SCENES[look.scene].ground)
    picture = _with_vignette(pixels[:, :, :3], GRADES[look.light].vignette)
    picture.setflags(write=False)
    return picture


def _with_vignette(picture: np.ndarray, vignette: float) -> np.ndarray:
    if not vignette:
        return np.ascontiguousarray(picture)
    axis = np.linspace(-1, 1, picture.shape[0], dtype=np.float32) ** 2
    share = 1 - vignette * np.clip(axis[:, None] + axis[None, :] - 0.6, 0, 1)
    darkened: np.ndarray = picture * share[:, :, None] + 0.5
    return darkened.astype(np.uint8)
