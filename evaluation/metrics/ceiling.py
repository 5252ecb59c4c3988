"""How right an oracle would be on observed labels: the ceiling that chance puts on accuracy.

Logit CTRs of one product's ads are taken to spread normally with variance tau^2; counts are
binomial. tau^2 is found by moments from the ads themselves, by category and drawn towards the
common value (empirical Bayes). A pair whose logit difference D has error variance s^2 then has the
true difference m +- sqrt(u), m = B D, u = B s^2, B = 2 tau^2 / (2 tau^2 + s^2), and its label is
right with q = Phi(m / sqrt(u)). The ceiling is the mean q of the pairs at hand, so it follows
whatever rule chose them. B = 1, a flat prior, would promise too much.

Two choices keep few clicks from biasing it. Error variances come from the product's pooled rate,
because 1/clicks of the ad itself is small exactly where chance gave many clicks; and tau^2 rests on
the residuals of the counts (as the score test of over-dispersion does), not on their logarithms.

Left out: variance beyond the binomial (time, placement). It makes the ceiling too high; the
variance factor is there for those who have measured it from repeated days.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import special

from evaluation.metrics.clustered import Codes, Floats

ValuesAt = Callable[[Floats], Floats]

STEP = 1e-3
"""Relative step of numeric derivatives in tau^2."""


class AdCounts(NamedTuple):
    """What the ads of a data set gathered.

    Attributes:
        product: (a,) code of the product, 0 to K - 1.
        impressions: (a,) above 0.
        clicks: (a,).
        category: (K,) code of each product's category, 0 to G - 1.
    """

    product: Codes
    impressions: Floats
    clicks: Floats
    category: Codes


class Spread(NamedTuple):
    """Spread of true logit CTR between ads of one product, by category.

    Attributes:
        tau2: (G,) variance, drawn towards the common one; not below 0.
        pooled: Variance over all categories; below 0 where ads differ less than chance makes them.
        own_weight: (G,) weight of the category's own estimate.
        own: (G,) the category's own estimate.
        excess: (K,) each product's squared residuals beyond those of chance.
        scale: (K,) what a unit of tau^2 adds to ``excess``.
        category: (K,) code of each product's category.
    """

    tau2: Floats
    pooled: float
    own_weight: Floats
    own: Floats
    excess: Floats
    scale: Floats
    category: Codes

    def influence(self, gradient: Floats) -> Floats:
        """What each product moves a figure by, through tau^2.

        Args:
            gradient: (G,) derivative of the figure by each category's tau^2.

        Returns:
            (K,).
        """
        gradient = np.where(self.tau2 > 0, gradient, 0.0)
        per_category = np.bincount(self.category, self.scale, self.tau2.size)
        to_own = gradient * self.own_weight
        to_pooled = float(np.sum(gradient * (1 - self.own_weight)))
        own = np.zeros(self.excess.size)
        there = per_category[self.category] > 0
        at = self.category[there]
        own[there] = (
            to_own[at] * (self.excess[there] - self.own[at] * self.scale[there]) / per_category[at]
        )
        moved: Floats = own + to_pooled * (
            (self.excess - self.pooled * self.scale) / self.scale.sum()
        )
        return moved


def pooled_rates(ads: AdCounts) -> Floats:
    """(K,) CTR of each product's ads together."""
    n_products = ads.category.size
    clicks = np.bincount(ads.product, ads.clicks, n_products)
    return clicks / np.bincount(ads.product, ads.impressions, n_products)


def spread_within_products(ads: AdCounts, *, variance_factor: float = 1.0) -> Spread | None:
    """Estimate tau^2 by category.

    Args:
        ads: All ads of the products, in pairs or not.
        variance_factor: Variance of clicks over the binomial one.

    Returns:
        None where no product has two ads and a click.
    """
    n_products, n_categories = ads.category.size, int(ads.category.max()) + 1
    rate = pooled_rates(ads)[ads.product]
    varies = (rate > 0) & (rate < 1)
    weight = np.where(varies, ads.impressions * rate * (1 - rate), 0.0)
    residual = ads.clicks - ads.impressions * rate
    squares = np.divide(residual**2, weight, out=np.zeros_like(weight), where=varies)

    def by_product(values: Floats) -> Floats:
        total: Floats = np.bincount(ads.product, values, n_products).astype(float)
        return total

    total = by_product(weight)
    counted = total > 0
    scale = np.zeros(n_products)
    scale[counted] = total[counted] - by_product(weight**2)[counted] / total[counted]
    degrees = np.where(counted, by_product(np.ones(rate.size)) - 1, 0.0)
    excess = by_product(squares) - variance_factor * degrees
    # A product of one ad has a scale of rounding error only.
    scale = np.where(degrees > 0, scale, 0.0)
    excess = np.where(degrees > 0, excess, 0.0)
    if scale.sum() <= 0:
        return None
    pooled = float(excess.sum() / scale.sum())
    known = np.maximum(degrees, 1)
    noise = 2 * degrees * (variance_factor + max(pooled, 0.0) * scale / known) ** 2

    def by_category(values: Floats) -> Floats:
        total: Floats = np.bincount(ads.category, values, n_categories).astype(float)
        return total

    per_category = by_category(scale)
    there = per_category > 0
    own = np.full(n_categories, pooled)
    own[there] = by_category(excess)[there] / per_category[there]
    own_weight = np.zeros(n_categories)
    own_weight[there] = _own_weight(
        own[there], by_category(noise)[there] / per_category[there] ** 2
    )
    tau2 = np.maximum(own_weight * own + (1 - own_weight) * pooled, 0.0)
    return Spread(tau2, pooled, own_weight, own, excess, scale, ads.category)


def _own_weight(own: Floats, noise: Floats) -> Floats:
    """Weight of each category's own value against the common one, by moments."""
    weights = 1 / noise
    mean = np.sum(weights * own) / weights.sum()
    apart = np.sum(weights * (own - mean) ** 2) - (own.size - 1)
    scale = weights.sum() - np.sum(weights**2) / weights.sum()
    between = max(float(apart / scale), 0.0) if own.size > 1 else 0.0
    shares: Floats = between / (between + noise)
    return shares


class Differences(NamedTuple):
    """Observed differences of pairs, turned so that the label's side is the first.

    Attributes:
        logit: (n,) difference D in logit CTR; below 0 only where unequal impressions turn it.
        error: (n,) its error variance s^2.
        category: (n,) code of the category.
        product: (n,) code of the product.
    """

    logit: Floats
    error: Floats
    category: Codes
    product: Codes

    def posterior(self, tau2: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of the true difference, (n,) each.

        Args:
            tau2: (G,) by category.
        """
        prior = 2 * tau2[self.category]
        share = prior / (prior + self.error)
        return share * self.logit, share * self.error

    def confidence(self, tau2: Floats) -> Floats:
        """(n,) probability q that the label is right."""
        mean, variance = self.posterior(tau2)
        sure: Floats = special.ndtr(mean / np.sqrt(np.maximum(variance, 1e-300)))
        return sure

    def of(self, kept: Codes) -> "Differences":
        """Only some of the pairs."""
        return Differences(
            self.logit[kept], self.error[kept], self.category[kept], self.product[kept]
        )


def logit_rate(clicks: Floats, impressions: Floats) -> Floats:
    """Logit of a rate, half a click and half a miss added."""
    logit: Floats = np.log((clicks + 0.5) / (impressions - clicks + 0.5))
    return logit


def tau2_gradient(tau2: Floats, category: Codes, values_at: ValuesAt) -> Floats:
    """Derivative of a sum over pairs by each category's tau^2.

    Args:
        tau2: (G,) where it is wanted.
        category: (n,) of each pair; a pair depends on its own category's tau^2 only.
        values_at: (n,) values of the pairs at a given tau^2.

    Returns:
        (G,) of the sum, 0 where tau^2 is 0.
    """
    step = STEP * np.maximum(tau2, 1e-9)
    change = (values_at(tau2 + step) - values_at(tau2 - step)) / (2 * step[category])
    slopes: Floats = np.where(tau2 > 0, np.bincount(category, change, tau2.size), 0.0)
    return slopes


def planned_ceiling(ctr: float, impressions: float, tau: float) -> float:
    """Ceiling to expect of an experiment to come, for pairs that are not selected.

    Args:
        ctr: Click-through rate (fraction).
        impressions: Impressions an ad.
        tau: Spread of logit CTR between ads of one product.
    """
    error = 2 * (1 - ctr) / (impressions * ctr)
    return 0.5 + math.asin(math.sqrt(2 * tau**2 / (2 * tau**2 + error))) / math.pi
