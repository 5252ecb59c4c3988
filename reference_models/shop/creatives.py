"""Which ads there are: those the shop has shown before, and those of the experiment's two arms.

Control shows a product's usual ad. Treatment shows, of many random looks, the one whose true CTR
is nearest to control's times one plus the lift drawn for its category: lifts are what the
configuration asks for, and yet every one of them is the doing of a picture.
"""

import hashlib
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pydantic import Field

from caig.config import Config
from reference_models.shop.catalogue import CATEGORIES
from reference_models.shop.products import ShopProduct
from reference_models.shop.truth import SUITABLE, ad_id_of, true_ctr
from reference_models.shop.vocabulary import DECORATIONS, DEPTHS, LIGHTS, PALETTES, SCENES, Look

ARMS = ("control", "treatment")

CANDIDATE_LOOKS = 64
"""Looks that treatment's ad is chosen from."""


class AdsConfig(Config):
    """Pictures of the shop world."""

    per_product: int = Field(default=4, ge=0, le=64)
    """Ads that every product has been shown with before; 0 draws no pictures at all."""
    size: int = Field(default=128, ge=32, le=2048)
    """Side of an ad (px)."""
    variants: int = Field(default=1, ge=1, le=100)
    """Products made of each of the 176 drawings; more than one recolours and mirrors them."""
    suitable_share: float = Field(default=0.5, ge=0, le=1)
    """Share of the earlier ads whose scene is chosen to suit the product; others are any scene."""
    mean_impressions: float = Field(default=20_000, ge=100)
    """Mean impressions of an earlier ad."""
    impressions_sd: float = Field(default=0.5, ge=0)
    """Spread of log(impressions) between the earlier ads."""


class Ad(NamedTuple):
    """One ad.

    Attributes:
        creative_id: Identifier.
        product: What it shows.
        look: Its background.
        seed: Seed of the background's variety.
        true_ctr: Its click-through rate (fraction).
    """

    creative_id: str
    product: ShopProduct
    look: Look
    seed: int
    true_ctr: float


def earlier_ads(products: Sequence[ShopProduct], config: AdsConfig, *, seed: int) -> list[Ad]:
    """Ads shown before the experiment, ``per_product`` of each product, their looks all different.

    Args:
        products: Products.
        config: How many, and how often they suit.
        seed: Same seed, same ads.
    """
    ads = []
    for product in products:
        rng = _rng(seed, product.product_id)
        looks: list[Look] = []
        while len(looks) < config.per_product:
            look = random_look(rng)
            if rng.random() < config.suitable_share:
                scenes = SUITABLE[product.category.name]
                look = look._replace(scene=scenes[int(rng.integers(len(scenes)))])
            if look not in looks:
                looks.append(look)
        ads += [
            _ad(f"{product.product_id}-ad{n}", product, look, int(rng.integers(2**31)))
            for n, look in enumerate(looks, start=1)
        ]
    return ads


def experiment_ads(
    products: Sequence[ShopProduct], lifts: Sequence[float], *, seed: int
) -> tuple[list[Ad], list[Ad]]:
    """The two arms' ads, one a product, in the order of ``products``.

    Args:
        products: Products.
        lifts: Relative lift wanted in each of the 44 categories; exactly 0 shows treatment the
            very picture that control shows.
        seed: Same seed, same ads.

    Returns:
        Ads of control, ads of treatment.
    """
    wanted = {category.name: lift for category, lift in zip(CATEGORIES, lifts, strict=True)}
    control, treatment = [], []
    for product in products:
        rng = _rng(seed, f"arms of {product.product_id}")
        names = [f"{product.product_id}-{arm}" for arm in ARMS]
        usual = _ad(names[0], product, random_look(rng), int(rng.integers(2**31)))
        control.append(usual)
        lift = wanted[product.category.name]
        if lift == 0:
            treatment.append(usual._replace(creative_id=names[1]))
            continue
        candidates = [
            _ad(names[1], product, random_look(rng), int(rng.integers(2**31)))
            for _ in range(CANDIDATE_LOOKS)
        ]
        goal = math.log(usual.true_ctr * (1 + lift))
        treatment.append(min(candidates, key=lambda ad: abs(math.log(ad.true_ctr) - goal)))
    return control, treatment


def random_look(rng: np.random.Generator) -> Look:
    """Any look, all equally likely."""
    families = (SCENES, LIGHTS, PALETTES, DEPTHS, DECORATIONS)
    return Look(*(family[int(rng.integers(len(family)))] for family in families))


def _ad(creative_id: str, product: ShopProduct, look: Look, seed: int) -> Ad:
    ctr = true_ctr(
        look,
        category=product.category.name,
        product_id=product.product_id,
        ad_id=ad_id_of(look, product_id=product.product_id, seed=seed),
    )
    return Ad(creative_id, product, look, seed, ctr)


def _rng(seed: int, name: str) -> np.random.Generator:
    """A generator of its own for every product: adding products changes no other's ads."""
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
