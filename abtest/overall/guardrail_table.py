"""The table of guardrails: one non-inferiority test a metric with a margin, corrected together."""

from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abtest.categories.multiplicity import adjusted_p_values, family_text
from abtest.counting.counts import MOMENTS
from abtest.estimation.binomial import Clicks
from abtest.estimation.clustered import UnitMoments, log_lift
from abtest.overall.config import GuardrailMetric, Overall
from abtest.overall.guardrails import (
    NonInferiority,
    binomial_noninferiority,
    clustered_noninferiority,
    guardrail_state,
)
from caig.contracts.experiments import ALL_CATEGORIES
from caig.contracts.overall import GUARDRAILS

Floats = NDArray[np.float64]

METHODS = {
    "unit": "one-sided Welch t on the log ratio, clustered by unit",
    "impression": "one-sided score test of the ratio; Koopman's bounds",
}


def guardrails(
    cells: pl.DataFrame, config: Overall, *, alpha: float, randomisation: str
) -> pl.DataFrame:
    """Judge every contrast's guardrails.

    Args:
        cells: Estimated cells with ``experiment_id``, ``contrast``, ``category``, ``status`` and
            the moments of both arms; the overall rows are used.
        config: Margins.
        alpha: One-sided level of the tests.
        randomisation: ``unit``, or ``impression``: then only ``ctr`` is judged.

    Returns:
        ``guardrails/1``. Corrected by Holm over an experiment's guardrails and contrasts; the two
        directions are families of their own. Clicks are not tested where the overall cell is not
        ``ok``; the state is then ``inconclusive``.
    """
    overall = cells.filter(pl.col("category") == ALL_CATEGORIES)
    metrics = [m for m in config.guardrails if randomisation == "unit" or m == "ctr"]
    if not metrics or overall.is_empty():
        return GUARDRAILS.empty()
    frames = [
        _judged(overall, metric, config.guardrails[metric], alpha, randomisation)
        for metric in metrics
    ]
    tests = pl.concat(frames).sort("experiment_id", "contrast", "metric")
    return (
        _corrected(tests, alpha)
        .with_columns(method=pl.lit(METHODS[randomisation]))
        .select(GUARDRAILS.schema.names())
    )


def _judged(
    overall: pl.DataFrame, metric: GuardrailMetric, margin: float, alpha: float, randomisation: str
) -> pl.DataFrame:
    sides = [
        {name: overall[f"{name}_{arm}"].to_numpy().astype(np.float64) for name in MOMENTS}
        for arm in ("control", "treatment")
    ]
    if randomisation == "unit":
        control, treatment = (_ratio_moments(side, metric) for side in sides)
        result = clustered_noninferiority(log_lift(control, treatment), margin, alpha)
    else:
        clicks = [Clicks(side["c"], side["n"]) for side in sides]
        result = binomial_noninferiority(clicks[0], clicks[1], margin, alpha)
    is_tested = (overall["status"] == "ok").to_numpy()
    if metric == "impressions_per_unit":
        is_tested = np.ones_like(is_tested)
    return overall.select(
        "experiment_id",
        "contrast",
        metric=pl.lit(metric),
        margin=pl.lit(margin),
        **_columns(result, is_tested),
    )


def _columns(result: NonInferiority, is_tested: NDArray[np.bool_]) -> dict[str, pl.Series]:
    values = {
        "rel_lift": result.rel_lift,
        "rel_lift_bound_lower": result.lower,
        "rel_lift_bound_upper": np.where(np.isfinite(result.upper), result.upper, np.nan),
        "p_value": np.where(is_tested, result.p_noninferior, np.nan),
        "p_inferior": np.where(is_tested, result.p_inferior, np.nan),
    }
    return {name: pl.Series(name, column).fill_nan(None) for name, column in values.items()}


def _ratio_moments(side: dict[str, Floats], metric: GuardrailMetric) -> UnitMoments:
    if metric == "ctr":
        return UnitMoments(*(side[name] for name in UnitMoments._fields))
    total, squares = {"clicks_per_unit": ("c", "cc"), "impressions_per_unit": ("n", "nn")}[metric]
    units = side["units"]
    return UnitMoments(
        units=units, n=units, c=side[total], nn=units, cc=side[squares], nc=side[total]
    )


def _corrected(tests: pl.DataFrame, alpha: float) -> pl.DataFrame:
    """Correct within experiments, whose tests lie next to each other."""
    names = tests["experiment_id"]
    starts = np.flatnonzero((names != names.shift()).fill_null(value=True).to_numpy())
    families = [slice(a, b) for a, b in pairwise([*starts.tolist(), tests.height])]
    safe, harmful = (
        np.concatenate([adjusted_p_values(p[family], "holm") for family in families])
        for p in (
            tests[name].fill_null(float("nan")).to_numpy() for name in ("p_value", "p_inferior")
        )
    )
    known = ~np.isnan(safe)
    texts = [
        text
        for family in families
        for text in [family_text("holm", int(known[family].sum()))] * known[family].size
    ]
    states = [guardrail_state(s, h, alpha) for s, h in zip(safe, harmful, strict=True)]
    return tests.with_columns(
        p_value_adj=pl.Series(safe).fill_nan(None),
        adjustment=pl.Series(texts, dtype=pl.String),
        state=pl.Series(states, dtype=pl.String),
    )
