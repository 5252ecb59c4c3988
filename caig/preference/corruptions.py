"""Corrupted product information: what the product-centric loss sets against the real one.

Drawn from a seed of each pair, so that a run that goes on draws the same. The published figure
puts the corruption on picture and caption together; the published code takes one of the two by a
coin, and its swap takes the answer of the other product along, which the formula does not.
"""

import hashlib
from typing import NamedTuple

import numpy as np
from PIL import Image

from caig.preference.config import Corruption, CorruptionConfig


class Corrupted(NamedTuple):
    """How the third row of a pair differs from its chosen one.

    Attributes:
        masks: Patches of the picture are blackened.
        other: Index of the product whose instruction is asked instead; None keeps the own one.
        swaps_answer: The other product's chosen prompt is answered too.
        seed: Seed of the mask.
    """

    masks: bool
    other: int | None
    swaps_answer: bool
    seed: int


def draw_corruptions(n: int, kind: Corruption, *, seed: int) -> list[Corrupted]:
    """Draw one corruption for each of ``n`` pairs of different products.

    Args:
        n: Pairs (count).
        kind: Which corruptions.
        seed: Same seed, same draws.

    Returns:
        Corruptions in the order of the pairs. A product is never its own other one; a pair that is
        alone has none and is masked instead.
    """
    rng = np.random.default_rng([seed, 0xC0])
    drawn = []
    for k in range(n):
        coin, place, mask_seed = rng.random() < 0.5, rng.random(), int(rng.integers(2**31))
        masks = kind in ("mask", "both") or (kind in ("either", "released") and coin)
        swaps = n > 1 and (kind in ("swap", "both") or not masks)
        other = (k + 1 + int(place * (n - 1))) % n if swaps else None
        drawn.append(Corrupted(masks or not swaps, other, swaps and kind == "released", mask_seed))
    return drawn


def mask_patches(picture: Image.Image, config: CorruptionConfig, *, seed: int) -> Image.Image:
    """Blacken a share of a picture's square patches, those at its edges cut off.

    Args:
        picture: Red, green, blue.
        config: Side of the patches (px) and their share.
        seed: Which patches.

    Returns:
        A new picture; at least one patch of it is black.
    """
    pixels = np.array(picture)
    rows, columns = (-(-side // config.patch) for side in pixels.shape[:2])
    n = max(1, round(config.share * rows * columns))
    chosen = np.random.default_rng(seed).permutation(rows * columns)[:n]
    for row, column in zip(*np.divmod(chosen, columns), strict=True):
        top, left = int(row) * config.patch, int(column) * config.patch
        pixels[top : top + config.patch, left : left + config.patch] = 0
    return Image.fromarray(pixels)


def seed_of(*parts: object) -> int:
    """A seed below 2**63 that belongs to what is named, whatever else is drawn beside it."""
    digest = hashlib.sha256(" ".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
