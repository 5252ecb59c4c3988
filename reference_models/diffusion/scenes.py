"""Training pictures: backgrounds of the shop world, drawn once and kept, and ads made of them.

A tenth of all looks is never drawn for training: what is measured later is measured on those. A
background is drawn at twice the size and reduced, which keeps thin lines soft. Products of the
training drawings are put before it as training goes, at many sizes and heights.
"""

import hashlib
import io
from collections.abc import Sequence
from itertools import product as all_of
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from caig.generation.compose import Picture, canny_control, paste, place, repaint_mask
from caig.runs.files import write_atomic
from reference_models.shop.ads import SHADOW_STRENGTH, cast_shadow
from reference_models.shop.drawings import draw_cutout
from reference_models.shop.products import shop_products
from reference_models.shop.scenes.registry import SCENES as GROUNDS
from reference_models.shop.scenes.render import render_background
from reference_models.shop.vocabulary import DECORATIONS, DEPTHS, LIGHTS, PALETTES, SCENES, Look

FAMILIES = (SCENES, LIGHTS, PALETTES, DEPTHS, DECORATIONS)

HELD_OUT_SHARE = 0.1
"""Share of looks that no training picture has."""

CHUNK = 1_000
"""Pictures a file."""

FITS = (0.45, 0.78)
"""Range of a product's longer side, as a share of the picture's."""

GROUND_SPREAD = 0.04
"""Standard deviation of the line a product stands on about its scene's, in picture heights."""


class Ad(NamedTuple):
    """A product before a background, and what a painter is told of it.

    Attributes:
        ad: (size, size, 3), the finished picture, with its shadow.
        placed: (size, size, 4), the product alone; empty alpha where there is none.
        edges: (size, size), 255 on the product's edges.
        mask: (size, size), 255 where to paint.
    """

    ad: Picture
    placed: Picture
    edges: Picture
    mask: Picture


def looks(*, held_out: bool) -> list[Look]:
    """All looks of the training pictures, or all others; always the same."""
    return [look for values in all_of(*FAMILIES) if _is_held_out(look := Look(*values)) == held_out]


def draw_scene(look: Look, *, seed: int, size: int) -> Picture:
    """Draw a background.

    Args:
        look: What to draw.
        seed: Of its variety.
        size: Side (px).

    Returns:
        (size, size, 3), red green blue.
    """
    large = render_background(look, seed=seed, size=2 * size)
    return np.asarray(cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def drawn_scenes(count: int, *, size: int, seed: int, folder: Path) -> tuple[Picture, list[Look]]:
    """Backgrounds of random training looks; those in ``folder`` already are read from there.

    Args:
        count: How many.
        size: Side (px).
        seed: Same seed, same pictures.
        folder: Where they are kept; made if missing.

    Returns:
        (count, size, size, 3) and the look of each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = looks(held_out=False)
    of_scene = {scene: [look for look in known if look.scene == scene] for scene in SCENES}
    chosen: list[Look] = []
    parts: list[Picture] = []
    for start in range(0, count, CHUNK):
        rng = np.random.default_rng((seed, start))
        block = [
            of_scene[SCENES[number % len(SCENES)]]
            for number in range(start, min(start + CHUNK, count))
        ]
        asked = [those[int(rng.integers(len(those)))] for those in block]
        seeds = rng.integers(2**31, size=len(asked)).tolist()
        chosen += asked
        path = folder / f"scenes-{size}px-seed{seed}-{start:06d}-{len(asked)}.npy"
        if not path.exists():
            drawn = [
                draw_scene(look, seed=number, size=size)
                for look, number in zip(asked, seeds, strict=True)
            ]
            content = io.BytesIO()
            np.save(content, np.stack(drawn))
            write_atomic(path, content.getvalue())
        parts.append(np.load(path))
    return np.concatenate(parts), chosen


class Composer:
    """Puts products before backgrounds.

    Args:
        size: Side of the pictures (px).
        split: Split of the products, "train", "val" or "test".
        variants: Products of each drawing.
    """

    def __init__(self, *, size: int, split: str, variants: int = 1) -> None:
        self.size = size
        self.products = [p for p in shop_products(variants) if p.split == split]
        self._cutouts = [draw_cutout(one, 2 * size) for one in self.products]

    def random(self, background: Picture, look: Look, rng: np.random.Generator) -> Ad:
        """Any product at any fitting size and height, upon its scene's ground or thereabouts."""
        cutout = self._cutouts[int(rng.integers(len(self._cutouts)))]
        if rng.random() < 0.5:
            cutout = np.ascontiguousarray(cutout[:, ::-1])
        ground = float(np.clip(rng.normal(GROUNDS[look.scene].ground, GROUND_SPREAD), 0.6, 0.98))
        fit = float(rng.uniform(*FITS))
        return compose(background, look, place(cutout, self.size, fit=fit, ground=ground))

    def cutout(self, number: int) -> Picture:
        """The product of that number, on nothing."""
        return self._cutouts[number]


def compose(background: Picture, look: Look, placed: Picture) -> Ad:
    """The ad of a product in its place.

    Args:
        background: (size, size, 3).
        look: Its look; the light decides the shadow.
        placed: (size, size, 4).
    """
    shaded = cast_shadow(background, placed[:, :, 3], SHADOW_STRENGTH[look.light])
    return Ad(paste(shaded, placed), placed, canny_control(placed), repaint_mask(placed))


def without_product(background: Picture) -> Ad:
    """The bare background as an ad: all of it is to be painted."""
    size = background.shape[0]
    nothing = np.zeros((size, size, 4), np.uint8)
    return Ad(background, nothing, nothing[:, :, 0], np.full((size, size), 255, np.uint8))


def _is_held_out(look: Look) -> bool:
    digest = hashlib.sha256("/".join(look).encode()).digest()
    return int.from_bytes(digest[:4], "big") < HELD_OUT_SHARE * 2**32


def look_numbers(chosen: Sequence[Look]) -> np.ndarray:
    """(n, 5) numbers of a look's values within their families."""
    return np.array(
        [[family.index(v) for family, v in zip(FAMILIES, look, strict=True)] for look in chosen]
    )
