"""Content-blind rulers: how far one gets without understanding a picture.

A model that does not beat every one of them has learnt nothing about ads. A ruler measures one
plain quantity of each ad and says that more wins, with probability ``left / (left + right)``: its
order is what counts, its probabilities are no calibrated statement. Which way a ruler points is not
fitted: one that scores 0.4 tells as much as one that scores 0.6.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from caig.contracts.creatives import PAIR_SCORES
from caig.contracts.table import check
from caig.errors import ConfigError, DataError
from reference_models.pictures import of_pairs, read_ads, read_picture
from reference_models.pointwise import PRESENTATIONS, at_pairs, pair_scores

LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in brightness (ITU-R BT.601)."""


def brightness(picture: np.ndarray) -> float:
    """Mean luma, 0 (black) to 1 (white).

    Args:
        picture: (H, W, 3), uint8.
    """
    return float((picture @ LUMA).mean() / 255)


def saturation(picture: np.ndarray) -> float:
    """Mean saturation of the hexcone model (HSV), 0 (grey) to 1.

    Args:
        picture: (H, W, 3), uint8.
    """
    highest = picture.max(axis=2).astype(float)
    spread = highest - picture.min(axis=2)
    return float(np.divide(spread, highest, out=np.zeros_like(spread), where=highest > 0).mean())


def sharpness(picture: np.ndarray) -> float:
    """Variance of the four-neighbour Laplacian of the luma: 0 for one flat colour.

    Args:
        picture: (H, W, 3), uint8, at least 3 x 3.
    """
    luma = picture @ LUMA
    edges = (
        luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * luma[1:-1, 1:-1]
    )
    return float(edges.var())


def chance(creative_id: str) -> float:
    """A number in (0, 1] that depends on the ad's name alone: the same on every machine."""
    digest = hashlib.sha256(creative_id.encode()).digest()
    return (int.from_bytes(digest[:8], "big") + 1) / 2**64


PICTURE_MEASURES: dict[str, Callable[[np.ndarray], float]] = {
    "brightness": brightness,
    "saturation": saturation,
    "sharpness": sharpness,
}

RULERS = ("random", "position", "file_size", *PICTURE_MEASURES, "title_length")


class Ruler:
    """One ruler as a ``PairScorer``.

    ``position`` alone looks at the sides: it always says left, so that over both presentations it
    says nothing. ``title_length`` measures the product's title: it says nothing between two ads of
    one product, and something only where they are of two.

    Args:
        measure: One of ``RULERS``.

    Raises:
        ConfigError: There is no such ruler.
    """

    def __init__(self, measure: str) -> None:
        if measure not in RULERS:
            raise ConfigError(f"no ruler '{measure}'; there are: {', '.join(RULERS)}")
        self.measure = measure
        self.name = f"ref:{measure}"

    def score_pairs(self, pairs: pl.DataFrame, images: Path) -> pl.DataFrame:
        """Score pairs in both presentations.

        Args:
            pairs: ``creative_pairs/1``.
            images: Folder of the data run the pairs were made from.

        Returns:
            ``pair_scores/1``: two rows a pair, in the order of ``pairs``.

        Raises:
            ArtifactError: ``images`` is no data run.
            DataError: A picture, an ad or a title is missing.
        """
        if self.measure == "position":
            return self._leftmost(pairs)
        if self.measure == "random":  # of the name alone: ads of any kind have one
            left, right = (
                np.array([chance(name) for name in pairs[side]]) for side in ("left_id", "right_id")
            )
            return pair_scores(pairs, self.name, left / (left + right))
        ads = of_pairs(pairs, read_ads(images))
        left, right = at_pairs(pairs, ads["creative_id"], self._measured(ads, images))
        total = left + right
        p_left = np.divide(left, total, out=np.full(total.shape, 0.5), where=total > 0)
        return pair_scores(pairs, self.name, p_left)

    def _measured(self, ads: pl.DataFrame, images: Path) -> np.ndarray:
        if self.measure == "title_length":
            return _lengths(ads["title"], images)
        if self.measure == "file_size":
            return np.array([_size(path) for path in ads["path"]], dtype=float)
        measure = PICTURE_MEASURES[self.measure]
        return np.array([measure(read_picture(path)) for path in ads["path"]], dtype=float)

    def _leftmost(self, pairs: pl.DataFrame) -> pl.DataFrame:
        n = pairs.height
        scores = pl.DataFrame(
            {
                "pair_id": np.repeat(pairs["pair_id"].to_numpy(), 2),
                "scorer": [self.name] * (2 * n),
                "presentation": [*PRESENTATIONS] * n,
                "p_left": [1.0, 0.0]
                * n,  # the one seen on the left is, when swapped, the right one
                "left_ctr_hat": [None] * (2 * n),
                "right_ctr_hat": [None] * (2 * n),
            },
            schema=PAIR_SCORES.schema,
        )
        return check(scores, PAIR_SCORES, source=self.name)


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except FileNotFoundError:
        raise DataError(f"{path}: no such picture") from None


def _lengths(titles: pl.Series, images: Path) -> np.ndarray:
    if titles.null_count():
        raise DataError(
            f"{images}: {titles.null_count():,} ads have no title; title_length needs a table of "
            "products that has all of them"
        )
    return titles.str.len_chars().to_numpy().astype(float)
