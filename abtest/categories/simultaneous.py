"""Single-step max-|z|: how small the smallest of many p-values is by chance alone.

With z-scores Z ~ N(0, correlation) under no effect, the adjusted p-value of a category with |z| = c
is P(max |Z| >= c) (Westfall and Young 1993, section 2; Hothorn, Bretz, Westfall 2008). Here c is
the normal score of the category's own two-sided p-value, so that categories with few degrees of
freedom keep their t distribution and only the dependence is taken as normal.

The probability of the union is computed by importance sampling (Owen, Maximov, Chertkov 2019,
"Importance sampling the union of rare events"): one category is drawn into its own tail, the others
follow given it, and

    P(max |Z| >= c) = m * p * E[1 / number of categories beyond c].

The estimate lies between p and m * p by construction and its *relative* error does not grow as p
falls, unlike that of counting how often the maximum exceeds c. Without a correlation Sidak's bound
``1 - (1 - p)^m`` is used: exact for independent errors, and for normal ones of any correlation
never too small (Sidak 1967).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
SEED = 20_260_301
MOST_DRAWS = 10_000
MOST_NUMBERS = 500_000
"""Draws times categories: with more than 50 categories there are fewer draws."""
SMALLEST_P = 1e-300
BISECTIONS = 26


class Simultaneous(NamedTuple):
    """Adjusted p-values and the level that belongs to them.

    Attributes:
        p_value_adj: Shape (m,), below alpha exactly where the plain p-value is below ``level``.
        level: Level at which each category's own test keeps the family's at alpha.
        monte_carlo_se: Shape (m,), standard error of ``p_value_adj``; zeros in closed form.
    """

    p_value_adj: Floats
    level: float
    monte_carlo_se: Floats


def single_step(p_values: Floats, correlation: Floats | None, alpha: float) -> Simultaneous:
    """Adjust the p-values of one family by the distribution of their smallest.

    Args:
        p_values: Shape (m,), two-sided, m >= 1, none unknown.
        correlation: Shape (m, m), of the errors; None for Sidak's bound.
        alpha: Family-wise level.

    Returns:
        The same numbers at every call: the draws are seeded.
    """
    m = p_values.size
    if m == 1 or correlation is None or np.array_equal(correlation, np.eye(m)):
        adjusted = _sidak(p_values, m)
        level = float(-np.expm1(np.log1p(-alpha) / m))
        return Simultaneous(_agreeing(adjusted, p_values, level, alpha), level, np.zeros(m))
    union = _Union(correlation)
    adjusted, errors = np.array([union.probability(p) for p in p_values]).T
    level = _level(union, m, alpha)
    return Simultaneous(_agreeing(adjusted, p_values, level, alpha), level, errors)


class _Union:
    """P(any |Z_k| beyond the normal score of p), by one set of draws for every p."""

    def __init__(self, correlation: Floats) -> None:
        m = len(correlation)
        # As many for each category.
        draws = m * max(1, min(MOST_DRAWS, MOST_NUMBERS // m) // m)
        rng = np.random.default_rng(SEED)
        values, vectors = np.linalg.eigh(correlation)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        normal = rng.standard_normal((draws, m)) @ root.T
        drawn = np.arange(draws) % m
        # Given that category ``drawn`` has the value v: residual + slope * v.
        self._slope = correlation[drawn]
        self._residual = normal - self._slope * normal[np.arange(draws), drawn][:, None]
        self._work = np.empty_like(self._slope)
        self._drawn = drawn
        self._uniform = rng.permuted((np.arange(draws) + 0.5) / draws)
        self._m = m

    def probability(self, p_value: float) -> tuple[float, float]:
        """The probability and its standard error."""
        p = max(p_value, SMALLEST_P)
        # By symmetry the drawn category may always be in its upper tail.
        tail = -special.ndtri(self._uniform * p / 2)
        z = np.multiply(self._slope, tail[:, None], out=self._work)
        z += self._residual
        is_beyond = np.abs(z, out=z) >= -special.ndtri(p / 2)
        is_beyond[np.arange(self._drawn.size), self._drawn] = True
        share = 1 / np.count_nonzero(is_beyond, axis=1)
        bound = self._m * p
        error = bound * share.std() / np.sqrt(share.size)
        return min(1.0, bound * float(share.mean())), float(error)


def _level(union: _Union, m: int, alpha: float) -> float:
    """The p-value whose adjusted one is alpha."""
    lower, upper = alpha / m, alpha
    for _ in range(BISECTIONS):
        middle = (lower + upper) / 2
        if union.probability(middle)[0] < alpha:
            lower = middle
        else:
            upper = middle
    return upper


def _sidak(p_values: Floats, m: int) -> Floats:
    with np.errstate(divide="ignore"):
        return np.asarray(-np.expm1(m * np.log1p(-p_values)))


def _agreeing(adjusted: Floats, p_values: Floats, level: float, alpha: float) -> Floats:
    """Adjusted p-values that rise with the plain ones and are below alpha where those are below.

    Between two values closer than the error of the simulation the order could otherwise turn.
    """
    below = p_values < level
    kept = np.where(
        below, np.minimum(adjusted, np.nextafter(alpha, 0.0)), np.maximum(adjusted, alpha)
    )
    order = np.argsort(p_values, kind="stable")
    kept[order] = np.maximum.accumulate(kept[order])
    return np.minimum(np.maximum(kept, p_values), 1.0)
