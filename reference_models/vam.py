"""VAM, the visual-aware ranking model of Alibaba (WWW 2021, arXiv 2102.04033), as a pair scorer.

A residual network scores each ad; its softmax over the ads of one product is trained towards the
softmax of their smoothed click-through rates, and its score towards the rate itself. Every figure
below is the published one unless its docstring says otherwise; the recipe for the shop world
departs from them, see docs/baselines.md. Written from the description; no line is taken from the
released code. Left out: the bandit (HBM) that the authors put on top of the outputs.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from caig.config import Config
from caig.errors import PrerequisiteError
from reference_models.baseline_runs import open_baseline, weights_of
from reference_models.item_lists import BetaPrior
from reference_models.pictures import of_pairs, read_ads
from reference_models.pointwise import list_model_scores


class VamConfig(Config):
    """Architecture and training of VAM; the defaults are those published."""

    backbone: str = "microsoft/resnet-18"
    """Residual network with ImageNet weights, as published: a name on the Hugging Face hub or a
    folder. The repository found 50 and 101 layers better. `scratch`: from nothing, see widths."""
    widths: tuple[int, ...] = Field(default=(64, 128, 256, 512), min_length=1)
    """Channels of the stages; of `scratch` only."""
    depths: tuple[int, ...] = Field(default=(2, 2, 2, 2), min_length=1)
    """Blocks of the stages; of `scratch` only. The defaults are ResNet-18."""
    outputs: int = Field(default=10, ge=1)
    """Outputs whose mean is the score. Their weights start as ImageNet's first ones."""
    resize: int = Field(default=256, ge=8)
    """Shorter side of a picture before the crop (px)."""
    crop: int = Field(default=224, ge=8)
    """Side of the crop (px): anywhere in training, the middle when scoring. There is no flip."""
    list_length: int = Field(default=3, ge=2)
    """Ads of an item in a step, drawn anew each time."""
    empty_slots: Literal["black", "masked"] = "black"
    """An item with fewer ads: `black` fills its list with black pictures that enter the softmax
    with target 0, as released; `masked` leaves them out."""
    min_impressions: int = Field(default=60, ge=1)
    """Impressions an ad needs; an item needs two such ads."""
    alpha: float = Field(default=2.0402, ge=0)
    """Clicks added to an ad's; with beta the published prior, mean 3.64 %."""
    beta: float = Field(default=54.0625, ge=0)
    """Impressions without a click added to an ad's."""
    rank_scale: float = Field(default=1000.0, gt=0)
    """The list's target is softmax(rank_scale * smoothed CTR)."""
    point_scale: float = Field(default=100.0, gt=0)
    """An ad's target is point_scale * smoothed CTR."""
    point_weight: float = Field(default=0.5, ge=0)
    """Weight of the mean squared error beside the list's cross-entropy."""
    lr: float = Field(default=0.01, gt=0)
    """Learning rate of SGD."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum of SGD."""
    lr_every: int = Field(default=10, ge=1)
    """Epochs between two cuts of the learning rate."""
    lr_factor: float = Field(default=0.1, gt=0, le=1)
    """What each cut multiplies it by."""
    epochs: int = Field(default=30, ge=1)
    """Passes over the training products."""
    batch_items: int = Field(default=256, ge=2)
    """Items in a step: published are 128 to 192 on each of two GPUs with synchronised batch norm,
    which one process with the sum equals."""
    keep: Literal["pair_accuracy", "uplift", "last"] | int = 2
    """Epoch whose weights are kept: a number (the released script reads epoch 2), `last`, or the
    best by a figure on the validation products."""
    score_batch: int = Field(default=128, ge=1)
    """Pictures at a time when scoring; it changes the time, not the scores."""
    workers: int = Field(default=0, ge=0)
    """Processes that read pictures in training; 0 reads in the training process."""
    seed: int = 0
    """Seed of weights, order, lists and crops."""

    @model_validator(mode="after")
    def _fits(self) -> "VamConfig":
        if self.crop > self.resize:
            raise ValueError(f"crop ({self.crop}) is larger than resize ({self.resize})")
        if len(self.widths) != len(self.depths):
            raise ValueError("widths and depths must be equally long: one of each a stage")
        return self

    @property
    def prior(self) -> BetaPrior:
        """What smooths the rates."""
        return BetaPrior(clicks=self.alpha, impressions=self.alpha + self.beta)


class VamScorer:
    """A trained VAM as a ``PairScorer``.

    The probability is the model's own softmax over the two ads; the predicted CTR is its score over
    ``point_scale``, null where that is no fraction.

    Args:
        run: Folder of a run of ``caig train-baseline vam``.

    Raises:
        ArtifactError: It is no such run, or its weights are altered.
        PrerequisiteError: torch or transformers is missing.
    """

    def __init__(self, run: Path | str) -> None:
        opened = open_baseline(Path(run), "vam")
        self.name = f"ref:vam:{opened.run_id}"
        self.config = VamConfig.model_validate(opened.manifest.config)
        try:
            from reference_models.vam_net import load_vam
        except ImportError:
            raise PrerequisiteError.from_extra("VAM", "train") from None
        self._net = load_vam(self.config, weights_of(opened))

    def score_ads(self, paths: Sequence[str]) -> np.ndarray:
        """(N,) scores of pictures; the higher, the more clicks."""
        from reference_models.vam_net import score_pictures

        return score_pictures(self._net, paths, self.config)

    def score_pairs(self, pairs: pl.DataFrame, images: Path) -> pl.DataFrame:
        """Score pairs in both presentations.

        Args:
            pairs: ``creative_pairs/1``.
            images: Folder of the data run the pairs were made from.

        Returns:
            ``pair_scores/1``: two rows a pair, in the order of ``pairs``.

        Raises:
            ArtifactError: ``images`` is no data run.
            DataError: A picture or an ad is missing.
        """
        ads = of_pairs(pairs, read_ads(images))
        scores = self.score_ads(ads["path"].to_list())
        return list_model_scores(
            pairs,
            self.name,
            ads["creative_id"],
            scores,
            point_scale=self.config.point_scale,
        )
