"""Tables about many categories at once: adjusted intervals, posteriors, selection, joint tests.

They stand beside ``lift_table`` and share its keys; only cells that were tested appear.
"""

import polars as pl

from caig.contracts.experiments import ALL_CATEGORIES, CELL_STATUSES, VERDICTS
from caig.contracts.table import Column, Invariant, TableContract, estimate_columns

INTERVAL_METHODS = ("bonferroni", "fcr", "max_z")
"""bonferroni and max_z hold for all categories together; fcr for a share of those selected."""

POSTERIOR_METHODS = ("empirical_bayes", "flat_prior", "beta_binomial")
"""Prior of the log lift learned from the categories; none; uniform prior of each arm's CTR."""

_KEY = (
    Column("experiment_id", pl.String, "Experiment."),
    Column("contrast", pl.String, "'treatment arm vs control arm'."),
)
_CATEGORY = Column("category", pl.String, "Category.")


def _probability(name: str, meaning: str, *, nullable: bool = False) -> Column:
    return Column(name, pl.Float64, meaning, nullable=nullable, lower=0, upper=1)


CATEGORY_INTERVALS = TableContract(
    "category_intervals",
    1,
    "Lift of one tested category with an interval adjusted for all of its experiment's.",
    (
        *_KEY,
        _CATEGORY,
        Column("method", pl.String, "Adjustment.", allowed=INTERVAL_METHODS),
        *estimate_columns(
            "rel_lift",
            "Lift (fraction); fcr gives limits to selected categories only.",
            -1,
        ),
        _probability("p_value_adj", "Two-sided, of no lift, adjusted by the same method."),
        Column(
            "monte_carlo_se",
            pl.Float64,
            "Standard error of p_value_adj where it was simulated; 0 in closed form.",
            lower=0,
        ),
        Column("selected", pl.Boolean, "p_value_adj is below alpha."),
        Column(
            "family_size",
            pl.Int64,
            "Tests adjusted for: tested categories times contrasts of the experiment (count).",
            lower=1,
        ),
        _probability("alpha", "1 - confidence of the family."),
        _probability(
            "level",
            "Confidence of each interval on its own; null if there is none.",
            nullable=True,
        ),
    ),
    key=("experiment_id", "contrast", "category", "method"),
    invariants=(
        Invariant(
            "selected where p_value_adj < alpha",
            pl.col("selected") == (pl.col("p_value_adj") < pl.col("alpha")),
        ),
        Invariant(
            "the interval of a selected category excludes 0",
            ~pl.col("selected")
            | (pl.col("rel_lift_ci_lower") > -1e-12)
            | (pl.col("rel_lift_ci_upper") < 1e-12),
        ),
        Invariant(
            "rel_lift lies in its interval",
            (pl.col("rel_lift_ci_lower") <= pl.col("rel_lift") + 1e-12)
            & (pl.col("rel_lift") <= pl.col("rel_lift_ci_upper") + 1e-12),
        ),
    ),
)

CATEGORY_POSTERIOR = TableContract(
    "category_posterior",
    1,
    "What the data say of the true lift of one tested category, as probabilities.",
    (
        *_KEY,
        _CATEGORY,
        *estimate_columns(
            "rel_lift_shrunk",
            "Posterior median of lift with its credible interval (fraction).",
            -1,
        ),
        _probability("p_better", "Probability that treatment's CTR is above control's."),
        Column(
            "expected_loss_ship",
            pl.Float64,
            "Mean lift forgone by shipping where treatment is worse (fraction).",
            lower=0,
        ),
        Column(
            "expected_loss_hold",
            pl.Float64,
            "Mean lift forgone by keeping control where treatment is better (fraction).",
            lower=0,
        ),
        _probability("p_rope", "Probability that lift is within plus and minus rope."),
        Column("rope", pl.Float64, "Lifts up to this are as good as none (fraction).", lower=0),
        Column("alpha", pl.Float64, "1 - credibility of the interval.", lower=0, upper=1),
        Column("method", pl.String, "Prior.", allowed=POSTERIOR_METHODS),
    ),
    key=("experiment_id", "contrast", "category"),
    invariants=(
        Invariant(
            "rel_lift_shrunk lies in its interval",
            (pl.col("rel_lift_shrunk_ci_lower") <= pl.col("rel_lift_shrunk"))
            & (pl.col("rel_lift_shrunk") <= pl.col("rel_lift_shrunk_ci_upper")),
        ),
    ),
)

SELECTED_LIFTS = TableContract(
    "selected_lifts",
    1,
    "Lift of one category called significant, corrected for having been selected.",
    (
        *_KEY,
        _CATEGORY,
        Column("z", pl.Float64, "Normal score of the p-value, with the sign of the lift."),
        Column(
            "threshold",
            pl.Float64,
            "The category is selected where |z| is above this, other categories being as they are.",
            lower=0,
        ),
        Column("rel_lift", pl.Float64, "Lift as estimated (fraction).", lower=-1),
        *estimate_columns(
            "rel_lift_corrected",
            "Lift most likely given that it was selected (fraction), with the interval that holds "
            "given selection.",
            -1,
        ),
        _probability("type_s", "If rel_lift_corrected is true: share of selections of wrong sign."),
        Column(
            "type_m",
            pl.Float64,
            "If rel_lift_corrected is true: mean factor by which log lift is exaggerated where "
            "selected (1 or more).",
            lower=0,
        ),
        Column("adjustment", pl.String, "Correction that selected, and the size of its family."),
        Column("alpha", pl.Float64, "Level of the selection.", lower=0, upper=1),
    ),
    key=("experiment_id", "contrast", "category"),
    invariants=(
        Invariant("|z| > threshold", pl.col("z").abs() >= pl.col("threshold") - 1e-9),
        Invariant(
            "correction never enlarges a lift",
            pl.col("rel_lift_corrected").log1p().abs() <= pl.col("rel_lift").log1p().abs() + 1e-12,
        ),
    ),
)

TOP_CATEGORIES = TableContract(
    "top_categories",
    1,
    "All categories together and those with the most traffic, both arms side by side.",
    (
        *_KEY,
        Column("category", pl.String, f"Category; {ALL_CATEGORIES} is all traffic."),
        Column("rank", pl.Int64, f"1 has the most impressions; 0 is {ALL_CATEGORIES}.", lower=0),
        _probability("traffic_share", "Share of the experiment's impressions, all arms."),
        Column("status", pl.String, "As in lift_table.", allowed=CELL_STATUSES),
        *(
            Column(f"impressions_{arm}", pl.Int64, f"Impressions in {arm} (count).", lower=0)
            for arm in ("control", "treatment")
        ),
        *estimate_columns("control_ctr", "CTR of control (fraction).", 0, 1),
        *estimate_columns("treatment_ctr", "CTR of treatment (fraction).", 0, 1),
        *estimate_columns("rel_lift", "treatment_ctr / control_ctr - 1 (fraction).", -1),
        _probability("p_value", "Two-sided, of no lift.", nullable=True),
        _probability("p_value_adj", "After the lift table's correction.", nullable=True),
        Column("verdict", pl.String, "As in lift_table.", allowed=VERDICTS),
    ),
    key=("experiment_id", "contrast", "category"),
    invariants=(
        Invariant(
            f"rank 0 is {ALL_CATEGORIES}",
            (pl.col("rank") == 0) == (pl.col("category") == ALL_CATEGORIES),
        ),
    ),
)

JOINT_HETEROGENEITY = TableContract(
    "joint_heterogeneity",
    2,
    "Whether the lift of one contrast differs between categories, allowing for the errors they "
    "share; beside heterogeneity, which takes them as independent.",
    (
        *_KEY,
        Column(
            "wald",
            pl.Float64,
            "Wald statistic of equal log lifts with the covariance of their errors; null where "
            "that is unknown.",
            nullable=True,
            lower=0,
        ),
        Column(
            "rank",
            pl.Int64,
            "Degrees of freedom: rank of the differences' covariance, the number of categories "
            "less 1, or below where it is singular.",
            nullable=True,
            lower=1,
        ),
        _probability("p_value", "Of wald, chi-square.", nullable=True),
        Column(
            "tau_pm",
            pl.Float64,
            "Spread of true log lifts by Paule and Mandel; heterogeneity has it by restricted ML.",
            lower=0,
        ),
        Column("tau_dl", pl.Float64, "The same by DerSimonian and Laird.", lower=0),
    ),
    key=("experiment_id", "contrast"),
)
