"""Second stage: UNet and text encoder learn to paint around a product what a prompt says.

A sample is what the inpainting pipeline shows the UNet: where the product is kept, the noised
latents of the product on black, elsewhere those of the finished ad, all with one noise. Only what
is to be painted counts. What is predicted is v, down to a time without any signal; weighting by
min-SNR would give that last time no weight at all.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from transformers import CLIPTokenizer

from caig.generation.compose import Picture
from reference_models.diffusion import networks_net as networks
from reference_models.diffusion.autoencoder_net import as_tensor
from reference_models.diffusion.config import BuildConfig
from reference_models.diffusion.reading_net import token_ids
from reference_models.diffusion.scenes import Composer, without_product
from reference_models.diffusion.stages_net import Draws, Stage, train
from reference_models.diffusion.wording import word
from reference_models.shop.vocabulary import Look

LEAST_TIME = 80
"""Eight trailing steps visit no time below 124; below it v is mostly noise that none could know."""

TIMES_POWER = 1.3
"""Above 1, late times are trained more: there the prompt decides what is painted."""


class Sample(NamedTuple):
    """A batch at random times.

    Attributes:
        noisy: (n, 4, h, w), what the UNet gets.
        times: (n,), 80 to 999.
        tokens: (n, tokens).
        target: (n, 4, h, w), the v to be predicted.
        counts: (n, 1, h, w), 1 where to paint.
        edges: (n, 3, height, width), 0 or 1, what a ControlNet gets.
    """

    noisy: Tensor
    times: Tensor
    tokens: Tensor
    target: Tensor
    counts: Tensor
    edges: Tensor

    def to(self, device: str) -> "Sample":
        """The batch on a device."""
        return Sample(*(tensor.to(device) for tensor in self))


class Samples:
    """Draws batches.

    Args:
        config: Of the build.
        pictures: (n, size, size, 3) backgrounds.
        looks: Their looks.
        composer: Puts products before them.
        code: Of the autoencoder.
        tokenizer: Of the prompts.
        empty_share: Share without a product.
        batch_size: Samples a batch.
    """

    def __init__(
        self,
        config: BuildConfig,
        pictures: Picture,
        looks: Sequence[Look],
        composer: Composer,
        *,
        code: networks.Code,
        tokenizer: CLIPTokenizer,
        empty_share: float,
        batch_size: int,
    ) -> None:
        self._config = config
        self._pictures = pictures
        self._looks = looks
        self._composer = composer
        self._code = code
        self._tokenizer = tokenizer
        self._empty_share = empty_share
        self._batch_size = batch_size
        self._signal, self._noise = networks.signal_and_noise()

    def draw(self, draws: Draws) -> Sample:
        """A batch."""
        rng, many = draws.numpy, self._batch_size
        ads, texts = [], []
        for i in rng.integers(len(self._pictures), size=many).tolist():
            background, look = self._pictures[i], self._looks[i]
            if rng.random() < 0.5:
                background = background[:, ::-1]
            bare = rng.random() < self._empty_share
            ads.append(
                without_product(background)
                if bare
                else self._composer.random(background, look, rng)
            )
            untold = rng.random() < self._config.denoiser.untold_share
            texts.append("" if untold else word(look, rng).text)
        counts = latent_mask([one.mask for one in ads])
        wanted = self._code(as_tensor([one.ad for one in ads]))
        kept = self._code(as_tensor([one.placed[..., :3] for one in ads]))
        clean = torch.where(counts > 0, wanted, kept)
        times = spread_times(torch.rand(many, generator=draws.torch))
        noise = torch.randn(clean.shape, generator=draws.torch)
        signal_share = self._signal[times][:, None, None, None]
        noise_share = self._noise[times][:, None, None, None]
        edges = as_tensor([one.edges[..., None] for one in ads]) / 2 + 0.5
        return Sample(
            signal_share * clean + noise_share * noise,
            times,
            token_ids(self._tokenizer, texts),
            signal_share * noise - noise_share * clean,
            counts,
            edges.expand(-1, 3, -1, -1),
        )


def spread_times(uniform: Tensor) -> Tensor:
    """Times of a batch, from ``LEAST_TIME`` to 999, one of every n-th of their distribution.

    Args:
        uniform: (n,), 0 to 1.
    """
    many = len(uniform)
    placed = (torch.arange(many) + uniform) / many
    return (999 - (999 - LEAST_TIME) * placed**TIMES_POWER).round().long()


def latent_mask(masks: Sequence[Picture]) -> Tensor:
    """(n, 1, h, w), 1 where to paint: every second pixel, as the pipelines take it."""
    whole = as_tensor([mask[..., None] for mask in masks])
    side = whole.shape[-1] // networks.PATCH
    return functional.interpolate((whole > 0).float(), size=(side, side))


def painted_error(predicted: Tensor, sample: Sample) -> Tensor:
    """Mean squared error of v where there is something to paint."""
    error = (predicted - sample.target).square() * sample.counts
    return error.sum() / (sample.counts.sum() * predicted.shape[1])


def train_denoiser(
    config: BuildConfig,
    samples: Samples,
    text: Any,
    *,
    folder: Path,
    tell: Callable[[str], None],
    look: Callable[[Any, Any, int], None],
) -> tuple[Any, Any]:
    """Train the UNet and the text encoder together.

    Args:
        config: Of the build.
        samples: Draws batches.
        text: Text encoder that has learnt to read.
        folder: Where the state is kept.
        tell: Takes lines for the log.
        look: Called from time to time with the averaged networks and the step.

    Returns:
        Both, with averaged weights.
    """
    settings = config.denoiser
    torch.manual_seed(config.seed + 1)
    net = networks.unet(config).to(config.device)

    def loss(_: int, draws: Draws) -> Tensor:
        sample = samples.draw(draws).to(config.device)
        with networks.precision(config):
            told = text(sample.tokens).last_hidden_state
            predicted = net(sample.noisy, sample.times, told).sample
        return painted_error(predicted.float(), sample)

    train(
        Stage(
            "denoiser",
            {"unet": net, "text_encoder": text},
            loss,
            settings.steps,
            settings.learning_rate,
            settings.ema,
        ),
        seed=config.seed,
        folder=folder,
        identity=identity(config),
        save_every_s=config.save_every_s,
        tell=tell,
        look_every_s=config.sheet_every_s,
        look=lambda step: look(net, text, step),
    )
    return net, text


def identity(config: BuildConfig) -> dict[str, object]:
    """What a state of this stage belongs to."""
    settings = config.denoiser
    return {
        "size": config.size,
        "seed": config.seed,
        "data": config.data.model_dump(mode="json"),
        "text": config.text.model_dump(mode="json", exclude={"floor"}),
        "widths": list(settings.widths),
        "batch_size": settings.batch_size,
        "untold_share": settings.untold_share,
    }
