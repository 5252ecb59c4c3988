"""First stage: the decoder learns to draw pictures from the linear code.

It is trained on bare backgrounds and on ads. The loss is robust (Charbonnier) plus squared error
plus the error of the gradients, which keeps edges sharp.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from caig.errors import ArtifactError
from caig.generation.compose import Picture
from reference_models.diffusion import networks_net as networks
from reference_models.diffusion.config import BuildConfig
from reference_models.diffusion.scenes import Composer
from reference_models.diffusion.stages_net import Draws, Stage, train
from reference_models.shop.vocabulary import Look

FITTED_ON = 1_000
"""Pictures that the code is fitted on."""

EMA = 0.995


def as_tensor(pictures: Sequence[Picture] | Picture) -> Tensor:
    """(n, height, width, 3) uint8 as (n, 3, height, width), -1 to 1."""
    stacked = torch.from_numpy(np.stack(list(pictures)))
    return stacked.permute(0, 3, 1, 2).float() / 127.5 - 1


def as_pictures(tensor: Tensor) -> Picture:
    """The inverse of :func:`as_tensor`, rounded."""
    whole = ((tensor.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return np.asarray(whole.permute(0, 2, 3, 1).cpu().numpy())


def train_autoencoder(
    config: BuildConfig,
    pictures: Picture,
    looks: Sequence[Look],
    composer: Composer,
    *,
    folder: Path,
    tell: Callable[[str], None],
) -> tuple[Any, networks.Code]:
    """Fit the code and train the decoder.

    Args:
        config: Of the build.
        pictures: (n, size, size, 3) backgrounds.
        looks: Their looks.
        composer: Puts products before them.
        folder: Where the state is kept.
        tell: Takes lines for the log.

    Returns:
        The autoencoder and its code.
    """
    settings = config.autoencoder
    torch.manual_seed(config.seed)
    code = networks.fitted_code(as_tensor(pictures[:FITTED_ON]))
    vae = networks.autoencoder(config)
    networks.fold_code(vae, code)
    vae.encoder.requires_grad_(requires_grad=False)
    vae.to(config.device)

    def loss(step: int, draws: Draws) -> Tensor:
        chosen = draws.numpy.integers(len(pictures), size=settings.batch_size)
        batch = [
            composer.random(pictures[i], looks[i], draws.numpy).ad if half else pictures[i]
            for half, i in enumerate(chosen.tolist(), start=-settings.batch_size // 2)
            for half in [half >= 0]
        ]
        wanted = as_tensor(batch)
        if step % 2:
            wanted = wanted.flip(3)
        latents = code(wanted).to(config.device)
        return distance(vae.decoder(latents), wanted.to(config.device))

    train(
        Stage(
            "autoencoder",
            {"decoder": vae.decoder},
            loss,
            settings.steps,
            settings.learning_rate,
            EMA,
        ),
        seed=config.seed,
        folder=folder,
        identity=identity(config),
        save_every_s=config.save_every_s,
        tell=tell,
    )
    return vae, code


def distance(drawn: Tensor, wanted: Tensor) -> Tensor:
    """How far pictures are from those wanted; one number."""
    error = drawn - wanted
    edges = [(drawn.diff(dim=axis) - wanted.diff(dim=axis)).abs().mean() for axis in (2, 3)]
    return (error.square() + 1e-4).sqrt().mean() + error.square().mean() + (edges[0] + edges[1]) / 2


def identity(config: BuildConfig) -> dict[str, object]:
    """What a state of this stage belongs to."""
    settings = config.autoencoder
    return {
        "size": config.size,
        "seed": config.seed,
        "pictures": config.data.pictures,
        "widths": list(settings.widths),
        "batch_size": settings.batch_size,
    }


@torch.no_grad()
def fidelity(vae: Any, pictures: Picture) -> float:
    """Mean peak signal-to-noise ratio of pictures through the autoencoder (dB).

    Args:
        vae: The autoencoder.
        pictures: (n, height, width, 3).
    """
    drawn = [
        as_pictures(
            vae.decode(vae.encode(as_tensor(batch).to(vae.device)).latent_dist.mode()).sample
        )
        for batch in np.array_split(pictures, max(1, len(pictures) // 50))
    ]
    error = np.concatenate(drawn).astype(np.float64) - pictures
    return float((10 * np.log10(255**2 / (error**2).mean(axis=(1, 2, 3)))).mean())


def require_fidelity(reached: float, config: BuildConfig) -> None:
    """The gate of this stage.

    Raises:
        ArtifactError: The pictures come back too blurred for the next stage to be worth training.
    """
    if reached < config.autoencoder.floor_db:
        raise ArtifactError(
            f"autoencoder: {reached:.1f} dB on held-out pictures, and the next stage needs "
            f"{config.autoencoder.floor_db:.1f}; raise autoencoder.steps and go on"
        )
