"""Does the lift differ from day to day: a joint test, and a trend.

Units come back, so the lifts of two days share units and their luck: the covariance across days is
that of :mod:`abtest.estimation.joint`. With log lifts y of k days, V their covariance and X the
columns 1 and day,

* joint test of day by treatment: ``W = (y - m)' V^-1 (y - m)``, m the mean by V, k - 1 degrees of
  freedom; where V is estimated from K clicking units, W is Hotelling's T^2 (1931) on ``K - 2``,
  since only units that click tell of how clicks vary;
* trend: generalised least squares, ``b = (X' V^-1 X)^-1 X' V^-1 y`` (Aitken 1936). A lift that
  falls is what novelty looks like, one that rises what learning does; neither is proof of either,
  since the traffic of days differs too.

Even so V needs many clicking units for each day; with fewer than stated here the test would reject
too often and is not made. Lift by days since a unit's first impression is another question, which
sums by calendar day cannot answer.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from abtest.config import Analysis, Design
from abtest.counting.sums import MOST_LABELS, Sums
from abtest.monitoring.joint_days import JointDays
from caig.contracts.looks import DAY_EFFECTS

Floats = NDArray[np.float64]

METHODS = {
    "unit": "Wald test (Hotelling's T2) and GLS trend of daily log lifts, covariance across days "
    "clustered by unit",
    "impression": "Wald test (chi-square) and weighted trend of daily log lifts, days independent",
}
CLICKING_UNITS_PER_DAY = 30
"""Clicking units an arm needs for every day of which the covariance is estimated. Simulated at 5 %
over 14 days: the joint test errs 5.6 % and the trend's 5.3 % with 36, 7.3 % and 7.9 % with 8."""
SMALLEST_PIVOT = 1e-6
"""Below this a day's lift is, but for rounding, a combination of the other days'."""


class DayEffect(NamedTuple):
    """Joint test and trend of k days.

    Attributes:
        wald: Statistic of equal log lifts, k - 1 degrees of freedom.
        p_value: Of that test.
        slope: Change of log lift in a day.
        slope_se: Its standard error.
        slope_p_value: Of no trend.
    """

    wald: float
    p_value: float
    slope: float
    slope_se: float
    slope_p_value: float


def day_effect(
    lifts: Floats, covariance: Floats, days: Floats, *, dof: float = np.inf
) -> DayEffect | None:
    """Test whether log lifts of several days are equal, and their trend.

    Args:
        lifts: Log lifts, shape (k,), k > 1.
        covariance: Of their errors, shape (k, k).
        days: Times of the days, shape (k,), in days; not all equal.
        dof: Degrees of freedom of the covariance, more than k; infinite if it is known.

    Returns:
        None if the covariance is singular.
    """
    se = np.sqrt(np.diag(covariance))
    try:
        root = np.linalg.cholesky(covariance / (se[:, None] * se[None, :]))
    except np.linalg.LinAlgError:
        return None
    if np.diag(root).min() < SMALLEST_PIVOT:
        return None
    known = np.column_stack([np.ones(lifts.size), days - days.mean(), lifts])
    # The solver for triangles spreads over threads, which takes 30 times as long at this size.
    whitened = np.linalg.solve(root, known / se[:, None])
    level, time, y = (whitened[:, column] for column in range(3))
    time = time - level * (level @ time) / (level @ level)
    y = y - level * (level @ y) / (level @ level)
    wald, information = float(y @ y), float(time @ time)
    slope, slope_se = float(time @ y) / information, information**-0.5
    return DayEffect(
        wald,
        _hotelling_survival(wald, lifts.size - 1, dof),
        slope,
        slope_se,
        float(2 * special.ndtr(-abs(slope) / slope_se)),
    )


def _hotelling_survival(statistic: float, rank: int, dof: float) -> float:
    if not np.isfinite(dof):
        return float(special.chdtrc(rank, statistic))
    left = dof - rank + 1
    return float(special.fdtrc(rank, left, statistic * left / (dof * rank)))


def day_effects(
    cells: pl.DataFrame, sums: Sums, *, design: Design, analysis: Analysis
) -> pl.DataFrame:
    """Whether the lift of each contrast differs from day to day.

    Args:
        cells: Single days as in :func:`abtest.monitoring.single_days.lift_by_day`, with
            ``control`` and ``treatment``, the names of the arms.
        sums: Sums of the log.
        design: How traffic was split.
        analysis: Level of intervals and of the trend's verdict.

    Returns:
        ``day_effects/1``, in the order of its key.
    """
    joint = JointDays(sums) if design.randomisation == "unit" else None
    is_tested = (pl.col("status") == "ok") & pl.col("log_lift_se").is_not_null()
    contrasts = (
        cells.sort("experiment_id", "contrast", "day")
        .with_columns(
            index=pl.col("day").rank("dense").over("experiment_id").cast(pl.Int64) - 1,
            time=(pl.col("day") - pl.col("day").min().over("experiment_id")).dt.total_days(),
        )
        .group_by("experiment_id", "contrast", maintain_order=True)
        .agg(
            pl.col("control", "treatment").first(),
            pl.len().alias("n_days"),
            pl.col("index", "time").filter(is_tested),
            log_lift=pl.col("rel_lift").filter(is_tested).log1p(),
            se=pl.col("log_lift_se").filter(is_tested),
        )
    )
    reach = -float(special.ndtri(analysis.alpha / 2))
    rows = [
        (*names, *_row(tested, joint, (names[0], *arms), analysis.alpha, reach))
        for names, arms, tested in _contrasts(contrasts)
    ]
    named = [name for name in DAY_EFFECTS.schema.names() if name != "method"]
    frame = pl.DataFrame(rows, schema={n: DAY_EFFECTS.schema[n] for n in named}, orient="row")
    return frame.with_columns(method=pl.lit(METHODS[design.randomisation]))


class _Days(NamedTuple):
    """Days of a contrast that can be tested, and how many there are."""

    n_days: int
    numbers: NDArray[np.int64]
    time: Floats
    log_lift: Floats
    se: Floats


def _contrasts(
    contrasts: pl.DataFrame,
) -> Iterator[tuple[tuple[str, str], tuple[str, str], _Days]]:
    for name, contrast, control, treatment, n_days, index, time, *values in contrasts.iter_rows():
        days = _Days(
            n_days,
            np.array(index, dtype=np.int64),
            *(np.array(value, dtype=np.float64) for value in (time, *values)),
        )
        yield (name, contrast), (control, treatment), days


def _row(
    days: _Days,
    joint: JointDays | None,
    arms: tuple[str, str, str],
    alpha: float,
    reach: float,
) -> tuple[object, ...]:
    used = days.numbers.size
    status, effect = _tested(days, joint, arms)
    counted = (status, used, days.n_days - used)
    if effect is None:
        return (*counted, *(None,) * 8)
    half = reach * effect.slope_se
    trend = "no_trend"
    if effect.slope_p_value < alpha:
        trend = "novelty" if effect.slope < 0 else "learning"
    return (
        *counted,
        effect.wald,
        used - 1,
        effect.p_value,
        effect.slope,
        effect.slope - half,
        effect.slope + half,
        effect.slope_p_value,
        trend,
    )


def _tested(
    days: _Days, joint: JointDays | None, arms: tuple[str, str, str]
) -> tuple[str, DayEffect | None]:
    used = days.numbers.size
    if days.n_days == 1:
        return "one_day", None
    if joint is not None and days.n_days > MOST_LABELS:
        return "no_covariance", None
    if used < 2:
        return "too_few_days", None
    if joint is None:
        effect = day_effect(days.log_lift, np.diag(days.se**2), days.time)
    else:
        experiment, *names = arms
        clicking = [joint.clicking_units(experiment, name) for name in names]
        if min(clicking) < CLICKING_UNITS_PER_DAY * used:
            return "too_few_units", None
        lifts, covariance = joint.log_lifts(*arms)
        own = np.ix_(days.numbers, days.numbers)
        effect = day_effect(lifts[days.numbers], covariance[own], days.time, dof=sum(clicking) - 2)
    return ("ok" if effect else "no_covariance"), effect
