"""Accuracy beside its ceiling: the share of what could be known that a scorer knows.

Skill share is (accuracy - 1/2) / (ceiling - 1/2): 0 for chance, 1 for an oracle. Both parts are
estimated from the same products, so their errors are joined before the ratio's interval is made
(Fieller); tau^2 counts among what is estimated. That is the bootstrap of products with tau^2 fitted
anew, to first order and without its draws.
"""

import math
from typing import NamedTuple

import numpy as np

from evaluation.metrics.ceiling import Differences, Spread, tau2_gradient
from evaluation.metrics.clustered import Codes, Floats, clustered_variance, t_quantile
from evaluation.metrics.intervals import Interval, fieller, on_logit_scale

LINEARISED = "t clustered by product on the logit scale, tau^2 estimated"
FIELLER = "Fieller, t clustered by product, tau^2 estimated"
UNBOUNDED = "none: the ceiling is not clearly above chance"
NO_SPREAD = "none: ads of one product differ no more than chance makes them"
ONE_PRODUCT = "none: one product"


class Ceiling(NamedTuple):
    """The ceiling of some pairs.

    Attributes:
        interval: Ceiling with limits.
        influence: (K,) what each product moves it by.
        counted: (K,) True for products that have a part in it.
    """

    interval: Interval
    influence: Floats
    counted: np.ndarray


def ceiling_of(
    pairs: Differences, spread: Spread, clusters: Codes, *, alpha: float = 0.05
) -> Ceiling:
    """Accuracy that an oracle is expected to have on these pairs' labels.

    Args:
        pairs: The pairs' differences, label's side first; at least one.
        spread: tau^2; its products are the codes in ``clusters``.
        clusters: (n,) code of each pair's product.
        alpha: 1 minus the confidence.
    """
    size, n = spread.category.size, clusters.size
    right = pairs.confidence(spread.tau2)
    ceiling = float(right.mean())
    slope = tau2_gradient(spread.tau2, pairs.category, pairs.confidence) / n
    influence = np.bincount(clusters, right - ceiling, size) / n + spread.influence(slope)
    has_pairs = np.bincount(clusters, minlength=size) > 0
    n_products = int(has_pairs.sum())
    counted = has_pairs | (spread.scale > 0)
    if spread.pooled <= 0:
        return Ceiling(Interval(ceiling, None, None, NO_SPREAD), influence, counted)
    if n_products < 2:
        return Ceiling(Interval(ceiling, None, None, ONE_PRODUCT), influence, counted)
    half = t_quantile(n_products, alpha) * math.sqrt(clustered_variance(influence[counted]))
    limits = _around(Interval(ceiling, *_of_ceiling(ceiling, half), LINEARISED))
    return Ceiling(limits, influence, counted)


def skill_share(
    credit: Floats, ceiling: Ceiling, clusters: Codes, *, alpha: float = 0.05
) -> Interval:
    """Share of the ceiling's distance from chance that a scorer covers.

    Args:
        credit: (n,) 1 if right, 0 if wrong, 1/2 for a tie, of the pairs the ceiling is of.
        ceiling: Their ceiling.
        clusters: (n,) code of each pair's product.
        alpha: 1 minus the confidence.
    """
    best = ceiling.interval.estimate
    assert best is not None
    n_products = int(np.unique(clusters).size)
    if ceiling.interval.method == NO_SPREAD or best <= 0.5:
        return Interval(None, None, None, NO_SPREAD)
    accuracy = float(credit.mean())
    skill = (accuracy - 0.5) / (best - 0.5)
    if n_products < 2:
        return Interval(skill, None, None, ONE_PRODUCT)
    moved = np.bincount(clusters, credit - accuracy, ceiling.influence.size) / credit.size
    own, below = moved[ceiling.counted], ceiling.influence[ceiling.counted]
    limits = fieller(
        accuracy - 0.5,
        best - 0.5,
        variances=(
            clustered_variance(own),
            clustered_variance(below),
            clustered_variance(own, below),
        ),
        quantile=t_quantile(n_products, alpha),
    )
    if limits is None:
        return Interval(skill, None, None, UNBOUNDED)
    return _around(Interval(skill, *limits, FIELLER))


def _of_ceiling(ceiling: float, half: float) -> tuple[float, float]:
    """Limits of a ceiling, which lies between 1/2 and 1."""
    lower, upper = on_logit_scale(ceiling, half)
    return max(lower, 0.5), upper


def _around(found: Interval) -> Interval:
    """The interval, without rounding putting the estimate outside."""
    assert found.estimate is not None
    assert found.lower is not None
    assert found.upper is not None
    return found._replace(
        lower=min(found.lower, found.estimate), upper=max(found.upper, found.estimate)
    )
