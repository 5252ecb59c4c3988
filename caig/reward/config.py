"""Configuration of ``caig train-rm`` and ``caig score``."""

from typing import Literal, Self

from pydantic import Field, model_validator

from caig.config import Config


class ModelSection(Config):
    """The model."""

    layout: Literal["siamese", "side_by_side"] = "siamese"
    """Each ad scored alone, or both in one picture as published."""
    mllm: str = ""
    """``run:ID`` of caig pretrain, or name or folder of any image-text-to-text checkpoint: it reads
    picture and product text in place of a backbone. "side_by_side" needs one. A run of train-rm
    over such a model will do too: its language model goes on from there."""
    joins_pictures: bool = False
    """True puts the ads of "side_by_side" into one picture, as published; False shows two, each at
    full resolution."""
    trains_tower: bool = False
    """True trains the vision tower of the mllm too; it has learnt to see in pre-training."""
    backbone: str = "conv"
    """"conv", a small net made from nothing, or name or folder of a vision tower."""
    start: str = ""
    """``run:ID`` of an earlier train-rm, whose model is trained further; empty starts anew. Its
    shape, kinds, words and phrases are kept; with ``train.epochs = 0`` and
    ``train.solve_last_layer`` new clicks are learned in seconds. Not for models over an mllm."""
    widths: tuple[int, ...] = Field(default=(16, 32, 64, 128), min_length=1)
    """Channels of the small net's stages, each a multiple of 16."""
    look_size: int = Field(default=96, ge=4)
    """Length of the vector that says what an ad looks like."""
    image_size: int = Field(default=64, ge=16, le=2048)
    """Side that ads are resampled to (px)."""
    dropout: float = Field(default=0.1, ge=0, lt=0.2)
    """Share of the look that is dropped while training; twice that of what it is made from, and
    five times that on the way to the kind."""
    reads_title: bool = True
    """False trains a model that is blind to titles, for comparison."""
    reads_category: bool = False
    """True adds the name of the category to the title: then no picture is needed to know the
    product. For shops whose ads all have a category that can be relied on."""
    hides_product: bool = False
    """True covers the middle of every picture, where the product is, for comparison."""
    vocabulary_size: int = Field(default=2000, ge=0)
    """Words of the training titles that are kept, the commonest."""
    lora_rank: int = Field(default=0, ge=0)
    """Rank of the adapters (LoRA) that train in place of a vision tower's weights, or of those of
    the mllm's language model; 0 trains all."""

    @model_validator(mode="after")
    def _layout_can_be_read(self) -> Self:
        if self.layout == "side_by_side" and not self.mllm:
            raise ValueError(
                "layout 'side_by_side' is read by a multimodal language model: "
                "set model.mllm to run:ID of caig pretrain, a folder or a hub name"
            )
        return self


class LossSection(Config):
    """What is minimised: a weighted sum of three losses; see docs/reward-model.md."""

    pair_target: Literal["hard", "posterior", "share"] = "share"
    """Target of a pair's probability; see caig/reward/losses.py."""
    pair: float = Field(default=20.0, ge=0)
    """Weight of the pair loss."""
    point: float = Field(default=0.5, ge=0)
    """Weight of the squared error of the standardised log-CTR."""
    kind: float = Field(default=0.2, ge=0)
    """Weight of the cross-entropy of the product's kind, from title and picture and from either."""
    caption: float = Field(default=0.2, ge=0)
    """Weight of the cross-entropy of the caption's phrases, told from the look; 0 is none. It costs
    nothing where the data run has no captions."""
    caption_epochs: int = Field(default=0, ge=0)
    """First epochs, in which captions and kinds are learned and nothing else: pre-training."""
    buckets: int = Field(default=0, ge=0)
    """Buckets of CTR that a warm start tells apart; 0 is no warm start."""
    bucket_epochs: int = Field(default=0, ge=0)
    """Epochs after those, in which buckets are learned and nothing else."""

    @model_validator(mode="after")
    def _something_is_learned(self) -> Self:
        if self.caption_epochs and not self.caption:
            raise ValueError("loss.caption_epochs needs loss.caption above 0")
        if not self.pair + self.point:
            raise ValueError("loss.pair and loss.point are both 0: there is nothing to learn")
        if bool(self.buckets) != bool(self.bucket_epochs) or self.buckets == 1:
            raise ValueError(
                "a warm start needs both loss.buckets >= 2 and loss.bucket_epochs >= 1"
            )
        return self

    @property
    def warm_epochs(self) -> int:
        """First epochs, of warm starts, that learn no order."""
        return self.caption_epochs + self.bucket_epochs


class TrainSection(Config):
    """How it is minimised."""

    epochs: int = Field(default=24, ge=0)
    """Passes over the training products; 0 solves the last layer alone."""
    products_per_step: int = Field(default=8, ge=1)
    """Products whose ads make a step; all pairs among the ads of a product count."""
    ads_per_product: int = Field(default=16, ge=2)
    """Most ads of a product in a step; of more, a random choice."""
    pairs_per_product: int = Field(default=0, ge=0)
    """Most pairs of a product in a step; of more, a random choice; 0 takes all. For models that
    read pairs and not ads."""
    micro_batches: int = Field(default=1, ge=1)
    """Parts a step is computed in, to save memory; gradients add up to the same."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Peak step size of AdamW."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Weight decay of AdamW, of matrices alone."""
    warmup_share: float = Field(default=0.05, ge=0, lt=1)
    """Share of the steps in which the step size rises; then it falls as a half cosine."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Longer gradients are shortened to this."""
    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    """Decay a step of the weights' moving average, which is what is judged and kept; 0 is none."""
    flip: bool = True
    """Mirror half of the pictures."""
    shift: int = Field(default=3, ge=0)
    """Move a picture by up to this many px each way."""
    title_drop: float = Field(default=0.3, ge=0, lt=1)
    """Share of titles that are withheld, so that the picture is read for the product too."""
    word_drop: float = Field(default=0.2, ge=0, lt=1)
    """Share of a title's words that are withheld."""
    validation_products: int = Field(default=0, ge=0)
    """Validation products that an epoch is judged on, drawn once; 0 takes all."""
    solve_last_layer: bool = False
    """Solve the last layer at the end, rather than keep what the steps made of it; see
    caig/reward/last_layer.py. For models that score an ad alone, without a multimodal LLM."""
    patience: int = Field(default=0, ge=0)
    """Epochs without a better validation accuracy after which training stops; 0 is never."""
    save_every: int = Field(default=200, ge=1)
    """Steps between states that an interrupted run resumes from."""
    threads: int = Field(default=0, ge=0)
    """Threads of the processor; 0 leaves it to torch."""
    picture_cache_mb: int = Field(default=2048, ge=0)
    """Decoded pictures are kept in memory up to this many MB; the others are decoded each time."""


class RewardConfig(Config):
    """Training of a reward model."""

    seed: int = Field(default=0, ge=0, lt=2**20)
    """Seed of the weights, the order and the augmentation."""
    model: ModelSection = ModelSection()
    """The model."""
    loss: LossSection = LossSection()
    """What is minimised."""
    train: TrainSection = TrainSection()
    """How."""

    @model_validator(mode="after")
    def _order_is_learned(self) -> Self:
        if self.model.mllm and (self.train.solve_last_layer or self.model.start):
            raise ValueError(
                "train.solve_last_layer and model.start are not for models over model.mllm"
            )
        first = self.loss.warm_epochs
        if first >= self.train.epochs and not self.train.solve_last_layer:
            raise ValueError(
                f"the first {first} of {self.train.epochs} epochs learn no order: "
                "raise train.epochs, or set train.solve_last_layer"
            )
        return self


class ScoreConfig(Config):
    """Scoring of pairs: ``caig score``."""

    scorer: str
    """``run:ID`` of a reward model, ``ref:NAME[:ID]``, ``api:PROVIDER:MODEL`` or
    ``module:Class[:argument]``."""
    options: tuple[str, ...] = ()
    """Settings of a model behind an API, each ``key=value``, e.g. ``max_items=200``."""
    split: Literal["train", "val", "test", "all"] = "test"
    """Pairs scored, by the split of their product."""
    batch_size: int = Field(default=64, ge=1)
    """Ads scored at once; no score depends on it."""
    part_pairs: int = Field(default=20_000, ge=1)
    """Pairs scored between two writes; a scoring that broke off goes on from the last write."""
