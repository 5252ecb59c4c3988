"""Tables about the health of an experiment beyond its checks: by day, by arm, re-randomised."""

import polars as pl

from caig.contracts.table import Column, Invariant, TableContract

AA_SCOPES = ("overall", "category")

SEQUENTIAL_RATIO = TableContract(
    "sequential_ratio",
    1,
    "Traffic of one experiment up to one day against the declared split, valid at every look.",
    (
        Column("experiment_id", pl.String, "Experiment."),
        Column("day", pl.Date, "Last day of the cumulation."),
        Column("counted", pl.String, "What was counted.", allowed=("units", "impressions")),
        Column("n_counted", pl.Int64, "Count so far, all arms.", lower=0),
        Column(
            "log_bayes_factor",
            pl.Float64,
            "Natural logarithm of the Bayes factor of other splits against the declared one.",
        ),
        Column(
            "p_value",
            pl.Float64,
            "Of the declared split, valid at every look: never rises from day to day.",
            lower=0,
            upper=1,
        ),
    ),
    key=("experiment_id", "day"),
)

BOT_LIKE_UNITS = TableContract(
    "bot_like_units",
    1,
    "Units of one arm, and those of them that behave like bots.",
    (
        Column("experiment_id", pl.String, "Experiment."),
        Column("arm", pl.String, "Experiment arm."),
        Column("n_units", pl.Int64, "Units (count).", lower=0),
        Column("n_units_bot", pl.Int64, "Bot-like units (count).", lower=0),
        Column("n_impressions", pl.Int64, "Impressions of all units (count).", lower=0),
        Column("n_impressions_bot", pl.Int64, "Impressions of bot-like units (count).", lower=0),
        Column("n_clicks", pl.Int64, "Clicks of all units (count).", lower=0),
        Column("n_clicks_bot", pl.Int64, "Clicks of bot-like units (count).", lower=0),
    ),
    key=("experiment_id", "arm"),
    invariants=tuple(
        Invariant(f"{name}_bot <= {name}", pl.col(f"{name}_bot") <= pl.col(name))
        for name in ("n_units", "n_impressions", "n_clicks")
    ),
)

AA_TEST = TableContract(
    "aa_test",
    1,
    "How often the analysis finds a difference when units are assigned to arms anew at random.",
    (
        Column("experiment_id", pl.String, "Experiment."),
        Column("contrast", pl.String, "'treatment arm vs control arm'."),
        Column(
            "scope",
            pl.String,
            "Overall lift, or the lifts of all categories.",
            allowed=AA_SCOPES,
        ),
        Column("replicates", pl.Int64, "Assignments drawn (count).", lower=1),
        Column("alpha", pl.Float64, "Level of the test.", lower=0, upper=1),
        Column("rejections", pl.Int64, "Tests with a p-value below alpha (count).", lower=0),
        Column("tests", pl.Int64, "Tests that could be made (count).", lower=0),
        Column(
            "false_positive_rate",
            pl.Float64,
            "rejections / tests (fraction); null without tests.",
            nullable=True,
            lower=0,
            upper=1,
        ),
        *(
            Column(
                f"false_positive_rate_ci_{side}",
                pl.Float64,
                f"{side.capitalize()} limit of its 95 % Wilson interval.",
                nullable=True,
                lower=0,
                upper=1,
            )
            for side in ("lower", "upper")
        ),
        Column(
            "permutation_p_value",
            pl.Float64,
            "Share of assignments whose overall lift is as far from none as the observed one, "
            "itself included; null by category and where there is no observed lift.",
            nullable=True,
            lower=0,
            upper=1,
        ),
        Column("method", pl.String, "What was drawn and how it was tested."),
    ),
    key=("experiment_id", "contrast", "scope"),
    invariants=(Invariant("rejections <= tests", pl.col("rejections") <= pl.col("tests")),),
)
