"""Third stage: the ControlNet learns to tell the UNet, which is held fixed, where the product is.

At its first steps the UNet cannot know: all it sees is noise. The product's edges say it, so that
the ground meets the product and its shadow lies beneath it from the start.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reference_models.diffusion import networks_net as networks
from reference_models.diffusion.config import BuildConfig
from reference_models.diffusion.denoiser_net import Sample, Samples, painted_error
from reference_models.diffusion.denoiser_net import identity as of_denoiser
from reference_models.diffusion.stages_net import Draws, Stage, train


def train_control(
    config: BuildConfig,
    samples: Samples,
    unet: Any,
    text: Any,
    *,
    folder: Path,
    tell: Callable[[str], None],
) -> Any:
    """Train a ControlNet for a UNet.

    Args:
        config: Of the build.
        samples: Draws batches.
        unet: Trained; held fixed.
        text: Trained; held fixed.
        folder: Where the state is kept.
        tell: Takes lines for the log.

    Returns:
        The ControlNet, with averaged weights.
    """
    settings = config.control
    torch.manual_seed(config.seed + 2)
    net = networks.controlnet(unet).to(config.device)
    for fixed in (unet, text):
        fixed.requires_grad_(requires_grad=False).eval()

    def loss(_: int, draws: Draws) -> Tensor:
        sample = samples.draw(draws).to(config.device)
        with networks.precision(config):
            predicted = guided(net, unet, text, sample)
        return painted_error(predicted.float(), sample)

    train(
        Stage(
            "control",
            {"controlnet": net},
            loss,
            settings.steps,
            settings.learning_rate,
            config.denoiser.ema,
        ),
        seed=config.seed,
        folder=folder,
        identity={
            **of_denoiser(config),
            "control_batch_size": settings.batch_size,
            "denoiser_steps": config.denoiser.steps,
        },
        save_every_s=config.save_every_s,
        tell=tell,
    )
    return net


def guided(net: Any, unet: Any, text: Any, sample: Sample) -> Tensor:
    """What the UNet predicts under a ControlNet."""
    with torch.no_grad():
        told = text(sample.tokens).last_hidden_state
    down, middle = net(
        sample.noisy, sample.times, told, controlnet_cond=sample.edges, return_dict=False
    )
    predicted = unet(
        sample.noisy,
        sample.times,
        told,
        down_block_additional_residuals=down,
        mid_block_additional_residual=middle,
    ).sample
    assert isinstance(predicted, Tensor)
    return predicted
