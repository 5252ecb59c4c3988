"""Cross-fitting: every ad scored by a model that has seen nothing of its story.

A weak signal takes many pairs to be told from none, and a test split that holds most of them leaves
little to learn from. So the stories are cut into folds, and for each fold a model is trained on the
others: one of these to choose a strength on, the rest to learn from. The scores of all pairs are
then of held-out stories, at the price of as many trainings.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from caig.data.splits import FULL, stable_hash


def fold_of(stories: pl.Series, folds: int) -> NDArray[np.int64]:
    """(N,) fold of each story, from 0, by its name alone.

    Args:
        stories: Identifiers (String).
        folds: Number of folds.
    """
    place = stable_hash("fold/" + stories) / FULL
    return np.minimum((place * folds).astype(np.int64), folds - 1)


def split_by_fold(ads: pl.DataFrame, fold: int, folds: int) -> pl.DataFrame:
    """``ads`` with the split that holds a fold out.

    Args:
        ads: Columns story_id, split, and others.
        fold: Fold that becomes the test split; the next one becomes the validation split.
        folds: Number of folds.
    """
    found = fold_of(ads["story_id"], folds)
    names = np.where(found == fold, "test", np.where(found == (fold + 1) % folds, "val", "train"))
    return ads.with_columns(split=pl.Series(names, dtype=pl.String))
