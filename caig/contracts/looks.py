"""Tables about lift over time: every day as a look, every day alone, and whether days differ."""

import polars as pl

from caig.contracts.experiments import ALL_CATEGORIES, CELL_STATUSES
from caig.contracts.table import Column, Invariant, TableContract, estimate_columns

DAY_EFFECT_STATUSES = ("ok", "one_day", "too_few_days", "too_few_units", "no_covariance")
"""ok; the log has one day; fewer than two of its days can be estimated; too few clicking units for
the covariance of so many days; that covariance is singular, or was not summed over so many days."""

DAY_TRENDS = ("novelty", "learning", "no_trend")
"""The lift falls, or rises, from day to day by the trend's test; or neither can be said."""

_EXPERIMENT = Column("experiment_id", pl.String, "Experiment.")
_CONTRAST = Column("contrast", pl.String, "'treatment arm vs control arm'.")


def _anytime(name: str, meaning: str, lower: float, upper: float | None = None) -> Column:
    return Column(name, pl.Float64, meaning, nullable=True, lower=lower, upper=upper)


LOOKS = TableContract(
    "looks",
    1,
    "Lift cumulated to the end of one day, as a look at one category.",
    (
        _EXPERIMENT,
        _CONTRAST,
        Column("category", pl.String, f"Category; {ALL_CATEGORIES} is the whole traffic."),
        Column("day", pl.Date, "Day of the look."),
        Column("look", pl.Int64, "Number of the day in the experiment's log, from 1.", lower=1),
        Column(
            "planned",
            pl.Boolean,
            "True if a test on this day was planned; without any plan only the last day was.",
        ),
        Column("status", pl.String, "As in lift_table.", allowed=CELL_STATUSES),
        Column(
            "information_fraction",
            pl.Float64,
            "Share of the planned days that is over; null without a plan and outside of it.",
            nullable=True,
            lower=0,
            upper=1,
        ),
        Column(
            "z",
            pl.Float64,
            "Log lift so far over its standard error, as a normal quantile; null if not tested.",
            nullable=True,
        ),
        Column(
            "boundary",
            pl.Float64,
            "Group-sequential boundary of |z|; null at looks without one, and where alpha is "
            "spent later.",
            nullable=True,
            lower=0,
        ),
        Column(
            "nominal_alpha",
            pl.Float64,
            "p-value below which the boundary is crossed.",
            nullable=True,
            lower=0,
            upper=1,
        ),
        Column(
            "crossed",
            pl.Boolean,
            "Whether |z| is beyond the boundary at this look; null without either.",
            nullable=True,
        ),
        *estimate_columns(
            "rel_lift",
            "Lift so far; the interval is the repeated one, which excludes 0 exactly where the "
            "boundary is crossed.",
            -1,
        ),
        _anytime("rel_lift_anytime_lower", "Lower limit valid at every look.", lower=-1),
        _anytime("rel_lift_anytime_upper", "Upper limit valid at every look.", lower=-1),
        _anytime(
            "p_value_anytime",
            "p-value valid at every look (mSPRT); below alpha exactly where those limits exclude "
            "0.",
            lower=0,
            upper=1,
        ),
        Column("method", pl.String, "What this look can be judged by."),
    ),
    key=("experiment_id", "contrast", "category", "day"),
    invariants=(
        Invariant(
            "boundary only at planned looks", pl.col("boundary").is_null() | pl.col("planned")
        ),
        Invariant(
            "crossed where |z| is beyond the boundary",
            pl.col("crossed") == (pl.col("z").abs() > pl.col("boundary")),
        ),
    ),
)


def _arms(name: str, meaning: str, *, nullable: bool = False) -> tuple[Column, ...]:
    return tuple(
        Column(f"{name}_{arm}", pl.Int64, f"{meaning} in {arm} (count).", nullable, lower=0)
        for arm in ("control", "treatment")
    )


LIFT_BY_DAY = TableContract(
    "lift_by_day",
    1,
    "Lift of one day alone, categories pooled.",
    (
        _EXPERIMENT,
        _CONTRAST,
        Column("day", pl.Date, "Day."),
        Column("status", pl.String, "As in lift_table.", allowed=CELL_STATUSES),
        *_arms("n_units", "Units seen that day", nullable=True),
        *_arms("impressions", "Impressions"),
        *_arms("clicks", "Clicks"),
        *estimate_columns("rel_lift", "Lift of the day.", -1),
        Column(
            "p_value",
            pl.Float64,
            "Of no lift that day; null if not tested.",
            nullable=True,
            lower=0,
            upper=1,
        ),
    ),
    key=("experiment_id", "contrast", "day"),
)

DAY_EFFECTS = TableContract(
    "day_effects",
    1,
    "Whether the lift of one contrast differs from day to day.",
    (
        _EXPERIMENT,
        _CONTRAST,
        Column("status", pl.String, "Whether it was tested.", allowed=DAY_EFFECT_STATUSES),
        Column("n_days", pl.Int64, "Days whose lift is in the test (count).", lower=0),
        Column("n_days_left_out", pl.Int64, "Days that cannot be estimated (count).", lower=0),
        Column(
            "wald",
            pl.Float64,
            "Wald statistic of equal log lift on all days, with their covariance.",
            nullable=True,
            lower=0,
        ),
        Column("df", pl.Int64, "Its degrees of freedom, n_days - 1.", nullable=True, lower=1),
        Column(
            "p_value",
            pl.Float64,
            "Of that test: Hotelling's where units were randomised, else chi-square's.",
            nullable=True,
            lower=0,
            upper=1,
        ),
        *estimate_columns("trend_per_day", "Change of log lift from a day to the next."),
        Column(
            "trend_p_value",
            pl.Float64,
            "Of no linear trend; below alpha exactly where the interval excludes 0.",
            nullable=True,
            lower=0,
            upper=1,
        ),
        Column(
            "trend",
            pl.String,
            "What the trend's test says at the level of the analysis.",
            nullable=True,
            allowed=DAY_TRENDS,
        ),
        Column("method", pl.String, "How days were compared."),
    ),
    key=("experiment_id", "contrast"),
)
