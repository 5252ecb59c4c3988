"""Tables of a study of preference optimisation: every run's curves, and what the arms came to."""

import polars as pl

from caig.contracts.table import Column, Invariant, TableContract, estimate_columns

_WHICH = (
    Column("judge", pl.String, "Judge that was learnt from, by its name in the study."),
    Column("arm", pl.String, "Arm, by its name in the study."),
    Column("learning_rate", pl.Float64, "Peak learning rate.", lower=0),
)

STUDY_FIGURES = TableContract(
    "study_figures",
    1,
    "One figure of one alignment of a study at one epoch: all runs that were made are here.",
    (
        Column(
            "phase",
            pl.String,
            "sweep: on validation products, to choose a rate; report: on test products.",
            allowed=("sweep", "report"),
        ),
        *_WHICH,
        Column("seed", pl.Int64, "Seed of the alignment."),
        Column("epoch", pl.Int32, "Alignment epoch; 0 is before any.", lower=0),
        Column("metric", pl.String, "Name of the figure; see docs/preference.md."),
        Column("value", pl.Float64, "The figure; null where it cannot be known.", nullable=True),
        Column("n", pl.Int32, "Products, prompts or pairs it is about (count).", lower=0),
    ),
    key=("phase", "judge", "arm", "learning_rate", "seed", "epoch", "metric"),
)

ESTIMATE_STATUSES = ("ok", "one_seed", "unknown", "unbounded")
"""ok; one_seed: no interval from one run; unknown: a run has no such figure; unbounded: the
denominator of a share cannot be told from 0."""

STUDY_ESTIMATES = TableContract(
    "study_estimates",
    1,
    "One figure of one arm after its last epoch: mean over seeds, with its interval.",
    (
        *_WHICH,
        Column("metric", pl.String, "Name of the figure; see docs/study.md."),
        *estimate_columns("mean", "Mean over seeds, or ratio of two such means."),
        Column("n_seeds", pl.Int32, "Runs with the figure (count).", lower=0),
        Column("confidence", pl.Float64, "Confidence of the interval.", lower=0, upper=1),
        Column("method", pl.String, "How the interval was made."),
        Column("status", pl.String, "Whether the estimate can be made.", allowed=ESTIMATE_STATUSES),
    ),
    key=("judge", "arm", "metric"),
    invariants=(
        Invariant(
            "an estimate of status ok has an interval",
            (pl.col("status") != "ok") | pl.col("mean_ci_lower").is_not_null(),
        ),
    ),
)
