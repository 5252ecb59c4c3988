"""Tables about experiments: what was shown and clicked, and what follows from it.

``control`` and ``treatment`` are experiment arms. "Lift" always means relative lift,
``treatment_ctr / control_ctr - 1``; the absolute difference is ``abs_lift``.
"""

import polars as pl

from caig.contracts.table import Column, Invariant, TableContract, estimate_columns

ALL_CATEGORIES = "__all__"
"""The category of the overall row; no real category may have this name."""

CELL_STATUSES = ("ok", "zero_click", "too_small", "arm_missing")
"""ok; an arm has no click; too few clicking units for the approximation; an arm has no
impression."""

VERDICTS = ("win", "flat", "loss", "insufficient", "withheld")
"""win and loss are significant after correction; flat is not; insufficient cannot be judged from
these data; withheld means a health check failed, so no verdict is given."""

HEALTH_STATUSES = ("healthy", "unhealthy", "not_enough_traffic", "not_applicable")
"""not_applicable always says in its detail what was missing for the check."""

HEALTH_CHECKS = (
    "sample_ratio",
    "sample_ratio_by_category",
    "sample_ratio_sequential",
    "traffic_by_day",
    "impressions_per_unit",
    "units_in_two_arms",
    "missing_days",
    "bot_like_units",
    "duplicate_impressions",
    "exposure_before_assignment",
)

WITHHOLDING_CHECKS = (
    "sample_ratio",
    "sample_ratio_by_category",
    "traffic_by_day",
    "units_in_two_arms",
)
"""Checks whose failure withholds verdicts, because then the arms are not comparable. The others are
shown only: the sequential sample ratio dates what the fixed one finds with more power; impressions
per unit are an effect, not a fault; where a missing day befalls one arm, the traffic by day sees
it; and bot-like units, duplicates and early exposures befall all arms unless a ratio says so."""

IMPRESSION_LOG = TableContract(
    "impression_log",
    1,
    "What one unit saw and clicked of one creative on one day in one arm.",
    (
        Column("experiment_id", pl.String, "Experiment."),
        Column("day", pl.Date, "Day (UTC)."),
        Column("arm", pl.String, "Experiment arm."),
        Column("unit_id", pl.String, "Randomisation unit."),
        Column("unit_kind", pl.String, "What a unit is.", allowed=("user", "product")),
        Column("creative_id", pl.String, "Creative shown."),
        Column("product_id", pl.String, "Product shown."),
        Column("category", pl.String, "Category of the product."),
        Column("n_impressions", pl.Int64, "Impressions (count).", lower=1),
        Column("n_clicks", pl.Int64, "Clicks (count).", lower=0),
    ),
    key=("experiment_id", "day", "arm", "unit_id", "creative_id"),
    invariants=(
        Invariant("n_clicks <= n_impressions", pl.col("n_clicks") <= pl.col("n_impressions")),
        Invariant(f"category is not {ALL_CATEGORIES}", pl.col("category") != ALL_CATEGORIES),
    ),
)

TRAFFIC_TRUTH = TableContract(
    "traffic_truth",
    1,
    "The true effect behind one category of a simulated log.",
    (
        Column("experiment_id", pl.String, "Experiment."),
        Column("category", pl.String, f"Category; {ALL_CATEGORIES} is the whole traffic."),
        Column("traffic_share", pl.Float64, "Expected share of impressions.", lower=0, upper=1),
        Column("control_ctr", pl.Float64, "True CTR of control (fraction).", lower=0, upper=1),
        Column("treatment_ctr", pl.Float64, "True CTR of treatment (fraction).", lower=0, upper=1),
        Column("rel_lift", pl.Float64, "treatment_ctr / control_ctr - 1.", lower=-1),
    ),
    key=("experiment_id", "category"),
)


def _per_arm(name: str, dtype: type[pl.DataType], meaning: str) -> tuple[Column, Column]:
    return tuple(  # type: ignore[return-value]
        Column(f"{name}_{arm}", dtype, meaning.format(arm=arm), lower=0)
        for arm in ("control", "treatment")
    )


ARM_SUMMARY = TableContract(
    "arm_summary",
    1,
    "All traffic of one arm of one experiment.",
    (
        Column("experiment_id", pl.String, "Experiment."),
        Column("arm", pl.String, "Experiment arm."),
        Column("is_control", pl.Boolean, "True for the arm the others are compared with."),
        Column(
            "n_units",
            pl.Int64,
            "Units (count); null if the log names none.",
            nullable=True,
            lower=1,
        ),
        Column("n_impressions", pl.Int64, "Impressions (count).", lower=0),
        Column("n_clicks", pl.Int64, "Clicks (count).", lower=0),
        *estimate_columns("ctr", "n_clicks / n_impressions (fraction).", 0, 1),
        Column("ci_method", pl.String, "How the interval of ctr was made."),
        Column(
            "n_creatives", pl.Int64, "Creatives (count); null if unnamed.", nullable=True, lower=1
        ),
        Column(
            "n_products", pl.Int64, "Products (count); null if unnamed.", nullable=True, lower=1
        ),
        Column(
            "first_day",
            pl.Date,
            "First day with impressions; null if days are unnamed.",
            nullable=True,
        ),
        Column("last_day", pl.Date, "Last day with impressions.", nullable=True),
    ),
    key=("experiment_id", "arm"),
    invariants=(
        Invariant("n_clicks <= n_impressions", pl.col("n_clicks") <= pl.col("n_impressions")),
    ),
)

LIFT_TABLE = TableContract(
    "lift_table",
    1,
    "CTR of one treatment against control in one category; the overall row has category __all__.",
    (
        Column("experiment_id", pl.String, "Experiment."),
        Column("category", pl.String, f"Category; {ALL_CATEGORIES} is the overall row."),
        Column("contrast", pl.String, "'treatment arm vs control arm'."),
        Column(
            "status",
            pl.String,
            "Whether an estimate can be made, and if not, why.",
            allowed=CELL_STATUSES,
        ),
        *(
            Column(f"n_units_{arm}", pl.Int64, f"Units in {arm} (count).", nullable=True, lower=0)
            for arm in ("control", "treatment")
        ),
        *_per_arm("impressions", pl.Int64, "Impressions in {arm} (count)."),
        *_per_arm("clicks", pl.Int64, "Clicks in {arm} (count)."),
        *estimate_columns("control_ctr", "CTR of control (fraction).", 0, 1),
        *estimate_columns("treatment_ctr", "CTR of treatment (fraction).", 0, 1),
        *estimate_columns("abs_lift", "treatment_ctr - control_ctr (fraction).", -1, 1),
        *estimate_columns("rel_lift", "treatment_ctr / control_ctr - 1 (fraction).", -1),
        *estimate_columns(
            "rel_lift_shrunk",
            "Lift shrunk towards the categories' mean by their spread (empirical Bayes); null for "
            "the overall row and where fewer than four categories are ok.",
            -1,
        ),
        Column(
            "rel_lift_mde",
            pl.Float64,
            "Smallest true lift found with 80 % power at this alpha and this precision.",
            nullable=True,
            lower=0,
        ),
        Column(
            "design_effect",
            pl.Float64,
            "Clustered variance of log lift over its binomial variance; null where impressions "
            "were randomised.",
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
    key=("experiment_id", "category", "contrast"),
    invariants=(
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
        Invariant("p_value_adj >= p_value", pl.col("p_value_adj") >= pl.col("p_value") - 1e-12),
        Invariant(
            "win, flat and loss need status ok",
            ~pl.col("verdict").is_in(["win", "loss", "flat"]) | (pl.col("status") == "ok"),
        ),
    ),
)

HETEROGENEITY = TableContract(
    "heterogeneity",
    1,
    "How much the lift of one contrast differs between categories.",
    (
        Column("experiment_id", pl.String, "Experiment."),
        Column("contrast", pl.String, "'treatment arm vs control arm'."),
        Column("n_categories", pl.Int64, "Categories with status ok (count).", lower=2),
        Column("q", pl.Float64, "Cochran's Q of log lifts.", lower=0),
        Column("p_value", pl.Float64, "Of no difference between categories.", lower=0, upper=1),
        Column("i2", pl.Float64, "Share of the variation that is not noise.", lower=0, upper=1),
        Column("tau", pl.Float64, "Standard deviation of true log lifts.", lower=0),
        *estimate_columns(
            "mean_lift", "Mean of true lifts: expm1 of the mean log lift (fraction).", -1
        ),
        Column("method", pl.String, "Estimator of tau."),
    ),
    key=("experiment_id", "contrast"),
)

UNIT_METRICS = TableContract(
    "unit_metrics",
    1,
    "A mean per unit of both arms of one contrast, overall.",
    (
        Column("experiment_id", pl.String, "Experiment."),
        Column("contrast", pl.String, "'treatment arm vs control arm'."),
        Column(
            "metric",
            pl.String,
            "What is counted per unit.",
            allowed=("impressions_per_unit", "clicks_per_unit"),
        ),
        *estimate_columns("control", "Mean of control's units (count per unit)."),
        *estimate_columns("treatment", "Mean of treatment's units (count per unit)."),
        *estimate_columns("rel_lift", "treatment / control - 1 (fraction).", -1),
        Column("p_value", pl.Float64, "Two-sided, of no lift.", nullable=True, lower=0, upper=1),
        Column("ci_method", pl.String, "How the intervals and the p-value were made."),
    ),
    key=("experiment_id", "contrast", "metric"),
)

LIFT_DAILY = TableContract(
    "lift_daily",
    1,
    "Lift of one category cumulated from the first day to this one.",
    (
        Column("experiment_id", pl.String, "Experiment."),
        Column("category", pl.String, f"Category; {ALL_CATEGORIES} is the whole traffic."),
        Column("contrast", pl.String, "'treatment arm vs control arm'."),
        Column(
            "day",
            pl.Date,
            "Last day of the cumulation (UTC unless the run's config says otherwise).",
        ),
        Column("status", pl.String, "As in lift_table.", allowed=CELL_STATUSES),
        *_per_arm("cum_impressions", pl.Int64, "Impressions in {arm} so far (count)."),
        *_per_arm("cum_clicks", pl.Int64, "Clicks in {arm} so far (count)."),
        *estimate_columns(
            "rel_lift", "Lift so far; the interval is for one reading at the planned end.", -1
        ),
        Column(
            "rel_lift_anytime_lower",
            pl.Float64,
            "Lower limit valid at every look; null where none was computed.",
            nullable=True,
            lower=-1,
        ),
        Column(
            "rel_lift_anytime_upper",
            pl.Float64,
            "Upper limit valid at every look; null where none was computed.",
            nullable=True,
            lower=-1,
        ),
    ),
    key=("experiment_id", "category", "contrast", "day"),
)

HEALTH = TableContract(
    "health",
    1,
    "One health check of one experiment; some withhold its verdicts when unhealthy.",
    (
        Column("experiment_id", pl.String, "Experiment."),
        Column("check", pl.String, "Check.", allowed=HEALTH_CHECKS),
        Column("status", pl.String, "Outcome.", allowed=HEALTH_STATUSES),
        Column(
            "statistic",
            pl.Float64,
            "Chi-square for sample ratios (the worst category's) and traffic by day, the largest "
            "log Bayes factor for the sequential one, Welch's F for impressions per unit, else a "
            "share or a count.",
            nullable=True,
        ),
        Column(
            "p_value",
            pl.Float64,
            "Of the design being as declared; the smallest adjusted one by category; valid at "
            "every look for the sequential sample ratio.",
            nullable=True,
            lower=0,
            upper=1,
        ),
        Column("threshold", pl.Float64, "Beyond which the check is unhealthy.", nullable=True),
        Column("detail", pl.String, "What was found, in a sentence with its counts."),
    ),
    key=("experiment_id", "check"),
)

SAMPLE_RATIO = TableContract(
    "sample_ratio",
    1,
    "Traffic of one arm in one category against the declared split; units count in the category "
    "they saw first.",
    (
        Column("experiment_id", pl.String, "Experiment."),
        Column("category", pl.String, f"Category; {ALL_CATEGORIES} is the whole traffic."),
        Column("arm", pl.String, "Experiment arm."),
        Column("counted", pl.String, "What was counted.", allowed=("units", "impressions")),
        Column("observed", pl.Int64, "Count in this arm.", lower=0),
        Column("expected", pl.Float64, "Count under the declared split.", lower=0),
        Column(
            "p_value",
            pl.Float64,
            "Of the whole category, all arms.",
            nullable=True,
            lower=0,
            upper=1,
        ),
        Column(
            "p_value_adj",
            pl.Float64,
            "After Holm's correction over categories.",
            nullable=True,
            lower=0,
            upper=1,
        ),
        Column("status", pl.String, "Outcome for the category.", allowed=HEALTH_STATUSES),
    ),
    key=("experiment_id", "category", "arm"),
)

SUITE_RESULTS = TableContract(
    "suite_results",
    1,
    "One metric of one subject on one slice of an offline suite.",
    (
        Column("suite", pl.String, "Suite and version, e.g. pair_accuracy/1."),
        Column("subject", pl.String, "What was evaluated: a scorer or a generator."),
        Column("metric", pl.String, "Metric."),
        Column("slice", pl.String, "Part of the data, e.g. all, category=Shoes."),
        *estimate_columns("estimate", "The estimate, in the metric's unit.")[:1],
        Column("ci_lower", pl.Float64, "Lower interval limit.", nullable=True),
        Column("ci_upper", pl.Float64, "Upper interval limit.", nullable=True),
        Column("ci_method", pl.String, "How the interval was made."),
        Column("n", pl.Int64, "Items scored (count).", lower=0),
        Column("n_unscored", pl.Int64, "Items without an answer (count).", lower=0),
        Column("ceiling", pl.Float64, "Best value attainable on these labels.", nullable=True),
    ),
    key=("suite", "subject", "metric", "slice"),
    invariants=(
        Invariant(
            "the estimate lies in its interval",
            (pl.col("ci_lower") <= pl.col("estimate")) & (pl.col("estimate") <= pl.col("ci_upper")),
        ),
    ),
)
