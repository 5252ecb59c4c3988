"""Tables of overall lifts: the pooled one beside those at one category mix, and the mix shift.

An overall lift is never inferred from categories' wins; every estimator stands in a row of its own,
so that a reader sees when they differ, and :func:`mix_shift` says why.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abtest.counting.sums import Sums
from abtest.estimation.clustered import LogLift, lift_interval, lift_p_value
from abtest.estimation.joint import JointMoments, category_moments
from abtest.overall import mix_shift as mix
from abtest.overall.config import Overall
from abtest.overall.mantel_haenszel import (
    Strata,
    breslow_day,
    clustered_ratio,
    cochran_mantel_haenszel,
    common_ratio,
    woolf,
)
from abtest.overall.stratified import (
    post_stratified,
    post_stratified_binomial,
    usable_strata,
)
from caig.contracts.experiments import ALL_CATEGORIES
from caig.contracts.overall import MIX_SHIFT, OVERALL_LIFTS, STRATIFIED_TESTS

Floats = NDArray[np.float64]

METHODS = {
    ("post_stratified", True): "delta method with categories' covariance, clustered by unit, t; "
    "weights fixed",
    ("post_stratified", False): "delta method, binomial, normal; weights fixed",
    ("mantel_haenszel", True): "linearised ratio, clustered by unit, t",
    ("mantel_haenszel", False): "Greenland-Robins, normal",
}


class _Contrast(NamedTuple):
    """One contrast by category; with products of categories where ``is_joint``."""

    experiment: str
    name: str
    categories: list[str]
    control: JointMoments
    treatment: JointMoments
    units: tuple[float, float]
    is_joint: bool

    @property
    def counts(self) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
        return (self.control.c, self.control.n), (self.treatment.c, self.treatment.n)


def overall_lifts(
    sums: Sums,
    cells: pl.DataFrame,
    *,
    alpha: float,
    randomisation: str,
    adjusted: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Every estimate of the overall lift of every contrast.

    Args:
        sums: Sums of the log.
        cells: Estimated cells (:func:`abtest.estimation.cells.estimate_cells`) with
            ``experiment_id``, ``contrast``, ``control``, ``treatment`` and ``category``.
        alpha: 1 - confidence.
        randomisation: ``unit`` or ``impression``; chooses the variances.
        adjusted: ``adjusted_lifts/1``, for the rows of ``cuped``; None without a pre-period.

    Returns:
        ``overall_lifts/1``. Post-stratified and Mantel-Haenszel rows exist where the log names
        categories (and, for units, ``sums`` hold products of two categories); their p-values are
        null where the overall cell is not ``ok``.
    """
    overall = cells.filter(pl.col("category") == ALL_CATEGORIES)
    parts = [_pooled(overall)]
    by_unit = randomisation == "unit"
    rows = [
        row
        for contrast in _contrasts(sums, cells, by_unit=by_unit)
        if contrast.is_joint == by_unit
        for row in _stratified(contrast, alpha)
    ]
    if rows:
        parts.append(_compared_with_pooled(pl.DataFrame(rows, infer_schema_length=None), overall))
    if adjusted is not None:
        parts.append(_cuped(adjusted.filter(pl.col("category") == ALL_CATEGORIES)))
    order = pl.col("estimator").cast(
        pl.Enum(["pooled", "post_stratified", "mantel_haenszel", "cuped"])
    )
    return pl.concat(parts).sort("experiment_id", "contrast", order)


def mix_shift(
    sums: Sums, cells: pl.DataFrame, config: Overall, *, alpha: float, randomisation: str
) -> pl.DataFrame:
    """Decomposition of every contrast's pooled lift.

    Args:
        sums: As for :func:`overall_lifts`.
        cells: As for :func:`overall_lifts`.
        config: What is material.
        alpha: Level at which a mix part is believed.
        randomisation: ``unit`` or ``impression``.

    Returns:
        ``mix_shift/1``; empty where the log names no category.
    """
    by_unit = randomisation == "unit"
    frames = [
        _mix_rows(contrast, config, alpha, by_unit=by_unit)
        for contrast in _contrasts(sums, cells, by_unit=by_unit)
    ]
    if not frames:
        return MIX_SHIFT.empty()
    floats = ("control_share", "treatment_share", "within_part", "mix_part", "p_value")
    together = pl.concat(frames).with_columns(pl.col(floats).fill_nan(None))
    is_whole = pl.col("category") == ALL_CATEGORIES
    return together.sort("experiment_id", "contrast", is_whole, "category")


def stratified_tests(sums: Sums, cells: pl.DataFrame, *, randomisation: str) -> pl.DataFrame:
    """Tests over categories that take impressions as independent.

    Args:
        sums: As for :func:`overall_lifts`.
        cells: As for :func:`overall_lifts`.
        randomisation: ``unit`` or ``impression``.

    Returns:
        ``stratified_tests/1``; empty where units were randomised, for these tests would then err
        more often than they say, and where the log names no category.
    """
    if randomisation == "unit":
        return STRATIFIED_TESTS.empty()
    rows = []
    for contrast in _contrasts(sums, cells, by_unit=False):
        control, treatment = contrast.counts
        strata = Strata(*control, *treatment)
        tests = {
            "cochran_mantel_haenszel": cochran_mantel_haenszel(strata, correction=0),
            "cochran_mantel_haenszel_corrected": cochran_mantel_haenszel(strata),
            "breslow_day": breslow_day(strata, tarone=False),
            "breslow_day_tarone": breslow_day(strata),
            "woolf": woolf(strata),
        }
        key = (contrast.experiment, contrast.name)
        rows += [(*key, name, *test) for name, test in tests.items()]
    table = pl.DataFrame(rows, schema=STRATIFIED_TESTS.schema, orient="row")
    return table.with_columns(pl.col("statistic", "p_value").fill_nan(None))


def _contrasts(sums: Sums, cells: pl.DataFrame, *, by_unit: bool) -> Iterator[_Contrast]:
    key = ["experiment_id", "contrast"]
    overall = cells.filter(pl.col("category") == ALL_CATEGORIES)
    named = cells.filter(pl.col("category") != ALL_CATEGORIES).sort("category")
    if named.is_empty():
        return
    units = {
        (experiment, name): (float(control), float(treatment))
        for experiment, name, control, treatment in overall.select(
            *key, "units_control", "units_treatment"
        ).iter_rows()
    }
    joint = set(sums.by_category["experiment_id"].unique()) if by_unit else set()
    for group in named.partition_by(*key, maintain_order=True):
        experiment, name, control, treatment = group.select(*key, "control", "treatment").row(0)
        categories = group["category"].to_list()
        is_joint = experiment in joint
        if is_joint:
            arms = [category_moments(sums, experiment, a, categories) for a in (control, treatment)]
        else:
            arms = [_without_units(group, arm) for arm in ("control", "treatment")]
        yield _Contrast(
            experiment, name, categories, arms[0], arms[1], units[experiment, name], is_joint
        )


def _without_units(group: pl.DataFrame, arm: str) -> JointMoments:
    n, c = (group[f"{name}_{arm}"].to_numpy().astype(np.float64) for name in ("n", "c"))
    none = np.zeros((0, 0))
    return JointMoments(np.zeros(0), n, c, none, none, none)


def _stratified(contrast: _Contrast, alpha: float) -> list[dict[str, object]]:
    control, treatment = contrast.counts
    common = np.minimum(control[1], treatment[1]) > 0
    if contrast.is_joint:
        arms = contrast.control, contrast.treatment
        by_weights = post_stratified(*arms, units=contrast.units)
        by_ratio = clustered_ratio(*arms, units=contrast.units)
        used = int(usable_strata(*arms).sum())
    else:
        by_weights = post_stratified_binomial(control, treatment)
        by_ratio = common_ratio(Strata(*control, *treatment))
        used = int(common.sum())
    return [
        _row(contrast, "post_stratified", by_weights, alpha, used),
        _row(contrast, "mantel_haenszel", by_ratio, alpha, int(common.sum())),
    ]


def _row(
    contrast: _Contrast, estimator: str, lift: LogLift, alpha: float, used: int
) -> dict[str, object]:
    interval = lift_interval(lift, alpha)
    return {
        "experiment_id": contrast.experiment,
        "contrast": contrast.name,
        "estimator": estimator,
        "rel_lift": float(interval.value),
        "rel_lift_ci_lower": float(interval.lower),
        "rel_lift_ci_upper": float(interval.upper),
        "p_value": float(lift_p_value(lift)),
        "n_categories": used,
        "log_lift_se": float(lift.se),
        "method": METHODS[estimator, contrast.is_joint],
    }


def _pooled(overall: pl.DataFrame) -> pl.DataFrame:
    return overall.with_columns(
        estimator=pl.lit("pooled"),
        n_categories=pl.lit(None, dtype=pl.Int64),
        variance_ratio=pl.when(pl.col("log_lift_se").is_not_null()).then(1.0),
        method=pl.lit("as in lift_table"),
    ).select(OVERALL_LIFTS.schema.names())


def _compared_with_pooled(rows: pl.DataFrame, overall: pl.DataFrame) -> pl.DataFrame:
    key = ["experiment_id", "contrast"]
    pooled = overall.select(*key, "status", pooled_se="log_lift_se")
    floats = [name for name, dtype in rows.schema.items() if dtype == pl.Float64]
    return (
        rows.with_columns(pl.col(floats).fill_nan(None))
        .join(pooled, on=key)
        .with_columns(
            p_value=pl.when(pl.col("status") == "ok").then("p_value"),
            variance_ratio=(pl.col("log_lift_se") / pl.col("pooled_se")) ** 2,
        )
        .select(OVERALL_LIFTS.schema.names())
    )


def _cuped(adjusted: pl.DataFrame) -> pl.DataFrame:
    return adjusted.with_columns(
        estimator=pl.lit("cuped"),
        n_categories=pl.lit(None, dtype=pl.Int64),
        variance_ratio=1 - pl.col("variance_reduction"),
    ).select(OVERALL_LIFTS.schema.names())


def _mix_rows(contrast: _Contrast, config: Overall, alpha: float, *, by_unit: bool) -> pl.DataFrame:
    shift = mix.decompose(*contrast.counts)
    if contrast.is_joint:
        p = mix.mix_p_value(contrast.control, contrast.treatment, contrast.units)
    elif by_unit:
        p = float("nan")
    else:
        p = mix.mix_p_value_binomial(*contrast.counts)
    whole = mix.reading(shift, p, alpha=alpha, material_share=config.material_mix_share)
    k = len(contrast.categories)
    columns = {name: [*part, part.sum()] for name, part in shift._asdict().items()}
    return pl.DataFrame(
        {
            "experiment_id": [contrast.experiment] * (k + 1),
            "contrast": [contrast.name] * (k + 1),
            "category": [*contrast.categories, ALL_CATEGORIES],
            **columns,
            "p_value": [*[None] * k, p],
            "reading": [*[None] * k, whole],
        },
        schema=MIX_SHIFT.schema,
    )
