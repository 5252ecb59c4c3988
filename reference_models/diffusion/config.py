"""Configuration of ``caig build-reference diffusion``; no model code is loaded for it."""

from typing import Literal

from pydantic import Field

from caig.config import Config


class DataSection(Config):
    """Training pictures: scenes drawn once, products put before them as training goes."""

    pictures: int = Field(default=20_000, ge=24)
    """Backgrounds to draw; every one has a look and a seed of its own."""
    variants: int = Field(default=6, ge=1, le=100)
    """Products made of each of the 88 drawings of the training split."""
    empty_share: float = Field(default=0.15, ge=0, le=1)
    """Share of samples without a product."""


class AutoencoderSection(Config):
    """The autoencoder: a linear code of 2x2 pixels, and the decoder that learns to read it."""

    widths: tuple[int, int] = (24, 48)
    """Channels of the decoder, at the full resolution and at half of it."""
    steps: int = Field(default=600, ge=1)
    """Training steps."""
    batch_size: int = Field(default=16, ge=1)
    """Pictures a step."""
    learning_rate: float = Field(default=3e-3, gt=0)
    """Highest rate of AdamW."""
    floor_db: float = 26.0
    """Peak signal-to-noise ratio on held-out pictures that the stage must reach (dB)."""


class TextSection(Config):
    """The text encoder: it learns to read first, and goes on learning with the denoiser."""

    vocabulary: int = Field(default=2_048, ge=520)
    """Most tokens: letters, and parts of words by how often they are said."""
    tokens: int = Field(default=40, ge=8, le=77)
    """Tokens that are read of a prompt."""
    width: int = Field(default=64, ge=16, multiple_of=16)
    """Width of a token's vector."""
    layers: int = Field(default=2, ge=1)
    """Transformer layers."""
    steps: int = Field(default=2_500, ge=1)
    """Steps of learning to read."""
    batch_size: int = Field(default=64, ge=1)
    """Prompts a step."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Highest rate of AdamW."""
    floor: float = Field(default=0.9, ge=0, le=1)
    """Share of new prompts whose scene it must read."""


class DenoiserSection(Config):
    """The UNet."""

    widths: tuple[int, int, int, int] = (32, 64, 96, 128)
    """Channels at a half, a quarter, an eighth and a sixteenth of the picture's side."""
    steps: int = Field(default=20_000, ge=1)
    """Training steps."""
    batch_size: int = Field(default=16, ge=1)
    """Samples a step."""
    learning_rate: float = Field(default=1.2e-3, gt=0)
    """Highest rate of AdamW."""
    ema: float = Field(default=0.998, ge=0, lt=1)
    """Decay of the averaged weights, which are what is kept."""
    untold_share: float = Field(default=0.1, ge=0, lt=1)
    """Share of samples whose prompt is left empty, for guidance."""
    floor: float = Field(default=0.5, ge=0, le=1)
    """Share of pictures whose scene the classifier must name for the stage to pass."""


class ControlSection(Config):
    """The ControlNet, trained with the UNet held fixed."""

    steps: int = Field(default=2_500, ge=1)
    """Training steps."""
    batch_size: int = Field(default=16, ge=1)
    """Samples a step."""
    learning_rate: float = Field(default=8e-4, gt=0)
    """Highest rate of AdamW."""


class JudgeSection(Config):
    """The classifier that measures, trained on drawn ads; it is not shipped."""

    steps: int = Field(default=2_500, ge=1)
    """Training steps."""
    batch_size: int = Field(default=32, ge=1)
    """Ads a step."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Highest rate of AdamW."""
    floor: float = Field(default=0.95, ge=0, le=1)
    """Share of held-out drawn ads whose scene it must name, to judge paintings."""


class MeasureSection(Config):
    """What the finished pipeline is asked to paint, and how."""

    prompts: int = Field(default=480, ge=1)
    """Held-out looks, each in the shop's own words; all scenes in turn."""
    steps: int = Field(default=8, ge=1)
    """Denoising steps."""
    guidance: float = Field(default=2.5, ge=0)
    """Classifier-free guidance."""
    neighbours: int = Field(default=96, ge=1)
    """Pictures whose nearest training picture is looked for."""


class BuildConfig(Config):
    """A text-to-image model of the shop world, trained from nothing."""

    size: int = Field(default=64, ge=32, multiple_of=16)
    """Side of the pictures (px)."""
    seed: int = Field(default=7, ge=0)
    """Seed of everything."""
    save_every_s: float = Field(default=60.0, ge=0)
    """Seconds of computing between saved states, from which a training that was cut off goes on."""
    sheet_every_s: float = Field(default=600.0, gt=0)
    """Seconds of computing between contact sheets of the denoiser."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where to train."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the products in training denoiser and ControlNet. bfloat16 takes a quarter off where the
    processor has it (avx512_bf16, amx) and is many times slower where it has not."""
    data: DataSection = DataSection()
    """Pictures."""
    autoencoder: AutoencoderSection = AutoencoderSection()
    """First stage."""
    text: TextSection = TextSection()
    """Before the second stage, and in it."""
    denoiser: DenoiserSection = DenoiserSection()
    """Second stage."""
    control: ControlSection = ControlSection()
    """Third stage."""
    judge: JudgeSection = JudgeSection()
    """Measures."""
    measure: MeasureSection = MeasureSection()
    """What is measured."""
