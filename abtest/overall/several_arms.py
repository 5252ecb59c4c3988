"""Several arms: treatments against the control they share, and which arm is best.

* Dunnett (1955, JASA 50:1096): treatments that share a control share its luck, so their statistics
  are correlated with ``rho_ij = l_i * l_j``, ``l_i^2 = v_0 / (v_0 + v_i)``. Given the shared part
  they are independent, so the law of the largest is one integral.
* Which arm is best: the posterior of the arms' log CTRs under a flat prior, independent normals.
* The set that contains the best arm with confidence 1 - alpha: Hsu's multiple comparisons with the
  best (Hsu 1981, Annals of Statistics 9:1026), an arm being excluded if Dunnett's one-sided test
  with that arm as control finds another arm better.

Integrals are sums over a fixed grid of the standard normal, which for smooth integrands converge
faster than any power of its step; nothing is random. Student's t statistics enter as the normal
quantiles of their p-values, so that with one treatment all is as without correction. All arrays are
(..., k): experiments, then arms.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

_WIDEST_STEP, _FINEST_STEP = 0.1, 0.005
"""Steps of the grid. A step as wide as the steepest part of the integrand errs by 3e-9."""
_NEWTON_STEPS = 5


def shared_loadings(control_variance: Floats, treatment_variances: Floats) -> Floats:
    """Correlation of each treatment's statistic with the control's error.

    Args:
        control_variance: Shape (...,), variance of control's log CTR.
        treatment_variances: Shape (..., k), of the treatments'.

    Returns:
        Shape (..., k), ``sqrt(v_0 / (v_0 + v_i))``; NaN where a variance is unknown: such a
        treatment is no test and does not count in the family.
    """
    shared = control_variance[..., None]
    return np.asarray(np.sqrt(shared / (shared + treatment_variances)))


def dunnett_p_values(z: Floats, loadings: Floats) -> Floats:
    """Two-sided simultaneous p-values (single step).

    Args:
        z: Shape (..., k), statistics of the treatments.
        loadings: Shape (..., k), of :func:`shared_loadings`.

    Returns:
        Shape (..., k), probability that the largest of all ``|z|`` is as large as this one.
    """
    by_one = [_exceeds(np.abs(z[..., i]), loadings) for i in range(z.shape[-1])]
    return np.stack(by_one, axis=-1)


def dunnett_critical(loadings: Floats, alpha: float) -> Floats:
    """Value that the largest ``|z|`` exceeds with probability alpha, shape (...,)."""
    k = np.maximum(_tests(loadings), 1)
    # Sidak's value is at or above it, and Newton's steps come from above without overshooting far.
    value = np.asarray(-special.ndtri((1 - (1 - alpha) ** (1 / k)) / 2))
    for _ in range(_NEWTON_STEPS):
        p, density = _exceeds_with_density(value, loadings)
        value = np.asarray(value + (p - alpha) / np.where(density > 0, density, np.nan))
    return value


class BestArm(NamedTuple):
    """Which arm is best, shapes (..., k).

    Attributes:
        p_best: Posterior probability of having the highest CTR (fraction).
        expected_loss: Posterior mean of the log CTR lost by choosing this arm: about the fraction
            of the best arm's CTR.
        p_not_worse: p-value of Hsu's test that no arm is better; the arm is in the set of
            confidence 1 - alpha if this is at least alpha.
    """

    p_best: Floats
    expected_loss: Floats
    p_not_worse: Floats


def compare_with_best(log_ctr: Floats, variances: Floats) -> BestArm:
    """Posterior of the best arm, and Hsu's test of each.

    Args:
        log_ctr: Shape (..., k), logs of the arms' CTRs, k of 2 or more.
        variances: Shape (..., k), their variances, above 0.

    Returns:
        All NaN in experiments where any of these is unknown.
    """
    k = log_ctr.shape[-1]
    se = np.sqrt(variances)
    spreads = np.where(np.isfinite(se) & (se > 0), se, 1.0)
    grid, weights = _grid(float((spreads.max(-1) / spreads.min(-1)).max(initial=1.0)))
    p_best, of_best, not_worse = [], [], []
    for i in range(k):
        others = [j for j in range(k) if j != i]
        drawn = log_ctr[..., i, None] + se[..., i, None] * grid
        below = np.ones(drawn.shape)
        for j in others:
            below = below * special.ndtr((drawn - log_ctr[..., j, None]) / se[..., j, None])
        p_best.append(below @ weights)
        # Centred, so that no digits are lost to a level that all arms share.
        shift = drawn - log_ctr.max(axis=-1, keepdims=True)
        of_best.append((shift * below) @ weights)
        loadings = shared_loadings(variances[..., i], variances[..., others])
        spread = np.sqrt(variances[..., i, None] + variances[..., others])
        largest = ((log_ctr[..., others] - log_ctr[..., i, None]) / spread).max(axis=-1)
        not_worse.append(_exceeds_one_sided(largest, loadings))
    best = sum(of_best)
    loss = best[..., None] - (log_ctr - log_ctr.max(axis=-1, keepdims=True))
    return BestArm(np.stack(p_best, axis=-1), np.maximum(loss, 0.0), np.stack(not_worse, axis=-1))


def _exceeds(threshold: Floats, loadings: Floats) -> Floats:
    """Probability that the largest ``|z|`` is above the threshold."""
    grid, weights = _half_grid(_steepness(loadings))
    within = np.ones((*threshold.shape, grid.size))
    for low, high in _limits(threshold, loadings, grid):
        within *= special.ndtr(high) - special.ndtr(low)
    # 1 - product loses small p-values; there the sum of the tails is the answer to first order.
    p = 1 - within @ weights
    bonferroni = _tests(loadings) * 2 * special.ndtr(-threshold)
    p = np.where(bonferroni < 1e-9, bonferroni, np.clip(p, 0.0, 1.0))
    return np.asarray(np.where(np.isnan(threshold), np.nan, p))


def _exceeds_with_density(threshold: Floats, loadings: Floats) -> tuple[Floats, Floats]:
    """:func:`_exceeds` without care for small values, and the density at the threshold."""
    grid, weights = _half_grid(_steepness(loadings))
    within = np.ones((*threshold.shape, grid.size))
    log_slope = np.zeros(within.shape)
    for i, (low, high) in enumerate(_limits(threshold, loadings, grid)):
        inside = special.ndtr(high) - special.ndtr(low)
        own = np.nan_to_num(np.sqrt(1 - loadings[..., i, None] ** 2), nan=1.0)
        edges = (np.exp(-(high**2) / 2) + np.exp(-(low**2) / 2)) / (np.sqrt(2 * np.pi) * own)
        within *= inside
        # Where nothing is inside, the product is 0 whatever its slope.
        log_slope += edges / np.where(inside > 0, inside, np.inf)
    return 1 - within @ weights, (within * log_slope) @ weights


def _exceeds_one_sided(threshold: Floats, loadings: Floats) -> Floats:
    grid, weights = _grid(_steepness(loadings))
    below = np.ones((*threshold.shape, grid.size))
    for _, high in _limits(threshold, loadings, grid):
        below *= special.ndtr(high)
    return np.asarray(np.clip(1 - below @ weights, 0.0, 1.0))


def _limits(threshold: Floats, loadings: Floats, grid: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Limits of each statistic's own part, given the shared part at every point of the grid."""
    for i in range(loadings.shape[-1]):
        shared = loadings[..., i, None]
        own = np.sqrt(1 - shared**2)
        moved = shared / own * grid
        edge = threshold[..., None] / own
        no_test = np.isnan(shared)
        yield (
            np.where(no_test, -np.inf, -edge - moved),
            np.where(no_test, np.inf, edge - moved),
        )


def _steepness(loadings: Floats) -> float:
    """How fast the steepest integrand changes with the shared part."""
    known = np.where(np.isnan(loadings), 0.0, loadings)
    return float((known / np.sqrt(1 - known**2)).max(initial=1.0))


def _grid(steepness: float) -> tuple[Floats, Floats]:
    """Points of the standard normal and their weights."""
    step = min(_WIDEST_STEP, max(1 / steepness, _FINEST_STEP))
    half = np.arange(0.0, 8.0 + step / 2, step)
    grid = np.concatenate([-half[:0:-1], half])
    return grid, np.exp(-(grid**2) / 2) * step / np.sqrt(2 * np.pi)


def _half_grid(steepness: float) -> tuple[Floats, Floats]:
    """The same for integrands that are the same at z and -z."""
    grid, weights = _grid(steepness)
    half = weights[grid >= 0] * 2
    half[0] /= 2
    return grid[grid >= 0], half


def _tests(loadings: Floats) -> Floats:
    return np.asarray((~np.isnan(loadings)).sum(-1), dtype=np.float64)
