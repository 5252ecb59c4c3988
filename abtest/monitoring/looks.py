"""Every day as a look: what may be concluded at it, planned or not.

A planned look has a group-sequential boundary and the repeated confidence interval that belongs to
it (Jennison, Turnbull 2000, chapter 9): valid at every planned look, whether or not the experiment
stopped at an earlier one. A look that was not planned has neither; like every look it has the
limits and the p-value that are valid however often one looks.

The information fraction of a look is the share of the *planned days* that is over at its end. It
is fixed by the calendar before the first impression (Lan, DeMets 1989, calendar time). The
fraction that standard errors suggest, ``se_final^2 / se_k^2``, is unknown until the end, and a
fraction taken from the data would let the data choose how much alpha to spend. Where information
comes earlier than the calendar says, as where the same units return, looks are more alike than
assumed and the boundaries err a little less than alpha; where it comes later, a little more. A
planned look that the log lacks, or whose cell cannot be tested, loses the alpha it had; no other
look gets it.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from abtest.config import Analysis, Design
from abtest.estimation import clustered
from abtest.estimation.clustered import UnitMoments
from abtest.monitoring.config import Monitoring
from abtest.monitoring.group_sequential import Spending, nominal_alpha, spending_boundaries
from abtest.monitoring.mixture_test import always_valid_p_value, log_likelihood_ratio
from abtest.monitoring.sequential import anytime_half_width, se_that_finds, tuned_mixture
from caig.contracts.looks import LOOKS

Floats = NDArray[np.float64]

SPENDING_NAMES = {"obf": "O'Brien-Fleming-type", "pocock": "Pocock-type", "power": "power family"}
ANYTIME_ONLY = "always-valid limits and mSPRT"
SMALLEST_P = 1e-300
"""As a normal quantile 37.0: the largest |z| that is told."""


class PlannedLook(NamedTuple):
    """A look of a plan.

    Attributes:
        day: At whose end it is.
        fraction: Share of the planned days that is over then.
        boundary: Of |z|; infinite where nothing measurable may be spent.
    """

    day: date
    fraction: float
    boundary: float


def planned_looks(monitoring: Monitoring, first_day: date, *, alpha: float) -> list[PlannedLook]:
    """Looks planned for an experiment, with their boundaries.

    Args:
        monitoring: The plan.
        first_day: First day of the experiment's log; a planned first day goes before it.
        alpha: Two-sided level over all looks together.

    Returns:
        Looks in order of time, the last at the end of the planned days; none without a plan, or if
        it ends before the first day.
    """
    first = monitoring.planned_first_day or first_day
    last = _last_day(monitoring)
    if monitoring.planned_looks is None or last is None or last < first:
        return []
    n_days = (last - first).days + 1
    if isinstance(monitoring.planned_looks, int):
        # Whole days: the k-th of K looks is at the end of the day in which k / K is reached.
        count = min(monitoring.planned_looks, n_days)
        ordinals = [-(-k * n_days // count) for k in range(1, count + 1)]
    else:
        listed = {(day - first).days + 1 for day in (*monitoring.planned_looks, last)}
        ordinals = sorted(ordinal for ordinal in listed if ordinal > 0)
    boundaries = _boundaries(
        tuple(ordinal / n_days for ordinal in ordinals),
        alpha,
        monitoring.spending,
        monitoring.power_phi,
    )
    return [
        PlannedLook(first + timedelta(days=ordinal - 1), ordinal / n_days, boundary)
        for ordinal, boundary in zip(ordinals, boundaries, strict=True)
    ]


def looks(
    cells: pl.DataFrame, *, design: Design, analysis: Analysis, monitoring: Monitoring
) -> pl.DataFrame:
    """Every day of every cell as a look.

    Args:
        cells: Cells cumulated to each day, as :func:`abtest.estimation.cells.estimate_cells` gives
            them: ``experiment_id, contrast, category, day``, the moments of both arms, ``status``,
            ``rel_lift`` and ``log_lift_se``.
        design: How traffic was split.
        analysis: Level, and the lift at which the always-valid limits are tightest.
        monitoring: The plan.

    Returns:
        ``looks/1``, in the order of its key.
    """
    if cells.is_empty():
        return LOOKS.empty()
    plan = _plan_by_day(cells, monitoring, analysis.alpha)
    by_look = cells.join(plan, on=["experiment_id", "day"], how="left")
    columns = _figures(by_look, design, analysis)
    spending = SPENDING_NAMES[monitoring.spending]
    if monitoring.spending == "power":
        spending += f" (phi {monitoring.power_phi:g})"
    with_boundary = f"{spending} spending by calendar (Lan-DeMets); {ANYTIME_ONLY}"
    return (
        by_look.with_columns(
            pl.Series(name, np.where(np.isfinite(values), values, np.nan)).fill_nan(None)
            for name, values in columns.items()
        )
        .with_columns(
            # Where nothing may be spent yet the boundary is infinite, and nothing crosses it.
            boundary=pl.when(pl.col("boundary").is_finite()).then("boundary"),
            crossed=pl.when(pl.col("z").is_not_null()).then(pl.col("z").abs() > pl.col("boundary")),
            method=pl.when(pl.col("boundary").is_not_null())
            .then(pl.lit(with_boundary))
            .otherwise(pl.lit(ANYTIME_ONLY)),
        )
        .select(LOOKS.schema.names())
        .sort(LOOKS.key)
    )


def _last_day(monitoring: Monitoring) -> date | None:
    if monitoring.planned_last_day or not isinstance(monitoring.planned_looks, tuple):
        return monitoring.planned_last_day
    return monitoring.planned_looks[-1]


@lru_cache(maxsize=1024)
def _boundaries(
    fractions: tuple[float, ...], alpha: float, spending: Spending, phi: float
) -> tuple[float, ...]:
    found = spending_boundaries(fractions, alpha, spending=spending, phi=phi)
    return tuple(float(boundary) for boundary in found)


def _plan_by_day(cells: pl.DataFrame, monitoring: Monitoring, alpha: float) -> pl.DataFrame:
    """For every day of every experiment its number, whether it was planned, and its boundary."""
    days = (
        cells.select("experiment_id", "day")
        .unique()
        .with_columns(
            first_day=pl.col("day").min().over("experiment_id"),
            look=pl.col("day").rank("dense").over("experiment_id").cast(pl.Int64),
        )
    )
    if monitoring.planned_looks is None:
        unknown = pl.lit(None, dtype=pl.Float64)
        is_last = pl.col("day") == pl.col("day").max().over("experiment_id")
        return days.with_columns(
            planned=is_last, information_fraction=unknown, boundary=unknown
        ).drop("first_day")
    plan = pl.DataFrame(
        list(_rows(days["first_day"].unique().to_list(), monitoring, alpha)),
        schema={"first_day": pl.Date, "day": pl.Date, "boundary": pl.Float64},
        orient="row",
    )
    first = (
        pl.col("first_day")
        if monitoring.planned_first_day is None
        else pl.lit(monitoring.planned_first_day)
    )
    last = pl.lit(_last_day(monitoring))
    over = (pl.col("day") - first).dt.total_days() + 1
    fraction = over / ((last - first).dt.total_days() + 1)
    return (
        days.join(plan, on=["first_day", "day"], how="left")
        .with_columns(
            planned=pl.col("boundary").is_not_null(),
            information_fraction=pl.when(pl.col("day").is_between(first, last)).then(fraction),
        )
        .drop("first_day")
    )


def _rows(
    first_days: list[date], monitoring: Monitoring, alpha: float
) -> Iterator[tuple[date, date, float]]:
    for first_day in first_days:
        for look in planned_looks(monitoring, first_day, alpha=alpha):
            yield first_day, look.day, look.boundary


def _figures(cells: pl.DataFrame, design: Design, analysis: Analysis) -> dict[str, Floats]:
    """z, nominal alpha and limits; NaN or infinite where there are none."""
    rel_lift, se, boundary = (
        cells[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
        for name in ("rel_lift", "log_lift_se", "boundary")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        log_lift = np.where(np.isfinite(se), np.log1p(rel_lift), np.nan)
        nominal = nominal_alpha(boundary)
        if design.randomisation == "unit":
            dof = _degrees_of_freedom(cells)
            p = 2 * special.stdtr(dof, -np.abs(log_lift / se))
            z = -np.sign(log_lift) * special.ndtri(np.maximum(p, SMALLEST_P) / 2)
            # At a probability of 0 stdtrit is infinite, with the sign of the other tail.
            reach = np.abs(special.stdtrit(dof, nominal / 2))
        else:
            z, reach = log_lift / se, boundary
    mixture = tuned_mixture(analysis.alpha, se_that_finds(analysis.anytime_lift, analysis.alpha))
    anytime = anytime_half_width(se, analysis.alpha, mixture)
    p_anytime = always_valid_p_value(log_likelihood_ratio(log_lift, se, mixture=mixture))
    with np.errstate(over="ignore"):  # an upper limit beyond all numbers is unbounded
        return {
            "z": z,
            "nominal_alpha": nominal,
            "rel_lift_ci_lower": np.expm1(log_lift - reach * se),
            "rel_lift_ci_upper": np.expm1(log_lift + reach * se),
            "rel_lift_anytime_lower": np.expm1(log_lift - anytime),
            "rel_lift_anytime_upper": np.expm1(log_lift + anytime),
            "p_value_anytime": p_anytime,
        }


def _degrees_of_freedom(cells: pl.DataFrame) -> Floats:
    """Welch's, by which few units widen a boundary as they widen a fixed interval."""
    control, treatment = (
        UnitMoments(
            *(cells[f"{name}_{arm}"].to_numpy().astype(np.float64) for name in UnitMoments._fields)
        )
        for arm in ("control", "treatment")
    )
    return clustered.log_lift(control, treatment).dof
