"""Tables about the whole traffic of an experiment: lifts, mix, guardrails, several arms."""

import polars as pl

from caig.contracts.experiments import ALL_CATEGORIES
from caig.contracts.table import Column, Invariant, TableContract, estimate_columns

LIFT_ESTIMATORS = ("pooled", "post_stratified", "mantel_haenszel", "cuped")
"""pooled: CTRs of all traffic; post_stratified: both arms at one category mix; mantel_haenszel: the
ratio common to all categories; cuped: pooled, with the pre-period taken out of the noise."""

MIX_READINGS = ("unknown", "no_shift", "small", "material", "reversed")
"""unknown: no lift to decompose, or no test of the mix; no_shift: the mix part could be chance;
small, material: by its size relative to the lift within categories; reversed: pooled lift and lift
within have opposite signs (Simpson's paradox)."""

GUARDRAIL_METRICS = ("ctr", "clicks_per_unit", "impressions_per_unit")

GUARDRAIL_STATES = ("noninferior", "inferior", "inconclusive")
"""noninferior: shown to lose less than the margin; inferior: shown to lose more."""

STRATIFIED_TEST_NAMES = (
    "cochran_mantel_haenszel",
    "cochran_mantel_haenszel_corrected",
    "breslow_day",
    "breslow_day_tarone",
    "woolf",
)
"""The first two ask whether there is a common effect, with and without continuity correction; the
others whether all categories share one odds ratio."""

_KEY = (
    Column("experiment_id", pl.String, "Experiment."),
    Column("contrast", pl.String, "'treatment arm vs control arm'."),
)
_CATEGORY = Column("category", pl.String, f"Category; {ALL_CATEGORIES} is the whole traffic.")
_METHOD = Column("method", pl.String, "How the interval and the p-value were made.")


def _p_value(name: str, meaning: str) -> Column:
    return Column(name, pl.Float64, meaning, nullable=True, lower=0, upper=1)


def _share(name: str, meaning: str) -> Column:
    return Column(name, pl.Float64, meaning, nullable=True, lower=0, upper=1 + 1e-9)


OVERALL_LIFTS = TableContract(
    "overall_lifts",
    1,
    "One estimate of the overall lift of one contrast.",
    (
        *_KEY,
        Column("estimator", pl.String, "What is estimated.", allowed=LIFT_ESTIMATORS),
        *estimate_columns("rel_lift", "Relative lift (fraction).", -1),
        _p_value("p_value", "Two-sided, of no lift; null where the overall cell is not tested."),
        Column(
            "n_categories",
            pl.Int64,
            "Categories that entered (count); null where categories play no part.",
            nullable=True,
            lower=0,
        ),
        Column(
            "variance_ratio",
            pl.Float64,
            "Variance of the log lift over that of the pooled one.",
            nullable=True,
            lower=0,
        ),
        _METHOD,
    ),
    key=("experiment_id", "contrast", "estimator"),
)

MIX_SHIFT = TableContract(
    "mix_shift",
    1,
    "What one category gives to the pooled lift of one contrast, within it and by its traffic.",
    (
        *_KEY,
        _CATEGORY,
        _share("control_share", "Share of control's impressions (fraction)."),
        _share("treatment_share", "Share of treatment's impressions (fraction)."),
        Column(
            "within_part",
            pl.Float64,
            "Pooled relative lift from better CTR within the category (fraction).",
            nullable=True,
        ),
        Column(
            "mix_part",
            pl.Float64,
            "Pooled relative lift from traffic that moved (fraction).",
            nullable=True,
        ),
        _p_value("p_value", f"Two-sided, of no mix part in all; {ALL_CATEGORIES} only."),
        Column(
            "reading",
            pl.String,
            f"What the parts say together; {ALL_CATEGORIES} only.",
            nullable=True,
            allowed=MIX_READINGS,
        ),
    ),
    key=("experiment_id", "contrast", "category"),
)

STRATIFIED_TESTS = TableContract(
    "stratified_tests",
    1,
    "One test over the categories of one contrast, impressions being independent.",
    (
        *_KEY,
        Column("test", pl.String, "Test.", allowed=STRATIFIED_TEST_NAMES),
        Column("statistic", pl.Float64, "Chi-square statistic.", nullable=True, lower=0),
        Column("dof", pl.Int64, "Degrees of freedom (count).", lower=0),
        _p_value("p_value", "Upper tail; null where the test cannot be made."),
    ),
    key=("experiment_id", "contrast", "test"),
)

ADJUSTED_LIFTS = TableContract(
    "adjusted_lifts",
    1,
    "Lift of one category with what units did before the experiment taken out of the noise.",
    (
        *_KEY,
        _CATEGORY,
        *estimate_columns("rel_lift", "Adjusted relative lift (fraction).", -1),
        _p_value("p_value", "Two-sided, of no lift; null where the cell is not tested."),
        Column(
            "variance_reduction",
            pl.Float64,
            "Share of the log lift's variance that is gone (fraction); below 0 where the "
            "covariates cost more than they explain.",
            nullable=True,
            upper=1,
        ),
        Column("n_units", pl.Int64, "Units of both arms (count).", lower=0),
        Column(
            "n_covariates",
            pl.Int64,
            "Covariates that vary and are no combination of others (count).",
            lower=0,
        ),
        _METHOD,
    ),
    key=("experiment_id", "contrast", "category"),
)

GUARDRAILS = TableContract(
    "guardrails",
    1,
    "Whether one contrast keeps one metric within its tolerated loss.",
    (
        *_KEY,
        Column("metric", pl.String, "Metric.", allowed=GUARDRAIL_METRICS),
        Column("margin", pl.Float64, "Tolerated relative loss (fraction).", lower=0, upper=1),
        Column("rel_lift", pl.Float64, "treatment / control - 1.", nullable=True, lower=-1),
        Column(
            "rel_lift_bound_lower",
            pl.Float64,
            "One-sided lower bound, not corrected over guardrails.",
            nullable=True,
            lower=-1,
        ),
        Column(
            "rel_lift_bound_upper",
            pl.Float64,
            "One-sided upper bound, not corrected; null with a known lower one means unbounded.",
            nullable=True,
            lower=-1,
        ),
        _p_value("p_value", "One-sided, of a loss of the margin or more."),
        _p_value("p_value_adj", "After correction over the experiment's guardrails."),
        Column("adjustment", pl.String, "What was corrected, e.g. Holm over 3 tests."),
        Column("state", pl.String, "Outcome, after correction.", allowed=GUARDRAIL_STATES),
        _METHOD,
    ),
    key=("experiment_id", "contrast", "metric"),
    invariants=(
        Invariant("p_value_adj >= p_value", pl.col("p_value_adj") >= pl.col("p_value") - 1e-12),
    ),
)

ARM_COMPARISON = TableContract(
    "arm_comparison",
    1,
    "One arm of one experiment against control and against the best arm.",
    (
        Column("experiment_id", pl.String, "Experiment."),
        Column("arm", pl.String, "Experiment arm."),
        Column(
            "contrast",
            pl.String,
            "'treatment arm vs control arm'; null for control.",
            nullable=True,
        ),
        *estimate_columns("rel_lift", "Lift over control, simultaneous interval (fraction).", -1),
        _p_value("p_value_dunnett", "Two-sided, of no lift, corrected over the treatments."),
        _p_value("p_best", "Posterior probability of the highest CTR of all arms."),
        Column(
            "expected_loss",
            pl.Float64,
            "Posterior mean of the log CTR lost by choosing this arm; about the fraction of the "
            "best arm's CTR.",
            nullable=True,
            lower=0,
        ),
        Column(
            "in_best_set",
            pl.Boolean,
            "Whether the arm may be the best: the set holds it with the stated confidence.",
            nullable=True,
        ),
        _METHOD,
    ),
    key=("experiment_id", "arm"),
)
