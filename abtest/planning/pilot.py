"""What is known of the traffic before an experiment: from a pilot's run or sums, or from rates.

Where a unit's readiness to click varies, a category's design effect exceeds 1 in proportion to
the clicks that its traffic brings (variance of readiness times impressions a unit times CTR). A
category with clicks enough has its own; the others get that of their clicks, by least squares
through the origin over the categories that can be measured. How fast design effects grow is read
off the pilot's cumulated days, by least squares weighted by clicks: once overall, and once for all
categories together. Sources of the model: :mod:`abtest.planning.power`.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from scipy import special

from abtest.counting.counts import MOMENTS, cumulative_moments, total_moments
from abtest.counting.sums import Sums
from abtest.estimation.clustered import UnitMoments, ctr, ctr_variance
from abtest.planning.config import Randomisation, Rates
from caig.contracts.experiments import ALL_CATEGORIES
from caig.errors import DataError
from caig.runs.store import Run

OWN_CLICKS = 2000
"""Clicks of both arms from which a category's own design effect is planned with."""
MEASURED_CLICKS = 100
"""Clicks from which it helps to tell the others'."""
GROWTH_UNKNOWN = (
    "The pilot does not tell how the design effect grows with days; the same units are taken to "
    "come back every day, which asks for the longest plan."
)
HEALTH_FAILED = (
    "A health check of the pilot failed: its figures may not be those of the traffic to come."
)
CELLS = pl.Schema(
    {
        "category": pl.String,
        "ctr": pl.Float64,
        "impressions_per_day": pl.Float64,
        "design_effect": pl.Float64,
        "design_effect_source": pl.String,
        "returning": pl.Float64,
    }
)


@dataclass(frozen=True)
class Pilot:
    """Traffic of every category and of all together.

    Attributes:
        cells: Columns of :data:`CELLS`, one row a category, ``__all__`` last. ``ctr`` is control's,
            null without a click; ``design_effect`` is null where impressions are randomised.
        measured_days: Days behind the design effects.
        n_categories: Categories; stated ones are equal and share one row.
        is_observed: False if stated as rates.
        randomisation: What is randomised.
        notes: What a reader must know about it, as sentences.
    """

    cells: pl.DataFrame
    measured_days: int
    n_categories: int
    is_observed: bool
    randomisation: Randomisation
    notes: tuple[str, ...] = ()


def pilot_of_rates(rates: Rates, randomisation: Randomisation) -> Pilot:
    """Traffic as stated; categories have equal traffic.

    Raises:
        DataError: CTR or impressions are not stated.
    """
    if rates.ctr is None or rates.impressions_per_day is None:
        raise DataError(
            "name a pilot (a run of caig lift, or a log), or state "
            "--set rates.ctr=... --set rates.impressions_per_day=..."
        )
    k = rates.n_categories
    rows = 2 if k else 1
    within = rates.category_design_effect or 1 + (rates.design_effect - 1) / max(k, 1)
    is_unit = randomisation == "unit"
    effects = [within, rates.design_effect][-rows:] if is_unit else [None] * rows
    cells = pl.DataFrame(
        {
            "category": [f"each of {k} equal ones", ALL_CATEGORIES][-rows:],
            "ctr": [rates.ctr] * rows,
            "impressions_per_day": [
                rates.impressions_per_day / max(k, 1),
                rates.impressions_per_day,
            ][-rows:],
            "design_effect": effects,
            "design_effect_source": ["stated" if is_unit else "none"] * rows,
            "returning": [rates.returning if is_unit else 0.0] * rows,
        },
        schema=CELLS,
    )
    return Pilot(
        cells,
        rates.measured_days,
        n_categories=k,
        is_observed=False,
        randomisation=randomisation,
    )


def pilot_of_run(run: Run) -> Pilot:
    """Traffic of an analysed experiment.

    Args:
        run: A run of ``caig lift``.

    Raises:
        DataError: It holds several experiments, names no days, or is too small.
    """
    table, daily, arms = (run.table(name) for name in ("lift_table", "lift_daily", "arm_summary"))
    _refuse_several(table["experiment_id"], str(run.path))
    first, last = arms.select(pl.col("first_day").min(), pl.col("last_day").max()).row(0)
    days = _days(first, last, str(run.path))
    randomisation: Randomisation = "impression" if arms["n_units"].is_null().all() else "unit"
    treatment = pl.col("impressions_treatment").sum()
    totals = table.group_by("category").agg(
        ctr=pl.when(pl.col("clicks_control").first() > 0).then(pl.col("control_ctr").first()),
        n=pl.col("impressions_control").first() + treatment,
        # Zero-click cells have none: a mean over the contrasts that do.
        design_effect=pl.col("design_effect").mean(),
        clicks=pl.col("clicks_control").first() + pl.col("clicks_treatment").sum(),
    )
    by_day = daily.with_columns(
        se=(pl.col("rel_lift_ci_upper").log1p() - pl.col("rel_lift_ci_lower").log1p())
        / (2 * float(special.ndtri(1 - table["alpha"][0] / 2))),
        binomial=_binomial_variance("control") + _binomial_variance("treatment"),
        clicks=pl.col("cum_clicks_control") + pl.col("cum_clicks_treatment"),
        design_effect=pl.lit(None, dtype=pl.Float64),
    ).with_columns(design_effect=pl.col("se") ** 2 / pl.col("binomial"))
    notes = (HEALTH_FAILED,) if (table["verdict"] == "withheld").any() else ()
    return _pilot(totals, by_day, days=days, randomisation=randomisation, notes=notes)


def pilot_of_sums(sums: Sums, *, control: str, randomisation: Randomisation, source: str) -> Pilot:
    """Traffic of a log, arms pooled; one arm is enough.

    Args:
        sums: Sums of the log.
        control: Arm whose CTR is the base; all arms' where there is none of that name.
        randomisation: What is randomised.
        source: The log, for messages.

    Raises:
        DataError: It holds several experiments, names no days, or is too small.
    """
    daily = sums.daily
    _refuse_several(daily["experiment_id"], source)
    first, last = daily.select(first=pl.col("day").min(), last=pl.col("day").max()).row(0)
    days = _days(first, last, source)
    is_control = pl.col("arm") == control
    base = daily.filter(is_control) if daily.filter(is_control).height else daily
    rates = base.group_by("category").agg(pl.col("n", "c").sum())
    rates = rates.select("category", ctr=pl.when(pl.col("c") > 0).then(pl.col("c") / pl.col("n")))
    pooled = total_moments(daily).group_by("category").agg(pl.col(MOMENTS).sum())
    totals = _with_design_effect(pooled).join(rates, on="category", how="left")
    cumulated = cumulative_moments(daily).group_by("category", "day").agg(pl.col(MOMENTS).sum())
    by_day = _with_design_effect(cumulated)
    return _pilot(totals, by_day, days=days, randomisation=randomisation)


def _pilot(
    totals: pl.DataFrame,
    by_day: pl.DataFrame,
    *,
    days: int,
    randomisation: Randomisation,
    notes: tuple[str, ...] = (),
) -> Pilot:
    is_overall = pl.col("category") == ALL_CATEGORIES
    totals = totals.with_columns(impressions_per_day=pl.col("n") / days).sort(
        is_overall, -pl.col("n"), "category"
    )
    if randomisation == "impression":
        cells = totals.with_columns(
            design_effect=pl.lit(None, dtype=pl.Float64),
            design_effect_source=pl.lit("none"),
            returning=pl.lit(0.0),
        )
    else:
        cells = _with_sources(totals)
        own = cells.filter(is_overall | (pl.col("design_effect_source") == "own"))
        dated = by_day.select(
            "category",
            "clicks",
            effect_so_far="design_effect",
            days=(pl.col("day") - by_day["day"].min()).dt.total_days() + 1,
        ).join(own.select("category", "design_effect"), on="category")
        overall = _returning(dated.filter(is_overall), days)
        within = _returning(dated.filter(~is_overall), days)
        if overall is None:
            notes += (GROWTH_UNKNOWN,)
        overall = 1.0 if overall is None else overall
        within = overall if within is None else within
        cells = cells.with_columns(
            returning=pl.when(is_overall).then(pl.lit(overall)).otherwise(pl.lit(within))
        )
    return Pilot(
        cells.select(CELLS.names()),
        days,
        n_categories=cells.height - 1,
        is_observed=True,
        randomisation=randomisation,
        notes=notes,
    )


def _with_sources(totals: pl.DataFrame) -> pl.DataFrame:
    is_overall = pl.col("category") == ALL_CATEGORIES
    known = pl.col("design_effect").is_not_null()
    overall = totals.filter(is_overall & known)
    if overall.is_empty():
        raise DataError(
            "the pilot is too small: no design effect can be measured; state rates instead"
        )
    measured = totals.filter(known & ~is_overall & (pl.col("clicks") >= MEASURED_CLICKS))
    told = measured if measured.height else overall
    excess, clicks = told["design_effect"].to_numpy() - 1, told["clicks"].to_numpy()
    # The sampling variance of the excess is 2 * excess / clicks: the same in all, by the model.
    per_click = max(float(excess @ clicks / (clicks @ clicks)), 0.0)
    is_own = known & (is_overall | (pl.col("clicks") >= OWN_CLICKS))
    return totals.with_columns(
        design_effect=pl.when(is_own)
        .then("design_effect")
        .otherwise(1 + per_click * pl.col("clicks")),
        design_effect_source=pl.when(is_own).then(pl.lit("own")).otherwise(pl.lit("pooled")),
    )


def _returning(dated: pl.DataFrame, measured_days: int) -> float | None:
    """Share of the excess over 1 that grows with days; None where one day or no excess is known."""
    known = dated.filter(
        pl.col("effect_so_far").is_finite()
        & (pl.col("design_effect") > 1)
        & (pl.col("days") < measured_days)
    )
    excess = known["design_effect"].to_numpy() - 1
    slope = excess * (known["days"].to_numpy() / measured_days - 1)
    weights = known["clicks"].to_numpy()
    scale = float(weights @ slope**2)
    if scale <= 0:
        return None
    change = known["effect_so_far"].to_numpy() - 1 - excess
    return float(np.clip((weights * slope) @ change / scale, 0, 1))


def _with_design_effect(moments: pl.DataFrame) -> pl.DataFrame:
    """Clustered over binomial variance of CTR; null where either is 0 or unknown."""
    arm = UnitMoments(*(moments[name].cast(pl.Float64).to_numpy() for name in UnitMoments._fields))
    rate = ctr(arm)
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = ctr_variance(arm) / (rate * (1 - rate) / arm.n)
    known = np.where(np.isfinite(effect) & (effect > 0), effect, np.nan)
    return moments.with_columns(
        clicks=pl.col("c"), design_effect=pl.Series(known, dtype=pl.Float64).fill_nan(None)
    )


def _binomial_variance(arm: str) -> pl.Expr:
    """Of the log of an arm's cumulated CTR."""
    return 1 / pl.col(f"cum_clicks_{arm}") - 1 / pl.col(f"cum_impressions_{arm}")


def _days(first: date | None, last: date | None, source: str) -> int:
    if first is None or last is None:
        raise _no_days(source)
    return (last - first).days + 1


def _no_days(source: str) -> DataError:
    return DataError(f"{source}: a pilot must name its days (columns.day), or state rates instead")


def _refuse_several(experiments: pl.Series, source: str) -> None:
    if experiments.n_unique() > 1:
        raise DataError(
            f"{source}: holds {experiments.n_unique():,} experiments; a plan needs the pilot of one"
        )
