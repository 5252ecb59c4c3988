"""Reward models over a multimodal language model: what its last token knows of an ad, or of two.

Two layouts, of one class. Both show pictures and the product's text in the model's own chat
template and read the hidden state h of the last token, where an answer would begin:

    siamese       one ad:   score = w . h;     standardised log-CTR = v . h + c
    side_by_side  two ads:  logits (2,) = W h; standardised log-CTRs (2,) = V h + c

``side_by_side`` is the published reward model: a class head without bias (left, right) and a head
for the two CTRs on the last token of LLaVA (CAIG, arXiv 2502.06823, section on the reward model).
``siamese`` scores every ad alone, so that it prefers no side. A third head, on the same token,
tells the phrases of captions; it is used in training alone.

Any image-text-to-text checkpoint serves: it is loaded by ``AutoModel``, without its language head.
"""

from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoProcessor, PretrainedConfig, PreTrainedModel

from caig.errors import ArtifactError, ConfigError
from caig.mllm.load import refuse_pickle
from caig.reward.model import RewardOutput

RARE = -2.0
"""Log-odds that a new model gives a phrase: most captions have few of all phrases."""

ADS = {"siamese": 1, "side_by_side": 2}
"""Ads shown at a time, by layout."""


class MllmRewardConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """Shape of a :class:`MllmRewardModel`, and what it needs to read an ad.

    Args:
        layout: "siamese" or "side_by_side".
        base_config: Configuration of the language model with its tower.
        image_size: Side that ads are resampled to before the processor sees them (px).
        joins_pictures: True puts the two ads of "side_by_side" into one picture, as published;
            False shows two pictures.
        phrases: Phrases of captions that the last token is made to tell; empty for none.
        reads_title: False leaves titles unsaid.
        reads_category: True states the category.
        hides_product: True covers the middle of every ad.
        log_ctr_mean: Mean of log-CTR over the training ads.
        log_ctr_sd: Spread of log-CTR over the training ads.
        order_scale: What a difference of scores is multiplied by to be the log-odds of the order.
        **rest: What every ``PretrainedConfig`` takes.
    """

    model_type = "caig_mllm_reward"

    def __init__(
        self,
        *,
        layout: str = "siamese",
        base_config: dict[str, Any] | None = None,
        image_size: int = 64,
        joins_pictures: bool = False,
        phrases: tuple[str, ...] = (),
        reads_title: bool = True,
        reads_category: bool = False,
        hides_product: bool = False,
        log_ctr_mean: float = 0.0,
        log_ctr_sd: float = 1.0,
        order_scale: float = 1.0,
        **rest: Any,
    ) -> None:
        self.layout = layout
        self.base_config = base_config
        self.image_size = image_size
        self.joins_pictures = joins_pictures
        self.phrases = list(phrases)
        self.reads_title = reads_title
        self.reads_category = reads_category
        self.hides_product = hides_product
        self.log_ctr_mean = log_ctr_mean
        self.log_ctr_sd = log_ctr_sd
        self.order_scale = order_scale
        super().__init__(**rest)


class MllmRewardModel(PreTrainedModel):  # type: ignore[no-untyped-call]
    """Scores one ad, or decides between two; see the module.

    Args:
        config: Its shape.

    Attributes:
        processor: Tokenizer, image processor and chat template; saved and loaded with the weights.
    """

    config_class = MllmRewardConfig
    base_model_prefix = "reward"
    main_input_name = "input_ids"
    input_modalities = ["image", "text"]  # noqa: RUF012
    config: MllmRewardConfig

    def __init__(self, config: MllmRewardConfig) -> None:
        super().__init__(config)
        self.processor: Any = None
        self.mllm: Any = AutoModel.from_config(  # type: ignore[no-untyped-call]
            AutoConfig.for_model(**(config.base_config or {})), trust_remote_code=False
        )
        width = self.mllm.config.get_text_config().hidden_size
        ads = ADS[config.layout]
        self.order = nn.Linear(width, ads, bias=False)
        self.ctr = nn.Linear(width, ads)
        self.phrase = nn.Linear(width, ads * len(config.phrases)) if config.phrases else None
        self.post_init()  # type: ignore[no-untyped-call]

    @classmethod
    def from_base(cls, base: str, shape: MllmRewardConfig, *, dtype: torch.dtype) -> Self:
        """A model to be trained: the language model is a checkpoint's, the heads are new.

        Args:
            base: Folder or hub name of an image-text-to-text checkpoint, or of an earlier model of
                this class, whose language model is taken on: what reads an ad may learn to compare.
            shape: The rest; the language model's configuration is filled in.
            dtype: Type of the language model's weights; the heads are float32.

        Raises:
            ConfigError: There is no such checkpoint, or it does not read pictures and text.
        """
        loading: dict[str, Any] = {"trust_remote_code": False}
        read_processor: Any = AutoProcessor.from_pretrained
        try:
            if Path(base).is_dir():
                refuse_pickle(Path(base))
            processor = read_processor(base, **loading)
            config: Any = AutoConfig.from_pretrained(base, **loading)
            kind: Any = cls if isinstance(config, MllmRewardConfig) else AutoModel
            loaded = kind.from_pretrained(base, use_safetensors=True, dtype=dtype, **loading)
        except (OSError, ValueError, KeyError, ImportError, ArtifactError) as error:
            raise ConfigError(f"model.mllm: {base}: {error}") from None
        if not hasattr(processor, "tokenizer") or not hasattr(processor, "image_processor"):
            raise ConfigError(f"model.mllm: {base}: is no model of pictures and text")
        loaded = loaded.mllm if isinstance(loaded, cls) else loaded
        # A folder's name is nobody else's business.
        shape.base_config = {**loaded.config.to_dict(), "_name_or_path": ""}
        model = cls(shape)
        model.mllm.to(dtype)
        model.mllm.load_state_dict(loaded.state_dict())
        model.processor = processor
        return model

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """As every ``PreTrainedModel``; the processor too."""
        model: Any = super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        read_processor: Any = AutoProcessor.from_pretrained
        model.processor = read_processor(pretrained_model_name_or_path, trust_remote_code=False)
        return model

    def save_pretrained(self, save_directory: Any, *args: Any, **kwargs: Any) -> None:
        """As every ``PreTrainedModel``, so for ``push_to_hub`` too; with the processor."""
        if self.processor is not None:
            self.processor.save_pretrained(save_directory)
        super().save_pretrained(save_directory, *args, **kwargs)

    def freeze_tower(self) -> None:
        """Keep the vision tower as it is; it has learnt to see in pre-training."""
        from caig.mllm.trl_parts import tower_parameters

        for parameter in tower_parameters(self.mllm):
            parameter.requires_grad_(requires_grad=False)

    def add_adapters(self, rank: int) -> None:
        """Train low-rank adapters (LoRA, Hu et al. 2021) in place of the language model's weights.

        Args:
            rank: Rank of each adapter.
        """
        from peft import get_peft_model

        from caig.mllm.trl_parts import lora_config

        shape = lora_config(rank, 2 * rank)
        shape.task_type = None
        self.mllm = get_peft_model(self.mllm, shape)

    def merge_adapters(self) -> None:
        """Add the adapters, if there are any, to the weights they stand for."""
        if hasattr(self.mllm, "merge_and_unload"):
            self.mllm = self.mllm.merge_and_unload()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Weights of the heads; the language model's are its own affair."""
        if isinstance(module, nn.Linear):
            is_phrases = module is self.phrase
            nn.init.normal_(
                module.weight, std=(0.1 if is_phrases else 1) * module.in_features**-0.5
            )
            if module.bias is not None:
                nn.init.constant_(module.bias, RARE if is_phrases else 0.0)

    def forward(self, **read: Tensor) -> RewardOutput:
        """Score ads, or pairs of ads.

        Args:
            **read: What the processor made of pictures and text, padded on the left.

        Returns:
            Of "siamese", ``score`` and ``log_ctr`` (B,), ``phrase_logits`` (B, phrases). Of
            "side_by_side", ``score`` (B, 2) logits of left and right, ``log_ctr`` (B, 2),
            ``phrase_logits`` (B, 2, phrases).
        """
        states = self.mllm(**read).last_hidden_state
        last = states[:, -1].to(self.order.weight.dtype)
        score, log_ctr = self.order(last), self.ctr(last)
        phrases = None if self.phrase is None else self.phrase(last)
        if self.config.layout == "siamese":
            score, log_ctr = score[:, 0], log_ctr[:, 0]
        elif phrases is not None:
            phrases = phrases.unflatten(1, (ADS[self.config.layout], -1))
        return RewardOutput(score=score, log_ctr=log_ctr, phrase_logits=phrases)


def first_ads(out: RewardOutput, n: int) -> RewardOutput:
    """What is said of the first ``n`` ads; a process without an ad in a step reads a blank."""
    return RewardOutput(**{name: value[:n] for name, value in out.items()})


# So that the tokenizer beside the weights is found without a warning.
AutoConfig.register(MllmRewardConfig.model_type, MllmRewardConfig, exist_ok=True)
