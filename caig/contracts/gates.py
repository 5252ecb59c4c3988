"""The table a gate compares candidate and incumbent by: one item, one value."""

import polars as pl

from caig.contracts.table import Column, Invariant, TableContract

ITEM_SCORES = TableContract(
    "item_scores",
    1,
    "What one item of an offline suite is worth under one metric for one subject; the same items "
    "of two subjects are compared in pairs. An item that has no answer is listed, without a value.",
    (
        Column("suite", pl.String, "Suite and version, e.g. matching/1."),
        Column("subject", pl.String, "What was evaluated: a scorer or a generator."),
        Column("metric", pl.String, "Metric; its mean over items is the suite's figure."),
        Column("item_id", pl.String, "Item; the same for every subject that was asked about it."),
        Column("cluster_id", pl.String, "Items of one cluster are alike: the product, as a rule."),
        Column("category", pl.String, "Category of the item; null if it has none.", nullable=True),
        Column("value", pl.Float64, "Its worth (0-1).", nullable=True, lower=0, upper=1),
        Column(
            "unscored_reason", pl.String, "Why there is no value; null if there is.", nullable=True
        ),
    ),
    key=("suite", "subject", "metric", "item_id"),
    invariants=(
        Invariant(
            "an item without a value, and no other, has an unscored_reason",
            pl.col("value").is_null() == pl.col("unscored_reason").is_not_null(),
        ),
    ),
)
