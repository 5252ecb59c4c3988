"""What a reward model sees with: a small convolutional net, or any vision tower of transformers.

A tower takes (B, 3, S, S) normalised pictures and gives one vector a picture, which does not depend
on the other pictures of a batch: no batch statistics.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from caig.errors import ConfigError

if TYPE_CHECKING:
    from caig.reward.model import SiameseRewardConfig

NEW = "conv"
"""The backbone that is made from nothing."""

GRID = 4
"""Rows and columns of the coarse map of what is where."""

GROUP = 16
"""Channels that are normalised together."""


class ConvTower(nn.Module):
    """A small convolutional net: stages that halve the side, down to a coarse map.

    Each stage is normalised within the picture, in groups of channels (Wu and He 2018): a batch's
    other pictures change nothing. That takes brightness and colour out, which are part of what an
    ad looks like, so they are handed on beside: means and mean squares over the coarse map.

    Args:
        widths: Channels of the stages, each a multiple of 16.
        side: Side of the pictures (px).
    """

    def __init__(self, widths: tuple[int, ...], side: int) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        for i, (before, width) in enumerate(zip((3, *widths[:-1]), widths, strict=True)):
            kernel = 4 if i == 0 else 3
            stages += [
                nn.Conv2d(before, width, kernel, stride=2, padding=1),
                nn.GroupNorm(width // GROUP, width),
                nn.ReLU(),
            ]
            side = (side + 2 - kernel) // 2 + 1
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(GRID) if side > GRID else nn.Identity()
        self.found_size = widths[-1] * min(side, GRID) ** 2 + 2 * 3 * GRID**2

    def forward(self, pixels: Tensor) -> Tensor:
        """Read pictures.

        Args:
            pixels: (B, 3, S, S), normalised.
        """
        found = self.pool(self.stages(pixels)).flatten(1)
        colour = functional.adaptive_avg_pool2d(pixels, GRID).flatten(1)
        contrast = functional.adaptive_avg_pool2d(pixels**2, GRID).flatten(1)
        return torch.cat([found, colour, contrast], dim=1)


class PretrainedTower(nn.Module):
    """A vision tower of transformers: mean and maximum over its last hidden states.

    Args:
        vision: The tower; CLIP, SigLIP, ViT, DINO, ConvNeXt and their like.
    """

    def __init__(self, vision: nn.Module) -> None:
        super().__init__()
        self.vision = vision
        config: Any = vision.config
        width = getattr(config, "hidden_size", None) or config.hidden_sizes[-1]
        self.found_size = 2 * width

    def forward(self, pixels: Tensor) -> Tensor:
        """Read pictures.

        Args:
            pixels: (B, 3, S, S), normalised.
        """
        states = self.vision(pixel_values=pixels).last_hidden_state
        if states.ndim == 4:  # a convolutional tower: (B, C, H, W)
            states = states.flatten(2).transpose(1, 2)
        return torch.cat([states.mean(dim=1), states.amax(dim=1)], dim=1)


Tower = ConvTower | PretrainedTower


def tower_from_config(config: "SiameseRewardConfig") -> Tower:
    """A tower of the right shape with new weights; a checkpoint's weights are loaded into it."""
    if config.backbone == NEW:
        return ConvTower(tuple(config.widths), config.image_size)
    from transformers import AutoConfig, AutoModel

    return PretrainedTower(
        AutoModel.from_config(  # type: ignore[no-untyped-call]
            AutoConfig.for_model(**(config.backbone_config or {})), trust_remote_code=False
        )
    )


def new_tower(config: "SiameseRewardConfig") -> PretrainedTower | None:
    """Load a pre-trained tower and note its configuration and normalisation in ``config``.

    Returns:
        The tower; None for the small net.

    Raises:
        ConfigError: There is no such tower, or it does not read pictures.
    """
    if config.backbone == NEW:
        return None
    from transformers import AutoImageProcessor, AutoModel

    loading: dict[str, Any] = {"trust_remote_code": False}
    try:
        model = AutoModel.from_pretrained(config.backbone, use_safetensors=True, **loading)
        processor: Any = AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
            config.backbone, **loading
        )
    except (OSError, ValueError) as error:
        raise ConfigError(f"model.backbone: {config.backbone}: {error}") from None
    vision = getattr(model, "vision_model", model)
    if getattr(vision, "main_input_name", "") != "pixel_values":
        raise ConfigError(f"model.backbone: {config.backbone}: reads no pictures")
    config.backbone_config = vision.config.to_dict()
    config.image_mean = list(processor.image_mean)
    config.image_std = list(processor.image_std)
    return PretrainedTower(vision)
