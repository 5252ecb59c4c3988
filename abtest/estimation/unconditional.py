"""Barnard's and Boschloo's exact unconditional tests, and the intervals that invert them.

Two binomials have a second parameter, control's CTR, that no lift says anything about. These tests
take the worst p over it (Barnard 1947, Biometrika 34:123). For a stated lift all tables are ordered
by how far treatment lies above it: by the score statistic (Barnard; for other lifts than none Chan
and Zhang 1999, Biometrics 55:1202), or by Fisher's one-sided p-value given the odds ratio (Boschloo
1970, Statistica Neerlandica 24:1). An interval holds the lifts that neither of the two one-sided
tests rejects at alpha / 2; the p-value is twice the smaller one, so test and interval agree.

One-sided p need not fall steadily away from the estimate. Limits are the outermost lifts that a
scan of :data:`SCAN` and bisection find not rejected, and the p-value of no lift is the largest one
of the scan at or beyond it. The worst CTR is sought on a grid, then closer in.

Work grows with the product of both arms' impressions, so this is for arms of at most
:data:`MOST_IMPRESSIONS`: a cell beyond is ``undefined``.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from abtest.estimation.binomial import Clicks, constrained_control_rate
from abtest.estimation.proportion_intervals import Inference

Floats = NDArray[np.float64]
Method = Literal["barnard", "boschloo"]
Quantity = Literal["rel_lift", "abs_lift", "odds_ratio"]

MOST_IMPRESSIONS = 500
"""Impressions of an arm beyond which there is no answer here."""
NUISANCE_POINTS = 128
CLOSER_POINTS = 13
CLOSER_ROUNDS = 3
SCAN = np.array(
    [-8.0, -6.0, -4.5, -3.5, -3.0, -2.5, -2.0, -1.6, -1.2, -0.9, -0.6, -0.3, 0.0, 2.0, 4.0]
)
"""Effects that are tried, as distances from the estimate in standard errors; and no effect."""
REFINEMENTS = 22
NO_EFFECT = 0.0
"""On every scale: differences, and logs of ratios."""


class _Region(NamedTuple):
    """A set of tables: for every number of control's clicks, treatment's small and large numbers.

    Attributes:
        m: Treatment's impressions.
        last: Numbers of treatment's clicks below this count; 0 where none does.
        first: Numbers from this on count; m + 1 where none does.
    """

    m: int
    last: NDArray[np.int64]
    first: NDArray[np.int64]


class _Cell(NamedTuple):
    """Treatment's x clicks of m impressions, control's y of n."""

    x: int
    m: int
    y: int
    n: int


class _Scale(NamedTuple):
    """How a quantity is run through, how the arms' CTRs follow from it, and what orders tables.

    Attributes:
        rates: From an effect and points in [0, 1], the CTRs of control and treatment.
        order: From an effect, an array over (treatment's clicks, control's clicks), larger where
            treatment lies further above the effect.
    """

    rates: Callable[[float, Floats], tuple[Floats, Floats]]
    order: Callable[[float], Floats]


def barnard_p_value(control: Clicks, treatment: Clicks) -> Floats:
    """Two-sided p-value of Barnard's test: tables whose pooled z is at least as large, either sign.

    Args:
        control: Control, whole counts.
        treatment: Treatment, same cells.

    Returns:
        NaN where an arm has no impressions or more than :data:`MOST_IMPRESSIONS`. Where arms differ
        in size it is not twice the one-sided p-value that :func:`unconditional_interval` goes with.
    """
    found = []
    for x, m, y, n in zip(treatment.c, treatment.n, control.c, control.n, strict=True):
        if not _within_reach(m, n):
            found.append(np.nan)
            continue
        score = np.abs(_score_of_ratio(int(m), int(n), 0.0))
        counted = _at_least(score, int(x), int(y))
        rates = partial(_ratio_rates, 0.0)
        found.append(_worst_probability(_region(counted), rates))
    return np.array(found, dtype=np.float64)


def one_sided_p_value(control: Clicks, treatment: Clicks, method: Method) -> Floats:
    """p-value of "treatment is not better", by Barnard's or Boschloo's test.

    Args:
        control: Control, whole counts.
        treatment: Treatment, same cells.
        method: Which order of the tables.

    Returns:
        NaN as in :func:`barnard_p_value`.
    """
    quantity: Quantity = "rel_lift" if method == "barnard" else "odds_ratio"
    found = []
    for x, m, y, n in zip(treatment.c, treatment.n, control.c, control.n, strict=True):
        if not _within_reach(m, n):
            found.append(np.nan)
            continue
        scale = _scale(quantity, int(m), int(n))
        found.append(_p_above(scale, int(x), int(y), NO_EFFECT))
    return np.array(found, dtype=np.float64)


def unconditional_interval(
    control: Clicks, treatment: Clicks, alpha: float, quantity: Quantity
) -> Inference:
    """Interval that inverts Barnard's test of a lift or difference, or Boschloo's of an odds ratio.

    Args:
        control: Control, whole counts.
        treatment: Treatment, same cells.
        alpha: 1 - confidence; alpha / 2 on either side.
        quantity: ``rel_lift`` and ``abs_lift`` order tables by the score statistic (Barnard),
            ``odds_ratio`` by Fisher's one-sided p-value (Boschloo).

    Returns:
        Estimate (NaN where control has no click, for ratios), limits and twice the one-sided
        p-value. The upper limit of a ratio is infinite without clicks in control, the lower one its
        smallest value without clicks in treatment. No interval without any click, or nothing but
        clicks, or where an arm has no impressions or more than :data:`MOST_IMPRESSIONS`.
    """
    rows = []
    for counts in zip(treatment.c, treatment.n, control.c, control.n, strict=True):
        x, m, y, n = counts
        if not _within_reach(m, n) or not 0 < x + y < m + n:
            rows.append((np.nan, np.nan, np.nan))
        else:
            rows.append(_inverted(quantity, _Cell(*map(int, counts)), alpha))
    lower, upper, p_value = np.array(rows, dtype=np.float64).reshape(-1, 3).T
    return Inference(_estimate(control, treatment, quantity), lower, upper, p_value)


def _within_reach(m: float, n: float) -> bool:
    return min(m, n) > 0 and max(m, n) <= MOST_IMPRESSIONS


def _estimate(control: Clicks, treatment: Clicks, quantity: Quantity) -> Floats:
    (x, m), (y, n) = treatment, control
    with np.errstate(divide="ignore", invalid="ignore"):
        values = {
            "rel_lift": x * n / (m * y) - 1,
            "abs_lift": x / m - y / n,
            "odds_ratio": x * (n - y) / (y * (m - x)),
        }
    return np.where(np.isfinite(values[quantity]), values[quantity], np.nan)


def _inverted(quantity: Quantity, cell: _Cell, alpha: float) -> tuple[float, float, float]:
    lower, p_above = _lower_limit(quantity, cell, alpha)
    # The upper limit is the lower one with the arms exchanged; its sign turns back.
    negated, p_below = _lower_limit(quantity, _Cell(cell.y, cell.n, cell.x, cell.m), alpha)
    limits = (lower, -negated)
    if quantity != "abs_lift":
        shift = 1.0 if quantity == "rel_lift" else 0.0
        limits = (float(np.exp(lower)) - shift, float(np.exp(-negated)) - shift)
    return (*limits, min(1.0, 2 * min(p_above, p_below)))


def _lower_limit(quantity: Quantity, cell: _Cell, alpha: float) -> tuple[float, float]:
    """Smallest effect not rejected as too low, and the largest p at or below no effect."""
    x, m, y, n = cell
    least = -1.0 if quantity == "abs_lift" else -np.inf
    # Treatment could not do worse: no ratio is too low.
    if quantity != "abs_lift" and (x == 0 or (quantity == "odds_ratio" and y == n)):
        return least, 1.0
    scale = _scale(quantity, m, n)
    a, b = (x + 0.5) / (m + 1), (y + 0.5) / (n + 1)
    centre, spread = a - b, np.sqrt(a * (1 - a) / m + b * (1 - b) / n)
    if quantity != "abs_lift":
        centre, spread = np.log(a) - np.log(b), np.sqrt(1 / (a * m) + 1 / (b * n))
    if quantity == "odds_ratio":
        centre += np.log1p(-b) - np.log1p(-a)
        spread = np.hypot(spread, np.sqrt(1 / ((1 - a) * m) + 1 / ((1 - b) * n)))
    tried = np.append(centre + SCAN * spread, NO_EFFECT)
    if quantity == "abs_lift":
        tried = np.clip(tried, -1 + 1e-9, 1 - 1e-9)
    tried = np.unique(tried)
    p_above = np.array([_p_above(scale, x, y, effect) for effect in tried])
    p_value = float(p_above[tried <= NO_EFFECT].max())
    kept = int((p_above >= alpha / 2).argmax())
    if kept == 0:
        return least, p_value
    outside, inside = float(tried[kept - 1]), float(tried[kept])
    for _ in range(REFINEMENTS):
        middle = (outside + inside) / 2
        if _p_above(scale, x, y, middle) >= alpha / 2:
            inside = middle
        else:
            outside = middle
    return inside, p_value


def _scale(quantity: Quantity, m: int, n: int) -> _Scale:
    if quantity == "rel_lift":
        return _Scale(_ratio_rates, partial(_score_of_ratio, m, n))
    if quantity == "abs_lift":
        return _Scale(_difference_rates, partial(_score_of_difference, m, n))
    return _Scale(_odds_rates, partial(_conditional_order, _log_ways(m, n)))


def _ratio_rates(log_ratio: float, points: Floats) -> tuple[Floats, Floats]:
    # The larger of the two rates runs through [0, 1].
    return points * np.exp(-max(log_ratio, 0.0)), points * np.exp(min(log_ratio, 0.0))


def _difference_rates(delta: float, points: Floats) -> tuple[Floats, Floats]:
    control = max(0.0, -delta) + points * (1 - abs(delta))
    return np.clip(control, 0.0, 1.0), np.clip(control + delta, 0.0, 1.0)


def _odds_rates(log_odds: float, points: Floats) -> tuple[Floats, Floats]:
    logit = special.logit(points)
    return special.expit(logit - log_odds / 2), special.expit(logit + log_odds / 2)


def _score_of_ratio(m: int, n: int, log_ratio: float) -> Floats:
    x, y = _all_tables(m, n)
    ratio = np.exp(log_ratio)
    a, b, c = m + n, ratio * (m + y) + x + n, ratio * (x + y)
    rate_x = 2 * c / (b + np.sqrt(np.maximum(b * b - 4 * a * c, 0.0)))
    rate_y = np.minimum(rate_x / ratio, 1.0)
    variance = rate_x * (1 - rate_x) / m + ratio**2 * rate_y * (1 - rate_y) / n
    return _standardised(x / m - ratio * y / n, variance)


def _score_of_difference(m: int, n: int, delta: float) -> Floats:
    x, y = _all_tables(m, n)
    sizes = np.full_like(x, m), np.full_like(x, n)
    rate_y = constrained_control_rate(x, sizes[0], y, sizes[1], np.full_like(x, delta))
    rate_x = np.clip(rate_y + delta, 0.0, 1.0)
    variance = rate_x * (1 - rate_x) / m + rate_y * (1 - rate_y) / n
    return _standardised(x / m - y / n - delta, variance)


def _log_ways(m: int, n: int) -> Floats:
    """Log of the ways to get a total of clicks (rows, 0 .. m + n) with x of treatment (columns)."""
    possible = np.arange(m + 1)[None, :]
    others = np.arange(m + n + 1)[:, None] - possible
    within = (others >= 0) & (others <= n)
    ways = _log_choose(m)[possible] + _log_choose(n)[np.where(within, others, 0)]
    return np.where(within, ways, -np.inf)


def _conditional_order(log_ways: Floats, log_odds: float) -> Floats:
    """Fisher's p of at least x, given the clicks of both arms and the odds ratio; less is more."""
    m = log_ways.shape[1] - 1
    exponents = log_ways + log_odds * np.arange(m + 1)
    unscaled = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    tails = np.cumsum(unscaled[:, ::-1], axis=1)[:, ::-1]
    x, y = _all_tables(m, log_ways.shape[0] - 1 - m)
    x, total = x.astype(int), (x + y).astype(int)
    return np.asarray(-tails[total, x] / tails[total, 0])


def _all_tables(m: int, n: int) -> tuple[Floats, Floats]:
    x, y = np.meshgrid(np.arange(m + 1.0), np.arange(n + 1.0), indexing="ij")
    return x, y


def _standardised(distance: Floats, variance: Floats) -> Floats:
    # Without variance the distance is rounding, or the table is impossible at this effect.
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.abs(distance) < 1e-12, 0.0, distance / np.sqrt(variance))


def _p_above(scale: _Scale, x: int, y: int, effect: float) -> float:
    counted = _at_least(scale.order(effect), x, y)
    return _worst_probability(_region(counted), partial(scale.rates, effect))


def _at_least(order: Floats, x: int, y: int) -> NDArray[np.bool_]:
    """Tables as far up as the observed one, or further; ties are ties up to rounding."""
    observed = order[x, y]
    return np.asarray(order >= observed - 1e-9 * max(abs(observed), 1e-12))


def _region(counted: NDArray[np.bool_]) -> _Region:
    """Where tables begin and end to count; both orders rise with x, so nothing else is needed."""
    not_counted = ~counted
    size = counted.shape[0]
    is_all = counted.all(axis=0)
    last = np.where(is_all, 0, not_counted.argmax(axis=0))
    first = np.where(is_all, 0, size - not_counted[::-1].argmax(axis=0))
    return _Region(size - 1, last, first)


def _worst_probability(region: _Region, rates: Callable[[Floats], tuple[Floats, Floats]]) -> float:
    """Largest probability of a set of tables over control's CTR."""
    n = region.first.size - 1

    def probability(angles: Floats) -> Floats:
        control, treatment = rates(np.sin(angles) ** 2)
        masses = _binomial(region.m, treatment)
        # P(X >= x) for x = 0 .. m + 1. Sums, no matrix product: small ones lose time to threads.
        tails = np.zeros((angles.size, region.m + 2))
        tails[:, :-1] = np.cumsum(masses[:, ::-1], axis=1)[:, ::-1]
        given_y = tails[:, region.first] + tails[:, :1] - tails[:, region.last]
        return np.asarray((given_y * _binomial(n, control)).sum(axis=1))

    # In the angle the binomials are about equally wide everywhere.
    angles = np.linspace(0, np.pi / 2, NUISANCE_POINTS + 2)[1:-1]
    width = angles[1] - angles[0]
    worst = 0.0
    for _ in range(1 + CLOSER_ROUNDS):
        found = probability(angles)
        worst = max(worst, float(found.max()))
        best = angles[found.argmax()]
        angles = np.linspace(best - width, best + width, CLOSER_POINTS)
        angles = np.clip(angles, 1e-9, np.pi / 2 - 1e-9)
        width = 2 * width / (CLOSER_POINTS - 1)
    return min(1.0, worst)


def _binomial(n: int, rates: Floats) -> Floats:
    # Within (0, 1), so that products with logarithms are finite: far faster than xlogy.
    rates = np.clip(rates, 1e-18, 1 - 1e-15)
    k = np.arange(n + 1)
    exponents = np.multiply.outer(special.logit(rates), k) + n * np.log1p(-rates)[:, None]
    return np.asarray(np.exp(exponents + _log_choose(n)))


@lru_cache(maxsize=8)
def _log_choose(n: int) -> Floats:
    """Log of the number of ways to choose 0 .. n of n."""
    k = np.arange(n + 1)
    return np.asarray(special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1))
