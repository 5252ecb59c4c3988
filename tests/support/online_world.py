"""Arms of an online experiment, made by hand: ads of the shop's products without their pictures."""

import polars as pl

from caig.config import Config
from caig.contracts.creatives import CREATIVES, PRODUCTS, PROMPTS
from caig.contracts.worlds import PROMPT_READINGS
from caig.runs.store import Run, RunWriter
from reference_models.shop.arms import Arm, PaintedAd
from reference_models.shop.products import shop_products

SHA = "0" * 64


def products_of(*categories: str) -> pl.DataFrame:
    """``products/1`` of the shop, of some categories or all."""
    rows = [
        (p.product_id, p.title, p.category.name, p.category.name, None, p.split)
        for p in shop_products()
        if not categories or p.category.name in categories
    ]
    return pl.DataFrame(rows, schema=PRODUCTS.schema, orient="row")


def arm(name: str, looks) -> Arm:
    """An arm from (product, look) pairs, all of seed 42."""
    ads = (
        PaintedAd(f"{product_id}-{n}", product_id, "some words", look, 42)
        for n, (product_id, look) in enumerate(looks)
    )
    return Arm(name, tuple(ads))


def painted(runs, ads, *, readings=None, **changed) -> Run:
    """A run as ``caig generate`` writes it, of (product, prompt) pairs; no pictures.

    Args:
        runs: Folder of all runs.
        ads: Products and prompts.
        readings: Rows of ``prompt_readings/1``; no such table without.
        changed: Columns of ``creatives/1`` to set.
    """
    creatives = [
        (f"c{n}", product_id, "images/x.png", SHA, "generated", f"q{n}", "test", 42, 32, 32)
        for n, (product_id, _) in enumerate(ads)
    ]
    prompts = [(f"q{n}", product_id, text, "test") for n, (product_id, text) in enumerate(ads)]
    with RunWriter(runs, "generate", Config()) as run:
        run.write_table(
            CREATIVES,
            pl.DataFrame(creatives, schema=CREATIVES.schema, orient="row")
            .with_columns(**{name: pl.lit(value) for name, value in changed.items()})
            .cast(CREATIVES.schema),
        )
        run.write_table(PROMPTS, pl.DataFrame(prompts, schema=PROMPTS.schema, orient="row"))
        if readings is not None:
            table = pl.DataFrame(readings, schema=PROMPT_READINGS.schema, orient="row")
            run.write_table(PROMPT_READINGS, table)
    return Run.open(run.path)
