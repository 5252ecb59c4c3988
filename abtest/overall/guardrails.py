"""Guardrails: metrics that treatment must be shown not to harm by more than a tolerated margin.

"Not significantly worse" is no proof of safety; a small experiment is never significant. So the
null hypothesis is harm of at least the margin m, ``ratio <= 1 - m``, and rejecting it says
noninferior (as for clinical trials: CONSORT extension, Piaggio et al. 2012, JAMA 308:2594). The
test is one-sided on the log ratio and rejects exactly where the one-sided lower bound of the lift
is above ``-m``. The opposite test, ``ratio >= 1 - m``, says inferior.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from abtest.estimation.binomial import Clicks, koopman_interval
from abtest.estimation.clustered import LogLift

Floats = NDArray[np.float64]


class NonInferiority(NamedTuple):
    """Both one-sided tests at a margin, arrays of one shape; NaN where unknown.

    Attributes:
        rel_lift: Relative lift of the metric (fraction).
        lower: One-sided lower bound at 1 - alpha; -1 where there is none above it.
        upper: One-sided upper bound at 1 - alpha; infinite where there is none.
        p_noninferior: p-value of "harm is at least the margin".
        p_inferior: p-value of "harm is at most the margin".
    """

    rel_lift: Floats
    lower: Floats
    upper: Floats
    p_noninferior: Floats
    p_inferior: Floats


def clustered_noninferiority(lift: LogLift, margin: float, alpha: float) -> NonInferiority:
    """Tests of a log lift with Student's t.

    Args:
        lift: Log lifts of the metric.
        margin: Tolerated relative loss, above 0 and below 1.
        alpha: One-sided level of each test.
    """
    known = lift.dof > 0
    dof = np.where(known, lift.dof, 1.0)
    half = np.where(known, special.stdtrit(dof, 1 - alpha), np.nan) * lift.se
    t = (lift.value - np.log1p(-margin)) / lift.se
    return NonInferiority(
        np.expm1(lift.value),
        np.expm1(lift.value - half),
        np.expm1(lift.value + half),
        np.where(known, special.stdtr(dof, -t), np.nan),
        np.where(known, special.stdtr(dof, t), np.nan),
    )


def binomial_noninferiority(
    control: Clicks, treatment: Clicks, margin: float, alpha: float
) -> NonInferiority:
    """Score tests of a CTR ratio; their bounds are those of Koopman's interval.

    Args:
        control: Clicks and impressions of control.
        treatment: Of treatment, same cells.
        margin: Tolerated relative loss, above 0 and below 1.
        alpha: One-sided level of each test.
    """
    estimate = koopman_interval(control, treatment, 2 * alpha)
    z = signed_score(control, treatment, 1 - margin)
    return NonInferiority(
        estimate.value, estimate.lower, estimate.upper, special.ndtr(-z), special.ndtr(z)
    )


def signed_score(control: Clicks, treatment: Clicks, ratio: float) -> Floats:
    """Score statistic of ``R_treatment / R_control = ratio``, positive where treatment is better.

    Koopman's (1984) chi-square with the sign of the difference; standard normal under its null.

    Args:
        control: Clicks and impressions of control.
        treatment: Of treatment, same cells.
        ratio: Ratio tested, above 0.

    Returns:
        NaN without clicks or without impressions in an arm.
    """
    (x, m), (y, n) = treatment, control
    # Treatment's CTR by maximum likelihood under the ratio: the smaller root of a quadratic.
    a, b, c = m + n, ratio * (m + y) + x + n, ratio * (x + y)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate_x = 2 * c / (b + np.sqrt(np.maximum(b * b - 4 * a * c, 0.0)))
        rate_y = rate_x / ratio
        variance = rate_x * (1 - rate_x) / m + ratio**2 * rate_y * (1 - rate_y) / n
        z = (x / m - ratio * y / n) / np.sqrt(variance)
    return np.where((m > 0) & (n > 0) & (x + y > 0), z, np.nan)


def guardrail_state(p_noninferior: float, p_inferior: float, alpha: float) -> str:
    """``noninferior``, ``inferior`` or ``inconclusive``, by p-values corrected over guardrails."""
    if p_noninferior < alpha:
        return "noninferior"
    return "inferior" if p_inferior < alpha else "inconclusive"
