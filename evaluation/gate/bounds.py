"""What a check measures: an estimate, how sure it is, and how far from a bound.

Comparisons are made from items, paired and clustered by product. Verdicts (0, 1/2 or 1 an item)
near the ends of their range differ on few products, and a t interval of few differences is too
short: at a level of 5 % it passes a deficit at the margin in 6 to 11 of 100 cases. So one answer
fully ahead and one fully behind are added, as Bonett and Price (2012) do for pairs of yes and no;
each weighs as many items as one independent answer consists of (the design effect), for items of
one product may repeat each other. Figures that a suite made come with its interval, and what lies
between them and a bound is read off that interval.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from evaluation.metrics.clustered import ClusterSums, cluster_sums, clustered_variance

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

PAIRED = "paired, t clustered by product"
PAIRED_VERDICTS = "paired, t clustered by product, Bonett and Price"


class Measured(NamedTuple):
    """An estimate beside a bound.

    Attributes:
        estimate: The estimate.
        lower: Lower limit.
        upper: Upper limit.
        method: How the limits were made.
        confidence: Their two-sided confidence.
        error: Standard error, on the side of the bound.
        p_pass: One-sided p-value against "the bound is missed".
        p_fail: One-sided p-value against "the bound is kept".
    """

    estimate: float
    lower: float
    upper: float
    method: str
    confidence: float
    error: float
    p_pass: float
    p_fail: float


def from_interval(
    estimate: float,
    limits: tuple[float, float],
    *,
    method: str,
    confidence: float,
    threshold: float,
    sign: int,
) -> Measured:
    """Read off an interval how far an estimate is from a bound.

    The limit on the bound's side tells the standard error there. So the p-value is exact where that
    limit is the bound itself, and between and beyond taken as normal.

    Args:
        estimate: The estimate.
        limits: Of its interval.
        method: How that was made.
        confidence: Its two-sided confidence.
        threshold: The bound.
        sign: 1 if the estimate must lie above it, -1 if below.
    """
    lower, upper = limits
    quantile = float(special.ndtri((1 + confidence) / 2))
    error = abs(estimate - (lower if estimate >= threshold else upper)) / quantile
    distance = sign * (estimate - threshold)
    steps = math.copysign(math.inf, distance) if error == 0 else distance / error
    p_pass = float(special.ndtr(-steps))
    return Measured(estimate, lower, upper, method, confidence, error, p_pass, 1 - p_pass)


def paired(
    candidate: Floats,
    incumbent: Floats,
    clusters: Codes,
    *,
    alpha: float,
    threshold: float,
    sign: int,
) -> Measured:
    """Candidate minus incumbent on the same items, beside a bound.

    Args:
        candidate: (n,) values, 0 to 1, of two products or more.
        incumbent: (n,) of the same items.
        clusters: (n,) code of each item's product.
        alpha: One-sided level; the limits are at 1 - 2 alpha together.
        threshold: The bound of the difference.
        sign: 1 if the difference must lie above it, -1 if below.
    """
    apart = candidate - incumbent
    sums = cluster_sums(apart, clusters)
    count, estimate = sums.counts.size, sums.mean
    is_verdict = all(np.isin(values, (0.0, 0.5, 1.0)).all() for values in (candidate, incumbent))
    variance = clustered_variance(sums.influence())
    method = PAIRED
    if is_verdict or variance < 1e-18:
        size = _design_effect(variance, apart, float(sums.counts.mean()))
        sums = ClusterSums(
            np.append(sums.values, [size, -size]), np.append(sums.counts, [size, size])
        )
        variance = clustered_variance(sums.influence())
        method = PAIRED_VERDICTS
    error = math.sqrt(variance)
    half = float(special.stdtrit(count - 1, 1 - alpha)) * error
    lower, upper = sums.mean - half, sums.mean + half
    steps = sign * (sums.mean - threshold) / error
    p_pass = float(special.stdtr(count - 1, -steps))
    return Measured(
        estimate,
        max(min(lower, estimate), -1.0),
        min(max(upper, estimate), 1.0),
        method,
        1 - 2 * alpha,
        error,
        p_pass,
        1 - p_pass,
    )


def _design_effect(clustered: float, apart: Floats, per_product: float) -> float:
    """Items that weigh as one independent answer: 1, to all items of a product."""
    independent = float(apart.var(ddof=1)) / apart.size
    if independent <= 0:
        return per_product  # nothing is seen of how alike they are
    return min(max(clustered / independent, 1.0), per_product)


def more_items(error: float, n: int, distance: float, *, alpha: float, power: float) -> int | None:
    """Items besides those there are with which a bound at this distance is told from the truth.

    Args:
        error: Standard error with ``n`` items.
        n: Items there are.
        distance: Of the truth from the bound.
        alpha: One-sided level of the test.
        power: Chance of telling them apart.

    Returns:
        None if no number is enough: the truth lies at the bound.
    """
    if abs(distance) < 1e-9:
        return None
    steps = float(special.ndtri(1 - alpha) + special.ndtri(power))
    return max(math.ceil(n * (steps * error / distance) ** 2) - n, 0)
