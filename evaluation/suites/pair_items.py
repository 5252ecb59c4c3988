"""Item scores of the suite ``pair_accuracy``: what every pair is worth for every scorer.

For comparisons of scorers that were evaluated in different runs, e.g. by a gate. Pairs of equal CTR
have no right answer and are no items.
"""

import numpy as np
import polars as pl

from caig.contracts.gates import ITEM_SCORES
from evaluation.config import EvaluateConfig
from evaluation.reading import PAIRS_ROLE, Evidence
from evaluation.suites.pair_accuracy import SUITE, worth_of
from evaluation.suites.scored_pairs import Scored


def pair_items(evidence: Evidence, config: EvaluateConfig) -> pl.DataFrame:
    """Every scorer's credit on every pair that has a label.

    Args:
        evidence: Pairs and scorers.
        config: Split and ties.

    Returns:
        ``item_scores/1``, metric ``accuracy``.
    """
    pairs = evidence.runs[PAIRS_ROLE].table("creative_pairs")
    if config.scoring.split != "all":
        pairs = pairs.filter(pl.col("split") == config.scoring.split)
    asked = evidence.pairs.gold != 0
    named = pairs.select("pair_id", "product_id", "category").filter(pl.Series(asked))
    tables = [_of(scorer, named, asked, evidence, config) for scorer in evidence.scorers]
    return pl.concat([ITEM_SCORES.empty(), *tables])


def _of(
    scorer: Scored,
    named: pl.DataFrame,
    asked: np.ndarray,
    evidence: Evidence,
    config: EvaluateConfig,
) -> pl.DataFrame:
    worth = worth_of(scorer, evidence.pairs, config)[asked]
    has_one = (~np.isnan(scorer.as_is) | ~np.isnan(scorer.swapped))[asked]
    why = np.where(has_one, "scored in one presentation only", "not scored")
    value = pl.Series(worth, dtype=pl.Float64).fill_nan(None)
    return named.select(
        suite=pl.lit(SUITE),
        subject=pl.lit(scorer.name),
        metric=pl.lit("accuracy"),
        item_id="pair_id",
        cluster_id="product_id",
        category="category",
        value=value,
        unscored_reason=pl.when(value.is_null()).then(pl.Series(why)),
    )
