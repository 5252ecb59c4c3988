"""The cube: counts by day and bucket of units, small enough to keep and to add up day by day."""

import polars as pl

from caig.contracts.experiments import ALL_CATEGORIES
from caig.contracts.table import Column, Invariant, TableContract

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
