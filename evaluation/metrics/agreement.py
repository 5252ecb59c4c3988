"""How far two or more raters agree beyond chance.

Cohen's kappa for two (plain, linear or quadratic weights) and Krippendorff's alpha for any number
with gaps. Kappa falls with prevalence: print plain agreement beside it.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Weights = Literal["none", "linear", "quadratic"]
Scale = Literal["nominal", "ordinal", "interval"]


def cohen_kappa(table: ArrayLike, *, weights: Weights = "none") -> float | None:
    """Cohen's kappa of a square table of counts.

    Args:
        table: (k, k) counts: row is the first rater's answer, column the second's.
        weights: How much a near miss counts, by distance between answers.

    Returns:
        None if chance alone would agree on everything, or there is no count.
    """
    counts = np.asarray(table, float)
    total = counts.sum()
    if total == 0:
        return None
    places = np.arange(counts.shape[0])
    apart = np.abs(places[:, None] - places[None, :]).astype(float)
    cost = {"none": (apart > 0).astype(float), "linear": apart, "quadratic": apart**2}[weights]
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / total
    by_chance = float(np.sum(cost * expected))
    return None if by_chance == 0 else 1 - float(np.sum(cost * counts)) / by_chance


def krippendorff_alpha(ratings: ArrayLike, *, scale: Scale = "nominal") -> float | None:
    """Krippendorff's alpha.

    Args:
        ratings: (raters, items); NaN where a rater gave no answer.
        scale: What a difference between answers means.

    Returns:
        None if no item has two answers, or all answers are the same.
    """
    values = np.asarray(ratings, float)
    answers = np.unique(values[np.isfinite(values)])
    counts = np.stack([(values == answer).sum(axis=0) for answer in answers], axis=1).astype(float)
    counts = counts[counts.sum(axis=1) >= 2]
    if counts.size == 0:
        return None
    per_item = counts.sum(axis=1, keepdims=True)
    together = np.einsum("ia,ib->ab", counts / (per_item - 1), counts)
    together -= np.diag((counts / (per_item - 1)).sum(axis=0))
    margin = together.sum(axis=1)
    total = margin.sum()
    cost = _cost(answers, margin, scale)
    expected = float(np.sum(cost * np.outer(margin, margin))) / (total - 1)
    return None if expected == 0 else 1 - float(np.sum(cost * together)) / expected


def _cost(
    answers: NDArray[np.float64], margin: NDArray[np.float64], scale: Scale
) -> NDArray[np.float64]:
    if scale == "nominal":
        return 1.0 - np.eye(answers.size)
    if scale == "interval":
        return np.square(answers[:, None] - answers[None, :])
    # Ordinal: the number of answers that lie between, the two ends counted half.
    middle = np.cumsum(margin) - margin / 2
    return np.square(middle[:, None] - middle[None, :])
