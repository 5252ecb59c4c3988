"""Roles that have several implementations, as structural types. No base classes.

They exchange contract tables only, so that an implementation in another package, or in a user's own
code, needs nothing from here but the file formats. A judge is asked question by question, by
``evaluation`` alone; its protocol is there (``evaluation/judge/protocol.py``).
"""

from pathlib import Path
from typing import Protocol

import polars as pl


class PairScorer(Protocol):
    """Answers which of two ads of one product has the higher CTR.

    Pairwise on purpose: the paper's reward model reads both ads side by side. A pointwise model
    fits by ``sigmoid(score_left - score_right)``; the reverse is impossible.
    """

    name: str

    def score_pairs(self, pairs: pl.DataFrame, images: Path) -> pl.DataFrame:
        """Score pairs in both presentations.

        Args:
            pairs: ``creative_pairs/1``.
            images: Folder the creatives' image paths are relative to.

        Returns:
            ``pair_scores/1``: two rows a pair, in the order of ``pairs``.
        """
        ...


class PromptPolicy(Protocol):
    """Writes background prompts for products."""

    name: str

    def sample_prompts(
        self, products: pl.DataFrame, *, n_per_product: int, seed: int
    ) -> pl.DataFrame:
        """Sample prompts.

        Args:
            products: ``products/1``.
            n_per_product: Prompts a product (count).
            seed: Sampling seed; the same seed gives the same prompts.

        Returns:
            ``prompt_samples/1``: ``n_per_product`` rows a product.
        """
        ...


class CreativeGenerator(Protocol):
    """Paints a background around an untouched product."""

    name: str

    def generate(self, prompts: pl.DataFrame, products: pl.DataFrame, out: Path) -> pl.DataFrame:
        """Paint one creative a prompt.

        A picture depends on its product, its prompt and the configuration only, whatever else is
        asked for with it: two pictures of one product differ by their prompts alone.

        Args:
            prompts: ``prompts/1``.
            products: ``products/1`` with the products the prompts refer to, and absolute paths of
                their cut-outs.
            out: Folder of the run; images go below it, content-addressed, and are durable there
                when this returns.

        Returns:
            ``creatives/1``: one row a prompt, in the order of ``prompts``; ``sample_id`` is the
            prompt's id. A generator that draws by rule calls itself procedural in its name.
        """
        ...
