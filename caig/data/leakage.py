"""Pictures that are in two splits: what a model learned of them, it may repeat where it is judged.

A product is in one split, but shops reuse pictures. Equal files are found by their checksum. Copies
that were resized or encoded again are found on request, in two steps: equal difference hashes of 64
bits (signs of the brightness steps in a picture of 9 x 8 pixels) name the candidates, and a
comparison in 16 x 16 pixels decides. A copy whose hash differs in a bit is missed; it is a check
against the common case, not a proof.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from caig.data.pictures import require_pillow
from caig.errors import DataError, Problem

NEAR = 4.0
"""Mean absolute difference of two thumbnails (grey levels of 255) up to which they are one."""

THUMBNAIL = 16
SHOWN = 3


class Sketch(NamedTuple):
    """What is kept of a picture to compare it.

    Attributes:
        difference_hash: 64 bits.
        thumbnail: RGB, shape (16, 16, 3), uint8.
    """

    difference_hash: int
    thumbnail: NDArray[np.uint8]


def shared_pictures(ads: pl.DataFrame) -> pl.DataFrame:
    """Pictures that ads of several splits show.

    Args:
        ads: Columns creative_id, product_id, image_sha256, split.

    Returns:
        The same columns of those ads, by picture and split.
    """
    in_several = pl.col("split").n_unique().over("image_sha256") > 1
    return (
        ads.filter(in_several)
        .select("creative_id", "product_id", "image_sha256", "split")
        .sort("image_sha256", "split", "creative_id")
    )


def refuse_shared(shared: pl.DataFrame, source: str) -> None:
    """Raise if a picture is in several splits.

    Args:
        shared: As of :func:`shared_pictures`.
        source: Run, for the message.

    Raises:
        DataError: It is.
    """
    if shared.is_empty():
        return
    pictures = shared.group_by("image_sha256", maintain_order=True).agg(
        pl.format("{} ({})", "creative_id", "split").head(SHOWN).str.join(", ").alias("ads")
    )
    rows = tuple(
        f"image_sha256={sha[:12]}...: {ads}" for sha, ads in pictures.head(SHOWN).iter_rows()
    )
    rule = f"{pictures.height:,} pictures are in several splits; a model would be judged on them"
    raise DataError.from_problems(
        source,
        [Problem("image_sha256", rule, shared.height, rows)],
        "leave those ads out of training with --set shared_picture=drop, or keep them with "
        "--set shared_picture=keep",
    )


def with_near_copies_joined(ads: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """``ads`` with one image_sha256, the smallest, for all pictures that are near copies.

    Args:
        ads: Columns image_path, image_sha256, and others.
        folder: Folder that the paths are relative to.

    Raises:
        DataError: A picture is gone or broken.
        PrerequisiteError: Pillow is not installed.
    """
    require_pillow()
    pictures = ads.unique("image_sha256", maintain_order=True).sort("image_sha256")
    with ThreadPoolExecutor() as pool:
        sketches = list(pool.map(lambda path: sketch(folder / path), pictures["image_path"]))
    shas = pictures["image_sha256"].to_list()
    first = _leaders(sketches)
    names = {
        sha: shas[leader] for sha, leader in zip(shas, first, strict=True) if sha != shas[leader]
    }
    return ads.with_columns(pl.col("image_sha256").replace(names))


def sketch(file: Path) -> Sketch:
    """Read a picture and keep what it takes to compare it.

    Raises:
        DataError: It is gone or broken.
    """
    from PIL import Image

    try:
        with Image.open(file) as picture:
            whole = picture.convert("RGB")
    except OSError as error:
        raise DataError(f"{file}: not readable as a picture: {error}; make the run again") from None
    grey = np.asarray(whole.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    steps = np.packbits((grey[:, 1:] > grey[:, :-1]).ravel())
    small = whole.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return Sketch(int.from_bytes(steps.tobytes(), "big"), np.asarray(small, dtype=np.uint8))


def _leaders(sketches: list[Sketch]) -> list[int]:
    """For each picture, the number of the first one that it is a near copy of; itself if none."""
    by_hash: dict[int, list[int]] = {}
    leaders = []
    for number, found in enumerate(sketches):
        group = by_hash.setdefault(found.difference_hash, [])
        leader = next((g for g in group if _is_near(sketches[g], found)), number)
        if leader == number:
            group.append(number)
        leaders.append(leader)
    return leaders


def _is_near(one: Sketch, other: Sketch) -> bool:
    difference = one.thumbnail.astype(np.int16) - other.thumbnail
    return float(np.abs(difference).mean()) <= NEAR
