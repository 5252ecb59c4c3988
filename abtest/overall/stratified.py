"""Post-stratified lift: both arms' CTRs as they would be with one and the same category mix.

An arm's CTR mixes what its ads achieve with which categories its traffic happened to be in. With
weights ``w_k``, the share of category k in the impressions of both arms together, the standardised
CTR ``sum_k w_k * R_k`` has the same mix in both arms (direct standardisation; Miratrix, Sekhon, Yu
2013, "Adjusting treatment effect estimates by post-stratification", for the variance gain). Strata
are impressions while units are clusters: one unit is in many strata, so the variance takes the full
covariance of the categories' CTRs.

The weights count as fixed: the interval is of the lift at the mix that was seen. Their own error
moves the lift in proportion to how lifts differ between categories, to first order not at all where
they do not.
"""

import numpy as np
from numpy.typing import NDArray

from abtest.estimation.clustered import LogLift
from abtest.estimation.joint import JointMoments, ctr_covariance
from abtest.overall.log_ratio import log_ratio

Floats = NDArray[np.float64]


def usable_strata(control: JointMoments, treatment: JointMoments) -> NDArray[np.bool_]:
    """Categories whose CTR and variance are known in both arms: two units or more in each."""
    return np.minimum(control.units, treatment.units) > 1


def take(arm: JointMoments, kept: NDArray[np.bool_]) -> JointMoments:
    """Moments of the kept categories."""
    square = np.ix_(kept, kept)
    return JointMoments(
        arm.units[kept], arm.n[kept], arm.c[kept], arm.nn[square], arm.nc[square], arm.cc[square]
    )


def post_stratified(
    control: JointMoments, treatment: JointMoments, *, units: tuple[float, float]
) -> LogLift:
    """Post-stratified log lift where units were randomised.

    Args:
        control: Moments of control's categories.
        treatment: Moments of treatment's, same categories. Categories that are not
            :func:`usable_strata` are left out, and the weights are of the others.
        units: Units of control and of treatment in all, for the degrees of freedom.

    Returns:
        One log lift (arrays of shape ()); NaN without usable categories or clicks.
    """
    kept = usable_strata(control, treatment)
    arms = take(control, kept), take(treatment, kept)
    weights = _weights(arms[0].n, arms[1].n)
    rates = [np.asarray(weights @ (arm.c / arm.n)) for arm in arms]
    variances = [_variance(arm, weights) for arm in arms]
    return log_ratio(
        *rates,
        variances=(variances[0], variances[1]),
        dofs=(np.asarray(units[0] - 1.0), np.asarray(units[1] - 1.0)),
    )


def post_stratified_binomial(
    control: tuple[Floats, Floats], treatment: tuple[Floats, Floats]
) -> LogLift:
    """Post-stratified log lift where impressions were randomised.

    Args:
        control: Clicks and impressions by category, shape (..., k).
        treatment: The same of treatment; categories without impressions in an arm are left out.

    Returns:
        Log lifts of shape (...); NaN where an arm has no click.
    """
    kept = np.minimum(control[1], treatment[1]) > 0
    weights = _weights(np.where(kept, control[1], 0), np.where(kept, treatment[1], 0))
    rates, variances = [], []
    for clicks, impressions in (control, treatment):
        n = np.where(kept, impressions, 1.0)
        rate = np.where(kept, clicks, 0.0) / n
        rates.append((weights * rate).sum(-1))
        variances.append((weights**2 * rate * (1 - rate) / n).sum(-1))
    without_end = np.full(rates[0].shape, np.inf)
    return log_ratio(
        rates[0],
        rates[1],
        variances=(variances[0], variances[1]),
        dofs=(without_end, without_end),
    )


def _variance(arm: JointMoments, weights: Floats) -> Floats:
    variance = weights @ ctr_covariance(arm) @ weights
    per_click = weights / arm.n
    # Where all units have one rate, rounding alone is left of the sum: no variation, not a tiny
    # one.
    return np.where(variance > 1e-12 * (per_click @ arm.cc @ per_click), variance, 0.0)


def _weights(control: Floats, treatment: Floats) -> Floats:
    total = control + treatment
    summed = total.sum(-1, keepdims=True)
    return np.asarray(total / np.where(summed > 0, summed, 1.0))
