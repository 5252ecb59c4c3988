"""The ads of one arm, read from a run of ``caig generate``: what each was painted from.

The arm's name says nothing of its ads. What the click model goes by is the look that the painter
drew, as its readings tell; where a painter left none, the look that the prompt asks for.
"""

from typing import NamedTuple

import polars as pl

from caig.errors import ArtifactError, DataError, Problem
from caig.runs.store import Run
from reference_models.shop.prompts import read
from reference_models.shop.vocabulary import DECORATIONS, DEPTHS, LIGHTS, PALETTES, SCENES, Look

SHOWN = 3
FAMILIES = {
    "scene": SCENES,
    "light": LIGHTS,
    "palette": PALETTES,
    "depth": DEPTHS,
    "decoration": DECORATIONS,
}


class PaintedAd(NamedTuple):
    """One ad that a generator painted.

    Attributes:
        creative_id: Identifier in its run.
        product_id: What it shows.
        prompt: What it was painted from.
        look: What was drawn; None is a bare backdrop.
        seed: What tells it apart from other ads of its product and look.
    """

    creative_id: str
    product_id: str
    prompt: str
    look: Look | None
    seed: int | str


class Arm(NamedTuple):
    """What one arm can show.

    Attributes:
        name: Its name.
        ads: Its ads.
    """

    name: str
    ads: tuple[PaintedAd, ...]


def read_arm(name: str, run: Run, products: pl.DataFrame) -> Arm:
    """The ads of a run of ``caig generate``.

    Args:
        name: Name of the arm.
        run: The run.
        products: ``products/1`` of the shop, whose ads they must be.

    Raises:
        ArtifactError: The run holds no creatives with prompts.
        DataError: It holds none at all, ads of other products, ads whose prompt is not there, or
            readings that are not of this world.
    """
    source = f"arm '{name}': {run.path}"
    if not {"creatives", "prompts"} <= set(run.manifest.artifacts):
        raise ArtifactError(
            f"{source}: holds no creatives with the prompts they were painted from; name a run of "
            "caig generate"
        )
    prompts = run.table("prompts").select("prompt_id", "prompt")
    if "prompt_readings" in run.manifest.artifacts:
        readings = run.table("prompt_readings").drop("unread")
    else:
        readings = _readings(prompts)
    ads = (
        run.table("creatives")
        .join(prompts, left_on="sample_id", right_on="prompt_id", how="left", maintain_order="left")
        .join(
            readings, left_on="sample_id", right_on="prompt_id", how="left", maintain_order="left"
        )
    )
    _refuse_unusable(ads, products, source)
    return Arm(
        name,
        tuple(
            PaintedAd(
                row["creative_id"],
                row["product_id"],
                row["prompt"],
                None if row["scene"] is None else Look(*(row[family] for family in FAMILIES)),
                row["image_sha256"] if row["seed"] is None else row["seed"],
            )
            for row in ads.iter_rows(named=True)
        ),
    )


def _readings(prompts: pl.DataFrame) -> pl.DataFrame:
    rows = [
        (prompt_id, *(look or (None,) * len(FAMILIES)))
        for prompt_id, look in ((key, read(text).look) for key, text in prompts.iter_rows())
    ]
    schema = dict.fromkeys(("prompt_id", *FAMILIES), pl.String)
    return pl.DataFrame(rows, schema=schema, orient="row")


def _refuse_unusable(ads: pl.DataFrame, products: pl.DataFrame, source: str) -> None:
    known = products["product_id"].implode()
    is_bare = pl.all_horizontal(pl.col(family).is_null() for family in FAMILIES)
    is_drawn = pl.all_horizontal(
        pl.col(family).is_in(values).fill_null(value=False) for family, values in FAMILIES.items()
    )
    rules = (
        ("product_id", "is no product of the shop", ~pl.col("product_id").is_in(known)),
        ("sample_id", "names no prompt of the run", pl.col("prompt").is_null()),
        ("prompt_readings", "are no look of the shop world", ~is_bare & ~is_drawn),
    )
    problems = []
    for column, rule, is_broken in rules:
        broken = ads.filter(is_broken)
        if broken.height:
            first = broken.head(SHOWN).select("creative_id", "product_id").iter_rows()
            shown = tuple(f"{creative!r} of product {product!r}" for creative, product in first)
            problems.append(Problem(column, rule, broken.height, shown))
    if ads.is_empty():
        problems.append(Problem("creatives", "there are none"))
    if problems:
        raise DataError.from_problems(source, problems)
