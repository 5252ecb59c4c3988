"""What a reward model sees with: a small convolutional net, or any vision tower of transformers.

A tower takes (B, 3, S, S) normalised pictures and gives two vectors a picture: everything it found,
and what it found where. Neither depends on the other pictures of a batch: no batch statistics.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from caig.errors import ConfigError
from caig.reward.patches import COLOURS, PatchDictionary

if TYPE_CHECKING:
    from caig.reward.model import SiameseRewardConfig

NEW = ("conv", "patches")
"""Backbones that are made from nothing."""

GRID = 4
"""Rows and columns of the coarse map of what is where."""


class PatchTower(nn.Module):
    """A dictionary of patches, which is not trained, and two small convolutions over its map.

    What the dictionary finds does not change while training: it is computed once a picture.

    Args:
        patches: Entries of the dictionary.
        widths: Channels of the two convolutions.
        dropout: Share of the dictionary's maps that are dropped while training.
    """

    def __init__(self, patches: int, widths: tuple[int, ...], *, dropout: float) -> None:
        super().__init__()
        self.dictionary = PatchDictionary(patches)
        channels = self.dictionary.channels
        self.stages = nn.Sequential(
            nn.Dropout2d(dropout),
            nn.Conv2d(channels, widths[0], 1),
            nn.ReLU(),
            nn.Conv2d(widths[0], widths[1], 3, padding=1),
            nn.ReLU(),
        )
        self.placed_size = widths[1] * GRID**2
        self.everything_size = 2 * widths[1] + 2 * channels + 4 * COLOURS

    def see(self, pixels: Tensor) -> Tensor:
        """What is computed once a picture; see :class:`PatchDictionary`."""
        seen: Tensor = self.dictionary(pixels)
        return seen

    def forward(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Read what was seen.

        Args:
            seen: (B, channels, G, G), from ``see``.

        Returns:
            (B, everything_size), (B, placed_size).
        """
        found = self.stages(seen.contiguous(memory_format=torch.channels_last))
        placed = functional.adaptive_avg_pool2d(found, GRID).flatten(1)
        colours = functional.adaptive_avg_pool2d(seen[:, -COLOURS:], 2).flatten(1)
        anywhere = (
            found.mean((2, 3)),
            found.amax((2, 3)),
            seen.mean((2, 3)),
            seen.amax((2, 3)) / 3,
        )
        return torch.cat([*anywhere, colours], dim=1), placed


class ConvTower(nn.Module):
    """A small convolutional net: stages that halve the side, then a coarse map.

    Nothing is normalised between the stages: so shallow a net trains without it, with He's
    starting weights (2015), in half the time; and brightness and colour, which normalising each
    picture would take out, are part of what an ad looks like. They are also handed on beside, as
    means and mean squares over the coarse map.

    Args:
        widths: Channels of the stages.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        for i, (before, width) in enumerate(zip((3, *widths[:-1]), widths, strict=True)):
            kernel = 4 if i == 0 else 3
            stages += _stage(before, width, kernel=kernel, stride=2)
        width = widths[-1]
        stages += _stage(width, width, kernel=3, stride=1)
        self.stages = nn.Sequential(*stages)
        self.placed_size = width * GRID**2
        self.everything_size = 2 * width + 2 * 3 * GRID**2

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Read pictures.

        Args:
            pixels: (B, 3, S, S), normalised.

        Returns:
            (B, everything_size), (B, placed_size).
        """
        found = self.stages(pixels)
        placed = functional.adaptive_avg_pool2d(found, GRID).flatten(1)
        colour = functional.adaptive_avg_pool2d(pixels, GRID).flatten(1)
        contrast = functional.adaptive_avg_pool2d(pixels**2, GRID).flatten(1)
        anywhere = (found.mean((2, 3)), found.amax((2, 3)))
        return torch.cat([*anywhere, colour, contrast], dim=1), placed


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
        self.placed_size = self.everything_size = 2 * width

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Read pictures; both vectors are the same.

        Args:
            pixels: (B, 3, S, S), normalised.
        """
        states = self.vision(pixel_values=pixels).last_hidden_state
        if states.ndim == 4:  # a convolutional tower: (B, C, H, W)
            states = states.flatten(2).transpose(1, 2)
        both = torch.cat([states.mean(dim=1), states.amax(dim=1)], dim=1)
        return both, both


Tower = PatchTower | ConvTower | PretrainedTower


def tower_from_config(config: "SiameseRewardConfig") -> Tower:
    """A tower of the right shape with new weights; a checkpoint's weights are loaded into it."""
    if config.backbone == "patches":
        return PatchTower(config.patches, tuple(config.widths), dropout=config.dropout)
    if config.backbone == "conv":
        return ConvTower(tuple(config.widths))
    from transformers import AutoConfig, AutoModel

    return PretrainedTower(
        AutoModel.from_config(  # type: ignore[no-untyped-call]
            AutoConfig.for_model(**(config.backbone_config or {})), trust_remote_code=False
        )
    )


def new_tower(config: "SiameseRewardConfig") -> PretrainedTower | None:
    """Load a pre-trained tower and note its configuration and normalisation in ``config``.

    Returns:
        The tower; None for the small nets.

    Raises:
        ConfigError: There is no such tower, or it does not read pictures.
    """
    if config.backbone in NEW:
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


def _stage(before: int, width: int, *, kernel: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(before, width, kernel, stride=stride, padding=1), nn.ReLU()]
