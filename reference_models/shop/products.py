"""The shop's products: 176 drawings of our own, and variants of them in other colours.

A product's split follows its drawing, so that no drawing is seen both in training and in a test. A
share of the titles does not say what kind of thing the product is: a model has to look.
"""

import hashlib
import tomllib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from reference_models.shop.catalogue import CATEGORIES, Category, drawing_ids

BLIND_TITLE_SHARE = 0.15
"""Share of products whose title does not name their category."""

SPLIT_OF_DRAWING = ("train", "train", "val", "test")

FOLDER = files("reference_models.shop") / "products"
"""Drawings and titles."""


class ShopProduct(NamedTuple):
    """One product.

    Attributes:
        product_id: Drawing and variant, e.g. ``sneakers-1`` or ``sneakers-1-v02``.
        category: Its category.
        title: As the shop shows it.
        attributes: Short facts seen in the drawing.
        drawing_id: The drawing, e.g. ``sneakers-1``.
        variant: 0 is the drawing itself; others are recoloured, mirrored or smaller.
        split: "train", "val" or "test".
    """

    product_id: str
    category: Category
    title: str
    attributes: tuple[str, ...]
    drawing_id: str
    variant: int
    split: str


def shop_products(variants: int = 1) -> list[ShopProduct]:
    """All products, by category, drawing and variant.

    Args:
        variants: Products of each drawing (count).
    """
    return [
        _product(category, drawing_id, SPLIT_OF_DRAWING[i], variant)
        for category in CATEGORIES
        for i, drawing_id in enumerate(drawing_ids(category))
        for variant in range(variants)
    ]


def _product(category: Category, drawing_id: str, split: str, variant: int) -> ShopProduct:
    entry = _titles()[drawing_id]
    product_id = drawing_id if variant == 0 else f"{drawing_id}-v{variant:02d}"
    is_blind = number_of(f"title {product_id}") < BLIND_TITLE_SHARE * 2**32
    title = entry["blind_title" if is_blind else "title"]
    return ShopProduct(
        product_id,
        category,
        str(title) if variant == 0 else f"{title}, edition {variant}",
        tuple(entry["attributes"]),
        drawing_id,
        variant,
        split,
    )


@cache
def _titles() -> dict[str, dict[str, str | list[str]]]:
    names = sorted(file.name for file in FOLDER.iterdir() if file.name.endswith(".toml"))
    entries: dict[str, dict[str, str | list[str]]] = {}
    for name in names:
        entries.update(tomllib.loads((FOLDER / name).read_text(encoding="utf-8")))
    return entries


def number_of(name: str) -> int:
    """A number below 2**32 that belongs to a name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
