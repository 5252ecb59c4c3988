"""The cube, counts by day and bucket of units that are kept and added up, and lifts asked of it."""

import polars as pl

from caig.contracts.experiments import ALL_CATEGORIES, CELL_STATUSES, VERDICTS
from caig.contracts.table import Column, Invariant, TableContract, estimate_columns

N_BUCKETS = 1024

CUBE = TableContract(
    "cube",
    1,
    "Counts of the units of one bucket in one arm and category on one day.",
    (
        Column("experiment_id", pl.String, "Experiment."),
        Column("day", pl.Date, "Day."),
        Column(
            "bucket",
            pl.Int32,
            "First 8 hex digits of the md5 of the unit's UTF-8 text, modulo 1024.",
            lower=0,
        ),
        Column("arm", pl.String, "Experiment arm."),
        Column("category", pl.String, "Category."),
        Column("n_impressions", pl.Int64, "Impressions (count).", lower=0),
        Column("n_clicks", pl.Int64, "Clicks (count).", lower=0),
        Column(
            "n_units",
            pl.Int64,
            "Units with a row here (count). A unit of two days or categories counts in each, so "
            "these do not add up to units.",
            lower=1,
        ),
    ),
    key=("experiment_id", "day", "bucket", "arm", "category"),
    invariants=(
        Invariant("n_clicks <= n_impressions", pl.col("n_clicks") <= pl.col("n_impressions")),
        Invariant(f"category is not {ALL_CATEGORIES}", pl.col("category") != ALL_CATEGORIES),
    ),
)


def _per_arm(name: str, meaning: str) -> tuple[Column, ...]:
    return tuple(
        Column(f"{name}_{arm}", pl.Int64, f"{meaning} in {arm} (count).", lower=0)
        for arm in ("control", "treatment")
    )


CUBE_LIFTS = TableContract(
    "cube_lifts",
    1,
    "Lift of one category, or group of categories, over a range of days, asked of a cube; buckets "
    "of units play the part of units.",
    (
        Column("experiment_id", pl.String, "Experiment."),
        Column("contrast", pl.String, "'treatment arm vs control arm'."),
        Column(
            "category",
            pl.String,
            f"Category, or name of a group of them; {ALL_CATEGORIES} is all of them together.",
        ),
        Column("day_from", pl.Date, "First day counted."),
        Column("day_to", pl.Date, "Last day counted."),
        Column("n_days", pl.Int64, "Days between them that the cube has (count).", lower=1),
        Column("status", pl.String, "As in lift_table.", allowed=CELL_STATUSES),
        *_per_arm("n_buckets", "Buckets of units with impressions"),
        *_per_arm("impressions", "Impressions"),
        *_per_arm("clicks", "Clicks"),
        *estimate_columns(
            "rel_lift",
            "CTR of treatment over CTR of control, minus 1 (fraction), by the delta method.",
            -1,
        ),
        Column(
            "rel_lift_bootstrap_lower",
            pl.Float64,
            "Lower limit of the percentile interval of the Poisson bootstrap.",
            nullable=True,
            lower=-1,
        ),
        Column(
            "rel_lift_bootstrap_upper",
            pl.Float64,
            "Upper limit of the same; null with a known lower limit means unbounded.",
            nullable=True,
            lower=-1,
        ),
        Column("n_bootstrap", pl.Int64, "Draws of the bootstrap (count); 0: none made.", lower=0),
        Column(
            "rel_lift_mde",
            pl.Float64,
            "Smallest true lift found with 80 % power at this alpha and this precision.",
            nullable=True,
            lower=0,
        ),
        Column("p_value", pl.Float64, "Two-sided, of no lift.", nullable=True, lower=0, upper=1),
        Column("p_value_adj", pl.Float64, "After correction.", nullable=True, lower=0, upper=1),
        Column("adjustment", pl.String, "Correction and the size of its family."),
        Column(
            "alpha", pl.Float64, "Level of the test; intervals are at 1 - alpha.", lower=0, upper=1
        ),
        Column("ci_method", pl.String, "How the interval of rel_lift and the p-value were made."),
        Column("verdict", pl.String, "What may be said.", allowed=VERDICTS),
    ),
    key=("experiment_id", "contrast", "category"),
    invariants=(
        Invariant(
            "n_days is at most the number of days from day_from to day_to",
            pl.col("n_days") <= (pl.col("day_to") - pl.col("day_from")).dt.total_days() + 1,
        ),
        Invariant(
            "clicks_control <= impressions_control",
            pl.col("clicks_control") <= pl.col("impressions_control"),
        ),
        Invariant(
            "clicks_treatment <= impressions_treatment",
            pl.col("clicks_treatment") <= pl.col("impressions_treatment"),
        ),
        Invariant(
            "rel_lift lies in its interval",
            (pl.col("rel_lift_ci_lower") <= pl.col("rel_lift") + 1e-12)
            & (pl.col("rel_lift") <= pl.col("rel_lift_ci_upper") + 1e-12),
        ),
        Invariant(
            "rel_lift_bootstrap_lower <= rel_lift_bootstrap_upper",
            pl.col("rel_lift_bootstrap_lower") <= pl.col("rel_lift_bootstrap_upper"),
        ),
        Invariant("p_value_adj >= p_value", pl.col("p_value_adj") >= pl.col("p_value") - 1e-12),
        Invariant(
            "win, flat and loss need status ok",
            ~pl.col("verdict").is_in(["win", "loss", "flat"]) | (pl.col("status") == "ok"),
        ),
    ),
)
