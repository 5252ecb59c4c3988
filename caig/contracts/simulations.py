"""Tables of simulated experiments whose truth is known: how often the analysis errs."""

import polars as pl

from caig.contracts.experiments import ALL_CATEGORIES
from caig.contracts.table import Column, Invariant, TableContract, estimate_columns

SCENARIOS = ("aa", "ab", "mixture")
"""aa: no lift anywhere; ab: a lift in every category; mixture: a lift in some of them."""

FIGURES = (
    "false_positive",
    "any_false_positive",
    "any_claim",
    "stops_some_day",
    "covers_truth",
    "covers_truth_every_day",
    "power",
    "false_discovery_rate",
    "claims_of_no_lift",
    "claims_of_wrong_sign",
    "not_tested",
    "verdicts_withheld",
)

SCOPES = ("overall", "category", "one_category", "experiment")
"""overall: one trial an experiment, all traffic; category: one trial a category of an experiment,
or a claim about one; one_category: one trial an experiment, that category; experiment: one trial
an experiment, all its categories."""

PROMISES = ("equal", "at_most", "at_least", "none")

ERROR_RATES = TableContract(
    "error_rates",
    1,
    "How often one thing happened in simulated experiments, beside what the method promises.",
    (
        Column("scenario", pl.String, "Which lifts there were.", allowed=SCENARIOS),
        Column("figure", pl.String, "What is counted.", allowed=FIGURES),
        Column("scope", pl.String, "Over what it is counted.", allowed=SCOPES),
        Column("category", pl.String, f"The category of one_category; else {ALL_CATEGORIES}."),
        Column("method", pl.String, "Method whose errors are counted."),
        Column("n_experiments", pl.Int64, "Experiments with a trial (count).", lower=0),
        Column(
            "events",
            pl.Float64,
            "Events; for false_discovery_rate the sum over experiments of the false share.",
            lower=0,
        ),
        Column("trials", pl.Int64, "Chances for an event (count).", lower=0),
        *estimate_columns("rate", "events / trials; null without trials.", 0, 1),
        Column(
            "promised",
            pl.Float64,
            "What it should be; null where promise is none.",
            nullable=True,
            lower=0,
            upper=1,
        ),
        Column("promise", pl.String, "How promised is meant.", allowed=PROMISES),
    ),
    key=("scenario", "figure", "scope", "category", "method"),
    invariants=(Invariant("events <= trials", pl.col("events") <= pl.col("trials")),),
)
