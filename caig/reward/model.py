"""The siamese reward model: each ad is scored alone; the difference of two scores is the answer.

    p_left = sigma(order_scale (score(left) - score(right)))

so swapping the sides turns p into 1 - p by construction, and N ads of a product take N forward
passes, not N (N - 1) / 2. The score is

    score = (value + sum_k kind_k taste_k) . basis

``basis`` says what an ad looks like. Where captions taught the model, it is the probability of each
of their phrases, read from the picture (a concept bottleneck, Koh et al. 2020): what the model
likes can be read off ``value`` and ``taste``, phrase by phrase. Without captions it is a vector of
the model's own. ``kind`` is the kind of product: stated by the category, or a distribution read
from title and picture together (their logits add up: a product of experts, Hinton 2002). So what
makes an ad attractive may depend on what it sells. A second output, the standardised log-CTR, is
the score times a constant plus the level of the kind: both losses train one score.

The picture is read by a small convolutional net made from nothing, or by any vision tower that
``AutoModel`` knows; see towers.py. A model that reads both ads in one picture, side by side, is
another class.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PretrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput  # type: ignore[attr-defined]

from caig.errors import ConfigError
from caig.reward.towers import PretrainedTower, new_tower, tower_from_config

COVER = (0.25, 0.94, 0.20, 0.80)
"""Top, bottom, left and right of what ``hides_product`` covers, as shares of the side."""

NAMED_KIND = 8.0
"""Logit that a title gives at the start to a kind whose whole name it holds."""


class SiameseRewardConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """Shape of a :class:`SiameseRewardModel`, and what it needs to read an ad.

    Args:
        backbone: "conv", or the name or folder of a vision tower.
        backbone_config: Configuration of that tower; None for the small net.
        widths: Channels of the small net's stages.
        look_size: Length of the look vector.
        image_size: Side that ads are resampled to (px).
        image_mean: Mean of each channel, taken out of pixels in 0 to 1.
        image_std: Spread of each channel, divided by.
        kinds: Names of the kinds of product.
        vocabulary: Words of titles.
        phrases: Phrases of captions that the look is made to tell; empty for none.
        reads_title: False blinds the model to titles.
        reads_category: True takes the kind from the product's category.
        hides_product: True blinds it to the middle of every picture.
        log_ctr_mean: Mean of log-CTR over the training ads.
        log_ctr_sd: Spread of log-CTR over the training ads.
        order_scale: What a difference of scores is multiplied by to be the log-odds of the order.
        buckets: Buckets of CTR that a warm start tells apart; 0 is none.
        dropout: Share of the look that is dropped while training.
        **rest: What every ``PretrainedConfig`` takes.
    """

    model_type = "caig_siamese_reward"

    def __init__(
        self,
        *,
        backbone: str = "conv",
        backbone_config: dict[str, Any] | None = None,
        widths: tuple[int, ...] = (16, 32, 64, 128),
        look_size: int = 96,
        image_size: int = 64,
        image_mean: tuple[float, ...] = (0.5, 0.5, 0.5),
        image_std: tuple[float, ...] = (0.25, 0.25, 0.25),
        kinds: tuple[str, ...] = (),
        vocabulary: tuple[str, ...] = (),
        phrases: tuple[str, ...] = (),
        reads_title: bool = True,
        reads_category: bool = False,
        hides_product: bool = False,
        log_ctr_mean: float = 0.0,
        log_ctr_sd: float = 1.0,
        order_scale: float = 1.0,
        buckets: int = 0,
        dropout: float = 0.1,
        **rest: Any,
    ) -> None:
        self.backbone = backbone
        self.backbone_config = backbone_config
        self.widths = list(widths)
        self.look_size = look_size
        self.image_size = image_size
        self.image_mean = list(image_mean)
        self.image_std = list(image_std)
        self.kinds = list(kinds)
        self.vocabulary = list(vocabulary)
        self.phrases = list(phrases)
        self.reads_title = reads_title
        self.reads_category = reads_category
        self.hides_product = hides_product
        self.log_ctr_mean = log_ctr_mean
        self.log_ctr_sd = log_ctr_sd
        self.order_scale = order_scale
        self.buckets = buckets
        self.dropout = dropout
        super().__init__(**rest)


@dataclass
class RewardOutput(ModelOutput):
    """What the model says of B ads.

    Attributes:
        score: (B,) the higher, the more attractive; only differences within a product mean
            anything. In units of log-CTR where the loss was "share".
        log_ctr: (B,) standardised log-CTR.
        kind_logits: (B, kinds) of title and picture together.
        picture_kind_logits: (B, kinds) of the picture alone.
        phrase_logits: (B, phrases) of the captions' phrases; None without any.
        bucket_logits: (B, buckets) of the warm start; None without one.
        basis: (B, D) what the last layer weighs.
        kind: (B, kinds) distribution over kinds of product.
    """

    score: Tensor | None = None
    log_ctr: Tensor | None = None
    kind_logits: Tensor | None = None
    picture_kind_logits: Tensor | None = None
    phrase_logits: Tensor | None = None
    bucket_logits: Tensor | None = None
    basis: Tensor | None = None
    kind: Tensor | None = None


class SiameseRewardModel(PreTrainedModel):  # type: ignore[no-untyped-call]
    """Scores one ad at a time; see the module.

    Args:
        config: Its shape.
    """

    config_class = SiameseRewardConfig
    base_model_prefix = "reward"
    main_input_name = "pixel_values"
    config: SiameseRewardConfig

    def __init__(self, config: SiameseRewardConfig) -> None:
        super().__init__(config)
        self.tower = tower_from_config(config)
        kinds = max(len(config.kinds), 1)
        size = config.look_size
        self.look = nn.Sequential(
            nn.Dropout(2 * config.dropout),
            nn.Linear(self.tower.found_size, 2 * size),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(2 * size, size),
            nn.ReLU(),
        )
        self.kind_of_picture = nn.Sequential(
            nn.Dropout(5 * config.dropout),
            nn.Linear(self.tower.found_size, 64),
            nn.ReLU(),
            nn.Dropout(5 * config.dropout),
            nn.Linear(64, kinds),
        )
        self.kind_of_title = nn.Linear(
            len(config.kinds) + len(config.vocabulary) or 1, kinds, bias=False
        )
        basis = len(config.phrases) or size
        self.value = nn.Linear(basis, 1)
        self.taste = nn.Parameter(torch.zeros(kinds, basis))
        self.level = nn.Parameter(torch.zeros(kinds))
        self.scale = nn.Parameter(torch.tensor(1.0 / config.log_ctr_sd))
        self.phrase = nn.Linear(size, len(config.phrases)) if config.phrases else None
        self.bucket = nn.Linear(size, config.buckets) if config.buckets else None
        self.post_init()  # type: ignore[no-untyped-call]

    @classmethod
    def from_scratch(cls, config: SiameseRewardConfig) -> "SiameseRewardModel":
        """A model to be trained: its tower is new or pre-trained, the rest is new.

        Args:
            config: Its shape; where it names a vision tower, that tower's configuration, picture
                size and normalisation are filled in.
        """
        tower = new_tower(config)
        model = cls(config)
        if tower is not None:
            model.tower.load_state_dict(tower.state_dict())
        return model

    def add_adapters(self, rank: int) -> None:
        """Train low-rank adapters (LoRA, Hu et al. 2021) in place of the tower's own weights.

        Args:
            rank: Rank of each adapter.
        """
        if not isinstance(self.tower, PretrainedTower):
            raise ConfigError("model.lora_rank: the small net trains whole; set it to 0")
        from peft import LoraConfig, get_peft_model

        shape = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear")
        self.tower.vision = get_peft_model(self.tower.vision, shape)

    def merge_adapters(self) -> None:
        """Add the adapters, if there are any, to the weights they stand for."""
        vision: Any = getattr(self.tower, "vision", None)
        if hasattr(vision, "merge_and_unload"):
            self.tower.vision = vision.merge_and_unload()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Weights of what is new, as ``from_pretrained`` wants them named."""
        if isinstance(module, SiameseRewardModel):
            module.kind_of_title.weight.zero_()
            named = module.kind_of_title.weight[:, : len(self.config.kinds)]
            named.fill_diagonal_(NAMED_KIND)
            nn.init.zeros_(module.taste)
            nn.init.zeros_(module.level)
            nn.init.constant_(module.scale, 1.0 / self.config.log_ctr_sd)
        elif isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            module.reset_parameters()

    def forward(
        self, pixel_values: Tensor, title_features: Tensor, stated_kind: Tensor | None = None
    ) -> RewardOutput:
        """Score ads.

        Args:
            pixel_values: (B, 3, S, S) uint8, red green blue, S = ``config.image_size``.
            title_features: (B, kinds + vocabulary), as titles.py reads them; zeros where there is
                no title.
            stated_kind: (B, kinds) 1 at the kind that the product's category states, zeros where
                none is known; it replaces what title and picture say. None states none.
        """
        found = self.tower(self._normalised(pixel_values))
        look = self.look(found)
        of_picture = self.kind_of_picture(found)
        of_title = self.kind_of_title(title_features) * float(self.config.reads_title)
        kind = functional.softmax(of_picture + of_title, dim=1)
        if stated_kind is not None:
            kind = stated_kind + (1 - stated_kind.sum(dim=1, keepdim=True)) * kind
        weight = self.value.weight + kind @ self.taste
        phrases = None if self.phrase is None else self.phrase(look)
        basis = look if phrases is None else torch.sigmoid(phrases)
        score = (weight * basis).sum(dim=1)
        return RewardOutput(
            score=score,
            log_ctr=self.scale * score + self.value.bias + kind @ self.level,
            kind_logits=of_picture + of_title,
            picture_kind_logits=of_picture,
            phrase_logits=phrases,
            bucket_logits=None if self.bucket is None else self.bucket(look),
            basis=basis,
            kind=kind,
        )

    def _normalised(self, pixels: Tensor) -> Tensor:
        mean = pixels.new_tensor(self.config.image_mean, dtype=self.dtype)[:, None, None]
        spread = pixels.new_tensor(self.config.image_std, dtype=self.dtype)[:, None, None]
        normalised = self._covered((pixels.to(self.dtype) / 255 - mean) / spread, 0.0)
        return normalised.contiguous(memory_format=torch.channels_last)

    def _covered(self, pixels: Tensor, value: float) -> Tensor:
        if self.config.hides_product:
            side = pixels.shape[-1]
            top, bottom, left, right = (round(share * side) for share in COVER)
            pixels[:, :, top:bottom, left:right] = value
        return pixels
