"""Configuration of pre-training: the model, the task data, and the stages. Loads no torch.

A stage with ``examples = 0`` is left out. A checkpoint that was trained on pictures and text before
needs the last stage only; a model built from nothing needs all three, see docs/pretraining.md.
"""

from typing import Literal

from pydantic import Field, model_validator

from caig.config import Config

TINY = "tiny"
"""Name of the base model that is built from nothing."""


class ModelConfig(Config):
    """The base model."""

    base: str = TINY
    """Folder or hub name of an image-text-to-text checkpoint; "ref:prompt" is the one that ships,
    "tiny" builds one from nothing."""
    revision: str | None = None
    """Revision of a hub name."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Type of the weights; auto is float32 on a CPU, where others are slow, bfloat16 on a GPU."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it runs; auto takes a GPU if there is one."""
    trust_remote_code: bool = False
    """Run Python code that the checkpoint brings along. Only for checkpoints you have read."""


class TinyConfig(Config):
    """Size of the model that is built from nothing."""

    width: int = Field(default=96, ge=24, multiple_of=8)
    """Width of both transformers."""
    heads: int = Field(default=4, ge=1)
    """Attention heads of both."""
    vision_layers: int = Field(default=1, ge=1)
    """Layers of the vision tower's last stage; the stages before have a convolution each, and the
    second a layer."""
    text_layers: int = Field(default=2, ge=1)
    """Layers of the language model."""
    image_size: int = Field(default=64, ge=32, multiple_of=16)
    """Side of the picture that the tower sees (px)."""
    vocabulary: int = Field(default=1024, ge=300)
    """Entries of the byte-level BPE vocabulary, trained on the data's texts."""

    @model_validator(mode="after")
    def _divides(self) -> "TinyConfig":
        if self.width % (2 * self.heads):
            raise ValueError("width must be a multiple of twice the heads")
        return self


class TasksConfig(Config):
    """How products and ads become instructions and answers."""

    min_scene_share: float = Field(default=0.0, ge=0, le=1)
    """Answers of the tasks that propose a background come from ads whose place (first phrase of the
    caption) at least this share of the category's training ads have: what merchants of the category
    do. 0 takes all ads."""
    min_ctr_rank: float = Field(default=0.0, ge=0, lt=1)
    """They come from ads whose smoothed CTR ranks at least here among the product's ads (0 to 1).
    0 takes all ads, those that were never shown too."""
    category_share: float = Field(default=0.9, ge=0, le=1)
    """Share of the instructions about a product that state its category beside the title, where the
    product table has one. Some without keep title and picture read."""
    word_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Chance of each word of a title to be left out of an instruction: with few products, a model
    learns titles by heart and not the words in them."""
    made_title_share: float = Field(default=0.0, ge=0, le=1)
    """Share of the instructions about a product whose title is made up: the name of its category
    among words of any titles that name none. A model then finds the word that says what a product
    is, whatever stands beside it; real titles alone teach that only where there are very many."""
    place_weight: float = Field(default=1.0, ge=1)
    """Weight of the loss on the place, the first phrase of a background; 1 is flat."""


class StageConfig(Config):
    """One stage of training."""

    examples: int = Field(default=0, ge=0)
    """Training examples seen (count); 0 leaves the stage out."""
    batch_size: int = Field(default=32, ge=1)
    """Examples of one forward pass, on each device."""
    accumulate: int = Field(default=1, ge=1)
    """Forward passes of one step."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Peak rate; warmed up linearly, then a cosine to 0."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Share of the steps that warm up."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled weight decay (AdamW)."""


class SightConfig(StageConfig):
    """Warm start of the vision tower: it learns to tell places and categories by itself.

    A tower that starts from noise is otherwise never looked at.
    """

    learning_rate: float = Field(default=2e-3, gt=0)
    """Peak rate; warmed up linearly, then a cosine to 0."""


class InstructConfig(StageConfig):
    """Instruction tuning."""

    weights: dict[str, float]
    """Share of each task, by name; they are scaled to sum to 1."""

    tower_rate: float = Field(default=0.0, ge=0)
    """Learning rate of the vision tower as a multiple of ``learning_rate``; 0 freezes the tower."""
    lora_rank: int = Field(default=0, ge=0)
    """Rank of LoRA on all linear layers of the language model, merged at the end; 0 trains all."""
    lora_alpha: int = Field(default=0, ge=0)
    """Scale of LoRA; 0 is twice the rank."""
    checkpoint_every: int = Field(default=200, ge=1)
    """Steps between checkpoints, from which a killed run goes on."""


UNDERSTANDING = {"product": 0.3, "background": 0.5, "place": 0.2}

ALL_TASKS = {
    "product": 0.08,
    "background": 0.12,
    "place": 0.15,
    "suitable": 0.15,
    "title": 0.05,
    "create": 0.35,
    "rewrite": 0.10,
}


class DescribeConfig(InstructConfig):
    """Image understanding alone: the language model learns to read a tower that is frozen."""

    weights: dict[str, float] = UNDERSTANDING
    """Share of each task, by name; they are scaled to sum to 1."""


class MixConfig(InstructConfig):
    """All task families."""

    weights: dict[str, float] = ALL_TASKS
    """Share of each task, by name; they are scaled to sum to 1."""


class ValidationConfig(Config):
    """Figures on the validation products."""

    products: int = Field(default=200, ge=0)
    """Products that prompts are written for (count); 0 measures nothing."""
    pictures: int = Field(default=200, ge=0)
    """Ads whose background is named (count)."""
    samples: int = Field(default=2, ge=0)
    """Prompts sampled a product, at temperature 1."""
    max_new_tokens: int = Field(default=48, ge=1)
    """Longest prompt (tokens)."""
    batch_size: int = Field(default=32, ge=1)
    """Products at a time."""


class PretrainConfig(Config):
    """Pre-training: base model, task data, stages and validation."""

    seed: int = Field(default=0, ge=0)
    """Seed of weights, data and sampling."""
    picture_side: int | None = Field(default=None, ge=16)
    """Pictures are shrunk to this longer side when they are read (px); the processor resizes them
    to the model's own size in any case."""
    model: ModelConfig = ModelConfig()
    """The base model."""
    tiny: TinyConfig = TinyConfig()
    """Size of the model built from nothing."""
    tasks: TasksConfig = TasksConfig()
    """Instructions and answers."""
    sight: SightConfig = SightConfig()
    """Warm start of the tower."""
    describe: DescribeConfig = DescribeConfig()
    """Image understanding, tower frozen."""
    mix: MixConfig = MixConfig()
    """All tasks."""
    validation: ValidationConfig = ValidationConfig()
    """Figures."""

    @model_validator(mode="after")
    def _known_tasks(self) -> "PretrainConfig":
        for name, stage in (("describe", self.describe), ("mix", self.mix)):
            unknown = sorted(set(stage.weights) - set(ALL_TASKS))
            if unknown:
                raise ValueError(
                    f"{name}.weights: no task '{unknown[0]}'; there are {', '.join(ALL_TASKS)}"
                )
            if any(value < 0 for value in stage.weights.values()):
                raise ValueError(f"{name}.weights: a share is below 0")
            if stage.examples and sum(stage.weights.values()) <= 0:
                raise ValueError(f"{name}.weights: give at least one task a share above 0")
        return self
