"""Tables of the offline suites beside suite_results: who was scored, how sure, against whom."""

import polars as pl

from caig.contracts.table import Column, Invariant, TableContract, estimate_columns

BINNINGS = ("equal_width", "equal_mass")
SCORER_KINDS = ("model", "ruler")
"""A ruler is a scorer that looks at no content: what it reaches, anything reaches."""

SCORER_COUNTS = TableContract(
    "scorer_counts",
    1,
    "What became of every pair of the suite under one scorer: the denominators of its accuracy.",
    (
        Column("scorer", pl.String, "Scorer."),
        Column("kind", pl.String, "Whether it looks at content.", allowed=SCORER_KINDS),
        Column("scores_run", pl.String, "Run the scores are from; empty if made by the suite."),
        Column("n_pairs", pl.Int64, "Pairs of the suite (count).", lower=0),
        Column("n_gold_ties", pl.Int64, "Pairs whose ads had the same CTR; left out.", lower=0),
        Column("n_one_order", pl.Int64, "Of the rest: scored in one presentation only.", lower=0),
        Column("n_no_score", pl.Int64, "Of the rest: not scored at all.", lower=0),
        Column("n_scored", pl.Int64, "Of the rest: scored in both presentations.", lower=0),
        Column("n_model_ties", pl.Int64, "Scored pairs the scorer could not tell.", lower=0),
        Column("n_right", pl.Int64, "Scored pairs it was right about.", lower=0),
        Column("n_products", pl.Int64, "Products of the scored pairs (count).", lower=0),
        Column("tie_rule", pl.String, "What a scorer's tie counts as.", allowed=("half", "wrong")),
        Column("tie_tolerance", pl.Float64, "Largest |p - 1/2| that is a tie.", lower=0, upper=0.5),
    ),
    key=("scorer",),
    invariants=(
        Invariant(
            "n_gold_ties + n_one_order + n_no_score + n_scored = n_pairs",
            pl.col("n_gold_ties")
            + pl.col("n_one_order")
            + pl.col("n_no_score")
            + pl.col("n_scored")
            == pl.col("n_pairs"),
        ),
        Invariant(
            "n_model_ties + n_right <= n_scored",
            pl.col("n_model_ties") + pl.col("n_right") <= pl.col("n_scored"),
        ),
        Invariant("n_products <= n_scored", pl.col("n_products") <= pl.col("n_scored")),
    ),
)

POSITION_BIAS = TableContract(
    "position_bias",
    1,
    "Whether one scorer's answer follows the screen side rather than the ad.",
    (
        Column("scorer", pl.String, "Scorer."),
        Column("n_both", pl.Int64, "Pairs decided in both presentations (count).", lower=0),
        Column("n_flips", pl.Int64, "Of these: the same side chosen both times.", lower=0),
        Column("n_flips_first", pl.Int64, "Flips in favour of the left side.", lower=0),
        *estimate_columns("flip_rate", "Flips over pairs decided in both.", 0, 1),
        *estimate_columns("first_share", "Flips in favour of the left side, over flips.", 0, 1),
        Column(
            "p_value",
            pl.Float64,
            "Exact sign test that flips favour neither side; takes pairs as independent. Null "
            "without a flip.",
            nullable=True,
            lower=0,
            upper=1,
        ),
    ),
    key=("scorer",),
    invariants=(
        Invariant("n_flips <= n_both", pl.col("n_flips") <= pl.col("n_both")),
        Invariant("n_flips_first <= n_flips", pl.col("n_flips_first") <= pl.col("n_flips")),
        Invariant(
            "flip_rate lies in its interval",
            (pl.col("flip_rate_ci_lower") <= pl.col("flip_rate") + 1e-12)
            & (pl.col("flip_rate") <= pl.col("flip_rate_ci_upper") + 1e-12),
        ),
        Invariant(
            "first_share lies in its interval",
            (pl.col("first_share_ci_lower") <= pl.col("first_share") + 1e-12)
            & (pl.col("first_share") <= pl.col("first_share_ci_upper") + 1e-12),
        ),
    ),
)

RELIABILITY = TableContract(
    "reliability",
    1,
    "Stated probability against what was observed, in one bin of one scorer.",
    (
        Column("scorer", pl.String, "Scorer."),
        Column("binning", pl.String, "How bins were cut.", allowed=BINNINGS),
        Column("bin", pl.Int32, "Place of the bin, from 0.", lower=0),
        Column("p_from", pl.Float64, "Lower limit of the bin.", lower=0, upper=1),
        Column("p_to", pl.Float64, "Upper limit of the bin.", lower=0, upper=1),
        Column("n", pl.Int64, "Pairs in it (count).", lower=0),
        Column("p_mean", pl.Float64, "Mean probability.", nullable=True, lower=0, upper=1),
        *estimate_columns("observed", "Share whose left ad had the higher CTR.", 0, 1),
    ),
    key=("scorer", "binning", "bin"),
    invariants=(
        Invariant("p_from <= p_to", pl.col("p_from") <= pl.col("p_to")),
        Invariant(
            "observed lies in its interval",
            (pl.col("observed_ci_lower") <= pl.col("observed") + 1e-12)
            & (pl.col("observed") <= pl.col("observed_ci_upper") + 1e-12),
        ),
    ),
)

SCORER_COMPARISONS = TableContract(
    "scorer_comparisons",
    1,
    "Two scorers on the pairs that both of them scored.",
    (
        Column("scorer", pl.String, "First scorer."),
        Column("other", pl.String, "Second scorer."),
        Column("n_pairs", pl.Int64, "Pairs both scored (count).", lower=0),
        Column("n_products", pl.Int64, "Their products (count).", lower=0),
        Column("accuracy", pl.Float64, "Of the first.", nullable=True, lower=0, upper=1),
        Column("other_accuracy", pl.Float64, "Of the second.", nullable=True, lower=0, upper=1),
        *estimate_columns("difference", "First minus second; t clustered by product.", -1, 1),
        Column(
            "difference_bootstrap_lower",
            pl.Float64,
            "Lower limit of the percentile interval over products drawn anew.",
            nullable=True,
            lower=-1,
            upper=1,
        ),
        Column(
            "difference_bootstrap_upper",
            pl.Float64,
            "Upper limit of the same.",
            nullable=True,
            lower=-1,
            upper=1,
        ),
        Column("n_first_ahead", pl.Int64, "Pairs the first gets more credit for.", lower=0),
        Column("n_second_ahead", pl.Int64, "Pairs the second gets more credit for.", lower=0),
        Column(
            "p_mcnemar",
            pl.Float64,
            "McNemar, exact; takes pairs as independent and decides nothing.",
            lower=0,
            upper=1,
        ),
        Column(
            "p_value",
            pl.Float64,
            "Paired t test clustered by product.",
            nullable=True,
            lower=0,
            upper=1,
        ),
        Column("p_value_adj", pl.Float64, "After correction.", nullable=True, lower=0, upper=1),
        Column("adjustment", pl.String, "Correction and the size of its family."),
        Column(
            "smallest_found",
            pl.Float64,
            "True difference found with 80 % power at this precision and level, uncorrected.",
            nullable=True,
            lower=0,
        ),
    ),
    key=("scorer", "other"),
    invariants=(
        Invariant(
            "difference lies in its interval",
            (pl.col("difference_ci_lower") <= pl.col("difference") + 1e-12)
            & (pl.col("difference") <= pl.col("difference_ci_upper") + 1e-12),
        ),
        Invariant(
            "n_first_ahead + n_second_ahead <= n_pairs",
            pl.col("n_first_ahead") + pl.col("n_second_ahead") <= pl.col("n_pairs"),
        ),
        Invariant("n_products <= n_pairs", pl.col("n_products") <= pl.col("n_pairs")),
        Invariant("p_value_adj >= p_value", pl.col("p_value_adj") >= pl.col("p_value") - 1e-12),
    ),
)
