"""Accuracy against the true order, from labels that are themselves wrong at times.

A scorer is taken to find the better ad with probability Phi(kappa * d), d the true difference in
logit CTR. Given a pair's counts d is normal with mean m and variance u (see ceiling), so the scorer
agrees with the label with probability Phi(kappa m / sqrt(1 + kappa^2 u)); kappa is found by maximum
likelihood. Its accuracy against the truth is the mean of E Phi(kappa |d|) over the pairs, which for
pairs that are not selected is 1/2 + arctan(kappa sqrt(2) tau) / pi.

The formulas that come to mind first, (acc - (1 - c)) / (2c - 1) and its like, are biased: they
take a label's error to have nothing to do with how hard the pair is.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from evaluation.metrics.ceiling import Differences, Spread, tau2_gradient
from evaluation.metrics.clustered import Codes, Floats, clustered_variance, t_quantile
from evaluation.metrics.intervals import Interval, on_logit_scale

EDGE = 0.995
"""Slopes beyond this share of a right angle are no longer told from a scorer that never errs."""

SANDWICH = "latent probit; t clustered by product on the logit scale"
AT_THE_EDGE = "none: agrees with the labels as often as the truth would"


class Fit(NamedTuple):
    """A fitted latent probit.

    Attributes:
        kappa: Slope; below 0 for a scorer that is worse than chance.
        is_at_edge: True if the likelihood still rises where the slope was stopped.
    """

    kappa: float
    is_at_edge: bool


def fit_slope(credit: Floats, mean: Floats, variance: Floats) -> Fit:
    """Maximum likelihood slope.

    Args:
        credit: (n,) 1 if the scorer agrees with the label, 0 if not, 1/2 for a tie.
        mean: (n,) posterior mean of the true difference, label's side first.
        variance: (n,) its variance.
    """
    unit = math.sqrt(float(np.mean(mean**2 + variance)))

    def loss(angle: float) -> float:
        agree = _agree(math.tan(math.pi / 2 * angle) / unit, mean, variance)
        return -float(np.sum(special.xlogy(credit, agree) + special.xlogy(1 - credit, 1 - agree)))

    found = optimize.minimize_scalar(
        loss, bounds=(-EDGE, EDGE), method="bounded", options={"xatol": 1e-7}
    )
    angle = float(found.x)
    return Fit(math.tan(math.pi / 2 * angle) / unit, abs(angle) > EDGE - 1e-3)


def true_accuracy(kappa: float, mean: Floats, variance: Floats) -> Floats:
    """(n,) probability that the scorer is right about the true order: E Phi(kappa |d|).

    Args:
        kappa: Slope.
        mean: (n,) posterior mean of the true difference.
        variance: (n,) its variance, above 0.
    """
    if kappa == 0:
        return np.full(mean.size, 0.5)
    steep = abs(kappa)
    height = steep * np.abs(mean) / np.sqrt(1 + steep**2 * variance)
    right = 1 - 2 * special.owens_t(height, 1 / (steep * np.sqrt(variance)))
    values: Floats = right if kappa > 0 else 1 - right
    return values


def corrected_accuracy(
    credit: Floats,
    pairs: Differences,
    spread: Spread,
    clusters: Codes,
    *,
    alpha: float = 0.05,
) -> Interval:
    """Accuracy against the true order, with an interval that holds tau^2 unknown too.

    Args:
        credit: (n,) agreement with the label, as in :func:`fit_slope`.
        pairs: The pairs' differences, label's side first.
        spread: tau^2; its products are the codes in ``clusters``.
        clusters: (n,) code of each pair's product.
        alpha: 1 minus the confidence.
    """
    tau2 = np.maximum(spread.tau2, 1e-9)
    mean, variance = pairs.posterior(tau2)
    kappa, is_at_edge = fit_slope(credit, mean, variance)
    accuracy = float(np.mean(true_accuracy(kappa, mean, variance)))
    n_products = int(np.unique(clusters).size)
    if is_at_edge or n_products < 2:
        return Interval(accuracy, None, None, AT_THE_EDGE if is_at_edge else "none: one product")
    size, n = spread.category.size, credit.size

    def scores(at: Floats) -> Floats:
        return _scores(kappa, credit, *pairs.posterior(at))[0]

    own, information = _scores(kappa, credit, mean, variance)
    slope = tau2_gradient(tau2, pairs.category, scores)
    moves_kappa = (np.bincount(clusters, own, size) + spread.influence(slope)) / information

    right = true_accuracy(kappa, mean, variance)
    by_tau2 = tau2_gradient(
        tau2, pairs.category, lambda at: true_accuracy(kappa, *pairs.posterior(at))
    )
    step = 1e-4 * max(abs(kappa), 1e-3)
    by_kappa = float(
        np.mean(
            true_accuracy(kappa + step, mean, variance)
            - true_accuracy(kappa - step, mean, variance)
        )
        / (2 * step)
    )
    influence = (
        np.bincount(clusters, right - accuracy, size) / n
        + spread.influence(by_tau2) / n
        + by_kappa * moves_kappa
    )
    counted = np.bincount(clusters, minlength=size) + spread.scale > 0
    half = t_quantile(n_products, alpha) * math.sqrt(clustered_variance(influence[counted]))
    return Interval(accuracy, *on_logit_scale(accuracy, half), SANDWICH)


def _agree(kappa: float, mean: Floats, variance: Floats) -> Floats:
    agree = special.ndtr(kappa * mean / np.sqrt(1 + kappa**2 * variance))
    bounded: Floats = np.clip(agree, 1e-12, 1 - 1e-12)
    return bounded


def _scores(kappa: float, credit: Floats, mean: Floats, variance: Floats) -> tuple[Floats, float]:
    """Derivative of each pair's log-likelihood by kappa, and the expected information."""
    widened = 1 + kappa**2 * variance
    agree = _agree(kappa, mean, variance)
    density = np.exp(-0.5 * kappa**2 * mean**2 / widened) / math.sqrt(2 * math.pi)
    slope = density * mean * widened**-1.5
    spread = agree * (1 - agree)
    return (credit - agree) / spread * slope, float(np.sum(slope**2 / spread))
