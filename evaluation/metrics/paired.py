"""Comparing two scorers on the same pairs: tests, intervals, and what could have been found.

Pairs of one product share ads, so McNemar's test, which takes every pair as new, is shown beside
the clustered analysis and does not decide. Sources: McNemar (1947), Edwards (1948), Holm (1979),
Benjamini and Hochberg (1995).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from evaluation.metrics.clustered import Codes, Floats, cluster_sums, clustered_variance, t_quantile

CHUNK = 1 << 22


class McNemar(NamedTuple):
    """Three p-values of the hypothesis that either scorer is as likely to be the only right one.

    Attributes:
        exact: Two-sided binomial.
        corrected: Chi-square with continuity correction.
        chi_square: Chi-square without.
    """

    exact: float
    corrected: float
    chi_square: float


def mcnemar(only_first: int, only_second: int) -> McNemar:
    """McNemar's test.

    Args:
        only_first: Pairs that only the first scorer has right.
        only_second: Pairs that only the second has right.
    """
    n = only_first + only_second
    if n == 0:
        return McNemar(1.0, 1.0, 1.0)
    apart = abs(only_first - only_second)
    return McNemar(
        sign_test(only_first, n),
        float(special.chdtrc(1, max(apart - 1, 0) ** 2 / n)),
        float(special.chdtrc(1, apart**2 / n)),
    )


def sign_test(hits: int, n: int) -> float:
    """Two-sided exact p-value of ``hits`` in ``n`` fair throws; 1 if there was none."""
    return float(stats.binomtest(hits, n).pvalue) if n else 1.0


class PairedDifference(NamedTuple):
    """Mean difference between two scorers over pairs, clustered by product.

    Attributes:
        difference: First minus second.
        standard_error: Clustered.
        lower: Lower limit of the t interval.
        upper: Upper limit.
        t: Statistic.
        p_value: Two-sided, t with C - 1 degrees of freedom.
        smallest_found: Difference found with 80 % power at this precision and level.
    """

    difference: float
    standard_error: float
    lower: float
    upper: float
    t: float
    p_value: float
    smallest_found: float


def paired_difference(
    differences: Floats, clusters: Codes, *, alpha: float = 0.05
) -> PairedDifference | None:
    """Clustered paired t test.

    Args:
        differences: (n,) first minus second, a value a pair.
        clusters: (n,) code of each pair's product.
        alpha: Level.

    Returns:
        None where it cannot be made: fewer than two products, or no spread between them.
    """
    if differences.size == 0:
        return None
    sums = cluster_sums(differences, clusters)
    count = sums.counts.size
    error = math.sqrt(clustered_variance(sums.influence())) if count > 1 else 0.0
    if error < 1e-12:
        return None
    mean, quantile = sums.mean, t_quantile(count, alpha)
    t = mean / error
    return PairedDifference(
        mean,
        error,
        mean - quantile * error,
        mean + quantile * error,
        t,
        float(2 * special.stdtr(count - 1, -abs(t))),
        smallest_found(error, alpha=alpha),
    )


def paired_bootstrap(
    differences: Floats, clusters: Codes, *, n_draws: int, seed: int, alpha: float = 0.05
) -> tuple[float, float]:
    """Percentile interval of the mean difference, products drawn with replacement.

    Args:
        differences: (n,) first minus second, a value a pair.
        clusters: (n,) code of each pair's product.
        n_draws: Draws.
        seed: Seed of the draws.
        alpha: 1 minus the confidence.
    """
    sums = cluster_sums(differences, clusters)
    rng, count = np.random.default_rng(seed), sums.counts.size
    drawn: list[NDArray[np.float64]] = []
    at_once = max(1, CHUNK // count)
    for start in range(0, n_draws, at_once):
        draws = rng.integers(count, size=(min(at_once, n_draws - start), count))
        drawn.append(sums.values[draws].sum(axis=1) / sums.counts[draws].sum(axis=1))
    lower, upper = np.quantile(np.concatenate(drawn), [alpha / 2, 1 - alpha / 2])
    return float(lower), float(upper)


def smallest_found(standard_error: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """True difference that a two-sided test of this precision finds with this power."""
    return float(special.ndtri(1 - alpha / 2) + special.ndtri(power)) * standard_error


def power_of(effect: float, standard_error: float, *, alpha: float = 0.05) -> float:
    """Chance that a two-sided test finds ``effect`` in its own direction."""
    return float(special.ndtr(abs(effect) / standard_error - special.ndtri(1 - alpha / 2)))


def items_needed(
    effect: float, *, sd: float, correlation: float, alpha: float = 0.05, power: float = 0.8
) -> int:
    """Independent items with which a paired difference is found.

    Args:
        effect: True difference.
        sd: Spread of one scorer's value over items.
        correlation: Between the two scorers' values of one item.
        alpha: Level.
        power: Chance of finding it.
    """
    error = smallest_found(sd * math.sqrt(2 * (1 - correlation)), alpha=alpha, power=power)
    return math.ceil((error / effect) ** 2)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values that keep the chance of any false finding at the level."""
    order = np.argsort(p_values, kind="stable")
    steps = (len(p_values) - np.arange(len(p_values))) * np.asarray(p_values, float)[order]
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(value) for value in adjusted]


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values that keep the expected share of false findings at the level."""
    if not p_values:
        return []
    return [float(value) for value in stats.false_discovery_control(p_values)]
