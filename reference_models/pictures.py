"""The ads of a data run as its scorers see them: files, pixels, titles. Never their truth.

A path comes from a table that may be anybody's, and some scorers send the file to another company:
a path that leaves the run's folder is refused.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from caig.data.decode import picture_on_white
from caig.data.sources import products_of
from caig.errors import DataError, Problem
from caig.runs.images import leads_out
from caig.runs.store import Run


def read_ads(folder: Path) -> pl.DataFrame:
    """All ads of a data run.

    Args:
        folder: Folder of the run; the ads' paths are relative to it.

    Returns:
        creative_id, product_id, path (absolute or relative like ``folder``), title (null where none
        is known), category_path (null where the run has no table of products).

    Raises:
        ArtifactError: No such run, or it holds no ads.
        DataError: A path leaves the folder.
    """
    run = Run.open(folder)
    ads = run.table("creatives").select("creative_id", "product_id", "image_path")
    outside = [path for path in ads["image_path"].to_list() if leads_out(path)]
    if outside:
        problem = Problem(
            "image_path",
            "leaves the run's folder",
            len(outside),
            tuple(repr(path) for path in outside[:3]),
        )
        raise DataError.from_problems(f"{folder}: creatives", [problem])
    products = products_of(run)
    if products is not None:
        told = products.select("product_id", pl.col("title").replace("", None), "category_path")
        ads = ads.join(told, on="product_id", how="left", maintain_order="left")
    else:
        nothing = pl.lit(None, pl.String)
        ads = ads.with_columns(title=nothing, category_path=nothing)
    path = (pl.lit(f"{folder}/") + pl.col("image_path")).alias("path")
    return ads.select("creative_id", "product_id", path, "title", "category_path")


def of_pairs(pairs: pl.DataFrame, ads: pl.DataFrame) -> pl.DataFrame:
    """Those of ``ads`` that ``pairs`` show, each once, in the order they are first shown.

    Raises:
        DataError: A pair shows an ad that is not there.
    """
    shown = pl.concat(
        [pairs.select(creative_id="left_id"), pairs.select(creative_id="right_id")]
    ).unique(maintain_order=True)
    missing = shown.join(ads, on="creative_id", how="anti")["creative_id"]
    if missing.len():
        problem = Problem(
            "left_id, right_id",
            "no such creative in the data run",
            missing.len(),
            tuple(repr(name) for name in missing.head(3)),
        )
        raise DataError.from_problems(
            "creative_pairs", [problem], "give the data run that the pairs were made from"
        )
    return shown.join(ads, on="creative_id", how="left", maintain_order="left")


def read_picture(path: str | Path) -> np.ndarray:
    """Decode a picture.

    Returns:
        (H, W, 3), red green blue, uint8; what is transparent is white.

    Raises:
        DataError: The file is missing or is no picture that can be read.
        PrerequisiteError: Pillow is not installed.
    """
    return np.asarray(picture_on_white(path))


def resize(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resample to ``width`` x ``height`` (px), whatever the shape was; smooth both ways."""
    from PIL import Image

    if picture.shape[:2] == (height, width):
        return picture
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))


def shorter_side_to(picture: np.ndarray, side: int) -> np.ndarray:
    """Resample so that the shorter side is ``side`` (px); the aspect stays."""
    height, width = picture.shape[:2]
    scale = side / min(height, width)
    return resize(picture, max(side, round(width * scale)), max(side, round(height * scale)))


def crop(picture: np.ndarray, side: int, *, top: float = 0.5, left: float = 0.5) -> np.ndarray:
    """A square of ``side`` (px) out of a picture that is at least as large.

    Args:
        picture: (H, W, 3).
        side: Side of the square (px).
        top: Where it lies, 0 (uppermost) to 1; the middle by default.
        left: Likewise, from the left.
    """
    height, width = picture.shape[:2]
    y, x = round(top * (height - side)), round(left * (width - side))
    return picture[y : y + side, x : x + side]


def normalised(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of one size as a network trained on ImageNet wants them.

    Args:
        pictures: Each (H, W, 3), uint8.

    Returns:
        (B, 3, H, W), float32: mean and spread of ImageNet's channels taken out.
    """
    scaled = np.stack(pictures).astype(np.float32) / 255
    mean = np.array([0.485, 0.456, 0.406], dtype=np.float32)
    spread = np.array([0.229, 0.224, 0.225], dtype=np.float32)
    return np.ascontiguousarray(((scaled - mean) / spread).transpose(0, 3, 1, 2))
