"""Scorers that look at one ad at a time, as pair scorers.

Such a scorer does not know on which side an ad stands: both presentations have the same answer, and
are stored all the same, so that its flip rate is measured like any other's.
"""

import numpy as np
import polars as pl

from caig.contracts.creatives import PAIR_SCORES
from caig.contracts.table import check

PRESENTATIONS = ("as_is", "swapped")


def pair_scores(
    pairs: pl.DataFrame,
    scorer: str,
    p_left: np.ndarray,
    *,
    left_ctr_hat: np.ndarray | None = None,
    right_ctr_hat: np.ndarray | None = None,
) -> pl.DataFrame:
    """``pair_scores/1`` of a scorer that is blind to sides.

    Args:
        pairs: ``creative_pairs/1``.
        scorer: Its name.
        p_left: (N,) probability that the left ad's CTR is the higher.
        left_ctr_hat: (N,) predicted CTR of the left ads (fraction); what is no fraction becomes
            null.
        right_ctr_hat: Likewise of the right ads.
    """
    answers = pairs.select(
        "pair_id",
        pl.lit(scorer).alias("scorer"),
        pl.Series("p_left", p_left, dtype=pl.Float64),
        _fractions("left_ctr_hat", left_ctr_hat, pairs.height),
        _fractions("right_ctr_hat", right_ctr_hat, pairs.height),
    ).with_row_index("row")
    both = pl.concat(
        [answers.with_columns(presentation=pl.lit(side)) for side in PRESENTATIONS]
    ).sort("row", "presentation")
    return check(both.select(PAIR_SCORES.schema.names()), PAIR_SCORES, source=scorer)


def list_model_scores(
    pairs: pl.DataFrame,
    scorer: str,
    creative_id: pl.Series,
    scores: np.ndarray,
    *,
    point_scale: float,
) -> pl.DataFrame:
    """``pair_scores/1`` of a model trained on lists: its own softmax, over the two ads of a pair.

    Args:
        pairs: ``creative_pairs/1``.
        scorer: Its name.
        creative_id: Ads, each once.
        scores: (A,) their scores.
        point_scale: Scores over it are predicted CTRs; what is no fraction becomes null.
    """
    left, right = at_pairs(pairs, creative_id, scores)
    return pair_scores(
        pairs,
        scorer,
        sigmoid(left - right),
        left_ctr_hat=left / point_scale,
        right_ctr_hat=right / point_scale,
    )


def at_pairs(
    pairs: pl.DataFrame, creative_id: pl.Series, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Values of single ads, laid beside the pairs.

    Args:
        pairs: ``creative_pairs/1``.
        creative_id: Ads, each once.
        values: (A,) their values.

    Returns:
        (N,) values of the left ads, (N,) of the right ones.
    """
    table = pl.DataFrame({"creative_id": creative_id, "value": values})
    left, right = (
        pairs.select(creative_id=side)
        .join(table, on="creative_id", how="left", maintain_order="left")["value"]
        .to_numpy()
        for side in ("left_id", "right_id")
    )
    return left, right


def sigmoid(difference: np.ndarray) -> np.ndarray:
    """Logistic function, without overflow."""
    half: np.ndarray = 0.5 * (1 + np.tanh(difference / 2))
    return half


def _fractions(name: str, values: np.ndarray | None, n: int) -> pl.Series:
    if values is None:
        return pl.Series(name, [None] * n, dtype=pl.Float64)
    inside = np.isfinite(values) & (values >= 0) & (values <= 1)
    return pl.Series(name, np.where(inside, values, np.nan), dtype=pl.Float64).fill_nan(None)
