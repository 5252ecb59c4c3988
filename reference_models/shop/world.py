"""The shop world as tables and pictures: products, their ads, what the ads gathered, the truth.

Pictures are drawn by several processes, a product at a time; what is drawn depends on the seed
alone, not on how many share the work.
"""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from caig.contracts.creatives import CAPTIONS, CREATIVE_COUNTS, CREATIVES, PRODUCTS
from caig.contracts.worlds import CREATIVE_TRUTH, SCENE_SUITABILITY
from caig.runs.images import add_image
from reference_models.shop.catalogue import CATEGORIES
from reference_models.shop.creatives import Ad, AdsConfig
from reference_models.shop.products import ShopProduct
from reference_models.shop.prompts import say
from reference_models.shop.truth import suits
from reference_models.shop.vocabulary import SCENES

GENERATOR = "procedural/shop-1"
"""Name of this world's painter: it draws, it is no model."""

CUTOUT_SIZE = 256
"""Side of a product's cut-out (px)."""


class DrawnProduct(NamedTuple):
    """Files of one product's pictures, relative to the run's folder.

    Attributes:
        product: The product.
        cutout: Path of its cut-out.
        ads: Its ads, each with path and SHA-256 of its picture.
    """

    product: ShopProduct
    cutout: str
    ads: list[tuple[Ad, str, str]]


def draw_pictures(
    products: Sequence[ShopProduct],
    ads: Sequence[Ad],
    folder: Path,
    *,
    size: int,
    processes: int | None = None,
) -> Iterator[DrawnProduct]:
    """Draw all cut-outs and ads into a run's folder.

    Args:
        products: Products.
        ads: Their ads, in any order.
        folder: Folder of the run.
        size: Side of an ad (px).
        processes: Processes that draw; as many as there are processors by default.

    Yields:
        Products in their order, as they are finished.
    """
    of_product: dict[str, list[Ad]] = {product.product_id: [] for product in products}
    for ad in ads:
        of_product[ad.product.product_id].append(ad)
    jobs = [(product, of_product[product.product_id], folder, size) for product in products]
    processes = processes or os.cpu_count() or 1
    if processes == 1:
        yield from map(_drawn, jobs)
        return
    # A forked child of a process that has threads may hang; a fresh one cannot.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        yield from pool.map(_drawn, jobs, chunksize=max(1, len(jobs) // (processes * 16)))


def _drawn(job: tuple[ShopProduct, list[Ad], Path, int]) -> DrawnProduct:
    import cv2

    from caig.generation.sheet import encode_png
    from reference_models.shop.ads import draw_ad
    from reference_models.shop.drawings import draw_cutout

    product, ads, folder, size = job
    cv2.setNumThreads(1)  # the processes are the threads
    cutout = draw_cutout(product, CUTOUT_SIZE)
    pictures = [
        (ad, *add_image(folder, encode_png(draw_ad(ad.look, cutout, seed=ad.seed, size=size))))
        for ad in ads
    ]
    return DrawnProduct(product, add_image(folder, encode_png(cutout))[0], pictures)


def products_table(drawn: Sequence[DrawnProduct]) -> pl.DataFrame:
    """``products/1``."""
    rows = [
        (
            product.product_id,
            product.title,
            product.category.name,
            f"{product.category.department} > {product.category.name}",
            cutout,
            product.split,
        )
        for product, cutout, _ in drawn
    ]
    return pl.DataFrame(rows, schema=PRODUCTS.schema, orient="row")


def creatives_table(drawn: Sequence[DrawnProduct], *, size: int) -> pl.DataFrame:
    """``creatives/1``; they were shown in the shop, so their source is the log."""
    rows = [
        (
            ad.creative_id,
            ad.product.product_id,
            path,
            digest,
            "logged",
            None,
            GENERATOR,
            ad.seed,
            size,
            size,
        )
        for _, _, ads in drawn
        for ad, path, digest in ads
    ]
    return pl.DataFrame(rows, schema=CREATIVES.schema, orient="row")


def captions_table(ads: Sequence[Ad]) -> pl.DataFrame:
    """``captions/1``: what the merchant who made an ad would call its background."""
    rows = [(ad.creative_id, say(ad.look)) for ad in ads]
    return pl.DataFrame(rows, schema=CAPTIONS.schema, orient="row")


def truth_table(ads: Sequence[Ad]) -> pl.DataFrame:
    """``creative_truth/1``."""
    rows = [
        (
            ad.creative_id,
            ad.product.product_id,
            ad.product.category.name,
            *ad.look,
            say(ad.look),
            suits(ad.product.category.name, ad.look.scene),
            ad.true_ctr,
        )
        for ad in ads
    ]
    return pl.DataFrame(rows, schema=CREATIVE_TRUTH.schema, orient="row")


def suitability_table() -> pl.DataFrame:
    """``scene_suitability/1``: the table of truth, all 44 categories by all 24 scenes."""
    rows = [
        (category.name, scene, suits(category.name, scene))
        for category in CATEGORIES
        for scene in SCENES
    ]
    return pl.DataFrame(rows, schema=SCENE_SUITABILITY.schema, orient="row")


def counts_table(ads: Sequence[Ad], config: AdsConfig, *, seed: int) -> pl.DataFrame:
    """``creative_counts/1``: what the earlier ads gathered.

    Impressions are log-normal with the mean asked for, clicks binomial: the labels carry the noise
    that a real log's labels carry.
    """
    rng = np.random.default_rng([seed, 1])
    sd = config.impressions_sd
    spread = np.exp(sd * rng.standard_normal(len(ads)) - sd**2 / 2)
    impressions = np.maximum(np.rint(config.mean_impressions * spread), 1).astype(np.int64)
    clicks = rng.binomial(impressions, [ad.true_ctr for ad in ads])
    return pl.DataFrame(
        {
            "creative_id": [ad.creative_id for ad in ads],
            "n_impressions": impressions,
            "n_clicks": clicks,
        },
        schema=CREATIVE_COUNTS.schema,
    )
