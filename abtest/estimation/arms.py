"""Which arms of a log can be compared, and what is said where they cannot.

Refusals name the column by the name it has in the log; the caller adds the files.
"""

import numpy as np
import polars as pl

from abtest.config import LiftConfig
from abtest.counting.counts import MOMENTS
from caig.contracts.experiments import ALL_CATEGORIES
from caig.errors import DataError, Problem

SHOWN = 5
EXPERIMENT = "experiment_id"


def comparable_arms(moments: pl.DataFrame, config: LiftConfig) -> pl.DataFrame:
    """Arms of every experiment with the flag ``is_control``, control first.

    Args:
        moments: :func:`abtest.counting.counts.total_moments` of the log.
        config: Design.

    Raises:
        DataError: An experiment has one arm only or lacks its control, or nothing was clicked.
    """
    overall = moments.filter(pl.col("category") == ALL_CATEGORIES).drop("category")
    if config.design.control_rule == "first_by_name":
        number = pl.col("arm").cast(pl.Float64, strict=False).fill_null(np.inf)
        order = pl.struct(number=number, name=pl.col("arm")).rank("ordinal").over(EXPERIMENT)
        arms = overall.with_columns(is_control=order == 1)
    else:
        arms = overall.with_columns(is_control=pl.col("arm") == config.design.control)
    per_experiment = arms.group_by(EXPERIMENT).agg(
        controls=pl.col("is_control").sum(), names=pl.col("arm").sort()
    )
    _refuse(
        per_experiment.filter(pl.col("names").list.len() == 1),
        config,
        "there is one arm only",
        "a lift compares two: check columns.arm, and that every part of the log was named",
    )
    _refuse(
        per_experiment.filter(pl.col("controls") == 0),
        config,
        f"no arm is called '{config.design.control}'",
        "name the control: --set design.control=ARM",
    )
    _refuse_no_clicks(overall, config)
    return arms.sort(EXPERIMENT, "is_control", "arm", descending=[False, True, False])


def paired_arms(moments: pl.DataFrame, arms: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Moments of control and of each treatment side by side; zeros where an arm has no traffic.

    Args:
        moments: A row a cell and arm: ``key``, ``arm`` and :data:`abtest.counting.counts.MOMENTS`.
        arms: :func:`comparable_arms`.
        key: Columns that name a cell, ``experiment_id`` among them.

    Returns:
        A row a cell and contrast: ``key``, ``control``, ``treatment``, ``contrast``, and every
        moment as ``<moment>_control`` and ``<moment>_treatment``.
    """
    control = arms.filter("is_control").select("experiment_id", control="arm")
    treatment = arms.filter(~pl.col("is_control")).select("experiment_id", treatment="arm")
    contrasts = control.join(treatment, on="experiment_id").with_columns(
        contrast=pl.format("{} vs {}", "treatment", "control")
    )
    pairs = moments.select(key).unique().join(contrasts, on="experiment_id")
    for side in ("control", "treatment"):
        renamed = moments.select(
            *key, pl.col("arm").alias(side), pl.col(MOMENTS).name.suffix(f"_{side}")
        )
        pairs = pairs.join(renamed, on=[*key, side], how="left")
    return pairs.with_columns(
        pl.col(f"{name}_{side}").fill_null(0)
        for name in MOMENTS
        for side in ("control", "treatment")
    )


def refuse_one_arm_categories(pairs: pl.DataFrame, config: LiftConfig) -> None:
    """Refuse a log in which a category has no impressions in an arm, unless told to report it.

    Args:
        pairs: Cells with ``experiment_id, category, control, treatment, n_control, n_treatment``.
        config: Analysis.

    Raises:
        DataError: There is such a category.
    """
    missing = pairs.filter(pl.min_horizontal("n_control", "n_treatment") == 0)
    if missing.is_empty() or config.analysis.one_arm_categories == "report":
        return
    shown = missing.sort(EXPERIMENT, "category").select(
        EXPERIMENT, "category", "control", "treatment", "n_control", "n_treatment"
    )
    found = tuple(
        f"experiment={e!r} category={c!r}: {nc:,} impressions in {control!r}, "
        f"{nt:,} in {treatment!r}"
        for e, c, control, treatment, nc, nt in shown.head(SHOWN).iter_rows()
    )
    problem = Problem(
        f"column {config.columns.category}",
        f"{missing.height} category cell(s) without impressions in one arm",
        None,
        found,
        "to report them as arm_missing: --set analysis.one_arm_categories=report",
    )
    raise DataError.from_problems("categories cannot be compared", [problem])


def _refuse(experiments: pl.DataFrame, config: LiftConfig, wrong: str, hint: str) -> None:
    if experiments.is_empty():
        return
    shown = experiments.sort(EXPERIMENT).select(EXPERIMENT, "names").head(SHOWN)
    found = tuple(
        f"experiment {name!r}: {wrong}; arms: {', '.join(arms[:SHOWN])}"
        for name, arms in shown.iter_rows()
    )
    column = f"column {config.columns.arm}"
    problem = Problem(column, f"{experiments.height} experiment(s)", None, found, hint)
    raise DataError.from_problems("arms cannot be compared", [problem])


def _refuse_no_clicks(overall: pl.DataFrame, config: LiftConfig) -> None:
    if overall["c"].sum() == 0:
        wrong = f"no clicks in {overall['n'].sum():,} impressions: nothing can be compared"
        hint = "check that columns.clicks names the clicks"
        problem = Problem(f"column {config.columns.clicks}", wrong, None, (), hint)
        raise DataError.from_problems("clicks cannot be compared", [problem])
