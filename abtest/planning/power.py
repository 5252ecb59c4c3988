"""Power of a planned comparison of two CTRs, and what follows from it: days and detectable lift.

Where units are randomised the planned test is on the log ratio of CTRs, with the binomial variance
times the design effect. Units that come back make the design effect grow: with ``m`` impressions a
unit it is ``1 + rho * (m - 1)`` (Kish 1965, section 5.4), so its excess over 1 is, at day d,

    excess(d) = excess(D) * (1 - r + r * d / D)

with D the day it was measured at and r the share of the excess that grows: 0 if every day brings
new units, 1 if the same ones come back. With r above 0 the standard error has a floor that no
number of days gets below; more units do.

Where impressions are randomised it is the two-sided test of two proportions with a pooled variance
under the null (Fleiss, Levin, Paik 2003, section 4.2; R's power.prop.test for an equal split).

Power counts findings in the right direction only. Corrections, pilots and tables are elsewhere.
"""

import math
from typing import NamedTuple

from scipy import optimize, special

from abtest.planning.config import Randomisation


class Traffic(NamedTuple):
    """What a cell gets and how its clicks vary.

    Attributes:
        ctr: CTR of control (fraction), in (0, 1).
        impressions_per_day: All arms together.
        design_effect: Clustered over binomial variance after ``measured_days`` days; 1 where
            impressions are randomised.
        measured_days: Days after which the design effect was measured.
        returning: Share of the design effect's excess over 1 that grows with days, in [0, 1].
    """

    ctr: float
    impressions_per_day: float
    design_effect: float = 1.0
    measured_days: float = 1.0
    returning: float = 0.0


class Comparison(NamedTuple):
    """One test of one treatment.

    Attributes:
        alpha: Its two-sided level, after correction.
        control_share: Share of the impressions that control gets.
        treatment_share: Share that the treatment gets; with several treatments the two do not add
            up to 1.
        randomisation: What is randomised; chooses the test.
    """

    alpha: float
    control_share: float
    treatment_share: float
    randomisation: Randomisation


def log_ratio_power(se: float, rel_lift: float, alpha: float) -> float:
    """Power of the test of a log ratio.

    Args:
        se: Standard error of the log ratio.
        rel_lift: True lift, above -1.
        alpha: Two-sided level.
    """
    return float(special.ndtr(abs(math.log1p(rel_lift)) / se - _normal_quantile(alpha)))


def log_ratio_se(
    control_rate: float,
    treatment_rate: float,
    *,
    n_control: float,
    n_treatment: float,
    design_effect: float = 1.0,
) -> float:
    """Standard error of the log ratio of two CTRs.

    Args:
        control_rate: CTR of control, in (0, 1).
        treatment_rate: CTR of treatment.
        n_control: Impressions of control.
        n_treatment: Impressions of treatment.
        design_effect: Clustered over binomial variance.
    """
    binomial = (1 - treatment_rate) / (treatment_rate * n_treatment) + (1 - control_rate) / (
        control_rate * n_control
    )
    return math.sqrt(design_effect * binomial)


def proportions_power(
    control_rate: float,
    treatment_rate: float,
    *,
    n_control: float,
    n_treatment: float,
    alpha: float,
) -> float:
    """Power of the pooled two-sided test of two proportions.

    Args:
        control_rate: True rate of control.
        treatment_rate: True rate of treatment.
        n_control: Impressions of control.
        n_treatment: Impressions of treatment.
        alpha: Two-sided level.
    """
    null, alternative = _proportion_spreads(control_rate, treatment_rate, n_treatment / n_control)
    distance = math.sqrt(n_control) * abs(treatment_rate - control_rate)
    return float(special.ndtr((distance - _normal_quantile(alpha) * null) / alternative))


def proportions_size(
    control_rate: float,
    treatment_rate: float,
    *,
    alpha: float,
    power: float,
    ratio: float = 1.0,
) -> float:
    """Impressions of control at which :func:`proportions_power` is ``power``; not rounded.

    Args:
        control_rate: True rate of control.
        treatment_rate: True rate of treatment, another one.
        alpha: Two-sided level.
        power: Wanted power.
        ratio: Impressions of treatment for each of control.
    """
    null, alternative = _proportion_spreads(control_rate, treatment_rate, ratio)
    reach = _normal_quantile(alpha) * null + float(special.ndtri(power)) * alternative
    return (reach / (treatment_rate - control_rate)) ** 2


def design_effect_at(traffic: Traffic, days: float) -> float:
    """Design effect after so many days; never grows from one that is below 1."""
    excess = max(traffic.design_effect - 1, 0.0)
    grown = excess * traffic.returning * (days / traffic.measured_days - 1)
    return traffic.design_effect + grown


def power_after(traffic: Traffic, comparison: Comparison, *, days: float, rel_lift: float) -> float:
    """Power after so many days.

    Args:
        traffic: The cell.
        comparison: The test.
        days: Length of the experiment.
        rel_lift: True lift; neither CTR leaves (0, 1).
    """
    treatment_rate = traffic.ctr * (1 + rel_lift)
    n_control, n_treatment = (
        traffic.impressions_per_day * days * share
        for share in (comparison.control_share, comparison.treatment_share)
    )
    if comparison.randomisation == "impression":
        return proportions_power(
            traffic.ctr,
            treatment_rate,
            n_control=n_control,
            n_treatment=n_treatment,
            alpha=comparison.alpha,
        )
    se = log_ratio_se(
        traffic.ctr,
        treatment_rate,
        n_control=n_control,
        n_treatment=n_treatment,
        design_effect=design_effect_at(traffic, days),
    )
    return log_ratio_power(se, rel_lift, comparison.alpha)


def days_for(
    traffic: Traffic, comparison: Comparison, *, rel_lift: float, power: float
) -> float | None:
    """Days after which a true lift is found with the wanted power; not rounded.

    Args:
        traffic: The cell.
        comparison: The test.
        rel_lift: True lift, not 0.
        power: Wanted power, above half of alpha.

    Returns:
        None where no number of days suffices, because the units' own variation stays.
    """
    treatment_rate = traffic.ctr * (1 + rel_lift)
    if comparison.randomisation == "impression":
        n_control = proportions_size(
            traffic.ctr,
            treatment_rate,
            alpha=comparison.alpha,
            power=power,
            ratio=comparison.treatment_share / comparison.control_share,
        )
        return n_control / (traffic.impressions_per_day * comparison.control_share)
    reach = _normal_quantile(comparison.alpha) + float(special.ndtri(power))
    wanted = (math.log1p(rel_lift) / reach) ** 2
    one_day = log_ratio_se(
        traffic.ctr,
        treatment_rate,
        n_control=traffic.impressions_per_day * comparison.control_share,
        n_treatment=traffic.impressions_per_day * comparison.treatment_share,
    )
    growth = max(traffic.design_effect - 1, 0.0) * traffic.returning
    floor = one_day**2 * growth / traffic.measured_days
    if wanted <= floor:
        return None
    return one_day**2 * (traffic.design_effect - growth) / (wanted - floor)


def traffic_factor_for(
    traffic: Traffic, comparison: Comparison, *, days: float, rel_lift: float, power: float
) -> float:
    """Units a day, as a multiple of those there are, for a lift to be found in so many days.

    Args:
        traffic: The cell.
        comparison: The test.
        days: Length of the experiment.
        rel_lift: True lift, not 0.
        power: Wanted power, above half of alpha.
    """
    # More units with as many impressions each: the design effect stays, as with fresh ones.
    fresh = traffic._replace(design_effect=design_effect_at(traffic, days), returning=0.0)
    needed = days_for(fresh, comparison, rel_lift=rel_lift, power=power)
    assert needed is not None, "without returning units there is no floor"
    return needed / days


def detectable_lift(
    traffic: Traffic, comparison: Comparison, *, days: float, power: float
) -> float | None:
    """Smallest positive lift found with the wanted power after so many days.

    Args:
        traffic: The cell.
        comparison: The test.
        days: Length of the experiment.
        power: Wanted power, above half of alpha.

    Returns:
        None where even a treatment that is clicked every time would not be found.
    """

    def missing(log_ratio: float) -> float:
        lift = math.expm1(log_ratio)
        return power_after(traffic, comparison, days=days, rel_lift=lift) - power

    smallest, largest = 1e-9, -math.log(traffic.ctr) - 1e-9
    if missing(largest) < 0:
        return None
    return math.expm1(float(optimize.brentq(missing, smallest, largest, xtol=1e-12)))


def _proportion_spreads(
    control_rate: float, treatment_rate: float, ratio: float
) -> tuple[float, float]:
    """Standard deviations of the difference under null and alternative, times sqrt(n_control)."""
    pooled = (control_rate + ratio * treatment_rate) / (1 + ratio)
    null = pooled * (1 - pooled) * (1 + 1 / ratio)
    alternative = control_rate * (1 - control_rate) + treatment_rate * (1 - treatment_rate) / ratio
    return math.sqrt(null), math.sqrt(alternative)


def _normal_quantile(alpha: float) -> float:
    return float(special.ndtri(1 - alpha / 2))
