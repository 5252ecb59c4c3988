"""Before the denoiser: the text encoder learns to read, on prompts alone.

It is asked which scene, light, palette, depth and decoration a prompt says, or that it says none.
That takes minutes, where learning words from the denoiser's error takes hours: before a UNet
paints anything, its error hardly depends on what it was told.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import CLIPTokenizer

from reference_models.diffusion import networks_net as networks
from reference_models.diffusion.config import BuildConfig
from reference_models.diffusion.reading_net import token_ids
from reference_models.diffusion.scenes import FAMILIES, look_numbers
from reference_models.diffusion.stages_net import Draws, Stage, draws, train
from reference_models.diffusion.wording import word
from reference_models.shop.creatives import random_look

EMA = 0.99

CHECKED = 1_000
"""New prompts that the gate asks about."""


class Reader(nn.Module):
    """A text encoder with an answer for each family of a look; the last one means "not said".

    Args:
        encoder: A ``CLIPTextModel``.
    """

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.config.hidden_size, sum(len(f) + 1 for f in FAMILIES))

    def forward(self, tokens: Tensor) -> tuple[Tensor, ...]:
        """Scores of each family's values and of "not said".

        Args:
            tokens: (n, tokens).

        Returns:
            (n, values + 1) for each family.
        """
        # The mean over all places, as the UNet's own pooling asks with it.
        read = self.encoder(tokens).last_hidden_state.mean(1)
        scores: tuple[Tensor, ...] = self.head(read).split([len(f) + 1 for f in FAMILIES], dim=1)
        return scores


def train_text(
    config: BuildConfig,
    tokenizer: CLIPTokenizer,
    *,
    folder: Path,
    tell: Callable[[str], None],
) -> tuple[Any, float]:
    """Teach a fresh text encoder to read.

    Args:
        config: Of the build.
        tokenizer: Of the prompts.
        folder: Where the state is kept.
        tell: Takes lines for the log.

    Returns:
        The ``CLIPTextModel``, and the share of new prompts whose scene it reads.
    """
    settings = config.text
    torch.manual_seed(config.seed + 4)
    reader = Reader(networks.text_encoder(config, tokenizer)).to(config.device)

    def loss(_: int, draws: Draws) -> Tensor:
        texts, wanted = _prompts(settings.batch_size, draws.numpy)
        scores = reader(token_ids(tokenizer, texts).to(config.device))
        answers = wanted.to(config.device)
        losses = [nn.functional.cross_entropy(s, answers[:, k]) for k, s in enumerate(scores)]
        return torch.stack(losses).mean()

    train(
        Stage("text", {"reader": reader}, loss, settings.steps, settings.learning_rate, EMA),
        seed=config.seed,
        folder=folder,
        identity={"seed": config.seed, "text": _lasting(config)},
        save_every_s=config.save_every_s,
        tell=tell,
    )
    texts, wanted = _prompts(CHECKED, draws(config.seed, "text check", 0).numpy)
    said = wanted[:, 0] < len(FAMILIES[0])
    return reader.encoder, float(
        (read_scenes(reader, tokenizer, texts) == wanted[:, 0])[said].float().mean()
    )


@torch.no_grad()
def read_scenes(reader: Reader, tokenizer: CLIPTokenizer, texts: Sequence[str]) -> Tensor:
    """(n,) number of the scene read in each text; 24 is "not said"."""
    reader.eval()
    device = reader.head.weight.device
    scores: tuple[Tensor, ...] = reader(token_ids(tokenizer, texts).to(device))
    return scores[0].argmax(1).cpu()


def _prompts(many: int, rng: np.random.Generator) -> tuple[list[str], Tensor]:
    """Prompts and what each says: (n, 5) numbers, one past the last where nothing is said."""
    looks = [random_look(rng) for _ in range(many)]
    worded = [word(look, rng) for look in looks]
    said = np.array([one.said for one in worded])
    unsaid = np.array([len(family) for family in FAMILIES])
    numbers = np.where(said, look_numbers(looks), unsaid)
    return [one.text for one in worded], torch.from_numpy(numbers)


def _lasting(config: BuildConfig) -> dict[str, object]:
    """The settings that a state of the text encoder belongs to."""
    return config.text.model_dump(mode="json", exclude={"steps", "learning_rate", "floor"})
