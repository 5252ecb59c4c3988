"""Every interval of one lift side by side."""

import polars as pl

from caig.contracts.experiments import ALL_CATEGORIES
from caig.contracts.table import Column, Invariant, TableContract

INTERVAL_METHODS = {
    "rel_lift": (
        "koopman",
        "katz",
        "fieller",
        "additive_delta",
        "barnard",
        "clustered_log_delta",
        "clustered_koopman",
        "clustered_fieller",
        "clustered_additive_delta",
    ),
    "abs_lift": (
        "miettinen_nurminen",
        "mee",
        "newcombe",
        "wald",
        "clustered_delta",
        "clustered_miettinen_nurminen",
    ),
    "odds_ratio": ("fisher", "fisher_mid_p", "boschloo"),
}
"""Methods by quantity. Those called clustered are for randomised units, the others for randomised
impressions."""

INTERVAL_STATES = ("bounded", "unbounded", "undefined")
"""bounded; unbounded, the interval has no upper end; undefined, the method has no interval here."""

_BOUNDED, _UNDEFINED = (pl.col("state") == state for state in ("bounded", "undefined"))
_METHODS = tuple(name for names in INTERVAL_METHODS.values() for name in names)

LIFT_INTERVALS = TableContract(
    "lift_intervals",
    1,
    "One interval of one effect of one category by one method; exact methods appear only for the "
    "cells that are small enough for them.",
    (
        Column("experiment_id", pl.String, "Experiment."),
        Column("contrast", pl.String, "'treatment arm vs control arm'."),
        Column("category", pl.String, f"Category; {ALL_CATEGORIES} is the overall row."),
        Column("quantity", pl.String, "What is estimated.", allowed=tuple(INTERVAL_METHODS)),
        Column("method", pl.String, "How the interval was made.", allowed=_METHODS),
        Column(
            "estimate",
            pl.Float64,
            "treatment_ctr / control_ctr - 1, treatment_ctr - control_ctr, or the ratio of odds; "
            "null where it has no finite value.",
            nullable=True,
        ),
        Column(
            "ci_lower",
            pl.Float64,
            "Lower limit; -1 of a relative lift, or 0 of an odds ratio, excludes nothing below.",
            nullable=True,
        ),
        Column(
            "ci_upper",
            pl.Float64,
            "Upper limit; null with a known lower limit means unbounded.",
            nullable=True,
        ),
        Column(
            "p_value",
            pl.Float64,
            "Two-sided, of the test that this interval inverts: below alpha exactly where it "
            "excludes no effect.",
            nullable=True,
            lower=0,
            upper=1,
        ),
        Column("state", pl.String, "Whether there is an interval.", allowed=INTERVAL_STATES),
        *(
            Column(f"n_{arm}", pl.Int64, f"Impressions in {arm} (count).", lower=0)
            for arm in ("control", "treatment")
        ),
        Column("alpha", pl.Float64, "Intervals are at 1 - alpha.", lower=0, upper=1),
    ),
    key=("experiment_id", "contrast", "category", "quantity", "method"),
    invariants=(
        Invariant(
            "a bounded interval has two limits, an unbounded one a lower limit only",
            (pl.col("ci_lower").is_null() == _UNDEFINED)
            & (pl.col("ci_upper").is_null() == ~_BOUNDED),
        ),
        Invariant("an interval has a width", pl.col("ci_lower") < pl.col("ci_upper")),
        Invariant(
            "there is a p-value where there is an interval",
            pl.col("p_value").is_null() == _UNDEFINED,
        ),
        Invariant(
            "the estimate lies in its interval",
            (pl.col("ci_lower") <= pl.col("estimate") + 1e-9)
            & (pl.col("estimate") <= pl.col("ci_upper") + 1e-9),
        ),
    ),
)
