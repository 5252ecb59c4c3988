"""Contact sheets: all products, all scenes and some ads on one picture each, to be looked at."""

from collections.abc import Sequence

import cv2
import numpy as np

from reference_models.shop.catalogue import CATEGORIES
from reference_models.shop.creatives import random_look
from reference_models.shop.drawings import draw_cutout
from reference_models.shop.products import shop_products
from reference_models.shop.scenes.render import render_background
from reference_models.shop.vocabulary import DECORATIONS, DEPTHS, LIGHTS, PALETTES, SCENES, Look

GAP = 4
"""Pixels between pictures."""

LABEL_HEIGHT = 18


def product_sheet(*, size: int = 112, categories_a_row: int = 4) -> np.ndarray:
    """Every drawing, the four of a category side by side under the category's name.

    Args:
        size: Side of a picture (px).
        categories_a_row: Categories beside each other.

    Returns:
        (height, width, 3) uint8.
    """
    blocks = []
    products = shop_products()
    for category in CATEGORIES:
        pictures = [
            on_white(draw_cutout(product, size))
            for product in products
            if product.category == category
        ]
        blocks.append(labelled(grid(pictures, columns=len(pictures)), category.name))
    return grid(blocks, columns=categories_a_row, gap=3 * GAP)


def scene_sheet(*, size: int = 128, columns: int = 10, seed: int = 1) -> np.ndarray:
    """Every scene, a row each, in every light, palette and decoration.

    Args:
        size: Side of a picture (px).
        columns: Pictures of a scene.
        seed: Seed of the drawings.

    Returns:
        (height, width, 3) uint8.
    """
    rows = []
    for n, scene in enumerate(SCENES):
        looks = [
            Look(
                scene,
                LIGHTS[i % len(LIGHTS)],
                PALETTES[i % len(PALETTES)],
                DEPTHS[(i // 3) % len(DEPTHS)],
                DECORATIONS[(i // 2) % len(DECORATIONS)],
            )
            for i in range(columns)
        ]
        pictures = [
            render_background(look, seed=seed + 1000 * n + i, size=size)
            for i, look in enumerate(looks)
        ]
        rows.append(labelled(grid(pictures, columns=columns), scene))
    return grid(rows, columns=1)


def ad_sheet(*, size: int = 160, columns: int = 11, seed: int = 1) -> np.ndarray:
    """One ad of every category, before a random background.

    Args:
        size: Side of a picture (px).
        columns: Ads beside each other.
        seed: Seed of the choice.

    Returns:
        (height, width, 3) uint8.
    """
    from reference_models.shop.ads import draw_ad

    rng = np.random.default_rng(seed)
    drawn_first = [p for p in shop_products() if p.drawing_id.endswith("-1")]
    ads = [
        labelled(
            draw_ad(look, draw_cutout(product, 2 * size), seed=seed + i, size=size), look.scene
        )
        for i, product in enumerate(drawn_first)
        for look in [random_look(rng)]
    ]
    return grid(ads, columns=columns)


def grid(pictures: Sequence[np.ndarray], *, columns: int, gap: int = GAP) -> np.ndarray:
    """Pictures of one size in rows, on white.

    Args:
        pictures: Each (height, width, 3) uint8.
        columns: Pictures in a row.
        gap: Pixels between them.
    """
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        top, left = gap + (i // columns) * (height + gap), gap + (i % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = picture
    return sheet


def labelled(picture: np.ndarray, name: str) -> np.ndarray:
    """The picture under a line of text."""
    line = np.full((LABEL_HEIGHT, picture.shape[1], 3), 255, np.uint8)
    place, grey = (2, LABEL_HEIGHT - 6), (60, 60, 60)
    cv2.putText(line, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, grey, 1, cv2.LINE_AA)
    return np.vstack([line, picture])


def on_white(cutout: np.ndarray) -> np.ndarray:
    """A cut-out on white, (height, width, 3) uint8."""
    alpha = cutout[:, :, 3:].astype(np.float32) / 255
    return (cutout[:, :, :3] * alpha + 255 * (1 - alpha) + 0.5).astype(np.uint8)
