"""How right a scorer can be on pairs of ads: the ceiling that binomial noise puts on accuracy.

A pair's label is the order of the observed click-through rates. An oracle that knows the true
rates is still wrong where chance turned the order round; nothing that looks at pictures can beat
it. Pairs of one product share ads, so the interval is clustered by product.
"""

import math
from typing import NamedTuple

import numpy as np
import polars as pl

from caig.contracts.experiments import SUITE_RESULTS

MIN_IMPRESSIONS = 1000
"""Ads with fewer make no pair (the released rule)."""

Z_95 = 1.959964


class PairRule(NamedTuple):
    """Which pairs count, by the larger observed rate over the smaller.

    Attributes:
        lower: Smallest ratio.
        upper: Largest ratio.
    """

    lower: float
    upper: float


RULES = {
    "any": PairRule(1.0, math.inf),
    "ge_20": PairRule(1.20, math.inf),
    "caig_5_20": PairRule(1.05, 1.20),
}


def label_ceiling(creatives: pl.DataFrame) -> pl.DataFrame:
    """Accuracy of the oracle on the observed labels.

    Args:
        creatives: Columns product_id, n_impressions, n_clicks, true_ctr; a row an ad.

    Returns:
        ``suite_results/1`` with a row for each pair rule; estimates are null where it keeps no
        pair.
    """
    shown = creatives.filter(
        (pl.col("n_impressions") > MIN_IMPRESSIONS) & (pl.col("n_clicks") > 0)
    ).select("product_id", "true_ctr", ctr=pl.col("n_clicks") / pl.col("n_impressions"))
    shown = shown.with_row_index("ad")
    pairs = (
        shown.join(shown, on="product_id", suffix="_other")
        .filter((pl.col("ad") < pl.col("ad_other")) & (pl.col("ctr") != pl.col("ctr_other")))
        .with_columns(
            ratio=pl.max_horizontal("ctr", "ctr_other") / pl.min_horizontal("ctr", "ctr_other"),
            right=(pl.col("ctr") > pl.col("ctr_other"))
            == (pl.col("true_ctr") > pl.col("true_ctr_other")),
        )
    )
    rows = []
    for name, rule in RULES.items():
        kept = pairs.filter(pl.col("ratio").is_between(rule.lower, rule.upper))
        rows.append(
            ("label_ceiling/1", "oracle", "pair_accuracy", f"filter={name}", *_accuracy(kept))
        )
    return pl.DataFrame(rows, schema=SUITE_RESULTS.schema, orient="row")


def _accuracy(pairs: pl.DataFrame) -> tuple[float | str | None, ...]:
    """Estimate, interval, method, pairs, unscored, ceiling: the tail of a ``suite_results`` row."""
    method = "normal, clustered by product"
    by_product = pairs.group_by("product_id").agg(n=pl.len(), right=pl.col("right").sum())
    n, right = (by_product[name].to_numpy().astype(float) for name in ("n", "right"))
    clusters = n.size
    if clusters == 0:
        return None, None, None, method, 0, 0, None
    rate = float(right.sum() / n.sum())
    if clusters == 1:
        return rate, None, None, "none: one product", pairs.height, 0, None
    variance = clusters / (clusters - 1) * np.sum((right - rate * n) ** 2) / n.sum() ** 2
    half = Z_95 * math.sqrt(variance)
    return rate, max(rate - half, 0.0), min(rate + half, 1.0), method, pairs.height, 0, None
