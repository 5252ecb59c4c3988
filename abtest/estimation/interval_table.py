"""The table of every interval by every method, so that none has to be taken on trust.

The lift table has one interval a cell; this one shows what the other methods would have said. The
declared design chooses which methods are valid: single impressions (Koopman, Katz, Fieller,
additive delta, Miettinen-Nurminen, Mee, Newcombe, Wald and, for small cells, the exact ones) or
units (delta method on log lift, Fieller, additive, and score intervals on effective counts). Exact
tests are never made where units were randomised: they take impressions for independent.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from abtest.config import Design
from abtest.counting.counts import MOMENTS
from abtest.estimation import binomial, clustered, small_clusters
from abtest.estimation.binomial import Clicks
from abtest.estimation.clustered import Estimate, UnitMoments
from abtest.estimation.config import Intervals
from abtest.estimation.exact import fisher_interval
from abtest.estimation.fieller import clustered_fieller_interval, fieller_interval
from abtest.estimation.proportion_intervals import (
    Inference,
    additive_delta_interval,
    interval_state,
    katz_interval,
    newcombe_interval,
    wald_interval,
)
from abtest.estimation.unconditional import unconditional_interval
from caig.contracts.experiments import ALL_CATEGORIES
from caig.contracts.intervals import INTERVAL_METHODS, LIFT_INTERVALS

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
QUANTITY_OF = {name: quantity for quantity, names in INTERVAL_METHODS.items() for name in names}
KEY = ("experiment_id", "contrast", "category")


def interval_table(
    pairs: pl.DataFrame, design: Design, *, alpha: float, intervals: Intervals
) -> pl.DataFrame:
    """Every interval of every cell.

    Args:
        pairs: One row a cell: ``experiment_id``, ``contrast``, ``category`` and the moments of both
            arms, as :func:`abtest.estimation.cells.estimate_cells` takes them. With randomised
            units, score intervals need the overall row of the contrast, which lends its
            intraclass correlation.
        design: Which methods are valid.
        alpha: 1 - confidence.
        intervals: For which cells exact methods are made.

    Returns:
        ``lift_intervals/1``, sorted by its key. Exact methods have rows only for the cells they are
        made for.
    """
    if design.randomisation == "unit":
        made = _of_units(pairs, alpha)
    else:
        made = _of_impressions(pairs, alpha, intervals)
    parts = [_part(pairs, method, inference, rows) for method, inference, rows in made]
    order = pl.col("category") == ALL_CATEGORIES
    return (
        pl.concat(parts)
        .with_columns(alpha=pl.lit(alpha))
        .sort("experiment_id", "contrast", order, "category", "quantity", "method")
        .select(LIFT_INTERVALS.schema.names())
    )


def _of_impressions(
    pairs: pl.DataFrame, alpha: float, intervals: Intervals
) -> Iterator[tuple[str, Inference, Rows]]:
    control, treatment = (
        Clicks(_floats(pairs, f"c_{arm}"), _floats(pairs, f"n_{arm}"))
        for arm in ("control", "treatment")
    )
    every = np.arange(pairs.height)
    pooled = binomial.two_sided_p(binomial.pooled_z(control, treatment))
    for method, interval, p_value in (
        ("koopman", binomial.koopman_interval, pooled),
        ("mee", binomial.mee_interval, pooled),
        (
            "miettinen_nurminen",
            binomial.miettinen_nurminen_interval,
            binomial.two_sided_p(binomial.miettinen_nurminen_z(control, treatment)),
        ),
    ):
        yield method, _tested(interval(control, treatment, alpha), p_value), every
    for method, inference in (
        ("katz", katz_interval),
        ("fieller", fieller_interval),
        ("additive_delta", additive_delta_interval),
        ("newcombe", newcombe_interval),
        ("wald", wald_interval),
    ):
        yield method, inference(control, treatment, alpha), every

    clicks, larger = control.c + treatment.c, np.maximum(control.n, treatment.n)
    few = (clicks > 0) & (np.minimum(control.n, treatment.n) > 0)
    few &= clicks <= intervals.exact_max_clicks
    rows = _fewest(clicks, few, intervals.exact_max_cells)
    small = _at(control, rows), _at(treatment, rows)
    yield "fisher", fisher_interval(*small, alpha), rows
    yield "fisher_mid_p", fisher_interval(*small, alpha, mid_p=True), rows

    few &= larger <= intervals.unconditional_max_impressions
    rows = _fewest(clicks, few, intervals.unconditional_max_cells)
    small = _at(control, rows), _at(treatment, rows)
    yield "barnard", unconditional_interval(*small, alpha, "rel_lift"), rows
    yield "boschloo", unconditional_interval(*small, alpha, "odds_ratio"), rows


def _of_units(pairs: pl.DataFrame, alpha: float) -> Iterator[tuple[str, Inference, Rows]]:
    every = np.arange(pairs.height)
    control, treatment = _unit_moments(pairs, "control"), _unit_moments(pairs, "treatment")
    lift = clustered.log_lift(control, treatment)
    on_log = clustered.lift_interval(lift, alpha)
    yield "clustered_log_delta", _tested(on_log, clustered.lift_p_value(lift)), every

    with np.errstate(invalid="ignore"):
        se = (1 + on_log.value) * lift.se
        half = special.stdtrit(lift.dof, 1 - alpha / 2) * se
        p_value = 2 * special.stdtr(lift.dof, -np.abs(on_log.value) / se)
    additive = Estimate(on_log.value, on_log.value - half, on_log.value + half)
    yield "clustered_additive_delta", _tested(additive, p_value), every

    fieller = clustered_fieller_interval(control, treatment, alpha)
    yield "clustered_fieller", fieller, every
    # Fieller's test of no lift is Welch's t of the difference.
    difference = clustered.ctr_difference(control, treatment, alpha)
    yield "clustered_delta", _tested(difference, fieller.p_value), every

    correlation = _correlation_of_overall_row(pairs)
    effects = (
        small_clusters.design_effect(control, correlation),
        small_clusters.design_effect(treatment, correlation),
    )
    for method, score in (
        ("clustered_koopman", small_clusters.clustered_score_lift),
        ("clustered_miettinen_nurminen", small_clusters.clustered_score_difference),
    ):
        yield method, score(control, treatment, alpha, design_effects=effects), every


def _correlation_of_overall_row(pairs: pl.DataFrame) -> Floats:
    """Intraclass correlation of each cell's contrast; NaN where it has no overall row."""
    overall = pairs.filter(pl.col("category") == ALL_CATEGORIES)
    correlation = small_clusters.intraclass_correlation(
        _unit_moments(overall, "control"), _unit_moments(overall, "treatment")
    )
    lent = overall.select("experiment_id", "contrast", correlation=pl.Series(correlation))
    joined = pairs.select("experiment_id", "contrast").join(
        lent, on=["experiment_id", "contrast"], how="left", maintain_order="left"
    )
    return joined["correlation"].fill_null(float("nan")).to_numpy()


def _part(pairs: pl.DataFrame, method: str, inference: Inference, rows: Rows) -> pl.DataFrame:
    """Rows of one method; a limit that is infinite, or an interval without width, is none."""
    flat = inference.lower >= inference.upper
    lower, upper = (np.where(flat, np.nan, limit) for limit in (inference.lower, inference.upper))
    state = interval_state(lower, upper)
    is_known = state != "undefined"
    columns = {
        "estimate": inference.value,
        "ci_lower": np.where(is_known, lower, np.nan),
        "ci_upper": np.where(is_known, upper, np.nan),
        "p_value": np.where(is_known, inference.p_value, np.nan),
    }
    cells = pairs.select(*KEY, pl.col("n_control", "n_treatment").cast(pl.Int64))[rows]
    return cells.with_columns(
        *(
            pl.Series(name, np.where(np.isfinite(values), values, np.nan), pl.Float64).fill_nan(
                None
            )
            for name, values in columns.items()
        ),
        pl.Series("state", state.tolist(), pl.String),
        quantity=pl.lit(QUANTITY_OF[method]),
        method=pl.lit(method),
    )


def _tested(interval: Estimate, p_value: Floats) -> Inference:
    return Inference(*interval, p_value)


def _fewest(clicks: Floats, eligible: NDArray[np.bool_], most: int) -> Rows:
    rows = np.flatnonzero(eligible)
    return np.sort(rows[np.argsort(clicks[rows], kind="stable")[:most]])


def _at(arm: Clicks, rows: Rows) -> Clicks:
    return Clicks(arm.c[rows], arm.n[rows])


def _unit_moments(pairs: pl.DataFrame, arm: str) -> UnitMoments:
    moments = {name: _floats(pairs, f"{name}_{arm}") for name in MOMENTS}
    return UnitMoments(*(moments[name] for name in UnitMoments._fields))


def _floats(pairs: pl.DataFrame, name: str) -> Floats:
    return pairs[name].cast(pl.Float64).to_numpy()
