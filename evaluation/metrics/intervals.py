"""Intervals of proportions and of ratios, each with the name of its method.

Clustered data have their own module. Sources: Wilson (1927), Clopper and Pearson (1934), the
Jeffreys interval of Brown, Cai and DasGupta (2001), Fieller (1954).
"""

import math
from typing import NamedTuple

from scipy import special, stats


class Interval(NamedTuple):
    """An estimate with its limits; None is unknown, never a zero.

    Attributes:
        estimate: The estimate.
        lower: Lower limit.
        upper: Upper limit.
        method: How it was made, or why there is none.
    """

    estimate: float | None
    lower: float | None
    upper: float | None
    method: str


def wilson(hits: float, n: float, *, alpha: float = 0.05) -> tuple[float, float]:
    """Wilson score interval of a proportion.

    Args:
        hits: Successes, 0 to ``n``; need not be whole.
        n: Trials, above 0.
        alpha: 1 minus the two-sided confidence; twice the level for a one-sided limit.
    """
    return wilson_at(hits / n, n, float(special.ndtri(1 - alpha / 2)))


def wilson_at(share: float, n: float, quantile: float) -> tuple[float, float]:
    """Wilson score interval of a share at an effective size, with a quantile of one's own.

    Args:
        share: Share, 0 to 1.
        n: Effective number of items, above 0.
        quantile: Two-sided quantile, e.g. 1.96.
    """
    square = quantile**2 / n
    centre = (share + square / 2) / (1 + square)
    half = math.sqrt(square * share * (1 - share) + square**2 / 4) / (1 + square)
    return max(0.0, centre - half), min(1.0, centre + half)


def on_logit_scale(share: float, half: float) -> tuple[float, float]:
    """Limits of a share, symmetric in its logit.

    Args:
        share: Share; one of exactly 0 or 1 has no logit and no width.
        half: Half-width that a symmetric interval of the share itself would have.
    """
    if share <= 0 or share >= 1:
        return share, share
    reach = half / (share * (1 - share))
    centre = math.log(share / (1 - share))
    return float(special.expit(centre - reach)), float(special.expit(centre + reach))


def clopper_pearson(hits: int, n: int, *, alpha: float = 0.05) -> tuple[float, float]:
    """Exact interval of a proportion; covers at least as often as stated.

    Args:
        hits: Successes, 0 to ``n``.
        n: Trials, above 0.
        alpha: 1 minus the two-sided confidence.
    """
    lower = float(stats.beta.ppf(alpha / 2, hits, n - hits + 1)) if hits else 0.0
    upper = float(stats.beta.ppf(1 - alpha / 2, hits + 1, n - hits)) if hits < n else 1.0
    return lower, upper


def jeffreys(hits: int, n: int, *, alpha: float = 0.05) -> tuple[float, float]:
    """Equal-tailed interval of the Beta(1/2, 1/2) posterior of a proportion.

    Args:
        hits: Successes, 0 to ``n``.
        n: Trials, above 0.
        alpha: 1 minus the two-sided confidence.
    """
    posterior = stats.beta(hits + 0.5, n - hits + 0.5)
    lower = float(posterior.ppf(alpha / 2)) if hits else 0.0
    upper = float(posterior.ppf(1 - alpha / 2)) if hits < n else 1.0
    return lower, upper


def fieller(
    numerator: float,
    denominator: float,
    *,
    variances: tuple[float, float, float],
    quantile: float,
) -> tuple[float, float] | None:
    """Interval of a ratio of two means whose joint error is known.

    Args:
        numerator: Mean above the line.
        denominator: Mean below it.
        variances: Variance of the numerator, of the denominator, and their covariance.
        quantile: Two-sided quantile of the reference distribution, e.g. 1.96.

    Returns:
        Lower and upper limit; None where the denominator is not clearly different from zero, so
        that no bounded interval exists.
    """
    above, below, both = variances
    square = quantile * quantile
    a = denominator**2 - square * below
    if a <= 0:
        return None
    b = numerator * denominator - square * both
    c = numerator**2 - square * above
    root = math.sqrt(max(b * b - a * c, 0.0))
    return (b - root) / a, (b + root) / a
