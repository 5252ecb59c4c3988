"""What is true in the shop world: which scenes suit a category, and how likely an ad is clicked.

    logit CTR = base(category) + attractiveness(look) + taste(category, light and palette)
              + MATCH_EFFECT * [scene suits category] + effect(product) + noise(ad)

Attractiveness and taste are drawn independently of suitability: chasing clicks alone leads away
from backgrounds that suit the product, which is the conflict that product-centric preference
optimisation is about. Taste makes the best look depend on the category, so a model that never
looks at the product cannot be right about it.
"""

import hashlib
import math
from functools import cache
from typing import NamedTuple

import numpy as np

from reference_models.shop.catalogue import CATEGORIES
from reference_models.shop.vocabulary import DECORATIONS, DEPTHS, LIGHTS, PALETTES, SCENES, Look

SUITABLE: dict[str, tuple[str, ...]] = {
    "Sneakers": ("football pitch", "gym floor", "winding road"),
    "Handbags": ("city skyline", "cafe table", "studio podium"),
    "Dresses": ("flower studio", "meadow", "studio podium"),
    "T-shirts": ("beach", "city skyline", "football pitch"),
    "Sunglasses": ("beach", "desert", "snowy mountains"),
    "Watches": ("marble table", "city skyline", "office desk"),
    "Hats": ("beach", "meadow", "autumn park"),
    "Boots": ("autumn park", "forest", "snowy mountains"),
    "Earrings": ("marble table", "flower studio", "studio podium"),
    "Perfume": ("flower studio", "lavender field", "marble table"),
    "Lipstick": ("flower studio", "marble table", "studio podium"),
    "Shampoo": ("bathroom shelf", "lavender field", "underwater reef"),
    "Face cream": ("bathroom shelf", "marble table", "lavender field"),
    "Hair dryers": ("bathroom shelf", "studio podium"),
    "Sofas": ("living room", "library shelves", "christmas room"),
    "Table lamps": ("living room", "office desk", "library shelves"),
    "Armchairs": ("living room", "library shelves", "christmas room"),
    "Cushions": ("living room", "playroom", "christmas room"),
    "Vases": ("living room", "marble table", "flower studio"),
    "Candles": ("christmas room", "bathroom shelf", "marble table"),
    "Wall clocks": ("office desk", "living room", "kitchen counter"),
    "Kettles": ("kitchen counter", "cafe table"),
    "Coffee machines": ("kitchen counter", "cafe table", "office desk"),
    "Frying pans": ("kitchen counter", "marble table"),
    "Mugs": ("cafe table", "office desk", "christmas room"),
    "Blenders": ("kitchen counter", "marble table", "gym floor"),
    "Toasters": ("kitchen counter", "cafe table"),
    "Headphones": ("office desk", "gym floor", "city skyline"),
    "Smartphones": ("office desk", "city skyline", "space nebula"),
    "Laptops": ("office desk", "cafe table", "library shelves"),
    "Cameras": ("snowy mountains", "city skyline", "desert"),
    "Speakers": ("living room", "beach", "playroom"),
    "Game controllers": ("playroom", "space nebula", "living room"),
    "Bicycles": ("winding road", "forest", "autumn park"),
    "Tents": ("forest", "meadow", "snowy mountains"),
    "Backpacks": ("forest", "snowy mountains", "winding road"),
    "Dumbbells": ("gym floor", "studio podium"),
    "Footballs": ("football pitch", "beach", "meadow"),
    "Teddy bears": ("playroom", "christmas room", "living room"),
    "Building bricks": ("playroom", "space nebula", "christmas room"),
    "Toy cars": ("playroom", "winding road", "desert"),
    "Orange juice": ("kitchen counter", "beach", "cafe table"),
    "Chocolate": ("christmas room", "cafe table", "marble table"),
    "Honey": ("meadow", "kitchen counter", "lavender field"),
}
"""The table of truth: two or three scenes a category."""

MATCH_EFFECT = 0.15
"""Gain in logit CTR of a scene that suits the category."""

PRODUCT_SD = 0.20
"""Spread of products of one category (logit). It cancels between ads of one product."""

NOISE_SD = 0.03
"""Spread that no feature of the picture explains (logit): what keeps an oracle honest."""

_TRUTH_SEED = 44
_SCENE_SD, _LIGHT_SD, _PALETTE_SD, _DEPTH_SD, _DECORATION_SD = 0.20, 0.08, 0.08, 0.05, 0.08
_TASTE_SD = 0.15


def suits(category: str, scene: str) -> bool:
    """True if the scene suits products of the category."""
    return scene in SUITABLE[category]


class Effects(NamedTuple):
    """The click model's coefficients (logit), the same in every data set.

    Attributes:
        scene: (24,).
        light: (4,).
        palette: (5,).
        depth: (2,).
        decoration: (5,).
        taste_light: (44, 4) of a category for a light.
        taste_palette: (44, 5) of a category for a palette.
    """

    scene: np.ndarray
    light: np.ndarray
    palette: np.ndarray
    depth: np.ndarray
    decoration: np.ndarray
    taste_light: np.ndarray
    taste_palette: np.ndarray


@cache
def effects() -> Effects:
    """The coefficients, each family centred at zero so that base rates keep their meaning."""
    rng = np.random.default_rng(_TRUTH_SEED)

    def centred(sd: float, *shape: int) -> np.ndarray:
        values = sd * rng.standard_normal(shape)
        centre: np.ndarray = values - values.mean(axis=-1, keepdims=True)
        return centre

    n = len(CATEGORIES)
    return Effects(
        scene=centred(_SCENE_SD, len(SCENES)),
        light=centred(_LIGHT_SD, len(LIGHTS)),
        palette=centred(_PALETTE_SD, len(PALETTES)),
        depth=centred(_DEPTH_SD, len(DEPTHS)),
        decoration=centred(_DECORATION_SD, len(DECORATIONS)),
        taste_light=centred(_TASTE_SD, n, len(LIGHTS)),
        taste_palette=centred(_TASTE_SD, n, len(PALETTES)),
    )


@cache
def _places() -> dict[str, int]:
    """Position of every value in its family; no two families share a word."""
    families = (SCENES, LIGHTS, PALETTES, DEPTHS, DECORATIONS)
    names = [category.name for category in CATEGORIES]
    return {value: i for family in (*families, names) for i, value in enumerate(family)}


def true_logit(look: Look, *, category: str, product_id: str) -> float:
    """Logit CTR of an ad, noise apart.

    Args:
        look: Its background.
        category: Category of its product.
        product_id: The product; its effect is drawn from its identifier.

    Raises:
        KeyError: The look or the category is not of this world.
    """
    place, table = _places(), effects()
    k = place[category]
    base = CATEGORIES[k].base_ctr
    return float(
        math.log(base / (1 - base))
        + table.scene[place[look.scene]]
        + table.light[place[look.light]]
        + table.palette[place[look.palette]]
        + table.depth[place[look.depth]]
        + table.decoration[place[look.decoration]]
        + table.taste_light[k, place[look.light]]
        + table.taste_palette[k, place[look.palette]]
        + MATCH_EFFECT * suits(category, look.scene)
        + PRODUCT_SD * _standard_normal(f"product {product_id}")
    )


def true_ctr(look: Look, *, category: str, product_id: str, ad_id: str) -> float:
    """CTR of an ad, as the click model has it.

    Args:
        look: Its background.
        category: Category of its product.
        product_id: The product.
        ad_id: The ad; its noise is drawn from it, so the same ad always has the same CTR.

    Returns:
        Fraction between 0 and 1.
    """
    logit = true_logit(look, category=category, product_id=product_id) + noise(ad_id)
    return 1 / (1 + math.exp(-logit))


def noise(ad_id: str) -> float:
    """What no feature explains of an ad's CTR (logit); it belongs to the ad's identifier."""
    return NOISE_SD * _standard_normal(f"ad {ad_id}")


def ad_id_of(look: Look | None, *, product_id: str, seed: int | str) -> str:
    """Identifier of an ad in the click model: what it was drawn from, not how it is called.

    Args:
        look: Its background; None is a bare backdrop.
        product_id: What it shows.
        seed: Seed of the background's variety, or whatever else tells its pictures apart.
    """
    return f"{product_id} {'bare' if look is None else '/'.join(look)} {seed}"


def _standard_normal(name: str) -> float:
    """A standard normal number that belongs to a name (Box-Muller of its hash)."""
    digest = hashlib.sha256(name.encode()).digest()
    first, second = (int.from_bytes(digest[i : i + 6], "big") for i in (0, 6))
    radius = math.sqrt(-2 * math.log((first + 1) / (2**48 + 1)))
    return radius * math.cos(2 * math.pi * second / 2**48)
