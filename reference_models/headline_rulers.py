"""Content-blind rulers of headlines: what one gets without understanding a word.

As in ``rulers``, more wins, with probability ``left / (left + right)``; which way a ruler points is
not fitted, so one that scores 0.4 tells as much as one that scores 0.6.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from caig.errors import ConfigError
from caig.runs.store import Run
from reference_models.pictures import of_pairs
from reference_models.pointwise import at_pairs, pair_scores


def capitals(headline: str) -> float:
    """Share of the letters that are capitals; 0 where there are no letters."""
    letters = [sign for sign in headline if sign.isalpha()]
    return sum(letter.isupper() for letter in letters) / max(len(letters), 1)


def has_number(headline: str) -> float:
    """1 if there is a digit."""
    return float(any(sign.isdigit() for sign in headline))


def has_question(headline: str) -> float:
    """1 if there is a question mark."""
    return float("?" in headline)


def words(headline: str) -> float:
    """Words, as separated by white space (count)."""
    return float(len(headline.split()))


MEASURES: dict[str, Callable[[str], float]] = {
    "headline_length": lambda headline: float(len(headline)),
    "headline_words": words,
    "headline_number": has_number,
    "headline_question": has_question,
    "headline_capitals": capitals,
}


class HeadlineRuler:
    """One ruler as a ``PairScorer``.

    Args:
        measure: One of ``MEASURES``.

    Raises:
        ConfigError: There is no such ruler.
    """

    def __init__(self, measure: str) -> None:
        if measure not in MEASURES:
            raise ConfigError(f"no ruler '{measure}'; there are: {', '.join(MEASURES)}")
        self.name = f"ref:{measure}"
        self._measure = MEASURES[measure]

    def score_pairs(self, pairs: pl.DataFrame, images: Path) -> pl.DataFrame:
        """Score pairs in both presentations.

        Args:
            pairs: ``creative_pairs/1``.
            images: Folder of the data run the pairs were made from.

        Returns:
            ``pair_scores/1``: two rows a pair, in the order of ``pairs``.

        Raises:
            ArtifactError: ``images`` is no data run, or one without headlines.
            DataError: An ad is missing.
        """
        ads = of_pairs(pairs, Run.open(images).table("headlines"))
        measured = np.array([self._measure(headline) for headline in ads["headline"]], dtype=float)
        left, right = at_pairs(pairs, ads["creative_id"], measured)
        total = left + right
        p_left = np.divide(left, total, out=np.full(total.shape, 0.5), where=total > 0)
        return pair_scores(pairs, self.name, p_left)
