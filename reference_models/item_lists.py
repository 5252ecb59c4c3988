"""What VAM and CG4CTR learn from: of each product, the list of its ads with their clicks.

Both smooth the click-through rate and rank the ads of one product. They differ in how they smooth:
VAM with a fixed Beta prior, CG4CTR with one fitted by moments, and without alpha below the line.
"""

from typing import NamedTuple

import numpy as np
import polars as pl

from caig.errors import DataError


class ItemLists(NamedTuple):
    """Ads in lists, one list a product.

    Attributes:
        ads: creative_id, product_id, path, title, category_path, n_impressions, n_clicks; a row an
            ad, the ads of a product together.
        starts: (I + 1,) row at which each product's list begins, and the number of rows.
    """

    ads: pl.DataFrame
    starts: np.ndarray

    @property
    def n_items(self) -> int:
        """Products (count)."""
        return int(self.starts.size - 1)

    def item_impressions(self) -> np.ndarray:
        """(I,) impressions of each product's ads together."""
        counts = self.ads["n_impressions"].to_numpy()
        return np.add.reduceat(counts, self.starts[:-1]) if self.n_items else np.zeros(0, np.int64)


def item_lists(ads: pl.DataFrame, counts: pl.DataFrame, *, min_impressions: int) -> ItemLists:
    """Lists of the products that have at least two ads with enough impressions.

    Args:
        ads: creative_id, product_id and what else is known of an ad.
        counts: ``creative_counts/1``.
        min_impressions: Impressions an ad needs.
    """
    rows = (
        ads.join(counts, on="creative_id")
        .filter(pl.col("n_impressions") >= max(min_impressions, 1))
        .filter(pl.len().over("product_id") >= 2)
        .sort("product_id", "creative_id")
    )
    lengths = rows.group_by("product_id", maintain_order=True).len()["len"].to_numpy()
    return ItemLists(rows, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


class BetaPrior(NamedTuple):
    """Smoothing constants of a click-through rate: clicks and impressions that are added.

    Attributes:
        clicks: Added to the clicks.
        impressions: Added to the impressions.
    """

    clicks: float
    impressions: float

    def smoothed(self, n_clicks: np.ndarray, n_impressions: np.ndarray) -> np.ndarray:
        """Smoothed click-through rates (fractions)."""
        rates: np.ndarray = (n_clicks + self.clicks) / (n_impressions + self.impressions)
        return rates


def fitted_prior(n_clicks: np.ndarray, n_impressions: np.ndarray) -> BetaPrior:
    """CG4CTR's prior: a Beta distribution with the mean and variance of the observed rates.

    Its beta alone is added to the impressions, as published, not alpha + beta.

    Raises:
        DataError: The rates do not vary, or more than any Beta distribution's.
    """
    rates = n_clicks / n_impressions
    mean, variance = float(rates.mean()), float(rates.var())
    if not 0 < variance < mean * (1 - mean):
        raise DataError(
            f"the ads' CTRs have mean {mean:.4g} and variance {variance:.4g}: no Beta prior has "
            "these; there must be clicks, and differences between ads"
        )
    total = mean * (1 - mean) / variance - 1
    return BetaPrior(clicks=mean * total, impressions=(1 - mean) * total)


def order_of_items(impressions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """All items once, those with more impressions likely earlier.

    Both baselines sample without replacement with weights log(impressions) until nothing is left:
    so the weights decide on the order alone.

    Args:
        impressions: (I,) of each item.
        rng: Source of chance.

    Returns:
        (I,) indices.
    """
    weights = np.log(np.maximum(impressions, 2))
    order: np.ndarray = np.argsort(rng.exponential(size=weights.size) / weights)
    return order


class ListMetrics(NamedTuple):
    """How well scores rank the ads of products, by the clicks that were observed.

    Attributes:
        pair_accuracy: Share of same-product pairs of different observed CTR whose order is right;
            a tie is half right. Pairs of all gaps, each ad once on either side.
        n_pairs: Pairs counted.
        uplift: Mean of the uplifts of the top 1 to top 5.
        top_1_uplift: CTR of each product's best-scored ad, clicks and impressions pooled over
            products, relative to the CTR of all ads; a fraction.
    """

    pair_accuracy: float
    n_pairs: int
    uplift: float
    top_1_uplift: float


def list_metrics(lists: ItemLists, scores: np.ndarray) -> ListMetrics:
    """Measure scores on lists; NaN where there is nothing to measure on.

    Args:
        lists: Lists.
        scores: (A,) score of each row of ``lists.ads``.
    """
    clicks, impressions = (lists.ads[c].to_numpy() for c in ("n_clicks", "n_impressions"))
    right = n_pairs = 0.0
    picked = np.zeros((5, 2))
    for start, stop in zip(lists.starts[:-1], lists.starts[1:], strict=True):
        part = slice(start, stop)
        ctr, score = clicks[part] / impressions[part], scores[part]
        first, second = np.triu_indices(stop - start, k=1)
        truth, said = np.sign(ctr[first] - ctr[second]), np.sign(score[first] - score[second])
        counted = truth != 0
        n_pairs += counted.sum()
        right += ((truth * said)[counted] + 1).sum() / 2
        best_first = np.argsort(-score, kind="stable")
        for k in range(5):
            top = best_first[: k + 1]
            picked[k] += clicks[part][top].sum(), impressions[part][top].sum()
    if not n_pairs or not clicks.sum():
        return ListMetrics(float("nan"), int(n_pairs), float("nan"), float("nan"))
    uplifts = picked[:, 0] / picked[:, 1] / (clicks.sum() / impressions.sum()) - 1
    return ListMetrics(
        float(right / n_pairs), int(n_pairs), float(uplifts.mean()), float(uplifts[0])
    )
