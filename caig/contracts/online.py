"""Tables of truth behind a simulated online experiment whose arms show ads of generators."""

import polars as pl

from caig.contracts.experiments import ALL_CATEGORIES
from caig.contracts.table import Column, TableContract

_READ = "that the click model read; null if the prompt names no scene: a bare backdrop"


def _share(name: str, meaning: str) -> Column:
    return Column(name, pl.Float64, meaning, lower=0, upper=1)


ONLINE_ADS = TableContract(
    "online_ads",
    1,
    "One ad that one arm shows, and what is true of it. No model may read it; it is for judging.",
    (
        Column("creative_id", pl.String, "Creative, as the log names it: arm/creative."),
        Column("arm", pl.String, "Experiment arm."),
        Column("product_id", pl.String, "Product shown."),
        Column("category", pl.String, "Category of the product."),
        Column("prompt", pl.String, "Text it was painted from; untrusted text."),
        Column("scene", pl.String, f"Scene {_READ}.", nullable=True),
        Column("light", pl.String, f"Light {_READ}.", nullable=True),
        Column("palette", pl.String, f"Palette {_READ}.", nullable=True),
        Column("depth", pl.String, f"Depth {_READ}.", nullable=True),
        Column("decoration", pl.String, f"Decoration {_READ}.", nullable=True),
        Column("suits", pl.Boolean, "True if the scene suits the product's category."),
        _share("true_ctr", "Click-through rate (fraction)."),
    ),
    key=("creative_id",),
)

ONLINE_TRUTH = TableContract(
    "online_truth",
    1,
    "What is true of one arm of a simulated experiment in one category.",
    (
        Column("experiment_id", pl.String, "Experiment."),
        Column("arm", pl.String, "Experiment arm."),
        Column("is_control", pl.Boolean, "True for the arm the others are compared with."),
        Column("category", pl.String, f"Category; {ALL_CATEGORIES} is the whole traffic."),
        _share("traffic_share", "Expected share of the arm's impressions."),
        Column("n_products", pl.Int64, "Products shown (count).", lower=1),
        Column("n_creatives", pl.Int64, "Ads shown (count).", lower=1),
        _share("true_ctr", "Expected clicks over expected impressions (fraction)."),
        Column("rel_lift", pl.Float64, "true_ctr / control's true_ctr - 1; 0 for it.", lower=-1),
        _share("suits_share", "Expected share of impressions whose scene suits the category."),
        _share("bare_share", "Expected share of impressions of a bare backdrop."),
    ),
    key=("experiment_id", "arm", "category"),
)
