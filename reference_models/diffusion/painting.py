"""Having a pipeline paint looks around shop products, through the toolkit's own painter."""

from collections.abc import Sequence

import numpy as np

from caig.generation.compose import Picture, place
from caig.generation.pipeline import DiffusionGenerator, Placed
from reference_models.diffusion.scenes import Composer, compose
from reference_models.shop.prompts import say
from reference_models.shop.scenes.registry import SCENES as GROUNDS
from reference_models.shop.vocabulary import Look

FIT = 0.5
"""Longer side of a product, as a share of the picture's."""

BATCH = 8


def paint_looks(
    painter: DiffusionGenerator,
    looks: Sequence[Look],
    composer: Composer,
    *,
    texts: Sequence[str] = (),
    raw: bool = False,
) -> list[Picture]:
    """Paint each look around a product that stands on its scene's ground.

    Args:
        painter: Paints.
        looks: What is asked for; a picture's seed is its place among them.
        composer: Its products are taken in turn.
        texts: Prompts; by default the shop's own.
        raw: Whether the product is left as the pipeline gives it, not pasted.

    Returns:
        RGB pictures.
    """
    said = list(texts) or [say(look) for look in looks]
    return paint(
        painter, [standing(composer, n, look) for n, look in enumerate(looks)], said, raw=raw
    )


def paint(
    painter: DiffusionGenerator,
    placed: Sequence[Placed],
    texts: Sequence[str],
    *,
    raw: bool = False,
) -> list[Picture]:
    """Paint around products; a picture's seed is its place among them.

    Args:
        painter: Paints.
        placed: Products.
        texts: A prompt each.
        raw: Whether products are left as the pipeline gives them, not pasted.
    """
    shown = [_never_pasted(one) if raw else one for one in placed]
    pictures: list[Picture] = []
    for start in range(0, len(shown), BATCH):
        batch = shown[start : start + BATCH]
        seeds = list(range(start, start + len(batch)))
        pictures += painter.paint(batch, list(texts[start : start + BATCH]), seeds)
    return pictures


def standing(composer: Composer, number: int, look: Look) -> Placed:
    """A product on the ground of a look's scene, as the painter wants it."""
    size = composer.size
    cutout = composer.cutout(number % len(composer.products))
    placed = place(cutout, size, fit=FIT, ground=GROUNDS[look.scene].ground)
    ad = compose(np.zeros((size, size, 3), np.uint8), look, placed)
    return Placed(placed, ad.edges, ad.mask)


def no_product(size: int) -> Placed:
    """An empty canvas, all of it to be painted."""
    nothing = np.zeros((size, size, 4), np.uint8)
    return Placed(nothing, nothing[..., 0], np.full((size, size), 255, np.uint8))


def sheet(pictures: Sequence[Picture], *, columns: int, scale: int = 2) -> Picture:
    """Pictures side by side, row by row, enlarged without smoothing."""
    rows = [
        np.concatenate(list(pictures[start : start + columns]), axis=1)
        for start in range(0, len(pictures), columns)
    ]
    return np.asarray(np.concatenate(rows).repeat(scale, axis=0).repeat(scale, axis=1))


def _never_pasted(placed: Placed) -> Placed:
    """The same with no alpha: the painter gets the colours, and nothing goes over its picture."""
    colours = placed.rgba.copy()
    colours[..., 3] = 0
    return placed._replace(rgba=colours)
