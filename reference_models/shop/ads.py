"""An ad of the shop world: a background, the product's shadow on its ground, the product itself.

The product's pixels are pasted last and never touched: light falls on the scene, not on the goods.
"""

import cv2
import numpy as np

from caig.generation.compose import paste, place
from reference_models.shop.scenes.registry import SCENES
from reference_models.shop.scenes.render import render_background
from reference_models.shop.vocabulary import Look

FIT = 0.60
"""Longer side of the product, as a share of the picture: room for the scene around it."""

SHADOW_STRENGTH = {"daylight": 0.50, "golden hour": 0.50, "night": 0.60, "mist": 0.32}
"""Darkening where the product touches the ground; mist scatters it away."""


def draw_ad(look: Look, cutout: np.ndarray, *, seed: int, size: int) -> np.ndarray:
    """Draw an ad.

    Args:
        look: Background to draw.
        cutout: (height, width, 4) uint8, the product on nothing.
        seed: Seed of the background's variety.
        size: Side of the square picture (px).

    Returns:
        (size, size, 3) uint8, red green blue.
    """
    background = render_background(look, seed=seed, size=size)
    placed = place(cutout, size, fit=FIT, ground=SCENES[look.scene].ground)
    return paste(cast_shadow(background, placed[:, :, 3], SHADOW_STRENGTH[look.light]), placed)


def draw_bare_ad(cutout: np.ndarray, *, size: int) -> np.ndarray:
    """An ad before a bare grey studio wall: for a prompt that names no scene.

    Args:
        cutout: (height, width, 4) uint8.
        size: Side of the square picture (px).

    Returns:
        (size, size, 3) uint8.
    """
    wall = np.linspace(236, 206, size, dtype=np.float32)
    floor = np.arange(size) > 0.72 * size
    rows = np.where(floor, wall - 14, wall).astype(np.uint8)
    backdrop = np.repeat(np.repeat(rows[:, None], size, axis=1)[:, :, None], 3, axis=2)
    placed = place(cutout, size, fit=FIT, ground=0.86)
    return paste(cast_shadow(backdrop, placed[:, :, 3], SHADOW_STRENGTH["daylight"]), placed)


def cast_shadow(background: np.ndarray, alpha: np.ndarray, strength: float) -> np.ndarray:
    """The background with a contact shadow: the silhouette, laid flat at its lower edge.

    Args:
        background: (size, size, 3) uint8.
        alpha: (size, size) uint8, of the product in its place.
        strength: Share of the light that the shadow takes, at its darkest.

    Returns:
        (size, size, 3) uint8; the background itself where the product is empty.
    """
    size = alpha.shape[0]
    rows = np.flatnonzero(alpha.max(axis=1) >= 128)
    if not rows.size:
        return background
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    # The part near the ground touches it; what is higher up casts nothing beneath itself.
    foot = alpha[top + (bottom - top) * 3 // 5 : bottom]
    height = max(size // 14, 2)
    flat = cv2.resize(foot, (size, height), interpolation=cv2.INTER_AREA)
    layer = np.zeros((size + 2 * height, size), np.float32)
    start = bottom - height // 2
    layer[start : start + height] = flat
    soft = cv2.GaussianBlur(layer, (0, 0), size / 45)[:size]
    contact = cv2.GaussianBlur(layer, (0, 0), size / 160)[:size]
    shade = 1 - strength * np.minimum((0.75 * soft + 0.25 * contact) / 255, 1)
    return (background * shade[:, :, None] + 0.5).astype(np.uint8)
