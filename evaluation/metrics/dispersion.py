"""How much more clicks vary than binomially, from counts by day.

Hours, places and audiences differ between days. What all ads of a product share on a day does not
disturb their order, so clicks are fitted as impressions times an ad's rate times its product's
effect of the day, and only what is left counts. If it is independent from day to day, the variance
of an ad's total exceeds the binomial one by the same factor.
"""

import math
from typing import NamedTuple

import numpy as np

from evaluation.metrics.clustered import (
    ClusterSums,
    Codes,
    Floats,
    clustered_variance,
    t_quantile,
)
from evaluation.metrics.intervals import Interval

ROUNDS = 30
METHOD = "Pearson's statistic over its degrees of freedom; t clustered by product"
NO_DAYS = "none: no product has two ads on two days"


class DayCounts(NamedTuple):
    """Counts of ads by day; a row an ad and day with impressions.

    Attributes:
        ad: (r,) code of the ad.
        product: (r,) code of its product.
        day: (r,) code of the day.
        impressions: (r,) above 0.
        clicks: (r,).
    """

    ad: Codes
    product: Codes
    day: Codes
    impressions: Floats
    clicks: Floats


def variance_factor(counts: DayCounts, *, alpha: float = 0.05) -> Interval:
    """Variance of clicks over the binomial one.

    Args:
        counts: Counts by day.
        alpha: 1 minus the confidence.

    Returns:
        About 1 if clicks are binomial; None where days cannot tell.
    """
    counts = _informative(counts)
    if counts.ad.size == 0:
        return Interval(None, None, None, NO_DAYS)
    rate, expected = _fitted(counts)
    squares = (counts.clicks - expected) ** 2 / (expected * (1 - np.minimum(rate, 0.999)))
    by_product = np.bincount(counts.product, squares).astype(float)
    cells = np.bincount(counts.product).astype(float)
    # Every ad has a rate and every day an effect, but for one factor between them.
    degrees = cells - _distinct(counts.product, counts.ad) - _distinct(counts.product, counts.day)
    degrees += cells > 0
    told = degrees > 0
    if not told.any():
        return Interval(None, None, None, NO_DAYS)
    sums = ClusterSums(by_product[told], degrees[told])
    if sums.counts.size == 1:
        return Interval(sums.mean, None, None, "none: one product")
    error = math.sqrt(clustered_variance(sums.influence()))
    half = t_quantile(sums.counts.size, alpha) * error
    return Interval(sums.mean, max(sums.mean - half, 0.0), sums.mean + half, METHOD)


def _informative(counts: DayCounts) -> DayCounts:
    """Rows of ads, and of days of a product, that have a click; codes of days made a product's own.

    Where nothing was clicked the fit is exact and nothing is left to see.
    """
    _, day = np.unique(
        counts.product * (int(counts.day.max(initial=0)) + 1) + counts.day, return_inverse=True
    )
    kept = (np.bincount(counts.ad, counts.clicks)[counts.ad] > 0) & (
        np.bincount(day, counts.clicks)[day] > 0
    )
    return DayCounts(
        counts.ad[kept], counts.product[kept], day[kept], counts.impressions[kept],
        counts.clicks[kept],
    )  # fmt: skip


def _fitted(counts: DayCounts) -> tuple[Floats, Floats]:
    """Rate and expected clicks of every row, by proportional fitting."""
    n, x = counts.impressions, counts.clicks
    effect = np.ones(int(counts.day.max()) + 1)
    per_ad, per_day = np.bincount(counts.ad, x), np.bincount(counts.day, x)
    for _ in range(ROUNDS):
        shown = np.bincount(counts.ad, n * effect[counts.day])
        rate = np.divide(per_ad, shown, out=np.zeros_like(shown), where=shown > 0)
        due = np.bincount(counts.day, n * rate[counts.ad])
        effect = np.divide(per_day, due, out=np.zeros_like(due), where=due > 0)
    rates = rate[counts.ad] * effect[counts.day]
    return rates, n * rates


def _distinct(product: Codes, part: Codes) -> Floats:
    """Number of distinct parts of each product."""
    pairs = np.unique(np.stack([product, part]), axis=1)[0]
    return np.bincount(pairs, minlength=int(product.max()) + 1).astype(float)
