"""How much of a lift is better ads, and how much is traffic that moved between categories.

Kitagawa's decomposition (1955, JASA 50:1168) of the difference of two CTRs, relative to control's:

    R1 - R0 = sum_k mean(s1_k, s0_k) * (R1_k - R0_k)
              + sum_k (s1_k - s0_k) * (mean(R1_k, R0_k) - R)

with shares of impressions ``s`` and ``R = mean(R1, R0)``, which cancels in the sum and makes a
category's mix part positive where traffic moved to it from worse ones. There is no third part. If
the two sums differ in sign, every category can improve while the whole gets worse (Simpson).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from abtest.estimation.joint import JointMoments

Floats = NDArray[np.float64]


class MixShift(NamedTuple):
    """Decomposition of one lift; the parts add up to the pooled relative lift.

    Attributes:
        control_share: Shape (k,), shares of control's impressions (fractions).
        treatment_share: Shape (k,), of treatment's.
        within_part: Shape (k,), lift within the category times its mean share; fractions of
            control's CTR.
        mix_part: Shape (k,), change of its share times how far its CTR is from the mean.
    """

    control_share: Floats
    treatment_share: Floats
    within_part: Floats
    mix_part: Floats


def decompose(control: tuple[Floats, Floats], treatment: tuple[Floats, Floats]) -> MixShift:
    """Decompose the pooled lift.

    Args:
        control: Clicks and impressions by category, shape (..., k).
        treatment: The same of treatment. A category that one arm lacks has no lift within, so that
            it counts as mix alone.

    Returns:
        Parts of shape (..., k); NaN without clicks in control or impressions in an arm.
    """
    (s0, r0, mean0), (s1, r1, mean1) = _shares(*control), _shares(*treatment)
    r0, r1 = np.where(np.isnan(r0), r1, r0), np.where(np.isnan(r1), r0, r1)
    r0, r1 = np.where(np.isnan(r0), 0.0, r0), np.where(np.isnan(r1), 0.0, r1)
    with np.errstate(divide="ignore", invalid="ignore"):
        base = np.where(mean0 > 0, mean0, np.nan)
        within = (s0 + s1) / 2 * (r1 - r0) / base
        mix = (s1 - s0) * ((r0 + r1) / 2 - (mean0 + mean1) / 2) / base
    return MixShift(s0, s1, within, mix)


def mix_p_value(
    control: JointMoments, treatment: JointMoments, units: tuple[float, float]
) -> float:
    """Two-sided p-value of no mix part, where units were randomised.

    The mix part is the difference between arms of a mean over impressions of their category's CTR,
    which is held fixed; each arm's mean has the clustered variance of a ratio.

    Args:
        control: Moments of control's categories.
        treatment: Moments of treatment's.
        units: Units of control and of treatment in all.
    """
    rate = _mean_rate(control.c, control.n, treatment.c, treatment.n)
    means, variance = [], 0.0
    for arm, k in zip((control, treatment), units, strict=True):
        if k < 2 or arm.n.sum() == 0:
            return float("nan")
        share = arm.n / arm.n.sum()
        mean = float(share @ rate)
        slope = (rate - mean) / arm.n.sum()
        means.append(mean)
        variance += float(slope @ arm.nn @ slope) * k / (k - 1)
    return _two_sided(means[1] - means[0], variance)


def mix_p_value_binomial(control: tuple[Floats, Floats], treatment: tuple[Floats, Floats]) -> float:
    """:func:`mix_p_value` where impressions were randomised: shares are multinomial.

    Args:
        control: Clicks and impressions by category, shape (k,).
        treatment: The same of treatment.
    """
    rate = _mean_rate(*control, *treatment)
    means, variance = [], 0.0
    for _, n in (control, treatment):
        if n.sum() == 0:
            return float("nan")
        share = n / n.sum()
        mean = float(share @ rate)
        means.append(mean)
        variance += float(share @ (rate - mean) ** 2) / float(n.sum())
    return _two_sided(means[1] - means[0], variance)


def reading(shift: MixShift, p_value: float, *, alpha: float, material_share: float) -> str:
    """What the decomposition says of the whole.

    Args:
        shift: One decomposition, parts of shape (k,).
        p_value: Of no mix part; NaN where it cannot be tested.
        alpha: Level at which a mix part is believed.
        material_share: Size of the mix part relative to the part within from which it matters.

    Returns:
        ``unknown``: no lift to decompose or no test; ``no_shift``: the mix part could be chance;
        ``reversed``: pooled lift and lift within categories have opposite signs (Simpson);
        ``material`` or ``small``: by its size.
    """
    within, mix = float(shift.within_part.sum()), float(shift.mix_part.sum())
    if np.isnan(within + mix + p_value):
        return "unknown"
    if p_value >= alpha:
        return "no_shift"
    if (within + mix) * within < 0:
        return "reversed"
    return "material" if abs(mix) >= material_share * abs(within) else "small"


def _shares(c: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
    total = n.sum(-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return n / total, np.where(n > 0, c / n, np.nan), c.sum(-1, keepdims=True) / total


def _mean_rate(c0: Floats, n0: Floats, c1: Floats, n1: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        r0, r1 = np.where(n0 > 0, c0 / n0, np.nan), np.where(n1 > 0, c1 / n1, np.nan)
    r0, r1 = np.where(np.isnan(r0), r1, r0), np.where(np.isnan(r1), r0, r1)
    return np.nan_to_num((r0 + r1) / 2, nan=0.0)


def _two_sided(difference: float, variance: float) -> float:
    if variance <= 0:
        return 1.0 if difference == 0 else float("nan")
    return float(2 * special.ndtr(-abs(difference) / np.sqrt(variance)))
