"""Tables about experiments that are yet to run."""

import polars as pl

from caig.contracts.experiments import ALL_CATEGORIES
from caig.contracts.table import Column, Invariant, TableContract

PLAN_STATUSES = (
    "ok",
    "extrapolated",
    "too_long",
    "never",
    "impossible_lift",
    "no_clicks",
)
"""ok; needs longer than the pilot lasted, so that the pilot's trend is carried on; needs longer
than the plan allows; the units' own variation is too large however long they are watched; the
lifted CTR would exceed 1; the pilot has no click of control, so that its CTR is not known."""

DESIGN_EFFECT_SOURCES = ("own", "pooled", "stated", "none")
"""Measured in this cell; in proportion to its clicks, as measured in others, since it has too few;
stated by the user; impressions are randomised, so that there is none."""

PLAN = TableContract(
    "plan",
    1,
    "What one category needs to find a lift; the overall row has category __all__.",
    (
        Column("category", pl.String, f"Category; {ALL_CATEGORIES} is the overall row."),
        Column(
            "ctr",
            pl.Float64,
            "CTR of control (fraction); null if the pilot has no click of control.",
            nullable=True,
            lower=0,
            upper=1,
        ),
        Column("impressions_per_day", pl.Float64, "Impressions a day, all arms together.", lower=0),
        Column(
            "design_effect",
            pl.Float64,
            "Clustered variance over binomial variance after measured_days days; null where "
            "impressions are randomised or no cell of the pilot tells.",
            nullable=True,
            lower=0,
        ),
        Column(
            "design_effect_source",
            pl.String,
            "Where the design effect is from.",
            allowed=DESIGN_EFFECT_SOURCES,
        ),
        Column("measured_days", pl.Int64, "Days behind the design effect (count).", lower=1),
        Column(
            "returning",
            pl.Float64,
            "Share of the design effect's excess over 1 that grows with days (fraction).",
            lower=0,
            upper=1,
        ),
        Column("alpha", pl.Float64, "Two-sided level after correction.", lower=0, upper=1),
        Column("power", pl.Float64, "Wanted power (fraction).", lower=0, upper=1),
        Column("target_lift", pl.Float64, "Relative lift to be found (fraction).", lower=-1),
        Column(
            "days_needed",
            pl.Int64,
            "Days after which target_lift is found with the wanted power (count), rounded up; null "
            "if there is no such number.",
            nullable=True,
            lower=1,
        ),
        Column("days", pl.Int64, "Days of power_at_days and rel_lift_mde (count).", lower=1),
        Column(
            "power_at_days",
            pl.Float64,
            "Power for target_lift after days days (fraction).",
            nullable=True,
            lower=0,
            upper=1,
        ),
        Column(
            "rel_lift_mde",
            pl.Float64,
            "Smallest positive lift found with the wanted power after days days.",
            nullable=True,
            lower=0,
        ),
        Column(
            "traffic_factor",
            pl.Float64,
            "Units a day, as a multiple of the traffic, with which target_lift is found with the "
            "wanted power after days days.",
            nullable=True,
            lower=0,
        ),
        Column("status", pl.String, "What is to be said of days_needed.", allowed=PLAN_STATUSES),
    ),
    key=("category",),
    invariants=(
        Invariant(
            "days_needed is known where status is ok, extrapolated or too_long",
            pl.col("days_needed").is_not_null()
            == pl.col("status").is_in(["ok", "extrapolated", "too_long"]),
        ),
        Invariant(
            "ctr is null exactly where status is no_clicks",
            pl.col("ctr").is_null() == (pl.col("status") == "no_clicks"),
        ),
    ),
)

POWER_CURVE = TableContract(
    "power_curve",
    1,
    "Power of the overall test for one lift after one number of days.",
    (
        Column("category", pl.String, f"{ALL_CATEGORIES}: the overall test."),
        Column("rel_lift", pl.Float64, "True relative lift (fraction).", lower=-1),
        Column("days", pl.Int64, "Days (count).", lower=1),
        Column("power", pl.Float64, "Power (fraction).", lower=0, upper=1),
    ),
    key=("category", "rel_lift", "days"),
)
