"""Mantel-Haenszel: one ratio common to all categories, and whether it is common.

Categories count by how much they can say, so that many tiny ones are combined without an estimate
for each. The classical variances hold where impressions were randomised: Greenland and Robins 1985
(Biometrics 41:55) for the ratio of CTRs, Robins, Breslow and Greenland 1986 (Biometrics 42:311) for
the odds ratio. Where units were randomised, :func:`clustered_ratio` linearises the same ratio over
the units' impressions and clicks in every category.

Tests: Cochran-Mantel-Haenszel (Mantel and Haenszel 1959); homogeneity of odds ratios by Breslow and
Day (1980, section 4.4) with Tarone's (1985) correction, and Woolf's (1955) with 0.5 added to each
count.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from abtest.estimation.clustered import LogLift
from abtest.estimation.joint import JointMoments

Floats = NDArray[np.float64]


class Strata(NamedTuple):
    """Clicks and impressions of two arms by category, arrays of shape (..., k).

    Attributes:
        control_c: Clicks of control.
        control_n: Impressions of control.
        treatment_c: Clicks of treatment.
        treatment_n: Impressions of treatment.
    """

    control_c: Floats
    control_n: Floats
    treatment_c: Floats
    treatment_n: Floats


class ChiSquare(NamedTuple):
    """A test statistic with its degrees of freedom and upper-tail p-value; NaN where unknown."""

    statistic: float
    dof: int
    p_value: float


def common_ratio(strata: Strata) -> LogLift:
    """Log of the Mantel-Haenszel ratio of CTRs, treatment over control, for impressions.

    Args:
        strata: Counts; strata without impressions in an arm have no weight.

    Returns:
        Log lifts of shape (...), infinite degrees of freedom; NaN where an arm has no click.
    """
    c0, n0, c1, n1, total = _tables(strata)
    above, below = (c1 * n0 / total).sum(-1), (c0 * n1 / total).sum(-1)
    spread = ((n1 * n0 * (c1 + c0) - c1 * c0 * total) / total**2).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _normal(np.log(above / below), spread / (above * below))


def common_odds_ratio(strata: Strata) -> LogLift:
    """Log of the Mantel-Haenszel odds ratio, variance of Robins, Breslow and Greenland.

    Args:
        strata: Counts.

    Returns:
        Log odds ratios of shape (...); NaN where it is 0, infinite or unknown.
    """
    c0, n0, c1, n1, total = _tables(strata)
    r, s = c1 * (n0 - c0) / total, c0 * (n1 - c1) / total
    p, q = (c1 + n0 - c0) / total, (c0 + n1 - c1) / total
    above, below = r.sum(-1), s.sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (
            (p * r).sum(-1) / (2 * above**2)
            + (p * s + q * r).sum(-1) / (2 * above * below)
            + (q * s).sum(-1) / (2 * below**2)
        )
        return _normal(np.log(above / below), variance)


def clustered_ratio(
    control: JointMoments, treatment: JointMoments, *, units: tuple[float, float]
) -> LogLift:
    """Log of the Mantel-Haenszel ratio of CTRs where units were randomised.

    With ``A = sum(c1 * n0 / N)`` and ``B = sum(c0 * n1 / N)`` over categories, ``log(A / B)`` has
    a slope in each of the sums ``c1, n1, c0, n0``; a unit's influence is its own counts times these
    slopes, and the variance is that of the sum of influences over independent units.

    Args:
        control: Moments of control's categories.
        treatment: Moments of treatment's, same categories.
        units: Units of control and of treatment in all.

    Returns:
        One log lift (arrays of shape ()); NaN where an arm has no click in common categories, or
        fewer than two units.
    """
    (c0, n0), (c1, n1) = (control.c, control.n), (treatment.c, treatment.n)
    total = np.maximum(n0 + n1, 1.0)
    above, below = float((c1 * n0 / total).sum()), float((c0 * n1 / total).sum())
    if min(above, below) <= 0 or min(units) < 2:
        return _normal(np.asarray(np.nan), np.asarray(np.nan))
    pull = (c1 / above + c0 / below) / total**2
    relative = (
        _influence(control, -n1 / total / below, n1 * pull, units=units[0]),
        _influence(treatment, n0 / total / above, -n0 * pull, units=units[1]),
    )
    variance = relative[0] + relative[1]
    dof = variance**2 / max(
        sum(v**2 / (k - 1) for v, k in zip(relative, units, strict=True)), 1e-300
    )
    lift = _normal(np.asarray(np.log(above / below)), np.asarray(variance))
    return lift._replace(dof=np.where(np.isfinite(lift.se), dof, np.nan))


def cochran_mantel_haenszel(strata: Strata, *, correction: float = 0.5) -> ChiSquare:
    """Test that no category has an effect, against a common one.

    Args:
        strata: Counts, shape (k,).
        correction: Continuity correction; 0 for none.
    """
    c0, n0, c1, n1, total = _tables(strata)
    clicks = c0 + c1
    expected = n1 * clicks / total
    variance = n1 * n0 * clicks * (total - clicks) / (total**2 * np.maximum(total - 1, 1.0))
    distance = max(abs(float((c1 - expected).sum())) - correction, 0.0)
    spread = float(variance.sum())
    return _chi_square(distance**2 / spread if spread > 0 else np.nan, 1)


def breslow_day(strata: Strata, *, tarone: bool = True) -> ChiSquare:
    """Test that all categories share one odds ratio, by the expected counts under the common one.

    Args:
        strata: Counts, shape (k,). Categories without clicks, or with nothing else, say nothing
            about an odds ratio and are left out.
        tarone: With Tarone's correction, without which the Mantel-Haenszel odds ratio is taken for
            the most likely one.
    """
    c0, n0, c1, n1 = _informative(strata)
    ratio = float(np.exp(common_odds_ratio(Strata(c0, n0, c1, n1)).value))
    if not np.isfinite(ratio) or c1.size < 2:
        return _chi_square(np.nan, max(c1.size - 1, 0))
    clicks = c0 + c1
    expected = _expected_clicks(clicks, n1, n0, ratio)
    inverse = (
        1 / expected + 1 / (clicks - expected) + 1 / (n1 - expected) + 1 / (n0 - clicks + expected)
    )
    variance = 1 / inverse
    statistic = float(((c1 - expected) ** 2 / variance).sum())
    if tarone:
        statistic -= float((c1 - expected).sum()) ** 2 / float(variance.sum())
    return _chi_square(statistic, c1.size - 1)


def woolf(strata: Strata) -> ChiSquare:
    """Test that all categories share one odds ratio, by the spread of their logs.

    Args:
        strata: Counts, shape (k,); 0.5 is added to each of the four counts of a category.
    """
    c0, n0, c1, n1, _ = _tables(strata)
    cells = [cell + 0.5 for cell in (c1, n1 - c1, c0, n0 - c0)]
    log_odds = np.log(cells[0] * cells[3] / (cells[1] * cells[2]))
    weight = 1 / np.sum([1 / cell for cell in cells], axis=0)
    if c1.size < 2:
        return _chi_square(np.nan, max(c1.size - 1, 0))
    mean = (weight * log_odds).sum() / weight.sum()
    return _chi_square(float((weight * (log_odds - mean) ** 2).sum()), c1.size - 1)


def _tables(strata: Strata) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    kept = np.minimum(strata.control_n, strata.treatment_n) > 0
    if kept.ndim == 1:
        c0, n0, c1, n1 = (values[kept] for values in strata)
    else:
        c0, n0, c1, n1 = (np.where(kept, values, 0.0) for values in strata)
    return c0, n0, c1, n1, np.maximum(n0 + n1, 1.0)


def _informative(strata: Strata) -> Strata:
    c0, n0, c1, n1, total = _tables(strata)
    kept = (c0 + c1 > 0) & (c0 + c1 < total)
    return Strata(c0[kept], n0[kept], c1[kept], n1[kept])


def _expected_clicks(clicks: Floats, n1: Floats, n0: Floats, ratio: float) -> Floats:
    """Clicks of treatment given both arms' clicks and the odds ratio: a quadratic's root."""
    if abs(ratio - 1) < 1e-12:
        return np.asarray(clicks * n1 / (n1 + n0))
    a = 1 - ratio
    b = n0 - clicks + ratio * (clicks + n1)
    c = -ratio * clicks * n1
    root = np.sqrt(b**2 - 4 * a * c)
    # The root within the table, written so that nothing cancels as the ratio nears 1.
    return np.asarray(-2 * c / (b + root))


def _influence(arm: JointMoments, on_clicks: Floats, on_shown: Floats, *, units: float) -> float:
    squares = (
        on_clicks @ arm.cc @ on_clicks
        + 2 * on_shown @ arm.nc @ on_clicks
        + on_shown @ arm.nn @ on_shown
    )
    total = on_clicks @ arm.c + on_shown @ arm.n
    scale = on_clicks @ arm.cc @ on_clicks
    centred = float(squares - total**2 / units)
    return centred * units / (units - 1) if centred > 1e-12 * scale else 0.0


def _normal(value: Floats, variance: Floats) -> LogLift:
    known = np.isfinite(value) & (variance > 0) & np.isfinite(variance)
    return LogLift(
        np.where(known, value, np.nan),
        np.where(known, np.sqrt(np.where(known, variance, 1.0)), np.nan),
        np.where(known, np.inf, np.nan),
        np.full(np.shape(value), np.nan),
    )


def _chi_square(statistic: float, dof: int) -> ChiSquare:
    p = float(special.chdtrc(dof, statistic)) if dof > 0 and np.isfinite(statistic) else np.nan
    return ChiSquare(float(statistic), dof, p)
