"""Fisher's exact test and its mid-p form, each with the interval of the odds ratio that inverts it.

Given all clicks of both arms, treatment's clicks X follow Fisher's noncentral hypergeometric
distribution, whose only parameter is the odds ratio. The two-sided p-value of an odds ratio sums
the tables that are at most as likely as the observed one (minimum likelihood); mid-p counts the
observed one by half (Lancaster 1961, JASA 56:223).

As the odds ratio falls below the observed one, tables leave that sum one by one, and p jumps: the
odds ratios with ``p >= alpha`` may have holes (Fay 2010, Biostatistics 11:373). The interval is
their hull, and the p-value that goes with it is the largest p of any odds ratio at 1 or beyond it,
seen from the estimate. Between jumps p has no inner maximum, because the distribution is an
exponential family; so limits and p-value are computed from the jumps, without a grid. The textbook
p-value, never larger, is :func:`fisher_p_value`: for Fisher's test the two nearly always are one
number, for mid-p they often differ in the third or fourth decimal (and by more where p is near 1).
Nothing here approximates: all of it is for cells with few clicks, and takes time and memory by the
square of their number.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from abtest.estimation.binomial import Clicks
from abtest.estimation.proportion_intervals import Inference

Floats = NDArray[np.float64]
TIE = 1 + 1e-7
"""Tables whose probabilities differ by less than this factor are equally likely."""
BISECTIONS = 60


class _Table(NamedTuple):
    """The distribution of treatment's clicks given all clicks of one cell.

    Attributes:
        x: Treatment's clicks that are possible, ascending.
        log_weight: Log of their probabilities at an odds ratio of 1, up to a constant.
        observed: Index of the observed number.
        weight: How much the observed table counts: 1, or 0.5 for mid-p.
    """

    x: Floats
    log_weight: Floats
    observed: int
    weight: float

    def probabilities(self, log_odds: Floats | float) -> Floats:
        """Of every x, one row a log odds ratio."""
        exponents = self.log_weight + np.multiply.outer(log_odds, self.x)
        exponents -= exponents.max(axis=-1, keepdims=True)
        unscaled = np.exp(exponents)
        return np.asarray(unscaled / unscaled.sum(axis=-1, keepdims=True))

    def mirrored(self) -> "_Table":
        """The same table with the arms exchanged; its log odds ratio has the other sign."""
        last = self.x.size - 1
        return _Table(-self.x[::-1], self.log_weight[::-1], last - self.observed, self.weight)


def fisher_p_value(control: Clicks, treatment: Clicks, *, mid_p: bool = False) -> Floats:
    """Two-sided p-value of Fisher's exact test by minimum likelihood, as textbooks have it.

    Args:
        control: Control, whole counts.
        treatment: Treatment, same cells.
        mid_p: Count the observed table by half.

    Returns:
        NaN where an arm has no impressions; 1 (mid-p 0.5) where only one table is possible.
    """
    tables = _tables(control, treatment, mid_p=mid_p)
    return np.array([np.nan if t is None else _p_values(t, np.zeros(1))[0] for t in tables])


def fisher_interval(
    control: Clicks, treatment: Clicks, alpha: float, *, mid_p: bool = False
) -> Inference:
    """Odds ratio with the interval that inverts Fisher's exact test, and the p-value of that pair.

    Args:
        control: Control, whole counts.
        treatment: Treatment, same cells.
        alpha: 1 - confidence.
        mid_p: Count the observed table by half: shorter, and no longer guaranteed to cover.

    Returns:
        The sample's odds ratio (NaN where control has no click or treatment nothing but clicks).
        The lower limit is 0, or the upper one infinite, where the clicks given their total could
        not be distributed more unevenly. No interval where only one table is possible.
    """
    rows = []
    for table in _tables(control, treatment, mid_p=mid_p):
        if table is None or table.x.size == 1:
            rows.append((np.nan, np.nan, np.nan))
            continue
        mirrored = table.mirrored()
        lower, upper = _lower_limit(table, alpha), -_lower_limit(mirrored, alpha)
        p_value = min(_hull_p_value(table), _hull_p_value(mirrored))
        rows.append((np.exp(lower), np.exp(upper), p_value))
    lower_limit, upper_limit, p_values = np.array(rows, dtype=np.float64).reshape(-1, 3).T
    (x, m), (y, n) = treatment, control
    with np.errstate(divide="ignore", invalid="ignore"):
        odds_ratio = np.where(y * (m - x) > 0, x * (n - y) / (y * (m - x)), np.nan)
    return Inference(odds_ratio, lower_limit, upper_limit, p_values)


def _tables(control: Clicks, treatment: Clicks, *, mid_p: bool) -> list[_Table | None]:
    weight = 0.5 if mid_p else 1.0
    cells = zip(treatment.c, treatment.n, control.c, control.n, strict=True)
    return [_table(x, m, y, n, weight) if min(m, n) > 0 else None for x, m, y, n in cells]


def _table(x: float, m: float, y: float, n: float, weight: float) -> _Table:
    total = x + y
    possible = np.arange(max(0.0, total - n), min(total, m) + 1)
    log_weight = _log_choose(m, possible) + _log_choose(n, total - possible)
    return _Table(possible, log_weight, int(x - possible[0]), weight)


def _p_values(table: _Table, log_odds: Floats) -> Floats:
    """Minimum-likelihood p at log odds ratios, shape of ``log_odds``."""
    probabilities = table.probabilities(log_odds)
    observed = probabilities[:, table.observed]
    counted = probabilities <= observed[:, None] * TIE
    return np.asarray((probabilities * counted).sum(axis=1) - (1 - table.weight) * observed)


def _jumps(table: _Table) -> Floats:
    """Log odds ratios, ascending, at which a table with fewer clicks is as likely as the observed.

    From there on upwards it counts; they ascend because the distribution is log-concave.
    """
    below = slice(0, table.observed)
    rise = table.log_weight[below] - table.log_weight[table.observed]
    return np.asarray(rise / (table.x[table.observed] - table.x[below]))


def _lower_p(table: _Table, n_below: NDArray[np.int64], log_odds: Floats) -> Floats:
    """P of at least the observed clicks, or one of the ``n_below`` smallest numbers of clicks.

    That is p below the last jump, where all larger numbers count.
    """
    probabilities = table.probabilities(log_odds)
    index = np.arange(table.x.size)
    counted = (index >= table.observed) | (index < n_below[:, None])
    observed = probabilities[:, table.observed]
    return np.asarray((probabilities * counted).sum(axis=1) - (1 - table.weight) * observed)


def _lower_limit(table: _Table, alpha: float) -> float:
    """Smallest log odds ratio with p >= alpha; -inf where treatment could not have fewer clicks."""
    if table.observed == 0:
        return -np.inf
    jumps = _jumps(table)
    n_below = np.arange(1, jumps.size + 1)
    # Stretch i runs from jump i - 1 to jump i; p is i's smallest numbers and the upper tail.
    at_start = _lower_p(table, n_below, jumps) >= alpha
    at_end = _lower_p(table, n_below - 1, jumps) >= alpha
    for stretch, end in enumerate(jumps):
        if at_end[stretch]:
            start = jumps[stretch - 1] if stretch else _far_below(table, alpha)
            return _crossing(table, stretch, alpha, start, end)
        if at_start[stretch]:
            return float(end)
    # p at the last jump is 1 or nearly: only an alpha above mid-p's largest comes here.
    return float(jumps[-1])


def _far_below(table: _Table, alpha: float) -> float:
    """A log odds ratio so low that the upper tail is below alpha."""
    below = float(_jumps(table)[0]) - 1.0
    while _lower_p(table, np.zeros(1, dtype=np.int64), np.array([below]))[0] >= alpha:
        below -= 1 + abs(below)
    return below


def _crossing(table: _Table, stretch: int, alpha: float, start: float, end: float) -> float:
    n_below = np.array([stretch])
    for _ in range(BISECTIONS):
        middle = (start + end) / 2
        if _lower_p(table, n_below, np.array([middle]))[0] >= alpha:
            end = middle
        else:
            start = middle
    return end


def _hull_p_value(table: _Table) -> float:
    """Largest p of an odds ratio of at most 1; the alpha at which the hull's lower limit is 1."""
    if table.observed == 0:
        return 1.0
    jumps = _jumps(table)
    n_below = np.arange(1, jumps.size + 1)
    reached = jumps <= np.log(TIE)
    if reached.all():
        return 1.0
    at_jumps = _lower_p(table, n_below, jumps)[reached]
    at_one = _lower_p(table, np.array([reached.sum()]), np.zeros(1))
    return float(np.concatenate([at_jumps, at_one]).max())


def _log_choose(n: float, k: Floats) -> Floats:
    return np.asarray(special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1))
