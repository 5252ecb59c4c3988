"""A linear model of what makes a headline clicked, fitted to randomised tests.

An ad's logit of the click-through rate is taken as that of its test, plus that of its product (the
picture beside it), plus the headline's own score, plus what the score does not say, plus the error
of counting. The score is a sum over what the headline is made of. All parts but the general mean
are drawn towards zero, each kind by a stated variance: a ridge regression with weights, whose
weights are the variances of what is left. So an ad of many impressions counts for more, a headline
that met no other in its test still tells what its test leaves open, and a pair is judged by the
difference of two scores, which is antisymmetric by construction.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import lsmr

from reference_models.headline_config import HeadlineConfig
from reference_models.headline_features import (
    STYLES,
    Vocabulary,
    character_grams,
    styles,
    unit_vectors,
    vocabulary,
    word_grams,
)

Floats = NDArray[np.float64]

CHARACTERS, WORDS, STYLE = "characters", "words", "style"
WEIGHTS = pl.Schema(
    {
        "kind": pl.String(),
        "term": pl.String(),
        "centre": pl.Float64(),
        "scale": pl.Float64(),
        "weight": pl.Float64(),
    }
)


@dataclass(frozen=True)
class HeadlineModel:
    """A fitted model.

    Attributes:
        weights: kind (characters, words, style), term, centre, scale, weight. Of a term, scale is
            its inverse document frequency; a measure of style enters as (value - centre) * scale.
        config: Lengths of the terms.
    """

    weights: pl.DataFrame
    config: HeadlineConfig

    def score(self, headlines: Sequence[str]) -> Floats:
        """(N,) scores, in log-odds of a click; only differences within a test mean anything."""
        total = np.zeros(len(headlines))
        for kind, cut in _cutters(self.config).items():
            part = self.weights.filter(pl.col("kind") == kind)
            known = Vocabulary(part["term"].to_list(), part["scale"].to_numpy())
            vectors = unit_vectors([cut(headline) for headline in headlines], known)
            total += vectors @ part["weight"].to_numpy()
        part = self.weights.filter(pl.col("kind") == STYLE)
        centre, scale, weight = (part[n].to_numpy() for n in ("centre", "scale", "weight"))
        found: Floats = total + ((styles(headlines) - centre) * scale) @ weight
        return found


class Features:
    """Headlines of ads as one sparse matrix, made once for fits of several strengths.

    Args:
        ads: Columns headline, test_id, product_id, n_impressions, n_clicks; a row an ad.
        config: Lengths, frequencies, variances.
    """

    def __init__(self, ads: pl.DataFrame, config: HeadlineConfig) -> None:
        self.config = config
        headlines = ads["headline"].to_list()
        least = {CHARACTERS: config.least_for_characters, WORDS: config.least_for_words}
        self._known = {}
        blocks = []
        for kind, cut in _cutters(config).items():
            terms = [cut(headline) for headline in headlines]
            self._known[kind] = vocabulary(terms, least[kind])
            blocks.append(unit_vectors(terms, self._known[kind]))
        measured = styles(headlines)
        spread = measured.std(axis=0)
        self._centre = measured.mean(axis=0)
        # A measure that never varies here says nothing, and must not say anything elsewhere.
        self._scale = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
        self._scale /= np.sqrt(len(STYLES))
        blocks.append(sparse.csr_array((measured - self._centre) * self._scale))
        self._blocks = blocks
        self._groups = [_indicators(ads["test_id"]), _indicators(ads["product_id"])]
        n, clicks = (ads[name].to_numpy().astype(float) for name in ("n_impressions", "n_clicks"))
        # Half a click more on both sides: the logit's bias of first order goes (Haldane, Anscombe).
        self._logit = np.log((clicks + 0.5) / (n - clicks + 0.5))
        self._error = 1 / (clicks + 0.5) + 1 / (n - clicks + 0.5)

    def fit(self, strength: float) -> HeadlineModel:
        """Fit.

        Args:
            strength: What the variances of the headline's parts are multiplied by; above 0.
        """
        config = self.config
        of_headline = (config.character_variance, config.word_variance, config.style_variance)
        variances = [*(strength * v for v in of_headline), config.test_variance]
        variances.append(config.product_variance)
        spreads = np.sqrt(variances)
        whole = sparse.hstack(
            [s * b for s, b in zip(spreads, [*self._blocks, *self._groups], strict=True)],
            format="csr",
        )
        precision = 1 / np.sqrt(self._error + config.own_variance)
        centred = self._logit - np.average(
            self._logit, weights=1 / (1 / precision**2 + config.test_variance)
        )
        # Ridge as least squares: each row by its precision, each weight of variance 1.
        solved = lsmr(
            sparse.diags_array(precision) @ whole,
            precision * centred,
            damp=1.0,
            atol=1e-7,
            btol=1e-7,
            maxiter=5000,
        )[0]
        parts = []
        start = 0
        for block, spread in zip(self._blocks, spreads, strict=False):
            parts.append(spread * solved[start : start + block.shape[1]])
            start += block.shape[1]
        return HeadlineModel(self._table(parts), config)

    def _table(self, parts: Sequence[Floats]) -> pl.DataFrame:
        frames = [
            pl.DataFrame(
                {
                    "kind": [kind] * len(known.terms),
                    "term": known.terms,
                    "centre": np.zeros(len(known.terms)),
                    "scale": known.scale,
                    "weight": part,
                },
                schema=WEIGHTS,
            )
            for (kind, known), part in zip(self._known.items(), parts, strict=False)
        ]
        frames.append(
            pl.DataFrame(
                {
                    "kind": [STYLE] * len(STYLES),
                    "term": list(STYLES),
                    "centre": self._centre,
                    "scale": self._scale,
                    "weight": parts[-1],
                },
                schema=WEIGHTS,
            )
        )
        return pl.concat(frames)


def _cutters(config: HeadlineConfig) -> dict[str, Callable[[str], list[str]]]:
    """How a headline is cut into the terms of each kind."""
    shortest, longest = config.characters
    return {
        CHARACTERS: lambda headline: character_grams(headline, shortest, longest),
        WORDS: lambda headline: word_grams(headline, config.words),
    }


def _indicators(groups: pl.Series) -> sparse.csr_array:
    """(N, G) 1 where an ad is of a group."""
    code = groups.rank("dense").to_numpy().astype(np.int64) - 1
    rows = np.arange(code.size)
    return sparse.csr_array((np.ones(code.size), (rows, code)))
