"""A classifier that names the scene, light, palette, depth and decoration of an ad.

It is trained on drawn ads alone and never sees a painted one, so that it says how far paintings
look like what was drawn. It is the measure of the pipeline and no part of it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from caig.generation.compose import Picture
from reference_models.diffusion.autoencoder_net import as_tensor
from reference_models.diffusion.config import BuildConfig
from reference_models.diffusion.scenes import FAMILIES, Composer, look_numbers
from reference_models.diffusion.stages_net import Draws, Stage, train
from reference_models.shop.vocabulary import Look

WIDTHS = (24, 48, 96, 128)
EMA = 0.99


class Judge(nn.Module):
    """A small convolutional network with an output for each family of a look."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in WIDTHS:
            layers += [
                nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False),
                nn.GroupNorm(8, width),
                nn.ReLU(),
                nn.Conv2d(width, width, 3, padding=1, bias=False),
                nn.GroupNorm(8, width),
                nn.ReLU(),
            ]
            channels = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(2 * channels, sum(map(len, FAMILIES)))

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Scores of each family's values.

        Args:
            pictures: (n, 3, height, width), -1 to 1.

        Returns:
            (n, values of the family) for each family.
        """
        seen = self.body(pictures)
        pooled = torch.cat([seen.mean((2, 3)), seen.amax((2, 3))], dim=1)
        scores: tuple[Tensor, ...] = self.head(pooled).split([len(f) for f in FAMILIES], dim=1)
        return scores


def train_judge(
    config: BuildConfig,
    pictures: Picture,
    looks: Sequence[Look],
    composer: Composer,
    *,
    folder: Path,
    tell: Callable[[str], None],
) -> Judge:
    """Train a judge on drawn ads.

    Args:
        config: Of the build.
        pictures: (n, size, size, 3) backgrounds.
        looks: Their looks.
        composer: Puts products before them.
        folder: Where the state is kept.
        tell: Takes lines for the log.
    """
    settings = config.judge
    torch.manual_seed(config.seed + 3)
    judge = Judge().to(config.device)
    numbers = torch.from_numpy(look_numbers(looks)).to(config.device)

    def loss(_: int, draws: Draws) -> Tensor:
        rng = draws.numpy
        chosen = rng.integers(len(pictures), size=settings.batch_size)
        ads = [
            composer.random(_mirrored(pictures[i], rng), looks[i], rng).ad for i in chosen.tolist()
        ]
        scores = judge(as_tensor(ads).to(config.device))
        wanted = numbers[torch.from_numpy(chosen)]
        losses = [nn.functional.cross_entropy(s, wanted[:, k]) for k, s in enumerate(scores)]
        return torch.stack(losses).mean()

    train(
        Stage("judge", {"judge": judge}, loss, settings.steps, settings.learning_rate, EMA),
        seed=config.seed,
        folder=folder,
        identity={
            "size": config.size,
            "seed": config.seed,
            "data": config.data.model_dump(mode="json"),
            "batch_size": settings.batch_size,
        },
        save_every_s=config.save_every_s,
        tell=tell,
    )
    return judge


@torch.no_grad()
def named(judge: Judge, pictures: Sequence[Picture]) -> list[Look]:
    """What a judge sees in pictures."""
    judge.eval()
    device = judge.head.weight.device
    found = []
    for start in range(0, len(pictures), 100):
        scores = judge(as_tensor(pictures[start : start + 100]).to(device))
        best = torch.stack([s.argmax(1) for s in scores], dim=1).tolist()
        found += [
            Look(*(family[number] for family, number in zip(FAMILIES, row, strict=True)))
            for row in best
        ]
    return found


def _mirrored(picture: Picture, rng: np.random.Generator) -> Picture:
    return picture[:, ::-1] if rng.random() < 0.5 else picture
