"""The short table: all traffic and the categories with the most of it, both arms side by side.

The paper reports its online test in this form. Traffic is impressions of all arms together, which
is known before anything is clicked; picking the categories with the largest lifts instead would
show the luckiest ones (:mod:`abtest.categories.selection`).
"""

import polars as pl

from abtest.categories.config import Categories
from caig.contracts.categories import TOP_CATEGORIES
from caig.contracts.experiments import ALL_CATEGORIES


def top_categories(lift_table: pl.DataFrame, *, categories: Categories) -> pl.DataFrame:
    """``top_categories/1`` of every experiment that has categories.

    Args:
        lift_table: ``lift_table/1``.
        categories: How many categories to show.

    Returns:
        A row a contrast for ``__all__`` and for each of an experiment's top categories, in order
        of rank; equal traffic in order of name. The same categories for every contrast.
    """
    is_overall = pl.col("category") == ALL_CATEGORIES
    named = lift_table.filter(~is_overall)
    if named.is_empty():
        return TOP_CATEGORIES.empty()
    key = ["experiment_id", "category"]
    # Every contrast repeats the control's traffic.
    traffic = (
        lift_table.join(named.select("experiment_id").unique(), on="experiment_id", how="semi")
        .group_by(key)
        .agg(n=pl.col("impressions_control").max() + pl.col("impressions_treatment").sum())
    )
    total = pl.col("n").filter(is_overall).sum().over("experiment_id")
    ranked = (
        traffic.with_columns(traffic_share=pl.col("n") / total)
        .sort("experiment_id", ~is_overall, -pl.col("n"), "category")
        .with_columns(rank=pl.int_range(pl.len(), dtype=pl.Int64).over("experiment_id"))
        .filter(pl.col("rank") <= categories.top)
    )
    return (
        lift_table.join(ranked, on=key)
        .sort("experiment_id", "contrast", "rank")
        .select(TOP_CATEGORIES.schema.names())
    )
