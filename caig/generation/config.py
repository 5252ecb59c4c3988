"""Configuration of ``caig cut-out`` and ``caig generate``; no model code is loaded for it."""

from typing import Literal

from pydantic import Field, model_validator

from caig.config import Config


class Columns(Config):
    """Columns of a product table; title and category may be "" where it has none."""

    product_id: str = "product_id"
    """Identifier; rows that share one are pictures of one product."""
    title: str = "title"
    """Title; where it is empty, the identifier made readable."""
    category: str = "category"
    """Category, or categories from root to leaf joined by > or ->."""
    image: str = "image"
    """Picture: a path below ``images``, or an address whose last part is a file there."""


class CutOutConfig(Config):
    """What to cut out, and how."""

    columns: Columns = Columns()
    """Columns, where the source is a table."""
    images: str = "."
    """Folder of the pictures, relative to the table's."""
    method: Literal["auto", "alpha", "ground", "rembg"] = "auto"
    """``auto``: by alpha where the picture has one, else against its even ground."""
    use_doubtful: bool = False
    """Whether products whose best mask is doubtful come into the catalogue."""
    split: Literal["train", "val", "test"] = "test"
    """Data split of the products."""
    max_pixels: int = Field(default=64_000_000, ge=1)
    """Pictures with more pixels are refused before they are decoded."""
    max_side: int = Field(default=2048, ge=24)
    """Larger pictures are reduced to this (px)."""


class DiffusionConfig(Config):
    """A diffusion pipeline and how it is run."""

    base: str = ""
    """Hub id or folder of the base model, in diffusers' format; its own pipeline is made of it."""
    controlnet: str = ""
    """Hub id or folder of a canny ControlNet; "" for none."""
    lora: str = ""
    """Hub id or folder of a LoRA for the base model; "" for none."""
    lora_scale: float = Field(default=1.0, ge=0)
    """Weight of the LoRA."""
    revision: str | None = None
    """Revision of the base model on the hub."""
    variant: str | None = None
    """Variant of the weight files, e.g. fp16."""
    trust_remote_code: bool = False
    """Whether code that comes with a model may run; only for models whose code you have read."""
    scheduler: str = ""
    """Class of diffusers, e.g. EulerAncestralDiscreteScheduler; "" for the model's own."""
    steps: int = Field(default=30, ge=1)
    """Denoising steps."""
    guidance: float = Field(default=7.5, ge=0)
    """Classifier-free guidance; 1 or less turns it off."""
    control_scale: float = Field(default=1.0, ge=0)
    """Weight of the ControlNet."""
    negative_prompt: str = ""
    """What pictures shall not show."""
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """Of the weights; ``auto``: float32 on a CPU, float16 on a GPU."""
    device: str = "auto"
    """``auto``: a GPU if there is one; else e.g. cpu, cuda:1."""
    safety_checker: bool = False
    """Whether the model's own filter runs. It is off by default, as it blanks harmless ads; look
    at what goes live."""


class GenerationConfig(Config):
    """Painting backgrounds around products."""

    generator: str = "diffusion"
    """``diffusion``, ``procedural``, or ``package.module:Class`` of a user's own generator."""
    size: int = Field(default=512, ge=32, multiple_of=8)
    """Side of the pictures (px)."""
    seed: int = Field(default=42, ge=0, lt=2**31)
    """Seed; every product has its own, made of this and its identifier."""
    seed_per_product: bool = True
    """False gives every picture the seed itself, as the paper's code does."""
    fit: float = Field(default=0.78, gt=0, le=1)
    """Share of the canvas that the product takes along its longer side."""
    ground: float | None = Field(default=None, gt=0, le=1)
    """Line the product stands on, as a share of the height from the top; unset centres it."""
    batch_size: int = Field(default=1, ge=1)
    """Pictures that are painted at once."""
    diffusion: DiffusionConfig = DiffusionConfig()
    """The model, for ``generator = "diffusion"``."""

    @model_validator(mode="after")
    def _named(self) -> "GenerationConfig":
        named = self.generator in ("diffusion", "procedural") or self.generator.count(":") == 1
        if not named:
            raise ValueError(
                f"generator: '{self.generator}' is neither diffusion, procedural nor module:Class"
            )
        return self
