"""Ads as a multimodal reward model reads them; what ``dataset.Ads`` is to a small net."""

from collections.abc import Sequence

import polars as pl
import torch
from torch import Tensor

from caig.reward.dataset import Ints, Part, Pictures, Targets, altered
from caig.reward.mllm_model import MllmRewardModel
from caig.reward.mllm_reading import MllmReader

WORDS = 24
"""Words of a title that are withheld independently of each other; later ones share their fate."""


class MllmAds:
    """Ads with the words that are said of them.

    Args:
        table: Ads as ``ads_of_pairs`` gives them.
        model: The model; its processor and configuration are used.
        cache_mb: Decoded pictures kept in memory (MB).
    """

    n_words = WORDS

    def __init__(self, table: pl.DataFrame, model: MllmRewardModel, *, cache_mb: int) -> None:
        config = model.config
        self.pixels = Pictures(table["path"].to_list(), config.image_size, cache_mb=cache_mb)
        self.ctr, self.log_ctr, self.kind, self.said = Targets.of_ads(table, config)
        self._reader = MllmReader(model.processor, config)
        self._titles = table["title"].to_list()
        self._categories = table["category"].to_list()

    def inputs(self, rows: Sequence[int] | Ints) -> dict[str, Tensor]:
        """Some ads, each by itself, as ``forward`` takes them.

        Raises:
            DataError: A picture cannot be read.
        """
        return self._reader([self.pixels(rows)], [self._question(int(row)) for row in rows])

    def pairs(self, shown: Ints) -> dict[str, Tensor]:
        """Some pairs as ``forward`` takes them.

        Args:
            shown: (P, 2) rows of the ads shown left and right.

        Raises:
            DataError: A picture cannot be read.
        """
        pictures = [self.pixels(side) for side in shown.T]
        return self._reader(pictures, [self._question(int(row)) for row in shown[:, 0]])

    def altered_inputs(self, part: Part, *, shift: int) -> dict[str, Tensor]:
        """The ads of a part, mirrored and moved, with words withheld and in several wordings."""
        pixels = altered(self.pixels(part.rows), part, shift=shift)
        questions = [self._altered_question(part, n) for n in range(len(part.rows))]
        return self._reader([pixels], questions)

    def altered_pairs(self, part: Part, shown: Ints, *, shift: int) -> dict[str, Tensor]:
        """Pairs of a part's ads, altered likewise.

        Args:
            part: The part.
            shown: (P, 2) places in ``part.rows`` of the ads shown left and right.
            shift: Largest move (px).
        """
        pixels = altered(self.pixels(part.rows), part, shift=shift)
        pictures = [pixels[torch.from_numpy(side.copy())] for side in shown.T]
        return self._reader(pictures, [self._altered_question(part, int(n)) for n in shown[:, 0]])

    def _altered_question(self, part: Part, place: int) -> str:
        """What is asked about the ad at a place of a part."""
        keeps = part.keeps_word[place]
        row = int(part.rows[place])
        words = self._titles[row].split()
        title = " ".join(word for n, word in enumerate(words) if keeps[min(n, WORDS - 1)])
        wording = int(part.wording[place]) % self._reader.n_wordings
        return self._reader.question(title, self._categories[row], wording=wording)

    def _question(self, row: int) -> str:
        return self._reader.question(self._titles[row], self._categories[row])
