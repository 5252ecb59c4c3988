"""What is seen of a painted ad beside its scene: contact with the product, and whether it copies.

All of it is computed from pictures; no network is asked.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from caig.generation.compose import Picture
from caig.generation.pipeline import Placed
from reference_models.shop.ads import cast_shadow

SHADOWED = 0.2
"""Share of light that a shadow of full strength takes at least, where contact is looked for."""


def contact_darkening(picture: Picture, placed: Placed) -> float:
    """By how much the ground is darker under a product than beside it (grey levels).

    Args:
        picture: RGB, painted around the product.
        placed: The product.

    Returns:
        NaN where nothing of the ground's shadow can be seen.
    """
    alpha = placed.rgba[..., 3]
    white = np.full_like(picture, 255)
    shade = 1 - cast_shadow(white, alpha, 1.0)[..., 0].astype(np.float32) / 255
    free = alpha == 0
    below = free & (shade >= SHADOWED)
    rows = below.any(axis=1)
    beside = free & (shade < 0.02) & rows[:, None]
    if not below.any() or not beside.any():
        return float("nan")
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(grey[beside].mean() - grey[below].mean())


def rim_error(picture: Picture, placed: Placed) -> float:
    """Mean error on the product's rim, which is repainted, before the product is pasted (levels).

    Args:
        picture: RGB as the pipeline gives it.
        placed: The product.
    """
    rim = (placed.rgba[..., 3] == 255) & (placed.mask > 0)
    error = np.abs(picture.astype(np.int16) - placed.rgba[..., :3])
    return float(error[rim].mean()) if rim.any() else float("nan")


def product_moved(picture: Picture, placed: Placed) -> int:
    """Largest change of any fully opaque pixel of the product (levels)."""
    inside = placed.rgba[..., 3] == 255
    change = np.abs(picture.astype(np.int16) - placed.rgba[..., :3])[inside]
    return int(change.max()) if change.size else 0


def nearest_distances(pictures: Sequence[Picture], training: Picture) -> np.ndarray:
    """Distance of each picture to the nearest training picture or its mirror image.

    Args:
        pictures: RGB.
        training: (n, height, width, 3).

    Returns:
        Root mean squared differences (grey levels), one a picture.
    """
    asked = np.stack(pictures).astype(np.float32)
    both = np.concatenate([asked, asked[:, :, ::-1]]).reshape(2 * len(asked), -1)
    best = np.full(len(both), np.inf)
    own = (both**2).sum(axis=1)
    for start in range(0, len(training), 1_000):
        block = training[start : start + 1_000].astype(np.float32)
        block = block.reshape(len(block), -1)
        squared = own[:, None] + (block**2).sum(axis=1)[None] - 2 * both @ block.T
        best = np.minimum(best, squared.min(axis=1))
    of_each = np.minimum(best[: len(asked)], best[len(asked) :])
    return np.asarray(np.sqrt(np.maximum(of_each, 0) / both.shape[1]))
