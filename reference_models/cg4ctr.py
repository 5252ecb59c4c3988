"""The reward model of CG4CTR (Shopee, WWW 2024 Companion, arXiv 2401.10934) as a pair scorer.

Frozen features of the picture, of the item and of a caption become tokens; a small transformer
mixes them; a softmax over the ads of one product is trained towards their smoothed click-through
rates. Every default below is the published one unless its docstring says otherwise; the recipe for
the shop world departs from them, see docs/baselines.md. Written from the description; no line is
taken from the released code. Left out: the generation half of CG4CTR, whose code is not released;
the masked-word tuning of the caption encoder; the triplet loss between title and picture, whose
published weight is 0.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field, model_validator

from caig.config import Config
from caig.errors import DataError, PrerequisiteError
from reference_models.baseline_runs import open_baseline, weights_of
from reference_models.pictures import of_pairs, read_ads
from reference_models.pointwise import list_model_scores


class SwinConfig(Config):
    """The picture's encoder, and its training on the domain before it is frozen."""

    name: str = "microsoft/swin-base-patch4-window7-224"
    """A Swin transformer: a name on the Hugging Face hub or a folder. `scratch`: from nothing, of
    the shape below."""
    size: int = Field(default=224, ge=16)
    """Side a picture is resized to (px)."""
    patch: int = Field(default=4, ge=1)
    """Side of a patch (px); of `scratch` only."""
    width: int = Field(default=128, ge=4)
    """Channels of the first stage, doubled at each further one; of `scratch` only."""
    depths: tuple[int, ...] = (2, 2, 18, 2)
    """Blocks of the stages; of `scratch` only."""
    heads: tuple[int, ...] = (4, 8, 16, 32)
    """Attention heads of the stages; of `scratch` only."""
    window: int = Field(default=7, ge=1)
    """Side of an attention window (patches); of `scratch` only."""
    domain_epochs: int = Field(default=10, ge=0)
    """Epochs on the training products' pictures: hidden patches are painted, and the categories of
    the up to three levels named. That there was such a training is published; its length, rate,
    batch and masked share are not: these are ours. 0: the encoder stays as it is."""
    domain_lr: float = Field(default=1e-4, gt=0)
    """Learning rate (AdamW) of the domain training; ours."""
    domain_batch: int = Field(default=64, ge=2)
    """Pictures in a step; ours."""
    masked_share: float = Field(default=0.5, gt=0, lt=1)
    """Share of patches that is hidden; ours."""
    category_weight: float = Field(default=1.0, ge=0)
    """Weight of the mean cross-entropy of the categories beside the painting's error; ours."""


class Cg4ctrConfig(Config):
    """Architecture and training of CG4CTR's reward model; the defaults are those published."""

    image: SwinConfig = SwinConfig()
    """Picture."""
    title: Literal["item_images", "title", "none"] = "item_images"
    """The item's token: `item_images`, the mean picture vector of all its ads (published for public
    data, which have no titles); `title`, its title through title_encoder (published for the
    commercial data); `none`."""
    title_encoder: str = "distilbert/distilbert-base-uncased"
    """Text encoder whose first token's vector stands for the title: hub name or folder."""
    captions: str = ""
    """JSON-lines file of captions: creative_id, prompt_creative. Empty: no caption token."""
    caption_encoder: str = "google-bert/bert-base-uncased"
    """Text encoder of the captions, pooled by the first token's attention: hub name or folder."""
    hidden: tuple[int, int] = (512, 256)
    """Widths of each token's perceptron (linear, batch norm, ReLU, dropout, twice)."""
    layers: int = Field(default=4, ge=1)
    """Layers of the transformer over the tokens; there are no positions."""
    heads: int = Field(default=4, ge=1)
    """Its attention heads."""
    feedforward: int = Field(default=1024, ge=1)
    """Its inner width; not published, BERT's usual four times the width."""
    outputs: tuple[int, int] = (128, 10)
    """Widths of the last perceptron, whose mean output, after a ReLU, is the score. Commercial:
    (128, 1)."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout of the perceptrons and the transformer."""
    min_impressions: int = Field(default=10, ge=1)
    """Impressions an ad needs in training; commercial: 100. Validation takes every shown ad."""
    list_length: int = Field(default=15, ge=2)
    """Ads of an item in a step at most, drawn anew each time."""
    rank_scale: float = Field(default=1000.0, gt=0)
    """The list's target is softmax(rank_scale * smoothed CTR)."""
    point_scale: float = Field(default=100.0, gt=0)
    """An ad's target is point_scale * smoothed CTR."""
    rank_weight: float = Field(default=0.9, ge=0)
    """Weight of the list's cross-entropy."""
    point_weight: float = Field(default=0.1, ge=0)
    """Weight of the mean squared error."""
    lr: float = Field(default=5e-4, gt=0)
    """Learning rate of Adam."""
    epochs: int = Field(default=30, ge=1)
    """Passes over the training products."""
    batch_items: int = Field(default=2048, ge=2)
    """Items in a step."""
    keep: Literal["pair_accuracy", "uplift", "last"] | int = "uplift"
    """Epoch whose weights are kept: the best by a figure on the validation products, `last` or a
    number. Published: the best uplift on the *test* set, which would make the test a choice."""
    score_batch: int = Field(default=128, ge=1)
    """Ads at a time when scoring; it changes the time, not the scores."""
    seed: int = 0
    """Seed of weights, order, lists and dropout."""

    @model_validator(mode="after")
    def _fits(self) -> "Cg4ctrConfig":
        if self.hidden[1] % self.heads:
            raise ValueError(f"hidden[1] ({self.hidden[1]}) must be a multiple of heads")
        return self

    @property
    def tokens(self) -> tuple[str, ...]:
        """Names of the tokens there are."""
        title = () if self.title == "none" else ("title",)
        caption = ("caption",) if self.captions else ()
        return ("image", *title, *caption)


def read_captions(file: Path, creative_ids: Sequence[str]) -> list[str]:
    """Captions of ads, from the JSON-lines file of the public data.

    Its ``creative_id`` may end in ``.png``; the ads' need not.

    Raises:
        DataError: The file is not there or not of that form, or an ad has no caption.
    """
    try:
        table = pl.read_ndjson(file)
    except FileNotFoundError:
        raise DataError(f"{file}: no such file of captions") from None
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{file}: not JSON lines: {error}") from None
    missing = {"creative_id", "prompt_creative"} - set(table.columns)
    if missing:
        raise DataError.from_missing_columns(str(file), sorted(missing), table.columns)
    captions = {
        str(name).removesuffix(".png"): str(words)
        for name, words in table.select("creative_id", "prompt_creative").iter_rows()
    }
    absent = [name for name in creative_ids if name.removesuffix(".png") not in captions]
    if absent:
        raise DataError(f"{file}: {len(absent):,} ads have no caption, e.g. {absent[0]!r}")
    return [captions[name.removesuffix(".png")] for name in creative_ids]


class Cg4ctrScorer:
    """A trained CG4CTR reward model as a ``PairScorer``.

    The probability is the model's own softmax over the two ads; the predicted CTR is its score over
    ``point_scale``, null where that is no fraction. Where the item's token is the mean picture,
    that is the mean of all ads the data run has of the product, shown in a pair or not.

    Args:
        run: Folder of a run of ``caig train-baseline cg4ctr``.

    Raises:
        ArtifactError: It is no such run, or its weights are altered.
        PrerequisiteError: torch or transformers is missing.
    """

    def __init__(self, run: Path | str) -> None:
        opened = open_baseline(Path(run), "cg4ctr")
        self.name = f"ref:cg4ctr:{opened.run_id}"
        self.config = Cg4ctrConfig.model_validate(opened.manifest.config)
        try:
            from reference_models.cg4ctr_net import load_cg4ctr
        except ImportError:
            raise PrerequisiteError.from_extra("CG4CTR", "train") from None
        self._model = load_cg4ctr(self.config, weights_of(opened))

    def score_pairs(self, pairs: pl.DataFrame, images: Path) -> pl.DataFrame:
        """Score pairs in both presentations.

        Args:
            pairs: ``creative_pairs/1``.
            images: Folder of the data run the pairs were made from.

        Returns:
            ``pair_scores/1``: two rows a pair, in the order of ``pairs``.

        Raises:
            ArtifactError: ``images`` is no data run.
            DataError: A picture, an ad, a title or a caption is missing.
        """
        from reference_models.cg4ctr_net import score_ads

        ads = read_ads(images)
        shown = of_pairs(pairs, ads)
        context = ads.join(shown.select("product_id").unique(), on="product_id", how="semi")
        scores = score_ads(self._model, context)
        return list_model_scores(
            pairs,
            self.name,
            context["creative_id"],
            scores,
            point_scale=self.config.point_scale,
        )
