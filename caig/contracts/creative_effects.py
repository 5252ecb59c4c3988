"""Tables about single creatives in an experiment: how good each is, and what it does for the lift.

``ctr_shrunk`` is a creative's CTR moved towards its product's and its category's as far as their
spread and its own noise call for; it is the better guess of one that was picked for looking best.
"""

import polars as pl

from caig.contracts.table import Column, Invariant, TableContract, estimate_columns

EFFECT_STATUSES = ("ok", "zero_click", "all_clicked", "alone")
"""ok; nothing of its category was clicked in this arm; everything was; its category has no other
creative in this arm, so that there is nothing to compare it with."""

TEST_STATUSES = ("ok", "too_small")
"""ok; an image of the product was expected to have too few clicks for the test."""

_NAMES = (
    Column("experiment_id", pl.String, "Experiment."),
    Column("category", pl.String, "Category; empty if the log names none."),
    Column("product_id", pl.String, "Product; empty if the log names none."),
)
_CHANCE = "Chance of being the {} (fraction), from draws; standard error up to 0.008."
_REGRET = "CTR expected to be lost by showing it in place of {} (fraction)."

CREATIVE_EFFECTS = TableContract(
    "creative_effects",
    1,
    "One creative in one arm: its CTR, shrunk, and its chance of being the best.",
    (
        *_NAMES[:1],
        Column("arm", pl.String, "Experiment arm."),
        *_NAMES[1:],
        Column("creative_id", pl.String, "Creative."),
        Column("status", pl.String, "Whether it can be judged.", allowed=EFFECT_STATUSES),
        Column("n_units", pl.Int64, "Units (count); null if unnamed.", nullable=True, lower=1),
        Column("n_impressions", pl.Int64, "Impressions (count).", lower=1),
        Column("n_clicks", pl.Int64, "Clicks (count).", lower=0),
        Column("ctr", pl.Float64, "n_clicks / n_impressions (fraction).", lower=0, upper=1),
        *estimate_columns("ctr_shrunk", "Shrunk CTR (fraction).", 0, 1),
        Column(
            "design_effect",
            pl.Float64,
            "Clustered over binomial variance used; null where impressions are randomised.",
            nullable=True,
            lower=0,
        ),
        Column(
            "product_sd",
            pl.Float64,
            "Spread of products in a category, as a share of its CTR; null if not identified.",
            nullable=True,
            lower=0,
        ),
        Column(
            "image_sd",
            pl.Float64,
            "Spread of a product's images, as a share of the category's CTR; products' spread too "
            "where product_sd is null.",
            nullable=True,
            lower=0,
        ),
        Column(
            "p_best_of_product",
            pl.Float64,
            _CHANCE.format("product's best"),
            nullable=True,
            lower=0,
            upper=1,
        ),
        Column(
            "regret_of_product",
            pl.Float64,
            _REGRET.format("the product's best"),
            nullable=True,
            lower=0,
        ),
        Column(
            "p_best_of_category",
            pl.Float64,
            _CHANCE.format("category's best"),
            nullable=True,
            lower=0,
            upper=1,
        ),
        Column(
            "regret_of_category",
            pl.Float64,
            _REGRET.format("the category's best"),
            nullable=True,
            lower=0,
        ),
    ),
    key=("experiment_id", "arm", "category", "product_id", "creative_id"),
    invariants=(
        Invariant("n_clicks <= n_impressions", pl.col("n_clicks") <= pl.col("n_impressions")),
        Invariant(
            "ctr_shrunk is known exactly where status is ok",
            pl.col("ctr_shrunk").is_not_null() == (pl.col("status") == "ok"),
        ),
    ),
)

IMAGE_TESTS = TableContract(
    "image_tests",
    1,
    "Whether the images of one product differ in CTR within one arm.",
    (
        *_NAMES[:1],
        Column("arm", pl.String, "Experiment arm."),
        *_NAMES[1:],
        Column("n_creatives", pl.Int64, "Images (count).", lower=2),
        Column("n_impressions", pl.Int64, "Impressions of all (count).", lower=1),
        Column("n_clicks", pl.Int64, "Clicks of all (count).", lower=0),
        Column(
            "statistic",
            pl.Float64,
            "Pearson's chi-square, each image's part divided by its design effect.",
            nullable=True,
            lower=0,
        ),
        Column("dof", pl.Int64, "Degrees of freedom.", lower=1),
        Column("p_value", pl.Float64, "Of no difference.", nullable=True, lower=0, upper=1),
        Column(
            "p_value_adj",
            pl.Float64,
            "After Benjamini-Hochberg over the products of the arm.",
            nullable=True,
            lower=0,
            upper=1,
        ),
        Column("status", pl.String, "Whether the test can be made.", allowed=TEST_STATUSES),
    ),
    key=("experiment_id", "arm", "category", "product_id"),
    invariants=(
        Invariant("p_value_adj >= p_value", pl.col("p_value_adj") >= pl.col("p_value") - 1e-12),
    ),
)

CREATIVE_DRIVERS = TableContract(
    "creative_drivers",
    1,
    "A creative of the treatment among those that raise or lower its category's lift most.",
    (
        *_NAMES[:1],
        Column("contrast", pl.String, "'treatment arm vs control arm'."),
        *_NAMES[1:],
        Column("creative_id", pl.String, "Creative of the treatment."),
        Column(
            "traffic_share",
            pl.Float64,
            "Share of the treatment's impressions in the category.",
            lower=0,
            upper=1,
        ),
        *estimate_columns("ctr_ratio", "Its shrunk CTR over control's CTR in the category.", 0),
        *estimate_columns(
            "contribution",
            "traffic_share times (ctr_ratio - 1): what it adds to the category's lift (fraction).",
        ),
        Column("direction", pl.String, "Which end of the category.", allowed=("up", "down")),
        Column("rank", pl.Int64, "From 1, the largest contribution in its direction.", lower=1),
    ),
    key=("experiment_id", "contrast", "category", "product_id", "creative_id"),
)
