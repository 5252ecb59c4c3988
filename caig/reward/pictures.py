"""The ads that pairs are about, as a reward model sees them: files, pixels, titles, kinds."""

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from caig.data.decode import picture_on_white
from caig.data.sources import products_of
from caig.errors import DataError, Problem
from caig.runs.images import leads_out
from caig.runs.store import Run


def ads_of_pairs(pairs: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """Every ad that the pairs show, once.

    Args:
        pairs: ``creative_pairs/1``.
        folder: Folder of the data run that the pairs were made from.

    Returns:
        creative_id, product_id, category, split, n_impressions, n_clicks, path, title (empty where
        there is none), caption (null where there is none), sorted by product and ad.

    Raises:
        ArtifactError: No such run, or it holds no creatives.
        DataError: A pair shows an ad that the run does not hold, or an ad's path leaves the folder.
    """
    shown = pl.concat(
        pairs.select(
            "product_id",
            "category",
            "split",
            creative_id=f"{side}_id",
            n_impressions=f"{side}_impressions",
            n_clicks=f"{side}_clicks",
        )
        for side in ("left", "right")
    ).unique("creative_id", keep="first", maintain_order=True)
    run = Run.open(folder)
    stored = run.table("creatives").select("creative_id", "image_path")
    ads = shown.join(stored, on="creative_id", how="left")
    _refuse(ads, pl.col("image_path").is_null(), "creative_id", "not in the data run", folder)
    is_outside = pl.col("image_path").map_elements(leads_out, return_dtype=pl.Boolean)
    _refuse(ads, is_outside, "image_path", "leaves the run's folder", folder)
    title = pl.lit("").alias("title")
    products = products_of(run)
    if products is not None:
        ads = ads.join(products.select("product_id", "title"), on="product_id", how="left")
        title = pl.col("title").fill_null("")
    caption = pl.lit(None, pl.String).alias("caption")
    if "captions" in run.manifest.artifacts:
        ads = ads.join(run.table("captions"), on="creative_id", how="left")
        caption = pl.col("caption")
    path = (pl.lit(f"{folder}/") + pl.col("image_path")).alias("path")
    ads = ads.with_columns(title, caption, path).drop("image_path")
    return ads.sort("product_id", "creative_id")


def read_pixels(path: str, size: int) -> NDArray[np.uint8]:
    """Decode a picture and resample it to a square; what is transparent is white.

    Args:
        path: Picture file.
        size: Side (px).

    Returns:
        (size, size, 3), red green blue.

    Raises:
        DataError: The file is missing or is no picture that can be read.
    """
    from PIL.Image import Resampling

    picture = picture_on_white(path)
    if picture.size != (size, size):
        picture = picture.resize((size, size), Resampling.BICUBIC)
    return np.asarray(picture)


def _refuse(ads: pl.DataFrame, is_wrong: pl.Expr, column: str, rule: str, folder: Path) -> None:
    wrong = ads.filter(is_wrong)
    if wrong.height:
        rows = tuple(repr(value) for value in wrong[column].head(3))
        problem = Problem(column, rule, wrong.height, rows)
        hint = "give the data run that the pairs were made from"
        raise DataError.from_problems(str(folder), [problem], hint)
